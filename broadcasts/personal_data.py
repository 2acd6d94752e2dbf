"""What the broadcasts keep about people: who in the newsroom wrote them, and who received them.

Recipients stand in `messengers`; here is only the way from a delivery to the broadcast's title.
"""

from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext_lazy as _

from broadcasts.models import Broadcast, TestAddress
from broadcasts.records import offers as offers
from broadcasts.records import people_of as people_of
from messengers.models import Address, AddressIndex, Delivery
from privacy.inventory import NOT_PERSONAL, AppData, Classified, Erase, Field, Klass
from privacy.models import Request

_AUTHOR = Field(
    Klass.STAFF, _("Knowing who wrote and sent what"), "audit_entry", export=False, erase=Erase.KEEP
)
_TEST = Field(
    Klass.STAFF, _("Sending tests to the own address of a member of staff"), "staff_account"
)
_TEST_ADDRESS = Field(
    Klass.IDENTIFIER,
    _("Sending tests to the own address of a member of staff"),
    "staff_account",
    sealed=True,
)


def _nothing(model: str, names: str) -> dict[str, Classified]:
    return {f"{model}.{name}": NOT_PERSONAL for name in names.split()}


DATA = AppData(
    app="broadcasts",
    fields={
        **_nothing("Media", "id newsletter key media_type width height size_bytes sha256"),
        **_nothing("Media", "uploaded_at"),
        "Media.uploaded_by": _AUTHOR,
        **_nothing("Broadcast", "id newsletter title status status_why audience segment"),
        **_nothing(
            "Broadcast", "is_urgent urgent_why dispatch start_key expires_after left_out bases"
        ),
        **_nothing("Broadcast", "canary canary_size canary_batches canary_done_at canary_found"),
        **_nothing("Broadcast", "created_at edited_at started_at finished_at"),
        "Broadcast.created_by": _AUTHOR,
        "Broadcast.started_by": _AUTHOR,
        **_nothing("SendingRules", "newsletter canary_size canary_minutes failures_percent"),
        **_nothing("SendingRules", "doubts_percent opt_outs_percent urgent_passes_cap"),
        **_nothing("DoubtPolicy", "id channel policy reason chosen_at"),
        "DoubtPolicy.chosen_by": _AUTHOR,
        **_nothing("Content", "broadcast language markdown buttons image image_alt is_ai_text"),
        **_nothing("Schedule", "id broadcast local_time time_zone fire_at"),
        "Schedule.scheduled_by": _AUTHOR,
        **_nothing("ScheduleFire", "id schedule fire_at fired_at"),
        **_nothing("TestAddress", "id channel"),
        "TestAddress.user": _TEST,
        "TestAddress.digest": _TEST_ADDRESS,
        "TestAddress.sealed": _TEST_ADDRESS,
        "TestAddress.used_at": _TEST,
    },
)

# Texts that editors wrote: somebody's number may have slipped into one of them.
WRITTEN = """
    SELECT EXISTS (
        SELECT 1 FROM broadcasts_broadcast b
          LEFT JOIN broadcasts_content c ON c.broadcast_id = b.id, unnest(%s::text[]) AS needle
         WHERE position(lower(needle) IN lower(concat_ws(
               ' ', b.title, b.urgent_why, c.markdown, c.image_alt, c.buttons::text))) > 0)"""


def describe(subject: UUID) -> dict[str, Any]:
    """How many broadcasts went to the person, for the person's page."""
    number = _deliveries(subject).values("dispatch").distinct().count()
    return {"broadcasts": number} | ({"test_address": True} if _tests(subject).exists() else {})


def export(subject: UUID) -> dict[str, list[dict[str, Any]]]:
    """Which broadcasts the person was sent, and what became of each."""
    states: dict[UUID | None, str] = dict(_deliveries(subject).values_list("dispatch_id", "status"))
    sent = Broadcast.objects.filter(dispatch__in=states).select_related("newsletter")
    return {
        "broadcasts": [
            {
                "newsletter": broadcast.newsletter.name,
                "title": broadcast.title,
                "started": broadcast.started_at.isoformat() if broadcast.started_at else "",
                "state": states.get(broadcast.dispatch, ""),
            }
            for broadcast in sent.order_by("started_at")
        ],
        "test_addresses": [{"last_used": row.used_at.isoformat()} for row in _tests(subject)],
    }


def erase(subject: UUID) -> dict[str, int]:
    """Forget that an address of the person was used for tests, if the person asked to be erased.

    Whoever has no subscription is erased by itself within minutes, and a member of staff who sends
    tests is one of them: their list of test addresses stays. Called while the address is known.
    """
    if not Request.objects.filter(subject=subject, kind=Request.Kind.ERASURE).exists():
        return {"TestAddress": 0}
    count, _by_model = _tests(subject).delete()
    return {"TestAddress": count}


def scan(subject: UUID, needles: list[str]) -> list[str]:
    """Where something of the person is left after an erasure."""
    found = []
    if _tests(subject).exists():
        found.append("TestAddress")
    with connection.cursor() as cursor:
        cursor.execute(WRITTEN, [needles])
        if cursor.fetchone()[0]:
            found.append("texts of broadcasts")
    return found


def _tests(subject: UUID) -> QuerySet[TestAddress]:
    """Test addresses that are one of the person's own addresses."""
    known = AddressIndex.objects.filter(
        address__subject=subject, channel=OuterRef("channel"), digest=OuterRef("digest")
    )
    return TestAddress.objects.filter(Exists(known)).order_by("used_at")


def _deliveries(subject: UUID) -> QuerySet[Delivery]:
    addresses = Address.objects.filter(subject=subject).values("id")
    return Delivery.objects.filter(
        address__in=addresses,
        dispatch__in=Broadcast.objects.exclude(dispatch=None).values("dispatch"),
    )
