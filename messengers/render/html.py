"""The tree as HTML for mail: everything escaped by us, then nh3 as a second lock.

Mail programs know no style sheets, so the styles stand inline; there are no scripts, no forms, no
pictures from elsewhere and nothing that tells who opened what.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import nh3

from messengers.markdown import (
    Block,
    Code,
    Emphasis,
    Heading,
    Inline,
    Items,
    LineBreak,
    Link,
    Quote,
    Rule,
    Strong,
    Text,
)
from messengers.placeholders import Slot
from messengers.render.template import Holes

LINK_STYLE = "color:#0b57a4;text-decoration:underline"
STYLES = {
    "p": "margin:0 0 16px",
    "h1": "margin:24px 0 12px;font-size:24px;line-height:1.25",
    "h2": "margin:20px 0 10px;font-size:20px;line-height:1.3",
    "h3": "margin:16px 0 8px;font-size:17px;line-height:1.3",
    "ul": "margin:0 0 16px;padding-left:24px",
    "ol": "margin:0 0 16px;padding-left:24px",
    "li": "margin:0 0 6px",
    "blockquote": "margin:0 0 16px;padding:2px 0 2px 14px;border-left:3px solid #9aa4b0",
    "hr": "border:0;border-top:1px solid #9aa4b0;margin:24px 0",
    "code": "font-family:monospace",
    "a": LINK_STYLE,
}
ALLOWED_TAGS = {*STYLES, "strong", "em", "br"}


def render_html(blocks: Iterable[Block], holes: Holes) -> str:
    """The tree as an HTML fragment with marks for the slots."""
    return cleaned("".join(_block(block, holes) for block in blocks))


def cleaned(fragment: str) -> str:
    """The fragment with nothing but the subset's own tags and http, https and mailto links."""
    attributes = {tag: {"style"} for tag in STYLES} | {
        "a": {"href", "style"},
        "ol": {"start", "style"},
    }
    return nh3.clean(
        fragment,
        tags=ALLOWED_TAGS,
        attributes=attributes,
        url_schemes={"http", "https", "mailto"},
        link_rel=None,
    )


def tag(name: str, inner: str, attributes: str = "") -> str:
    """An element with its inline style."""
    return f'<{name}{attributes} style="{STYLES[name]}">{inner}</{name}>'


def escape_lines(value: str) -> str:
    """A value's text for HTML; its line breaks remain visible."""
    return escape(value).replace("\n", "<br>")


def _block(block: Block, holes: Holes) -> str:
    if isinstance(block, Items):
        items = "".join(
            tag("li", "".join(_item(part, holes) for part in item)) for item in block.items
        )
        if block.start is None:
            return tag("ul", items)
        return tag("ol", items, f' start="{block.start}"')
    if isinstance(block, Quote):
        return tag("blockquote", "".join(_block(child, holes) for child in block.children))
    if isinstance(block, Rule):
        return f'<hr style="{STYLES["hr"]}">'
    if isinstance(block, Heading):
        return tag(f"h{min(block.level, 3)}", _line(block.children, holes))
    return tag("p", _line(block.children, holes))


def _item(block: Block, holes: Holes) -> str:
    """A paragraph in a list item needs no margins of its own."""
    if isinstance(block, Heading | Items | Quote | Rule):
        return _block(block, holes)
    return _line(block.children, holes)


def _line(children: Iterable[Inline], holes: Holes) -> str:
    return "".join(_inline(child, holes) for child in children)


def _inline(node: Inline, holes: Holes) -> str:
    if isinstance(node, Text):
        return escape(node.text)
    if isinstance(node, Slot):
        return _link(Link(node, (), bare=True), holes) if node.is_url else _value(node, holes)
    if isinstance(node, LineBreak):
        return "<br>"
    if isinstance(node, Strong):
        return f"<strong>{_line(node.children, holes)}</strong>"
    if isinstance(node, Emphasis):
        return f"<em>{_line(node.children, holes)}</em>"
    if isinstance(node, Code):
        return tag("code", _line(node.children, holes))
    return _link(node, holes)


def _value(slot: Slot, holes: Holes) -> str:
    return holes.mark(slot, escape_lines)


def _link(link: Link, holes: Holes) -> str:
    href = link.href
    address = _value(href, holes) if isinstance(href, Slot) else escape(href)
    if not link.bare:
        shown = _line(link.children, holes)
    elif isinstance(href, Slot):
        shown = _value(href, holes)
    else:
        shown = escape(href.removeprefix("mailto:"))
    return tag("a", shown, f' href="{address}"')
