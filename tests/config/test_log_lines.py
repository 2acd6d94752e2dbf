"""Which request a line belongs to, sums instead of a line per hook, and no key that gets lost."""

import ast
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.contextvars import clear_contextvars, get_contextvars

from config.logs import ALLOWED_KEYS, JsonFormatter, configure
from config.request_ids import HEADER, _begin, _end
from messengers import tally
from messengers.tally import EVERY_SECONDS, Tally

PROJECT = Path(__file__).resolve().parents[2]
ROOMS = ("config", "broadcasts", "subscriptions", "messengers", "privacy")
LEVELS = frozenset({"debug", "info", "warning", "error", "exception", "critical"})


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """Every line that is written meanwhile."""
    written: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(JsonFormatter().format(record))

    handler = Keep()
    logging.getLogger().addHandler(handler)
    configure()
    yield written
    logging.getLogger().removeHandler(handler)
    clear_contextvars()


@pytest.mark.django_db
def test_lines_of_a_request_share_the_id_that_the_answer_carries(client, lines):
    answer = client.get("/no-such-page")

    told = [json.loads(line) for line in lines]
    assert {line.get("request_id") for line in told} == {answer.headers[HEADER]}
    assert told
    assert client.get("/livez").headers[HEADER] != answer.headers[HEADER]
    assert get_contextvars() == {}


@pytest.mark.parametrize(
    ("given", "proxies", "is_taken"),
    [
        ("0123456789abcdef", 1, True),
        ("01234567-89ab-cdef-0123-456789abcdef", 1, True),
        ("0123456789abcdef", 0, False),
        ("4917604069001", 1, False),  # a telephone number is shorter
        ("anna@example.org", 1, False),
        ("0123456789abcdef\n{", 1, False),
    ],
)
def test_only_a_proxys_own_id_is_taken_over(client, settings, given, proxies, is_taken):
    settings.JAWORT_PROXIES = proxies

    answer = client.get("/livez", headers={HEADER: given})

    assert (answer.headers[HEADER] == given) is is_taken


def test_lines_of_a_task_name_it(lines):
    class Task:
        name = "messengers.tasks.sweep"

    _begin("0001", Task())
    logging.getLogger("kombu").warning("Gone: %s", "secret")
    _end()

    told = json.loads(lines[-1])
    assert (told["task"], told["task_id"], told["event"]) == (Task.name, "0001", "Gone: %s")
    assert get_contextvars() == {}


def test_a_thousand_hooks_are_a_line_and_its_sums(lines, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(tally.time, "monotonic", lambda: now)
    hooks = Tally("hooks")
    for number in range(1000):
        hooks.add(now - 0.5, ok=number % 10 != 0, refused=number % 10 == 0)
    assert len(lines) == 1  # the first is told at once

    now += EVERY_SECONDS
    hooks.add(now - 2, ok=1)

    told = json.loads(lines[1])
    sums = {name: told[name] for name in ("event", "count", "ok", "refused", "seconds", "slowest")}
    assert sums == {
        "event": "hooks",
        "count": 1000,
        "ok": 901,
        "refused": 99,
        "seconds": 501.5,
        "slowest": 2.0,
    }


def test_no_line_of_ours_has_a_key_that_is_left_out():
    """The list of keys keeps identifiers out; it must not silently eat what we want to know."""
    lost = [
        f"{file.relative_to(PROJECT)}:{call.lineno} {keyword.arg}"
        for room in ROOMS
        for file in (PROJECT / room).rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and is_log_call(call)
        for keyword in call.keywords
        if keyword.arg and keyword.arg not in ALLOWED_KEYS | {"exc_info"}
    ]

    assert lost == []


def is_log_call(call: ast.Call) -> bool:
    function = call.func
    return (
        isinstance(function, ast.Attribute)
        and function.attr in LEVELS
        and isinstance(function.value, ast.Name)
        and function.value.id == "log"
    )
