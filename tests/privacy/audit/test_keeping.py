"""What surrounds the logs: terms that end, monthly mails, the officer's pages, a lying program."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import time_machine
from django.core import mail
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from privacy.access import Actor
from privacy.audit import anchors_active, prune, record, tree, verify
from privacy.audit.report import monthly_report
from privacy.audit.verify.record import recorded
from privacy.ids import uuid7
from privacy.models import Anchor, AuditEntry, Checkpoint, Log, Verification, Watch

SYSTEM = Actor.system("retention")


def add() -> AuditEntry:
    with transaction.atomic():
        return record("request.received", actor=SYSTEM, obj="request", ref=UUID(int=1))


def add_old(at: datetime, *, leaf: bytes = b"") -> UUID:
    """An entry of an earlier year; with another hash than its own if wanted."""
    with time_machine.travel(at, tick=False), transaction.atomic():
        entry = record("request.received", actor=SYSTEM, obj="request", ref=UUID(int=1))
    if not leaf:
        return entry.pk
    ident = uuid7()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO privacy_auditentry (id, action, actor, object, ref, at, entry, leaf)"
            " SELECT %s, action, actor, object, ref, at, entry, %s FROM privacy_auditentry"
            " WHERE id = %s",
            [ident, leaf, entry.pk],
        )
    return ident


def test_only_what_is_over_gives_up_its_bytes_and_keeps_its_hash(db):
    now = timezone.now()
    over = add_old(datetime(now.year - 4, 12, 31, 12, tzinfo=UTC))
    not_yet = add_old(datetime(now.year - 3, 1, 1, 12, tzinfo=UTC))
    forged = add_old(datetime(now.year - 5, 3, 1, tzinfo=UTC), leaf=tree.leaf_hash(b"other"))
    before = AuditEntry.objects.get(pk=over)

    assert prune(Log.AUDIT, [over], before=now - timedelta(days=365)) == 1

    after = AuditEntry.objects.get(pk=over)
    assert (bytes(after.entry), after.actor, after.ref, after.action) == (b"", "", "", "")
    assert (bytes(after.leaf), after.at) == (bytes(before.leaf), before.at)
    assert prune(Log.AUDIT, [over], before=now) == 0
    assert prune(Log.AUDIT, [not_yet], before=now - timedelta(days=3650)) == 0
    for refused in (not_yet, forged):
        with pytest.raises(DatabaseError, match="insert-only"), transaction.atomic():
            prune(Log.AUDIT, [refused], before=now)
    # By hand, the owner may do no more than the function does.
    with (
        pytest.raises(DatabaseError, match="insert-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE privacy_auditentry SET entry = '', at = now()")
    findings = verify().findings
    assert [finding for finding in findings if str(over) in finding] == []


def test_the_program_that_lies_is_not_found_by_the_log(db):
    """A documented limit: what was untrue when it was written stays, faithfully, untrue."""
    add()

    assert verify().is_sound


def test_the_officers_get_the_signed_state_once_a_month(db, staff):
    officer = staff("dpo")
    note = "x.example.org/audit\n1\n" + "A" * 44 + "\n\n— x.example.org/audit AAAAAAAA\n"
    long_ago = timezone.now() - timedelta(days=3)
    Checkpoint.objects.create(log=1, size=1, root=bytes(32), note=note, at=long_ago)
    assert not anchors_active()
    now = timezone.now()

    assert monthly_report(now) == 1
    assert monthly_report(now) == 0

    assert [sent.to for sent in mail.outbox] == [[officer.email]]
    assert "— x.example.org/audit AAAAAAAA" in mail.outbox[0].body
    assert Anchor.objects.get().kind == Anchor.Kind.REPORT
    assert anchors_active()
    assert not anchors_active(now + timedelta(days=41))


def test_the_officer_sees_places_troubles_and_findings(db, staff, settings):
    settings.JAWORT_DEMO = True
    entry = add()
    dpo = staff("dpo")
    client = Client(headers={"accept-language": "en"})
    client.force_login(dpo)
    now = timezone.now()
    Watch.objects.create(name="signer/audit", tried_at=now, trouble="log_is_shorter", size=9)

    page = client.get(reverse("privacy:audit")).content.decode()
    assert "Nobody outside watches these logs." in page
    assert "It has signed a larger log than this one" in page

    page = client.post(reverse("privacy:audit_verify")).content.decode()
    assert "signer/audit has seen 9 entries" in page
    assert Verification.objects.get().is_sound is False
    Watch.objects.all().delete()
    page = client.post(reverse("privacy:audit_verify")).content.decode()
    assert "all unchanged" in page
    assert Verification.objects.order_by("-id")[0].started_by == dpo.pk

    page = client.get(reverse("privacy:audit_entry", args=[entry.pk])).content.decode()
    assert "Waits for its place." in page
    assert "&quot;request.received&quot;" in page
    for query, count in (
        (f"ref={entry.pk}", 1),
        (f"ref={UUID(int=1)}", 1),
        (f"ref={UUID(int=2)}", 0),
        (f"staff={dpo.pk}", AuditEntry.objects.filter(actor=f"staff:{dpo.pk}").count()),
        ("since=2999-01-01", 0),
    ):
        found = client.get(reverse("privacy:audit") + f"?{query}").context["rows"]
        assert len(found) == count, query


def test_a_long_reading_tells_how_far_it_is(db, staff, settings):
    settings.JAWORT_DEMO = True
    client = Client(headers={"accept-language": "en"})
    client.force_login(staff("dpo"))
    row = Verification.objects.create(started_at=timezone.now(), total=4)

    with recorded(row.pk) as running:
        running.progress(3)
        page = client.get(reverse("privacy:audit_reading")).content.decode()
        assert 'value="3"' in page
        assert "every 2s" in page
        running.result = verify()
    page = client.get(reverse("privacy:audit_reading")).content.decode()
    assert "note-good" in page
    assert "every 2s" not in page
    row.refresh_from_db()
    assert json.loads(json.dumps(row.result))["is_sound"] is True
