"""Segments: saved choices of recipients, built row by row, with a count that follows."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from messengers.models import Channel
from privacy.access import actor_of, staff_page, visible_to
from subscriptions.actions import delete_segment, save_segment
from subscriptions.audience import count
from subscriptions.desk_views.rule_form import Node, act, from_rule, read, to_rule
from subscriptions.errors import RuleError
from subscriptions.forms import SegmentForm, topic_name
from subscriptions.models import LANGUAGES, Newsletter, Segment

WRITE = "segment.write"
FORM = ["GET", "HEAD", "POST"]


def newsletters(request: HttpRequest) -> QuerySet[Newsletter]:
    return visible_to(actor_of(request), Newsletter.objects.order_by("name"), WRITE)


def segment_scope(request: HttpRequest, segment_id: UUID, **_more: Any) -> UUID | None:
    """The newsletter of a segment; one that does not exist has none and is refused by the view."""
    return Segment.objects.filter(pk=segment_id).values_list("newsletter_id", flat=True).first()


@staff_page(WRITE)
@require_safe
def segments(request: HttpRequest) -> HttpResponse:
    rows = visible_to(actor_of(request), Segment.objects.all(), WRITE)
    context = {
        "rows": rows.select_related("newsletter").order_by("newsletter__name", "name"),
        "newsletters": newsletters(request),
    }
    return render(request, "subscriptions/segments.html", context)


@staff_page(WRITE, scope_from="newsletter_id")
@require_http_methods(FORM)
def new_segment(request: HttpRequest, newsletter_id: UUID) -> HttpResponse:
    newsletter = get_object_or_404(newsletters(request), pk=newsletter_id)
    return _builder(request, Segment(newsletter=newsletter))


@staff_page(WRITE, scope_from=segment_scope)
@require_http_methods(FORM)
def segment(request: HttpRequest, segment_id: UUID) -> HttpResponse:
    rows = Segment.objects.select_related("newsletter")
    return _builder(request, get_object_or_404(rows, pk=segment_id))


@staff_page(WRITE, scope_from=segment_scope)
@require_POST
def drop_segment(request: HttpRequest, segment_id: UUID) -> HttpResponse:
    found = get_object_or_404(Segment, pk=segment_id)
    delete_segment(segment=found, actor=actor_of(request))
    messages.success(request, _("The segment is gone. Broadcasts that used it keep their people."))
    return redirect("segments")


@staff_page(WRITE, scope_from=segment_scope)
@require_safe
def segment_reach(request: HttpRequest, segment_id: UUID) -> HttpResponse:
    """The number beside a segment in the list, fetched when the list is there."""
    found = get_object_or_404(Segment, pk=segment_id)
    counted = reach(found.newsletter_id, from_rule(found.rule))
    total = counted["count"]["total"] if "count" in counted else "–"
    return HttpResponse(str(total), content_type="text/plain; charset=utf-8")


@staff_page(WRITE, scope_from="newsletter_id")
@require_POST
def audience_count(request: HttpRequest, newsletter_id: UUID) -> HttpResponse:
    """How many the posted rule reaches just now; asked again with every change of the form."""
    context = reach(newsletter_id, read(request.POST))
    return render(request, "subscriptions/_count.html", context)


def _builder(request: HttpRequest, segment: Segment) -> HttpResponse:
    if request.method != "POST":
        form = SegmentForm(initial={"name": segment.name})
        return _show(request, segment, from_rule(segment.rule), form)
    node = read(request.POST).numbered()
    form = SegmentForm(request.POST)
    if "do" in request.POST:
        node = act(node, request.POST["do"])
        return _show(
            request, segment, node, SegmentForm(initial={"name": request.POST.get("name", "")})
        )
    if form.is_valid() and _save(request, segment, form, node):
        messages.success(request, _("The segment has been saved."))
        return redirect("segments")
    return _show(request, segment, node, form, status=422)


def _save(request: HttpRequest, segment: Segment, form: SegmentForm, node: Node) -> bool:
    same_name = Segment.objects.filter(
        newsletter=segment.newsletter_id, name=form.cleaned_data["name"]
    )
    if same_name.exclude(pk=segment.pk).exists():
        form.add_error("name", _("This newsletter has a segment of that name already."))
        return False
    segment.name = form.cleaned_data["name"]
    segment.rule = to_rule(node)
    try:
        save_segment(segment=segment, actor=actor_of(request))
    except RuleError as error:
        form.add_error(None, error.message)
        return False
    return True


def _show(
    request: HttpRequest, segment: Segment, node: Node, form: SegmentForm, status: int = 200
) -> HttpResponse:
    newsletter = segment.newsletter
    context = {
        "segment": segment,
        "is_new": segment._state.adding,
        "newsletter": newsletter,
        "form": form,
        "node": node,
        **choices_of(newsletter),
        **reach(newsletter.pk, node),
    }
    partial = request.headers.get("HX-Request") == "true"
    name = "subscriptions/_builder.html" if partial else "subscriptions/segment.html"
    return render(request, name, context, status=status)


def choices_of(newsletter: Newsletter) -> dict[str, Any]:
    """What a row of the builder can choose from."""
    return {
        "topics": [(topic.slug, topic_name(topic)) for topic in newsletter.topics.all()],
        "languages": LANGUAGES,
        "channels": [(str(c.pk), c.name) for c in newsletter.channels.order_by("name")],
    }


def reach(newsletter_id: UUID, node: Node) -> dict[str, Any]:
    """The count for a rule being written; a rule that makes no sense yet says why."""
    try:
        counted = count(newsletter_id, to_rule(node))
    except RuleError as error:
        return {"count_error": error.message}
    names = dict(Channel.objects.values_list("pk", "name"))
    by_channel = {names[pk]: number for pk, number in counted["by_channel"].items()}
    return {"count": {"total": counted["total"], "by_channel": by_channel}}
