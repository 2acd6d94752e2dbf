"""The provider's side of the simulator: the API that `messengers.adapters.simulator` calls.

Bearer token, JSON, errors as `{"error": {"code", "message"}}`. Numbers that end in 0404 are not on
the service, so that a refusal can be seen in the demo.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

import orjson
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from messengers.adapters.simulator import Simulator
from messengers.contract import Account
from messengers.simulator import store
from messengers.simulator.accounts import by_token
from messengers.simulator.courier import courier

ABLE = Simulator.capabilities
UNKNOWN_NUMBER = "0404"
NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
SIGNATURES = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/webp": b"RIFF",
}
STATUS = {
    "bad_message": 400,
    "bad_token": 401,
    "blocked": 403,
    "unknown_recipient": 404,
    "too_large": 413,
}
MESSAGES = {
    "bad_message": "The message lacks a number or a text, or has too much of something.",
    "bad_token": "The token is not valid.",
    "blocked": "The recipient has blocked this account.",
    "unknown_recipient": "Nobody uses this number here.",
    "too_large": "The text or the picture is too large.",
}
View = Callable[..., HttpResponse]


class Refusal(Exception):
    """The API says no; `code` is one of `STATUS`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def provider_call(view: Callable[[HttpRequest, Account], HttpResponse]) -> View:
    """An endpoint for accounts with a token; only in the demo."""

    @csrf_exempt
    @require_POST
    @wraps(view)
    def call(request: HttpRequest) -> HttpResponse:
        if not settings.JAWORT_DEMO:
            raise Http404
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        account = by_token(token) if scheme.lower() == "bearer" else None
        if account is None:
            return _refused("bad_token")
        try:
            return view(request, account)
        except Refusal as refusal:
            return _refused(refusal.code)

    return call


@provider_call
def send(request: HttpRequest, account: Account) -> HttpResponse:
    """One message: 201 and its id."""
    result = _accept(account, [_json(request)])[0]
    if isinstance(result, Refusal):
        raise result
    return JsonResponse({"id": result}, status=201)


@provider_call
def send_bulk(request: HttpRequest, account: Account) -> HttpResponse:
    """Up to a hundred messages: a result for each, in their order."""
    body = _json(request)
    messages = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(messages, list) or len(messages) > ABLE.bulk:
        raise Refusal("bad_message")
    results = [
        _error(result.code) if isinstance(result, Refusal) else {"id": result}
        for result in _accept(account, messages)
    ]
    return JsonResponse({"results": results})


@provider_call
def upload(request: HttpRequest, account: Account) -> HttpResponse:
    """A picture: 201 and the id that messages name it by."""
    media_type = request.headers.get("content-type", "")
    if len(request.body) > ABLE.image_max_bytes:
        raise Refusal("too_large")
    signature = SIGNATURES.get(media_type)
    if not signature or not request.body.startswith(signature):
        raise Refusal("bad_message")
    media = store.save_media(str(account.id), media_type, request.body)
    return JsonResponse({"id": media}, status=201)


def _accept(account: Account, bodies: list[Any]) -> list[str | Refusal]:
    """Check all, put those that are right on their phones in one go, and ring the courier."""
    read = [_read(account, body) for body in bodies]
    wanted = [message for message in read if isinstance(message, store.Received)]
    blocked = store.blocked(str(account.id), {message.number for message in wanted})
    refs = iter(store.receive([m for m in wanted if m.number not in blocked]))
    if wanted:
        courier.ring()
    return [
        message
        if isinstance(message, Refusal)
        else Refusal("blocked")
        if message.number in blocked
        else next(refs)
        for message in read
    ]


def _read(account: Account, body: Any) -> store.Received | Refusal:
    """One message of the wire, checked as the big ones would check it."""
    if not isinstance(body, dict):
        return Refusal("bad_message")
    number, text, attempt = body.get("to"), body.get("text"), body.get("attempt", "")
    media, alt = body.get("media", ""), body.get("alt", "")
    strings = all(isinstance(value, str) for value in (number, text, attempt, media, alt))
    if not strings or not NUMBER.fullmatch(str(number)):
        return Refusal("bad_message")
    if str(number).endswith(UNKNOWN_NUMBER):
        return Refusal("unknown_recipient")
    assert isinstance(number, str)
    assert isinstance(text, str)
    if len(text) > (ABLE.caption_max if media else ABLE.text_max):
        return Refusal("too_large")
    buttons = _buttons(body.get("buttons", []))
    if buttons is None or not (text or media):
        return Refusal("bad_message")
    return store.Received(str(account.id), number, text, str(attempt), buttons, media, alt)


def _buttons(given: Any) -> list[dict[str, str]] | None:
    """The buttons as they are stored; None if one is not as it should be."""
    if not isinstance(given, list) or len(given) > ABLE.buttons_max:
        return None
    buttons = []
    for button in given:
        if not isinstance(button, dict) or not isinstance(label := button.get("label"), str):
            return None
        target = {key: button[key] for key in ("url", "payload") if button.get(key)}
        right = len(target) == 1 and all(isinstance(value, str) for value in target.values())
        if not right or not 0 < len(label) <= ABLE.button_label_max:
            return None
        if not target.get("url", "https://").startswith(("https://", "http://")):
            return None
        buttons.append({"label": label, **target})
    return buttons


def _json(request: HttpRequest) -> Any:
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise Refusal("bad_message") from None


def _error(code: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": MESSAGES[code]}}


def _refused(code: str) -> HttpResponse:
    return JsonResponse(_error(code), status=STATUS[code])
