"""How each messenger will show a message: exactly what its adapter renders, with sample values."""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from broadcasts.actions.rehearse import sample_values
from broadcasts.content import channels_of, check, message_of
from broadcasts.models import Broadcast
from messengers import media
from messengers.channels import adapter_of
from messengers.contract import Adapter, Content, Image, Message, Problem, RenderError
from messengers.models import Channel
from messengers.problems import explain
from messengers.render.checks import measured
from privacy.models import User
from subscriptions.models import Newsletter

CID = re.compile(r'src="cid:[^"]*"')
# Who has told us a name, when the editor has none.
SAMPLE_NAMES = {"first_name": "Alex", "last_name": "Muster"}


@dataclass(frozen=True)
class Shown:
    """One version of the message. `html` is safe: a fragment, or a page for a frame of its own."""

    message: Message
    html: str
    is_document: bool


@dataclass(frozen=True)
class ChannelPreview:
    """The message on one channel: for somebody with a name and for somebody without; its limits."""

    channel: Channel
    label: str
    has_subject: bool
    problems: tuple[str, ...]
    named: Shown | None
    nameless: Shown | None
    customer: Shown | None  # with the footer of section 7(3) UWG, where somebody gets it
    length: int
    limit: int  # 0 is no limit
    unit: str

    @property
    def is_over(self) -> bool:
        return 0 < self.limit < self.length

    @property
    def differs(self) -> bool:
        """Whether the message looks different to somebody without a name."""
        return bool(self.named and self.nameless and self.named.message != self.nameless.message)


def preview(broadcast: Broadcast, user: User | None = None) -> dict[str, ChannelPreview]:
    """The saved message on each kind of channel of its newsletter, by kind."""
    found = previews(message_of(broadcast), broadcast.newsletter, user)
    return {shown.channel.kind: shown for shown in found}


def previews(
    content: Content, newsletter: Newsletter, user: User | None = None
) -> list[ChannelPreview]:
    """The message on each kind of channel of the newsletter; saved or just being written."""
    values = SAMPLE_NAMES | sample_values(newsletter, user)
    found = [_on(channel, content, values) for channel in _one_of_each_kind(newsletter)]
    return sorted(found, key=lambda shown: shown.has_subject)  # chats first, mails below


def mail_document(
    content: Content, newsletter: Newsletter, channel: Channel, user: User | None
) -> str:
    """The whole page of a message that needs a frame of its own; "" if it cannot be rendered."""
    values = SAMPLE_NAMES | sample_values(newsletter, user)
    shown, _problem = _shown(adapter_of(channel), content, values)
    if shown is None or not shown.is_document:
        return ""
    if shown.message.image is None:
        return shown.html
    # The picture travels in the mail itself; a sandboxed frame could not fetch it either.
    return CID.sub(lambda _match: _inlined(shown.message.image), shown.html)


def _inlined(image: Image | None) -> str:
    try:
        data = media.read(image.key) if image else b""
    except FileNotFoundError:
        data = b""
    media_type = image.media_type if image else ""
    return f'src="data:{media_type};base64,{b64encode(data).decode()}"'


def _one_of_each_kind(newsletter: Newsletter) -> list[Channel]:
    """Two accounts at one messenger show the same: the first stands for both."""
    found: dict[str, Channel] = {}
    for channel in channels_of(newsletter):
        found.setdefault(channel.kind, channel)
    return list(found.values())


def _on(channel: Channel, content: Content, values: Mapping[str, str]) -> ChannelPreview:
    adapter = adapter_of(channel)
    able = adapter.capabilities
    problems = check(adapter, content)
    named, broken = _shown(adapter, content, values)
    nameless, broken_too = _shown(adapter, content, _without_names(values))
    customer = _shown(adapter, content.with_footer(), values)[0] if content.footer else None
    if not problems:
        problems = [problem for problem in (broken, broken_too) if problem][:1]
    texts = [shown.message.text for shown in (named, nameless, customer) if shown]
    return ChannelPreview(
        channel=channel,
        label=adapter.label,
        has_subject=able.subject,
        problems=tuple(dict.fromkeys(explain(problem) for problem in problems)),
        named=named,
        nameless=nameless,
        customer=customer,
        length=max((measured(text, able) for text in texts), default=_told_length(problems)),
        limit=able.caption_max if content.image else able.text_max,
        unit=able.unit,
    )


def _shown(
    adapter: Adapter, content: Content, values: Mapping[str, str]
) -> tuple[Shown | None, Problem | None]:
    try:
        message = adapter.render(content).fill(values)
        found = adapter.preview(message)
    except RenderError as error:
        return None, Problem(error.code, str(error))
    return Shown(message, found.html, found.document), None


def _without_names(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if name not in SAMPLE_NAMES}


def _told_length(problems: Sequence[Problem]) -> int:
    """The length that a problem tells about a text too long to be rendered."""
    for problem in problems:
        if problem.code == "too_long" and problem.field == "markdown":
            return int(dict(problem.facts).get("length", 0))
    return 0
