"""About the whole house: who is responsible."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from privacy.access import NotAllowed, actor_of, can, require_staff
from privacy.audit import record
from privacy.forms import ControllerForm
from privacy.models import Controller
from privacy.views.common import show

# Who may say who is responsible: the officer, and whoever runs the installation.
MAY_CHANGE = ("request.work", "user.manage")


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
