"""The mail as its reader sees it: text and HTML part, buttons, and how to leave at the end."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from urllib.parse import quote

from messengers.adapters.email.addresses import own_domain
from messengers.contract import Account, Button, Capabilities, Content, Message, RenderError
from messengers.render.checks import parts_of
from messengers.render.html import LINK_STYLE, escape_lines, render_html
from messengers.render.template import Holes, web_address
from messengers.render.text import RULE, render_plain

IMAGE_CID = "picture@jawort"
_BODY_STYLE = (
    "margin:0;padding:0;font-family:Georgia,'Times New Roman',serif;font-size:17px;line-height:1.5"
)
_BOX_STYLE = "max-width:600px;margin:0 auto;padding:24px 16px"
_IMAGE_STYLE = "display:block;width:100%;max-width:600px;height:auto;border:0;margin:0 0 16px"
_BUTTON_STYLE = (
    "display:inline-block;margin:0 8px 12px 0;padding:12px 22px;border-radius:6px;"
    "background-color:#0b57a4;color:#ffffff;text-decoration:none;font-family:Arial,sans-serif"
)
_FOOTER_STYLE = (
    "margin:32px 0 0;padding:16px 0 0;border-top:1px solid #9aa4b0;"
    "font-family:Arial,sans-serif;font-size:13px"
)

# Words of the frame, in the language of the content. Adapters know no Django, so no gettext.
WORDS = {
    "de": {"leave": "Abbestellen", "settings": "Einstellungen", "answer": "antworten Sie mit"},
    "en": {"leave": "Unsubscribe", "settings": "Preferences", "answer": "reply with"},
}
BULK = ("broadcast", "test")


class EmailRendered:
    """Made once per dispatch; `fill` is a join of prepared pieces for both parts."""

    __slots__ = ("_able", "_account", "_content", "_html", "_parts", "_text", "_words")

    def __init__(self, content: Content, able: Capabilities, account: Account) -> None:
        parts = parts_of(content, able)
        self._able = able
        self._content = content
        self._account = account
        self._parts = parts
        self._words = WORDS.get(content.language[:2], WORDS["en"])
        holes = Holes()
        self._html = holes.template(
            _head(content) + _picture(content) + render_html(parts.document.blocks, holes)
        )
        holes = Holes()
        self._text = holes.template(render_plain(parts.document.blocks, holes))

    def fill(self, values: Mapping[str, str]) -> Message:
        """The mail for one person. Raises `RenderError` when a value is missing or unusable."""
        buttons = tuple(button.fill(values, self._able) for button in self._parts.buttons)
        footer = self._footer_links(values)
        imprint = str(self._account.settings.get("imprint") or "")
        return Message(
            text=self._text.fill(values) + self._plain_end(buttons, footer, imprint),
            html=self._html.fill(values) + self._html_end(buttons, footer, imprint),
            subject=self._parts.subject.fill(values),
            buttons=buttons,
            image=self._content.image,
            headers=self._headers(values),
        )

    def _footer_links(self, values: Mapping[str, str]) -> list[tuple[str, str]]:
        """A mail to many always says how to leave (RFC 8058 wants it in the body too)."""
        if self._content.purpose not in BULK:
            return []
        if self._content.purpose == "broadcast" and not values.get("unsubscribe_url"):
            raise RenderError("missing_value", "A mail to many needs the value unsubscribe_url.")
        links = (("leave", "unsubscribe_url"), ("settings", "preferences_url"))
        return [
            (self._words[word], web_address(values[name]))
            for word, name in links
            if values.get(name)
        ]

    def _plain_end(
        self, buttons: tuple[Button, ...], footer: list[tuple[str, str]], imprint: str
    ) -> str:
        lines = [
            f"{button.label}: {button.url}"
            if button.url
            else f'{button.label}: {self._words["answer"]} "{button.label}"'
            for button in buttons
        ]
        end = "".join(f"\n\n{line}" for line in lines)
        if footer or imprint:
            end += f"\n\n{RULE}"
        end += "".join(f"\n{label}: {url}" for label, url in footer)
        return end + (f"\n\n{imprint}" if imprint else "") + "\n"

    def _html_end(
        self, buttons: tuple[Button, ...], footer: list[tuple[str, str]], imprint: str
    ) -> str:
        end = ""
        if buttons:
            links = "".join(
                f'<a href="{escape(self._target(button))}" style="{_BUTTON_STYLE}">'
                f"{escape(button.label)}</a>"
                for button in buttons
            )
            end = f"<p>{links}</p>"
        if footer or imprint:
            links = " · ".join(
                f'<a href="{escape(url)}" style="{LINK_STYLE}">{label}</a>' for label, url in footer
            )
            note = f"<br>{escape_lines(imprint)}" if imprint else ""
            end += f'<div style="{_FOOTER_STYLE}">{links}{note}</div>'
        return f"{end}</div></body></html>"

    def _target(self, button: Button) -> str:
        """Where a button leads; one that sends a word opens an answer with it."""
        if button.url:
            return button.url
        settings = self._account.settings
        address = quote(str(settings.get("reply_to") or settings.get("from_address", "")), safe="@")
        subject = quote(f"{button.label} [#{button.payload}]")
        return f"mailto:{address}?subject={subject}&body={quote(button.label)}"

    def _headers(self, values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """What tells mail programs the kind of this mail, and how to leave with one click."""
        purpose = self._content.purpose
        if purpose not in BULK:
            kind = "auto-generated" if purpose == "confirmation" else "auto-replied"
            return (("Auto-Submitted", kind), ("X-Auto-Response-Suppress", "All"))
        domain = own_domain(str(self._account.settings.get("from_address", "")).rpartition("@")[2])
        name = values.get("newsletter") or self._account.name
        headers = [
            ("List-Id", list_id(name, domain)),
            ("Precedence", "bulk"),
            ("X-Auto-Response-Suppress", "OOF, AutoReply"),
            ("Feedback-ID", f"{values.get('dispatch') or purpose}:{_slug(name)}:{purpose}:jawort"),
        ]
        if leave := values.get("unsubscribe_url"):
            headers += [
                ("List-Unsubscribe", f"<{web_address(leave)}>"),
                ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
            ]
        return tuple(headers)


@lru_cache(maxsize=256)
def list_id(name: str, domain: str) -> str:
    """RFC 2919: a name for people and an id below our domain."""
    return f"{name.replace('<', '').replace('>', '')} <{_slug(name)}.{domain}>"


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore")
    return re.sub(r"[^a-z0-9]+", "-", plain.decode().lower()).strip("-")[:40] or "newsletter"


def _head(content: Content) -> str:
    language = re.sub(r"[^A-Za-z-]", "", content.language)
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark"></head>'
        f'<body style="{_BODY_STYLE}"><div style="{_BOX_STYLE}">'
    )


def _picture(content: Content) -> str:
    if content.image is None:
        return ""
    alt = escape(content.image.alt)
    return f'<img src="cid:{IMAGE_CID}" alt="{alt}" width="600" style="{_IMAGE_STYLE}">'
