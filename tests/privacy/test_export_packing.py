"""Packages made by a worker: once, however often it runs; seen while it runs; named if it fails."""

# ruff: noqa: F811  (fixtures are imported by name and asked for by name)

import io
import zipfile
from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from privacy import tasks
from privacy.access import NotAllowed
from privacy.models import AuditEntry, RequestStep
from privacy.requests import actions, answers, errors, packing
from privacy.requests.export import package as packages
from privacy.vault import KeystoreDown
from tests.privacy.requests_world import (  # noqa: F401
    ask,
    controller,
    editor,
    officer,
    people,
    subject,
)

pytestmark = pytest.mark.django_db
WORD = "Müßig"


@pytest.fixture
def request_(ask, controller):
    return ask("access")


def report_of(package):
    with zipfile.ZipFile(io.BytesIO(packages.read(package))) as archive:
        return archive.read("data.json").decode()


def test_a_task_that_runs_twice_makes_one_package(request_, officer):
    step = actions.begin_package(request=request_, actor=officer, redact=[WORD])
    again = actions.begin_package(request=request_, actor=officer, redact=["nothing"])
    assert again.pk == step.pk
    assert WORD.encode() not in bytes(step.sealed)
    assert packing.packing_of(request_) == packing.Packing(0)

    tasks.pack(str(request_.pk))
    tasks.pack(str(request_.pk))

    (package,) = request_.packages.all()
    assert WORD not in report_of(package)
    request_.refresh_from_db()
    assert request_.status == "review"
    assert packing.packing_of(request_) is None
    step.refresh_from_db()
    assert (step.sealed, step.facts) == (None, {"percent": 100})
    entry = AuditEntry.objects.get(action="package.made")
    assert entry.actor == str(officer)
    assert packing.resume(timezone.now() + timedelta(hours=1)) == 0


def test_of_two_workers_at_once_the_second_leaves_nothing(request_, officer, monkeypatch):
    actions.begin_package(request=request_, actor=officer)
    beat, seen = packing._beat, []

    def overtaken(pk, percent):
        beat(pk, percent)
        seen.append(packing.packing_of(request_))
        if percent == 90 and len(seen) < 4:
            assert not packing.pack(request_.pk)  # the first is alive
            with time_machine.travel(timezone.now() + packing.SILENCE + timedelta(minutes=1)):
                assert packing.pack(request_.pk)  # the first is taken for dead

    monkeypatch.setattr(packing, "_beat", overtaken)

    assert not packing.pack(request_.pk)

    assert [one.percent for one in seen[:3]] == [5, 40, 90]
    (package,) = request_.packages.all()
    assert package.destroyed_at is None
    assert packages.read(package)


def test_one_that_fails_is_named_and_tried_again_with_the_same_words(
    request_, officer, client, staff, monkeypatch
):
    client.force_login(staff("dpo", email="desk@example.org"))
    page = reverse("privacy:request", args=[request_.pk])
    progress = reverse("privacy:package_progress", args=[request_.pk])
    actions.begin_package(request=request_, actor=officer, redact=[WORD])
    waiting = client.get(page).content.decode()
    assert "<progress" in waiting
    assert f'hx-get="{progress}"' in waiting
    assert "HX-Refresh" not in client.get(progress)

    def broken(*_args):
        raise KeystoreDown("+4917604069001")

    with monkeypatch.context() as down:
        down.setattr(answers, "collect", broken)
        assert not packing.pack(request_.pk)

    failed = client.get(page).content.decode()
    assert 'name="again"' in failed
    assert "hx-get" not in failed
    assert client.get(progress)["HX-Refresh"] == "true"
    step = RequestStep.objects.get(name=packing.STEP)
    assert "4069001" not in str(step.facts)
    assert not request_.packages.exists()
    assert packing.resume(timezone.now() + timedelta(days=1)) == 0  # it waits for a person

    actions.begin_package(request=request_, actor=officer, redact=None)
    assert packing.pack(request_.pk)
    assert WORD not in report_of(request_.packages.get())
    assert client.get(progress)["HX-Refresh"] == "true"


def test_what_no_worker_ends_is_taken_up_and_given_up_after_three_deaths(request_, officer):
    actions.begin_package(request=request_, actor=officer)
    at = timezone.now()
    assert packing.resume(at) == 0  # the task has just been rung for
    for _death in range(packing.TRIES):
        at += packing.SILENCE + timedelta(seconds=5)
        with time_machine.travel(at):
            assert packing._claim(request_.pk)
    with time_machine.travel(at + packing.SILENCE + timedelta(seconds=5)):
        assert packing.resume(timezone.now()) == 0
    assert packing.packing_of(request_).why

    actions.begin_package(request=request_, actor=officer)
    assert packing.resume(timezone.now() + packing.WAITED) == 1
    assert request_.packages.count() == 1


def test_the_rights_of_whoever_asked_are_looked_at_again(request_, officer, editor, ask):
    with pytest.raises(NotAllowed):
        actions.begin_package(request=request_, actor=editor)
    with pytest.raises(errors.WrongKind):
        actions.begin_package(request=ask("erasure"), actor=officer)
    step = actions.begin_package(request=request_, actor=officer, redact=[WORD])
    RequestStep.objects.update(facts={**step.facts, "by": str(editor)})

    assert not packing.pack(request_.pk)
    assert not request_.packages.exists()
    assert packing.packing_of(request_).why

    actions.close_request(request=request_, outcome="withdrawn", actor=officer)
    packing.resume(timezone.now())
    step.refresh_from_db()
    request_.refresh_from_db()
    assert step.sealed is None  # nobody needs the words any more
    assert packing.packing_of(request_) is None
