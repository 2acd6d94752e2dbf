"""The life of a request: one status column, one table of transitions, one door."""

from collections.abc import Mapping

from privacy.models import Request
from privacy.requests.errors import IllegalTransition

Status = Request.Status

TRANSITIONS: Mapping[str, tuple[str, ...]] = {
    Status.RECEIVED: (Status.VERIFYING, Status.WORKING, Status.REVIEW, Status.CLOSED),
    Status.VERIFYING: (Status.RECEIVED, Status.CLOSED),
    Status.WORKING: (Status.REVIEW, Status.CLOSED),
    # A package may be made again as often as the review asks for it.
    Status.REVIEW: (Status.REVIEW, Status.WORKING, Status.DELIVERED, Status.CLOSED),
    # Answered: the clock stands. It closes when the person fetched the answer or the term is over.
    Status.DELIVERED: (Status.CLOSED,),
    Status.CLOSED: (),
}
ANSWERED = (Status.DELIVERED, Status.CLOSED)


def advance(request: Request, to: str, **changes: object) -> None:
    """Move `request` to `to` and store `changes` with it, in one UPDATE; or raise, writing nothing.

    `IllegalTransition`: the table does not lead there, or somebody else was first.
    """
    if to not in TRANSITIONS[request.status]:
        raise IllegalTransition
    rows = Request.objects.filter(pk=request.pk, status=request.status)
    if not rows.update(status=to, **changes):
        raise IllegalTransition
    request.refresh_from_db()
