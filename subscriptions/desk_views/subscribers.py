"""Who gets what: a masked list with filters, counts as pictures, and the way out as CSV."""

from typing import Any

from django import forms
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from messengers.models import Channel
from privacy.access import Actor, actor_of, staff_page, step_up, visible_to
from subscriptions.desk_views.lists import Chart, page_of
from subscriptions.desk_views.people import masked
from subscriptions.exports import subscribers_csv
from subscriptions.forms import topic_name
from subscriptions.lapse import Unused, to_warn_about
from subscriptions.models import LANGUAGES, Newsletter, Subscription, Topic
from subscriptions.queries import in_use, unrestricted

READ = "subscription.read"
BADGES = {
    Subscription.Status.CONFIRMED: "badge-good",
    Subscription.Status.IMPORTED: "badge-wait",
    Subscription.Status.LAPSED: "badge-doubt",
    Subscription.Status.OBJECTED: "badge-bad",
}


class FilterForm(forms.Form):
    """What the list is narrowed to; an empty field does not narrow."""

    newsletter = forms.ModelChoiceField(
        Newsletter.objects.none(), required=False, label=_("Newsletter"), empty_label=_("All")
    )
    status = forms.ChoiceField(
        choices=[("", _("All")), *Subscription.Status.choices], required=False, label=_("Status")
    )
    channel = forms.ModelChoiceField(
        Channel.objects.none(), required=False, label=_("Messenger"), empty_label=_("All")
    )
    language = forms.ChoiceField(
        choices=[("", _("All")), *LANGUAGES], required=False, label=_("Language")
    )
    topic = forms.ModelChoiceField(
        Topic.objects.none(), required=False, label=_("Topic"), empty_label=_("All")
    )

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        newsletters = visible_to(actor, Newsletter.objects.order_by("name"), READ)
        self._offer("newsletter", newsletters)
        self._offer("channel", Channel.objects.order_by("name"), lambda channel: channel.name)
        topics = Topic.objects.filter(newsletter__in=newsletters).select_related("newsletter")
        self._offer("topic", topics, lambda topic: f"{topic_name(topic)} ({topic.newsletter})")

    def _offer(self, name: str, rows: QuerySet[Any], label: Any = str) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = rows
        field.label_from_instance = label  # type: ignore[method-assign]

    def narrow(self, rows: QuerySet[Subscription]) -> QuerySet[Subscription]:
        """`rows` by the valid filters; one that makes no sense is left out, and says so."""
        self.is_valid()
        wanted = {key: value for key, value in self.cleaned_data.items() if value}
        topic = wanted.pop("topic", None)
        rows = rows.filter(**wanted)
        return rows.filter(topics=topic) if topic else rows


@staff_page(READ)
@require_safe
def subscribers(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    form = FilterForm(request.GET or None, actor=actor)
    all_rows = in_use(visible_to(actor, Subscription.objects.all(), READ), "subscriber")
    rows = form.narrow(all_rows) if form.is_bound else all_rows
    listed = page_of(
        request,
        rows.select_related("newsletter", "channel", "address")
        .prefetch_related("topics")
        .order_by("-id"),
    )
    page = listed["page_obj"]
    names = masked(subscription.address for subscription in page)
    return render(
        request,
        "subscriptions/subscribers.html",
        {
            **listed,
            "form": form,
            "rows": [_row(one, names[one.address_id]) for one in page],
            "charts": _charts(rows),
            "total": page.paginator.count,
            "unused": _unused(actor),
        },
    )


def _unused(actor: Actor) -> list[Unused]:
    """Consents that will lapse unless somebody writes, of the newsletters this actor may see."""
    seen = set(visible_to(actor, Newsletter.objects.all(), READ).values_list("pk", flat=True))
    return [one for one in to_warn_about(timezone.now()) if one.newsletter.pk in seen]


def _row(subscription: Subscription, who: str) -> dict[str, Any]:
    return {
        "it": subscription,
        "who": who,
        "topics": [topic_name(topic) for topic in subscription.topics.all()],
        "badge": BADGES.get(Subscription.Status(subscription.status), "badge-off"),
        "since": subscription.confirmed_at,
    }


def _charts(rows: QuerySet[Subscription]) -> list[Chart]:
    """Pictures of the chosen rows: by status, by messenger, by topic (topics overlap)."""
    rows = rows.order_by()
    by_status = dict(rows.values_list("status").annotate(Count("id", distinct=True)))
    by_channel = rows.values_list("channel__name").annotate(n=Count("id", distinct=True))
    confirmed = Q(status=Subscription.Status.CONFIRMED)
    counted = Q(subscriptions__status="confirmed") & unrestricted("subscriptions__subscriber")
    topics = (
        Topic.objects.filter(subscriptions__in=rows.filter(confirmed).values("id"))
        .annotate(n=Count("subscriptions", filter=counted))
        .order_by("-n")[:8]
    )
    return [
        Chart.of(
            str(_("By status")),
            [(str(label), by_status.get(code, 0)) for code, label in Subscription.Status.choices],
        ),
        Chart.of(str(_("By messenger")), by_channel.order_by("-n")[:8]),
        Chart.of(str(_("Confirmed, by topic")), [(topic_name(t), t.n) for t in topics]),
    ]


@staff_page(READ)
@step_up
@require_POST
def export(request: HttpRequest) -> StreamingHttpResponse:
    """The filtered list as CSV; addresses are clear only for those who may see persons.

    By POST, because it is written to the audit log.
    """
    actor = actor_of(request)
    form = FilterForm(request.GET or None, actor=actor)
    rows = in_use(visible_to(actor, Subscription.objects.all(), READ), "subscriber")
    if form.is_bound:
        rows = form.narrow(rows)
    response = StreamingHttpResponse(
        subscribers_csv(rows, actor=actor), content_type="text/csv; charset=utf-8"
    )
    name = f"subscribers-{timezone.localdate().isoformat()}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response
