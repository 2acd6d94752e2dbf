"""privacy/records: the register follows the house, and says the same as long as nothing changes."""

import json
from datetime import date, timedelta
from types import SimpleNamespace
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command

from privacy import inventory
from privacy.access import Actor
from privacy.inventory import AppData, Field, Klass
from privacy.models import AuditEntry, Controller, ProcessingRecord, RetentionRule
from privacy.records import documents, dpia, ropa
from privacy.records.activities import ACTIVITIES, activities
from privacy.records.house import house_on
from privacy.records.layout import compare
from privacy.records.processors import save_processor, save_profile
from privacy.records.texts import write_text

SYSTEM = Actor.system("test")
CHANNEL, NEWSLETTER = UUID(int=11), UUID(int=12)
Kind = ProcessingRecord.Kind
OWN = {
    "name": "Verlag am Markt GmbH", "role": "ourselves", "country": "DE", "transfer": "none",
    "retention": "7 days", "sub_processors": "none",
}  # fmt: skip


def page(fields, **verbs):
    return SimpleNamespace(DATA=AppData("people", fields), **verbs)


@pytest.fixture
def house(db, monkeypatch):
    """One app with two fields, one channel, one newsletter; `house` may be given more of each."""
    Controller.objects.create(
        pk=1, name="Verlag am Markt GmbH", address="Marktplatz 1\n12345 Musterstadt",
        email="post@example.org", imprint_url="https://example.org/impressum",
        dpo_contact="Dr. Änne Größer, datenschutz@example.org", authority="LfDI", land="BW",
    )  # fmt: skip
    told = [("newsletter", NEWSLETTER, "Abendblatt"), ("channel", CHANNEL, "Telefon", "simulator")]
    fields = {
        "Reader.address": Field(Klass.IDENTIFIER, "Reaching people", "active_subscription"),
        "Reader.text": Field(Klass.CONTENT, "Answering people", "inbound_text", sealed=True),
    }
    monkeypatch.setattr(
        inventory, "_pages", lambda: {"people": page(fields, offers=lambda: iter(told))}
    )
    save_profile(channel_id=CHANNEL, channel_kind="simulator", facts=OWN, actor=SYSTEM)
    return SimpleNamespace(fields=fields, told=told)


@pytest.fixture
def stored(house):
    for kind in (Kind.CONTROLLER, Kind.ASSESSMENT):
        documents.store(kind=kind, actor=SYSTEM)


def text(language="en", of=ropa):
    return json.dumps(of(language), ensure_ascii=False)


def changed(kind=Kind.CONTROLLER):
    """The lines that the house says more or less than its stored version."""
    state = documents.state_of(kind)
    found = documents.changes(state.stored, state.body, "en")
    return {line for change in found for line in (*change.added, *change.removed)}


def test_everything_of_article_30_is_there_in_both_languages(house):
    for needed in (
        "Verlag am Markt GmbH", "Dr. Änne Größer", "Reaching people", "Answering people",
        "Abendblatt", "Telefon (simulator)", "Addresses and identifiers", "AES-256-GCM",
        "7 days", "31 December", "people.Reader.text: Answering people (sealed)",
    ):  # fmt: skip
        assert needed in text("en"), needed
    german = text("de")
    for needed in ("Verzeichnis von Verarbeitungstätigkeiten", "Zwecke", "Löschfristen"):
        assert needed in german, needed
    assert "Purposes" not in german


def test_a_class_of_data_that_no_activity_names_gets_one_of_its_own(house, monkeypatch):
    monkeypatch.setattr("privacy.records.activities.ACTIVITIES", ACTIVITIES[1:])

    assert "active_subscription" in {each.key for each in activities(house_on(documents.today()))}


def test_the_same_house_gives_the_same_bytes(stored, time_machine_to):
    first = ProcessingRecord.objects.get(kind=Kind.CONTROLLER)
    files = [documents.as_json(first, "de"), documents.as_pdf(first, "de")]
    time_machine_to(timedelta(days=40))

    again, is_new = documents.store(kind=Kind.CONTROLLER, actor=SYSTEM)

    assert (again, is_new) == (first, False)
    assert [documents.as_json(again, "de"), documents.as_pdf(again, "de")] == files
    assert json.loads(files[0])["version"] == 1
    assert files[1].startswith(b"%PDF")
    assert b"CreationDate" not in files[1]
    assert not documents.state_of(Kind.CONTROLLER).is_outdated


@pytest.fixture
def time_machine_to(monkeypatch):
    from django.utils import timezone

    def go(by):
        later = timezone.now() + by
        monkeypatch.setattr(timezone, "now", lambda: later)

    return go


def test_a_newly_classified_field_changes_the_register(stored, house):
    house.fields["Reader.shoe_size"] = Field(Klass.PROFILE, "Selling shoes", "active_subscription")

    assert {"Selling shoes", "people.Reader.shoe_size: Selling shoes"} <= changed()
    assert "Selling shoes" in changed(Kind.ASSESSMENT)


def test_a_changed_rule_changes_the_register_from_its_day_on(stored):
    today = documents.today()
    latest = RetentionRule.objects.get(data_class="inbound_text")
    values = {"data_class": "inbound_text", "starts_with": "receipt", "action": "delete"}
    rule = RetentionRule(**values, version=2, legal_basis=latest.legal_basis)
    rule.period, rule.valid_from = timedelta(days=12), today + timedelta(days=1)
    rule.save()
    assert changed() == set()

    RetentionRule.objects.filter(pk=rule.pk).update(valid_from=today)

    assert any("12 days" in line for line in changed())


def test_a_new_channel_changes_the_register_and_asks_for_a_new_look(stored, house):
    house.told.append(("channel", UUID(int=13), "Bote", "telegram"))
    assert "The profile of this channel has not been filled in." in changed()
    facts = {"name": "Telegram", "role": "controller", "country": "AE", "transfer": "missing"}
    save_profile(channel_id=UUID(int=13), channel_kind="telegram", facts=facts, actor=SYSTEM)

    lines = changed()

    assert "Telegram (AE): No instrument known" in lines
    assert any(line.startswith("Warning: No adequacy decision") for line in lines)
    look = documents.needs_new_look(documents.state_of(Kind.ASSESSMENT))
    assert look == ["Bote (telegram)", "Telegram (AE)"]
    documents.store(kind=Kind.ASSESSMENT, actor=SYSTEM)
    assert documents.needs_new_look(documents.state_of(Kind.ASSESSMENT)) == []


def test_versions_are_counted_kept_and_on_record(stored):
    save_processor(processor=None, actor=SYSTEM, facts={"service": "hosting", "name": "Hoster AG"})

    made, is_new = documents.store(kind=Kind.CONTROLLER, actor=SYSTEM)

    assert (made.version, is_new) == (2, True)
    first = ProcessingRecord.objects.get(kind=Kind.CONTROLLER, version=1)
    assert b"Hoster AG" not in bytes(first.body)
    assert b"Hoster AG" in bytes(made.body)
    assert AuditEntry.objects.filter(action="record.stored", ref="controller").count() == 2


def test_the_command_tells_what_is_outdated(stored, capsys, tmp_path):
    call_command("records", "--check")
    save_processor(processor=None, actor=SYSTEM, facts={"service": "hosting", "name": "Hoster AG"})

    with pytest.raises(CommandError):
        call_command("records", "--check")

    assert "+ Hoster AG (Hosting)" in capsys.readouterr().out
    call_command("records", "--store", "--out", str(tmp_path))
    call_command("records", "--check")
    assert sorted(path.name for path in tmp_path.glob("controller*")) == [
        "controller-2-de.json", "controller-2-de.pdf", "controller-2-en.json",
        "controller-2-en.pdf",
    ]  # fmt: skip


def test_the_assessment_names_risks_measures_and_what_the_publisher_wrote(house):
    assert "still to be written by the publisher" in text(of=dpia)
    write_text(key="conclusion", text_de="Vertretbar.", text_en="", actor=SYSTEM)

    said = text("de", of=dpia)

    for needed in ("Vertretbar.", "Restrisiko", "Notwendigkeit", "Eintrittswahrscheinlichkeit"):
        assert needed in said, needed


def test_the_register_of_a_processor_is_offered_to_those_who_send_for_others(house):
    assert Kind.PROCESSOR not in [state.kind for state in documents.states()]

    write_text(key="clients", text_de="Verein Nord e. V.", text_en="", actor=SYSTEM)

    assert Kind.PROCESSOR in [state.kind for state in documents.states()]
    assert "Verein Nord e. V." in json.dumps(documents.as_data(Kind.PROCESSOR, "de"))


def test_a_comparison_goes_by_keys_and_not_by_order():
    row = {"key": "a", "label": "A", "items": ["1", "2"]}
    before = {"sections": [{"key": "s", "title": "S", "rows": [row]}]}
    after = {"sections": [{"key": "s", "title": "T", "rows": [{**row, "items": ["2", "3"]}]}]}

    (one,) = compare(before, after)

    assert (one.section, one.row, one.removed, one.added) == ("T", "A", ["1"], ["3"])
    assert compare(before, before) == []


def test_the_day_of_a_version_is_that_of_the_change(stored):
    assert ProcessingRecord.objects.get(kind=Kind.CONTROLLER).valid_from == documents.today()
    assert documents.today() <= date.today() + timedelta(days=1)
