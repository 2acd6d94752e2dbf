"""The inbox: what people wrote that was no command, answered or marked as handled."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from privacy.access import actor_of, staff_page, visible_to
from privacy.vault import KeyDestroyed, KeyRing, Where
from subscriptions.actions import answer_reply, mark_handled
from subscriptions.desk_views.lists import page_of
from subscriptions.desk_views.people import masked
from subscriptions.models import Reply
from subscriptions.queries import in_use

READ = "inbox.read"
LONGEST_ANSWER = 2000


class AnswerForm(forms.Form):
    text = forms.CharField(max_length=LONGEST_ANSWER)


@staff_page(READ)
@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    show_handled = "handled" in request.GET
    mine = in_use(visible_to(actor_of(request), Reply.objects.all(), READ), "address__subject")
    rows = mine.filter(handled_at__isnull=not show_handled).order_by("-received_at")
    listed = page_of(request, rows.select_related("address__channel", "newsletter", "handled_by"))
    replies = list(listed["page_obj"])
    names, texts = masked(reply.address for reply in replies), opened(replies)
    context = {
        **listed,
        "rows": [
            {"it": reply, "who": names[reply.address_id], "text": texts[reply.pk]}
            for reply in replies
        ],
        "show_handled": show_handled,
        "open_count": mine.filter(handled_at=None).count(),
    }
    return render(request, "subscriptions/inbox.html", context)


def opened(replies: Sequence[Reply]) -> dict[UUID, str]:
    """The texts of many replies, by id; all keys in one query."""
    ring = KeyRing.load(reply.address.subject for reply in replies)
    texts = {}
    for reply in replies:
        where = Where("subscriptions_reply", "sealed", reply.pk)
        try:
            clear = ring.open(reply.address.subject, where, bytes(reply.sealed))
            texts[reply.pk] = clear.decode()
        except KeyDestroyed:
            texts[reply.pk] = _("erased")
    return texts


@staff_page(READ)
@require_POST
def answer(request: HttpRequest, reply_id: UUID) -> HttpResponse:
    found = _reply(request, reply_id)
    form = AnswerForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("An answer has 1 to 2000 characters."))
    else:
        answer_reply(reply=found, text=form.cleaned_data["text"], actor=actor_of(request))
        messages.success(request, _("Your answer is on its way."))
    return redirect("inbox")


@staff_page(READ)
@require_POST
def handled(request: HttpRequest, reply_id: UUID) -> HttpResponse:
    mark_handled(reply=_reply(request, reply_id), actor=actor_of(request))
    return redirect("inbox")


def _reply(request: HttpRequest, reply_id: UUID) -> Reply:
    """A reply that this person may see, and nobody else's."""
    rows: Any = visible_to(actor_of(request), Reply.objects.select_related("address"), READ)
    rows = in_use(rows, "address__subject")
    found: Reply | None = rows.filter(pk=reply_id).first()
    if found is None:
        raise Http404
    return found
