"""The Markdown subset in which messages are written, read into a small neutral tree.

Known: paragraphs, line breaks (every one counts, as in a chat), headings, bold, italic, code
words, links (http, https, mailto), bullet and numbered lists, quotes, rules. Anything else, HTML
above all, is text and stays text. Placeholders are taken out before Markdown is read and come back
as `Slot`, so that neither a value nor a fallback can ever become markup.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

from messengers.placeholders import NAMES, Slot
from messengers.placeholders import parse as parse_placeholders

MARKDOWN_MAX = (
    20_000  # characters; nobody reads more in a messenger, and it bounds the parser's work
)
NESTING_MAX = 12
BLOCK_RULES = ["heading", "list", "blockquote", "hr"]
INLINE_RULES = ["newline", "escape", "backticks", "emphasis", "link", "autolink"]

# A slot inside Markdown: two characters of the private use area around its number.
MARK_OPEN, MARK_CLOSE = "\ue000", "\ue001"
MARK = re.compile(f"{MARK_OPEN}([0-9]+){MARK_CLOSE}")
_NOT_IN_URL = r"\s<>\"'\\^`{|}\x00-\x20\x7f-\x9f\ue000\ue001"
BARE_URL = re.compile(rf"https?://[^{_NOT_IN_URL}]*[^{_NOT_IN_URL}.,;:!?)\]*_]")
SAFE_URL = re.compile(rf"(https?://|mailto:)[^{_NOT_IN_URL}]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Strong:
    children: tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Emphasis:
    children: tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Code:
    children: tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """`bare`: the address itself is what is shown."""

    href: str | Slot
    children: tuple[Inline, ...]
    bare: bool = False


@dataclass(frozen=True, slots=True)
class LineBreak:
    pass


@dataclass(frozen=True, slots=True)
class Paragraph:
    children: tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    children: tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Items:
    """A list: numbered from `start`, or with bullets when `start` is None."""

    start: int | None
    items: tuple[tuple[Block, ...], ...]


@dataclass(frozen=True, slots=True)
class Quote:
    children: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    pass


Inline = Text | Slot | Strong | Emphasis | Code | Link | LineBreak
Block = Paragraph | Heading | Items | Quote | Rule


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in the Markdown that will not be what its writer meant."""

    code: str  # "bad_link", "slot_in_url", "inline_image", "too_long"
    found: str


@dataclass(frozen=True, slots=True)
class Document:
    """A text that was read: its blocks, its slots in order, and what is wrong with it."""

    blocks: tuple[Block, ...]
    slots: tuple[Slot, ...]
    faults: tuple[Fault, ...]


def parse(markdown: str, *, allowed: Collection[str] | None = NAMES) -> Document:
    """Read a message. Raises `PlaceholderErrors`; other mistakes are in `faults`."""
    if len(markdown) > MARKDOWN_MAX:
        return Document((), (), (Fault("too_long", str(len(markdown))),))
    source, slots = _mark(markdown, allowed)
    reader = _Reader(slots)
    blocks = tuple(reader.blocks(iter(_parser().parse(source))))
    return Document(blocks, tuple(slots), tuple(reader.faults))


def is_safe_url(url: str) -> bool:
    """Whether a link may lead there: a whole http, https or mailto address without spaces."""
    return bool(SAFE_URL.fullmatch(url))


def escape_markdown(text: str) -> str:
    """`text` as Markdown that shows exactly this text, for people's words inside our own."""
    escaped = re.sub(r"([\\`*_{}\[\]()#+\-.!<>&~|:])", r"\\\1", text)
    return escaped.replace("\\{", "{{").replace("\\}", "}")


def _mark(markdown: str, allowed: Collection[str] | None) -> tuple[str, list[Slot]]:
    """The source with a mark for each slot, and the slots."""
    clean = markdown.replace(MARK_OPEN, "").replace(MARK_CLOSE, "").replace("\r\n", "\n")
    slots: list[Slot] = []
    source: list[str] = []
    for segment in parse_placeholders(clean, allowed=allowed):
        if isinstance(segment, Slot):
            source.append(f"{MARK_OPEN}{len(slots)}{MARK_CLOSE}")
            slots.append(segment)
        else:
            source.append(segment)
    return "".join(source), slots


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    """Only the rules of the subset; links are judged by us, so that a bad one can be reported."""
    parser = MarkdownIt("zero", {"maxNesting": NESTING_MAX}).enable(BLOCK_RULES + INLINE_RULES)
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    parser.normalizeLink = lambda url: url  # type: ignore[method-assign]
    parser.normalizeLinkText = lambda link: link  # type: ignore[method-assign]
    return parser


class _Reader:
    """Turns the parser's flat tokens into the tree and collects faults."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.slots = slots
        self.faults: list[Fault] = []

    def blocks(self, tokens: Iterator[Token], until: str = "") -> Iterator[Block]:
        """The blocks up to the closing token `until`."""
        for token in tokens:
            if token.type == until:
                return
            if token.type == "paragraph_open":
                yield Paragraph(self.line(tokens))
            elif token.type == "heading_open":
                yield Heading(int(token.tag[1:]), self.line(tokens))
            elif token.type == "bullet_list_open":
                yield Items(None, tuple(self.items(tokens, "bullet_list_close")))
            elif token.type == "ordered_list_open":
                start = int(token.attrs.get("start", 1))
                yield Items(start, tuple(self.items(tokens, "ordered_list_close")))
            elif token.type == "blockquote_open":
                yield Quote(tuple(self.blocks(tokens, "blockquote_close")))
            elif token.type == "hr":
                yield Rule()

    def items(self, tokens: Iterator[Token], until: str) -> Iterator[tuple[Block, ...]]:
        for token in tokens:
            if token.type == until:
                return
            if token.type == "list_item_open":
                yield tuple(self.blocks(tokens, "list_item_close"))

    def line(self, tokens: Iterator[Token]) -> tuple[Inline, ...]:
        """The content of a paragraph or heading; takes its closing token too."""
        inline, _close = next(tokens), next(tokens)
        return tuple(self.inlines(iter(inline.children or ())))

    def inlines(self, tokens: Iterator[Token], until: str = "") -> Iterator[Inline]:
        before = ""
        for token in tokens:
            if token.type == until:
                return
            if token.type == "link_open" and before.endswith("!") and token.info != "auto":
                # `![alt](url)` reads as "!" and a link; its writer meant a picture.
                self.faults.append(Fault("inline_image", before[-20:]))
            before = token.content
            if token.type in ("softbreak", "hardbreak"):
                yield LineBreak()
            elif token.type == "strong_open":
                yield Strong(tuple(self.inlines(tokens, "strong_close")))
            elif token.type == "em_open":
                yield Emphasis(tuple(self.inlines(tokens, "em_close")))
            elif token.type == "code_inline":
                yield Code(tuple(self.slotted(token.content)))
            elif token.type == "link_open":
                yield from self.link(token, tuple(self.inlines(tokens, "link_close")))
            else:
                yield from self.text(token.content)

    def link(self, token: Token, children: tuple[Inline, ...]) -> Iterator[Inline]:
        """A link, or only its words when it leads where none may."""
        address = str(token.attrs.get("href", ""))
        children = tuple(_flat(children))
        if slot := self.url_slot(address):
            yield Link(slot, children, bare=not children)
        elif is_safe_url(address):
            yield Link(address, children, bare=token.info == "auto" or not children)
        else:
            self.faults.append(Fault("bad_link", MARK.sub("{…}", address)[:60]))
            yield from children

    def url_slot(self, address: str) -> Slot | None:
        """The slot that is this whole address, if its value is one. (An entity can fake a mark.)"""
        mark = MARK.fullmatch(address)
        slot = self.slots[int(mark[1])] if mark and int(mark[1]) < len(self.slots) else None
        return slot if slot and slot.is_url else None

    def text(self, content: str) -> Iterator[Inline]:
        """Plain text with its slots; bare web addresses become links."""
        position = 0
        for found in BARE_URL.finditer(content):
            yield from self.slotted(content[position : found.start()])
            if content.startswith(MARK_OPEN, found.end()):
                self.faults.append(Fault("slot_in_url", found[0][:60]))
            yield Link(found[0], (Text(found[0]),), bare=True)
            position = found.end()
        yield from self.slotted(content[position:])

    def slotted(self, content: str) -> Iterator[Text | Slot]:
        for number, part in enumerate(MARK.split(content)):
            if number % 2:
                yield self.slots[int(part)]
            elif part:
                yield Text(part)


def _flat(children: tuple[Inline, ...]) -> Iterator[Inline]:
    """No link inside a link: its words remain."""
    for child in children:
        if isinstance(child, Link):
            yield from child.children
        else:
            yield child
