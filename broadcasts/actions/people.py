"""Which member of staff stands behind an actor, and the row that an action works on."""

from broadcasts.models import Broadcast
from privacy.access import Actor
from privacy.models import ApiToken, User


def user_of(actor: Actor) -> User | None:
    """The member of staff who acts, by hand or through a token; None for the house itself."""
    if actor.ref is None:
        return None
    if actor.kind == "staff":
        return User.objects.filter(pk=actor.ref).first()
    if actor.kind == "token":
        token = ApiToken.objects.select_related("user").filter(pk=actor.ref).first()
        return token.user if token else None
    return None


def locked(broadcast: Broadcast) -> Broadcast:
    """The row as it is now, held until the end of the transaction: two clicks come one by one."""
    return Broadcast.objects.select_for_update(no_key=True).get(pk=broadcast.pk)
