"""Real connections, real processes, real kills: a start happens once and whole, or not at all."""

import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection, connections
from django.utils import timezone

from broadcasts import actions
from broadcasts.errors import AlreadyStarted, BroadcastError
from broadcasts.models import Broadcast, Schedule, ScheduleFire
from messengers.models import Batch, Delivery, Dispatch
from privacy.models import AuditEntry
from tests.broadcasts.house import SYSTEM, make_channel, make_draft, make_newsletter, subscribe

pytestmark = pytest.mark.django_db(transaction=True)
PROJECT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def draft(transactional_db):
    channel = make_channel()
    newsletter = make_newsletter(channels=[channel])
    for number in range(3):
        subscribe(newsletter, channel, number)
    return make_draft(newsletter)


def at_once(act, times):
    """Call `act(n)` in as many threads, each with its own connection, all let go together."""
    results = [None] * times
    gate = threading.Barrier(times)

    def run(number):
        try:
            connection.ensure_connection()
            gate.wait(10)
            results[number] = act(number)
        except BroadcastError as error:
            results[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def test_five_clicks_at_once_start_it_once(draft):
    results = at_once(
        lambda number: actions.start(draft, actor=SYSTEM, idempotency_key="k"), times=5
    )

    assert len({result.dispatch for result in results}) == 1
    assert Dispatch.objects.count() == 1
    assert Delivery.objects.count() == 3
    assert AuditEntry.objects.filter(action="broadcast.started").count() == 1


def test_five_people_who_click_at_once_start_it_once(draft):
    results = at_once(
        lambda number: actions.start(draft, actor=SYSTEM, idempotency_key=f"k{number}"), times=5
    )

    assert sum(isinstance(result, AlreadyStarted) for result in results) == 4
    assert Dispatch.objects.count() == 1
    assert Delivery.objects.count() == 3


def test_five_ticks_at_once_start_it_once(draft):
    actions.schedule(broadcast=draft, local_time=soon(draft.newsletter.time_zone), actor=SYSTEM)
    # The house itself has no user: give the schedule one who may send.
    from tests.broadcasts.house import make_staff

    Schedule.objects.update(
        scheduled_by=make_staff(), fire_at=timezone.now() - timedelta(seconds=1)
    )

    fired = at_once(lambda number: actions.fire_due(timezone.now()), times=5)

    assert sorted(fired) == [0, 0, 0, 0, 1]
    assert Dispatch.objects.count() == 1
    assert Delivery.objects.count() == 3
    assert ScheduleFire.objects.count() == 1


def soon(zone):
    from zoneinfo import ZoneInfo

    at = timezone.now().astimezone(ZoneInfo(zone)) + timedelta(hours=2)
    return at.strftime("%Y-%m-%dT%H:%M")


def test_two_broadcasts_at_once_do_not_exceed_the_cap(draft):
    newsletter = draft.newsletter
    newsletter.daily_cap = 1
    newsletter.save()
    drafts = [draft, *(make_draft(newsletter, title=f"Nr. {n}") for n in range(4))]

    at_once(
        lambda number: actions.start(drafts[number], actor=SYSTEM, idempotency_key="k"), times=5
    )

    assert Delivery.objects.count() == 3
    assert Delivery.objects.values("address").distinct().count() == 3
    assert Dispatch.objects.count() == 1


def test_start_against_cancel_ends_in_one_state(draft):
    """Whoever is second sees what the first did; never a cancelled broadcast that still waits."""
    actions.start(draft, actor=SYSTEM, idempotency_key="k")

    def steer(number):
        verb = actions.cancel if number % 2 else actions.pause
        return verb(broadcast=draft, actor=SYSTEM)

    at_once(steer, times=4)

    draft.refresh_from_db()
    dispatch = Dispatch.objects.get()
    assert draft.status == dispatch.status == "cancelled"
    assert set(Delivery.objects.values_list("status", flat=True)) == {"cancelled"}


KILLED_START = """
import os, signal
import django
from django.conf import settings
for alias, values in {databases!r}.items():
    settings.DATABASES[alias].update(values)
settings.JAWORT_VAR = {var!r}
django.setup()
from importlib import import_module
from broadcasts.models import Broadcast
from privacy.access import Actor
from messengers.models import Dispatch

module = import_module("broadcasts.actions.start")

def then_die(act):
    def wrapped(*args, **kwargs):
        act(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)
    return wrapped

cut = {cut!r}
if cut == "after the dispatch":
    Dispatch.save = then_die(Dispatch.save)
elif cut == "after the snapshot":
    module.start_dispatch = then_die(module.start_dispatch)
elif cut == "after the audit entry":
    module.audit.record = then_die(module.audit.record)
broadcast = Broadcast.objects.get()
module.start(broadcast, actor=Actor.system("tests"), idempotency_key="k")
os.kill(os.getpid(), signal.SIGKILL)
"""


def start_and_die(cut):
    """Start the only draft in another process, which kills itself at `cut`."""
    databases = {
        alias: {
            key: connections[alias].settings_dict[key]
            for key in ("HOST", "PORT", "USER", "PASSWORD", "NAME")
        }
        for alias in ("default", "keystore")
    }
    script = KILLED_START.format(databases=databases, var=str(settings.JAWORT_VAR), cut=cut)
    process = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings_test"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr[-2000:]


@pytest.mark.parametrize(
    "cut", ["after the dispatch", "after the snapshot", "after the audit entry"]
)
def test_killed_before_the_commit_nothing_has_happened(draft, cut):
    start_and_die(cut)

    draft.refresh_from_db()
    assert (draft.status, draft.dispatch) == (Broadcast.Status.DRAFT, None)
    assert not Dispatch.objects.exists()
    assert not Batch.objects.exists()
    assert not Delivery.objects.exists()
    assert not AuditEntry.objects.filter(action="broadcast.started").exists()
    assert actions.start(draft, actor=SYSTEM, idempotency_key="k").status == "running"


def test_killed_after_the_commit_everything_has_happened(draft):
    start_and_die("after the commit")

    draft.refresh_from_db()
    assert draft.status == Broadcast.Status.RUNNING
    assert Dispatch.objects.get().size == Delivery.objects.count() == 3
    assert AuditEntry.objects.filter(action="broadcast.started").count() == 1
    again = actions.start(draft, actor=SYSTEM, idempotency_key="k")
    assert again.dispatch == draft.dispatch
    assert Delivery.objects.count() == 3
