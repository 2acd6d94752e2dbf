"""The tree as text: the chat dialect (*bold*, _italic_, `code`, > quote), or without any marks.

In the chat dialect a backslash makes the next character plain, so that no name and no sentence can
switch formatting on; web addresses stand as they are, because messengers find them by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from messengers.markdown import (
    Block,
    Code,
    Emphasis,
    Heading,
    Inline,
    Items,
    LineBreak,
    Link,
    Paragraph,
    Quote,
    Rule,
    Strong,
    Text,
)
from messengers.placeholders import Slot
from messengers.render.template import Escape, Holes, plain

BULLET = "•"
RULE = "———"
_CHAT_SPECIAL = re.compile(r"[\\*_`~]|^>", re.MULTILINE)


def escape_chat(text: str) -> str:
    """`text` so that the chat dialect shows exactly this."""
    if not _CHAT_SPECIAL.search(text):  # nearly every name
        return text
    return _CHAT_SPECIAL.sub(r"\\\g<0>", text)


def render_chat(blocks: Iterable[Block], holes: Holes) -> str:
    """The tree in the chat dialect, with marks for the slots."""
    return _Writer(holes, escape_chat, strong="*", emphasis="_", code="`").blocks(blocks, "")


def render_plain(blocks: Iterable[Block], holes: Holes) -> str:
    """The tree as the text part of a mail: nothing marked, links in brackets."""
    return _Writer(holes, plain, strong="", emphasis="", code="").blocks(blocks, "")


class _Writer:
    """Writes lines with a prefix per nesting level; a value's own line breaks keep that prefix."""

    def __init__(
        self, holes: Holes, escape: Escape, *, strong: str, emphasis: str, code: str
    ) -> None:
        self.holes = holes
        self.escape = escape
        self.marks: dict[type, str] = {Strong: strong, Emphasis: emphasis, Code: code}

    def blocks(self, blocks: Iterable[Block], prefix: str) -> str:
        """The blocks with an empty line between; the first line carries no prefix."""
        return f"\n{prefix.rstrip()}\n{prefix}".join(self.block(block, prefix) for block in blocks)

    def block(self, block: Block, prefix: str) -> str:
        if isinstance(block, Items):
            return f"\n{prefix}".join(self.items(block, prefix))
        if isinstance(block, Quote):
            return "> " + self.blocks(block.children, f"{prefix}> ")
        if isinstance(block, Rule):
            return RULE
        if isinstance(block, Heading):
            return self.line((Strong(tuple(_unmarked(block.children))),), prefix)
        return self.line(block.children, prefix)

    def items(self, items: Items, prefix: str) -> Iterator[str]:
        for number, item in enumerate(items.items, items.start or 0):
            bullet = BULLET if items.start is None else f"{number}."
            inner = prefix + " " * (len(bullet) + 1)
            yield f"{bullet} " + f"\n{inner}".join(self.block(block, inner) for block in item)

    def line(self, children: Iterable[Inline], prefix: str, open_marks: str = "") -> str:
        return "".join(self.inline(child, prefix, open_marks) for child in children)

    def inline(self, node: Inline, prefix: str, open_marks: str) -> str:
        if isinstance(node, Text):
            return self.escape(node.text)
        if isinstance(node, Slot):
            return self.slot(node, prefix)
        if isinstance(node, LineBreak):
            # Messengers format within a line only: close the marks and open them again.
            return f"{open_marks[::-1]}\n{prefix}{open_marks}"
        if isinstance(node, Link):
            return self.link(node, prefix, open_marks)
        mark = self.marks[type(node)]
        if mark in open_marks:
            return self.line(node.children, prefix, open_marks)
        return mark + self.line(node.children, prefix, open_marks + mark) + mark

    def slot(self, slot: Slot, prefix: str) -> str:
        if slot.is_url:
            return self.holes.mark(slot, plain)
        return self.holes.mark(
            slot, lambda value: f"\n{prefix}".join(map(self.escape, value.split("\n")))
        )

    def link(self, link: Link, prefix: str, open_marks: str) -> str:
        href = link.href
        address = self.holes.mark(href, plain) if isinstance(href, Slot) else href
        address = address.removeprefix("mailto:")
        if link.bare:
            return address
        return f"{self.line(link.children, prefix, open_marks)} ({address})"


def _unmarked(children: Iterable[Inline]) -> Iterator[Inline]:
    """A heading is bold as a whole: bold inside it adds nothing."""
    for child in children:
        if isinstance(child, Strong):
            yield from child.children
        else:
            yield child


__all__ = ["Paragraph", "escape_chat", "render_chat", "render_plain"]
