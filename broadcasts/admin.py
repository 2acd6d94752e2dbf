"""Looking broadcasts up. Nothing is changed here: that is what actions are for."""

from django.contrib import admin
from django.http import HttpRequest

from broadcasts.models import Broadcast


@admin.register(Broadcast)
class BroadcastAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("title", "newsletter", "status", "status_why", "started_at", "finished_at")
    list_filter = ("status", "newsletter")
    list_select_related = ("newsletter",)
    search_fields = ("title",)
    date_hierarchy = "created_at"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Broadcast | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Broadcast | None = None) -> bool:
        return False
