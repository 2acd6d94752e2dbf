"""privacy/retention/night: counted, approved, done in batches, checked; killed, taken up again."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.utils import timezone

from privacy.access import Actor
from privacy.audit import canonical
from privacy.models import (
    AuditEntry,
    RetentionItem,
    RetentionPlan,
    RetentionRule,
    SecondApproval,
    User,
)
from privacy.requests import approvals
from privacy.retention import expiry, holds, night, plans, registry, stock
from privacy.retention.stock import Count
from tests.privacy import retention_process

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)
OLD = NOW - 40 * DAY


@pytest.fixture
def officer(staff):
    return staff("dpo")


@pytest.fixture
def alone(monkeypatch):
    """One class with one removal, ten rows at a time; the house's own stay out of it."""
    monkeypatch.setattr(registry, "_expiries", {})
    monkeypatch.setattr(registry, "autodiscover_modules", lambda name: None)
    assert expiry.keeps is stock.keeps  # loaded, so that the house's own counts are there
    known = {key: one for key, one in stock._stocks.items() if key[1] == "django_admin_log"}
    monkeypatch.setattr(stock, "_stocks", known)
    retention_process.register()


def log_entries(user: User, old: int, new: int = 0) -> None:
    """Rows of the class `security_log`, whose term is 30 days."""
    rows = [
        LogEntry(user=user, action_flag=1, action_time=at, object_repr="x")
        for count, at in ((old, OLD), (new, NOW))
        for _ in range(count)
    ]
    LogEntry.objects.bulk_create(rows)
    LogEntry.objects.filter(pk__in=[row.pk for row in rows[:old]]).update(action_time=OLD)


def test_a_plan_counts_and_changes_nothing(alone, officer):
    log_entries(officer, 3, 2)

    assert [(one.data_class, one.due, one.total, one.is_outlier) for one in plans.plan(NOW)] == [
        ("security_log", 3, 5, False)
    ]
    assert LogEntry.objects.count() == 5
    assert not RetentionPlan.objects.exists()


def test_a_night_removes_what_is_due_proves_it_and_writes_a_summary(alone, officer):
    log_entries(officer, 25, 2)

    assert night.execute(NOW) == {"security_log": 25}

    assert LogEntry.objects.count() == 2
    item = RetentionItem.objects.get()
    assert (item.status, item.due, item.total, item.removed) == ("done", 25, 27, 25)
    assert (item.batches, item.overdue) == (3, 0)
    plan = RetentionPlan.objects.get()
    summary = json.loads(bytes(plan.summary))
    assert summary["classes"] == [
        {
            "class": "security_log",
            "rule_version": 1,
            "total": 27,
            "due": 25,
            "held": 0,
            "removed": 25,
            "overdue": 0,
            "status": "done",
        }
    ]
    assert canonical(summary) == bytes(plan.summary)
    entry = json.loads(bytes(AuditEntry.objects.get(action="retention.finished").entry))
    assert entry["facts"]["sha256"] == plan.sha256 == sha256(bytes(plan.summary)).hexdigest()
    assert entry["facts"]["overdue"] == 0


def test_a_second_run_of_the_same_day_does_nothing_and_the_next_day_has_a_plan(alone, officer):
    night.execute(NOW)
    log_entries(officer, 3)

    assert night.execute(NOW + timedelta(hours=1)) == {}
    assert LogEntry.objects.count() == 3
    assert night.execute(NOW + DAY) == {"security_log": 3}
    assert RetentionPlan.objects.count() == 2


def make_much_unusual(rows: int = 5) -> None:
    RetentionRule.objects.filter(data_class="security_log").update(outlier_rows=rows)


@pytest.mark.parametrize(
    ("old", "new", "is_outlier"), [(5, 0, False), (6, 0, True), (6, 30, False)]
)
def test_much_is_unusual_only_by_number_and_by_share(alone, officer, old, new, is_outlier):
    make_much_unusual()
    log_entries(officer, old, new)

    assert plans.plan(NOW)[0].is_outlier is is_outlier


def test_an_outlier_waits_for_an_officer_and_then_goes_with_what_was_counted(alone, officer):
    make_much_unusual()
    log_entries(officer, 25)

    assert night.execute(NOW) == {}

    assert LogEntry.objects.count() == 25
    waiting = SecondApproval.objects.get(kind="retention.outlier")
    assert waiting.facts == {"data_class": "security_log", "due": 25, "total": 25}
    assert RetentionPlan.objects.get().status == "waiting"
    assert night.execute(NOW + DAY) == {}  # nor is it asked again the next day
    assert SecondApproval.objects.count() == 1

    approvals.approve(waiting, Actor.staff(officer))

    assert night.execute(NOW + DAY) == {"security_log": 25}
    assert not LogEntry.objects.exists()
    assert {plan.status for plan in RetentionPlan.objects.all()} == {"done"}


def test_a_refused_outlier_stays_and_is_overdue_in_sight(alone, officer, time_machine):
    time_machine.move_to(NOW, tick=False)
    make_much_unusual()
    log_entries(officer, 25)
    night.execute(NOW)

    approvals.refuse(SecondApproval.objects.get(), Actor.staff(officer))
    night.execute(NOW + DAY)

    assert LogEntry.objects.count() == 25
    assert SecondApproval.objects.count() == 1
    assert plans.overdue(NOW + DAY) == {"security_log": 25}
    assert RetentionItem.objects.order_by("plan__day").last().status == "refused"

    night.execute(NOW + 8 * DAY)

    assert SecondApproval.objects.filter(status="waiting").count() == 1


def test_overdue_is_seen_although_no_work_ever_ran(alone, officer):
    log_entries(officer, 4)

    assert plans.overdue(NOW) == {"security_log": 4}


def test_a_removal_that_lies_is_found_out(alone, officer):
    registry._expiries["security_log"] = [lambda now: 0]
    log_entries(officer, 4)

    night.execute(NOW)

    item = RetentionItem.objects.get()
    assert (item.status, item.removed, item.overdue) == ("failed", 0, 4)


def test_paused_between_two_batches_nothing_more_goes_until_somebody_goes_on(alone, officer):
    log_entries(officer, 25)
    actor = Actor.staff(officer)
    [removal] = registry._expiries["security_log"]
    registry._expiries["security_log"] = [lambda now: (removal(now), night.pause(actor))[0]]

    assert night.execute(NOW) == {"security_log": 10}
    assert night.execute(NOW) == {}
    assert LogEntry.objects.count() == 15

    registry._expiries["security_log"] = [removal]
    assert night.go_on(actor)
    assert night.execute(NOW) == {"security_log": 15}
    assert RetentionItem.objects.get().removed == 25


def test_a_held_class_stays_whole_and_says_so(alone, officer):
    log_entries(officer, 4)
    holds.place(
        subject=None,
        data_class="security_log",
        reason="Ermittlungen",
        owner=officer,
        review_at=timezone.localdate() + DAY,
    )

    night.execute(NOW)

    assert LogEntry.objects.count() == 4
    item = RetentionItem.objects.get()
    assert (item.due, item.held, item.removed, item.status) == (0, 4, 0, "done")
    assert plans.overdue(NOW) == {"security_log": 0}
    assert stock.count("security_log", NOW) == Count(4, 0, 4)


def test_two_workers_do_not_share_a_night(alone, officer, transactional_db):
    log_entries(officer, 4)
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [night.LOCK])
            assert night.execute(NOW) == {}
            cursor.execute("SELECT pg_advisory_unlock(%s)", [night.LOCK])
    finally:
        other.close()

    assert night.execute(NOW) == {"security_log": 4}


def test_killed_inside_a_batch_the_next_one_goes_on_and_counts_each_row_once(
    alone, transactional_db, staff, tmp_path
):
    log_entries(staff("dpo"), 25)
    names = ("NAME", "USER", "PASSWORD", "HOST", "PORT")
    databases = {
        alias: {name: values[name] for name in names}
        for alias, values in settings.DATABASES.items()
    }
    command = [sys.executable, "-W", "ignore", "-m", "tests.privacy.retention_process"]
    died = subprocess.run(
        [*command, json.dumps(databases), str(tmp_path), NOW.isoformat()],
        check=False,
        capture_output=True,
    )

    assert died.returncode == -9, died.stderr.decode()[-2000:]
    assert LogEntry.objects.count() == 15  # ten are gone, the next ten came back
    assert RetentionItem.objects.get().removed == 10

    assert night.execute(NOW) == {"security_log": 15}

    assert not LogEntry.objects.exists()
    item = RetentionItem.objects.get()
    assert (item.status, item.removed, item.batches) == ("done", 25, 3)
