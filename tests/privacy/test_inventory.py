"""privacy/inventory: no field of any table is left unclassified, and the test for it bites."""

from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.db import models
from django.test.utils import isolate_apps

from privacy import inventory, personal_data, vault
from privacy.inventory import NOT_PERSONAL, AppData, Field, Klass


def test_every_field_of_every_table_is_classified():
    assert inventory.problems() == []


def problems_of(monkeypatch, fields: dict) -> list[str]:
    """What is found in addition if the page of the ground floor says this."""
    before = set(inventory.problems())
    pages = {**inventory._pages(), "privacy": SimpleNamespace(DATA=AppData("privacy", fields))}
    monkeypatch.setattr(inventory, "_pages", lambda: pages)
    return sorted(set(inventory.problems()) - before)


def fields_but(name: str) -> dict:
    return {key: field for key, field in personal_data.DATA.fields.items() if key != name}


def test_a_forgotten_field_is_named(monkeypatch):
    assert problems_of(monkeypatch, fields_but("User.email")) == [
        "privacy.User.email is not classified."
    ]


def test_a_new_table_is_named_field_by_field(monkeypatch):
    with isolate_apps("privacy"):

        class Diary(models.Model):
            text = models.TextField()

            class Meta:
                app_label = "privacy"

    before = set(inventory.problems())
    tables = [*inventory._tables(), Diary]
    monkeypatch.setattr(inventory, "_tables", lambda: tables)

    assert sorted(set(inventory.problems()) - before) == [
        "privacy.Diary.id is not classified.",
        "privacy.Diary.text is not classified.",
    ]


@pytest.mark.parametrize(
    ("name", "field", "problem"),
    [
        ("User.gone", NOT_PERSONAL, "privacy.User.gone is classified, but no such field."),
        ("privacy.User.email", NOT_PERSONAL, "privacy.User.email is classified twice."),
        (
            "User.email",
            Field(Klass.STAFF, "x", "for ever"),
            "privacy.User.email has the retention class for ever, which has no rule.",
        ),
        (
            "User.email",
            Field(Klass.STAFF, "x", "staff_account", sealed=True),
            "privacy.User.email is called sealed, but is no field of bytes.",
        ),
        (
            "User.email",
            Field(Klass.STAFF, "x", "staff_account", erase="hope"),
            "privacy.User.email is erased by hope, which nobody can do.",
        ),
    ],
)
def test_a_page_that_contradicts_itself_is_named(monkeypatch, name, field, problem):
    assert problems_of(monkeypatch, {**personal_data.DATA.fields, name: field}) == [problem]


def test_verbs_are_found_where_they_are_offered():
    page = next(app for app in inventory.apps() if app.app == "privacy")

    assert inventory.verb(page, "scan") is personal_data.scan
    assert inventory.verb(page, "find") is None
    with pytest.raises(ValueError, match="no verb of the inventory"):
        inventory.verb(page, "forget")


def test_no_identifier_and_no_message_lies_in_a_column_of_text():
    for app in inventory.apps():
        for name, field in inventory.personal_fields(app):
            if field.klass in (Klass.IDENTIFIER, Klass.CONTENT):
                column = inventory_column(app.app, name)
                assert not isinstance(column, models.CharField | models.TextField), name


def inventory_column(app: str, name: str) -> models.Field:
    full = name if name.count(".") == 2 else f"{app}.{name}"
    found = {inventory._name(f): f for t in inventory._tables() for f in inventory._columns(t)}
    return found[full]


def test_the_ground_floor_finds_a_key_that_an_erasure_left(db):
    subject = vault.new_subject()
    assert personal_data.scan(subject, []) == ["keystore.SubjectKey"]

    vault.shred(subject, "ops")

    assert personal_data.scan(subject, []) == []
    assert personal_data.scan(uuid4(), []) == []
