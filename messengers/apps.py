"""The messengers: how to talk, and nothing about what to say."""

from typing import Any

from django.apps import AppConfig
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class MessengersConfig(AppConfig):
    name = "messengers"
    verbose_name = _("Messengers")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        post_migrate.connect(_make_partitions, sender=self)


def _make_partitions(using: str, **more: Any) -> None:
    """The months to come are there from each start on. On the way back there may be none at all."""
    from messengers.partitions import DELIVERIES, make_ahead

    if using == DEFAULT_DB_ALIAS and _is_partitioned(DELIVERIES):
        make_ahead()


def _is_partitioned(table: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(%s)", [table])
        found = cursor.fetchone()
    return bool(found and found[0])
