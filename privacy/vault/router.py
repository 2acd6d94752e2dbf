"""Keys live in the database `keystore`, and nothing else does."""

from typing import Any

from django.db.models import Model

ALIAS = "keystore"
APP_LABEL = "keystore"


class KeystoreRouter:
    """Sends the app `keystore` to its own database, in reads, writes and migrations."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        return ALIAS if model._meta.app_label == APP_LABEL else None

    db_for_write = db_for_read

    def allow_relation(self, one: Model, other: Model, **hints: Any) -> bool | None:
        both = {one._meta.app_label == APP_LABEL, other._meta.app_label == APP_LABEL}
        return False if len(both) == 2 else None

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return (db == ALIAS) == (app_label == APP_LABEL)
