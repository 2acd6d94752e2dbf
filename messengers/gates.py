"""Gates: may this subscription be written to? Opened and closed in the caller's transaction.

Closing waits for a worker that is just committing an intent to this person (it holds the gate in
share mode for some milliseconds); once the caller has committed, no further intent can commit.
Nothing here writes an audit entry: whoever closes a gate knows why, and records that.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from messengers.models import Gate
from privacy.durable import durably


def open_gate(
    gate_id: UUID, *, subject: UUID, address_id: UUID, needs_footer: bool | None = None
) -> None:
    """Let the subscription be written to, whatever closed it before. May run twice.

    `needs_footer`: whether each message must say how to object; None leaves that as it is.
    """
    values: dict[str, Any] = {
        "subject": subject,
        "address": address_id,
        "is_open": True,
        "reason": "",
        "changed_at": timezone.now(),
    }
    if needs_footer is not None:
        values["needs_footer"] = needs_footer
    Gate.objects.update_or_create(id=gate_id, defaults=values)


def add_closed_gate(gate_id: UUID, *, subject: UUID, address_id: UUID, reason: str) -> None:
    """A gate that begins closed, such as an import's that waits for approval."""
    Gate.objects.get_or_create(
        id=gate_id,
        defaults={
            "subject": subject,
            "address": address_id,
            "reason": reason,
            "changed_at": timezone.now(),
        },
    )


@transaction.atomic
def close_gates(
    *,
    gate_ids: Collection[UUID] | None = None,
    subject: UUID | None = None,
    address_id: UUID | None = None,
    reason: str,
) -> int:
    """Close open gates named in one of three ways; how many were open. May run twice.

    A gate that is closed already keeps its reason: the first word counts, except that an erasure or
    withdrawal by the person replaces a reason of ours, and any word one that ends by itself.
    """
    durably()
    chosen = _chosen(gate_ids, subject, address_id)
    # Locked in the order of their ids, so that two of us cannot wait for each other.
    ids = list(
        Gate.objects.filter(chosen, _yields_to(reason))
        .order_by("id")
        .select_for_update()
        .values_list("id", "is_open")
    )
    Gate.objects.filter(id__in=[gate for gate, _ in ids]).update(
        is_open=False, reason=reason, changed_at=timezone.now()
    )
    return sum(is_open for _, is_open in ids)


@transaction.atomic
def release_gates(gate_ids: Collection[UUID], *, closed_as: str, to: str = "") -> int:
    """Take back one reason of ours: open these gates, or close them for the reason `to`.

    Only those that are closed for `closed_as`: whatever else was found out or said meanwhile stays.
    The database refuses to open a gate of somebody whose processing is restricted.
    """
    durably()
    held = Gate.objects.filter(id__in=gate_ids, is_open=False, reason=closed_as)
    ids = list(held.order_by("id").select_for_update().values_list("id", flat=True))
    return Gate.objects.filter(id__in=ids).update(
        is_open=not to, reason=to, changed_at=timezone.now()
    )


# What the person said or the law ordered outweighs what we found out ourselves.
WEIGHTY = frozenset({Gate.Reason.WITHDRAWN, Gate.Reason.OBJECTED, Gate.Reason.ERASED})

# These end with somebody's decision. What was found out meanwhile must outlast it: after a block or
# a bounce only a new double opt-in opens the gate, not the approval of an import.
# Each outweighs those before it.
PASSING: list[str] = [Gate.Reason.AWAITING_APPROVAL, Gate.Reason.RESTRICTED]


def _yields_to(reason: str) -> Q:
    if reason == Gate.Reason.ERASED:
        return ~Q(reason=reason)
    if reason in WEIGHTY:
        return ~Q(reason__in=WEIGHTY)
    lighter = PASSING[: PASSING.index(reason)] if reason in PASSING else PASSING
    return Q(is_open=True) | Q(reason__in=lighter)


def _chosen(gate_ids: Collection[UUID] | None, subject: UUID | None, address_id: UUID | None) -> Q:
    if gate_ids is not None:
        return Q(id__in=gate_ids)
    if subject is not None:
        return Q(subject=subject)
    if address_id is not None:
        return Q(address=address_id)
    raise TypeError("close_gates needs gate_ids, a subject or an address_id.")
