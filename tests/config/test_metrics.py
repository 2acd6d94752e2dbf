"""/metrics: for whoever may ask, right, without anybody's data, and cheap."""

import re
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from config import measures
from messengers import tasks
from messengers.engine import ledger
from messengers.engine.claim import claim
from messengers.models import Channel, Delivery, InboundEvent
from messengers.outbox.pulse import PULSE, SHOWN
from messengers.sql import rows, run
from privacy.access import Actor
from privacy.models import DataSubject
from privacy.requests.intake import open_request
from tests.messengers.house import make_channel, make_dispatch, make_people, phone

pytestmark = pytest.mark.django_db
SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\.)*",?)*)\})? (-?[0-9.e+]+)')
TOKEN = "a-token-of-the-one-who-watches"


def numbers(client, **headers: str) -> dict[str, float]:
    """Every sample by its name and labels, from a text that must be in Prometheus' format."""
    answer = client.get("/metrics", headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (
        200,
        "text/plain; version=0.0.4; charset=utf-8",
    )
    found: dict[str, float] = {}
    announced = ""
    for line in answer.content.decode().splitlines():
        if line.startswith("# "):
            announced = line.split()[2]
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        assert match[1] == announced
        assert line.rpartition(" ")[0] not in found
        found[line.rpartition(" ")[0]] = float(match[3])
    return found


@pytest.fixture
def sending():
    """Four people: one accepted, one on the wire, one in doubt, one waits."""
    channel = make_channel()
    dispatch = make_dispatch([gate for _, gate in make_people(channel, 4)])
    [batch] = claim(channel.id, want=4, min_priority=0, lease_seconds=60)
    ids = [row[0] for row in rows("SELECT id FROM messengers_delivery ORDER BY position")]
    Delivery.objects.filter(id=ids[0]).update(status="accepted")
    Delivery.objects.filter(id=ids[2]).update(status="in_doubt", cause="worker_lost")
    run("UPDATE messengers_batch SET on_wire = '{1}'")
    return channel, dispatch, batch


def test_every_delivery_is_counted_once_while_it_is_sent_and_afterwards(client, sending):
    _channel, dispatch, batch = sending
    found = numbers(client)

    states = {name: number for name, number in found.items() if "jawort_deliveries" in name}
    assert {name: number for name, number in states.items() if number} == {
        'jawort_deliveries{state="accepted"}': 1,
        'jawort_deliveries{state="sending"}': 1,
        'jawort_deliveries{state="in_doubt"}': 1,
        'jawort_deliveries{state="queued"}': 1,
    }
    assert found['jawort_batches{status="working"}'] == 1

    ledger.close({batch.id: batch.dispatch})
    found = numbers(client)
    assert found['jawort_deliveries{state="queued"}'] == 2  # nobody lost the lease: it waits again
    assert found['jawort_doubts{cause="worker_lost"}'] == 1
    assert found['jawort_batches{status="waiting"}'] == 1
    run("UPDATE messengers_batch SET due_at = clock_timestamp() - interval '90 s'")
    assert 90 <= numbers(client)["jawort_oldest_waiting_seconds"] < 100
    assert dispatch.id


def test_lags_channels_and_duties_are_told(client, sending):
    channel, _, _ = sending
    tasks.sweep()
    now = timezone.now()
    InboundEvent.objects.create(
        channel=channel, ref=b"r", kind="text", received_at=now - timedelta(seconds=60), day=now
    )
    Channel.objects.update(status="stopped", paused_until=now + timedelta(hours=1))
    person = DataSubject.objects.create()
    open_request(
        subject=person.pk,
        kind="access",
        origin="chat",
        verified=True,
        received_at=now - timedelta(days=60),
        actor=Actor.system("tests"),
    )
    found = numbers(client)

    labels = f'{{channel="{channel.id}",kind="simulator"}}'
    assert (found[f"jawort_channel_active{labels}"], found[f"jawort_channel_paused{labels}"]) == (
        0,
        1,
    )
    assert (found["jawort_inbox_waiting"], found["jawort_inbox_oldest_seconds"] >= 60) == (1, True)
    assert found["jawort_sweeper_lag_seconds"] < 30
    assert found['jawort_requests_open{kind="access"}'] == found["jawort_requests_overdue"] == 1
    assert found["jawort_requests_next_due_seconds"] < 0
    assert found['jawort_sequencer_lag_entries{log="audit"}'] > 0
    assert (found["jawort_may_send"], found["jawort_partitions_missing"]) == (1, 0)
    assert found['jawort_disk_free_bytes{folder="var"}'] > 0


def test_nobody_stands_in_it(client, sending):
    client.get("/metrics")
    text = client.get("/metrics").content.decode()
    people = rows("SELECT id::text, subject::text FROM messengers_address")

    assert phone(0) in phone(0)
    assert [word for row in people for word in row if word in text] == []
    assert phone(0) not in text
    assert "Test" not in text  # the channel's name is somebody's words


def test_without_a_token_only_this_machine_may_ask(client, settings):
    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.7").status_code == 404
    assert client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 404
    settings.JAWORT_PROXIES = 1

    assert client.get("/metrics").status_code == 404


def test_with_a_token_whoever_shows_it_may_ask(client, settings):
    settings.JAWORT_METRICS_TOKEN, settings.JAWORT_PROXIES = TOKEN, 1

    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}x"}).status_code == 404
    assert numbers(client, Authorization=f"Bearer {TOKEN}")["jawort_may_send"] == 1


def test_without_a_database_there_are_no_numbers_and_no_error_page(client, monkeypatch):
    def fail():
        raise OperationalError("FATAL: +4917604069001")

    monkeypatch.setattr("config.metrics.all_measures", fail)
    answer = client.get("/metrics")

    assert (answer.status_code, answer.content) == (503, b"the database does not answer\n")


def test_no_statement_reads_all_deliveries_or_batches(sending):
    """The tables of millions are reached by an index, even where they are as small as here."""
    recent = rows(measures.RECENT)[0][0]
    asked = {"recent": recent, "dispatch": recent[0], "most": 50}
    run("SET LOCAL enable_seqscan TO off")
    of_metrics = (measures.DELIVERIES, measures.DOUBTS, measures.BATCHES)
    for query in (*of_metrics, PULSE, SHOWN):
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {query}", asked)
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert "Seq Scan" not in plan, plan
