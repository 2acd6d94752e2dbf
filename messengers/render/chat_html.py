"""The chat dialect shown as HTML: what the simulator's phone and the desk's preview display.

The way back of `messengers.render.text`: whatever was escaped there is plain text here. The result
holds only strong, em, code, blockquote, br and links to http and https.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from messengers.markdown import BARE_URL

TAGS = {"*": "strong", "_": "em", "`": "code"}
_TOKEN = re.compile(rf"\\([\\*_`~>])|({BARE_URL.pattern})|([*_`])")


def chat_to_html(text: str) -> str:
    """A message in the chat dialect as safe HTML."""
    html: list[str] = []
    quoted: list[str] = []
    for line in text.split("\n"):
        if line.startswith(">"):
            quoted.append(_line(line[1:].removeprefix(" ")))
            continue
        html += _quote(quoted)
        html.append(_line(line))
    html += _quote(quoted)
    return "<br>".join(html).replace("</blockquote><br>", "</blockquote>")


def _quote(lines: list[str]) -> Iterator[str]:
    if lines:
        yield f"<blockquote>{'<br>'.join(lines)}</blockquote>"
        lines.clear()


def _line(line: str) -> str:
    """One line: a stack of open marks; a mark that is never closed is only a character."""
    stack: list[tuple[str, list[str]]] = [("", [])]
    position = 0
    for token in _TOKEN.finditer(line):
        stack[-1][1].append(escape(line[position : token.start()]))
        position = token.end()
        escaped, url, mark = token.groups()
        if escaped:
            stack[-1][1].append(escape(escaped))
        elif url:
            stack[-1][1].append(_link(url))
        elif mark == stack[-1][0] and any(stack[-1][1]):
            _, inner = stack.pop()
            stack[-1][1].append(f"<{TAGS[mark]}>{''.join(inner)}</{TAGS[mark]}>")
        elif any(mark == open_mark for open_mark, _ in stack):
            stack[-1][1].append(mark)
        else:
            stack.append((mark, []))
    stack[-1][1].append(escape(line[position:]))
    return "".join(mark + "".join(inner) for mark, inner in stack)


def _link(url: str) -> str:
    safe = escape(url)
    return f'<a href="{safe}" target="_blank" rel="noopener noreferrer nofollow">{safe}</a>'
