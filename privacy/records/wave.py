"""Telling the people concerned (Art. 34 GDPR): each over their own channel, in slices.

A message to many from an office that may otherwise not send: so a second person approves the text.
"""

import structlog
from django.db import DatabaseError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from privacy.access import Actor
from privacy.models import Incident, IncidentSubject, SecondApproval
from privacy.records.errors import NoHighRisk, NothingToTell
from privacy.records.incidents import NOTICE, State, hold, note, texts_of
from privacy.requests import approvals
from privacy.requests.delivery import answer
from privacy.requests.verbs import contacts_of
from privacy.vault import KeyDestroyed, VaultError

log = structlog.get_logger("jawort.records")
AT_A_TIME = 100
# What one run of the tick sends: the rest goes on with the next.
SLICES_PER_RUN = 20


@transaction.atomic
def propose(*, incident: Incident, actor: Actor) -> SecondApproval:
    """Ask a second person. Raises `NoHighRisk` and `NothingToTell`."""
    held = hold(incident, actor)
    if held.risk != Incident.Risk.HIGH:
        raise NoHighRisk
    texts = texts_of(held)
    if not texts.get("message_de") or not texts.get("message_en"):
        raise NothingToTell
    people = held.people.filter(state=State.LISTED).count()
    note(held, "notice_proposed", actor, facts={"people": people})
    return approvals.ask(NOTICE, held.pk, actor, {"people": people})


def _approved(approval: SecondApproval, actor: Actor) -> None:
    held = Incident.objects.select_for_update().get(pk=approval.ref)
    if held.told_at is None:
        held.told_at = timezone.now()
        held.save(update_fields=["told_at"])
    note(held, "notice_approved", actor)


def _refused(approval: SecondApproval, actor: Actor) -> None:
    note(Incident.objects.get(pk=approval.ref), "notice_refused", actor)


approvals.register(
    NOTICE,
    _("Tell people of a breach"),
    page="privacy:incident",
    on_approval=_approved,
    on_refusal=_refused,
)


def resume() -> int:
    """Go on telling; how many were told. Each is told once, whenever a process dies."""
    waiting = Incident.objects.exclude(told_at=None).filter(
        closed_at=None, people__state=State.LISTED
    )
    total = 0
    for incident in waiting.distinct():
        for _slice in range(SLICES_PER_RUN):
            told = _tell_some(incident)
            total += told
            if not told:
                break
    return total


@transaction.atomic
def _tell_some(incident: Incident) -> int:
    """The next slice, queued and noted in one transaction: both or neither."""
    rows = incident.people.filter(state=State.LISTED).order_by("id")
    some = list(rows.select_for_update(skip_locked=True)[:AT_A_TIME])
    texts = texts_of(incident)
    done = 0
    for row in some:
        done += _tell(row, incident, texts)
    if done:
        note(incident, "told", Actor.system("records"), facts={"people": done})
    return done


def _tell(row: IncidentSubject, incident: Incident, texts: dict[str, str]) -> bool:
    try:
        with transaction.atomic():
            row.state = State.TOLD if contacts_of(row.subject) else State.UNREACHABLE
            if row.state == State.TOLD:
                row.told_at = timezone.now()
                answer(
                    row.subject,
                    "breach",
                    number=incident.number,
                    text_de=texts["message_de"],
                    text_en=texts["message_en"],
                )
            row.save(update_fields=["state", "told_at"])
    except KeyDestroyed:
        incident.people.filter(pk=row.pk).update(state=State.UNREACHABLE)
    except (VaultError, DatabaseError) as error:
        # Without the key store nobody can be told: the next run comes back to them.
        log.error("a notice waits", reason=type(error).__name__)
        return False
    return True
