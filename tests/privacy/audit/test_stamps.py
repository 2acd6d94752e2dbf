"""Time-stamps of an authority on loopback: taken once a day, checked again, and named if wrong."""

import base64
import shutil
from datetime import timedelta
from hashlib import sha256

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from privacy.audit import anchors_active, verify
from privacy.audit.logs import origin
from privacy.audit.note import Note
from privacy.audit.proofs import covering, stamp_of
from privacy.audit.stamps import AGAIN, EVERY, check, stamp_due, stamp_now
from privacy.models import Anchor, Checkpoint, Log, Watch
from tests.privacy.audit.authorities import Authority, serving

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the stamps")


@pytest.fixture
def authority(settings, tmp_path):
    with serving(Authority(tmp_path / "one")) as one:
        settings.JAWORT_TSA, settings.JAWORT_TSA_ROOTS = one.url, str(one.roots)
        yield one


def checkpoint(size: int, log: Log = Log.CONSENT) -> Checkpoint:
    """Signed by nobody in particular: a time-stamp is about the text."""
    root = sha256(b"%d" % size).digest()
    text = f"{origin(log)}\n{size}\n{base64.b64encode(root).decode()}\n"
    note = f"{text}\n— {origin(log)} AAAAAAAA\n"
    return Checkpoint.objects.create(log=log, size=size, root=root, note=note, at=timezone.now())


def stamp_on(one: Checkpoint, authority: Authority) -> bytes:
    (authority.folder / "text").write_text(Note.parse(one.note).text)
    return authority.stamped("-data", "text")


def trouble() -> str:
    return Watch.objects.get(name="stamp/127.0.0.1/consent").trouble


def findings() -> list[str]:
    return [finding for finding in verify(processes=1).findings if "time-stamp" in finding]


def test_the_newest_checkpoint_is_stamped_once_a_day(db, authority):
    now = timezone.now()
    assert stamp_due(now) == []  # nothing is signed yet
    assert not Watch.objects.exists()
    first = checkpoint(5)
    assert not anchors_active()

    made = stamp_due(now)

    assert [(one.checkpoint, one.kind, one.name) for one in made] == [
        (first, Anchor.Kind.TIMESTAMP, "127.0.0.1")
    ]
    assert anchors_active()
    assert not anchors_active(now + timedelta(days=3))
    assert abs(check(first.note, bytes(made[0].proof)) - now) < timedelta(minutes=5)
    last = checkpoint(6)
    assert stamp_due(now) == stamp_due(now + EVERY - timedelta(minutes=1)) == []
    assert authority.asked == 1
    assert [one.checkpoint for one in stamp_due(now + EVERY)] == [last]
    assert stamp_now(now) == []  # it has one
    assert (trouble(), authority.asked) == ("", 2)
    assert covering(Log.CONSENT, 2) == first
    read = verify(processes=1)
    assert (read.stamps, findings()) == (2, [])


def test_openssl_reads_what_is_kept_as_the_manual_says(db, authority):
    note = checkpoint(5).note
    stamp_now(timezone.now())
    (authority.folder / "kept.tsr").write_bytes(stamp_of(Checkpoint.objects.get()))
    (authority.folder / "signed.txt").write_text("".join(note.splitlines(keepends=True)[:3]))
    said = authority.openssl(
        *("-verify", "-data", "signed.txt", "-in", "kept.tsr", "-CAfile", "root.pem")
    )

    assert Note.parse(note).text == (authority.folder / "signed.txt").read_text()
    assert "Verification: OK" in said


@pytest.mark.parametrize(
    ("way", "word"),
    [
        ("rejection", "refused"),
        ("http_500", "refused"),
        ("other_text", "other_text"),
        ("noise", "bad_signature"),
    ],
)
def test_a_wrong_answer_is_not_kept_and_is_named(db, authority, way, word):
    checkpoint(5)
    authority.way = way
    now = timezone.now()

    assert stamp_due(now) == []
    assert trouble() == word
    assert not Anchor.objects.exists()
    assert not anchors_active()
    # Not every five seconds, but before a day is over; then all is well again.
    authority.way = "good"
    assert stamp_due(now + AGAIN - timedelta(minutes=1)) == []
    assert len(stamp_due(now + AGAIN)) == 1
    assert trouble() == ""
    # The same after a day that went well.
    checkpoint(6)
    authority.way, later = way, now + AGAIN + EVERY
    assert stamp_due(later) == []
    authority.way = "good"
    assert len(stamp_due(later + AGAIN)) == 1


def test_an_old_answer_sent_again_and_a_foreign_root_are_not_believed(
    db, authority, settings, tmp_path, monkeypatch
):
    checkpoint(5)
    foreign = Authority(tmp_path / "foreign")
    settings.JAWORT_TSA_ROOTS = str(foreign.roots)
    assert stamp_now(timezone.now()) == []
    assert trouble() == "bad_signature"
    settings.JAWORT_TSA_ROOTS = str(authority.roots)
    old = authority.reply()  # of the same text, but with another request's number
    monkeypatch.setattr(authority, "answer", lambda request: old)
    assert stamp_now(timezone.now()) == []
    assert trouble() == "bad_signature"


def test_an_authority_that_is_down_breaks_nothing_and_stands_on_the_page(
    db, authority, settings, staff
):
    settings.JAWORT_DEMO = True
    client = Client(headers={"accept-language": "en"})
    client.force_login(staff("dpo"))
    checkpoint(5)
    settings.JAWORT_TSA = "http://127.0.0.1:9/tsr"
    assert stamp_due(timezone.now()) == []
    page = client.get(reverse("privacy:audit")).content.decode()
    assert "stamp/127.0.0.1/consent" in page
    assert "It does not answer." in page
    with pytest.raises(CommandError, match="consent"):
        call_command("audit_stamp")
    for path in ("", "/nowhere/roots.pem", __file__):
        Watch.objects.all().delete()
        settings.JAWORT_TSA_ROOTS = path
        assert stamp_now(timezone.now()) == []
        assert trouble() == "no_roots"

    settings.JAWORT_TSA, settings.JAWORT_TSA_ROOTS = authority.url, str(authority.roots)
    call_command("audit_stamp")
    page = client.get(reverse("privacy:audit")).content.decode()
    assert "Time-stamps: 127.0.0.1" in page
    assert "Nobody outside watches these logs." not in page
    settings.JAWORT_TSA = ""
    with pytest.raises(CommandError, match="JAWORT_TSA"):
        call_command("audit_stamp")
    assert "Time-stamps:" not in client.get(reverse("privacy:audit")).content.decode()


def test_what_does_not_fit_later_is_named_by_the_reading(db, authority, settings, tmp_path):
    checkpoint(5)
    good = stamp_now(timezone.now())[0]
    foreign = Authority(tmp_path / "foreign")
    flipped = stamp_on(checkpoint(7), authority)
    kept = {
        checkpoint(6): bytes(good.proof),
        Checkpoint.objects.get(size=7): flipped[:-1] + bytes([flipped[-1] ^ 1]),
        (last := checkpoint(8)): stamp_on(last, foreign),
    }
    for one, proof in kept.items():
        Anchor.objects.create(
            checkpoint=one, kind="timestamp", name="x.example", proof=proof, at=timezone.now()
        )

    assert sorted(findings()) == [
        "consent: the time-stamp of x.example on 6 entries is of another text",
        "consent: the time-stamp of x.example on 7 entries does not hold",
        "consent: the time-stamp of x.example on 8 entries does not hold",
    ]
    settings.JAWORT_TSA_ROOTS = ""
    read = verify(processes=1)
    assert any("time-stamps were not checked" in warning for warning in read.warnings)
    assert read.stamps == 0
