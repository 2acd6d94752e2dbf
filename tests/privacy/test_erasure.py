"""Erasure: planted first, seen, erased, seen to be gone; and finished after any kill."""

# ruff: noqa: F401, F811  (fixtures are imported by name and asked for by name)

import base64
import io
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import pypdf
import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.db import connections as databases
from django.utils import timezone

from privacy import suppression
from privacy.access import Actor, NotAllowed
from privacy.audit import canonical
from privacy.models import AuditEntry, Certificate, DataSubject, Request
from privacy.requests import actions, errors
from privacy.requests.erasure import certificate as certificates
from privacy.requests.erasure import machine, steps
from privacy.requests.erasure.machine import Progress
from privacy.requests.erasure.scan import residues
from privacy.requests.export import package as packages
from privacy.requests.identity import asked_by
from privacy.vault import KeyRing, new_subject
from privacy.vault.models import SubjectKey
from tests.privacy.requests_world import (
    NOON,
    PHONE,
    ask,
    controller,
    editor,
    officer,
    people,
    subject,
)

pytestmark = pytest.mark.django_db
OTHER = "+4917604069002"


@pytest.fixture
def request_(ask):
    return ask("erasure")


@pytest.fixture
def begun(request_, officer, controller):
    return actions.start_erasure(request=request_, actor=officer)


@pytest.fixture
def bystander(people):
    other = new_subject()
    people.plant(other, OTHER, name="Änne Kühl")
    return other


def token_in(people):
    return people.sent[-1][2]["link"].rstrip("/").rpartition("/")[2]


def finish(request):
    """The first call sends the last message and waits; the second finds it gone."""
    assert actions.complete_erasure(request=request) == Progress.WAITING
    assert actions.complete_erasure(request=request) == Progress.DONE


def everything_we_can_decrypt(people):
    rows = [row[0] for row in people.run("SELECT subject FROM people_person")]
    return json.dumps([people.opened(one) for one in rows])


def has_key(subject, klass):
    return KeyRing.load([subject], klass).has(subject)


def test_erasure_leaves_no_trace_and_the_others_alone(begun, people, subject, bystander):
    assert PHONE in everything_we_can_decrypt(people)
    assert has_key(subject, "ops")
    assert residues(subject, [("phone", PHONE)]) == ["people: Person", "people: index"]

    finish(begun)

    assert OTHER in everything_we_can_decrypt(people)
    assert PHONE not in everything_we_can_decrypt(people)
    assert not has_key(subject, "ops")
    assert has_key(bystander, "ops")
    assert residues(subject, [("phone", PHONE)]) == []
    row = DataSubject.objects.get(pk=subject)
    assert row.status == "erased"
    assert row.erased_at
    begun.refresh_from_db()
    assert (begun.status, begun.outcome) == ("closed", "fulfilled")


def test_all_steps_are_done_in_order_and_written_down_without_a_name(begun, people):
    finish(begun)

    steps = list(begun.steps.all())
    assert [step.name for step in steps] == [
        "block", "verify", "recipients", "delete", "shred", "scan",
    ]  # fmt: skip
    assert [step.done_at for step in steps] == sorted(step.done_at for step in steps)
    actions_done = AuditEntry.objects.filter(ref=str(begun.pk)).values_list("action", flat=True)
    assert {f"erasure.step_{step.name}" for step in steps} < set(actions_done)
    for entry in AuditEntry.objects.all():
        assert PHONE[3:] not in bytes(entry.entry).decode()
    assert PHONE[3:] not in json.dumps([step.facts for step in steps])


def test_a_second_run_does_not_overwrite_what_the_first_has_deleted(begun, people):
    assert actions.complete_erasure(request=begun) == Progress.WAITING
    machine._do(machine.STEPS[2], begun)
    first, late = begun.steps.get(name="delete"), begun.steps.get(name="delete")
    steps.fingerprints(begun, first)
    machine._do(machine.STEPS[3], begun)
    assert begun.steps.get(name="delete").facts["rows"]

    steps.fingerprints(begun, late)

    facts = begun.steps.get(name="delete").facts
    assert facts["rows"]
    assert facts["suppressed"] == 1
    assert "fingerprints" not in facts


def test_the_proof_of_consent_stays_until_its_term_unless_decided_otherwise(
    begun, ask, officer, subject, people, bystander
):
    finish(begun)

    assert has_key(subject, "evidence")
    kept = {item["what"]: item for item in certificates.read(begun.certificate)["kept"]}
    year = timezone.now().year + 3
    assert kept["evidence"]["until"] == f"{year}-12-31"

    other = ask("erasure", who=bystander)
    actions.start_erasure(request=other, actor=officer, keep_evidence=False)
    finish(other)
    assert not has_key(bystander, "evidence")
    body = certificates.read(Certificate.objects.get(request=other))
    assert body["keys_destroyed"] == ["ops", "evidence"]
    assert "evidence" not in {item["what"] for item in body["kept"]}


def test_end_of_evidence_is_the_end_of_the_third_year_after():
    assert certificates.end_of_evidence(date(2026, 1, 1)) == date(2029, 12, 31)
    assert certificates.end_of_evidence(date(2026, 12, 31)) == date(2029, 12, 31)


@pytest.mark.parametrize("chosen", [True, False])
def test_the_address_is_suppressed_only_if_chosen(request_, officer, people, chosen):
    actions.start_erasure(request=request_, actor=officer, suppress=chosen)
    assert not suppression.is_suppressed(suppression.fingerprint("phone", PHONE))

    finish(request_)

    assert suppression.is_suppressed(suppression.fingerprint("phone", PHONE)) == chosen
    delete = request_.steps.get(name="delete")
    assert delete.facts["suppressed"] == int(chosen)
    assert "fingerprints" not in delete.facts


def test_the_last_message_goes_before_the_rows_and_has_time_to_leave(begun, people, subject):
    people.run("UPDATE people_person SET under_way = 1")

    assert actions.complete_erasure(request=begun) == Progress.WAITING
    assert people.sent[-1][1] == "privacy/answers/erased.txt"
    assert actions.complete_erasure(request=begun) == Progress.WAITING
    assert len(people.sent) == 1
    assert PHONE in everything_we_can_decrypt(people)

    people.run("UPDATE people_person SET under_way = 0")
    assert actions.complete_erasure(request=begun) == Progress.DONE


def test_a_message_that_never_leaves_does_not_hold_up_the_erasure(begun, people):
    people.run("UPDATE people_person SET under_way = 1")
    assert actions.complete_erasure(request=begun) == Progress.WAITING

    with time_machine.travel(timezone.now() + timedelta(minutes=2, seconds=1)):
        assert actions.complete_erasure(request=begun) == Progress.DONE


def test_packages_and_their_links_die_with_the_erasure(ask, officer, people, settings, controller):
    access = ask("access")
    actions.complete_access(request=access, actor=officer)
    token = token_in(people)
    assert len(list(settings.JAWORT_EXPORT_DIR.iterdir())) == 1
    erasure = ask("erasure")
    actions.start_erasure(request=erasure, actor=officer)

    actions.complete_erasure(request=erasure)

    assert list(settings.JAWORT_EXPORT_DIR.iterdir()) == []
    with pytest.raises(errors.PackageGone):
        actions.fetch_package(token=token)


def test_a_letter_waits_a_day_after_its_proof(ask, officer, people):
    with time_machine.travel(NOON, tick=False) as clock:
        letter = ask("erasure", origin="staff", verified=False, actor=officer)
        actions.ask_identity(request=letter, actor=officer)
        clock.shift(timedelta(days=2))
        actions.prove_identity(request=asked_by(token_in(people)))
        letter.refresh_from_db()
        actions.start_erasure(request=letter, actor=officer)

        clock.shift(timedelta(hours=23, minutes=59))
        assert actions.complete_erasure(request=letter) == Progress.WAITING
        assert len(people.sent) == 1
        clock.shift(timedelta(minutes=2))
        finish(letter)


def test_only_the_dpo_starts_it_and_only_once(request_, officer, editor, ask):
    with pytest.raises(NotAllowed):
        actions.start_erasure(request=request_, actor=editor)
    with pytest.raises(errors.WrongKind):
        actions.start_erasure(request=ask("access"), actor=officer)
    actions.start_erasure(request=request_, actor=officer)
    with pytest.raises(errors.IllegalTransition):
        actions.start_erasure(request=request_, actor=officer)
    with pytest.raises(errors.StillRunning):
        actions.close_request(request=request_, outcome="withdrawn", actor=officer)


# The scan


def places(people, settings):
    """Where a leak could be, as (name, how to put it there, how to take it away)."""
    people.run("CREATE TEMPORARY TABLE IF NOT EXISTS unused (x int)")

    def file(folder, name):
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.write_bytes, path.unlink

    def row(leak):
        other = new_subject()
        people.plant(other, OTHER, plain=leak.decode())
        row.at = other

    def row_away():
        people.run("DELETE FROM people_person WHERE subject = %s", row.at)

    broker = Path(settings.JAWORT_VAR) / "broker"
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"folder": str(broker)}
    return {
        "table people_person": (row, row_away),
        "table cache": (lambda leak: cache.set("leak", leak.decode()), cache.clear),
        "file in exports": file(settings.JAWORT_EXPORT_DIR, "x.part"),
        "file in media": file(settings.JAWORT_MEDIA_DIR, "deep/er/picture.png"),
        "file in broker": file(broker, "message.json"),
        "file in logs": file(Path(settings.JAWORT_VAR) / "log", "jawort.log"),
    }


ENCODED = {
    "plain": PHONE,
    "digits": PHONE[1:],
    "hex": f"x{PHONE.encode().hex().upper()}x",
    "base64": base64.b64encode(f"to {PHONE} now".encode()).decode(),
    "base64 at another place": base64.urlsafe_b64encode(f"it's to {PHONE}".encode()).decode(),
    "url": quote(f"tel:{PHONE}", safe=""),
}


@pytest.mark.parametrize("form", ENCODED)
def test_the_scan_finds_a_leak_in_every_place_and_form(people, subject, settings, form):
    needles = [("phone", PHONE)]
    people.run("DELETE FROM people_person")

    for place, (put, take) in places(people, settings).items():
        if place == "table cache" and form == "base64 at another place":
            continue  # the cache pickles and encodes again; one form is enough there
        if place == "table cache":
            put(PHONE.encode())
        else:
            put(f"some text before {ENCODED[form]} and behind".encode())
        assert residues(subject, needles) == [place]
        take()
        assert residues(subject, needles) == []


def test_the_scan_reads_over_the_border_of_two_pieces(people, subject, settings):
    (settings.JAWORT_MEDIA_DIR / "big").write_bytes(b" " * ((1 << 20) - 5) + PHONE.encode())

    assert residues(subject, [("phone", PHONE)]) == [
        "file in media",
        "people: Person",
        "people: index",
    ]


def test_wildcards_in_an_identifier_match_only_themselves(people, subject):
    people.run("UPDATE people_person SET plain = %s", "matrix user aXb:example.org")

    assert residues(new_subject(), [("matrix", "@a_b:example.org")]) == []
    people.run("UPDATE people_person SET plain = %s", "matrix user @a_b:example.org")
    assert residues(new_subject(), [("matrix", "@a_b:example.org")]) == ["table people_person"]


def test_a_residue_stops_the_certificate_until_it_is_gone(begun, people, settings):
    leak = settings.JAWORT_MEDIA_DIR / "list.csv"
    leak.write_text(f"name;phone\nJ;{PHONE}\n")
    actions.complete_erasure(request=begun)

    assert actions.complete_erasure(request=begun) == Progress.RESIDUES
    assert begun.steps.get(name="scan").facts["residues"] == ["file in media"]
    assert not Certificate.objects.exists()

    leak.unlink()
    assert actions.complete_erasure(request=begun) == Progress.DONE
    assert Certificate.objects.get().request == begun


def test_what_the_scan_looks_for_is_sealed_and_destroyed_with_its_own_key(
    begun, people, subject, django_capture_on_commit_callbacks
):
    actions.complete_erasure(request=begun)
    step = begun.steps.get(name="scan")
    keeper = step.facts["keeper"]
    assert step.sealed
    assert PHONE.encode() not in bytes(step.sealed)
    assert has_key_of(keeper)

    with django_capture_on_commit_callbacks(execute=True):
        actions.complete_erasure(request=begun)

    step.refresh_from_db()
    assert (step.sealed, step.facts.get("keeper")) == (None, None)
    assert not has_key_of(keeper)
    assert not DataSubject.objects.filter(pk=keeper).exists()


def has_key_of(subject):
    return SubjectKey.objects.using("keystore").filter(subject=subject).exists()


# The certificate


def test_the_certificate_is_exact_bytes_that_name_nobody(begun, people):
    finish(begun)

    certificate = Certificate.objects.get()
    body = bytes(certificate.body)
    assert certificate.sha256 == sha256(body).hexdigest()
    assert canonical(json.loads(body)) == body
    facts = json.loads(body)
    assert facts["deleted"] == {"people.people": 1}
    assert facts["scan"]["residues"] == 0
    assert set(facts["scan"]["places"]) >= {"apps", "tables", "cache", "media"}
    assert [step["name"] for step in facts["steps"]][-1] == "scan"
    assert not any(word in body.decode() for word in (PHONE[3:], "Jörg", str(begun.subject)))
    entry = AuditEntry.objects.get(action="erasure.certified")
    assert certificate.sha256 in bytes(entry.entry).decode()


def test_the_certificate_as_pdf(begun, people):
    finish(begun)

    document = pypdf.PdfReader(io.BytesIO(certificates.as_pdf(Certificate.objects.get())))

    text = "".join(page.extract_text() for page in document.pages)
    assert document.trailer["/Root"]["/MarkInfo"]["/Marked"]
    assert "2026-0001" in text
    assert Certificate.objects.get().sha256 in text.replace("\n", "")


def test_the_person_opens_it_by_the_link_of_the_last_message(begun, people, client):
    actions.complete_erasure(request=begun)
    path = people.sent[-1][2]["link"].partition("8000")[2]
    assert client.get(path).status_code == 202

    actions.complete_erasure(request=begun)

    page = client.get(path)
    assert page.status_code == 200
    assert Certificate.objects.get().sha256 in page.content.decode()
    assert page["Cache-Control"] == "no-store"
    other = "y" if path[-2] == "x" else "x"
    assert client.get(f"{path[:-2]}{other}/").status_code == 410


@pytest.mark.django_db(transaction=True)
def test_four_workers_at_once_do_each_step_once(begun, people):
    def work_on_it(_number):
        try:
            while (progress := actions.complete_erasure(request=begun)) == Progress.WAITING:
                pass
            return progress
        finally:
            databases.close_all()

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(work_on_it, range(4))) == {Progress.DONE}

    steps = AuditEntry.objects.filter(ref=str(begun.pk), action__startswith="erasure.step_")
    assert steps.count() == 6
    assert Certificate.objects.count() == 1
    assert len(people.sent) == 1
