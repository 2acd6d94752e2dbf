"""What all pages of the desk share: whose broadcast it is, and what is said after an act."""

from collections.abc import Callable
from functools import wraps
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from broadcasts.errors import BroadcastError
from broadcasts.models import Broadcast
from broadcasts.words import refusal
from messengers.errors import NotInDoubt
from privacy.access import actor_of, can, staff_page, visible_to
from privacy.models import User
from subscriptions.models import Newsletter

Page = Callable[..., HttpResponseBase]
READ, WRITE, TEST, SEND = "broadcast.read", "broadcast.write", "broadcast.test", "broadcast.send"
BroadcastView = Callable[[HttpRequest, Broadcast], HttpResponseBase]
NewsletterView = Callable[[HttpRequest, Newsletter], HttpResponseBase]


def page(action: str, *methods: str) -> Callable[[Page], Page]:
    """A page for those who may do `action` somewhere; its own rows are its business."""

    def decorate(view: Page) -> Page:
        return require_http_methods(methods or ("GET", "HEAD"))(
            never_cache(staff_page(action)(view))
        )

    return decorate


def broadcast_page(action: str, *methods: str) -> Callable[[BroadcastView], Page]:
    """A page about one broadcast, for those who may do `action` in its newsletter; else 404."""

    def decorate(view: BroadcastView) -> Page:
        @wraps(view)
        def with_row(request: HttpRequest, pk: UUID) -> HttpResponseBase:
            rows = visible_to(actor_of(request), Broadcast.objects.for_pages(), action)
            return view(request, get_object_or_404(rows, pk=pk))

        return page(action, *methods)(with_row)

    return decorate


def newsletter_page(action: str, *methods: str) -> Callable[[NewsletterView], Page]:
    """The same for one newsletter."""

    def decorate(view: NewsletterView) -> Page:
        @wraps(view)
        def with_row(request: HttpRequest, pk: UUID) -> HttpResponseBase:
            rows = visible_to(actor_of(request), Newsletter.objects.all(), action)
            return view(request, get_object_or_404(rows, pk=pk))

        return page(action, *methods)(with_row)

    return decorate


def staff_of(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # the doors let nobody else in
    return request.user


def rights_in(request: HttpRequest, newsletter: Newsletter) -> dict[str, bool]:
    """What buttons to show."""
    actor = actor_of(request)
    return {
        "can_write": can(actor, WRITE, newsletter.pk),
        "can_test": can(actor, TEST, newsletter.pk),
        "can_send": can(actor, SEND, newsletter.pk),
    }


def back_to(broadcast: Broadcast) -> HttpResponse:
    return redirect("broadcast", pk=broadcast.pk)


def attempt(
    request: HttpRequest, broadcast: Broadcast, act: Callable[[], object], done: str = ""
) -> bool:
    """Do it and say so, or say in plain words why not. True if it was done."""
    try:
        act()
    except NotInDoubt:
        messages.warning(request, refusal(BroadcastError()))
        return False
    except BroadcastError as error:
        zone = broadcast.newsletter.time_zone
        messages.error(request, refusal(error, zone, is_running=broadcast.is_sending))
        return False
    if done:
        messages.success(request, done)
    return True
