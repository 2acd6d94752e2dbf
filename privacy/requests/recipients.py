"""Art. 19 GDPR: whoever got the data is told of a correction, an erasure or a restriction."""

from django.db import transaction
from django.utils import timezone

from privacy.access import Actor, require
from privacy.audit import record
from privacy.models import RecipientNotice, Request
from privacy.requests.verbs import recipients_of
from privacy.vault import Where, open_system, seal_system

Status = RecipientNotice.Status
LONGEST_NAME = 200
ANSWERED = (Status.CONFIRMED, Status.NOTHING_KEPT, Status.IMPOSSIBLE)


def open_notices(request: Request) -> int:
    """A task for each recipient of the person's data; how many are new. May run twice.

    Call it while the person's addresses are still known: afterwards nobody could say who got them.
    """
    if request.subject is None:
        return 0
    names = {name[:LONGEST_NAME] for name in recipients_of(request.subject)}
    known = set(request.notices.values_list("recipient", flat=True))
    made = [RecipientNotice(request=request, recipient=name) for name in sorted(names - known)]
    RecipientNotice.objects.bulk_create(made, ignore_conflicts=True)
    return len(made)


@transaction.atomic
def settle_notice(
    *, notice: RecipientNotice, status: str, actor: Actor, reply: str = ""
) -> RecipientNotice:
    """Write down that a recipient was told, or what they answered. `reply` is kept sealed."""
    require(actor, "request.work")
    held = RecipientNotice.objects.select_for_update().get(pk=notice.pk)
    now = timezone.now()
    held.status = Status(status)
    held.asked_at = held.asked_at or now
    held.answered_at = now if held.status in ANSWERED else None
    if reply.strip():
        held.reply_sealed = seal_system(_where(held), reply.strip().encode())
    held.save()
    facts: dict[str, int | str | bool] = {"status": str(held.status)}
    record("recipient.told", actor=actor, obj="request", ref=held.request_id, facts=facts)
    return held


def reply_of(notice: RecipientNotice) -> str:
    if not notice.reply_sealed:
        return ""
    return open_system(_where(notice), bytes(notice.reply_sealed)).decode()


def _where(notice: RecipientNotice) -> Where:
    return Where("privacy_recipientnotice", "reply_sealed", notice.pk)
