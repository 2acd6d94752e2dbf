"""The simulator's phones as pages: a chat in the browser, on the desktop and on a real phone.

Everything works as plain forms; htmx only spares the reloading. Phones are named by an opaque id,
so that no number stands in an address.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from django import forms
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from messengers.contract import Account, BadAddress
from messengers.registry import adapter_for
from messengers.render.chat_html import chat_to_html
from messengers.simulator import store
from messengers.simulator.accounts import accounts
from messengers.simulator.courier import courier

TEXT_MAX = 4096
FIRST_NUMBER = "+4917604069001"
SUGGESTIONS = {
    "de": ("START", "JA", "THEMEN", "STOP", "HILFE"),
    "en": ("START", "YES", "TOPICS", "STOP", "HELP"),
}
View = Callable[..., HttpResponse]


NO_ACCOUNT = _("No channel of the kind simulator exists yet: an administrator makes one.")


class NumberForm(forms.Form):
    """Whose phone to hold."""

    number = forms.CharField(label=_("Telephone number"), max_length=40)
    name = forms.CharField(label=_("Name shown to others"), max_length=60, required=False)

    def __init__(self, *args: Any, account: Account | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account
        self.fields["number"].widget.attrs |= {"autocomplete": "off", "inputmode": "tel"}

    def clean_number(self) -> str:
        if self.account is None:
            raise forms.ValidationError(NO_ACCOUNT)
        try:
            return adapter_for(self.account).canonical(self.cleaned_data["number"])
        except BadAddress:
            raise forms.ValidationError(
                _("There is no such number. A German mobile number is like 0176 04069001.")
            ) from None


def demo_page(view: Callable[..., HttpResponse]) -> View:
    """A page that only the demo has; never cached."""

    @wraps(view)
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not settings.JAWORT_DEMO:
            raise Http404
        response = view(request, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return page


@demo_page
@require_http_methods(["GET", "HEAD", "POST"])
def phones(request: HttpRequest) -> HttpResponse:
    """Choose a phone, or make one by its number."""
    account = next(iter(accounts()), None)
    text = request.GET.get("text", "")[:TEXT_MAX]
    if request.method == "POST":
        form = NumberForm(request.POST, account=account)
        if form.is_valid():
            return _hold(form, request.POST.get("compose", "")[:TEXT_MAX])
    else:
        form = NumberForm(initial={"number": FIRST_NUMBER}, account=account)
    context = {
        "form": form,
        "phones": store.phones(),
        "count": store.count_phones(),
        "compose": text,
        "no_account": None if account else NO_ACCOUNT,
    }
    status = 400 if form.is_bound else 200
    return render(request, "simulator/phones.html", context, status=status)


@demo_page
@require_GET
def phone(request: HttpRequest, phone_id: str) -> HttpResponse:
    """One phone with its chat."""
    held, account = _held(phone_id, request)
    _look(held, account)
    context = _chat(held, account) | {
        "compose": request.GET.get("text", "")[:TEXT_MAX],
        "phones": store.phones(),
        "contacts": [(other.id, _contact(other)) for other in accounts()],
    }
    return render(request, "simulator/phone.html", context)


@demo_page
@require_GET
def chat(request: HttpRequest, phone_id: str) -> HttpResponse:
    """The chat alone, for polling; 204 while it looks the same."""
    held, account = _held(phone_id, request)
    _look(held, account)
    if request.GET.get("version") == store.version(held.number, str(account.id)):
        return HttpResponse(status=204)
    return render(request, "simulator/_chat.html", _chat(held, account))


@demo_page
@require_POST
def write(request: HttpRequest, phone_id: str) -> HttpResponse:
    """The owner writes."""
    held, account = _held(phone_id, request)
    text = request.POST.get("text", "").strip()[:TEXT_MAX]
    if text and not store.is_blocked(str(account.id), held.number):
        store.write(held, str(account.id), text)
        courier.ring()
    return _after(request, held, account)


@demo_page
@require_POST
def press(request: HttpRequest, phone_id: str) -> HttpResponse:
    """The owner presses a button under a message."""
    held, account = _held(phone_id, request)
    ref, _, number = request.POST.get("button", "").partition("/")
    bubbles = store.chat(held.number, str(account.id))
    buttons = next((b.buttons for b in bubbles if b.ref == ref and not b.is_ours), [])
    if not number.isdecimal() or int(number) >= len(buttons):
        raise Http404
    button = buttons[int(number)]
    if button.get("payload") and not store.is_blocked(str(account.id), held.number):
        payload = button["payload"]
        store.write(held, str(account.id), button["label"], payload=payload, reply_to=ref)
        courier.ring()
    return _after(request, held, account)


@demo_page
@require_POST
def block(request: HttpRequest, phone_id: str) -> HttpResponse:
    """Block the contact, or let it write again."""
    held, account = _held(phone_id, request)
    if store.is_blocked(str(account.id), held.number):
        store.unblock(held, str(account.id))
    else:
        store.block(held, str(account.id))
        courier.ring()
    return HttpResponseRedirect(_address(held, account))


@demo_page
@require_GET
def picture(request: HttpRequest, media_id: str) -> HttpResponse:
    """A picture of a message."""
    found = store.media(media_id)
    if found is None:
        raise Http404
    return HttpResponse(found[1], content_type=found[0])


def _hold(form: NumberForm, compose: str) -> HttpResponse:
    held = store.phone_of(form.cleaned_data["number"])
    if form.cleaned_data["name"]:
        store.rename(held.id, form.cleaned_data["name"])
    response = redirect("simulator-phone", held.id)
    if compose:
        address = reverse("simulator-phone", args=[held.id], query={"text": compose})
        return HttpResponseRedirect(address)
    return response


def _held(phone_id: str, request: HttpRequest) -> tuple[store.Phone, Account]:
    """The phone and the contact whose chat is open. Raises `Http404`."""
    held = store.phone(phone_id)
    known = accounts()
    wanted = request.GET.get("with", "") or request.POST.get("with", "")
    account = next((a for a in known if str(a.id) == wanted), known[0] if known else None)
    if held is None or account is None:
        raise Http404
    return held, account


def _look(held: store.Phone, account: Account) -> None:
    """Looking at a chat reads it, and wakes the courier for what an earlier process left."""
    if store.mark_read(held.number, str(account.id)) or store.hooks_waiting():
        courier.ring()


def _after(request: HttpRequest, held: store.Phone, account: Account) -> HttpResponse:
    """Back to the chat: as a part for htmx, as a redirect for a plain form."""
    if request.headers.get("hx-request"):
        context = _chat(held, account) | {"fresh_composer": True}
        return render(request, "simulator/_chat.html", context)
    return HttpResponseRedirect(_address(held, account))


def _address(held: store.Phone, account: Account) -> str:
    query = {"with": str(account.id)} if len(accounts()) > 1 else None
    return reverse("simulator-phone", args=[held.id], query=query)


def _contact(account: Account) -> str:
    """The name under which a phone knows the newsroom."""
    return str(account.settings.get("display_name") or account.name)


def _chat(held: store.Phone, account: Account) -> dict[str, Any]:
    """What the chat shows; the newest message first, because the list is turned by the style."""
    bubbles = store.chat(held.number, str(account.id))
    return {
        "phone": held,
        "account": account,
        "contact": _contact(account),
        "is_blocked": store.is_blocked(str(account.id), held.number),
        "version": store.version(held.number, str(account.id)),
        "suggestions": SUGGESTIONS.get(get_language() or "", SUGGESTIONS["en"]),
        "zone": settings.DISPLAY_TIME_ZONE,
        "bubbles": [
            {
                "ref": bubble.ref,
                "is_ours": bubble.is_ours,
                "html": chat_to_html(bubble.text),
                "buttons": list(enumerate(bubble.buttons)),
                "media": bubble.media,
                "alt": bubble.alt,
                "at": datetime.fromtimestamp(bubble.at, UTC),
                "state": bubble.state,
            }
            for bubble in reversed(bubbles)
        ],
    }
