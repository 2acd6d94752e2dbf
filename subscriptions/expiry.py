"""The proof of consent when its time is over, and what the tables of this app hold, counted in SQL.

Proof goes record by record: three years after the end of the year in which *that* subscription
ended. When nothing is left to prove about a person, the person goes too, and the `evidence` key
with them, so that backups cannot be read either; of the ledger's entries only the hashes stay.
"""

from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef

from privacy.audit import Log, prune
from privacy.models import Request
from privacy.retention import holds
from privacy.retention.rules import starts_before
from privacy.retention.stock import keeps, warns
from privacy.vault import shred
from subscriptions.forget import AT_A_TIME, forget_person
from subscriptions.models import Evidence, Subscriber, Subscription

CLASS = "consent_evidence"
# A record's time begins with the end of its subscription; without one (erased, or never confirmed),
# with the last thing that was written down about it.
ENDED = """
    SELECT r.id, r.subject, CASE WHEN s.id IS NOT NULL THEN s.ended_at ELSE (
               SELECT max(later.at) FROM subscriptions_consentrecord later
                WHERE later.subject = r.subject
                  AND later.subscription IS NOT DISTINCT FROM r.subscription) END AS ended_at
      FROM subscriptions_consentrecord r
      LEFT JOIN subscriptions_subscription s ON s.id = r.subscription
     WHERE octet_length(r.entry) > 0 AND r.at < {before}"""
OPEN_REQUEST = """
    EXISTS (SELECT 1 FROM privacy_request q
             WHERE q.subject = ended.subject AND q.closed_at IS NULL)"""
DUE = f"""
    FROM ({ENDED.format(before="%(before)s")}) AS ended
   WHERE ended.ended_at < %(before)s AND ended.subject <> ALL(%(held)s::uuid[])
     AND NOT {OPEN_REQUEST}"""
FIND = f"SELECT ended.id, ended.subject {DUE} LIMIT %(limit)s"


def forget_ended(now: datetime) -> int:
    """Erase people whose consents have all ended so long ago that nobody can ask for the proof."""
    due = starts_before(CLASS, now)
    mine = Subscription.objects.filter(subscriber=OuterRef("pk"))
    people = (
        Subscriber.objects.filter(Exists(mine.filter(ended_at__lt=due)))
        .exclude(Exists(mine.exclude(ended_at__lt=due)))
        .exclude(Exists(Request.objects.filter(subject=OuterRef("pk"), closed_at=None)))
        .exclude(pk__in=holds.held(CLASS))
    )
    return sum(forget_person(person.pk, now) for person in people.order_by("pk")[:AT_A_TIME])


def forget_records(now: datetime) -> int:
    """Erase the evidence of records whose time is over, and keep only the hash of their entries.

    The key goes before the rows: killed in between, the rows cannot be read and go the next time.
    """
    before = starts_before(CLASS, now)
    found = _due_records(before)
    records = [record for record, _subject in found]
    for subject in _without_other_evidence({subject for _record, subject in found}, records):
        shred(subject, "evidence")
    Evidence.objects.filter(record__in=records).delete()
    return prune(Log.CONSENT, records, before=before)


def _due_records(before: datetime) -> list[tuple[UUID, UUID]]:
    with connection.cursor() as cursor:
        held = list(holds.held(CLASS))
        cursor.execute(FIND, {"before": before, "held": held, "limit": AT_A_TIME})
        return list(cursor.fetchall())


def _without_other_evidence(subjects: set[UUID], going: list[UUID]) -> set[UUID]:
    """Of these people, those of whom nothing is left to prove and who subscribe to nothing."""
    staying = Evidence.objects.filter(subject__in=subjects).exclude(record__in=going)
    living = Subscriber.objects.filter(pk__in=subjects)
    return (
        subjects
        - set(staying.values_list("subject", flat=True))
        - set(living.values_list("pk", flat=True))
    )


OPT_INS = "subscriptions_optin o JOIN messengers_address a ON a.id = o.address_id"
FREE = "a.subject <> ALL(%(held)s::uuid[])"
keeps(
    "pending_opt_in",
    "subscriptions_optin",
    total="SELECT count(*) FROM subscriptions_optin WHERE token_hash IS NOT NULL",
    due=f"SELECT count(*) FROM {OPT_INS}"
    f" WHERE o.token_hash IS NOT NULL AND o.erase_at <= %(now)s AND {FREE}",
)
keeps(
    "pending_opt_in_chat",
    "subscriptions_optin",
    total="SELECT count(*) FROM subscriptions_optin WHERE token_hash IS NULL",
    due=f"SELECT count(*) FROM {OPT_INS}"
    f" WHERE o.token_hash IS NULL AND o.erase_at <= %(now)s AND {FREE}",
)
keeps("pending_opt_in", "subscriptions_contactcap", due="erase_at <= %(now)s")
keeps("pending_opt_in", "subscriptions_starttoken", due="expires_at <= %(now)s")
keeps(
    "inbound_text",
    "subscriptions_reply",
    due="SELECT count(*) FROM subscriptions_reply r"
    " JOIN messengers_address a ON a.id = r.address_id"
    f" WHERE r.received_at <= %(before)s AND {FREE}",
)
keeps(
    "import_file",
    "subscriptions_import",
    total="SELECT count(*) FROM subscriptions_import WHERE content_sealed IS NOT NULL",
    due="content_sealed IS NOT NULL AND uploaded_at <= %(before)s",
)
keeps(
    "active_subscription",
    "subscriptions_subscription",
    total="SELECT count(*) FROM subscriptions_subscription WHERE ended_at IS NULL",
    due="SELECT count(*) FROM subscriptions_subscription_topics t"
    " JOIN subscriptions_subscription s ON s.id = t.subscription_id WHERE s.ended_at IS NOT NULL",
)
keeps(
    "consent_lapse",
    "subscriptions_subscription",
    total="SELECT count(*) FROM subscriptions_subscription WHERE status = 'confirmed'",
    due="SELECT count(*) FROM subscriptions_subscription s"
    " LEFT JOIN subscriptions_import i ON i.id = s.imported_by_id WHERE s.status = 'confirmed'"
    " AND greatest(s.last_used_at, s.confirmed_at, i.decided_at) < %(before)s"
    " AND s.subscriber_id <> ALL(%(held)s::uuid[])",
)
warns(
    "consent_lapse",
    "SELECT n.name, count(*), min(greatest(s.last_used_at, s.confirmed_at, i.decided_at))"
    " FROM subscriptions_subscription s JOIN subscriptions_newsletter n ON n.id = s.newsletter_id"
    " LEFT JOIN subscriptions_import i ON i.id = s.imported_by_id WHERE s.status = 'confirmed'"
    " AND greatest(s.last_used_at, s.confirmed_at, i.decided_at) < %(since)s GROUP BY n.name",
)
keeps(
    CLASS,
    "subscriptions_consentrecord",
    total="SELECT count(*) FROM subscriptions_consentrecord WHERE octet_length(entry) > 0",
    due=f"SELECT count(*) {DUE}",
)
keeps(
    CLASS,
    "subscriptions_evidence",
    due=f"SELECT count(*) FROM subscriptions_evidence e JOIN (SELECT ended.id {DUE}) AS over"
    " ON over.id = e.record_id",
)
