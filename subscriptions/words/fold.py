"""What a chat message says without case, width, accents, emoji, quotes and tricks of spelling.

Pure Python and linear in the length of the message: whatever comes in from outside is read here
before anything else is known about it.
"""

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

# A withdrawal stands at the beginning of what somebody writes. Mail programs may hang megabytes
# of quoted text below it; nothing behind this many characters is read.
MAX_CHARACTERS_READ = 20_000
MAX_LINES_READ = 2_000

# Letters of other scripts that look like Latin ones: people paste them from "fancy text"
# generators and from keyboards that were left in Cyrillic or Greek.
LOOK_ALIKES = dict(
    zip("аеорстухіјѕвнкмԁһοτρανικε", "aeopctyxijsbhkmdhotpavike", strict=True),
)


class _Skeleton(dict[int, str]):
    """Translation table made on demand: drops marks and invisible characters, maps look-alikes."""

    MAX_CACHED = 20_000

    def __missing__(self, code: int) -> str:
        made = self._make(chr(code))
        if len(self) < self.MAX_CACHED:
            self[code] = made
        return made

    def _make(self, letter: str) -> str:
        code = ord(letter)
        if 0x1F150 <= code <= 0x1F169:  # negative circled letters, which NFKC leaves alone
            return chr(code - 0x1F150 + ord("a"))
        if 0x1F170 <= code <= 0x1F189:  # negative squared letters
            return chr(code - 0x1F170 + ord("a"))
        if unicodedata.category(letter) in {"Mn", "Me", "Cf"}:
            return ""
        return LOOK_ALIKES.get(letter, letter)


_SKELETON = _Skeleton()
_UMLAUT_DIGRAPH = re.compile(r"([aou])e")
_APOSTROPHE = re.compile(r"['`´‘’ʼ]")


def skeleton(text: str) -> str:
    """The bare letters of `text`: "KÜNDIGEN", "kuendigen" and "kundigen" become the same."""
    bare = unicodedata.normalize("NFKC", text)[:MAX_CHARACTERS_READ].casefold()
    if not bare.isascii():
        bare = unicodedata.normalize("NFKD", bare).translate(_SKELETON)
    return _UMLAUT_DIGRAPH.sub(r"\1", _APOSTROPHE.sub("", bare))


# Everything below such a line was written by somebody or something else.
_QUOTE_BEGINS = re.compile(
    r"""^\s*(?:
        -{2,}\s*(?:original|urspr|forwarded|weitergeleitet).*
      | _{8,}\s*
      | --\s?
      | (?:am|on|le)\s.{4,200}(?:schrieb|wrote|écrit)\b.*:?\s*
      | (?:am|on)\s.{0,40}\d{4}.{0,200}(?:<[^>]*>|@).*
      | .{1,200}\s(?:schrieb\s(?:am|um)|wrote\son)\b.{0,120}:\s*
      | (?:von|from):\s.{1,200}
      | (?:gesendet|sent|envoyé)\s(?:von|mit|from|via|depuis)\s.{2,80}
      | (?:von|from)\s(?:meinem?|my)\s.{2,60}(?:gesendet|gesandt|sent).?
      | (?:diese\snachricht\swurde|this\smessage\swas)\s.{2,120}
      | (?:mit\s)?(?:freundlich|best|viel|lieb|herzlich|schön)en?\sgr(?:ü|ue)(?:ß|ss)en?\b.*
      | (?:mfg|lg|vg|(?:kind\s|best\s)?regards|best\swishes|yours\s\w+|cheers)\b[\s,.!]*.{0,60}
    )$""",
    re.IGNORECASE | re.VERBOSE,
)


def own_words(text: str) -> str:
    """`text` without quoted lines, signatures and what a mail program adds below."""
    lines: list[str] = []
    for line in text[:MAX_CHARACTERS_READ].splitlines()[:MAX_LINES_READ]:
        if line.lstrip("\u200b\ufeff ").startswith((">", "&gt;", "|>")):
            continue
        if len(line) <= 400 and lines and _QUOTE_BEGINS.match(line):
            break
        lines.append(line)
    return "\n".join(lines)


class Word(NamedTuple):
    """One word of a message; `ends_clause` if a comma, full stop or new line follows."""

    text: str
    ends_clause: bool


_WORD = re.compile(r"([^\W_]+)([\W_]*)")  # and what stands between it and the next one
_CLAUSE_END = re.compile(r"[.,;:!?\n\u2013\u2014|/()]|\s-\s")


def words_of(bare: str, limit: int) -> list[Word]:
    """The first `limit` words of a skeleton. Emoji and punctuation only separate them."""
    found = _WORD.findall(bare)
    if found:
        found[-1] = (found[-1][0], ".")
    return [Word(word, _ends_clause(between[:50])) for word, between in found[:limit]]


@lru_cache(1_000)
def _ends_clause(between: str) -> bool:
    return bool(_CLAUSE_END.search(between))


_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_STRANGE = re.compile(f"[^{_LETTERS}]")
_ANY_STRANGE = "?"  # stands for each letter that no word of ours has


def slips_of(word: str) -> set[str]:
    """What is one slip of the finger away: a letter missing, extra or wrong, or two swapped.

    Letters beyond `word`'s alphabet are all the same there, and in `as_slip`.
    """
    made = set()
    for at in range(len(word) + 1):
        before, letter, after = word[:at], word[at : at + 1], word[at + 1 :]
        made |= {before + after, before + after[:1] + letter + after[1:]}
        for other in _LETTERS + _ANY_STRANGE:
            made |= {before + other + letter + after, before + other + after}
    return made - {word}


def as_slip(word: str) -> str:
    """`word` as `slips_of` spells it."""
    return word if word.isascii() else _STRANGE.sub(_ANY_STRANGE, word)


_RUN = re.compile(r"(.)\1{2,}")
_DOUBLE = re.compile(r"(.)\1+")


def without_drawl(word: str) -> str:
    """ "stooooop" and "stopppp" as "stop"; a word without a run of three stays as it is."""
    return _DOUBLE.sub(r"\1", word) if _RUN.search(word) else word
