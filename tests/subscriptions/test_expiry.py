"""Every class of data, planted six years ago: seen as due, removed in one night, proven gone."""

import json
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.utils import timezone

from messengers.models import Delivery, Dispatch, InboundEvent
from privacy import vault
from privacy.access import Actor, guesses
from privacy.access.actions import set_active
from privacy.audit import record
from privacy.ids import uuid7
from privacy.models import (
    AuditEntry,
    ExportPackage,
    Incident,
    LegalHold,
    Request,
    SecondApproval,
    TotpStep,
    User,
)
from privacy.requests import actions
from privacy.requests.export import package as packages
from privacy.retention import holds, night, plans, stock
from privacy.retention.run import of_this_minute
from subscriptions.models import ConsentRecord, Evidence, Import, OptIn, Reply, Subscription

from .conftest import MAIL, OTHER_PHONE, PHONE, make_staff

BERLIN = ZoneInfo("Europe/Berlin")
LONG_AGO = datetime(2020, 5, 31, 12, tzinfo=BERLIN)
THIRD = "+4917604069003"
FOURTH = "+4917604069004"
# What ends with its purpose and not with a date, or is not there at all.
WITHOUT_TERM = {"suppression", "subject_number", "voice_call_consent", "active_subscription"}


@pytest.fixture
def planted(say, chat, mail, newsletter, officer, settings, tmp_path):
    """One row, at least, of every class with a term."""
    settings.JAWORT_EXPORT_DIR = tmp_path / "exports"
    with time_machine.travel(LONG_AGO, tick=False):
        people(say, mail)
        requests_and_files(officer)
        staff_and_logs(officer, newsletter, chat)
    Delivery.objects.update(status="accepted")
    Dispatch.objects.update(status="finished", finished_at=LONG_AGO)
    return officer


def people(say, mail):
    """One who left, one who stays and was forgotten about, two who never answered; a text."""
    for sender in (PHONE, OTHER_PHONE):
        say("START", sender=sender)
        say("JA", sender=sender)
    say("STOP")
    say("Wann kommt die Müllabfuhr?", sender=OTHER_PHONE)
    say("START", sender=THIRD)
    say("START", sender=MAIL, channel=mail)


def requests_and_files(officer):
    subject = vault.new_subject()
    asked = actions.open_request(
        subject=subject,
        kind="access",
        origin="staff",
        verified=False,
        received_at=LONG_AGO,
        actor=Actor.staff(officer),
    )
    Request.objects.filter(pk=asked.pk).update(status="closed", closed_at=LONG_AGO)
    SecondApproval.objects.create(
        kind="x", ref="x", asked_by="system:x", asked_at=LONG_AGO, decided_by="staff:x",
        decided_at=LONG_AGO, status="refused",
    )  # fmt: skip
    package = packages.store(subject, b"x")
    package.request, package.sha256, package.token_hash = asked, "", b"x" * 32
    package.expires_at = LONG_AGO + timedelta(days=7)
    package.save()
    hold = holds.place(
        subject=subject,
        data_class="",
        reason="Klage",
        owner=officer,
        review_at=timezone.localdate() + timedelta(days=1),
    )
    holds.end(hold, actor=officer)
    Incident.objects.create(
        number="2020-01", aware_at=LONG_AGO, report_due_at=LONG_AGO, closed_at=LONG_AGO
    )
    asked_now = actions.open_request(
        subject=vault.new_subject(),
        kind="access",
        origin="staff",
        verified=False,
        received_at=LONG_AGO,
        actor=Actor.staff(officer),
    )
    Request.objects.filter(pk=asked_now.pk).update(
        status="verifying", paused_at=LONG_AGO, proof_hash=b"x" * 32
    )


def staff_and_logs(officer, newsletter, chat):
    gone = make_staff("editor", email="gone@example.org")
    uploader = make_staff("publisher", email="uploader@example.org")
    pk = uuid7()
    place = vault.Where("subscriptions_import", "content_sealed", pk)
    Import.objects.create(
        id=pk, newsletter=newsletter, channel=chat, legal_basis="consent", file_sha256="x",
        content_sealed=vault.seal_system(place, b"Telefon\r\n+4917604069099\r\n"),
        uploaded_by=uploader, uploaded_at=LONG_AGO,
    )  # fmt: skip
    for user in (gone, uploader):
        set_active(user=user, is_active=False, actor=Actor.system("test"))
        User.objects.filter(pk=user.pk).update(inactive_since=LONG_AGO)
    guesses.may_guess("account_login", account="x", ip="203.0.113.1")
    TotpStep.objects.create(user=officer, step=int(LONG_AGO.timestamp()) // 30)
    Session.objects.create(session_key="x", session_data="", expire_date=LONG_AGO)
    LogEntry.objects.create(user=officer, action_flag=1, object_repr="x")
    LogEntry.objects.update(action_time=LONG_AGO)
    where = vault.Where("messengers_inboundevent", "sealed", uuid7())
    InboundEvent.objects.create(
        channel=chat, ref=b"x" * 16, kind="text", status="handled", received_at=LONG_AGO,
        day=LONG_AGO.date(), sealed=vault.seal_inbox(where, b"STOP", LONG_AGO.date()),
    )  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_every_class_is_due_goes_in_one_night_and_is_proven_gone(planted):
    now = timezone.now()
    due = {name: rows for name, rows in plans.overdue(now).items() if rows}
    with_term = {one.data_class for one in stock.stocks()} - WITHOUT_TERM
    assert set(due) == with_term
    # A consent that has lapsed in this night keeps its proof for three years from now on.
    entries = AuditEntry.objects.filter(at__lt=datetime(2021, 1, 1, tzinfo=BERLIN))
    leaves = {entry.pk: bytes(entry.leaf) for entry in entries}

    of_this_minute(now)
    night.execute(now)

    assert {name: rows for name, rows in plans.overdue(now).items() if rows} == {}
    assert not any(model.objects.exists() for model in (OptIn, Reply, Delivery, InboundEvent))
    assert not any(model.objects.exists() for model in (LegalHold, Incident, LogEntry, TotpStep))
    assert not ExportPackage.objects.filter(destroyed_at=None).exists()
    assert [one.status for one in Subscription.objects.all()] == ["lapsed"]
    assert ConsentRecord.objects.exclude(entry=b"").count() == Evidence.objects.count() == 2
    old = AuditEntry.objects.filter(pk__in=leaves)
    assert {entry.pk: bytes(entry.leaf) for entry in old} == leaves
    assert {bytes(entry.entry) for entry in old} == {b""}
    assert not User.objects.filter(email="gone@example.org").exists()
    [kept] = User.objects.filter(email__endswith="@gone.invalid")  # an import still refers to it
    assert (kept.name, kept.grants.count(), kept.has_usable_password()) == ("", 0, False)


@pytest.mark.django_db(transaction=True)
def test_a_hold_on_a_person_keeps_everything_of_them_and_nothing_of_others(planted):
    subject = Subscription.objects.get(status="withdrawn").subscriber_id
    holds.place(
        subject=subject,
        data_class="",
        reason="Klage",
        owner=planted,
        review_at=timezone.localdate() + timedelta(days=90),
    )
    now = timezone.now()

    of_this_minute(now)
    night.execute(now)

    assert Subscription.objects.filter(subscriber=subject).exists()
    assert Evidence.objects.filter(subject=subject).count() == 2
    assert vault.KeyRing.load([subject], "evidence").has(subject)
    assert Delivery.objects.exists()
    assert not Reply.objects.exists()
    assert {name: rows for name, rows in plans.overdue(now).items() if rows} == {}


def test_an_entry_of_last_year_is_not_given_up(db):
    record("user.changed", actor=Actor.system("test"), obj="user", ref="x")
    now = timezone.now()

    night.execute(now)

    assert not AuditEntry.objects.filter(entry=b"").exists()
    assert json.loads(bytes(AuditEntry.objects.first().entry))["action"] == "user.changed"
