from typing import Any

from django.apps import AppConfig
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class PrivacyConfig(AppConfig):
    name = "privacy"
    verbose_name = _("Privacy")

    def ready(self) -> None:
        from privacy.access import events, sign_in

        sign_in.install()
        events.listen()
        post_migrate.connect(_write_default_rules, sender=self)


def _write_default_rules(using: str, **more: Any) -> None:
    """Retention rules are there from the first start; a publisher adds others.

    On the way back to an older version the table is not there, or not yet whole again.
    """
    from privacy.models import RetentionRule
    from privacy.retention.rules import ensure_defaults

    if using != DEFAULT_DB_ALIAS:
        return
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM information_schema.columns WHERE table_name = %s",
            [RetentionRule._meta.db_table],
        )
        columns = cursor.fetchone()[0]
    if columns == len(RetentionRule._meta.local_concrete_fields):
        ensure_defaults()
