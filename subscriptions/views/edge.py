"""What every public page has in common: its language, its headers, and that it needs no cookie."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt

from privacy.access.guesses import may_guess
from privacy.models import Controller
from privacy.vault import LinkExpired, LinkInvalid, read_link

View = Callable[..., HttpResponse]
LANGUAGES = tuple(code for code, _ in settings.LANGUAGES)


def public(view: View) -> View:
    """A page for everybody, never stored by browsers or proxies, never named to other sites.

    Exempt from CSRF protection on purpose: nothing here is authorised by a cookie, only by the link
    itself, and mail programs open such pages where cookies do not live.
    """

    @csrf_exempt
    @wraps(view)
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        speak(request)
        response = view(request, *args, **kwargs)
        response.headers["Cache-Control"] = "no-store"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Content-Language"] = translation.get_language() or ""
        return response

    return page


def speak(request: HttpRequest, own: str = "") -> None:
    """Choose the page's language: `?lang=`, else the subscriber's `own`, else what they read."""
    asked = request.GET.get("lang", "")
    language = next((code for code in (asked, own) if code in LANGUAGES), None)
    if language:
        translation.activate(language)


def controller() -> Controller | None:
    return Controller.objects.first()


def show(request: HttpRequest, name: str, status: int = 200, **context: object) -> HttpResponse:
    context.setdefault("controller", controller())
    return render(request, f"subscriptions/{name}.html", context, status=status)


def asked_too_often(request: HttpRequest) -> bool:
    """Whether this network fills in our forms like a machine. Only a keyed hash of it is kept."""
    return request.method == "POST" and not may_guess(
        "public-form", ip=get_adapter().get_client_ip(request)
    )


def try_later(request: HttpRequest) -> HttpResponse:
    return show(request, "try_later", status=429)


class DeadLink(Exception):
    """The link is none of ours, or its time is over; `reason` names the template's case."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def follow(purpose: str, token: str) -> UUID:
    """What a link points at; raises `DeadLink`."""
    try:
        return read_link(purpose, token)
    except LinkExpired:
        raise DeadLink("expired") from None
    except LinkInvalid:
        raise DeadLink("unknown") from None


def dead_link(request: HttpRequest, dead: DeadLink, page: str) -> HttpResponse:
    """A friendly end: what happened and how to go on. 410 for an old link, 404 for a wrong one."""
    status = 410 if dead.reason in ("expired", "ended") else 404
    return show(request, "dead_link", status, reason=dead.reason, page=page)
