"""A long list is loaded by a worker, and the page shows how far it is."""

from datetime import timedelta

import pytest
from django.urls import reverse

from privacy.access import Actor
from subscriptions.imports import check_import, jobs, load_import
from subscriptions.models import Import, ImportJob, Subscription

from .conftest import make_staff

HEADER = "Telefon;Einwilligung am;Quelle\r\n"
LINES = "".join(f"+49176040690{number:02d};03.05.2024;Messe\r\n" for number in range(1, 4))


@pytest.fixture
def publisher(newsletter):
    return make_staff("publisher")


@pytest.fixture
def checked(newsletter, chat, publisher, monkeypatch):
    monkeypatch.setattr(jobs, "AT_ONCE", 1)
    return check_import(
        newsletter=newsletter, channel=chat, content=(HEADER + LINES).encode(),
        actor=Actor.staff(publisher),
    )  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_the_page_asks_a_worker_and_sees_it_move(checked, publisher, client, monkeypatch, settings):
    settings.JAWORT_DEMO = True  # no second factor here
    client.force_login(publisher)
    asked: list[str] = []
    monkeypatch.setattr(jobs.carry_out, "delay", asked.append)
    load, seen = reverse("import_load", args=[checked.pk]), []

    client.post(load)
    client.post(load)  # pressed twice

    assert asked == [str(checked.pk)]
    assert Import.objects.get().status == "checked"
    progress = reverse("import_progress", args=[checked.pk])
    assert "<progress" in client.get(progress).content.decode()
    assert "import_load" not in client.get(reverse("import", args=[checked.pk])).content.decode()

    def watched(*, progress, **how):
        def tell(more):
            progress(more)
            seen.append((ImportJob.objects.get().done, Import.objects.get().status))

        return load_import(**how, progress=tell)

    monkeypatch.setattr(jobs, "BEAT_SECONDS", 0)
    monkeypatch.setitem(jobs.VERBS, "load", watched)
    jobs.run(checked.pk)

    assert seen == [(3, "checked")]  # told from inside the transaction that loads
    assert Subscription.objects.count() == 3
    assert ImportJob.objects.get().status == "done"
    over = client.get(progress)
    assert (over.status_code, over["HX-Refresh"]) == (200, "true")
    jobs.run(checked.pk)  # delivered a second time
    assert Subscription.objects.count() == 3


@pytest.mark.django_db
def test_what_broke_says_so_and_loads_nobody(checked, publisher, monkeypatch):
    jobs.begin(checked, "load", publisher)

    def broken(**how):
        raise RuntimeError("+4917604069001")

    monkeypatch.setitem(jobs.VERBS, "load", broken)
    with pytest.raises(RuntimeError):
        jobs.run(checked.pk)

    job = ImportJob.objects.get()
    assert (job.status, job.why) == ("failed", "RuntimeError")  # and nothing of the row
    assert not Subscription.objects.exists()


@pytest.mark.django_db
def test_a_silent_worker_is_a_dead_one(checked, publisher):
    job = jobs.begin(checked, "load", publisher)
    assert jobs.running(checked)

    ImportJob.objects.update(beat_at=job.beat_at - timedelta(minutes=11))

    assert jobs.running(checked) is None
    assert jobs.begin(checked, "load", publisher).beat_at > job.beat_at
