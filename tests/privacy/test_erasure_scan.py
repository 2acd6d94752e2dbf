"""The scan: finds every spelling in every place, in slices, once for everybody who waits."""

# ruff: noqa: F401, F811  (fixtures are imported by name and asked for by name)

import base64
import json
from urllib.parse import quote

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection, models
from django.utils import timezone
from hypothesis import given, settings, strategies

from privacy import inventory
from privacy.access.sessions import SessionStore
from privacy.inventory import Erase, Field, Klass
from privacy.models import Certificate, Sweep
from privacy.requests import actions
from privacy.requests.erasure import running, scan, sweep
from privacy.requests.erasure.machine import Progress
from privacy.requests.erasure.needles import Sought
from privacy.requests.erasure.places import Seekers, all_places
from privacy.requests.erasure.places import tables as tables_module
from privacy.requests.erasure.places.tables import classification, tables_of
from privacy.requests.erasure.scan import residues
from privacy.requests.erasure.spellings import Finder
from privacy.requests.notes import add_note
from privacy.retention import holds
from privacy.vault import new_subject
from tests.privacy.requests_world import (
    PHONE,
    ask,
    controller,
    officer,
    people,
    subject,
)

pytestmark = pytest.mark.django_db
ERIKA = [("phone", PHONE)]
FINDER = Finder({"Erika": ERIKA})


# Spellings


@pytest.mark.parametrize(
    "text",
    [
        PHONE,
        PHONE[1:],
        f"00{PHONE[1:]}",
        f"0{PHONE[3:]}",
        PHONE.encode().hex(),
        PHONE[1:].encode().hex().upper(),
        quote(f"tel:{PHONE}", safe=""),
        json.dumps({"to": PHONE}),
        PHONE.encode("utf-16-le").decode("latin-1"),
    ],
)
def test_every_way_to_write_a_number_is_known(text):
    assert FINDER.in_bytes(f"before {text} behind".encode("latin-1")) == {"Erika"}


@settings(max_examples=40, deadline=None)
@given(before=strategies.binary(max_size=9), behind=strategies.binary(max_size=9))
def test_whatever_stands_around_it_in_base64_it_is_found(before, behind):
    raw = before + PHONE.encode() + behind

    assert FINDER.in_bytes(b"x" + base64.b64encode(raw)) == {"Erika"}
    assert FINDER.in_bytes(base64.urlsafe_b64encode(raw)) == {"Erika"}


def test_a_number_written_by_hand_is_found_only_where_hands_write():
    spaced = b"call 0176 / 0406-9001 please"

    assert FINDER.in_bytes(spaced) == set()
    assert FINDER.in_writing(spaced) == {"Erika"}


def test_a_short_number_inside_a_longer_one_is_another_number():
    finder = Finder({"Ben": [("telegram", "123456789")]})

    assert finder.in_bytes(b'{"chat": 123456789}') == {"Ben"}
    assert finder.in_bytes(b'{"at": 1712345678901}') == set()


def test_one_pass_tells_a_thousand_people_apart():
    numbers = [f"+49151{number:08}" for number in range(1000)]
    finder = Finder({number: [("phone", number)] for number in numbers})

    content = b" ".join(number.encode().hex().encode() for number in numbers[::100])

    assert finder.in_bytes(content) == set(numbers[::100])


# Places


def test_every_classified_column_that_can_hold_something_is_read():
    read = {
        (place.whole, column.name)
        for alias in ("default", "keystore")
        for place in _every_table(alias)
        for column in place.words
    }
    compared = {
        (place.whole, column)
        for alias in ("default", "keystore")
        for place in _every_table(alias)
        for column in place.rows
    }
    harmless = (
        models.BooleanField, models.DateTimeField, models.DateField, models.DurationField,
        models.SmallIntegerField, models.IntegerField, models.FloatField, models.TimeField,
        models.ForeignKey, models.AutoField, models.BigAutoField, models.BigIntegerField,
    )  # fmt: skip
    for (table, column), said in classification().items():
        field = _field(table, column)
        if not isinstance(said, Field) or said.retention == "staff_account":
            continue
        if isinstance(field, models.UUIDField):
            goes = said.erase in (Erase.ROW, Erase.CLEAR) and said.klass != Klass.STAFF
            assert ((table, column) in compared) == goes, (table, column)
        elif not isinstance(field, harmless) or isinstance(field, models.JSONField):
            assert (table, column) in read, (table, column)


def _every_table(alias):
    """Also the empty ones, which a sweep leaves out."""
    whole = dict.fromkeys(tables_module._columns(alias), (1, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables_module, "_sizes", lambda _alias: whole)
        return list(tables_of(alias, "tables"))


def _field(table, column):
    from django.apps import apps

    return next(
        field
        for model in apps.get_models(include_auto_created=True)
        if model._meta.db_table == table
        for field in model._meta.local_concrete_fields
        if field.column == column
    )


def test_what_the_key_of_the_house_opens_is_opened(subject, staff, monkeypatch):
    monkeypatch.undo()  # the whole inventory, not only the app of people
    reason = f"Klage, erreichbar unter 0{PHONE[3:6]} {PHONE[6:]}"
    holds.place(
        subject=new_subject(), data_class="", reason=reason, owner=staff("dpo"),
        review_at=timezone.localdate() + timezone.timedelta(days=9),
    )  # fmt: skip
    store = SessionStore()
    store["typed"] = PHONE
    store.save()
    assert PHONE not in Session.objects.get().session_data

    assert _hits() == {"sealed in privacy_legalhold", "sealed in django_session"}


def test_a_random_number_of_the_person_that_should_have_gone_is_found(people, monkeypatch):
    from messengers.channels import create_channel
    from messengers.models import Address, Gate
    from tests.subscriptions.conftest import SYSTEM

    monkeypatch.undo()
    channel = create_channel(kind="simulator", name="x", settings={}, secrets={}, actor=SYSTEM)
    gone = new_subject()
    address = Address.objects.create(channel=channel, subject=new_subject(), sealed=b"x")
    Gate.objects.create(
        id=new_subject(),
        address=address.pk,
        subject=gone,
        is_open=False,
        reason=Gate.Reason.STAFF,
        changed_at=timezone.now(),
    )

    assert _hits(rows=[gone]) == {"table messengers_gate"}


def _hits(rows=()):
    seekers = Seekers({"Erika": Sought(ERIKA, list(rows))})
    found = set()
    for place in all_places():
        at = ""
        while at is not None:
            look = place.look(at, seekers)
            found |= {place.name} if look.found else set()
            at = look.at
    return found


# Slices


def fill(people, rows):
    people.run(
        "INSERT INTO people_person (subject, sealed, plain)"
        " SELECT gen_random_uuid(), '', repeat('x', 900)"
        " FROM generate_series(1, %s)",
        rows,
    )


@pytest.fixture
def slices(monkeypatch):
    """Tiny ones: a page of the table, and a commit after each."""
    monkeypatch.setattr(tables_module, "PAGES_AT_A_TIME", 2)
    monkeypatch.setattr(sweep, "SLICE_SECONDS", 0.0)
    ours = ("table people_person", "table privacy_request", "file in media")
    monkeypatch.setattr(
        sweep, "all_places", lambda: [one for one in all_places() if one.name in ours]
    )


def begun(ask, officer, people, numbers):
    requests = []
    for number in numbers:
        who = new_subject()
        people.plant(who, number)
        request = ask("erasure", who=who)
        requests.append(actions.start_erasure(request=request, actor=officer))
    return requests


def test_a_big_table_is_read_over_many_tasks_and_nothing_is_left_out(
    ask, officer, people, slices, controller
):
    fill(people, 80)
    people.run(
        "UPDATE people_person SET plain = %s WHERE ctid = (SELECT max(ctid) FROM people_person)",
        f"at the end: {PHONE}",
    )
    (request,) = begun(ask, officer, people, [PHONE])
    actions.complete_erasure(request=request)
    seen = []

    while (come := actions.complete_erasure(request=request, seconds=0)) == Progress.SCANNING:
        seen.append(sweep.progress(request.steps.get(name="scan")))

    assert come == Progress.RESIDUES
    assert request.steps.get(name="scan").facts["residues"] == ["table people_person"]
    assert len(seen) >= 6
    assert seen == sorted(seen)
    assert 0 < seen[-1] < 100


def test_one_sweep_serves_everybody_who_has_come_so_far(ask, officer, people, controller):
    requests = begun(ask, officer, people, [f"+49176040690{n:02}" for n in range(5)])
    people.run(
        "UPDATE people_person SET plain = 'x +4917604069003 x' WHERE subject = %s",
        requests[0].subject,
    )
    other = new_subject()
    people.plant(other, "+4917604069999", plain="still here: +4917604069003")

    running.resume()
    running.resume()

    assert Sweep.objects.count() == 1
    left = [one for one in requests if not Certificate.objects.filter(request=one).exists()]
    assert left == [requests[3]]
    running.resume()
    assert Sweep.objects.count() == 1  # nobody has cleaned up: reading again would find the same
    people.erase(other)
    assert actions.complete_erasure(request=requests[3]) == Progress.DONE


def test_queue_and_cache_are_emptied_of_what_the_scan_finds_there(
    ask, officer, people, controller, settings, tmp_path
):
    broker = tmp_path / "broker"
    broker.mkdir()
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"folder": str(broker)}
    (broker / "task.json").write_text(json.dumps({"args": [PHONE]}))
    (broker / "other.json").write_text("{}")
    cache.set("leak", {"number": PHONE})
    cache.set("other", 1)
    (request,) = begun(ask, officer, people, [PHONE])
    actions.complete_erasure(request=request)

    assert actions.complete_erasure(request=request) == Progress.RESIDUES
    assert request.steps.get(name="scan").facts["residues"] == ["file in broker", "table cache"]
    assert actions.complete_erasure(request=request) == Progress.DONE

    assert [path.name for path in broker.iterdir()] == ["other.json"]
    assert (cache.get("leak"), cache.get("other")) == (None, 1)
    body = json.loads(bytes(Certificate.objects.get(request=request).body))
    assert body["scan"]["cleared"] == 2
