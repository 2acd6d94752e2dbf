"""The engine against a provider on loopback, with real connections: each transition, one by one."""

import math
import multiprocessing
import threading
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection, connections
from django.utils import timezone

from messengers import instance, media, stopping
from messengers.adapters.simulator import Simulator
from messengers.contract import Content, HttpRequest, Image
from messengers.engine import run, sweep
from messengers.engine.open_batches import Intent, OpenBatch, Recipient, Result, Values
from messengers.engine.outcomes import Verdict
from messengers.engine.pace import Pace
from messengers.engine.worker import Worker
from messengers.errors import NotTheSameInstance
from messengers.gates import close_gates
from messengers.models import Batch, Channel, Delivery, Dispatch, Gate, InboundEvent
from messengers.outbox import cancel, counts, pause, reply, resume, retry_failed
from privacy.ids import uuid7
from privacy.vault import KeystoreDown, read_link, shred_all
from tests.messengers.house import (
    SYSTEM,
    make_channel,
    make_content,
    make_dispatch,
    make_people,
    phone,
    states,
)
from tests.standins.http_provider import TOKEN, Faults, Provider

pytestmark = pytest.mark.django_db(transaction=True)


def gates_of(people) -> list:
    return [gate for _, gate in people]


def causes(dispatch: Dispatch) -> set[str]:
    return set(Delivery.objects.filter(dispatch=dispatch).values_list("cause", flat=True))


# --- The plain way ---


def test_everybody_gets_the_message_once(channel: Channel, provider: Provider) -> None:
    dispatch = make_dispatch(gates_of(make_people(channel, 300)))

    run(60)

    dispatch.refresh_from_db()
    assert states(dispatch) == {"accepted": 300}
    assert dispatch.status == Dispatch.Status.FINISHED
    assert len(provider.accepted) == len({entry["to"] for entry in provider.accepted}) == 300
    assert {entry["text"] for entry in provider.accepted} == {"Guten Morgen, Ada!"}
    assert sum(counts(dispatch.id).values()) == dispatch.size == 300
    assert counts(dispatch.id)["accepted"] == 300


def test_a_bulk_call_carries_many(channel: Channel, provider: Provider) -> None:
    channel.settings["bulk"] = 50
    channel.save()
    dispatch = make_dispatch(gates_of(make_people(channel, 120)))

    assert run(60) < 120 / 10

    assert states(dispatch) == {"accepted": 120}
    assert len({entry["to"] for entry in provider.accepted}) == 120


def test_nothing_is_left_on_the_wire_or_leased(channel: Channel) -> None:
    make_dispatch(gates_of(make_people(channel, 3)))

    run(60)

    batch = Batch.objects.get()
    assert (batch.status, batch.on_wire, batch.lease_until) == ("done", [], None)
    assert batch.token > 0
    assert batch.counts == {"accepted": 3}


def test_nothing_of_the_providers_id_is_kept_where_receipts_name_our_attempt(
    channel: Channel, provider: Provider
) -> None:
    make_dispatch(gates_of(make_people(channel, 1)))

    run(60)

    assert Delivery.objects.get().provider_ref is None
    assert str(provider.accepted[0]["id"]) not in all_of_the_row()


def test_what_was_accepted_keeps_only_a_hash_of_the_providers_id(
    channel: Channel, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = replace(Simulator.capabilities, attempt_echo=False)
    monkeypatch.setattr(Simulator, "capabilities", silent)
    make_dispatch(gates_of(make_people(channel, 1)))

    run(60)

    assert len(bytes(Delivery.objects.get().provider_ref)) == 16
    assert str(provider.accepted[0]["id"]) not in all_of_the_row()


def all_of_the_row() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT d::text FROM messengers_delivery d")
        return str(cursor.fetchone()[0])


def test_the_provider_sees_a_sealed_attempt_and_no_id_of_ours(
    channel: Channel, provider: Provider
) -> None:
    make_dispatch(gates_of(make_people(channel, 2)))

    run(60)

    attempts = {entry["attempt"] for entry in provider.accepted}
    assert len(attempts) == 2
    assert all(len(str(attempt)) == 48 for attempt in attempts)


def test_links_of_a_person_open_and_are_made_only_when_asked_for(
    channel: Channel, provider: Provider
) -> None:
    ((_, gate),) = people = make_people(channel, 1)
    make_dispatch(gates_of(people), content=make_content("Abmelden: {unsubscribe_url}"))

    run(60)

    url = str(provider.accepted[0]["text"]).split()[-1]
    assert read_link("unsubscribe", url.rstrip("/").rsplit("/", 1)[1]) == gate
    assert "unsubscribe_url" not in Values({}, None)
    values = Values({}, gate.bytes)
    assert "unsubscribe_url" in values
    assert (
        read_link("unsubscribe", values.get("unsubscribe_url").rstrip("/").rsplit("/", 1)[1])
        == gate
    )


def test_common_values_reach_everybody(channel: Channel, provider: Provider) -> None:
    people = make_people(channel, 2)
    content = make_content("{newsletter}")
    make_dispatch(gates_of(people), content=content, values={"newsletter": "Stadtanzeiger"})

    run(60)

    assert [entry["text"] for entry in provider.accepted] == ["Stadtanzeiger"] * 2


# --- Replies ---


def test_a_reply_overtakes_a_broadcast(channel: Channel, provider: Provider) -> None:
    people = make_people(channel, 200)
    make_dispatch(gates_of(people))
    reply(address=people[0][0], content=Content("Bis bald!", "de", purpose="reply"))

    run(60)

    texts = [entry["text"] for entry in provider.accepted]
    assert texts.index("Bis bald!") < 20
    assert len(texts) == 201


def test_values_of_a_reply_are_sealed_and_gone_after_sending(
    channel: Channel, provider: Provider
) -> None:
    ((address, _),) = make_people(channel, 1)
    content = Content("Antwort: {text}", "de", purpose="reply")
    reply(address=address, content=content, values={"text": "Ihr *Geheimnis*"})
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT d::text || s::text FROM messengers_delivery d, messengers_dispatch s"
        )
        stored = cursor.fetchone()[0]
    assert "Geheimnis" not in stored
    assert b"Geheimnis".hex() not in stored
    assert Delivery.objects.get().values_sealed is not None

    run(60)

    assert "Geheimnis" in str(provider.accepted[0]["text"])
    assert Delivery.objects.get().values_sealed is None


def test_a_reply_goes_out_after_a_withdrawal_but_not_after_erasure(
    channel: Channel, provider: Provider
) -> None:
    (stays, gate), (gone, _) = make_people(channel, 2)
    close_gates(gate_ids=[gate], reason=Gate.Reason.WITHDRAWN)
    farewell = reply(address=stays, content=Content("Auf Wiedersehen", "de", purpose="reply"))
    late = reply(address=gone, content=Content("Auf Wiedersehen", "de", purpose="reply"))
    shred_all(gone.subject)

    run(60)

    assert states(farewell) == {"accepted": 1}
    assert (states(late), causes(late)) == ({"suppressed": 1}, {"erased"})


def test_a_reply_that_waited_a_day_expires(channel: Channel, provider: Provider) -> None:
    ((address, _),) = make_people(channel, 1)
    dispatch = reply(address=address, content=make_content("Hallo"))
    Dispatch.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    run(60)

    dispatch.refresh_from_db()
    assert (states(dispatch), dispatch.status) == ({"expired": 1}, "expired")
    assert provider.accepted == []


# --- Gates ---


def test_closed_gates_are_suppressed_with_their_reason(
    channel: Channel, provider: Provider
) -> None:
    people = make_people(channel, 10)
    dispatch = make_dispatch(gates_of(people))
    close_gates(gate_ids=[people[3][1]], reason=Gate.Reason.WITHDRAWN)
    close_gates(gate_ids=[people[4][1]], reason=Gate.Reason.OBJECTED)
    Gate.objects.filter(id=people[5][1]).delete()

    run(60)

    assert states(dispatch) == {"accepted": 7, "suppressed": 3}
    assert causes(dispatch) == {"", "withdrawn", "objected", "erased"}
    assert len(provider.accepted) == 7
    assert counts(dispatch.id)["suppressed"] == 3


def test_a_gate_that_is_being_closed_stays_queued_until_that_is_decided(
    channel: Channel, provider: Provider
) -> None:
    people = make_people(channel, 3)
    dispatch = make_dispatch(gates_of(people))
    closing, may_commit = threading.Event(), threading.Event()

    def close_slowly() -> None:
        from django.db import transaction

        with transaction.atomic():
            close_gates(gate_ids=[people[1][1]], reason=Gate.Reason.WITHDRAWN)
            closing.set()
            may_commit.wait(10)
        connection.close()

    thread = threading.Thread(target=close_slowly)
    thread.start()
    closing.wait(10)
    worker = threading.Thread(target=lambda: (run(60), connection.close()))
    worker.start()
    wait_until(lambda: states(dispatch).get("accepted") == 2)
    assert states(dispatch) == {"accepted": 2, "queued": 1}
    may_commit.set()
    thread.join()
    worker.join()

    assert states(dispatch) == {"accepted": 2, "suppressed": 1}
    assert len(provider.accepted) == 2


# --- Answers ---


def test_an_address_that_does_not_exist_fails_and_closes_its_gate(channel: Channel) -> None:
    (good, bad) = people = make_people(channel, 2)
    rewrite_address(bad[0], "+491700000404")
    dispatch = make_dispatch(gates_of(people))

    run(60)

    assert states(dispatch) == {"accepted": 1, "failed": 1}
    assert causes(dispatch) == {"", "permanent_recipient"}
    assert Gate.objects.get(id=bad[1]).reason == Gate.Reason.HARD_BOUNCE
    assert Gate.objects.get(id=good[1]).is_open


def test_somebody_who_blocked_us_is_withdrawn_through_the_inbox(channel: Channel, settings) -> None:
    from messengers.inbox import handle_pending
    from tests.messengers import inbound_double as inbound

    inbound.forget()
    settings.INBOUND = "tests.messengers.inbound_double"
    ((address, gate),) = people = make_people(channel, 1)
    rewrite_address(address, "+491700000403")
    dispatch = make_dispatch(gates_of(people))

    run(60)
    assert (states(dispatch), causes(dispatch)) == ({"failed": 1}, {"opted_out"})
    assert Gate.objects.get(id=gate).reason == Gate.Reason.BLOCKED
    assert InboundEvent.objects.get().kind == InboundEvent.Kind.OPT_OUT
    handle_pending()

    assert inbound.withdrawn == ["+491700000403"]
    assert InboundEvent.objects.get().status == "handled"


def test_a_lost_answer_is_in_doubt_and_never_sent_again(
    channel: Channel, provider: Provider
) -> None:
    provider.faults = Faults(drop_after=1.0)
    dispatch = make_dispatch(gates_of(make_people(channel, 5)))

    run(60)
    provider.faults = Faults()
    run(60)
    sweep()
    run(60)

    assert states(dispatch) == {"in_doubt": 5}
    assert len(provider.accepted) == 5
    dispatch.refresh_from_db()
    assert dispatch.status == Dispatch.Status.FINISHED


def test_a_bare_500_leaves_it_open(channel: Channel, provider: Provider) -> None:
    provider.faults = Faults(server_error=1.0)
    dispatch = make_dispatch(gates_of(make_people(channel, 1)))

    run(60)

    assert (states(dispatch), causes(dispatch)) == ({"in_doubt": 1}, {"http_500"})


def test_throttling_pauses_the_channel_and_burns_no_attempt(
    channel: Channel, provider: Provider
) -> None:
    provider.faults = Faults(throttle=1.0)
    dispatch = make_dispatch(gates_of(make_people(channel, 20)))

    run(60)

    channel.refresh_from_db()
    assert states(dispatch) == {"queued": 20}
    assert set(Delivery.objects.values_list("attempts", flat=True)) == {0}
    assert channel.paused_why == "throttled"
    assert channel.paused_until > timezone.now() + timedelta(seconds=1)
    assert provider.accepted == []

    provider.faults = Faults()
    Channel.objects.update(paused_until=timezone.now())
    run(60)

    channel.refresh_from_db()
    assert states(dispatch) == {"accepted": 20}
    assert (channel.setbacks, channel.paused_why) == (0, "")


def test_an_unreachable_provider_costs_nobody_anything(provider: Provider) -> None:
    channel = make_channel(settings={"base_url": "http://127.0.0.1:9", "bulk": 1})
    dispatch = make_dispatch(gates_of(make_people(channel, 5)))

    run(60)

    channel.refresh_from_db()
    assert (states(dispatch), causes(dispatch)) == ({"queued": 5}, {"unreachable"})
    assert (channel.paused_why, channel.setbacks) == ("unreachable", 1)


def test_a_wrong_token_pauses_the_dispatch_and_blames_nobody(
    channel: Channel, provider: Provider
) -> None:
    from messengers.channels import change_channel

    change_channel(channel=channel, secrets={"token": "wrong"}, actor=SYSTEM)
    dispatch = make_dispatch(gates_of(make_people(channel, 5)))

    run(60)
    dispatch.refresh_from_db()
    assert (dispatch.status, dispatch.status_why) == ("paused", "auth_config")
    assert states(dispatch) == {"queued": 5}
    assert set(Delivery.objects.values_list("attempts", flat=True)) == {0}

    change_channel(channel=channel, secrets={"token": TOKEN}, actor=SYSTEM)
    Delivery.objects.update(next_at=None)
    Batch.objects.update(due_at=timezone.now())
    resume(dispatch.id)
    run(60)
    assert states(dispatch) == {"accepted": 5}


def test_many_doubts_in_a_row_pause_the_dispatch(channel: Channel, provider: Provider) -> None:
    provider.faults = Faults(server_error=1.0)
    dispatch = make_dispatch(gates_of(make_people(channel, 600)))

    run(60)

    dispatch.refresh_from_db()
    assert (dispatch.status, dispatch.status_why) == ("paused", "too_many_doubts")
    assert 20 <= states(dispatch)["in_doubt"] < 300
    assert sum(counts(dispatch.id).values()) == 600


# --- One person's trouble ---


def test_a_person_whose_text_cannot_be_made_does_not_stop_the_batch(
    channel: Channel, provider: Provider
) -> None:
    people = make_people(channel, 4)
    rename(people[2][0], "x" * 5000)
    dispatch = make_dispatch(gates_of(people), content=make_content("{first_name|Leserin}"))

    run(60)

    assert states(dispatch) == {"accepted": 3, "failed": 1}
    assert causes(dispatch) == {"", "render_too_long"}


def test_a_destroyed_key_is_suppressed_as_erased(channel: Channel, provider: Provider) -> None:
    people = make_people(channel, 3)
    dispatch = make_dispatch(gates_of(people))
    shred_all(people[1][0].subject)

    run(60)

    assert states(dispatch) == {"accepted": 2, "suppressed": 1}
    assert causes(dispatch) == {"", "erased"}


@pytest.mark.parametrize(
    "why",
    [
        KeystoreDown("the database of keys does not answer."),
        ImproperlyConfigured("The file of the epochs can be read by everybody."),
    ],
)
def test_without_keys_everything_waits(
    channel: Channel, provider: Provider, monkeypatch, why: Exception
) -> None:
    dispatch = make_dispatch(gates_of(make_people(channel, 3)))

    def down(*args: object, **how: object) -> None:
        raise why

    monkeypatch.setattr("messengers.engine.claim.KeyRing.of", down)
    run(60)
    assert states(dispatch) == {"queued": 3}
    assert Batch.objects.get().due_at > timezone.now() + timedelta(seconds=5)

    monkeypatch.undo()
    Batch.objects.update(due_at=timezone.now())
    run(60)
    assert states(dispatch) == {"accepted": 3}


# --- Pausing, ending, repeating ---


def test_a_paused_dispatch_waits_and_goes_on(channel: Channel, provider: Provider) -> None:
    dispatch = make_dispatch(gates_of(make_people(channel, 3)))

    assert pause(dispatch.id, "editor")
    assert not pause(dispatch.id, "editor")
    run(60)
    assert states(dispatch) == {"queued": 3}
    assert resume(dispatch.id)
    assert not resume(dispatch.id)
    run(60)

    assert states(dispatch) == {"accepted": 3}


def test_a_cancelled_dispatch_never_leaves(channel: Channel, provider: Provider) -> None:
    dispatch = make_dispatch(gates_of(make_people(channel, 300)))

    assert cancel(dispatch.id)
    assert not cancel(dispatch.id)
    run(60)

    assert states(dispatch) == {"cancelled": 300}
    assert counts(dispatch.id)["cancelled"] == 300
    assert provider.accepted == []


def test_cancelling_in_the_middle_marks_exactly_what_did_not_leave(
    channel: Channel, provider: Provider
) -> None:
    provider.faults = Faults(latency=0.05)
    dispatch = make_dispatch(gates_of(make_people(channel, 600)))
    worker = threading.Thread(target=lambda: (run(60), connection.close()))
    worker.start()
    wait_until(lambda: len(provider.accepted) > 50)

    cancel(dispatch.id)
    worker.join()

    found = states(dispatch)
    assert set(found) == {"accepted", "cancelled"}
    assert found["accepted"] == len(provider.accepted) < 600
    assert found["accepted"] + found["cancelled"] == 600
    assert counts(dispatch.id)["cancelled"] == found["cancelled"]


def test_what_failed_can_be_tried_again(channel: Channel, provider: Provider) -> None:
    people = make_people(channel, 3)
    dispatch = make_dispatch(gates_of(people))
    run(60)
    Delivery.objects.filter(position=1).update(status="failed", cause="temporary", attempts=8)
    Delivery.objects.filter(position=2).update(status="failed", cause="permanent_recipient")

    assert retry_failed(dispatch.id) == 1
    assert retry_failed(dispatch.id) == 0
    run(60)

    dispatch.refresh_from_db()
    assert states(dispatch) == {"accepted": 2, "failed": 1}
    assert dispatch.status == Dispatch.Status.FINISHED
    assert len(provider.accepted) == 4


def test_a_stopped_channel_sends_nothing(channel: Channel, provider: Provider) -> None:
    from messengers.channels import start_channel, stop_channel

    dispatch = make_dispatch(gates_of(make_people(channel, 3)))
    stop_channel(channel=channel, actor=SYSTEM)
    run(60)
    assert (states(dispatch), provider.accepted) == ({"queued": 3}, [])

    start_channel(channel=channel, actor=SYSTEM)
    run(60)
    assert states(dispatch) == {"accepted": 3}


def test_the_deadline_ends_a_run_and_loses_nothing(channel: Channel, provider: Provider) -> None:
    provider.faults = Faults(latency=0.05)
    dispatch = make_dispatch(gates_of(make_people(channel, 800)))

    run(0.2)
    found = states(dispatch)
    assert set(found) == {"accepted", "queued"}
    assert len(provider.accepted) == found["accepted"]
    run(30)

    assert states(dispatch) == {"accepted": 800}
    assert len(provider.accepted) == 800


def test_a_stop_from_the_parent_ends_a_forked_worker_cleanly(
    channel: Channel, provider: Provider
) -> None:
    provider.faults = Faults(latency=0.05)
    dispatch = make_dispatch(gates_of(make_people(channel, 2000)))
    connections.close_all()
    child = multiprocessing.get_context("fork").Process(target=run, args=(60,))
    child.start()
    wait_until(lambda: len(provider.accepted) > 50)

    stopping.stop()
    child.join(15)
    stopping.forget()

    assert child.exitcode == 0
    found = states(dispatch)
    assert set(found) == {"accepted", "queued"}
    assert found["accepted"] == len(provider.accepted) < 2000


def test_a_channel_that_cannot_be_used_does_not_stop_the_others(
    channel: Channel, provider: Provider
) -> None:
    broken = make_channel()
    waits = make_dispatch(gates_of(make_people(broken, 2)))
    goes = make_dispatch(gates_of(make_people(channel, 2)))
    Channel.objects.filter(id=broken.id).update(secrets_sealed=b"no seal of ours")

    run(60)

    broken.refresh_from_db()
    assert (states(waits), states(goes)) == ({"queued": 2}, {"accepted": 2})
    assert broken.paused_why == "auth_config"


def test_a_picture_is_uploaded_once(
    channel: Channel, provider: Provider, settings, tmp_path
) -> None:
    settings.JAWORT_MEDIA_DIR = tmp_path
    key = media.store(b"\x89PNG picture", "image/png")
    content = Content("Bild", "de", image=Image(key, "Ein Bild", "image/png"))
    dispatch = make_dispatch(gates_of(make_people(channel, 300)), content=content)

    run(60)

    dispatch.refresh_from_db()
    assert states(dispatch) == {"accepted": 300}
    assert dispatch.prepared == {str(channel.id): {"media": "media-12"}}
    wire: Any = provider.accepted[0]["wire"]
    assert wire["media"] == "media-12"
    assert provider.requests == 301


def test_a_missing_picture_fails_visibly(channel: Channel, provider: Provider) -> None:
    content = Content("Bild", "de", image=Image("0" * 32 + ".png", "Ein Bild", "image/png"))
    dispatch = make_dispatch(gates_of(make_people(channel, 2)), content=content)

    run(60)

    assert (states(dispatch), causes(dispatch)) == ({"failed": 2}, {"render"})


# --- Workers that die ---


def test_a_dead_workers_positions_are_in_doubt_and_no_others(channel: Channel) -> None:
    dispatch = make_dispatch(gates_of(make_people(channel, 5)))
    die_with_on_wire(Batch.objects.get(), [1, 3])

    assert counts(dispatch.id)["sending"] == 2
    assert sum(counts(dispatch.id).values()) == 5
    assert sweep()["leases"] == 1
    assert states(dispatch) == {"in_doubt": 2, "queued": 3}
    assert causes(dispatch) == {"", "worker_lost"}
    assert sweep()["leases"] == 0
    run(60)

    assert states(dispatch) == {"in_doubt": 2, "accepted": 3}


def test_a_live_lease_is_left_alone(channel: Channel) -> None:
    make_dispatch(gates_of(make_people(channel, 2)))
    die_with_on_wire(Batch.objects.get(), [0], ended=False)

    assert sweep()["leases"] == 0


def test_a_clock_that_was_set_back_holds_nobody_up_for_long(channel: Channel) -> None:
    """Then the leases of the dead lie hours ahead; those of the living are renewed anyway."""
    dispatch = make_dispatch(gates_of(make_people(channel, 3)))
    die_with_on_wire(Batch.objects.get(), [1], ended=False)
    Batch.objects.update(lease_until=timezone.now() + timedelta(hours=2))

    assert sweep()["leases"] == 0
    assert Batch.objects.get().lease_until < timezone.now() + timedelta(minutes=6)
    Batch.objects.update(lease_until=timezone.now() - timedelta(seconds=1))

    assert sweep()["leases"] == 1
    assert states(dispatch) == {"queued": 2, "in_doubt": 1}


def test_a_batch_that_kills_its_workers_fails_at_last(channel: Channel) -> None:
    dispatch = make_dispatch(gates_of(make_people(channel, 2)))
    for _ in range(8):
        die_with_on_wire(Batch.objects.get(), [])
        sweep()

    assert (states(dispatch), causes(dispatch)) == ({"failed": 2}, {"poison"})
    assert Batch.objects.get().status == "done"


def test_a_late_answer_is_evidence(channel: Channel, provider: Provider) -> None:
    provider.faults = Faults(latency=1.0)
    dispatch = make_dispatch(gates_of(make_people(channel, 3)))
    worker = threading.Thread(target=lambda: (run(60), connection.close()))
    worker.start()
    wait_until(lambda: len(provider.accepted) == 3)

    # Somebody believes that the worker died, and takes its batch away.
    Batch.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    sweep()
    assert states(dispatch) == {"in_doubt": 3}
    worker.join()

    assert states(dispatch) == {"accepted": 3}
    assert len(provider.accepted) == 3
    assert counts(dispatch.id)["accepted"] == 3


def test_after_a_very_slow_commit_nothing_is_sent(
    channel: Channel, provider: Provider, monkeypatch
) -> None:
    """Its lease might end before the call does."""
    dispatch = make_dispatch(gates_of(make_people(channel, 3)))
    monkeypatch.setattr("messengers.engine.lines.LEASE_SLACK", 0.0)

    run(0.5)

    assert (states(dispatch), provider.accepted) == ({"queued": 3}, [])
    assert set(Delivery.objects.values_list("attempts", flat=True)) == {0}
    assert Batch.objects.get().status == "waiting"

    monkeypatch.undo()
    run(60)
    assert states(dispatch) == {"accepted": 3}


# --- Copies of this database ---


def test_a_copied_database_sends_nothing_until_somebody_says_so(
    channel: Channel, provider: Provider
) -> None:
    dispatch = make_dispatch(gates_of(make_people(channel, 2)))
    instance.current()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE messengers_instance SET epoch = gen_random_uuid()")

    with pytest.raises(NotTheSameInstance):
        instance.current()
    assert run(60) == 0
    assert states(dispatch) == {"queued": 2}

    instance.activate(SYSTEM)
    run(60)
    assert states(dispatch) == {"accepted": 2}


def test_activation_elsewhere_stops_a_running_worker(channel: Channel, provider: Provider) -> None:
    provider.faults = Faults(latency=0.1)
    dispatch = make_dispatch(gates_of(make_people(channel, 800)))
    worker = threading.Thread(target=lambda: (run(60), connection.close()))
    worker.start()
    wait_until(lambda: len(provider.accepted) > 50)

    with connection.cursor() as cursor:
        cursor.execute("UPDATE messengers_instance SET epoch = gen_random_uuid()")
    worker.join()

    found = states(dispatch)
    assert found["accepted"] == len(provider.accepted) < 800
    assert found["queued"] == 800 - found["accepted"]


def test_activating_holds_running_broadcasts(channel: Channel) -> None:
    from django.core.management import call_command

    dispatch = make_dispatch(gates_of(make_people(channel, 2)))
    instance.current()

    call_command("activate", verbosity=0)

    dispatch.refresh_from_db()
    assert (dispatch.status, dispatch.status_why) == ("paused", "restored")
    instance.current()


# --- Tools ---


def wait_until(condition, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.005)


def die_with_on_wire(batch: Batch, positions: list[int], ended: bool = True) -> None:
    """What a worker leaves behind that was killed after its commit."""
    lease = timezone.now() + timedelta(seconds=-1 if ended else 60)
    Batch.objects.filter(id=batch.id).update(
        status="working", lease_until=lease, on_wire=positions, token=1
    )


def rewrite_address(address, canonical: str) -> None:
    from privacy.vault import Where, seal

    where = Where("messengers_address", "sealed", address.id)
    address.sealed = seal(address.subject, "ops", where, canonical.encode())
    address.save()


def rename(address, name: str) -> None:
    from messengers.addresses import Profile, set_profile

    set_profile(address, Profile(name))
    assert phone(1)


def test_a_batch_that_waits_for_a_slow_answer_is_not_written_with_the_others() -> None:
    def batch(number: int, **facts: Any) -> OpenBatch:
        made = OpenBatch(number, uuid7(), uuid7(), 0, number, **({"renew_at": math.inf} | facts))
        made.wire[0] = person
        return made

    person = Recipient(0, 1, None, 0)
    slow, chosen, answered = batch(1), batch(2), batch(3)
    answered.results.append(Result(person, Verdict("accepted")))
    drained, due, fenced = batch(4), batch(5, renew_at=0.0), batch(6, is_fenced=True)
    drained.wire.clear()
    fenced.results.append(Result(person, Verdict("accepted")))
    worker = Worker(uuid7(), 0.0)
    worker.batches = [slow, chosen, answered, drained, due, fenced]
    request = HttpRequest("POST", "http://127.0.0.1:9")

    assert worker._concerned([Intent(chosen, person, request)]) == [chosen, answered, drained, due]


def test_what_a_failed_commit_said_of_a_batch_is_said_again(monkeypatch) -> None:
    """Perhaps it was committed: then the row names people on the wire who were never called."""
    batch: Any = OpenBatch(1, uuid7(), uuid7(), 0, 1)
    batch.line = Mock(pace=Pace())
    batch.wire[0] = Recipient(0, 1, None, 0)
    worker = Worker(uuid7(), math.inf)
    worker.batches = [batch]

    def broken(**_: object) -> None:
        batch.renew_at = math.inf  # as the commit does, before it fails
        raise OperationalError

    monkeypatch.setattr("messengers.engine.worker.engine_transaction", broken)
    with pytest.raises(OperationalError):
        worker._commit()

    assert worker._concerned([]) == [batch]
