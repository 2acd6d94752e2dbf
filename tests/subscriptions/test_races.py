"""Two at once, on two real connections: whatever the order, the outcome is an honest one."""

import threading
import time
from collections.abc import Callable

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from messengers.addresses import find_address
from messengers.gates import close_gates
from messengers.models import Address, Gate
from privacy.access import Actor
from subscriptions.actions import ask_by_form, confirm_opt_in, withdraw
from subscriptions.conversation import Incoming, answer
from subscriptions.errors import OptInGone
from subscriptions.imports import approve_import, check_import, load_import
from subscriptions.models import ConsentRecord, ContactCap, OptIn, Subscription

from .conftest import MAIL, OTHER_PHONE, PHONE, make_staff

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 8


def at_once(*acts: Callable[[], object]) -> list[object]:
    """Run all acts, each in a thread with its own connection, from the same moment on."""
    barrier = threading.Barrier(len(acts))
    results: list[object] = [None] * len(acts)

    def run(number: int, act: Callable[[], object]) -> None:
        connection.ensure_connection()
        barrier.wait()
        try:
            results[number] = act()
        except Exception as error:
            results[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(n, act)) for n, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def incoming(chat, text):
    return Incoming(channel=chat, canonical=PHONE, text=text, at=timezone.now(), ref="m")


def stop(chat):
    return lambda: withdraw(
        address=find_address(chat, PHONE), method="keyword", event_at=timezone.now(), evidence={}
    )


def test_two_confirmations_at_once_make_one_subscription_and_one_proof(say, chat):
    for _ in range(ROUNDS):
        say("START")
        opt_in = OptIn.objects.get()

        def confirm(opt_in=opt_in):
            return confirm_opt_in(
                opt_in=opt_in, method="reply", event_at=timezone.now(), evidence={}
            )

        results = at_once(confirm, confirm)

        assert sorted(type(one).__name__ for one in results) == ["OptInGone", "Subscription"]
        assert Subscription.objects.filter(status="confirmed").count() == 1
        given = ConsentRecord.objects.filter(state__in=["given", "renewed"]).count()
        withdrawn = ConsentRecord.objects.filter(state="withdrawn").count()
        assert given == withdrawn + 1
        stop(chat)()
        ContactCap.objects.all().delete()


def test_yes_and_stop_at_once_end_in_a_state_that_one_order_explains(say, chat):
    for _ in range(ROUNDS):
        say("START")
        opt_in = OptIn.objects.get()

        def confirm(opt_in=opt_in):
            return confirm_opt_in(
                opt_in=opt_in, method="reply", event_at=timezone.now(), evidence={}
            )

        confirmed, stopped = at_once(confirm, stop(chat))

        assert isinstance(stopped, list), stopped
        reached = Gate.objects.filter(is_open=True).count()
        if isinstance(confirmed, OptInGone):  # the stop came first, and took the question with it
            assert stopped == []
            assert reached == 0
        else:  # the yes came first, and the stop ended it
            assert len(stopped) == 1
            assert reached == 0
        assert OptIn.objects.count() == 0
        ContactCap.objects.all().delete()


CLAIM = "SELECT id FROM messengers_gate WHERE is_open ORDER BY id FOR SHARE SKIP LOCKED"


def test_no_gate_is_claimed_after_a_stop_has_been_committed(say, chat):
    for _ in range(ROUNDS):
        say("START")
        say("JA")
        ContactCap.objects.all().delete()
        gate = Gate.objects.get(is_open=True).pk
        stop_committed = threading.Event()
        claims: list[tuple[bool, bool]] = []

        def claim(stop_committed=stop_committed, claims=claims, gate=gate):
            until = time.monotonic() + 30
            while time.monotonic() < until:
                was_over = stop_committed.is_set()
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute(CLAIM)
                    claims.append((was_over, (gate,) in cursor.fetchall()))
                if was_over and len(claims) > 5:
                    return

        def end(stop_committed=stop_committed):
            ended = stop(chat)()
            stop_committed.set()
            return ended

        _, ended = at_once(claim, end)

        assert isinstance(ended, list)
        assert len(ended) == 1
        assert [taken for was_over, taken in claims if was_over and taken] == []
        assert any(was_over for was_over, _ in claims)


def test_an_intent_that_is_just_being_committed_makes_the_stop_wait(say, chat):
    say("START")
    say("JA")
    order: list[str] = []
    claimed, go_on = threading.Event(), threading.Event()

    def engine():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(CLAIM)
            assert len(cursor.fetchall()) == 1
            claimed.set()
            go_on.wait(30)
            order.append("intent committed")

    def person():
        claimed.wait(30)
        threading.Timer(0.3, go_on.set).start()
        stop(chat)()
        order.append("stop committed")

    assert at_once(engine, person) == [None, None]
    assert order == ["intent committed", "stop committed"]
    assert not Gate.objects.get().is_open


def test_two_first_messages_at_once_make_one_person_and_one_question(newsletter, chat):
    results = at_once(*[lambda: answer(incoming(chat, "START"))] * 3)

    assert [one for one in results if isinstance(one, Exception)] == []
    assert Address.objects.count() == 1
    assert OptIn.objects.count() == 1


def test_the_form_pressed_many_times_at_once_sends_one_mail(newsletter, mail):
    from messengers.models import Dispatch

    results = at_once(
        *[lambda: ask_by_form(newsletter=newsletter, channel=mail, identifier=MAIL, language="de")]
        * 4
    )

    assert [one for one in results if isinstance(one, Exception)] == []
    assert Dispatch.objects.count() == 1


BLOCKED_BY_US = """
    SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"""


def test_an_approval_and_a_stop_do_not_wait_for_each_other(newsletter, chat):
    head = "Telefon;Einwilligung am;Quelle\r\n"
    people = "".join(f"{phone};03.05.2024;Leserfest\r\n" for phone in (PHONE, OTHER_PHONE))
    uploader, officer = Actor.staff(make_staff("publisher")), Actor.staff(make_staff("dpo"))
    imported = check_import(
        newsletter=newsletter, channel=chat, content=(head + people).encode(), actor=uploader
    )
    load_import(imported=imported, actor=uploader)
    leaving = Subscription.objects.get(address=find_address(chat, PHONE))
    has_gate = threading.Event()

    def approve():
        has_gate.wait(30)
        return approve_import(imported=imported, actor=officer)

    def person():
        with transaction.atomic():
            close_gates(gate_ids=[leaving.pk], reason="withdrawn")
            has_gate.set()
            wait_until_somebody_waits_for_us()
            return stop(chat)()

    approved, stopped = at_once(approve, person)

    assert [approved, stopped] == [1, [leaving]]
    leaving.refresh_from_db()
    assert leaving.status == "withdrawn"
    assert not Gate.objects.get(pk=leaving.pk).is_open
    assert ConsentRecord.objects.filter(subscription=leaving.pk).latest("id").state == "withdrawn"


def wait_until_somebody_waits_for_us():
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        with connection.cursor() as cursor:
            cursor.execute(BLOCKED_BY_US)
            if cursor.fetchone():
                return
        time.sleep(0.01)
    raise AssertionError("Nobody waits for a lock of ours.")
