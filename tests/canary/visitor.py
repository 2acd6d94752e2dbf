"""A test client that writes down every address which our own pages and answers hold."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

from django.http import HttpResponseBase
from django.test import Client

HEADERS = (
    "Location", "Content-Location", "Refresh", "Link", "Content-Disposition",
    "HX-Redirect", "HX-Location", "HX-Push-Url", "HX-Replace-Url",
)  # fmt: skip
ATTRIBUTES = ("href", "action", "formaction", "src", "srcset", "content", "hx-", "data-hx-")
# In JSON and plain text: whatever looks like an address of this house or of another.
WRITTEN = re.compile(r"(?:https?:/)?/[^\s\"'<>]+")


class Visitor(Client):
    """Lives as the test client does; `seen` grows by the addresses in each answer."""

    def __init__(self, seen: list[str], **options: Any) -> None:
        super().__init__(**options)
        self.seen = seen

    def request(self, **request: Any) -> Any:
        answer = super().request(**request)
        self.seen += addresses_in(answer)
        return answer


def addresses_in(answer: HttpResponseBase) -> Iterator[str]:
    """Every Location, href, action, hx-* and the like; a file that is streamed holds no links."""
    yield from (answer.headers[name] for name in HEADERS if name in answer.headers)
    kind = str(answer.headers.get("Content-Type", ""))
    if answer.streaming or not kind.startswith(("text/", "application/json", "image/svg")):
        return
    text = answer.content.decode()
    yield from _in_html(text) if "html" in kind or "svg" in kind else WRITTEN.findall(text)


def _in_html(text: str) -> list[str]:
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if value and name.startswith(ATTRIBUTES)]
