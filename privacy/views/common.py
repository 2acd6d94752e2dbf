"""What the DPO's pages share: acts by POST whose errors become a sentence on the page."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from privacy.access import actor_of, can, staff_page, step_up
from privacy.audit import anchors_active
from privacy.models import Request, Watch
from privacy.requests.errors import RequestError
from privacy.vault import VaultError, weekly

View = Callable[..., HttpResponseBase]
# The entries of the desk's own navigation, and what opens each.
DOORS = (
    ("request", ("request.work",)),
    ("person", ("person.read",)),
    ("approve", ("import.approve",)),
    ("second", ("approval.give",)),
    ("audit", ("audit.read",)),
    ("retention", ("retention.read",)),
    ("controller", ("request.work", "user.manage")),
)


def page(action: str) -> Callable[[View], View]:
    """A page to look at; a GET, which changes nothing, and which nothing on the way may keep."""

    def decorate(view: View) -> View:
        return never_cache(staff_page(action)(require_safe(view)))

    return decorate


def act(action: str, *, again: bool = False) -> Callable[[View], View]:
    """An act on a request: POST, one right, and (`again`) a sign-in of the last five minutes.

    The view gets the request's row. What the domain refuses is said on the request's page.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def acted(request: HttpRequest, pk: Any) -> HttpResponseBase:
            row = get_object_or_404(Request, pk=pk)
            try:
                return view(request, row)
            except RequestError as refused:
                messages.error(request, str(refused))
            except VaultError:
                messages.error(request, _("The database of keys does not answer. Try again soon."))
            return to_request(row)

        asked = step_up(acted) if again else acted
        return staff_page(action)(require_POST(asked))

    return decorate


def show(
    request: HttpRequest, name: str, here: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """A page of the DPO's desk; `here` is the entry of its navigation that is marked."""
    actor = actor_of(request)
    may = {entry: any(can(actor, action) for action in actions) for entry, actions in DOORS}
    context = {"may": may, "here": here, "key_warnings": _key_warnings, **context}
    context["log_warnings"] = log_warnings if here == "requests" and may["audit"] else ()
    with timezone.override(ZoneInfo(settings.DISPLAY_TIME_ZONE)):
        return render(request, f"privacy/{name}.html", context, status=status)


def log_warnings() -> list[str]:
    """What the officer should know about the logs; more of it stands on their page."""
    warnings = []
    if Watch.objects.exclude(trouble="").exists():
        warnings.append(_("Signer or witness object to the logs: see the page Audit log."))
    if not anchors_active():
        warnings.append(_("Nobody outside watches the logs: see the page Audit log."))
    return warnings


def _key_warnings() -> list[str]:
    """What officer and administrator should know about the keys; called where it is shown."""
    try:
        return weekly.warnings(timezone.now())
    except VaultError:
        return []


def to_request(row: Request) -> HttpResponse:
    return redirect("privacy:request", pk=row.pk)


def accepts(request: HttpRequest, form: Any) -> bool:
    """Whether a small form that has no page of its own is in order; else the next page says why."""
    for errors in form.errors.values():
        for error in errors:
            messages.error(request, error)
    return bool(form.is_valid())
