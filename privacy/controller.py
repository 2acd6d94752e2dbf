"""The publisher who answers for everything here: what notices, certificates and answers name."""

from typing import Any

from django.db import transaction

from privacy.access import Actor, require
from privacy.audit import record
from privacy.models import Controller

THE_ONE = 1
FIELDS = ("name", "address", "email", "imprint_url", "dpo_contact", "authority", "land")


def controller() -> Controller | None:
    """The one row; None until somebody has written it."""
    return Controller.objects.filter(pk=THE_ONE).first()


def missing() -> list[str]:
    """Which duties of Art. 13 GDPR nobody has filled in yet, by field name."""
    row = controller()
    required = [name for name in FIELDS if name != "land"]
    return [name for name in required if row is None or not getattr(row, name)]


@transaction.atomic
def describe_controller(*, actor: Actor, **values: Any) -> Controller:
    """Write who the controller is; `values` are any of `FIELDS`. For administrators."""
    require(actor, "user.manage")
    unknown = set(values) - set(FIELDS)
    if unknown:
        raise ValueError(f"a controller has {', '.join(FIELDS)}.")
    row, _ = Controller.objects.update_or_create(pk=THE_ONE, defaults=values)
    record("controller.described", actor=actor, obj="controller", ref=str(THE_ONE))
    return row
