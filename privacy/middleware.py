"""The gate before every page of the staff: guesses counted, sessions aged, two factors shown."""

from collections.abc import Callable
from typing import Any

import structlog
from allauth.account.adapter import get_adapter
from allauth.account.internal.stagekit import unstash_login
from django.conf import settings
from django.contrib.auth import logout
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse

from privacy.access import ages
from privacy.access.guesses import may_guess
from privacy.access.pages import actor_of
from privacy.access.second_factor import has_second_factor, has_shown_two_factors

TOO_MANY_REQUESTS = 429
# Where a password, a code or a link to a new password is tried or asked for.
GUESSED_AT = frozenset(
    {
        "account_login", "account_reauthenticate", "account_reset_password",
        "account_reset_password_from_key", "account_change_password", "mfa_authenticate",
        "mfa_reauthenticate", "mfa_login_webauthn", "mfa_reauthenticate_webauthn",
        "mfa_activate_totp", "admin:login",
    }
)  # fmt: skip
# All that a session with one factor may see: the way to the second, the way out, and the words.
OPEN_TO_ONE_FACTOR = frozenset(
    {
        "account_logout", "account_reauthenticate", "mfa_reauthenticate",
        "mfa_reauthenticate_webauthn", "set_language", "livez", "readyz",
        "metrics",
    }
)  # fmt: skip
# Besides, for those who have no second factor yet.
ENROLMENT = frozenset({"mfa_index", "mfa_activate_totp", "mfa_add_webauthn"})

log = structlog.get_logger("jawort.access")
GetResponse = Callable[[HttpRequest], HttpResponseBase]


class StaffGate:
    """Stands behind Django's authentication. Pages of subscribers and hooks know no sessions."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.user.is_authenticated:
            if ages.is_over(request, actor_of(request)):
                del request._jawort_actor  # type: ignore[attr-defined]
                logout(request)
            else:
                ages.renew(request)
        return _whole_page(request, self.get_response(request))

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        name = request.resolver_match.view_name if request.resolver_match else ""
        if request.method == "POST" and name in GUESSED_AT and not _may_guess(request, name):
            log.warning("too many guesses", route=name)
            return render(request, "429.html", status=TOO_MANY_REQUESTS)
        if request.user.is_authenticated and not settings.JAWORT_DEMO:
            return _second_factor(request, name)
        return None


def _whole_page(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """A part of a page that leads to the sign-in reloads the whole page, which then leads there."""
    leads_to = response.headers.get("Location", "")
    if "HX-Request" in request.headers and leads_to.startswith(reverse("account_login")):
        return HttpResponse(headers={"HX-Refresh": "true"})
    return response


def _second_factor(request: HttpRequest, name: str) -> HttpResponseBase | None:
    """The way to the second factor, for a session that has not shown it."""
    if name in OPEN_TO_ONE_FACTOR or has_shown_two_factors(request):
        return None
    has_one = has_second_factor(request)
    if not has_one and name in ENROLMENT:
        return None
    if request.method not in ("GET", "HEAD"):
        raise PermissionDenied("this needs the second factor.")
    return redirect("mfa_reauthenticate" if has_one else "mfa_activate_totp")


def _may_guess(request: HttpRequest, name: str) -> bool:
    return may_guess(name, account=_account(request), ip=get_adapter().get_client_ip(request))


def _account(request: HttpRequest) -> str:
    """Whose secret is tried: of who is signed in, half signed in, or named in the form."""
    if request.user.is_authenticated:
        return str(request.user.pk)
    pending = unstash_login(request, peek=True)
    if pending is not None:
        return str(pending.user.pk)
    named = request.POST.get("login") or request.POST.get("email") or request.POST.get("username")
    return (named or "").strip().casefold()
