"""All requests about one's own data, for people who cannot, or will not, use the chat.

Whoever asks proves who they are on the subscribed channel itself: a link goes there, and the page
behind it opens the request. The form answers everybody alike, whether we know the address or not.
"""

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone, translation
from django.views.decorators.http import require_http_methods, require_safe

from messengers.addresses import find_address
from messengers.channels import adapter_of
from messengers.contract import BadAddress
from messengers.models import Address, Channel
from messengers.outbox import reply
from privacy.access import Actor
from privacy.models import Request
from privacy.requests.actions import add_wish, open_request
from privacy.vault import sign_link
from subscriptions import caps, texts
from subscriptions.forms import DataRequestForm
from subscriptions.views.edge import (
    DeadLink,
    asked_too_often,
    dead_link,
    follow,
    public,
    show,
    try_later,
)

LINK_LIFE = timedelta(hours=48)
KINDS = tuple(Request.Kind)
# Two kinds have a message of their own; the others share one that names what was asked.
OWN_MESSAGE = (Request.Kind.ACCESS, Request.Kind.ERASURE)


@public
@require_http_methods(["GET", "HEAD", "POST"])
def data_request(request: HttpRequest) -> HttpResponse:
    if asked_too_often(request):
        return try_later(request)
    form = DataRequestForm(request.POST or None)
    if form.is_valid():
        _send_link(form.cleaned_data["kind"], form.cleaned_data["address"])
        return redirect(f"{reverse('data_asked')}?lang={translation.get_language()}")
    return show(request, "data", form=form)


@public
@require_safe
def asked(request: HttpRequest) -> HttpResponse:
    return show(request, "data_asked")


@public
@require_http_methods(["GET", "HEAD", "POST"])
def data_confirm(request: HttpRequest, kind: str, token: str) -> HttpResponse:
    """The holder of the address says yes. Pressed twice it is still one request."""
    if kind not in KINDS:
        raise Http404
    try:
        address_id = follow(f"data-{kind}", token)
    except DeadLink as dead:
        return dead_link(request, dead, "data")
    if request.method != "POST":
        return show(request, "data_confirm", kind=kind, label=Request.Kind(kind).label)
    opened = _open(kind, address_id)
    if opened.subject:
        wish, actor = request.POST.get("wish", ""), Actor.subscriber(opened.subject)
        add_wish(request=opened, text=wish, actor=actor)
    return show(request, "data_open", number=opened.number, due_at=opened.due_at)


def _open(kind: str, address_id: UUID) -> Request:
    """The request of the address behind a link; if the address is gone, that is the answer."""
    address = Address.objects.filter(pk=address_id).first()
    subject = address.subject if address else None
    actor = Actor.subscriber(subject) if subject else Actor.system("web")
    return open_request(
        subject=subject,
        kind=kind,
        origin=Request.Origin.WEB,
        channel_id=address.channel_id if address else None,
        address_id=address_id if address else None,
        verified=True,
        received_at=timezone.now(),
        actor=actor,
    )


def _send_link(kind: str, typed: str) -> None:
    """Send the link wherever this address is known; else nothing happens."""
    for channel in Channel.objects.filter(status=Channel.Status.ACTIVE):
        adapter = adapter_of(channel)
        if not adapter.capabilities.opens_conversation:
            continue
        try:
            canonical = adapter.canonical(typed)
        except BadAddress:
            continue
        address = find_address(channel, canonical)
        if address and caps.take("data_link", channel, canonical):
            _send(kind, address)


@transaction.atomic
def _send(kind: str, address: Address) -> None:
    token = sign_link(f"data-{kind}", address.pk, timezone.now() + LINK_LIFE)
    page = texts.page("data_confirm", kind, token)
    name = f"{kind}_link" if kind in OWN_MESSAGE else "request_link"
    content = texts.content(name, translation.get_language() or "de")
    values = {"confirm_url": page}
    if kind not in OWN_MESSAGE:
        values["what"] = str(Request.Kind(kind).label)
    reply(address=address, content=content, values=values)
