"""What nobody could know: by cause, with what it means, and a person's decisions."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from broadcasts import actions
from broadcasts.choice_forms import DoubtForm
from broadcasts.models import Broadcast
from broadcasts.queries import CauseOfDoubt, account, causes_of_doubt, resending
from broadcasts.queries.results import cause_label
from broadcasts.views.page import SEND, attempt, back_to, broadcast_page
from messengers import outbox
from messengers.models import Address, Channel, Delivery
from privacy.access import actor_of
from subscriptions.desk_views.people import masked

DOUBTS_SHOWN = 100


@broadcast_page(SEND, "GET", "HEAD", "POST")
def doubts(request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    """Deliveries that perhaps arrived, by cause; a POST settles one of them, or a whole cause."""
    if request.method == "POST":
        return _decide(request, broadcast)
    if not broadcast.dispatch:
        return back_to(broadcast)
    groups = causes_of_doubt(broadcast)
    chosen = _group(groups, request.GET.get("cause", "")) or next(iter(groups), None)
    context = {
        "broadcast": broadcast,
        "groups": groups,
        "chosen": chosen,
        "account": account(broadcast, groups=groups),
        "doubts": _people(broadcast, chosen) if chosen else [],
        "resent": resending(broadcast),
    }
    return render(request, "broadcasts/doubts.html", context)


def _group(groups: list[CauseOfDoubt], key: str) -> CauseOfDoubt | None:
    return next((group for group in groups if group.key == key), None)


def _people(
    broadcast: Broadcast, group: CauseOfDoubt
) -> list[tuple[outbox.Doubt, str, Channel, str]]:
    """The first of a group, masked: two queries for their names, whatever their number."""
    assert broadcast.dispatch
    found = outbox.doubts(broadcast.dispatch, DOUBTS_SHOWN, causes=group.causes)
    rows = Address.objects.select_related("channel").in_bulk([row.address_id for row in found])
    names = masked(rows.values())
    return [
        (row, names[row.address_id], rows[row.address_id].channel, cause_label(row.cause))
        for row in found
        if row.address_id in rows
    ]


def _decide(request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    form = DoubtForm(request.POST)
    if not form.is_valid():
        raise Http404
    delivery, decision = form.cleaned_data["delivery"], form.cleaned_data["decision"]
    if delivery is None:
        return _settle_all(request, broadcast, form.cleaned_data["cause"], decision)
    try:
        attempt(
            request,
            broadcast,
            lambda: actions.settle_doubt(
                broadcast=broadcast,
                delivery=delivery,
                decision=decision,
                actor=actor_of(request),
            ),
            _("Your decision is written down."),
        )
    except Delivery.DoesNotExist:
        raise Http404 from None
    return redirect("broadcast_doubts", pk=broadcast.pk)


def _settle_all(
    request: HttpRequest, broadcast: Broadcast, key: str, decision: str
) -> HttpResponse:
    group = _group(causes_of_doubt(broadcast), key)
    if group is None:
        raise Http404
    settled: list[int] = []
    if attempt(
        request,
        broadcast,
        lambda: settled.append(
            actions.settle_doubts(
                broadcast=broadcast,
                causes=group.causes,
                decision=decision,
                actor=actor_of(request),
            )
        ),
    ):
        said = ngettext(
            "Your decision about %(count)d message is written down.",
            "Your decision about %(count)d messages is written down.",
            settled[0],
        )
        messages.success(request, said % {"count": settled[0]})
    return redirect("broadcast_doubts", pk=broadcast.pk)
