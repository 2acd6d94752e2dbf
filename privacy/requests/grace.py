"""How long something final waits, so that a person can still say "this was not me"."""

from datetime import timedelta

from django.conf import settings

from privacy.models import Request
from privacy.requests.watch import other_contacts


def grace_of(request: Request) -> timedelta:
    """None for what the chat itself proves; else `JAWORT_GRACE_HOURS`.

    Somebody with further channels was told there, and gets the same time: whoever holds a stolen
    number has the chat, but not the mailbox.
    """
    is_certain = request.origin == Request.Origin.CHAT and not other_contacts(request)
    return timedelta(0) if is_certain else timedelta(hours=settings.JAWORT_GRACE_HOURS)
