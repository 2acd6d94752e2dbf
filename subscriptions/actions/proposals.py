"""Four eyes over what people are shown: one writes a text, another one puts it into force."""

from django.db import transaction
from django.utils import timezone

from privacy.access import Actor, require
from privacy.audit import record
from privacy.models import SecondApproval, User
from privacy.requests import approvals
from subscriptions.actions.wordings import (
    MANAGE,
    check_notice,
    checked_wording,
    is_for_four_eyes,
    staff_of,
    store_notice,
    store_wording,
)
from subscriptions.models import Newsletter, TextProposal

NOTICE = "notice"
KIND = "wording.publish"
Status = TextProposal.Status


@transaction.atomic
def submit_text(
    *, newsletter: Newsletter, language: str, kind: str, text: str, actor: Actor
) -> TextProposal | None:
    """Publish a notice or wording, or let it wait for a second person; None if it is in force.

    `kind` is "notice" or a kind of channel. Raises `WordingRefused` with what is missing.
    """
    require(actor, MANAGE, newsletter.pk)
    _check(newsletter, language, kind, text)
    if not is_for_four_eyes(actor):
        _put_into_force(newsletter, language, kind, text, actor, staff_of(actor))
        return None
    proposal = TextProposal.objects.create(
        newsletter=newsletter,
        language=language,
        kind=kind,
        text=text,
        proposed_by=staff_of(actor),
        proposed_at=timezone.now(),
    )
    facts: dict[str, int | str | bool] = {"language": language, "channel": kind}
    record("wording.proposed", actor=actor, obj="proposal", ref=proposal.pk, facts=facts)
    approvals.ask(KIND, proposal.pk, actor, facts)
    return proposal


def approved(approval: SecondApproval, actor: Actor) -> None:
    """The second person said yes: the text is in force, checked once more as things are now."""
    proposal = _waiting(approval)
    text = (proposal.newsletter, proposal.language, proposal.kind, proposal.text)
    _check(*text)
    _put_into_force(*text, actor, proposal.proposed_by)
    _decide(proposal, Status.PUBLISHED, actor)


def refused(approval: SecondApproval, actor: Actor) -> None:
    """The second person said no: nobody is shown it."""
    _decide(_waiting(approval), Status.REFUSED, actor)


def _check(newsletter: Newsletter, language: str, kind: str, text: str) -> None:
    if kind == NOTICE:
        check_notice(newsletter, language, text)
    else:
        checked_wording(newsletter, language, kind, text)


def _put_into_force(
    newsletter: Newsletter, language: str, kind: str, text: str, actor: Actor, by: User | None
) -> None:
    if kind == NOTICE:
        store_notice(newsletter, language, text, actor, published_by=by)
        return
    shown, notice = checked_wording(newsletter, language, kind, text)
    store_wording(newsletter, language, kind, shown, notice, actor, published_by=by)


def _waiting(approval: SecondApproval) -> TextProposal:
    rows = TextProposal.objects.select_for_update(of=("self",))
    return rows.select_related("newsletter").get(pk=approval.ref, status=Status.WAITING)


def _decide(proposal: TextProposal, status: str, actor: Actor) -> None:
    proposal.status, proposal.decided_by = status, staff_of(actor)
    proposal.decided_at = timezone.now()
    proposal.save(update_fields=["status", "decided_by", "decided_at"])
