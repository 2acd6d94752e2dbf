import csv
import io
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from config.demo.people import by_mail, by_phone
from messengers.addresses import reveal
from messengers.channels import create_channel
from messengers.models import Address, Gate
from privacy.access import Actor, NotAllowed
from privacy.models import AuditEntry, DataSubject, Grant
from privacy.suppression import fingerprint, fingerprints, suppress
from subscriptions import audience
from subscriptions.consent import prove
from subscriptions.errors import ImportDecided, ImportRefused, SameHands
from subscriptions.imports import (
    approve_import,
    check_import,
    load_import,
    reject_import,
    report_csv,
)
from subscriptions.imports.check import Checker
from subscriptions.imports.read import decoded, read_rows
from subscriptions.models import ConsentRecord, Evidence, Import, Subscription
from tests.profiles import OWN_HOUSE

from .conftest import PHONE, make_newsletter, make_staff

pytestmark = pytest.mark.django_db

HEADER = "Telefon;Vorname;Nachname;Sprache;Themen;Einwilligung am;Quelle;Wortlaut;Status\r\n"


def line(phone=PHONE, first="Käthe", at="03.05.2024 10:00", source="Leserfest", **more):
    topics, status = more.get("topics", "sport"), more.get("status", "")
    return f"{phone};{first};Weiß;de;{topics};{at};{source};Ja, gerne.;{status}\r\n"


def file(*lines, encoding="utf-8-sig"):
    return (HEADER + "".join(lines)).encode(encoding)


@pytest.fixture
def check(newsletter, chat, publisher):
    def run(*lines, channel=chat, content=None):
        return check_import(
            newsletter=newsletter,
            channel=channel,
            content=content or file(*lines),
            actor=Actor.staff(publisher),
        )

    return run


@pytest.fixture
def load(check, publisher):
    def run(*lines, **more):
        return load_import(imported=check(*lines, **more), actor=Actor.staff(publisher))

    return run


def codes(imported):
    return [code for _line, code in imported.report]


def tables():
    models = (Subscription, Address, Gate, ConsentRecord, Evidence, DataSubject)
    return {model.__name__: model.objects.count() for model in models}


@pytest.mark.slow
def test_a_real_list_is_reported_as_it_truly_is_and_loaded_whole(load, newsletter):
    people = by_phone()

    imported = load(content=people.text().encode("utf-8-sig"))

    truth = dict(people.truth)
    assert {code: n for code, n in imported.counts.items() if code != "rows"} == truth
    assert imported.counts["rows"] == len(people.rows)
    waiting = Subscription.objects.filter(status="imported")
    assert waiting.count() == truth["good"]
    assert Subscription.objects.filter(status="withdrawn").count() == truth["withdrawn"]
    assert Gate.objects.filter(is_open=True).count() == 0
    by_topic = {
        t.slug: t.subscriptions.filter(status="imported").count() for t in newsletter.topics.all()
    }
    assert by_topic == dict(people.topics)


def test_a_latin_1_list_with_another_heading_is_read_too(load, mail):
    people = by_mail()
    text = people.text().translate({ord("ğ"): "g", ord("Ç"): "C", ord("ş"): "s"})

    imported = load(content=text.encode("latin-1"), channel=mail)

    assert {c: n for c, n in imported.counts.items() if c != "rows"} == dict(people.truth)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (line(phone=""), "missing_address"),
        (line(phone="0123"), "bad_address"),
        (line(phone="1,76E+11"), "bad_address"),
        (line(at="", source=""), "missing_evidence"),
        (line(at="31.02.2024"), "bad_date"),
        (line(at="01.01.2099"), "future_date"),
        (line(topics="sport,wetter"), "unknown_topic"),
        (line(status="abgemeldet"), "withdrawn"),
        (line(status="vielleicht"), "unknown_status"),
        (line() + line(phone="0176/04069001"), "duplicate"),
        (f"{PHONE};a;b;xx;;03.05.2024;Q;W;\r\n", "unknown_language"),
        (line().strip() + ";zu viel\r\n", "broken_row"),
    ],
)
def test_a_bad_row_is_named_by_line_and_reason(check, row, code):
    imported = check(row)

    assert codes(imported) == [code]
    assert imported.report[0][0] == 2 + (row.count("\r\n") - 1)


def test_the_report_and_the_stored_import_hold_no_address(check):
    imported = check(line(), line(phone="0176 04069001"), line(phone="0176 abc"))

    report = "".join(report_csv(imported))
    assert "3;duplicate" in report
    assert "4;bad_address" in report
    stored = str([imported.report, imported.counts, bytes(imported.content_sealed)])
    for needle in ("4069001", "Käthe", "Leserfest"):
        assert needle not in report + stored


def test_nobody_imported_is_reached_before_the_officer_has_approved(load, newsletter, officer):
    imported = load(line(), line(phone="+4917604069002"))
    assert audience.count(newsletter.pk, {})["total"] == 0
    assert set(Gate.objects.values_list("reason", flat=True)) == {"awaiting_approval"}

    opened = approve_import(imported=imported, actor=Actor.staff(officer))

    assert opened == 2
    assert audience.count(newsletter.pk, {})["total"] == 2
    assert audience.count(newsletter.pk, {"topic": ["sport"]})["total"] == 2
    consents = set(Subscription.objects.values_list("confirmed_at", flat=True))
    assert consents == {datetime(2024, 5, 3, 8, 0, tzinfo=UTC)}
    assert AuditEntry.objects.filter(action="import.approved").count() == 1


def test_the_uploader_cannot_approve_even_with_the_right_to(load, publisher):
    from privacy.access.actions import grant_role

    imported = load(line())
    grant_role(user=publisher, role=Grant.Role.DPO, newsletter=None, actor=Actor.system("test"))

    with pytest.raises(SameHands):
        approve_import(imported=imported, actor=Actor.staff(publisher))
    assert Gate.objects.filter(is_open=True).count() == 0


def test_an_editor_can_neither_upload_nor_approve(newsletter, chat, load):
    editor = Actor.staff(make_staff("editor"))
    with pytest.raises(NotAllowed):
        check_import(newsletter=newsletter, channel=chat, content=file(line()), actor=editor)
    imported = load(line())
    with pytest.raises(NotAllowed):
        approve_import(imported=imported, actor=editor)


def test_the_evidence_of_each_person_is_kept_sealed_and_proves_the_claim(load):
    load(line())

    record = ConsentRecord.objects.get()
    proof = prove(record, channel_kind="simulator", address=PHONE)
    assert proof.faults == ()
    assert proof.evidence["source"] == "Leserfest"
    assert proof.evidence["wording"] == "Ja, gerne."
    assert "Leserfest" not in bytes(record.entry).decode()
    assert prove(record, channel_kind="simulator", address="+491").faults == ("c_identity",)


def test_a_list_never_overrides_a_withdrawal(load, officer, say):
    say("START")
    say("JA")
    say("STOP")

    imported = load(line(), line(phone="+4917604069002"))
    approve_import(imported=imported, actor=Actor.staff(officer))

    assert codes(imported) == ["withdrew_here"]
    assert Subscription.objects.get(address__indexes__isnull=False, status="withdrawn")
    assert Gate.objects.filter(is_open=True).count() == 1


def test_a_withdrawal_in_one_list_holds_against_the_next_list(load, officer):
    load(line(status="abgemeldet"))

    again = load(line())

    assert codes(again) == ["withdrew_here"]


def test_a_withdrawal_between_loading_and_approval_counts(load, officer, say):
    imported = load(line())
    say("STOP")

    assert approve_import(imported=imported, actor=Actor.staff(officer)) == 0
    assert Subscription.objects.get().status == "withdrawn"


def test_a_list_never_overrides_a_suppression(load):
    suppress(fingerprint("simulator", PHONE), "simulator", reason="objection")

    imported = load(line(), line(phone="+4917604069002"))

    assert codes(imported) == ["suppressed"]
    assert Subscription.objects.count() == 1


@pytest.fixture
def second(newsletter):
    """Another account of the same messenger."""
    account = create_channel(
        kind="simulator", name="B", settings={}, secrets={"token": "t", "hook_secret": "s"},
        profile=OWN_HOUSE, actor=Actor.system("test"),
    )  # fmt: skip
    newsletter.channels.add(account)
    return account


def test_a_list_for_another_account_of_the_messenger_overrides_no_withdrawal(
    load, officer, say, second
):
    say("START")
    say("JA")
    say("STOP")

    imported = load(line(), line(phone="+4917604069002"), channel=second)

    assert codes(imported) == ["withdrew_here"]
    assert approve_import(imported=imported, actor=Actor.staff(officer)) == 1
    (opened,) = Gate.objects.filter(is_open=True)
    assert reveal(Address.objects.get(pk=opened.address)) == "+4917604069002"


def test_a_withdrawal_on_another_account_between_loading_and_approval_counts(
    load, officer, say, second
):
    say("START")
    say("JA")
    imported = load(line(), line(phone="+4917604069002"), channel=second)
    assert imported.counts["good"] == 2
    say("STOP")

    assert approve_import(imported=imported, actor=Actor.staff(officer)) == 1
    (opened,) = Gate.objects.filter(is_open=True)
    assert reveal(Address.objects.get(pk=opened.address)) == "+4917604069002"


def test_a_subscription_on_another_account_or_newsletter_does_not_hinder_a_list(
    load, say, second, chat
):
    say("START")
    say("JA")
    assert codes(load(line(), channel=second)) == []

    other = make_newsletter("Abendblatt", second)
    say("STOP")
    Subscription.objects.filter(channel=chat).update(newsletter=other)

    assert codes(load(line(phone="+4917604069002"), line(), channel=chat)) == []


def test_a_suppression_while_the_list_is_computed_counts(check, publisher, monkeypatch):
    imported = check(line(), line(phone="+4917604069002"))
    judge = Checker.check

    def and_meanwhile(self, rows, *more):
        verdicts = judge(self, rows, *more)
        suppress(fingerprint("simulator", PHONE), "simulator", reason="erased")
        return verdicts

    monkeypatch.setattr(Checker, "check", and_meanwhile)
    load_import(imported=imported, actor=Actor.staff(publisher))

    imported.refresh_from_db()
    assert codes(imported) == ["suppressed"]
    assert Subscription.objects.count() == 1


def test_a_suppression_between_loading_and_approval_counts_on_every_account(load, officer, second):
    imported = load(line(), line(phone="+4917604069002"), channel=second)
    assert imported.counts["good"] == 2
    suppress(fingerprint("simulator", PHONE), "simulator", reason="objection")

    assert approve_import(imported=imported, actor=Actor.staff(officer)) == 1

    (opened,) = Gate.objects.filter(is_open=True)
    assert reveal(Address.objects.get(pk=opened.address)) == "+4917604069002"
    assert Gate.objects.get(is_open=False).reason == "suppressed"


def test_slow_hashes_are_computed_before_the_transaction_and_once(load, monkeypatch):
    suppress(fingerprint("simulator", "+4917604069003"), "simulator", reason="objection")
    computed = []

    def counted(addresses):
        some = list(addresses)
        computed.append(len(some))
        return fingerprints(some)

    monkeypatch.setattr("subscriptions.imports.check.fingerprints", counted)
    load(line(), line(phone="+4917604069002"))

    # By the check, by the load before its transaction, and by the look inside of it.
    assert computed == [2, 2, 0]


def test_rejecting_erases_whom_only_the_list_brought(
    load, officer, django_capture_on_commit_callbacks
):
    from privacy.vault import KeyRing

    imported = load(line(), line(phone="+4917604069002"))
    subjects = list(DataSubject.objects.values_list("pk", flat=True))
    assert all(KeyRing.load(subjects).has(one) for one in subjects)

    with django_capture_on_commit_callbacks(execute=True):
        assert reject_import(imported=imported, actor=Actor.staff(officer)) == 2

    left = tables()
    assert left.pop("ConsentRecord") == 2  # blind entries of the ledger
    assert set(left.values()) == {0}
    assert not any(
        KeyRing.load(subjects, klass).has(s) for s in subjects for klass in ("ops", "evidence")
    )


def test_a_list_is_loaded_once(load, publisher):
    imported = load(line())

    with pytest.raises(ImportDecided):
        load_import(imported=imported, actor=Actor.staff(publisher))
    assert Subscription.objects.count() == 1
    assert imported.content_sealed is None


def test_a_failure_in_the_middle_leaves_nothing(check, publisher, monkeypatch):
    from subscriptions.imports import load as loading

    imported = check(line(), line(phone="+4917604069002"))
    before = tables()
    monkeypatch.setattr(loading, "ROWS_AT_A_TIME", 1)
    done = []

    def fail_at_the_second(count):
        done.append(count)
        if len(done) == 2:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError), transaction.atomic():
        load_import(imported=imported, actor=Actor.staff(publisher), progress=fail_at_the_second)

    assert done == [1, 1]
    assert tables() == before
    assert Import.objects.get().status == "checked"


KILLED = """
import os, signal, sys, django
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings_test"
from django.conf import settings
for alias, values in {databases!r}.items():
    settings.DATABASES[alias].update(values)
settings.JAWORT_VAR  # read before setup
django.setup()
settings.SUPPRESSION_ARGON2 = (8, 1)
from privacy.access import Actor
from privacy.models import User
from subscriptions.imports import load, load_import
from subscriptions.models import Import
from tests.profiles import OWN_HOUSE
load.ROWS_AT_A_TIME = 10
seen = []
def progress(count):
    seen.append(count)
    if len(seen) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
publisher = Actor.staff(User.objects.get(email="publisher@example.org"))
load_import(imported=Import.objects.get(), actor=publisher, progress=progress)
"""


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_kill_9_in_the_middle_of_loading_leaves_nobody(check, settings):
    check(*[line(phone=f"+49301234{n:04d}") for n in range(40)])
    before = tables()
    names = ("HOST", "PORT", "USER", "PASSWORD", "NAME")
    databases = {
        alias: {name: str(values[name]) for name in names}
        for alias, values in dict(settings.DATABASES).items()
    }
    env = {**os.environ, "PYTHONPATH": os.getcwd()}

    child = subprocess.run(
        [sys.executable, "-c", KILLED.format(databases=databases)],
        env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert child.returncode == -signal.SIGKILL, child.stderr[-2000:]
    assert tables() == before


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "empty"),
        (b"Name;Alter\r\nX;3\r\n", "No column"),
        (b"Telefon;Name\r\n", "no rows"),
        (b"\xef\xbb\xbfTelefon\xff\r\n1\r\n", "says that it is"),
        (b"PK\x03\x04\x00\x00", "no CSV"),
    ],
)
def test_a_file_that_is_no_list_is_refused_with_one_sentence(check, content, sentence):
    with pytest.raises(ImportRefused, match=sentence):
        read_rows(content)


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [("Phone,Name", ","), ("Telefon\tName", "\t"), ('"Telefon;x"|Name', "|"), ("Handynummer", ";")],
)
def test_delimiters_are_found_by_the_heading(text, delimiter):
    from subscriptions.imports.read import delimiter_of

    assert delimiter_of(f"{text}\r\n1,2;3\r\n") == delimiter


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16"])
def test_umlauts_survive_every_encoding(encoding):
    assert decoded("Käthe;Weiß\r\n".encode(encoding)) == "Käthe;Weiß\r\n"


def test_the_command_checks_loads_and_prints_the_report(
    newsletter, chat, publisher, tmp_path, capsys
):
    path = tmp_path / "people.csv"
    path.write_bytes(file(line(), line(phone="0123")))
    arguments = {"newsletter": "stadtanzeiger", "channel": "simulator", "by": publisher.email}

    call_command("import_subscribers", str(path), **arguments)
    shown = capsys.readouterr()
    assert "line 3: bad_address" in shown.out
    assert "nothing was stored" in shown.out
    assert "Checking" in shown.err
    assert Subscription.objects.count() == 0

    call_command("import_subscribers", str(path), load=True, **arguments)
    assert "Nobody is written to" in capsys.readouterr().out
    assert Subscription.objects.get().status == "imported"


def test_the_command_says_what_is_missing(newsletter, publisher, tmp_path):
    with pytest.raises(CommandError, match="no file"):
        call_command(
            "import_subscribers", str(tmp_path / "no.csv"), channel="simulator", by=publisher.email
        )
    with pytest.raises(CommandError, match="--channel"):
        call_command("import_subscribers", "x.csv", by=publisher.email)


def test_reading_the_report_as_a_table_gives_line_code_and_meaning(check):
    imported = check(line(phone="0123"))

    rows = list(
        csv.reader(io.StringIO("".join(report_csv(imported)).lstrip("\ufeff")), delimiter=";")
    )

    assert rows[1][:2] == ["2", "bad_address"]
