"""E-mail over SMTP. Our notes: docs/channels/email.md.

Outgoing mail is one finished message per person (`mime`). Replies, bounces, complaints and
unsubscribing by mail come in as raw messages that the mail server pipes into `manage.py
receive_mail`, which signs them (`incoming`). DKIM, SPF and DMARC are the relay's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, cast
from urllib.parse import quote

from messengers.adapters.email import addresses, incoming, replies
from messengers.adapters.email.layout import EmailRendered
from messengers.adapters.email.mime import Envelope, Picture, message_bytes
from messengers.contract import (
    Accepted,
    Adapter,
    Answer,
    Capabilities,
    Content,
    Event,
    Image,
    InDoubt,
    Message,
    Preview,
    Problem,
    Rendered,
    RenderError,
    Response,
    SettingField,
    SmtpRequest,
    SmtpResponse,
    SmtpServer,
)
from messengers.render.checks import read
from messengers.signature import is_signed
from messengers.words import gettext_noop


class Email(Adapter):
    """One sender address at one submission server."""

    kind: ClassVar[str] = "email"
    label: ClassVar[str] = gettext_noop("E-mail")
    transport: ClassVar[Literal["http", "smtp"]] = "smtp"
    capabilities: ClassVar[Capabilities] = Capabilities(
        text_max=0,
        caption_max=0,
        buttons_max=6,
        button_label_max=60,
        image=True,
        image_max_bytes=5 * 1024 * 1024,
        image_types=frozenset({"image/jpeg", "image/png"}),
        subject=True,
        receipts=frozenset({"undelivered"}),
        attempt_echo=True,
        opens_conversation=True,
    )
    settings: ClassVar[tuple[SettingField, ...]] = (
        SettingField("from_address", gettext_noop("Sender address"), kind="mail"),
        SettingField("from_name", gettext_noop("Sender name"), required=False),
        SettingField("reply_to", gettext_noop("Address for replies"), required=False, kind="mail"),
        SettingField(
            "bounce_domain", gettext_noop("Domain for bounces, one address each"), required=False
        ),
        SettingField(
            "imprint", gettext_noop("Publisher's imprint at the end of each mail"), required=False
        ),
        SettingField("host", gettext_noop("Submission server")),
        SettingField("port", gettext_noop("Port"), default="587"),
        SettingField(
            "security", gettext_noop("Encryption: starttls, tls or plain"), default="starttls"
        ),
        SettingField(
            "plain_allowed", gettext_noop("Plain text to another machine (yes)"), required=False
        ),
        SettingField("ca_file", gettext_noop("Own certificate authority (file)"), required=False),
        SettingField("connections", gettext_noop("Connections at a time"), default="4"),
        SettingField("per_connection", gettext_noop("Messages per connection"), default="100"),
        SettingField("username", gettext_noop("User name"), required=False),
        SettingField("password", gettext_noop("Password"), secret=True, required=False),
        SettingField("hook_secret", gettext_noop("Secret that signs incoming mail"), secret=True),
    )

    def canonical(self, identifier: str) -> str:
        return addresses.canonical(identifier)

    def mask(self, identifier: str) -> str:
        return addresses.mask(identifier)

    def check(self, content: Content) -> list[Problem]:
        return read(content, self.capabilities)[0]

    def render(self, content: Content) -> Rendered:
        return EmailRendered(content, self.capabilities, self.account)

    def preview(self, message: Message) -> Preview:
        return Preview(message.html, document=True)

    def prepare(self, image: Image, data: bytes) -> None:
        """Nothing to upload: the picture travels in the mail."""
        if len(data) > self.capabilities.image_max_bytes:
            raise RenderError("image_too_large", "The picture is larger than a mail should carry.")

    def request(
        self, address: str, message: Message, attempt: str, prepared: Mapping[str, Any]
    ) -> SmtpRequest:
        envelope = self._envelope(address, attempt)
        picture = self._picture(message.image, prepared) if message.image else None
        data = message_bytes(envelope, message, picture)
        return SmtpRequest(envelope.return_path, address, data, envelope.message_id)

    def answer(self, response: Response) -> Answer:
        """250 after the final dot is a yes; its id is our own Message-ID."""
        if not isinstance(response, SmtpResponse):
            return InDoubt("not an SMTP answer")
        if 200 <= response.code < 300:
            return Accepted(response.message_id)
        if not 400 <= response.code < 600:
            return InDoubt("answer not understood")
        return replies.refusal(response)

    def smtp_server(self) -> SmtpServer:
        settings = self.account.settings
        security = settings.get("security") or "starttls"
        if security not in ("tls", "starttls", "plain"):
            raise ValueError("The channel's encryption is unknown: use starttls, tls or plain.")
        return SmtpServer(
            host=str(settings.get("host", "")),
            port=int(settings.get("port") or 587),
            security=cast("Literal['tls', 'starttls', 'plain']", security),
            username=str(settings.get("username") or ""),
            password=self.account.secrets.get("password", ""),
            connections=int(settings.get("connections") or 4),
            per_connection=int(settings.get("per_connection") or 100),
            ca_file=str(settings.get("ca_file") or ""),
            ehlo=self._ehlo,
            plain_allowed=str(settings.get("plain_allowed") or "").lower()
            in ("yes", "ja", "true", "1"),
        )

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        return is_signed(self.account.secrets.get("hook_secret", ""), headers, body)

    def read_events(self, headers: Mapping[str, str], body: bytes) -> list[Event]:
        return incoming.read(body, domain=self._sender_domain)

    def deep_link(self, text: str) -> str:
        address = str(self.account.settings.get("reply_to") or self._from_address)
        return f"mailto:{quote(address, safe='@')}?subject={quote(text)}&body={quote(text)}"

    @property
    def _from_address(self) -> str:
        return addresses.own_address(str(self.account.settings.get("from_address", "")))

    @property
    def _sender_domain(self) -> str:
        return self._from_address.rpartition("@")[2]

    @property
    def _ehlo(self) -> str:
        """Our name in the greeting, which knows nothing but ASCII."""
        domain = self._sender_domain
        return domain if domain and domain.isascii() else "localhost"

    def _envelope(self, address: str, attempt: str) -> Envelope:
        settings = self.account.settings
        domain = self._sender_domain
        bounce_domain = addresses.own_domain(str(settings.get("bounce_domain") or domain))
        return Envelope(
            to=address,
            sender=self._from_address,
            sender_name=str(settings.get("from_name") or self.account.name),
            reply_to=addresses.own_address(str(settings.get("reply_to") or "")),
            return_path=f"b+{attempt}@{bounce_domain}",
            message_id=f"<{attempt}@{domain}>",
            unsubscribe_mail=f"unsub+{attempt}@{bounce_domain}",
        )

    def _picture(self, image: Image, prepared: Mapping[str, Any]) -> Picture:
        return Picture.of(image, prepared["image"])
