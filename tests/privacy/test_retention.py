"""privacy/retention: each class of data goes when its rule says so; every run is written down."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.sessions.models import Session

from privacy import tasks, vault
from privacy.access import guesses
from privacy.ids import uuid7
from privacy.models import (
    AuditEntry,
    DataSubject,
    GuessCounter,
    RetentionRule,
    RetentionRun,
    TotpStep,
)
from privacy.retention import registry, stock
from privacy.retention.defaults import DEFAULTS
from privacy.retention.plans import overdue
from privacy.retention.rules import (
    NoTerm,
    ensure_defaults,
    rule_of,
    rules_on,
    starts_before,
    term_of,
)
from privacy.retention.run import run
from privacy.vault import KeyDestroyed, Where

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_every_class_has_its_rule_from_the_first_start(db):
    assert {rule.data_class for rule in rules_on(date(2026, 11, 21))} == set(DEFAULTS)
    assert ensure_defaults() == 0

    RetentionRule.objects.filter(data_class="inbound_text").delete()

    assert ensure_defaults() == 1


# (class, when its time began, when it must go), from the table of periods in docs/privacy-model.md
TERMS = [
    ("pending_opt_in", "2026-11-21T12:00:00+00:00", "2026-11-28T12:00:00+00:00"),
    ("pending_opt_in_chat", "2026-11-21T12:00:00+00:00", "2026-11-24T12:00:00+00:00"),
    ("inbound_text", "2026-01-31T00:00:00+00:00", "2026-03-02T00:00:00+00:00"),
    ("delivery_record", "2026-01-01T00:00:00+00:00", "2026-04-01T00:00:00+00:00"),
    ("export_package", "2026-02-25T08:00:00+00:00", "2026-03-04T08:00:00+00:00"),
    ("consent_evidence", "2026-11-21T12:00:00+00:00", "2030-01-01T00:00:00+01:00"),
    ("consent_evidence", "2026-12-31T22:59:59+00:00", "2030-01-01T00:00:00+01:00"),
    # In Germany the year has begun an hour before it has in UTC.
    ("consent_evidence", "2026-12-31T23:00:00+00:00", "2031-01-01T00:00:00+01:00"),
    ("consent_lapse", "2026-11-21T12:00:00+00:00", "2028-05-22T00:00:00+02:00"),
    ("request_file", "2024-02-29T12:00:00+00:00", "2028-01-01T00:00:00+01:00"),
]


@pytest.mark.parametrize(("data_class", "start", "end"), TERMS)
def test_terms_end_to_the_minute(db, data_class, start, end):
    begun, gone = datetime.fromisoformat(start), datetime.fromisoformat(end)

    assert begun >= starts_before(data_class, gone - timedelta(seconds=1))
    if DEFAULTS[data_class].period is not None:
        assert begun <= starts_before(data_class, gone)
    else:
        assert begun < starts_before(data_class, gone)


# Classes of which nothing is stored, or that end with their purpose and not with a date.
NOTHING_STORED = {"voice_call_consent"}


def test_every_class_is_counted_and_every_rule_with_a_term_is_carried_out():
    doing = registry.expiries()
    with_term = {name for name, rule in DEFAULTS.items() if not term_of(rule).is_open}

    assert {one.data_class for one in stock.stocks()} | NOTHING_STORED == set(DEFAULTS)
    assert with_term - NOTHING_STORED <= set(doing)
    for name in with_term - NOTHING_STORED:
        assert any(one.due or one.files for one in stock.stocks(name)), name


def test_a_fresh_house_has_nothing_overdue(db):
    assert set(overdue(NOW).values()) == {0}


def test_what_has_no_term_says_so(db):
    with pytest.raises(NoTerm):
        starts_before("suppression", NOW)


def test_a_changed_rule_holds_from_its_day_and_the_old_one_before(db):
    RetentionRule.objects.create(
        data_class="inbound_text",
        starts_with="receipt",
        period=timedelta(days=7),
        action="delete",
        legal_basis="Art. 5(1)(c) GDPR",
        valid_from=date(2027, 1, 1),
        version=2,
    )

    assert rule_of("inbound_text", date(2026, 12, 31)).period == timedelta(days=30)
    assert rule_of("inbound_text", date(2027, 1, 1)).period == timedelta(days=7)
    new_year = datetime(2027, 1, 1, tzinfo=BERLIN)
    assert starts_before("inbound_text", new_year) == new_year - timedelta(days=7)


@pytest.fixture
def registered(monkeypatch):
    """A registry of its own; what the apps registered stays out of it."""
    monkeypatch.setattr(registry, "_expiries", {})
    monkeypatch.setattr(stock, "_stocks", {})
    monkeypatch.setattr(registry, "autodiscover_modules", lambda name: None)


def test_every_registered_function_runs_and_is_written_down(db, registered):
    seen = []

    @registry.expires("export_package", often=True)
    def packages(now):
        seen.append(now)
        return 3

    @registry.expires("delivery_record")
    def nothing_due(now):
        return 0

    assert run(NOW) == {"export_package": 3, "delivery_record": 0}

    assert seen == [NOW]
    assert list(RetentionRun.objects.order_by("pk").values_list("data_class", "removed", "at")) == [
        ("export_package", 3, NOW),
        ("delivery_record", 0, NOW),
    ]
    entry = AuditEntry.objects.get(action="retention.removed")
    assert (entry.actor, entry.ref) == ("system:retention", "export_package")


def test_an_idle_class_is_written_down_once_a_day(db, registered):
    registry.expires("export_package", often=True)(lambda now: 0)
    registry.expires("delivery_record")(lambda now: 0)

    for hours in (0, 1, 11, 13):
        run(NOW + timedelta(hours=hours))

    rows = RetentionRun.objects.order_by("at", "pk").values_list("data_class", "at")
    assert list(rows) == [
        ("export_package", NOW),
        ("delivery_record", NOW),
        ("delivery_record", NOW + timedelta(hours=11)),  # midnight is past
    ]


def test_one_failure_stops_no_other_class_and_is_logged_without_its_text(db, registered, caplog):
    @registry.expires("inbound_text")
    def broken(now):
        raise RuntimeError("+4917604069001 could not be removed")

    registry.expires("delivery_record")(lambda now: 2)

    assert run(NOW) == {"inbound_text": 0, "delivery_record": 2}

    assert [record.msg["reason"] for record in caplog.records if "retention" in record.name] == [
        "inbound_text"
    ]


def test_an_unknown_class_is_a_mistake():
    with pytest.raises(ValueError, match="no class of data"):
        registry.expires("everything")


def test_the_tick_destroys_keys_of_the_inbox_after_their_term(db, time_machine):
    where = Where("messengers_inboundevent", "body", uuid7())
    old = vault.seal_inbox(where, b"STOP", date(2026, 10, 21))
    new = vault.seal_inbox(where, b"STOP", date(2026, 10, 22))
    time_machine.move_to(NOW, tick=False)
    assert vault.open_inbox(where, old) == b"STOP"

    tasks.tick()

    with pytest.raises(KeyDestroyed):
        vault.open_inbox(where, old)
    assert vault.open_inbox(where, new) == b"STOP"
    assert RetentionRun.objects.get(data_class="inbox_body").removed == 1


def test_the_tick_forgets_counters_codes_and_sessions(db, staff, time_machine):
    user = staff("editor")
    time_machine.move_to(NOW, tick=False)
    guesses.may_guess("account_login", account="x", ip="203.0.113.1")
    step = int(NOW.timestamp()) // 30
    TotpStep.objects.create(user=user, step=step)
    Session.objects.create(session_key="x", session_data="", expire_date=NOW + timedelta(hours=12))
    later = NOW + timedelta(days=2)
    TotpStep.objects.create(user=user, step=int(later.timestamp()) // 30)
    tasks.tick()
    counts = (GuessCounter.objects.count(), TotpStep.objects.count(), Session.objects.count())
    assert counts == (2, 2, 1)

    time_machine.move_to(later, tick=False)
    tasks.tick()

    counts = (GuessCounter.objects.count(), TotpStep.objects.count(), Session.objects.count())
    assert counts == (0, 1, 0)


def test_the_tick_destroys_orphan_keys_once_a_day(transactional_db, time_machine):
    living, orphan = vault.new_subjects(2)
    DataSubject.objects.filter(pk=orphan).delete()
    time_machine.move_to(datetime.now(UTC) + timedelta(days=2), tick=False)

    tasks.tick()

    assert not vault.KeyRing.load([orphan]).has(orphan)
    assert vault.KeyRing.load([living]).has(living)
    assert RetentionRun.objects.get(data_class="subject_number").removed == 2
