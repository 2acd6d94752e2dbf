"""Notices and wordings: published as versions named by their own hash, never edited."""

from hashlib import sha256

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from messengers.contract import Content
from messengers.models import Channel
from messengers.registry import ADAPTERS
from privacy.access import Actor, require
from privacy.audit import record
from privacy.models import Controller, User
from privacy.records.processors import notice_lines
from subscriptions import texts
from subscriptions.audience import has_customers
from subscriptions.errors import NeedsSecondPerson, WordingRefused
from subscriptions.lint import (
    LINK,
    UNKNOWN,
    Finding,
    notice_findings,
    said_too_much,
    wording_findings,
)
from subscriptions.models import LANGUAGES, Import, Newsletter, Notice, Wording

MANAGE = "newsletter.manage"


@transaction.atomic
def publish_notice(*, newsletter: Newsletter, language: str, text: str, actor: Actor) -> Notice:
    """A version of the privacy notice. The same text again is the same version.

    Raises `WordingRefused` while an item of Art. 13 GDPR is missing, `NeedsSecondPerson` where
    somebody else has to approve it first (`propose_text`).
    """
    require(actor, MANAGE, newsletter.pk)
    check_notice(newsletter, language, text)
    if is_for_four_eyes(actor):
        raise NeedsSecondPerson
    return store_notice(newsletter, language, text, actor, published_by=staff_of(actor))


def store_notice(
    newsletter: Newsletter, language: str, text: str, actor: Actor, *, published_by: User | None
) -> Notice:
    """Put a version into force, without asking who may. For publication and approval alone."""
    key = _id_of(Notice(newsletter=newsletter, language=language, text=text))
    notice, is_new = Notice.objects.get_or_create(
        id=key,
        defaults={
            "newsletter": newsletter,
            "language": language,
            "text": text,
            "published_by": published_by,
            "published_at": timezone.now(),
        },
    )
    if is_new:
        record("notice.published", actor=actor, obj="notice", ref=key)
    else:
        Notice.objects.filter(pk=key).update(published_at=timezone.now())
    return notice


def is_for_four_eyes(actor: Actor) -> bool:
    """Whether what this actor writes for people to agree to needs a second person.

    The demo has nobody to ask, and the house itself publishes its own templates alone.
    """
    return actor.kind != "system" and not settings.JAWORT_DEMO


def check_notice(newsletter: Newsletter, language: str, text: str) -> None:
    """Raise `WordingRefused` for a notice that lacks something."""
    found = missing_in_notice(newsletter, language, text)
    if found:
        raise WordingRefused(found)


def missing_in_notice(newsletter: Newsletter, language: str, text: str) -> list[Finding]:
    """What this newsletter's notice has to say and does not."""
    return notice_findings(
        text,
        language,
        has_customers=has_customers(newsletter.pk),
        has_lists=Import.objects.filter(newsletter=newsletter).exists(),
    )


@transaction.atomic
def publish_wording(
    *,
    newsletter: Newsletter,
    language: str,
    channel_kind: str,
    actor: Actor,
    text: str | None = None,
    notice: Notice | None = None,
) -> Wording:
    """The text people say yes to. `text` is a template; without one it is the default.

    Filled with the newsletter's facts and stored as it will be shown. Raises `WordingRefused`.
    """
    require(actor, MANAGE, newsletter.pk)
    template = default_template(channel_kind, language) if text is None else text
    shown, notice = checked_wording(newsletter, language, channel_kind, template, notice)
    if is_for_four_eyes(actor):
        raise NeedsSecondPerson
    return store_wording(newsletter, language, channel_kind, shown, notice, actor)


def checked_wording(
    newsletter: Newsletter,
    language: str,
    channel_kind: str,
    template: str,
    notice: Notice | None = None,
) -> tuple[str, Notice]:
    """The text as it will be shown, and its notice. Raises `WordingRefused`."""
    found = wording_findings(template, language, channel_kind)
    if found:
        raise WordingRefused(found)
    notice = notice or current_notice(newsletter, language)
    if notice is None:
        raise WordingRefused([Finding("no_notice")])
    shown = _shown(template, newsletter, language, channel_kind, notice)
    facts = " ".join([newsletter.what(language), newsletter.frequency(language)])
    if too_much := said_too_much(facts):
        raise WordingRefused([Finding("facts_advertise", too_much[0].facts)])
    return shown, notice


def store_wording(
    newsletter: Newsletter,
    language: str,
    kind: str,
    shown: str,
    notice: Notice,
    actor: Actor,
    *,
    published_by: User | None = None,
) -> Wording:
    """Put a version into force, without asking who may. For publication and approval alone."""
    said = {"language": language, "channel_kind": kind, "text": shown, "notice": notice}
    key = _id_of(Wording(newsletter=newsletter, **said))
    wording, is_new = Wording.objects.get_or_create(
        id=key,
        defaults={
            **said,
            "newsletter": newsletter,
            "published_by": published_by or staff_of(actor),
            "published_at": timezone.now(),
        },
    )
    if is_new:
        facts: dict[str, int | str | bool] = {"language": language, "channel": kind}
        record("wording.published", actor=actor, obj="wording", ref=key, facts=facts)
    else:
        # Published again after another one: the newest publication is what is shown.
        Wording.objects.filter(pk=key).update(published_at=timezone.now())
    return wording


@transaction.atomic
def publish_defaults(*, newsletter: Newsletter, channels: list[Channel], actor: Actor) -> None:
    """A notice in every language, and a wording for every kind of channel that has none yet.

    Our own templates: the first version needs nobody's approval, and a notice may still lack facts
    that nobody has entered yet. It is told at the desk, and keeps the sign-up page closed.
    """
    by = staff_of(actor)
    for language, _name in LANGUAGES:
        if current_notice(newsletter, language) is None:
            text = default_notice(newsletter, language, channels)
            store_notice(newsletter, language, text, actor, published_by=by)
        for kind in sorted({channel.kind for channel in channels}):
            if current_wording(newsletter, language, kind) is None:
                template = default_template(kind, language)
                shown, notice = checked_wording(newsletter, language, kind, template)
                store_wording(newsletter, language, kind, shown, notice, actor)


def missing_everywhere(newsletter: Newsletter) -> list[Finding]:
    """What the notices in force lack; one that is not there lacks everything."""
    notices = {language: current_notice(newsletter, language) for language, _name in LANGUAGES}
    return [
        finding
        for language, notice in notices.items()
        for finding in missing_in_notice(newsletter, language, notice.text if notice else "")
    ]


def current_notice(newsletter: Newsletter, language: str) -> Notice | None:
    return (
        Notice.objects.filter(newsletter=newsletter, language=language)
        .order_by("-published_at")
        .first()
    )


def current_wording(newsletter: Newsletter, language: str, kind: str) -> Wording | None:
    """The wording now shown on this kind of channel, the newest first."""
    return (
        Wording.objects.filter(newsletter=newsletter, language=language, channel_kind=kind)
        .order_by("-published_at")
        .first()
    )


def default_template(channel_kind: str, language: str) -> str:
    name = "wording_mail" if texts.is_mail(channel_kind) else "wording_chat"
    return texts.template(name, language)[1]


def default_notice(newsletter: Newsletter, language: str, channels: list[Channel]) -> str:
    """A notice with every item of Art. 13 GDPR, from what we know about the publisher."""
    controller = Controller.objects.filter(pk=1).first()
    unknown = UNKNOWN[language]
    values = texts.newsletter_values(newsletter, language) | {
        "controller": controller.name if controller else newsletter.publisher,
        "controller_address": controller.address if controller else unknown,
        "controller_email": controller.email if controller else unknown,
        "dpo": controller.dpo_contact if controller else unknown,
        "authority": controller.authority if controller else unknown,
        "providers": " ".join(_providers(channels, language)) or unknown,
    }
    return texts.fill(texts.template("notice", language)[1], values)


def _providers(channels: list[Channel], language: str) -> list[str]:
    """Who carries the messages, with country and safeguard: one sentence each."""
    told = notice_lines([channel.pk for channel in channels], language)
    if told:
        return told
    facts = [
        ", ".join(filter(None, [one.provider_name or one.name, one.provider_country,
                                one.transfer_basis]))
        for one in channels
    ]  # fmt: skip
    return [f"{line}." for line in dict.fromkeys(facts)]


def wording_problems(template: str, language: str, channel_kind: str) -> list[str]:
    """What keeps a confirmation text from being published, in English; empty if nothing does."""
    return [str(finding) for finding in wording_findings(template, language, channel_kind)]


def confirmation_content(wording: Wording, channel: Channel) -> Content:
    """The confirmation message: the wording and nothing else, with buttons where there are some."""
    language = wording.language
    subject = texts.template("confirmation_subject", language)[1]
    buttons = texts.payload_buttons(channel, language, "yes:{question}", "no:{question}")
    return Content(wording.text, language, subject, tuple(buttons), purpose="confirmation")


def staff_of(actor: Actor) -> User | None:
    """The member of staff behind an actor; None for tokens, subscribers and the house itself."""
    return (
        User.objects.filter(pk=actor.ref).first() if actor.kind == "staff" and actor.ref else None
    )


def _shown(template: str, newsletter: Newsletter, language: str, kind: str, notice: Notice) -> str:
    values = texts.newsletter_values(newsletter, language) | {
        "channel": str(ADAPTERS[kind].label),
        "notice_url": texts.page("notice", notice.pk),
    }
    return texts.fill(template, values, keep=[LINK])


def _id_of(version: Notice | Wording) -> str:
    return sha256(version.exact()).hexdigest()
