"""Source forms: where people are asked, and what they are promised for their yes."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from privacy.access import Actor, require
from privacy.audit import record
from subscriptions.actions.wordings import staff_of
from subscriptions.errors import FormUndecided, SameHands
from subscriptions.models import Newsletter, SourceForm

MANAGE = "newsletter.manage"
# The data-protection officer's decision on whom we may write to, as over lists.
DECIDE = "import.approve"
Status = SourceForm.Status


@transaction.atomic
def create_form(
    *,
    newsletter: Newsletter,
    actor: Actor,
    code: str,
    name: str,
    coupled_offer: bool = False,
    offer_de: str = "",
    offer_en: str = "",
) -> SourceForm:
    """A place of its own on the sign-up page. A coupled offer waits for the officer's decision."""
    require(actor, MANAGE, newsletter.pk)
    form = SourceForm(
        newsletter=newsletter,
        code=code,
        name=" ".join(name.split()),
        coupled_offer=coupled_offer,
        offer_de=offer_de.strip() if coupled_offer else "",
        offer_en=offer_en.strip() if coupled_offer else "",
        status=Status.DRAFT if coupled_offer else Status.PUBLISHED,
        made_by=staff_of(actor),
        made_at=timezone.now(),
    )
    form.full_clean(exclude=["made_by", "decided_by", "decided_at"])
    form.save(force_insert=True)
    facts: dict[str, int | str | bool] = {"coupled": coupled_offer}
    record("form.created", actor=actor, obj="form", ref=form.pk, facts=facts)
    return form


@transaction.atomic
def decide_form(*, form: SourceForm, publish: bool, reasons: str, actor: Actor) -> SourceForm:
    """The officer's decision on a coupled offer (Art. 7(4) GDPR), with its reasons.

    Raises `FormUndecided` without reasons or where nothing waits, `SameHands` for who made it.
    """
    require(actor, DECIDE, form.newsletter_id)
    held = SourceForm.objects.select_for_update().get(pk=form.pk)
    if held.status != Status.DRAFT or not reasons.strip():
        raise FormUndecided("give the reasons, once, for a form that waits.")
    if held.made_by_id and actor == Actor.staff(held.made_by):  # type: ignore[arg-type]
        raise SameHands("Who made a form cannot decide about it: ask another person.")
    held.status = Status.PUBLISHED if publish else Status.REFUSED
    held.reasons, held.decided_at, held.decided_by = (
        reasons.strip(),
        timezone.now(),
        staff_of(actor),
    )
    held.save()
    facts: dict[str, int | str | bool] = {"published": publish}
    record("form.decided", actor=actor, obj="form", ref=held.pk, facts=facts)
    return held


@transaction.atomic
def close_form(*, form: SourceForm, actor: Actor) -> None:
    """Nobody is asked there any more; what people agreed to there stays as it is."""
    require(actor, MANAGE, form.newsletter_id)
    SourceForm.objects.filter(pk=form.pk).update(status=Status.CLOSED)
    record("form.closed", actor=actor, obj="form", ref=form.pk)


def promised(form: SourceForm | None, language: str) -> dict[str, Any]:
    """What the proof of a consent says about where it was asked for, and what was given for it."""
    if form is None:
        return {}
    told: dict[str, Any] = {"source_form": form.code}
    if form.coupled_offer:
        told["coupled_offer"] = {
            "text": form.offer(language),
            "language": language,
            "decided_at": form.decided_at,
        }
    return told
