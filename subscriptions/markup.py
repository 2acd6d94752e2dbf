"""Editors' Markdown as safe HTML for our own pages: notices and previews of wordings."""

import re

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

TAGS = {
    *("p", "br", "strong", "em", "code", "a", "ul", "ol", "li", "blockquote", "hr"),
    *("h2", "h3", "h4", "table", "thead", "tbody", "tr", "th", "td"),
}
SCHEMES = {"http", "https", "mailto"}
# The page has its own first heading, so a text's headings begin one step lower.
STEP_DOWN = {"h1": "h2", "h2": "h3", "h3": "h4", "h4": "h4", "h5": "h4", "h6": "h4"}

_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


def to_html(text: str) -> SafeString:
    """Render and clean: whatever is not in the lists above does not come through."""
    tokens = _markdown.parse(text)
    for token in tokens:
        token.tag = STEP_DOWN.get(token.tag, token.tag)
    html = _markdown.renderer.render(tokens, _markdown.options, {})
    clean = nh3.clean(html, tags=TAGS, attributes={"a": {"href"}}, url_schemes=SCHEMES)
    return mark_safe(clean)  # cleaned one line above


BARE_LINK = re.compile(r"(?<![<(])(https?://[^\s<>]+)")


def wording_html(text: str) -> SafeString:
    """A wording as it reads in a message: every line break counts, links can be followed.

    The link to the page that shows it has no place on that page.
    """
    lines = [line for line in text.splitlines() if line.strip() != "{confirm_url}"]
    plain = "\n".join(lines).replace("{{", "{").replace("}}", "}")
    linked = BARE_LINK.sub(r"<\1>", plain)
    return to_html(linked.replace("\n", "  \n").replace("  \n  \n", "\n\n"))
