"""Notices and wordings: published as versions named by their own hash, never edited."""

import re
from hashlib import sha256

from django.db import transaction
from django.utils import timezone

from messengers.contract import Content
from messengers.models import Channel
from messengers.placeholders import PlaceholderErrors, Slot, parse
from messengers.registry import ADAPTERS
from privacy.access import Actor, require
from privacy.audit import canonical, record
from privacy.models import Controller, User
from subscriptions import texts
from subscriptions.errors import WordingRefused
from subscriptions.models import LANGUAGES, Newsletter, Notice, Wording

MANAGE = "newsletter.manage"
MAX_WORDING = 1_500  # characters: more is not read before it is agreed to
# BGH VI ZR 721/15: who, what, how often and where must stand in what people agree to.
REQUIRED = ("newsletter", "publisher", "what", "frequency", "channel", "notice_url", "imprint_url")
LINK = "confirm_url"
YES_WORD = {"de": "JA", "en": "YES"}
AUTOMATIC = {"de": "automatisch", "en": "automatic"}
# OLG Düsseldorf I-15 U 64/15, OLG Celle 13 U 15/14: a confirmation that advertises is advertising.
ADVERTISING = re.compile(
    r"\b(gratis|kostenlos\w*|rabatt\w*|gutschein\w*|gewinnspiel\w*|gewinnen sie|sonderangebot\w*|"
    r"sichern sie|jetzt kaufen|bestellen sie|exklusiv\w*|nur heute|for free|free of charge|"
    r"discount\w*|vouchers?|prizes?|special offers?|for sale|exclusive\w*|buy now|order now|"
    r"limited time)\b",
    re.IGNORECASE,
)
ADDRESS = re.compile(r"\b(?:https?://|www\.)\S+", re.IGNORECASE)


@transaction.atomic
def publish_notice(*, newsletter: Newsletter, language: str, text: str, actor: Actor) -> Notice:
    """A version of the privacy notice. The same text again is the same version."""
    require(actor, MANAGE, newsletter.pk)
    key = _hash({"kind": "notice", "newsletter": newsletter.pk, "language": language, "text": text})
    notice, is_new = Notice.objects.get_or_create(
        id=key,
        defaults={
            "newsletter": newsletter,
            "language": language,
            "text": text,
            "published_by": staff_of(actor),
            "published_at": timezone.now(),
        },
    )
    if is_new:
        record("notice.published", actor=actor, obj="notice", ref=key)
    return notice


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
    problems = wording_problems(template, language, channel_kind)
    if problems:
        raise WordingRefused(problems)
    notice = notice or current_notice(newsletter, language)
    if notice is None:
        raise WordingRefused(["Publish a privacy notice in this language first."])
    shown = _shown(template, newsletter, language, channel_kind, notice)
    if ADVERTISING.search(shown):
        raise WordingRefused(["The newsletter's own description advertises: change that first."])
    return _store(newsletter, language, channel_kind, shown, notice, actor)


def _store(
    newsletter: Newsletter, language: str, kind: str, shown: str, notice: Notice, actor: Actor
) -> Wording:
    identity = {"kind": "wording", "newsletter": newsletter.pk, "language": language}
    key = _hash({**identity, "channel": kind, "text": shown, "notice": notice.pk})
    wording, is_new = Wording.objects.get_or_create(
        id=key,
        defaults={
            "newsletter": newsletter,
            "language": language,
            "channel_kind": kind,
            "text": shown,
            "notice": notice,
            "published_by": staff_of(actor),
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


def publish_defaults(*, newsletter: Newsletter, channels: list[Channel], actor: Actor) -> None:
    """A notice in every language, and a wording for every kind of channel that has none yet."""
    for language, _name in LANGUAGES:
        if current_notice(newsletter, language) is None:
            text = default_notice(newsletter, language, channels)
            publish_notice(newsletter=newsletter, language=language, text=text, actor=actor)
        for kind in sorted({channel.kind for channel in channels}):
            if current_wording(newsletter, language, kind) is None:
                publish_wording(
                    newsletter=newsletter, language=language, channel_kind=kind, actor=actor
                )


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
    unknown = {"de": "(noch einzutragen)", "en": "(still to be filled in)"}[language]
    providers = {
        ", ".join(filter(None, [channel.provider_name or channel.name, channel.provider_country]))
        for channel in channels
    }
    values = texts.newsletter_values(newsletter, language) | {
        "controller": controller.name if controller else newsletter.publisher,
        "controller_address": controller.address if controller else unknown,
        "controller_email": controller.email if controller else unknown,
        "dpo": controller.dpo_contact if controller else unknown,
        "authority": controller.authority if controller else unknown,
        "providers": "; ".join(sorted(providers)) or unknown,
    }
    return texts.fill(texts.template("notice", language)[1], values)


def wording_problems(template: str, language: str, channel_kind: str) -> list[str]:
    """What keeps a confirmation text from being published; empty if nothing does."""
    try:
        slots = {part.name for part in parse(template, allowed=None) if isinstance(part, Slot)}
    except PlaceholderErrors as errors:
        return [str(errors)]
    needed = {*REQUIRED, LINK} if texts.is_mail(channel_kind) else set(REQUIRED)
    problems = [f"{{{name}}} is missing." for name in sorted(needed - slots)]
    problems += [f"{{{name}}} is not known here." for name in sorted(slots - {*REQUIRED, LINK})]
    words = set(re.findall(r"\w+", template))
    if YES_WORD[language] not in words:
        problems.append(f"Say how to agree: {YES_WORD[language]}.")
    if "STOP" not in words:
        problems.append("Say how to leave: STOP.")
    if AUTOMATIC[language] not in template.lower():
        problems.append(f"Say that this is an {AUTOMATIC['en']} service ({AUTOMATIC[language]}).")
    if ADDRESS.search(template):
        problems.append("No links but {notice_url}, {imprint_url} and {confirm_url}.")
    if ADVERTISING.search(template):
        problems.append("A confirmation must not advertise: take the praise and the offers out.")
    if "![" in template:
        problems.append("No pictures in a confirmation.")
    if len(template) > MAX_WORDING:
        problems.append(f"At most {MAX_WORDING} characters.")
    return problems


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


def _hash(identity: dict[str, object]) -> str:
    return sha256(canonical(identity)).hexdigest()
