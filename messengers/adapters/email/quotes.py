"""What somebody wrote themselves in a mail: without quoted text, signature and advertising footer.

Somebody who answers STOP has our whole newsletter quoted below; its words are not theirs.
"""

from __future__ import annotations

import re

# A line that introduces a quotation; it may be wrapped, so three lines are tried together. It names
# a time or an address: "Am Montag schrieb ich:" is somebody's own sentence.
_INTRO = re.compile(
    r"^\s*(?=.*(\d[.:]\d\d|@))("
    r"(Am|On|Le|El|Il)\b.{4,300}?\b(schrieb|wrote|a écrit|escribió|ha scritto)\b.{0,160}"
    r"|[^\n]{0,160}\b(schrieb|wrote)\b[^\n]{0,120}:"
    r")\s*$",
    re.DOTALL,
)
# From here on nothing is the writer's own.
_END = re.compile(
    r"^\s*("
    r"-{2,}\s*(Ursprüngliche|Original|Weitergeleitete|Forwarded)[- ]?\s*(Nachricht|Message|E-?Mail)"
    r"|(Anfang der weitergeleiteten|Begin forwarded)\b"
    r"|_{20,}\s*$"
    r"|--\s?$"
    r")",
    re.IGNORECASE,
)
_FOOTER = re.compile(
    r"^\s*(Von meinem .{2,40} gesendet|Gesendet (von|mit|aus) .{2,60}|Sent (from|with) .{2,60}"
    r"|Get Outlook for .{2,20}|Diese Nachricht wurde von meinem .{2,60} gesendet.*)\s*\.?$",
    re.IGNORECASE,
)
# Outlook's block: From/Von with Sent/Gesendet or To/An within the next lines.
_OUTLOOK_FROM = re.compile(r"^\s*\*?(Von|From)\*?:\s?\S")
_OUTLOOK_NEXT = re.compile(r"^\s*\*?(Gesendet|Sent|Datum|Date|An|To|Betreff|Subject)\*?:\s?\S")
INTRO_LINES = 3


def own_words(text: str) -> str:
    """The writer's own lines, stripped; "" if there are none."""
    lines = text.replace("\r\n", "\n").replace("\xa0", " ").split("\n")
    kept: list[str] = []
    position = 0
    while position < len(lines):
        line = lines[position]
        if _ends(lines, position):
            break
        if line.lstrip().startswith(">"):
            position += 1
            continue
        if taken := _intro(lines, position):
            position += taken
            if not _quoted_next(lines, position):
                break
            continue
        if not _FOOTER.match(line):
            kept.append(line.rstrip())
        position += 1
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()


def _ends(lines: list[str], position: int) -> bool:
    line = lines[position]
    if _OUTLOOK_FROM.match(line):
        return any(_OUTLOOK_NEXT.match(after) for after in lines[position + 1 : position + 4])
    return bool(_END.match(line))


def _intro(lines: list[str], position: int) -> int:
    """How many lines the introduction of a quotation takes here; 0 if this is none."""
    if not lines[position].strip():
        return 0
    for count in range(1, INTRO_LINES + 1):
        together = "\n".join(lines[position : position + count])
        if together.rstrip().endswith((":", ">")) and _INTRO.match(together):
            return count
    return 0


def _quoted_next(lines: list[str], position: int) -> bool:
    """Whether `>` lines follow: then somebody may have answered below them."""
    following = (line.lstrip() for line in lines[position:] if line.strip())
    return next(following, "").startswith(">")
