"""The doors as decorators: a page of the staff says what right it needs and where."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from allauth.account.decorators import reauthentication_required
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponseBase

from privacy.access.actors import Actor
from privacy.access.doors import can
from privacy.access.errors import NotAllowed
from privacy.models import User

View = Callable[..., HttpResponseBase]
ScopeFrom = str | Callable[..., UUID | None]


def actor_of(request: HttpRequest) -> Actor:
    """Who is signed in; one Actor for the whole request, so that rights are read once."""
    known: Actor | None = getattr(request, "_jawort_actor", None)
    if known is None:
        if not isinstance(request.user, User):
            raise NotAllowed("nobody is signed in.")
        known = Actor.staff(request.user)
        request._jawort_actor = known  # type: ignore[attr-defined]
    return known


def require_staff(view: View) -> View:
    """Only for those who are signed in. The second factor is the middleware's, for every page."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        return view(request, *args, **kwargs)

    return guarded


def staff_page(action: str, scope_from: ScopeFrom | None = None) -> Callable[[View], View]:
    """Only for those who may do `action`, else 403.

    `scope_from` names the URL's argument that holds the newsletter, or is a function of the same
    arguments as the view that finds it; a newsletter in which the actor may not do it answers 404,
    as if it did not exist. Without it the right in any newsletter is enough, and the view shows
    only what `visible_to` lets through.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            actor = actor_of(request)
            if not can(actor, action):
                raise NotAllowed(f"{actor} may not do {action}.")
            scope = _scope(scope_from, request, args, kwargs)
            if scope is not None and not can(actor, action, scope):
                raise Http404
            return view(request, *args, **kwargs)

        page = require_staff(guarded)
        page.action = action  # type: ignore[attr-defined]  # read by the test of the right matrix
        return page

    return decorate


def step_up(view: View) -> View:
    """Only for those who proved within the last five minutes who they are; not asked in the demo.

    For what cannot be taken back: exports, erasures, tokens, roles, credentials.
    """
    strict: View = reauthentication_required(view)

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return (view if settings.JAWORT_DEMO else strict)(request, *args, **kwargs)

    return guarded


def _scope(
    scope_from: ScopeFrom | None, request: HttpRequest, args: Any, kwargs: dict[str, Any]
) -> UUID | None:
    if scope_from is None:
        return None
    if callable(scope_from):
        return scope_from(request, *args, **kwargs)
    return UUID(str(kwargs[scope_from]))
