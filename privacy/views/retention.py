"""How long data stay: the overview, rules and their changes, the night's plan, legal holds."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from privacy import inventory
from privacy.access import actor_of, can, staff_page, step_up
from privacy.audit import record
from privacy.models import (
    LegalHold,
    RetentionItem,
    RetentionPlan,
    RetentionRule,
    SecondApproval,
    User,
)
from privacy.requests.errors import RequestError
from privacy.requests.export.words import class_name
from privacy.retention import holds, night, overview, plans, proposals, stock
from privacy.retention.defaults import DEFAULTS
from privacy.retention.forms import HoldForm, ReviewForm, RuleForm
from privacy.retention.rules import history_of, rule_of, term_of, zone
from privacy.retention.terms import Term, term_words
from privacy.views.common import page, show

PLANS_SHOWN = 14
HERE = "retention"
LABELS = {
    "term": gettext_lazy("How long"),
    "warn_months": gettext_lazy("Warn after so many months"),
    "starts_with": gettext_lazy("Counted from"),
    "action": gettext_lazy("Then"),
    "legal_basis": gettext_lazy("Law"),
    "exceptions": gettext_lazy("Exceptions"),
    "owner": gettext_lazy("Who answers for it"),
    "outlier_percent": gettext_lazy("Ask first from this share of the class (%)"),
    "outlier_rows": gettext_lazy("and from this number of rows"),
    "valid_from": gettext_lazy("Counts from"),
}


@page("retention.read")
def retention(request: HttpRequest) -> HttpResponse:
    """Every class: its rule, what is stored and due, and the proof that nothing is late."""
    now = timezone.now()
    rows = overview.rows(now)
    context = {
        "tab": "overview",
        "rows": rows,
        "stored": sum(row.count.total for row in rows),
        "overdue": sum(row.overdue for row in rows),
        "held": LegalHold.objects.filter(ended_at=None).count(),
        "waiting": RetentionItem.objects.filter(status=RetentionItem.Status.WAITING).count(),
        "warnings": stock.warnings(now),
        "chart": overview.chart(rows),
        "fields": _fields(),
        "is_paused": night.is_paused(),
    }
    return show(request, "retention", HERE, context)


@never_cache
@staff_page("retention.read")
@require_http_methods(["GET", "HEAD", "POST"])
def rule(request: HttpRequest, data_class: str) -> HttpResponse:
    """One class: the rule that holds, every version there was, and a form to propose another."""
    get_object_or_404(RetentionRule.objects.filter(data_class=data_class)[:1])
    holding = rule_of(data_class, timezone.now().astimezone(zone()).date())
    may_change = can(actor_of(request), "retention.manage")
    form = RuleForm(request.POST or None, rule=holding) if may_change else None
    if request.method == "POST" and form and form.is_valid():
        try:
            made = proposals.propose(data_class, form.change(), actor=actor_of(request))
            messages.success(request, _("Proposed. It counts once a second person approves it."))
            return redirect("privacy:retention_version", pk=made.pk)
        except RequestError as refused:
            form.add_error(None, str(refused))
    context = {
        "tab": "overview",
        "rule": holding,
        "called": class_name(data_class),
        "term": term_words(term_of(holding)),
        "texts": _texts(holding),
        "history": [_version(one) for one in history_of(data_class)],
        "limits": _limits(data_class),
        "form": form,
    }
    return show(request, "retention_rule", HERE, context, 422 if form and form.errors else 200)


@page("approval.give")
def version(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One version against the one before it: what a second person has to look at."""
    one = get_object_or_404(RetentionRule, pk=pk)
    before = proposals.predecessor(one)
    waiting = SecondApproval.objects.filter(
        kind=proposals.KIND, ref=str(one.pk), status=SecondApproval.Status.WAITING
    ).first()
    context = {
        "tab": "overview",
        "called": class_name(one.data_class),
        "version": _version(one),
        "rule": one,
        "differences": [
            (str(LABELS[change.field]), _shown(change.before), _shown(change.after))
            for change in proposals.differences(one, before)
        ],
        "waiting": waiting,
        "is_mine": waiting is not None and waiting.asked_by == str(actor_of(request)),
        "may_read": can(actor_of(request), "retention.read"),
    }
    return show(request, "retention_version", HERE, context)


@page("retention.read")
def plan(request: HttpRequest) -> HttpResponse:
    """What tonight would remove, what waits for somebody, what the last nights did."""
    now = timezone.now()
    nights = list(RetentionPlan.objects.prefetch_related("items").order_by("-day")[:PLANS_SHOWN])
    context = {
        "tab": "plan",
        "planned": [(class_name(one.data_class), one) for one in plans.plan(now)],
        "next_night": overview.next_night(now),
        "waiting": _waiting(),
        "nights": [_night(one) for one in nights],
        **_running(),
        "may_change": can(actor_of(request), "retention.manage"),
    }
    return show(request, "retention_plan", HERE, context)


@page("retention.read")
def progress(request: HttpRequest) -> HttpResponse:
    """The moving part of the plan's page."""
    return render(request, "privacy/_retention_progress.html", _running())


@page("approval.give")
def item(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One unusual removal: the counts that somebody has to judge."""
    one = get_object_or_404(RetentionItem.objects.select_related("plan"), pk=pk)
    waiting = SecondApproval.objects.filter(kind=plans.OUTLIER, ref=str(pk)).first()
    rule = rule_of(one.data_class, one.plan.day)
    context = {
        "tab": "plan",
        "item": one,
        "called": class_name(one.data_class),
        "rule": rule,
        "term": term_words(term_of(rule)),
        "percent": round(100 * one.due / one.total) if one.total else 0,
        "waiting": waiting if waiting and waiting.decided_at is None else None,
        "may_read": can(actor_of(request), "retention.read"),
    }
    return show(request, "retention_item", HERE, context)


@staff_page("retention.manage")
@require_POST
def pause(request: HttpRequest) -> HttpResponse:
    if night.pause(actor_of(request)):
        messages.success(request, _("Paused: nothing more is removed at night."))
    return redirect("privacy:retention_plan")


@staff_page("retention.manage")
@require_POST
def go_on(request: HttpRequest) -> HttpResponse:
    if night.go_on(actor_of(request)):
        messages.success(request, _("It goes on within a minute."))
    return redirect("privacy:retention_plan")


@never_cache
@staff_page("retention.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def hold_list(request: HttpRequest) -> HttpResponse:
    """What must stay although its time is over; and a form for one more."""
    form = HoldForm(request.POST or None, initial={"subject": request.GET.get("subject", "")})
    if request.method == "POST" and form.is_valid():
        try:
            holds.place(owner=_user(request), **_typed(form))
            messages.success(request, _("Held. Neither retention nor an erasure removes it."))
            return redirect("privacy:holds")
        except holds.HoldRefused as refused:
            form.add_error(None, str(refused))
    open_ones = LegalHold.objects.filter(ended_at=None).select_related("owner")
    ended = LegalHold.objects.exclude(ended_at=None).select_related("owner")
    context = {
        "tab": "holds",
        "form": form,
        "holds": [_hold(one) for one in open_ones.order_by("review_at")],
        "ended": [_hold(one) for one in ended.order_by("-ended_at")[:PLANS_SHOWN]],
        "review": ReviewForm(),
    }
    return show(request, "holds", HERE, context, 422 if form.errors else 200)


@never_cache
@staff_page("retention.manage")
@require_POST
@transaction.atomic
def hold(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One hold with its reason, which may name people: so the look at it is written down."""
    one = get_object_or_404(LegalHold.objects.select_related("owner"), pk=pk)
    record("hold.read", actor=actor_of(request), obj="hold", ref=one.pk)
    context = {
        "tab": "holds",
        "hold": _hold(one),
        "reason": holds.reason_of(one),
        "review": ReviewForm(),
    }
    return show(request, "hold", HERE, context)


@staff_page("retention.manage")
@require_POST
def review_hold(request: HttpRequest, pk: UUID) -> HttpResponse:
    form = ReviewForm(request.POST)
    one = get_object_or_404(LegalHold, pk=pk)
    try:
        if form.is_valid():
            holds.review(one, actor=_user(request), review_at=form.cleaned_data["review_at"])
            messages.success(request, _("Looked at. You are reminded again on that day."))
        else:
            messages.error(request, _("Choose the day of the next review."))
    except holds.HoldRefused as refused:
        messages.error(request, str(refused))
    return redirect("privacy:holds")


@staff_page("retention.manage")
@require_POST
@step_up
def end_hold(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    holds.end(get_object_or_404(LegalHold, pk=pk), actor=_user(request))
    messages.success(request, _("Ended. The data follow their rules again from tonight."))
    return redirect("privacy:holds")


def _typed(form: HoldForm) -> dict[str, Any]:
    names = ("subject", "data_class", "reason", "review_at")
    return {name: form.cleaned_data[name] for name in names}


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _hold(one: LegalHold) -> dict[str, Any]:
    is_due = one.ended_at is None and one.review_at <= timezone.localdate()
    called = class_name(one.data_class) if one.data_class else ""
    return {"row": one, "called": called, "is_due": is_due}


def _waiting() -> list[dict[str, Any]]:
    rows = RetentionItem.objects.filter(status=RetentionItem.Status.WAITING).select_related("plan")
    return [
        {"item": one, "called": class_name(one.data_class)} for one in rows.order_by("plan__day")
    ]


def _night(one: RetentionPlan) -> dict[str, Any]:
    items = sorted(one.items.all(), key=lambda item: class_name(item.data_class).casefold())
    return {
        "plan": one,
        "items": [(class_name(item.data_class), item) for item in items],
        "removed": sum(item.removed for item in items),
        "overdue": sum(item.overdue or 0 for item in items),
    }


def _running() -> dict[str, Any]:
    """The plan that is being worked on, if there is one, and how far it is."""
    one = RetentionPlan.objects.filter(status=RetentionPlan.Status.RUNNING).order_by("day").first()
    items = list(one.items.exclude(status=RetentionItem.Status.REFUSED)) if one else []
    return {
        "running": one,
        "progress": overview.progress(items),
        "is_paused": night.is_paused(),
    }


def _version(one: RetentionRule) -> dict[str, Any]:
    people = {user.pk: str(user) for user in User.objects.filter(pk__in=_who(one))}
    return {
        "rule": one,
        "term": term_words(term_of(one)),
        "proposed_by": people.get(one.proposed_by, "") if one.proposed_by else "",
        "decided_by": people.get(one.decided_by, "") if one.decided_by else "",
    }


def _who(one: RetentionRule) -> list[UUID]:
    return [who for who in (one.proposed_by, one.decided_by) if who]


def _shown(value: object) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, Term):
        return term_words(value)
    return _(value) if isinstance(value, str) else str(value)


def _texts(one: RetentionRule) -> dict[str, str]:
    names = ("starts_with", "legal_basis", "exceptions", "owner")
    return {name: _(text) if (text := getattr(one, name)) else "" for name in names}


def _limits(data_class: str) -> str:
    """The law that a change has to keep to, if there is one."""
    default = DEFAULTS.get(data_class)
    return _(default.limit_why) if default and default.limit_why else ""


def _fields() -> list[dict[str, Any]]:
    return [
        {
            "app": app.app,
            "name": name,
            "klass": field.klass,
            "purpose": field.purpose,
            "retention": field.retention,
            "sealed": field.sealed,
        }
        for app in inventory.apps()
        for name, field in inventory.personal_fields(app)
    ]
