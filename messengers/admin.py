"""Looking things up: what came in, what left, what failed. Changes are for actions."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from messengers.inbox import try_again
from messengers.models import Batch, Channel, Dispatch, Gate, InboundEvent
from privacy.access import actor_of, require


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """A table that can be read; sealed columns are not shown at all."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Channel)
class ChannelAdmin(ReadOnly):
    list_display = ("name", "kind", "status", "paused_why", "paused_until", "rate_per_second")
    exclude = ("secrets_sealed",)


@admin.register(Dispatch)
class DispatchAdmin(ReadOnly):
    list_display = ("id", "kind", "status", "status_why", "size", "created_at", "finished_at")
    list_filter = ("kind", "status")
    exclude = ("content", "values", "prepared")


@admin.register(Batch)
class BatchAdmin(ReadOnly):
    list_display = ("id", "dispatch", "number", "size", "status", "due_at", "lease_until", "losses")
    list_filter = ("status",)


@admin.register(Gate)
class GateAdmin(ReadOnly):
    list_display = ("id", "is_open", "reason", "changed_at")
    list_filter = ("is_open", "reason")


@admin.register(InboundEvent)
class InboundEventAdmin(ReadOnly):
    """Failed events stay here until somebody lets them be tried again, or their term ends."""

    list_display = ("id", "channel", "kind", "status", "attempts", "received_at")
    list_filter = ("status", "kind")
    exclude = ("sealed", "ref")
    actions = ("handle_again",)

    @admin.action(description=_("Try failed events again"), permissions=["view"])
    def handle_again(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        actor = actor_of(request)
        require(actor, "channel.manage")
        number = try_again(list(chosen.values_list("id", flat=True)), actor=actor)
        self.message_user(request, _("%(number)s events will be tried again.") % {"number": number})
