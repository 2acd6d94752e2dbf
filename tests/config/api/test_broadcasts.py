"""A program sends: once for each key, steered to its end, and told in counts that add up."""

from datetime import UTC, datetime, time

import pytest
import time_machine
from django.test import Client

from broadcasts.models import Broadcast
from messengers.models import Channel, Delivery, Dispatch
from messengers.outbox.control import recount
from privacy.models import AuditEntry
from subscriptions.models import Newsletter
from tests.broadcasts.house import make_channel, make_newsletter, subscribe
from tests.broadcasts.test_actions import settle_all
from tests.broadcasts.test_races import at_once
from tests.config.api.conftest import Api
from tests.config.api.test_api import a_draft, json

NIGHT = datetime(2026, 11, 21, 22, 30, tzinfo=UTC)  # 23:30 in Berlin
KEY = {"Idempotency-Key": "one"}


@pytest.fixture
def channel(db: None) -> Channel:
    return make_channel()


@pytest.fixture
def newsletter(channel: Channel) -> Newsletter:
    """Two readers in the chat, one of the mail; one of the three for sports."""
    mail = make_channel("email")
    newsletter = make_newsletter(channels=[channel, mail])
    subscribe(newsletter, channel, 1, topics=["sport"])
    subscribe(newsletter, channel, 2, topics=["lokales"])
    subscribe(newsletter, mail, 3)
    return newsletter


@pytest.fixture
def program(api: Api, newsletter: Newsletter) -> Client:
    return api("publisher", newsletter)


@pytest.fixture
def path(program: Client, newsletter: Newsletter) -> str:
    """Where the draft to everybody is."""
    return f"/api/v1/broadcasts/{a_draft(program, newsletter, audience={})['id']}/"


def test_the_same_key_again_starts_nothing_new_and_another_is_told_so(
    program: Client, path: str
) -> None:
    first = json(program, "post", f"{path}start/", **KEY)
    again = json(program, "post", f"{path}start/", **KEY)
    other = json(program, "post", f"{path}start/", **{"Idempotency-Key": "two"})

    assert first[0] == 200, first
    assert (first[1]["status"], first[1]["id"]) == ("running", path.split("/")[-2])
    assert again == first
    assert (other[0], other[1]["code"]) == (409, "already_started")
    assert Dispatch.objects.count() == 1
    assert Delivery.objects.count() == 3
    assert AuditEntry.objects.filter(action="broadcast.started").count() == 1


def test_pause_resume_and_cancel_move_the_broadcast_and_what_is_sent(
    program: Client, path: str
) -> None:
    json(program, "post", f"{path}start/", **KEY)

    for verb, expected in [("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")]:
        status, said = json(program, "post", f"{path}{verb}/")

        assert (status, said["status"]) == (200, expected), said
        assert Broadcast.objects.get().status == expected
        assert Dispatch.objects.get().status == expected
    assert set(Delivery.objects.values_list("status", flat=True)) == {"cancelled"}


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
def test_what_its_state_does_not_allow_is_a_conflict(program: Client, path: str, verb: str) -> None:
    json(program, "post", f"{path}start/", **KEY)
    json(program, "post", f"{path}cancel/")

    status, said = json(program, "post", f"{path}{verb}/")

    assert (status, said["code"]) == (409, "illegal_transition")
    assert Broadcast.objects.get().status == "cancelled"


def test_the_states_sum_to_the_recipients_from_the_start_to_the_end(
    program: Client, path: str
) -> None:
    before = json(program, "get", f"{path}results/")[1]
    json(program, "post", f"{path}start/", **KEY)
    started = json(program, "get", f"{path}results/")[1]
    settle_all(Broadcast.objects.get(), "accepted", "delivered", "failed", cause="opted_out")
    ended = json(program, "get", f"{path}results/")[1]

    sums = {"accepted", "in_doubt", "answer_lost", "our_crash", "unaccounted", "recipients"}
    assert {before[name] for name in sums | {"batches"}} == {0}
    assert (before["states"], before["causes"]) == ({}, {})
    assert (started["recipients"], started["batches"]) == (3, 2)
    assert started["states"] == {"queued": 3}
    assert started["causes"] == {}
    assert ended["states"] == {"accepted": 1, "delivered": 1, "failed": 1}
    assert sum(ended["states"].values()) == ended["recipients"] == 3
    assert ended["causes"]["failed"] == {"opted_out": 1}
    assert (ended["accepted"], ended["in_doubt"], ended["unaccounted"]) == (2, 0, 0)


def test_doubts_are_told_with_who_lost_the_answer(program: Client, path: str) -> None:
    json(program, "post", f"{path}start/", **KEY)
    settle_all(Broadcast.objects.get(), "accepted", "in_doubt", "in_doubt", cause="timeout")
    ours = Delivery.objects.filter(status="in_doubt")[0]
    Delivery.objects.filter(pk=ours.pk).update(cause="worker_lost")
    recount({ours.batch_id: ours.dispatch_id})

    told = json(program, "get", f"{path}results/")[1]

    assert (told["accepted"], told["in_doubt"], told["unaccounted"]) == (1, 2, 0)
    assert (told["answer_lost"], told["our_crash"]) == (1, 1)


def test_progress_is_told_again_only_once_it_has_changed(program: Client, path: str) -> None:
    json(program, "post", f"{path}start/", **KEY)
    first = program.get(f"{path}progress/")
    seen = {"If-None-Match": first.headers["ETag"]}

    assert first.json() == {
        "status": "running",
        "recipients": 3,
        "done": 0,
        "batches": 2,
        "batches_done": 0,
        "states": {"queued": 3},
        "seconds_left": None,
        "is_over": False,
        "ask_again_seconds": 2,
    }
    again = program.get(f"{path}progress/", headers=seen)
    assert (again.status_code, again.content) == (304, b"")

    settle_all(Broadcast.objects.get(), "accepted", "delivered", "failed")
    changed = program.get(f"{path}progress/", headers=seen)
    assert (changed.status_code, changed.json()["done"], changed.json()["batches_done"]) == (
        200,
        3,
        2,
    )
    Broadcast.objects.update(status="finished")
    over = program.get(f"{path}progress/").json()
    assert (over["is_over"], over["ask_again_seconds"]) == (True, None)


def test_the_audience_is_counted_for_each_channel_by_the_rule(
    program: Client, newsletter: Newsletter, path: str
) -> None:
    chat, mail = (str(newsletter.channels.get(kind=kind).pk) for kind in ("simulator", "email"))
    sports = a_draft(program, newsletter, audience={"topic": ["sport"]})

    everybody = json(program, "get", f"{path}audience/")[1]
    few = json(program, "get", f"/api/v1/broadcasts/{sports['id']}/audience/")[1]

    assert everybody == {"total": 3, "batches": 2, "by_channel": {chat: 2, mail: 1}}
    assert few == {"total": 1, "batches": 1, "by_channel": {chat: 1}}


@pytest.fixture
def quiet(newsletter: Newsletter) -> Newsletter:
    newsletter.quiet_from, newsletter.quiet_until = time(22), time(7)
    newsletter.save()
    return newsletter


def at_night(client: Client, newsletter: Newsletter, body: object = None) -> tuple[int, dict]:
    """A draft, and the answer to its start at half past eleven in the evening."""
    with time_machine.travel(NIGHT, tick=False):
        path = f"/api/v1/broadcasts/{a_draft(client, newsletter, audience={})['id']}/"
        return json(client, "post", f"{path}start/", body, **KEY)


def test_a_reason_wakes_the_readers_and_is_kept(api: Api, quiet: Newsletter) -> None:
    with time_machine.travel(NIGHT, tick=False):
        client = api("publisher", quiet)

    refused = at_night(client, quiet)
    started = at_night(client, quiet, {"urgent_why": "Hochwasser"})

    assert (refused[0], refused[1]["code"]) == (409, "quiet_hours")
    assert (started[0], started[1]["status"], started[1]["is_urgent"]) == (200, "running", True)
    assert Broadcast.objects.get(status="running").urgent_why == "Hochwasser"


def test_a_refused_start_leaves_the_draft_as_it_was(
    program: Client, newsletter: Newsletter
) -> None:
    draft = a_draft(program, newsletter, audience={"channel": [str(make_channel(name="x").pk)]})
    path = f"/api/v1/broadcasts/{draft['id']}/"

    status, said = json(program, "post", f"{path}start/", {"urgent_why": "Hochwasser"}, **KEY)

    assert (status, said["code"]) == (409, "no_audience")
    row = Broadcast.objects.get()
    assert (row.is_urgent, row.urgent_why) == (False, "")
    assert json(program, "get", path)[1] == draft


@pytest.mark.django_db(transaction=True)
def test_two_calls_at_once_with_one_key_and_a_reason_get_one_answer(
    program: Client, path: str
) -> None:
    body = {"urgent_why": "Hochwasser"}

    first, second = at_once(lambda _n: json(program, "post", f"{path}start/", body, **KEY), times=2)

    assert first[0] == 200, first
    assert first == second
    assert Dispatch.objects.count() == 1
