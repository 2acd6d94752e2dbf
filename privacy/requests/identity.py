"""Is it really them? Asked and answered on the channel that the person subscribed with.

A forged request by post or e-mail must not reach anybody's data: about a quarter of 150
organisations sent theirs to a wrong person in a study. So the question goes to the subscribed
channel, and whoever answers there has shown that it is theirs. No copy of an identity card is ever
asked for.
"""

import re
import unicodedata
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from privacy.access import Actor, require
from privacy.audit import record
from privacy.models import Request
from privacy.requests.closing import finish
from privacy.requests.delivery import link_to, tell
from privacy.requests.errors import IllegalTransition, NobodyConcerned, PersonKnown
from privacy.requests.intake import prove, run_on
from privacy.requests.states import ANSWERED, Status, advance
from privacy.requests.verbs import contacts_of
from privacy.retention.rules import starts_before
from privacy.vault import new_token, token_hash

NUMBER = re.compile(r"(?<!\d)\d{4}-\d{4,}(?!\d)")
# What may stand around the number in an answer. A question mark or an emoji may not: whoever adds
# more than this has something to say, and a person reads it.
_WORD = re.compile(r"[^\s.,:;!#\"'„“”()\-–]+")
YES = frozenset({"ja", "jawohl", "yes"})
NO = frozenset({"nein", "nö", "nee", "no"})
ASIDE = frozenset({"nummer", "nr", "number", "bitte", "danke", "please", "thanks"})


@transaction.atomic
def link_person(*, request: Request, subject: UUID, actor: Actor) -> Request:
    """Say whom a request that came by post or e-mail is about; nothing is proven by that yet."""
    require(actor, "request.work")
    held = Request.objects.select_for_update().get(pk=request.pk)
    if held.subject is not None or held.status in ANSWERED:
        raise PersonKnown
    Request.objects.filter(pk=held.pk).update(subject=subject)
    record("request.linked", actor=actor, obj="request", ref=held.pk)
    held.refresh_from_db()
    return held


@transaction.atomic
def ask_identity(*, request: Request, actor: Actor) -> Request:
    """Send the question to the subscribed channel; the clock stands until it is answered."""
    require(actor, "request.work")
    held = Request.objects.select_for_update().get(pk=request.pk)
    if held.subject is None:
        raise NobodyConcerned
    if held.is_verified:
        raise IllegalTransition
    token = new_token()
    advance(
        held,
        Status.VERIFYING,
        proof_hash=token_hash("proof", token),
        paused_at=timezone.now(),
        **_where_to_ask(held),
    )
    tell(held, "identity_question", kind=held.kind, link=link_to("proof", token))
    record("request.identity_asked", actor=actor, obj="request", ref=held.pk)
    return held


def _where_to_ask(request: Request) -> dict[str, UUID]:
    """The channel that is asked is the one that is answered: what follows goes there alone."""
    points = contacts_of(request.subject) if request.subject and not request.address else []
    if not points:
        return {}
    return {"channel": points[-1].channel_id, "address": points[-1].address_id}


def asked_by(token: str) -> Request | None:
    """The request whose question this link belongs to, while it is open."""
    return Request.objects.filter(
        proof_hash=token_hash("proof", token), status=Status.VERIFYING
    ).first()


@transaction.atomic
def prove_identity(*, request: Request) -> Request:
    """The person answered yes on their own channel: the clock runs on, later by the days it
    stood. `IllegalTransition`: nothing is asked any more.
    """
    held = Request.objects.select_for_update().get(pk=request.pk)
    assert held.subject
    if held.status != Status.VERIFYING:
        raise IllegalTransition
    prove(held, Actor.subscriber(held.subject))
    return held


def lapse_questions(now: datetime) -> int:
    """Questions that nobody answered in their term: the proof is erased, the clock runs on.

    The request is open again as it was before; the DPO may ask once more, or close it.
    """
    over = starts_before("identity_proof", now)
    asked = Request.objects.filter(status=Status.VERIFYING, paused_at__lte=over)
    count = 0
    for pk in asked.values_list("pk", flat=True):
        with transaction.atomic():
            held = Request.objects.select_for_update().get(pk=pk)
            if held.status == Status.VERIFYING:
                run_on(held, now)
                actor = Actor.system("retention")
                record("request.question_lapsed", actor=actor, obj="request", ref=held.pk)
                count += 1
    return count


@transaction.atomic
def deny_identity(*, request: Request) -> Request:
    """The person says that it was not them: the request ends, and nobody gets anything.

    `IllegalTransition`: nothing is asked any more.
    """
    held = Request.objects.select_for_update().get(pk=request.pk)
    assert held.subject
    if held.status != Status.VERIFYING:
        raise IllegalTransition
    actor = Actor.subscriber(held.subject)
    record("request.identity_denied", actor=actor, obj="request", ref=held.pk, result="refused")
    finish(held, Request.Outcome.NOT_IDENTIFIED, actor)
    return held


@transaction.atomic
def answer_identity(*, subject: UUID, text: str) -> Request | None:
    """A chat message with the number of the open question answers it as the link does.

    The number alone or with a yes proves, with a no it denies. The channel has authenticated the
    sender, so the number needs not be secret. None: no answer, or one that a person has to read.
    """
    number, is_theirs = _read_answer(text)
    if is_theirs is None:
        return None
    asked = Request.objects.filter(subject=subject, status=Status.VERIFYING, number=number)
    request = asked.first()
    if request is None:
        return None
    decided = (prove_identity if is_theirs else deny_identity)(request=request)
    name = "identity_proven" if is_theirs else "identity_denied"
    tell(decided, name)
    return decided


def _read_answer(text: str) -> tuple[str, bool | None]:
    """The number in `text`, and yes or no; None for whatever else stands there with it."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    written = set(NUMBER.findall(plain))
    words = set(_WORD.findall(NUMBER.sub(" ", plain))) - ASIDE
    if len(written) != 1 or not (words <= YES or words <= NO):
        return "", None
    return written.pop(), words <= YES
