"""/livez and /readyz, with the real thing broken."""

import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from celery import current_app
from django.db import OperationalError, connection, connections
from django.utils import timezone

from config import health
from messengers import instance, tasks
from messengers.sql import run
from privacy.models import Watch

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_broker() -> Iterator[None]:
    """Nothing is remembered of another test's broker."""
    health._Broker.at = -health.BROKER_REMEMBERED_SECONDS
    yield
    health._Broker.at = -health.BROKER_REMEMBERED_SECONDS


def told(client, *, status: str, code: int) -> dict[str, str]:
    """The checks of /readyz, which must say `status` with `code`."""
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (code, status)
    return {name: word for name, word in answer.json()["checks"].items() if word != "ok"}


def test_a_whole_house_is_ready_once_its_sweeper_was_heard_of(client):
    assert told(client, status="degraded", code=200) == {"sweeper": "never"}

    tasks.sweep()

    assert told(client, status="ready", code=200) == {}


def test_what_is_amiss_but_stops_nobody_is_told_with_200(client, settings, monkeypatch):
    tasks.sweep()
    Watch.objects.filter(name="sweeper").update(well_at=timezone.now() - timedelta(minutes=2))
    monkeypatch.setattr("config.health.DISK_LOW_BYTES", 1 << 62)
    run(f"DROP TABLE messengers_delivery_{timezone.now():%Y_%m}")
    instance.current()
    (Path(settings.JAWORT_VAR) / "instance" / connection.settings_dict["NAME"]).unlink()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens there
        monkeypatch.setattr(
            current_app.conf, "broker_write_url", f"redis://127.0.0.1:{taken.getsockname()[1]}/0"
        )
        found = told(client, status="degraded", code=200)

    amiss = {"sweeper": "late", "disk": "low", "instance": "inactive", "broker": "down"}
    assert found == amiss | {"partitions": "missing"}


@pytest.mark.parametrize("alias", ["default", "keystore"])
def test_without_a_database_nothing_works_and_it_is_named(client, monkeypatch, alias):
    tasks.sweep()

    def fail():
        raise OperationalError("FATAL: +4917604069001")

    monkeypatch.setattr(connections[alias], "cursor", fail)
    monkeypatch.setattr(connections[alias], "close", lambda: None)
    if alias == "default":
        monkeypatch.setattr("config.health.rows", lambda *_: fail())
        monkeypatch.setattr("messengers.instance.rows", lambda *_: fail())
    found = told(client, status="unready", code=503)

    assert found["database" if alias == "default" else "keystore"] == "down"
    assert "4917604069001" not in str(found)


def test_tables_that_are_older_or_newer_than_the_code_are_told(client):
    tasks.sweep()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_migrations (app, name, applied)"
            " VALUES ('messengers', '9999_of_tomorrow', now())"
        )
        # In a rolling deploy the old hosts go on until it is their turn.
        assert told(client, status="degraded", code=200) == {"migrations": "newer"}

        cursor.execute("DELETE FROM django_migrations WHERE app = 'messengers' AND name ~ '^9999'")
        cursor.execute("DELETE FROM django_migrations WHERE app = 'messengers' AND name ~ '^0001'")
    assert told(client, status="unready", code=503) == {"migrations": "pending"}


def test_readiness_costs_few_statements(client, django_assert_max_num_queries):
    tasks.sweep()
    client.get("/readyz")

    with django_assert_max_num_queries(8):
        client.get("/readyz")


def test_a_process_that_lives_says_so_without_any_database(client, monkeypatch):
    def fail():
        raise AssertionError("the database was asked")

    monkeypatch.setattr(connections["default"], "cursor", fail)

    assert client.get("/livez").content == b"alive\n"
