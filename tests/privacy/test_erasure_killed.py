"""Killed with SIGKILL between and inside every step, an erasure is finished by the next run.

In the suite each step is cut where it matters: when its work is done and not yet noted, right after
it was noted, and around everything that another database has to do. With JAWORT_EVERY_CUT=1 it is
cut before every single statement that reaches a database.
"""

# ruff: noqa: F401, F811  (fixtures are imported by name and asked for by name)

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connections

from privacy import suppression
from privacy.access import Actor
from privacy.models import AuditEntry, Certificate, DataSubject, Request
from privacy.requests import actions
from privacy.requests.actions import open_request
from privacy.requests.erasure import running, sweep
from privacy.vault import KeyRing, new_subject
from tests.privacy.requests_world import NOON, controller, officer, people

PROJECT = Path(__file__).resolve().parent.parent.parent
EVERY = bool(os.environ.get("JAWORT_EVERY_CUT"))
STEPS = ("block", "verify", "recipients", "delete", "shred", "scan")


class Undertaker:
    """The process that forks the ones who die."""

    def __init__(self, folder):
        names = ("NAME", "HOST", "PORT", "USER", "PASSWORD")
        where = {
            alias: {name: connections[alias].settings_dict[name] for name in names}
            for alias in ("default", "keystore")
        }
        command = [sys.executable, "-m", "tests.privacy.erasure_process"]
        self.process = subprocess.Popen(
            [*command, json.dumps(where), str(folder)],
            cwd=PROJECT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self.process.stdout.readline() == "ready\n"

    def work(self, request, cut):
        """Whether it was killed, and the statements that it had sent."""
        print(json.dumps([str(request.pk), *cut]), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        return answer["killed"], answer["statements"]


@pytest.fixture
def undertaker(people, tmp_path):
    one = Undertaker(tmp_path)
    yield one
    one.process.stdin.close()
    one.process.wait(30)


@pytest.fixture
def somebody(people, officer, controller):
    """`somebody()`: another person whose erasure has begun, as (request, telephone number)."""
    numbers = iter(range(4_917_604_070_000, 4_917_604_080_000))

    def make():
        number, subject = f"+{next(numbers)}", new_subject()
        people.plant(subject, number)
        request = open_request(
            subject=subject, kind="erasure", origin="chat", verified=True,
            received_at=NOON, actor=Actor.subscriber(subject),
        )  # fmt: skip
        return actions.start_erasure(request=request, actor=officer), number

    return make


NEVER = ("there is no such statement", 1, 0)
# What a statement shows, for the which time, and how many statements behind it comes the end.
# Behind the note that a step is done comes its entry in the audit log, then the commit.
NOTED, DELETED, READ = "done_at", "keystore DELETE", "UPDATE privacy_sweep"
CUTS = [
    *((NOTED, number, 0) for number, _step in enumerate(STEPS, 1)),
    (NOTED, 2, 2),
    (NOTED, 5, 2),
    (DELETED, 1, 0),
    (DELETED, 1, 1),
    (DELETED, 2, 1),
    (READ, 1, 0),
    (READ, 1, 1),
    (NOTED, 6, 9),
]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_killed_between_and_inside_each_step_the_next_run_finishes(undertaker, somebody, people):
    request, _number = somebody()
    was_killed, statements = undertaker.work(request, NEVER)
    assert not was_killed
    assert Certificate.objects.filter(request=request).exists()

    killed, reached = [], set()
    every = [("", number + 1, 0) for number in range(len(statements))]
    for cut in every if EVERY else CUTS:
        request, number = somebody()
        was_killed, _sent = undertaker.work(request, cut)
        assert was_killed, cut
        assert Request.objects.get(pk=request.pk).status == "working", cut
        reached.add(request.steps.exclude(done_at=None).count())
        killed.append((request, number))
        sweep.advance(10)  # what it left half-read; else the next one would wait for that
    assert reached == set(range(len(STEPS) + 1))

    for _ in range(3):
        running.resume()

    for request, number in killed:
        request.refresh_from_db()
        assert (request.status, request.outcome) == ("closed", "fulfilled")
        assert not people.run("SELECT FROM people_person WHERE subject = %s", request.subject)
        assert not KeyRing.load([request.subject], "ops").has(request.subject)
        assert KeyRing.load([request.subject], "evidence").has(request.subject)
        assert DataSubject.objects.get(pk=request.subject).status == "erased"
        assert suppression.is_suppressed(suppression.fingerprint("phone", number))
        done = AuditEntry.objects.filter(ref=str(request.pk), action__startswith="erasure.step_")
        assert sorted(entry.action for entry in done) == sorted(f"erasure.step_{s}" for s in STEPS)
    assert Certificate.objects.count() == len(killed) + 1
    assert not people.run("SELECT FROM privacy_requeststep WHERE sealed IS NOT NULL")
