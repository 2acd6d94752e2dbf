"""The list, and one broadcast as a whole."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from broadcasts.actions import delete_draft, duplicate_broadcast
from broadcasts.actions.rehearse import masked_test_address
from broadcasts.content import message_of
from broadcasts.forms import DeskFilterForm, TestAddressForm
from broadcasts.models import Broadcast, TestAddress
from broadcasts.queries import account, desk, previews, progress, resending, results
from broadcasts.views.compose import offered, reach_of
from broadcasts.views.page import (
    READ,
    WRITE,
    attempt,
    back_to,
    broadcast_page,
    page,
    rights_in,
    staff_of,
)
from broadcasts.words import TONES, describe_rule, why
from messengers.models import Delivery
from privacy.access import actor_of, visible_to
from subscriptions.models import Newsletter

PER_PAGE = 25


@page(READ)
def index(request: HttpRequest) -> HttpResponseBase:
    """All broadcasts that the reader may see, newest first."""
    actor = actor_of(request)
    newsletters = visible_to(actor, Newsletter.objects.order_by("name"), READ)
    form = DeskFilterForm(request.GET, newsletters=[(row.slug, row.name) for row in newsletters])
    rows = Paginator(desk(actor, form.asked()), PER_PAGE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    context = {
        "form": form,
        "page_obj": rows,
        "query": query.urlencode(),
        "is_filtered": any(request.GET.get(name) for name in form.fields),
        "can_write": bool(offered(actor)),
        "tones": TONES,
    }
    return render(request, "broadcasts/desk.html", context)


@broadcast_page(READ)
def show(request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    """A draft with all that is needed to send it, or how far it is and what became of it."""
    context = {
        "broadcast": broadcast,
        "tone": TONES[Broadcast.Status(broadcast.status)],
        "why": why(broadcast.status_why) if broadcast.status_why else "",
        "audience": describe_rule(broadcast.rule, broadcast.newsletter),
        "previews": previews(message_of(broadcast), broadcast.newsletter, staff_of(request)),
        **rights_in(request, broadcast.newsletter),
    }
    if broadcast.dispatch:
        told = progress(broadcast)
        context |= {
            "progress": told,
            "results": results(broadcast, told),
            "account": account(broadcast, told),
            "resent": resending(broadcast) if told.count(Delivery.Status.IN_DOUBT) else [],
        }
    else:
        context |= reach_of(broadcast.newsletter, broadcast.rule, is_urgent=broadcast.is_urgent)
        context |= tests_of(request, broadcast)
    return render(request, "broadcasts/broadcast.html", context)


def tests_of(request: HttpRequest, broadcast: Broadcast) -> dict[str, object]:
    """Where this editor may send a test to."""
    mine = TestAddress.objects.filter(
        user=staff_of(request), channel__in=broadcast.newsletter.channels.all()
    ).select_related("channel")
    return {
        "test_addresses": [(row, masked_test_address(row)) for row in mine.order_by("-used_at")],
        "test_form": TestAddressForm(newsletter=broadcast.newsletter),
    }


@broadcast_page(READ, "POST")
def duplicate(request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    copy = duplicate_broadcast(broadcast=broadcast, actor=actor_of(request))
    messages.success(request, _("This is a copy of “%(title)s”.") % {"title": copy.title})
    return redirect("broadcast_edit", pk=copy.pk)


@broadcast_page(WRITE, "GET", "HEAD", "POST")
def delete(request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    """Asks first; a POST deletes the draft."""
    if request.method == "POST":
        done = _("The draft “%(title)s” is gone.") % {"title": broadcast.title}
        if attempt(
            request,
            broadcast,
            lambda: delete_draft(broadcast=broadcast, actor=actor_of(request)),
            done,
        ):
            return redirect("desk")
        return back_to(broadcast)
    context = {
        "broadcast": broadcast,
        "question": _("Delete this draft?"),
        "text": _("“%(title)s” is removed for good.") % {"title": broadcast.title},
        "label": _("Delete the draft"),
    }
    return render(request, "broadcasts/question.html", context)
