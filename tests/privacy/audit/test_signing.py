"""Signer and witness as real processes: what they sign, what they refuse, who may ask and read."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from privacy.access import Actor
from privacy.audit import (
    anchors_active,
    proof_of,
    record,
    tlog_proof,
    tree,
    verifier_keys,
    verify,
)
from privacy.audit.anchors import is_cosigned, submit
from privacy.audit.apart import WARNINGS, lacks_distance
from privacy.audit.checkpoints import make_checkpoints, sign
from privacy.audit.errors import SignerSays
from privacy.audit.keys import log_keys, rotations, witnesses
from privacy.audit.logs import origin
from privacy.audit.note import Head, Note, Verifier
from privacy.audit.signing import add_checkpoint
from privacy.models import Anchor, AuditEntry, Checkpoint, Leaf, Log, Watch
from tests.privacy.audit.placing import place_all
from tests.privacy.audit.watchers import run_signer, signing, witnessing

SYSTEM = Actor.system("retention")
# Example of c2sp.org/tlog-checkpoint: the first line is signed by that log's key (not published).
EXAMPLE = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""  # noqa: E501
# From the tests of the Go module golang.org/x/mod/sumdb/note: a public key and what it signed.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"  # noqa: E501
)


def add(count: int = 1) -> list[AuditEntry]:
    with transaction.atomic():
        return [
            record("request.received", actor=SYSTEM, obj="request", ref=UUID(int=n))
            for n in range(count)
        ]


@pytest.fixture
def house(transactional_db, tmp_path, settings):
    """A log with a signer and one witness; `house.grow(n)` adds entries and gives them places."""
    signer, witness = tmp_path / "signer", tmp_path / "witness"
    keys = run_signer("init", signer, "--log", origin(Log.AUDIT), "--log", origin(Log.CONSENT))
    settings.JAWORT_SIGNER_SOCKET = tmp_path / "s"
    logs = (part for key in keys.split() for part in ("--log", key))
    key = run_signer("init", witness, "--name", "w1.example.org", *logs).strip()

    def grow(count: int) -> list[AuditEntry]:
        made = add(count)
        place_all()
        return made

    with ExitStack() as stack:
        stack.enter_context(signing(signer, tmp_path / "s"))
        url = stack.enter_context(witnessing(witness, "w1.example.org"))
        settings.JAWORT_WITNESSES = [f"{url}|{key}"]
        yield SimpleNamespace(grow=grow, signer=signer, witness=witness, url=url, stack=stack)


def forked(size: int) -> Head:
    """A tree that somebody would like to have signed instead."""
    return Head(origin(Log.AUDIT), size, tree.root_of([tree.leaf_hash(b"x")] * size))


def refusal(where: str | Path, old: int, proof: list[bytes], text: str) -> tuple[str, int]:
    with pytest.raises(SignerSays) as error:
        add_checkpoint(where, old, proof, text)
    return error.value.trouble, error.value.size


def test_notes_are_read_as_others_write_them():
    """Published examples: the format's own, and one whose key and signature are known."""
    note = Note.parse(EXAMPLE)
    head = Head.parse(note.text)
    assert (head.origin, head.size) == ("example.com/behind-the-sofa", 20852163)
    assert str(head) == note.text
    assert [name for name, *_ in note.signatures] == [head.origin, "witness.example.com/w1"]
    witness = Verifier("witness.example.com/w1", 0x04, bytes(32))
    assert witness.time_of(note.signatures[1][2]) == 1679315147

    peter = Verifier.parse(PETER)
    assert str(peter) == PETER
    assert Note.parse(PETER_NOTE).signed_by(peter)
    assert not Note.parse(PETER_NOTE.replace("answer", "Answer")).signed_by(peter)
    with pytest.raises(ValueError, match="number"):
        Verifier.parse(PETER.replace("c74f", "c74e"))
    for broken in ("no note", PETER_NOTE.replace("— ", "- "), PETER_NOTE[:-1]):
        with pytest.raises(ValueError, match=r"no signed note|no signature line"):
            Note.parse(broken)


def test_from_entry_to_cosigned_proof_and_on_to_a_new_key(house):
    """The whole way of an entry, with a second signer's key at the end of it."""
    entry = add()[0]
    assert proof_of(Log.AUDIT, entry.id) is None  # no place yet
    place_all()
    assert proof_of(Log.AUDIT, entry.id) is None  # no checkpoint yet
    assert not anchors_active()
    now = timezone.now()

    made = make_checkpoints(now)
    anchors = submit(now)

    assert [one.size for one in made] == [1]  # learning the key came after: an entry of its own
    assert [anchor.name for anchor in anchors] == ["w1.example.org"]
    assert anchors_active()
    assert is_cosigned(made[0], witnesses()[0])
    proof = proof_of(Log.AUDIT, entry.id)
    assert proof is not None
    assert (proof.index, proof.size) == (0, 1)
    assert tree.check_inclusion(bytes(entry.leaf), 0, 1, proof.path, proof.root)
    text = tlog_proof(proof)
    assert text.startswith("c2sp.org/tlog-proof@v1\nindex 0\n\n127.0.0.1:8000/audit\n1\n")
    note = Note.parse(text.partition("\n\n")[2])
    assert [bool(note.signed_by(Verifier.parse(key))) for key in verifier_keys(Log.AUDIT)] == [
        True,
        True,
    ]
    assert make_checkpoints(now) == submit(now) == []  # nothing is signed or shown twice

    house.grow(300)
    later = sign(Log.AUDIT, 301, 1)
    assert submit(now)[0].checkpoint_id == later.id
    assert Watch.objects.get(name="signer/audit").trouble == ""

    house.stack.close()
    old = log_keys(Log.AUDIT)
    run_signer("rotate", house.signer)
    with signing(house.signer, Path(os.fspath(house.signer)).parent / "s"):
        house.grow(1)
        made = make_checkpoints(timezone.now() + 2 * (timezone.now() - now) + timezone.timedelta(1))
    keys = log_keys(Log.AUDIT)
    assert (len(keys), keys[0]) == (2, old[0])
    assert Note.parse(made[0].note).signed_by(keys[1])
    assert not Note.parse(made[0].note).signed_by(keys[0])
    assert all(Note.parse(rotations(Log.AUDIT)[0]).signed_by(key) for key in keys)
    assert AuditEntry.objects.filter(action="audit.key_rotated").count() == 1
    assert proof_of(Log.AUDIT, entry.id) == proof  # what was signed before stays proven


def test_neither_signer_nor_witness_signs_what_does_not_continue(house):
    house.grow(5)
    first = sign_all(house)
    house.grow(4)
    leaves = [bytes(row.leaf) for row in Leaf.objects.filter(log=1).order_by("idx")]
    stored = tree.subtrees_of(leaves)
    size = len(leaves)
    sign_all(house)
    where = [Path(os.fspath(house.signer)).parent / "s", house.url]
    note = Checkpoint.objects.get(log=1, size=size).note
    small = Checkpoint.objects.get(log=1, size=first).note
    text = str(Head(origin(Log.AUDIT), first, tree.root_of(leaves[:first])))

    # Smaller: "I know a larger one." The witness is even shown a real signature over it.
    assert refusal(where[0], first, [], text) == ("other_size", size)
    assert refusal(where[1], first, [], small) == ("other_size", size)
    # Just as large, but another tree; larger, but no continuation; a wrong way to continue.
    other = str(forked(size))
    assert refusal(where[0], size, [], other) == ("other_size", size)
    larger = str(forked(size + 3))
    proof = tree.consistency_path(
        size, size + 3, tree.subtrees_of([tree.leaf_hash(b"x")] * (size + 3))
    )
    assert refusal(where[0], size, proof, larger)[0] == "inconsistent"
    assert refusal(where[0], size, [], larger)[0] == "inconsistent"
    assert refusal(where[0], size + 9, [], larger)[0] == "refused"
    grown = [*leaves, tree.leaf_hash(b"y")]
    good = str(Head(origin(Log.AUDIT), size + 1, tree.root_of(grown)))
    path = tree.consistency_path(size, size + 1, tree.subtrees_of(grown))
    broken = [sha256(path[0]).digest(), *path[1:]]
    assert refusal(where[0], size, broken, good)[0] == "inconsistent"
    # The witness takes nothing that the log's key has not signed, and no log it does not know.
    assert refusal(where[1], size, path, f"{good}\n{note.rpartition(chr(10) * 2)[2]}")[0] == (
        "key_unknown"
    )
    assert refusal(where[0], 0, [], good.replace("audit", "other"))[0] == "log_unknown"
    for bad in (
        "",
        "old x\n\n",
        f"old 01\n\n{good}",
        f"old 1\nAA==\n\n{good}",
        f"old 0\n\n{good}x\n",
    ):
        assert refusal_of_body(where[0], bad) == 400
    # After all that, it still signs what is true.
    assert stored(0, 0) == leaves[0]
    assert add_checkpoint(where[0], size, path, good).startswith(f"— {origin(Log.AUDIT)} ")


def sign_all(house: SimpleNamespace) -> int:
    now = timezone.now()
    last = Checkpoint.objects.filter(log=1).order_by("-size").first()
    make_checkpoints(now) if last is None else sign(
        Log.AUDIT, Leaf.objects.filter(log=1).count(), last.size
    )
    submit(now)
    newest = Checkpoint.objects.filter(log=1).order_by("-size").first()
    assert newest is not None
    assert newest.anchors.filter(kind=Anchor.Kind.WITNESS).count() == 1
    return newest.size


def refusal_of_body(where: Path, body: str) -> int:
    from privacy.audit.signing import _call

    return _call(where, "POST", "/add-checkpoint", body.encode())[0]


def test_a_log_cut_short_or_told_anew_is_refused_and_named(house):
    """An old dump restored, or a history rewritten and hashed again to fit: the signer knows."""
    house.grow(8)
    make_checkpoints(timezone.now())
    with pytest.raises(SignerSays, match="log_is_shorter") as error:
        sign(Log.AUDIT, 5, 0)
    assert error.value.size == 8

    house.stack.close()
    run_signer("forget", house.signer, "--log", origin(Log.AUDIT))
    state = json.loads(
        next(f for f in house.signer.glob("log-*") if b"/audit" in f.read_bytes()).read_text()
    )
    assert state["rolled_back"][0]["size"] == 8  # the operator's word stays on record

    # A lost memory is not silently begun anew.
    for file in house.signer.glob("log-*"):
        file.unlink()
    with pytest.raises(subprocess.CalledProcessError) as lost:
        run_signer("init", house.signer, "--log", origin(Log.AUDIT))
    assert "is lost" in lost.value.stderr


def test_a_signer_that_is_not_apart_is_told_to_officer_and_operator(house, staff, settings):
    """Page and command warn, and the logs are sound all the same."""
    settings.JAWORT_DEMO = True
    client = Client(headers={"accept-language": "en"})
    client.force_login(staff("dpo"))
    word = "root" if os.geteuid() == 0 else "same_user"
    assert lacks_distance() == word

    warnings = verify(processes=1).warnings
    page = client.get(reverse("privacy:audit")).content.decode()

    assert [one for one in warnings if one.startswith(WARNINGS[word])]
    assert "An administrator should give the signer a user and a service of its own" in page
    house.stack.close()
    assert lacks_distance() == ""  # nobody is there to be near
    page = client.get(reverse("privacy:audit")).content.decode()
    assert "An administrator should give" not in page


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become other users")
@pytest.mark.parametrize(
    ("web", "mode", "word"),
    [(65533, 0o400, ""), (65533, 0o444, "readable"), (65534, 0o400, "same_user")],
)
def test_how_near_the_signers_key_is_to_another_user(settings, web, mode, word):
    home = Path(tempfile.mkdtemp(prefix="jawort-signer-"))
    home.chmod(0o755)
    settings.JAWORT_SIGNER_SOCKET = home / "s"
    run_signer("init", home / "signer", "--log", "x.example.org/audit")
    try:
        with signing(home / "signer", home / "s", "--mode", "0666", "--user", "nobody"):
            (home / "signer").chmod(0o755)
            (home / "signer" / "key.json").chmod(mode)
            pid = os.fork()
            if pid == 0:
                os._exit(says_as(web, word))
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        shutil.rmtree(home)


def says_as(user: int, word: str) -> int:
    """0 if a process of that user finds `word`; runs in a forked process."""
    try:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
        return 0 if lacks_distance() == word else 1
    except BaseException:
        return 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become two other users")
def test_the_web_process_reads_no_key_and_gets_no_smaller_tree_signed():
    """As another user than the signer: what a broken-into web process could try."""
    home = Path(tempfile.mkdtemp(prefix="jawort-signer-"))
    home.chmod(0o755)
    folder, place = home / "signer", home / "s"
    run_signer("init", folder, "--log", "x.example.org/audit")
    leaves = [tree.leaf_hash(b"%d" % n) for n in range(9)]
    try:
        with signing(folder, place, "--mode", "0666", "--user", "nobody"):
            head = Head("x.example.org/audit", 9, tree.root_of(leaves))
            add_checkpoint(place, 0, [], str(head))
            pid = os.fork()
            if pid == 0:
                os._exit(as_the_web(folder, place, leaves))
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert (folder / "key.json").stat().st_mode & 0o777 == 0o400
        assert (folder / "key.json").stat().st_uid != 0
    finally:
        shutil.rmtree(home)


def as_the_web(folder: Path, place: Path, leaves: list[bytes]) -> int:
    """0 if everything was refused; runs in a forked process that gives up its rights."""
    try:
        os.setgroups([])
        os.setgid(65533)
        os.setuid(65533)
        for name in ("key.json", "."):
            try:
                os.listdir(folder) if name == "." else (folder / name).read_text()
                return 1
            except PermissionError:
                pass
        smaller = Head("x.example.org/audit", 4, tree.root_of(leaves[:4]))
        try:
            add_checkpoint(place, 0, [], str(smaller))
            return 2
        except SignerSays as error:
            return 0 if (error.trouble, error.size) == ("other_size", 9) else 3
    except BaseException:
        return 4


def test_an_ml_dsa_key_signs_beside_the_other(tmp_path):
    keys = run_signer("init", tmp_path / "f", "--ml-dsa", "--log", "x.example.org/audit").split()
    with signing(tmp_path / "f", tmp_path / "s"):
        head = Head("x.example.org/audit", 1, tree.leaf_hash(b""))
        lines = add_checkpoint(tmp_path / "s", 0, [], str(head))
    note = Note.parse(f"{head}\n{lines}")

    assert [Verifier.parse(key).kind for key in keys] == [0x01, 0x06]
    for key in map(Verifier.parse, keys):
        assert note.signed_by(key)
        assert not Note(note.text.replace("\n1\n", "\n2\n"), note.signatures).signed_by(key)
    assert len(base64.b64decode(lines.split()[-1])) == 4 + 8 + 2420
