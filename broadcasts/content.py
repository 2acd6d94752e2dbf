"""What a broadcast says: from the editor's fields to one content for every messenger."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypedDict

from broadcasts.models import Broadcast, Content, Media
from messengers.channels import adapter_of
from messengers.contract import Adapter, Button, Image, Problem, Purpose
from messengers.contract import Content as Message
from messengers.models import Channel
from subscriptions import texts
from subscriptions.audience import has_customers
from subscriptions.models import Newsletter

MAX_BUTTONS = 3
MAX_LABEL = 60
MAX_URL = 2000
TEST_MARK = "[Test] "


class ButtonData(TypedDict):
    """A button as it is stored: it opens a web address and nothing else."""

    label: str
    url: str


def message(
    *,
    title: str,
    markdown: str,
    language: str,
    buttons: Iterable[ButtonData] = (),
    image: Media | None = None,
    image_alt: str = "",
    purpose: Purpose = "broadcast",
    is_ai_text: bool = False,
    newsletter: Newsletter | None = None,
) -> Message:
    """The editor's fields as the content that adapters render. The title is a mail's subject.

    With `newsletter` it carries the footer for existing customers, if there are any.
    """
    has_footer = newsletter is not None and has_customers(newsletter.pk)
    return Message(
        markdown=labelled(markdown, language) if is_ai_text else markdown,
        language=language,
        subject=title,
        buttons=tuple(Button(button["label"], url=button["url"]) for button in buttons),
        image=Image(image.key, image_alt, image.media_type) if image else None,
        purpose=purpose,
        footer=texts.objection_footer(newsletter, language) if newsletter and has_footer else "",
    )


def labelled(markdown: str, language: str) -> str:
    """A text nobody has reviewed, and a machine has written, says so first (Art. 50(4) AI Act)."""
    label = texts.template("machine_text", language)[1]
    return f"{label}\n\n{markdown}" if markdown.strip() else markdown


def message_of(broadcast: Broadcast) -> Message:
    """What this broadcast says now."""
    content = broadcast.content
    return message(
        title=broadcast.title,
        markdown=content.markdown,
        language=content.language,
        buttons=content.buttons,
        image=content.image,
        image_alt=content.image_alt,
        is_ai_text=content.is_ai_text,
        newsletter=broadcast.newsletter,
    )


def as_test(content: Message) -> Message:
    """The same, marked so that nobody takes it for news."""
    return replace(
        content,
        markdown=TEST_MARK.replace("[", "\\[") + content.markdown,
        subject=TEST_MARK + content.subject,
        purpose="test",
    )


def channels_of(newsletter: Newsletter) -> list[Channel]:
    """The newsletter's channels that may send, in the order of their names."""
    return list(newsletter.channels.filter(status=Channel.Status.ACTIVE).order_by("name", "pk"))


def problems_of(content: Message, channels: Sequence[Channel]) -> list[tuple[str, Problem]]:
    """What keeps the content from going out, each with the name of the channel that says so."""
    return [
        (channel.name, problem)
        for channel in channels
        for problem in check(adapter_of(channel), content)
    ]


def check(adapter: Adapter, content: Message) -> list[Problem]:
    """What keeps the content from going out on a messenger: at its longest, with the footer."""
    return adapter.check(content.with_footer())


def save_content(broadcast: Broadcast, **fields: object) -> Content:
    """Write the content row of a draft; only the given fields change."""
    content, _is_new = Content.objects.update_or_create(broadcast=broadcast, defaults=fields)
    broadcast.content = content
    return content
