"""Breaches: whose data it was, what the clock says, who is told, and what nobody can rewrite."""

# ruff: noqa: F401, F811  (fixtures are imported by name and asked for by name)

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone, translation

from privacy.access import Actor, NotAllowed
from privacy.audit import record
from privacy.models import AuditEntry, DataSubject, Incident, IncidentSubject, LegalTerm
from privacy.records import affected, incidents, todo, wave
from privacy.records.errors import (
    BadScope,
    IncidentClosed,
    NoHighRisk,
    NothingToTell,
    ReasonsMissing,
    TextFrozen,
    Unreported,
)
from privacy.records.report import report
from privacy.records.terms import BREACH_REPORT, add_term
from privacy.requests import approvals
from privacy.requests.errors import SamePerson
from privacy.vault import new_subjects, tombstone
from tests.privacy.requests_world import editor, officer, people

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
ERASED = DataSubject.Status.ERASED
TEXTS = {
    "title": "Sicherung gestohlen",
    "what": "Die Sicherung vom Sonntag lag offen.",
    "message_de": "Eine Sicherung wurde gestohlen.",
    "message_en": "A backup was stolen.",
}


def person(made_at, erased_at=None):
    (one,) = new_subjects(1)
    status = ERASED if erased_at else DataSubject.Status.ACTIVE
    rows = DataSubject.objects.filter(pk=one)
    rows.update(created_at=made_at, erased_at=erased_at, status=status)
    return one


@pytest.fixture
def second(staff):
    return Actor.staff(staff("administrator"))


@pytest.fixture
def incident(people, officer):
    return incidents.open_incident(aware_at=NOW, texts=TEXTS, actor=officer)


def at(hours):
    return NOW + timedelta(hours=hours)


def test_a_leaked_backup_lists_exactly_the_people_in_it(db):
    """Against what the table itself said at that moment, in a life of many."""
    chance, living, snapshot = random.Random(7), [], None
    for hour in range(90):
        if hour == 45:
            there = DataSubject.objects.exclude(status=ERASED)
            snapshot = set(there.values_list("pk", flat=True))
        if living and chance.random() < 0.3:
            gone = living.pop(chance.randrange(len(living)))
            DataSubject.objects.filter(pk=gone).update(status=ERASED, erased_at=at(hour))
        else:
            living.append(person(at(hour)))
    assert snapshot

    found = affected.find("backup", until=at(45) - timedelta(minutes=1))

    still = set(living)
    assert found.people == snapshot & still
    assert found.gone == snapshot - still
    assert len(found.gone) >= 2
    assert still - snapshot  # who came later is not listed, and there were some


def test_who_was_forgotten_with_their_row_is_counted_by_the_tombstone(db):
    one = person(timezone.now())
    late = person(timezone.now())
    DataSubject.objects.all().delete()
    tombstone(one, timezone.now() + timedelta(hours=2))
    tombstone(late, timezone.now() - timedelta(hours=2))  # erased before the backup

    found = affected.find("backup", until=timezone.now() + timedelta(hours=1))

    assert (found.people, found.gone) == (set(), {one})
    assert affected.find("backup", until=timezone.now() - timedelta(days=1)).gone == set()


def test_a_backup_is_named_by_its_entry_in_the_audit_log(db):
    ref = UUID(int=77)
    record("backup.made", actor=Actor.system("backup"), obj="backup", ref=ref)
    one = person(timezone.now() - timedelta(days=1))
    person(timezone.now() + timedelta(minutes=2))
    just = person(timezone.now() + timedelta(seconds=5))  # before pg_dump looked at the table

    assert [backup.ref for backup in affected.backups()] == [str(ref)]
    assert affected.find("backup", str(ref)).people == {one, just}


def test_what_a_member_of_staff_looked_at_is_read_from_the_audit_log(db, staff):
    seen, unseen = person(NOW), person(NOW)
    nosy, other = staff("dpo"), staff("dpo", email="other@example.org")
    for user, whom in ((nosy, seen), (other, unseen)):
        record("person.read", actor=Actor.staff(user), obj="person", ref=whom, purpose="request")

    assert affected.find("staff", str(nosy.pk)).people == {seen}
    later = timezone.now() + timedelta(hours=1)
    assert affected.find("staff", str(nosy.pk), since=later).people == set()


def test_keys_of_an_epoch_concern_whoever_was_there_while_it_was_used(db):
    one, gone = person(NOW), person(NOW, erased_at=timezone.now() + timedelta(days=9))
    (number, since, _until), *_others = affected.epochs()
    before = person(since - timedelta(days=9), erased_at=since - timedelta(days=1))

    found = affected.find("epoch", str(number))

    assert one in found.people
    assert gone in found.gone
    assert before not in found.people | found.gone


@pytest.mark.parametrize(
    ("kind", "ref"), [("backup", ""), ("epoch", "x"), ("staff", "x"), ("channel", ""), ("x", "")]
)
def test_an_answer_that_names_nothing_is_refused(db, kind, ref):
    with pytest.raises(BadScope):
        affected.find(kind, ref)


def test_all_answers_together_make_the_list_and_a_wrong_one_is_taken_back(incident, officer):
    old, new = person(at(-48)), person(at(-1))
    first = incidents.add_scope(incident=incident, kind="backup", until=at(-24), actor=officer)
    assert incidents.subjects_of(incident) == {old}
    incidents.add_scope(incident=incident, kind="backup", until=NOW, actor=officer)
    assert incidents.subjects_of(incident) == {old, new}

    DataSubject.objects.filter(pk=old).update(status=ERASED, erased_at=NOW + timedelta(hours=1))
    incidents.list_again(incident=incident, actor=officer)

    incident.refresh_from_db()
    assert incidents.subjects_of(incident) == {new}
    assert incidents.people_of(incident)["gone"] == 1
    incidents.remove_scope(scope=first, actor=officer)
    assert incidents.subjects_of(incident) == {new}


def test_the_clock_runs_72_hours_from_when_it_was_known(incident, officer):
    assert incident.report_due_at == at(72)
    (item,) = [one for one in todo.items(at(50)) if "2026-01" in one.title]
    assert (item.urgency, item.due_at) == ("bad", at(72))
    assert "22" in item.text

    incidents.decide(incident=incident, risk="normal", reasons="Schlüssel unklar", actor=officer)
    incidents.report_made(incident=incident, at=at(60), reference="LfDI-1", actor=officer)

    (item,) = [one for one in todo.items(at(90)) if "2026-01" in one.title]
    assert item.urgency == "info"


def test_a_new_law_changes_the_term_from_its_day_on(people, officer):
    add_term(name=BREACH_REPORT, hours=96, valid_from=NOW.date(), source="Omnibus", actor=officer)
    before = incidents.open_incident(aware_at=at(-48), texts={}, actor=officer)
    after = incidents.open_incident(aware_at=at(1), texts={}, actor=officer)

    assert before.report_due_at - before.aware_at == timedelta(hours=72)
    assert after.report_due_at - after.aware_at == timedelta(hours=96)
    assert [before.number, after.number] == ["2026-01", "2026-02"]
    assert LegalTerm.objects.get().source == "Omnibus"


def test_a_late_report_and_every_decision_need_their_reasons(incident, officer):
    with pytest.raises(ReasonsMissing):
        incidents.decide(incident=incident, risk="none", reasons=" ", actor=officer)
    with pytest.raises(ReasonsMissing):
        incidents.report_made(incident=incident, at=at(73), reference="", actor=officer)
    facts = {"keys": "safe", "began_at": None, "ended_at": None}
    texts = {"late": "Erst am Montag gelesen."}
    incidents.change_facts(incident=incident, texts=texts, actor=officer, **facts)
    incidents.report_made(incident=incident, at=at(73), reference="", actor=officer)

    incident.refresh_from_db()
    assert incident.reported_at == at(73)
    assert incidents.texts_of(incident)["what"] == TEXTS["what"]  # what was not given stays


@pytest.mark.parametrize(
    ("keys", "risk"),
    [("safe", "none"), ("partly", "normal"), ("exposed", "high"), ("unknown", "high")],
)
def test_the_keys_suggest_the_risk(keys, risk):
    assert incidents.suggested_risk(Incident(keys=keys)) == risk


def test_a_file_is_closed_with_a_decision_and_changed_no_more(incident, officer):
    with pytest.raises(ReasonsMissing):
        incidents.close(incident=incident, actor=officer)
    incidents.decide(incident=incident, risk="normal", reasons="…", actor=officer)
    with pytest.raises(Unreported):
        incidents.close(incident=incident, actor=officer)
    incidents.decide(incident=incident, risk="none", reasons="Nur versiegelt.", actor=officer)

    incidents.close(incident=incident, actor=officer)

    with pytest.raises(IncidentClosed):
        incidents.decide(incident=incident, risk="high", reasons="doch", actor=officer)
    entries = [entry.kind for entry in incident.entries.order_by("at", "id")]
    assert entries == ["opened", "decided", "decided", "closed"]
    acts = AuditEntry.objects.filter(ref=str(incident.pk)).order_by("id")
    assert [act.action for act in acts] == [f"incident.{kind}" for kind in entries]


def test_a_line_of_the_file_cannot_be_rewritten_and_goes_with_its_term(incident, officer):
    incidents.decide(incident=incident, risk="none", reasons="Versiegelt.", actor=officer)
    incidents.close(incident=incident, actor=officer)
    with pytest.raises(IntegrityError), transaction.atomic():
        incident.entries.update(kind="told")
    closed = Incident.objects.get().closed_at

    assert incidents.remove_expired(closed + timedelta(days=5 * 365 - 3)) == 0
    assert incidents.remove_expired(closed + timedelta(days=5 * 366 + 2)) == 1
    assert not Incident.objects.exists()


def test_what_staff_write_is_sealed_and_what_the_log_says_names_nobody(incident, officer):
    incidents.decide(incident=incident, risk="none", reasons="Frau Weiß war's", actor=officer)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(t::text, '') FROM privacy_incident t UNION ALL"
            " SELECT string_agg(t::text, '') FROM privacy_incidententry t UNION ALL"
            " SELECT string_agg(convert_from(entry, 'UTF8'), '') FROM privacy_auditentry"
        )
        stored = "".join(row[0] for row in cursor.fetchall())

    assert incidents.entry_text(incident.entries.get(kind="decided")) == "Frau Weiß war's"
    for secret in ("Weiß", "Wei\\u00df", "gestohlen", b"Wei\xc3\x9f".hex()):
        assert secret not in stored


def test_only_officers_work_on_files(people, editor):
    with pytest.raises(NotAllowed):
        incidents.open_incident(aware_at=NOW, texts=TEXTS, actor=editor)


@pytest.fixture
def high(incident, officer, people):
    reachable, mute = person(at(-2)), person(at(-2))
    people.plant(reachable, "+4917604069001")
    incidents.add_scope(incident=incident, kind="backup", until=NOW, actor=officer)
    incidents.decide(incident=incident, risk="high", reasons="Schlüssel weg.", actor=officer)
    return {"reachable": reachable, "mute": mute}


def test_people_are_told_once_a_second_person_has_approved(
    incident, high, officer, second, people, monkeypatch
):
    has_address = lambda subject: [1] if subject == high["reachable"] else []  # noqa: E731
    monkeypatch.setattr(wave, "contacts_of", has_address)
    waiting = wave.propose(incident=incident, actor=officer)
    assert wave.resume() == 0
    with pytest.raises(SamePerson):
        approvals.approve(waiting, officer)
    facts = {"keys": "exposed", "began_at": None, "ended_at": None, "actor": officer}
    with pytest.raises(TextFrozen):
        incidents.change_facts(incident=incident, texts={"message_de": "Anders"}, **facts)

    approvals.approve(waiting, second)
    wave.resume()

    ((subject, template, context),) = people.sent
    assert (subject, template) == (high["reachable"], "privacy/answers/breach.txt")
    assert (context["text_de"], context["number"]) == (TEXTS["message_de"], "2026-01")
    states = dict(IncidentSubject.objects.values_list("subject", "state"))
    assert states == {high["reachable"]: "told", high["mute"]: "unreachable"}
    assert wave.resume() == 0
    assert len(people.sent) == 1


def test_whoever_dies_while_telling_has_told_nobody_or_noted_it(
    incident, high, officer, second, people, monkeypatch
):
    monkeypatch.setattr(wave, "contacts_of", lambda subject: [1])
    approvals.approve(wave.propose(incident=incident, actor=officer), second)
    send = wave.answer

    def answer_once(subject, name, **context):
        if people.sent:
            raise SystemExit  # as a worker ends that is told to
        send(subject, name, **context)

    monkeypatch.setattr(wave, "answer", answer_once)
    with pytest.raises(SystemExit):
        wave.resume()
    assert set(incident.people.values_list("state", flat=True)) == {"listed"}

    people.sent.clear()  # queued in the same transaction, so gone with it
    monkeypatch.setattr(wave, "answer", send)

    assert wave.resume() == 2
    assert {subject for subject, _name, _context in people.sent} == set(high.values())


def test_nobody_is_told_without_a_high_risk_or_without_words(incident, officer, people):
    with pytest.raises(NoHighRisk):
        wave.propose(incident=incident, actor=officer)
    bare = incidents.open_incident(aware_at=NOW, texts={}, actor=officer)
    incidents.decide(incident=bare, risk="high", reasons="…", actor=officer)
    with pytest.raises(NothingToTell):
        wave.propose(incident=bare, actor=officer)


def test_the_report_has_what_the_authority_asks_for(incident, high):
    with translation.override("en"):
        said = str(report(incident, "en").data())

    for needed in (TEXTS["what"], "AES-256-GCM", "2 subscribers", "not known yet", "Contact for"):
        assert needed in said, needed
