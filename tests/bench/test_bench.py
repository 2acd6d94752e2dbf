"""Each tool of the bench does what its figures rest on; a few hundred messages are enough for that.

The figures themselves are in docs/performance.md.
"""

import json
import os
import shutil
import time
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest

from messengers.channels import adapter_of
from messengers.contract import HttpRequest, HttpResponse
from messengers.models import Channel
from messengers.transports.http import HttpTransport
from tests.bench import checks, engine, head_of_line
from tests.bench.hooks import Load, texts, write
from tests.bench.pipeline import Bench
from tests.bench.report import Report
from tests.bench.sampling import by_stage, flame_graph, folded_lines, sampled
from tests.bench.sink import NoCompiler, Sink, built
from tests.bench.stages import sampled_engine
from tests.bench.strawman import bare_client, straw_man
from tests.bench.world import make_channel, states

MESSAGES = 200

needs_compiler = pytest.mark.skipif(
    shutil.which(os.environ.get("CC", "cc")) is None, reason="the bench needs a C compiler"
)


def calls(sink: Sink, number: int) -> tuple[list[HttpResponse], float]:
    """`number` calls at once: (their answers, how many seconds the last one took)."""
    transport = HttpTransport(ca_file=sink.ca_file)
    request = HttpRequest("POST", f"{sink.url}/api/messages", (), b'{"to": "+49"}')
    began = time.monotonic()
    for index in range(number):
        transport.submit(index, request, 20.0)
    answers: list[HttpResponse] = []
    while transport.in_flight:
        for _, answer in transport.poll(1.0):
            assert isinstance(answer, HttpResponse)
            answers.append(answer)
    transport.close()
    return answers, time.monotonic() - began


@needs_compiler
def test_the_provider_gives_each_call_an_id_of_its_own_and_counts_them():
    with Sink() as sink:
        answers, _ = calls(sink, 50)
        told = sink.stats()

    assert [answer.status for answer in answers] == [201] * 50
    assert len({json.loads(answer.body)["id"] for answer in answers}) == 50
    assert (told["calls"], told["refused"]) == (50, 0)


@needs_compiler
def test_the_provider_is_as_late_and_as_unwilling_as_it_is_asked_to_be():
    with Sink(latency_ms=100) as sink:
        _, seconds = calls(sink, 5)
    with Sink(status=429, status_share=1.0, retry_after=7) as sink:
        refused, _ = calls(sink, 1)

    assert seconds >= 0.1
    assert (refused[0].status, refused[0].headers["retry-after"]) == (429, "7")


@needs_compiler
def test_the_provider_speaks_tls():
    try:
        with Sink(tls=True) as sink:
            answers, _ = calls(sink, 3)
    except NoCompiler as error:
        pytest.skip(str(error))

    assert [answer.status for answer in answers] == [201] * 3


def test_without_a_compiler_the_bench_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    built.cache_clear()

    with pytest.raises(NoCompiler, match="apt install gcc"):
        built("sink.c")

    built.cache_clear()


@needs_compiler
@pytest.mark.django_db(transaction=True)
def test_engine_and_straw_man_write_to_everybody_once(capsys: pytest.CaptureFixture[str]):
    report = Report()
    bench = Bench(None, MESSAGES, report)
    with Sink() as sink:
        dispatch = bench.dispatch(sink)
        cost = bench.measure(sink, 2, sampled_engine)
        assert sink.stats()["calls"] == MESSAGES
        assert states(dispatch) == {"accepted": MESSAGES}
    with Sink() as sink:
        dispatch, url = bench.dispatch(sink), sink.url
        bench.measure(sink, 2, lambda _: straw_man(dispatch, url))
        assert sink.stats()["calls"] == MESSAGES
        assert states(dispatch) == {"accepted": MESSAGES}

    assert sum(told["messages"] for told in cost.told) == MESSAGES
    assert cost.worker_cpu > 0
    assert cost.peak_mb > 10


@needs_compiler
def test_the_bare_client_posts_as_often_as_it_says():
    with Sink() as sink:
        assert bare_client(sink.url, 30) == 30
        assert sink.stats()["calls"] == 30


@pytest.mark.parametrize("name", checks.VARIANTS)
def test_every_variant_still_finds_what_it_replaces(name: str):
    with checks.VARIANTS[name]():
        pass
    with head_of_line.barrier():
        pass


@needs_compiler
@pytest.mark.django_db
def test_prepared_hooks_are_signed_and_arrive_at_their_moment():
    channel = make_channel("http://127.0.0.1:9")
    path = write(texts(channel, 20, 5, rate=100.0), "test-hooks")
    with Sink() as sink:  # takes every POST
        found = Load(sink.port, path, 4).result()
    first = path.read_bytes()[12:].partition(b"\r\n\r\n")
    body = first[2][: int(first[0].partition(b"Content-Length: ")[2].split()[0])]
    headers = dict(line.split(": ", 1) for line in first[0].decode().splitlines()[1:])
    headers = {name.lower(): value for name, value in headers.items()}

    assert (found["sent"], found["ok"]) == (20, 20)
    assert found["seconds"] >= 0.15
    assert adapter_of(Channel.objects.get(id=channel)).verify(headers, body)
    assert not adapter_of(Channel.objects.get(id=channel)).verify(headers, body + b" ")


def test_samples_become_stages_and_a_picture() -> None:
    stacks: Counter[str] = Counter()
    with sampled(stacks):
        end = time.process_time() + 0.1
        while time.process_time() < end:
            sum(range(1000))
    stacks["a.py:run;messengers/transports/http.py:_Call.read"] += 10**6

    assert sum(stacks.values()) > 10**6
    assert next(iter(by_stage(stacks))) == "transport"
    assert folded_lines(stacks).count("\n") == len(stacks)
    picture = ElementTree.fromstring(flame_graph(stacks, "<title>"))
    assert len(list(picture.iter("{http://www.w3.org/2000/svg}rect"))) >= 3


def test_figures_and_goals_are_kept_for_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    report = Report()
    report.goal("part", "ours / theirs", 0.5, 0.7)
    report.goal("part", "ours / bare", 1.5, 2.0, most=True)
    report.write(tmp_path / "figures.json")

    told = json.loads((tmp_path / "figures.json").read_text())
    assert [row["value"] for row in told["figures"]] == [0.5, 1.5]
    assert told["machine"]["cores"] >= 1
    assert report.goals_missed == ["part: ours / theirs is 0.50, goal: at least 0.7"]


def test_every_part_has_a_short_and_a_full_size():
    assert engine.SHORT.keys() == engine.FULL.keys()
    for name, sizes in engine.SHORT.items():
        assert sizes.keys() == engine.FULL[name].keys()
