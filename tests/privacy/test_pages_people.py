"""A person's page with real consents: proofs to take along, holds, and pictures as numbers."""

# ruff: noqa: F401, F811  (fixtures are imported by name and asked for by name)

import io
import json
import zipfile
from datetime import UTC, date, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import formats, timezone

from privacy.requests.export.lookups import lookups_of
from privacy.retention.holds import place
from privacy.views.charts import spans
from privacy.views.work_list import _starts
from subscriptions.models import ConsentRecord, Subscription
from subscriptions.proof.replay import replay_nightly
from tests.subscriptions.conftest import (
    OTHER_PHONE,
    PHONE,
    chat,
    cheap_fingerprints,
    mail,
    newsletter,
    say,
)


@pytest.fixture
def dpo(client, staff, settings):
    settings.JAWORT_DEMO = True
    client.force_login(staff("dpo"))
    return client


@pytest.fixture
def record(say):
    say("START")
    say("JA")
    return ConsentRecord.objects.get()


def path(name, record, *more):
    return reverse(f"privacy:{name}", args=[record.subject, *more])


def test_proofs_are_taken_along_only_with_a_purpose_and_each_is_a_look(dpo, record, say):
    downloads = [path(f"consent_{form}", record, record.pk) for form in ("zip", "pdf", "jws")]
    downloads.append(path("consent_records", record))
    for address in downloads:
        assert dpo.get(address).headers["Location"] == path("person", record)
    assert PHONE not in dpo.get(path("person", record)).content.decode()
    dpo.post(path("open_person", record), {"purpose": "consent_proof"})
    before = len(lookups_of(record.subject))

    packed, paper, receipt, graph = [dpo.get(address) for address in downloads]

    with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
        assert archive.read("entry.json") == bytes(record.entry)
    assert paper.content.startswith(b"%PDF")
    assert receipt.content.count(b".") == 2
    assert [one["@id"] for one in json.loads(graph.content)["@graph"]] == [record.pk.urn]
    for one in (packed, paper, receipt, graph):
        assert "no-store" in one.headers["Cache-Control"]
    assert len(lookups_of(record.subject)) == before + 4
    say("START", sender=OTHER_PHONE)
    say("JA", sender=OTHER_PHONE)
    other = ConsentRecord.objects.exclude(subject=record.subject).get()
    assert dpo.get(path("consent_zip", record, other.pk)).status_code == 404


def test_the_page_says_what_holds_and_what_was_checked(dpo, record, newsletter, staff):
    owner = staff("dpo", email="b@example.org")
    soon = timezone.localdate() + timedelta(days=90)
    place(
        subject=record.subject, data_class="consent_evidence", reason="Klage", owner=owner,
        review_at=soon,
    )  # fmt: skip
    dpo.post(path("open_person", record), {"purpose": "consent_proof"})

    page = dpo.get(path("person", record) + "?").content.decode()
    proof = dpo.get(path("consent_proof", record, record.pk)).content.decode()

    for fact in (
        "spans",
        "Stadtanzeiger",
        "/notice/",
        formats.date_format(soon, "SHORT_DATE_FORMAT"),
    ):
        assert fact in page
    assert page.count('class="badge badge-good"') >= 2
    assert "wording.txt" in proof
    assert "Klage" not in page


def at(day):
    return datetime(2026, 1, day, tzinfo=UTC)


def test_the_picture_shows_when_consent_held():
    changes = [(at(1), True, False), (at(11), False, True), (at(16), True, False)]

    picture = spans([("Stadtanzeiger", changes)], at(21))

    (line,) = picture["lines"]
    assert [(bar["x"], bar["width"]) for bar in line["bars"]] == [(0, 50), (75, 25)]
    assert [mark["css"] for mark in line["marks"]] == ["mark", "bar-bad", "mark"]
    assert line["holds"] is True
    assert spans([], at(1))["lines"] == []
    ended = spans([("x", changes[:2])], at(21))["lines"][0]
    assert (len(ended["bars"]), ended["holds"]) == (1, False)


@pytest.mark.parametrize(
    ("span", "starts"),
    [
        ("days", [date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 2)]),
        ("weeks", [date(2026, 2, 16), date(2026, 2, 23), date(2026, 3, 2)]),
        ("months", [date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)]),
    ],
)
def test_days_weeks_and_months_begin_where_they_begin(span, starts):
    assert _starts(date(2026, 3, 2), span, 3) == starts


def test_the_first_page_counts_yes_and_no_over_time(dpo, record, say):
    say("STOP")

    for span in ("days", "weeks", "months", "nonsense"):
        page = dpo.get(reverse("privacy:requests"), {"span": span}).context["consents"]

        assert (page["yes"], page["no"]) == (1, 1)
        assert sum(column["yes"] for column in page["chart"]["columns"]) == 1
        assert page["chart"]["columns"][-1]["no"] == 1


def test_the_first_page_says_what_the_nightly_comparison_found(dpo, record):
    page = reverse("privacy:requests")
    assert dpo.get(page).context["consents"]["compared"] is None
    replay_nightly(timezone.now())
    assert "note-bad" not in dpo.get(page).content.decode()
    assert dpo.get(page).context["consents"]["compared"]["subscriptions"] == 1
    Subscription.objects.update(status="withdrawn", ended_at=timezone.now())

    replay_nightly(timezone.now() + timedelta(days=1))

    assert "consent_verify" in dpo.get(page).content.decode()
