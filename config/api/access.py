"""What a token may do: asked at the same two doors as every page, `can` and `visible_to`."""

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from privacy.access import Actor, can
from privacy.models import ApiToken


def actor_of(request: Request) -> Actor:
    """The program behind this request; one Actor per request, so that rights are read once."""
    known: Actor | None = getattr(request, "jawort_actor", None)
    if known is None:
        if not isinstance(request.auth, ApiToken):
            raise TypeError("actor_of() needs a request that a token authenticated.")
        known = Actor.token(request.auth)
        request.jawort_actor = known  # type: ignore[attr-defined]
    return known


def right_of(view: APIView) -> str:
    """The right that the view names for what is being done; "" if it names none."""
    rights: dict[str, str] = getattr(view, "rights", {})
    return rights.get(getattr(view, "action", None) or "", "")


class TokenMay(BasePermission):
    """Each view names its `rights`, one per DRF action; what it does not name is refused.

    This asks whether the token has the right anywhere; in which newsletters, `visible_to` decides,
    so that a foreign object is answered 404 as if it did not exist.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        right = right_of(view)
        return bool(right) and isinstance(request.auth, ApiToken) and can(actor_of(request), right)
