"""About the whole house: how long data stay, who is responsible."""

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from privacy import inventory
from privacy.access import NotAllowed, actor_of, can, require_staff
from privacy.audit import record
from privacy.forms import ControllerForm
from privacy.models import (
    Controller,
    ExportPackage,
    Request,
    RetentionRule,
    RetentionRun,
    Suppression,
)
from privacy.requests.export.words import class_name
from privacy.requests.states import ANSWERED
from privacy.retention.rules import rules_on
from privacy.views.common import page, show

RUNS_SHOWN = 15
# Who may say who is responsible: the officer, and whoever runs the installation.
MAY_CHANGE = ("request.work", "user.manage")


@page("retention.read")
def retention(request: HttpRequest) -> HttpResponse:
    """Every rule that holds today, what the last runs removed, and what is due."""
    now = timezone.now()
    context = {
        "rules": _rules(),
        "runs": RetentionRun.objects.order_by("-at", "-id")[:RUNS_SHOWN],
        "packages": ExportPackage.objects.filter(destroyed_at=None).count(),
        "packages_due": ExportPackage.objects.filter(
            destroyed_at=None, expires_at__lte=now
        ).count(),
        "open_requests": Request.objects.exclude(status__in=ANSWERED).count(),
        "suppressed": Suppression.objects.count(),
        "fields": _fields(),
    }
    return show(request, "retention", "retention", context)


@never_cache
@require_staff
@require_http_methods(["GET", "HEAD", "POST"])
def controller(request: HttpRequest) -> HttpResponseBase:
    actor = actor_of(request)
    if not any(can(actor, action) for action in MAY_CHANGE):
        raise NotAllowed(f"{actor} may not change the controller.")
    known = Controller.objects.filter(pk=1).first()
    form = ControllerForm(request.POST or None, instance=known or Controller(pk=1))
    if request.method != "POST" or not form.is_valid():
        return show(request, "controller", "controller", {"form": form})
    with transaction.atomic():
        form.save()
        facts: dict[str, int | str | bool] = {"fields": len(form.changed_data)}
        record("controller.changed", actor=actor, obj="controller", ref="1", facts=facts)
    messages.success(request, _("Saved."))
    return redirect("privacy:controller")


def _rules() -> list[RetentionRule]:
    rules = rules_on(timezone.now().date())
    counts = inventory_counts()
    for rule in rules:
        rule.fields = counts.get(rule.data_class, 0)  # type: ignore[attr-defined]
        rule.called = class_name(rule.data_class)  # type: ignore[attr-defined]
        rule.basis = _(rule.legal_basis)  # type: ignore[attr-defined]
        rule.starts = _(rule.starts_with)  # type: ignore[attr-defined]
    return rules


def inventory_counts() -> dict[str, int]:
    """How many fields each class of data has."""
    counts: dict[str, int] = {}
    for app in inventory.apps():
        for _name, field in inventory.personal_fields(app):
            counts[field.retention] = counts.get(field.retention, 0) + 1
    return counts


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
