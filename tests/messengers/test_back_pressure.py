"""Providers that ask us to slow down: read alike for all of them, and obeyed over real HTTP."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any, ClassVar

import orjson
import pytest
from django.utils import timezone

from messengers import engine
from messengers.adapters.simulator import Simulator
from messengers.back_pressure import META_LIMITS, meta_refusal, seconds, wait_of
from messengers.contract import Answer, HttpResponse, Reason, Response
from messengers.engine.pace import FIRST
from messengers.models import Channel, Delivery, Dispatch
from messengers.registry import ADAPTERS
from tests.messengers.house import make_channel, make_dispatch, make_people, states

STORM = FIRST + 4  # refusals: a first burst, and some that are sent to find out whether it is over
# What each of them really answers, shortened: status, headers, body, seconds.
RECORDED: list[tuple[int, dict[str, str], dict[str, Any], float]] = [
    (
        429,
        {"retry-after": "35"},
        {"ok": False, "error_code": 429, "parameters": {"retry_after": 35}},
        35.0,
    ),
    (429, {}, {"ok": False, "error_code": 429, "parameters": {"retry_after": 7}}, 7.0),
    (429, {}, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 2500}, 2.5),
    (
        400,
        {
            "x-business-use-case-usage": '{"1":[{"type":"whatsapp",'
            '"estimated_time_to_regain_access":3}],"2":[{"estimated_time_to_regain_access":9}]}'
        },
        {"error": {"code": 80007, "message": "limit"}},
        540.0,
    ),
    (429, {"retry-after": "1.5"}, {"ok": False, "error": "ratelimited"}, 1.5),
]


def response(status: int, headers: dict[str, str], body: Any) -> HttpResponse:
    return HttpResponse(status, headers, orjson.dumps(body))


@pytest.mark.parametrize(("status", "headers", "body", "wait"), RECORDED)
def test_the_time_is_read_wherever_a_provider_writes_it(status, headers, body, wait) -> None:
    assert wait_of(response(status, headers, body)) == wait


def test_a_date_is_meant_by_the_providers_own_clock() -> None:
    """Ours may be wrong by hours: the answer's own Date says from when to count."""
    then = datetime(2031, 5, 1, 12, 0, tzinfo=UTC)
    headers = {
        "date": format_datetime(then, usegmt=True),
        "retry-after": format_datetime(then + timedelta(seconds=90), usegmt=True),
    }

    assert wait_of(response(503, headers, {})) == 90
    assert seconds(headers["date"], since=headers["retry-after"]) == 0.0
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 27 <= (seconds(soon) or 0) <= 30


@pytest.mark.parametrize(
    "value", ["", "soon", "-5", "1e9", "nan", "inf", True, None, [], "Wed, 99 Foo 2026", {"a": 1}]
)
def test_what_is_no_time_is_not_believed(value: object) -> None:
    assert seconds(value) is None
    assert wait_of(HttpResponse(429, {"x-business-use-case-usage": str(value)}, b"{")) is None
    assert wait_of(response(429, {}, {"parameters": value, "retry_after_ms": value})) is None
    assert wait_of(response(429, {}, value)) is None


@pytest.mark.parametrize(
    ("code", "scope", "wait", "stops"),
    [
        (130429, "sender", None, False),
        (131056, "recipient", 6.0, False),
        (131048, "account", None, True),
        (131064, "account", None, True),
        (80007, "app", None, False),
        (4, "app", None, False),
    ],
)
def test_each_limit_of_meta_says_what_has_to_wait(code, scope, wait, stops) -> None:
    found = meta_refusal(response(400, {}, {"error": {"code": code}}))

    assert found is not None
    assert (found.reason, found.code) == (Reason.THROTTLED, str(code))
    assert (found.scope, found.retry_after, found.stops) == (scope, wait, stops)


@pytest.mark.parametrize("body", [{"error": {"code": 190}}, {"error": "4"}, {"code": 4}, [], None])
def test_what_is_about_something_else_is_left_to_the_adapter(body: Any) -> None:
    assert meta_refusal(response(400, {}, body)) is None


# --- Over HTTP ---


class MetaLike(Simulator):
    """Refuses as Meta's API does; the rest is the simulator's."""

    kind: ClassVar[str] = "metalike"

    def answer(self, response: Response) -> Answer:
        assert isinstance(response, HttpResponse)
        return meta_refusal(response) or super().answer(response)


class Script:
    """What a provider answers: the refusals of its list first, then yes."""

    def __init__(self, *refusals: tuple[int, dict[str, str], Any]) -> None:
        self.refusals = list(refusals)
        self.asked: list[str] = []
        self.lock = threading.Lock()

    def next(self, to: str) -> tuple[int, dict[str, str], Any]:
        with self.lock:
            self.asked.append(to)
            if self.refusals:
                return self.refusals.pop(0)
            return 201, {}, {"id": f"yes-{len(self.asked)}"}


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # a whole window may connect at once


@contextmanager
def serving(script: Script) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = orjson.loads(self.rfile.read(int(self.headers["content-length"])))
            status, headers, answer = script.next(body["to"])
            data = orjson.dumps(answer)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_args: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def metalike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ADAPTERS, MetaLike.kind, MetaLike)


def channel_at(url: str, **facts: Any) -> Channel:
    settings = {"base_url": url, "bulk": 1} | facts.pop("settings", {})
    return make_channel(settings=settings, **facts)


def refusal(code: int, **headers: str) -> tuple[int, dict[str, str], Any]:
    return 400, headers, {"error": {"code": code, "message": "limit"}}


def until_of(channel: Channel) -> float:
    """How many seconds the channel still rests."""
    channel.refresh_from_db()
    if channel.paused_until is None:
        return 0.0
    return (channel.paused_until - timezone.now()).total_seconds()


def wake(channel: Channel) -> None:
    Channel.objects.filter(id=channel.id).update(paused_until=timezone.now())


def wake_people() -> None:
    from messengers.models import Batch

    Delivery.objects.filter(status="queued").update(next_at=None)
    Batch.objects.filter(status="waiting").update(due_at=timezone.now())


@pytest.mark.django_db(transaction=True)
class TestScopes:
    """One broadcast to three people, whose provider refuses first."""

    def play(
        self, script: Script, kind: str = "metalike", **facts: Any
    ) -> tuple[Channel, Dispatch]:
        with serving(script) as url:
            channel = channel_at(url, kind=kind, **facts)
            self.others = self.neighbours(url, channel)
            people = make_people(channel, 3)
            dispatch = make_dispatch([gate for _, gate in people])
            engine.run(5)
            self.after_first = states(dispatch)
            self.dispatch_then = Dispatch.objects.get(id=dispatch.id)
            self.rest = until_of(channel)
            self.rests = [until_of(other) for other in self.others]
            wake(channel)
            wake_people()
            engine.run(5)
        return channel, dispatch

    def neighbours(self, url: str, channel: Channel) -> list[Channel]:
        """Same app, another app, and the same name of an app at another provider."""
        apps = [("metalike", "one"), ("metalike", "two"), ("simulator", "one")]
        return [channel_at(url, kind=kind, settings={"app": app}) for kind, app in apps]

    def finished(self, dispatch: Dispatch) -> bool:
        attempts = set(
            Delivery.objects.filter(dispatch=dispatch).values_list("attempts", flat=True)
        )
        return states(dispatch) == {"accepted": 3} and attempts == {1}

    def test_a_sender_rests_as_a_whole_and_nobody_pays(self, metalike) -> None:
        script = Script(*[refusal(130429)] * 3)

        channel, dispatch = self.play(script)

        assert self.after_first == {"queued": 3}
        assert 0 < self.rest <= 5
        assert self.rests == [0.0, 0.0, 0.0]
        assert self.finished(dispatch)
        channel.refresh_from_db()
        assert (channel.setbacks, channel.paused_why) == (0, "")

    def test_one_person_waits_alone(self, metalike) -> None:
        script = Script(refusal(131056))

        _channel, dispatch = self.play(script)

        assert self.after_first == {"queued": 1, "accepted": 2}
        assert self.rest == 0
        assert self.finished(dispatch)

    def test_an_app_rests_with_all_its_accounts_at_this_provider(self, metalike) -> None:
        usage = '{"1":[{"estimated_time_to_regain_access":1}]}'
        script = Script(*[refusal(80007, **{"X-Business-Use-Case-Usage": usage})] * 3)

        _channel, dispatch = self.play(script, settings={"app": "one"})

        assert 55 < self.rest <= 75.0
        assert 55 < self.rests[0] <= 75.0
        assert self.rests[1:] == [0.0, 0.0]
        assert self.finished(dispatch)

    def test_a_limit_that_no_waiting_mends_stops_the_broadcast(self, metalike) -> None:
        script = Script(*[refusal(131048)] * 3)

        _channel, dispatch = self.play(script)

        assert self.after_first == {"queued": 3}
        assert (self.dispatch_then.status, self.dispatch_then.status_why) == (
            "paused",
            "limit_reached",
        )
        assert self.rest == 0  # replies go on
        assert set(Delivery.objects.values_list("attempts", flat=True)) == {0}
        assert states(dispatch) == {"queued": 3}

    def test_the_simulators_own_words_for_it(self) -> None:
        refused = (429, {"Retry-After": "40"}, {"error": {"code": "app_busy"}})
        script = Script(*[refused] * 3)

        _channel, dispatch = self.play(script, kind="simulator", settings={"app": "one"})

        assert 35 < self.rest <= 50
        assert self.rests[:2] == [0.0, 0.0]
        assert 35 < self.rests[2] <= 50
        assert self.finished(dispatch)


@pytest.mark.django_db(transaction=True)
def test_a_storm_of_429_costs_one_channel_time_and_nobody_else_anything() -> None:
    storm = Script(*[(429, {"Retry-After": "60"}, {"error": {"code": "too_many"}})] * STORM)
    with serving(storm) as stormy, serving(Script()) as calm:
        first, second = channel_at(stormy), channel_at(calm)
        troubled = make_dispatch([gate for _, gate in make_people(first, 60)])
        fine = make_dispatch([gate for _, gate in make_people(second, 60, first=60)])
        asked = []
        while True:
            engine.run(5)
            if not storm.refusals:  # of two that were sent the other one may have been accepted
                break
            asked.append(len(storm.asked))
            assert states(troubled) == {"queued": 60}
            assert 60 <= until_of(first) + 1 <= 76
            wake(first)
        wake(first)
        engine.run(5)

    assert states(fine) == {"accepted": 60}
    assert states(troubled) == {"accepted": 60}
    attempts = Delivery.objects.filter(dispatch=troubled).values_list("attempts", flat=True)
    assert set(attempts) == {1}
    assert len(storm.asked) == 60 + STORM
    # After the first burst the channel was tried with one message and the next, not with a window.
    assert 2 < asked[0] <= FIRST
    assert all(later - sooner <= 2 for sooner, later in pairwise(asked))


@pytest.mark.django_db(transaction=True)
def test_what_was_accepted_before_does_not_end_the_pause() -> None:
    """Or one late answer would undo the Retry-After of another."""
    from messengers.engine.effects import RECOVER, pause_channel
    from messengers.sql import run

    channel = make_channel()
    pause_channel(channel.id, "throttled", 60.0)

    assert run(RECOVER, [channel.id]) == 0
    assert until_of(channel) > 50
    wake(channel)
    assert run(RECOVER, [channel.id]) == 1
    channel.refresh_from_db()
    assert (channel.setbacks, channel.paused_until) == (0, None)


def test_every_limit_in_the_table_has_been_read() -> None:
    assert set(META_LIMITS) == {4, 80007, 130429, 131056, 131048, 131064}
