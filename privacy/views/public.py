"""Pages that a link opens: fetch my package, was that request mine, the certificate.

A GET changes nothing, because messengers open every link they see. No session, no script, no cache,
no referrer. A token has 192 random bits, so nobody guesses one.
"""

from collections.abc import Callable
from functools import wraps
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from privacy.models import Controller, ExportPackage, Request
from privacy.requests import actions
from privacy.requests.erasure import certificate as certificates
from privacy.requests.errors import (
    IllegalTransition,
    PackageGone,
    TooLateToStop,
    WrongCode,
)
from privacy.requests.export import package as packages
from privacy.requests.export.package import SCHEMAS
from privacy.requests.identity import asked_by
from privacy.requests.watch import may_stop, watched_by

View = Callable[..., HttpResponse]


def token_page(*methods: str) -> Callable[[View], View]:
    """A page without a session: the token alone opens it, so there is no cookie to forge with."""

    def decorate(view: View) -> View:
        guarded = csrf_exempt(never_cache(require_http_methods(methods)(view)))

        @wraps(view)
        def shown(request: HttpRequest, token: str) -> HttpResponse:
            wished = request.GET.get("lang", "")
            language = wished if wished in dict(settings.LANGUAGES) else translation.get_language()
            zone = timezone.override(ZoneInfo(settings.DISPLAY_TIME_ZONE))
            with zone, translation.override(language):
                response: HttpResponse = guarded(request, token)
            response["Cache-Control"] = "no-store"
            response["Referrer-Policy"] = "no-referrer"
            return response

        shown.csrf_exempt = True  # type: ignore[attr-defined]
        return shown

    return decorate


@token_page("GET", "HEAD", "POST")
def package(request: HttpRequest, token: str) -> HttpResponse:
    """One button; the POST behind it is the one download."""
    if request.method == "POST":
        return _download(request, token)
    found = packages.by_token(token)
    if found is None or not packages.is_available(found):
        return _gone(request)
    return _page(request, "package", _about(found))


@token_page("GET", "HEAD", "POST")
def proof(request: HttpRequest, token: str) -> HttpResponse:
    """ "Did you ask for this?": yes or no, by POST."""
    asked = asked_by(token)
    if asked is None:
        return _page(request, "proof_over", {}, status=410)
    if request.method != "POST":
        return _page(request, "proof", {"asked": asked})
    is_mine = request.POST.get("answer") == "yes"
    try:
        decide = actions.prove_identity if is_mine else actions.deny_identity
        decide(request=asked)
    except IllegalTransition:
        return _page(request, "proof_over", {}, status=410)
    return _page(request, "proof_done", {"is_mine": is_mine, "number": asked.number})


@token_page("GET", "HEAD")
def erased(request: HttpRequest, token: str) -> HttpResponse:
    """The certificate, for whoever holds the link of the last message."""
    found = certificates.by_token(token)
    if found is not None:
        document = certificates.document(found)
        return _page(request, "erased", {"document": document, "token": token})
    if certificates.is_on_its_way(token):
        return _page(request, "erased_soon", {}, status=202)
    return _gone(request)


@token_page("GET", "HEAD")
def erased_pdf(request: HttpRequest, token: str) -> HttpResponse:
    found = certificates.by_token(token)
    if found is None:
        return _gone(request)
    return attachment(certificates.as_pdf(found), "application/pdf", f"{found.request.number}.pdf")


def attachment(content: bytes, media_type: str, name: str) -> HttpResponse:
    """A file to keep; never shown in the page, never stored by anything on the way."""
    response = HttpResponse(content, content_type=media_type)
    response["Content-Disposition"] = f'attachment; filename="jawort-{name}"'
    response["Cache-Control"] = "no-store"
    return response


@token_page("GET", "HEAD", "POST")
def not_me(request: HttpRequest, token: str) -> HttpResponse:
    """ "This was not me", from another channel of the person: stops the request, by POST."""
    asked = watched_by(token)
    if asked is None or not may_stop(asked):
        return _page(request, "proof_over", {}, status=410)
    if request.method != "POST":
        return _page(request, "not_me", {"asked": asked})
    try:
        actions.stop_forged(request=asked)
    except (TooLateToStop, IllegalTransition):
        return _page(request, "proof_over", {}, status=410)
    return _page(request, "proof_done", {"is_mine": False, "number": asked.number})


@require_http_methods(["GET", "HEAD"])
def schema(request: HttpRequest, name: str) -> HttpResponse:
    """The published shape of what we hand out, for whoever writes a program that reads it."""
    path = SCHEMAS / f"{name}.json"
    if name not in {known.stem for known in SCHEMAS.glob("*.json")}:
        raise Http404
    response = HttpResponse(path.read_bytes(), content_type="application/schema+json")
    response["Access-Control-Allow-Origin"] = "*"
    return response


def _about(found: ExportPackage) -> dict[str, object]:
    return {
        "package": found,
        "number": found.request.number,
        "needs_code": found.code_hash is not None,
        "is_portable": found.request.kind == Request.Kind.PORTABILITY,
    }


def _download(request: HttpRequest, token: str) -> HttpResponse:
    try:
        found, packed = actions.fetch_package(token=token, code=request.POST.get("code", ""))
    except PackageGone:
        return _gone(request)
    except WrongCode as wrong:
        known = packages.by_token(token)
        if known is None or not packages.is_available(known):
            return _gone(request)
        return _page(request, "package", {**_about(known), "wrong": str(wrong)}, status=403)
    return attachment(packed, "application/zip", f"{found.request.number}.zip")


def _gone(request: HttpRequest) -> HttpResponse:
    """The same for what never was, what is over and what was erased."""
    return _page(request, "gone", {}, status=410)


def _page(
    request: HttpRequest, name: str, context: dict[str, object], status: int = 200
) -> HttpResponse:
    controller = Controller.objects.filter(pk=1).first()
    context = {"controller": controller, **context}
    return render(request, f"privacy/public/{name}.html", context, status=status)
