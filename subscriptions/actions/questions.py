"""The open question of an opt-in: made with the proof of its request, and asked."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from messengers.models import Address, Channel, Dispatch
from messengers.outbox import reply
from privacy.access import Actor
from privacy.audit import canonical
from privacy.retention.rules import ends_at
from privacy.vault import Where, new_token, open_sealed, seal, token_hash
from subscriptions import texts
from subscriptions.actions.wordings import (
    confirmation_content,
    current_wording,
    publish_defaults,
)
from subscriptions.children import limit_of
from subscriptions.models import AGE_REACHED, Newsletter, OptIn, Wording

# A question in a chat is answered within days or not at all; a link by mail works for two days, and
# the request stays longer, so that a late click can be explained.
CHAT_TERM = timedelta(hours=72)
LINK_TERM = timedelta(hours=48)


def new_question(
    address: Address,
    newsletter: Newsletter,
    language: str,
    method: str,
    event_at: datetime,
    evidence: Mapping[str, Any],
) -> OptIn:
    has_link = texts.is_mail(address.channel.kind)
    now = timezone.now()
    # How long it stays is a rule of the house; how long it can be answered is not.
    erase_at = ends_at("pending_opt_in" if has_link else "pending_opt_in_chat", now)
    opt_in = OptIn(
        address=address,
        newsletter=newsletter,
        language=language,
        wording=_wording(newsletter, language, address.channel),
        method=method,
        age_limit=limit_of(newsletter),
        requested_at=event_at,
        answer_until=min(erase_at, now + (LINK_TERM if has_link else CHAT_TERM)),
        erase_at=erase_at,
    )
    _seal(opt_in, {"at": event_at, "method": method, **evidence})
    return opt_in


def _seal(opt_in: OptIn, request: dict[str, Any]) -> None:
    """Keep the request for its proof; whoever saves the row stores it."""
    subject = opt_in.address.subject
    opt_in.evidence_sealed = seal(subject, "evidence", _where(opt_in), canonical(request))


def request_of(opt_in: OptIn) -> dict[str, Any]:
    sealed = bytes(opt_in.evidence_sealed)
    opened = open_sealed(opt_in.address.subject, "evidence", _where(opt_in), sealed)
    request: dict[str, Any] = json.loads(opened)
    return request


def declared(opt_in: OptIn, event_at: datetime, method: str) -> None:
    """Where the age matters: keep the declaration, and nothing else of it."""
    if not opt_in.age_limit:
        return
    told = {"limit": opt_in.age_limit, "answer": AGE_REACHED, "at": event_at, "method": method}
    _seal(opt_in, request_of(opt_in) | {"age_declared": told})
    opt_in.age_declared = AGE_REACHED
    opt_in.save(update_fields=["evidence_sealed", "age_declared"])


def _wording(newsletter: Newsletter, language: str, channel: Channel) -> Wording:
    found = current_wording(newsletter, language, channel.kind)
    if found is None:
        channels = list(newsletter.channels.all())
        publish_defaults(newsletter=newsletter, channels=channels, actor=Actor.system("opt_in"))
        found = current_wording(newsletter, language, channel.kind)
    assert found
    return found


def ask(opt_in: OptIn) -> None:
    """One message: the wording as it was published, and a way to answer."""
    values = {"newsletter": opt_in.newsletter.name, "question": str(opt_in.pk)}
    if texts.is_mail(opt_in.address.channel.kind):
        token = new_token()
        OptIn.objects.filter(pk=opt_in.pk).update(token_hash=token_hash("confirm", token))
        values["confirm_url"] = texts.page("confirm", token)
    reply(
        address=opt_in.address,
        content=confirmation_content(opt_in.wording, opt_in.address.channel),
        values=values,
        kind=Dispatch.Kind.CONFIRMATION,
        expires_at=opt_in.answer_until,
    )


def ask_age(opt_in: OptIn) -> None:
    """Before the question: whether this person may answer it alone."""
    channel, language = opt_in.address.channel, opt_in.language
    values = texts.newsletter_values(opt_in.newsletter, language)
    values |= {"age_limit": str(opt_in.age_limit), "question": str(opt_in.pk)}
    values["notice_url"] = texts.page("notice", opt_in.wording.notice_id)
    buttons = texts.payload_buttons(channel, language, "age:{question}", "no:{question}")
    content = texts.content("age_question", language, buttons=buttons, purpose="confirmation")
    reply(
        address=opt_in.address,
        content=content,
        values=values,
        kind=Dispatch.Kind.CONFIRMATION,
        expires_at=opt_in.answer_until,
    )


def _where(opt_in: OptIn) -> Where:
    return Where("subscriptions_optin", "evidence_sealed", opt_in.pk)
