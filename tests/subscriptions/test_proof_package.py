"""Proof packages: they hold for a stranger, and whatever was changed in them is found and named."""

import base64
import io
import json
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from privacy.models import Anchor, Checkpoint
from privacy.vault import shred
from subscriptions.models import ConsentRecord
from subscriptions.proof import bundle, package, pdf, sign
from subscriptions.proof.bundle import MANIFEST
from subscriptions.proof.facts import facts_of
from subscriptions.proof.verify import FAILS, OPEN, verdict, verify
from tests.subscriptions import plain_verifier
from tests.subscriptions.conftest import OTHER_PHONE, PHONE
from tests.subscriptions.proof_world import SEEN_AT, Signer, TestLog

pytestmark = pytest.mark.django_db


@pytest.fixture
def record(say):
    say("START")
    say("JA")
    return ConsentRecord.objects.get()


@pytest.fixture
def log(settings, record):
    return TestLog(settings)


PROVEN: dict[str, Any] = {}


@pytest.fixture
def proven(request):
    """One package in a log with a witness, made once: what follows only reads its bytes."""
    if not PROVEN:
        record, log = request.getfixturevalue("record"), request.getfixturevalue("log")
        log.sign()
        PROVEN.update(facts=facts_of(record), files=unpacked(package(record, "de")), log=log)
    return SimpleNamespace(**PROVEN)


def unpacked(packed):
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def failing(found):
    return [one for one in found if one.state == FAILS]


def run_verify(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`verify.py` as a court runs it: Python and `cryptography`, nothing else to import."""
    only = folder.parent / "only"
    if not only.exists():
        only.mkdir()
        for found in Path(sysconfig.get_paths()["platlib"]).glob("*cffi*"):
            (only / found.name).symlink_to(found)
        (only / "cryptography").symlink_to(Path(sysconfig.get_paths()["purelib"]) / "cryptography")
    return subprocess.run(
        [sys.executable, "-S", str(folder / "verify.py"), *arguments],
        env={"PYTHONPATH": str(only), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, cwd="/", check=False,
    )  # fmt: skip


def test_a_time_stamp_of_the_checkpoint_lies_in_the_package(record, log):
    log.sign()
    assert "checkpoint.tsr" not in unpacked(package(record, "de"))
    Anchor.objects.create(
        checkpoint=Checkpoint.objects.get(), kind="timestamp", name="tsa.example.org",
        proof=b"the answer", at=timezone.now(),
    )  # fmt: skip

    files = unpacked(package(record, "en"))

    assert files["checkpoint.tsr"] == b"the answer"
    assert "openssl ts -verify" in files["README.de.txt"].decode()
    assert [one for one in verify(files) if one.state != "holds"] == []
    files["checkpoint.tsr"] = b"another answer"
    assert "checkpoint.tsr" in "".join(one.english for one in failing(verify(files)))


def test_a_package_holds_for_us_for_a_court_and_for_a_second_verifier(record, log, tmp_path):
    log.sign()

    packed = package(record, "de")

    assert packed == package(record, "de")
    files = unpacked(packed)
    assert files["entry.json"] == bytes(record.entry)
    assert [one for one in verify(files) if one.state != "holds"] == []
    house_key = sign.public_keys()["keys"][0]["x"]
    seen = plain_verifier.check(
        packed, log_key=log.log.vkey, witness_key=log.witness.vkey,
        house_key=house_key, address=PHONE,
    )  # fmt: skip
    assert seen == SEEN_AT
    folder = tmp_path / "unpacked"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    court = run_verify(folder, "--lang", "en", "--key", log.log.vkey, "--house-key", house_key)
    assert (court.returncode, court.stderr) == (0, "")
    assert "Everything holds." in court.stdout
    assert f"The declaration came from {PHONE}" in court.stdout
    (folder / "wording.txt").write_bytes(b"Ich will alles kaufen.")
    court = run_verify(folder)
    assert court.returncode == 1
    assert "wording.txt wurde verändert." in court.stdout
    assert run_verify(folder, str(tmp_path / "nothing")).returncode == 2


def test_whatever_is_changed_removed_or_added_is_named(proven):
    files = proven.files
    for name, data in files.items():
        middle = len(data) // 2
        changed = data[:middle] + bytes((data[middle] ^ 1,)) + data[middle + 1 :]
        without = {other: content for other, content in files.items() if other != name}

        for broken in ({**files, name: changed}, without):
            found = verify(broken)
            assert verdict(found) == 1, name
            told = " ".join(one.german + one.english for one in failing(found))
            assert name in told, name
    assert "extra.txt" in failing(verify({**files, "extra.txt": b""}))[0].german


def test_the_house_itself_cannot_change_what_it_has_logged(proven):
    """As above, but the list of files is signed anew by the house's own key."""
    files = proven.files
    proving = set(files) - {
        MANIFEST, "README.de.txt", "README.en.txt", "house-key.json", "proof.pdf", "verify.py",
    }  # fmt: skip
    assert len(proving) == 11
    for name in proving:
        data = files[name]
        middle = len(data) // 2
        changed = {**files, name: data[:middle] + bytes((data[middle] ^ 1,)) + data[middle + 1 :]}
        del changed[MANIFEST]
        changed[MANIFEST] = bundle.manifest(proven.facts, changed)

        found = verify(changed)

        assert found[0].state == "holds"  # the signature of the house fits
        assert verdict(found) == 1, name


def test_a_forged_entry_is_not_in_the_tree_even_with_everything_else_made_to_fit(proven):
    files = dict(proven.files)
    files["entry.json"] = files["entry.json"].replace(b'"given"', b'"trick"')
    del files[MANIFEST]
    leaf = sha256(b"\0" + files["entry.json"]).digest()
    forged = replace(proven.facts, record=ConsentRecord(pk=proven.facts.record.pk, leaf=leaf))
    files[MANIFEST] = bundle.manifest(forged, files)

    (wrong,) = failing(verify(files))

    assert wrong.check == "inclusion"
    assert "nicht im Baum" in wrong.german


def test_a_claimed_number_fits_or_does_not(proven):
    files = proven.files
    for spelled in (PHONE, "+49 176 / 0406-9001", "0049 176 04069001"):
        assert failing(verify(files, address=spelled)) == []
    (wrong,) = failing(verify(files, address=OTHER_PHONE))
    assert wrong.english == f"This declaration did not come from {OTHER_PHONE} (simulator)."


def test_keys_from_elsewhere_decide_and_not_those_in_the_package(proven):
    files, log = proven.files, proven.log
    stranger = Signer("stranger.example", 1)
    own = (log.log.vkey, log.witness.vkey)
    assert failing(verify(files, keys=own)) == []
    wrong = failing(verify(files, keys=(Signer(log.log.name, 1).vkey,)))
    assert {one.check for one in wrong} == {"checkpoint"}
    key = base64.urlsafe_b64encode(stranger.raw[1:]).decode().rstrip("=")
    assert {one.check for one in failing(verify(files, house_key=key))} == {"files"}


def test_what_cannot_be_shown_yet_is_said_and_is_no_fault(record, log):
    files = bundle.checkable(facts_of(record))
    assert "proof.tlog-proof" not in files
    found = verify(files)
    assert (verdict(found), [one.check for one in found if one.state == OPEN]) == (3, ["inclusion"])
    assert "not yet in a checkpoint" in files["README.en.txt"].decode()
    assert pdf(record, "en").startswith(b"%PDF")

    log.sign(cosigned=False)
    found = verify(bundle.checkable(facts_of(record)))
    assert [one.check for one in found if one.state == OPEN] == ["witnesses"]


def test_a_withdrawal_has_its_package_without_a_wording(record, log, say):
    say("STOP")
    log.sign()
    last = ConsentRecord.objects.get(state="withdrawn")

    files = bundle.checkable(facts_of(last))

    assert "wording.txt" not in files
    assert verdict(verify(files)) == 0


def test_after_the_evidence_is_destroyed_the_record_is_still_proven_and_nobody_named(record, log):
    log.sign()
    shred(record.subject, "evidence")

    packed = package(record, "de")

    files = unpacked(packed)
    assert verdict(verify(files)) == 3
    assert {"openings.json", "declaration.json", "person.json"} & set(files) == set()
    assert PHONE.encode() not in packed
    assert "holds" in {one.state for one in verify(files) if one.check == "inclusion"}


def test_an_entry_pruned_to_its_hash_keeps_its_place(record, log):
    log.sign()
    shred(record.subject, "evidence")
    record.entry = b""

    files = bundle.checkable(facts_of(record))

    assert "entry.json" not in files
    assert verdict(verify(files)) == 3
    body = base64.urlsafe_b64decode(files[MANIFEST].split(b".")[1] + b"==")
    assert json.loads(body)["status"] == "logged"
