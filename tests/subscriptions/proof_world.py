"""A consent log of the tests' own: keys, places and checkpoints, signed by code of the tests."""

import base64
import hmac
import json
import struct
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.utils import timezone

from privacy.audit.logs import origin
from privacy.audit.sequencer import append_rows
from privacy.ids import uuid7
from privacy.models import Anchor, Checkpoint, Log, Watch
from subscriptions.models import ConsentRecord
from tests.subscriptions.plain_verifier import key_id

WITNESS = "witness.example.org/w1"
SEEN_AT = 1_800_000_000


def plain_root(leaves):
    """MTH of RFC 6962, 2.1, as it stands there."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return sha256(b"\x01" + plain_root(leaves[:half]) + plain_root(leaves[half:])).digest()


class Signer:
    """A key of C2SP: `kind` 1 signs as a log, 4 as a witness."""

    def __init__(self, name, kind):
        self.name, self.key = name, Ed25519PrivateKey.generate()
        self.raw = bytes((kind,)) + self.key.public_key().public_bytes_raw()

    @property
    def vkey(self):
        coded = base64.b64encode(self.raw).decode()
        return f"{self.name}+{key_id(self.name, self.raw).hex()}+{coded}"

    def line(self, text):
        if self.raw[0] == 1:
            blob = self.key.sign(text.encode())
        else:
            message = f"cosignature/v1\ntime {SEEN_AT}\n{text}".encode()
            blob = struct.pack(">Q", SEEN_AT) + self.key.sign(message)
        coded = base64.b64encode(key_id(self.name, self.raw) + blob).decode()
        return f"— {self.name} {coded}\n"


class TestLog:
    """`log(others=5)` puts every record and some more leaves into the log and signs it."""

    __test__ = False

    def __init__(self, settings):
        self.log = Signer(origin(Log.CONSENT), 1)
        self.witness = Signer(WITNESS, 4)
        settings.JAWORT_WITNESSES = [f"http://127.0.0.1:9|{self.witness.vkey}"]
        now = timezone.now()
        facts = {"keys": [self.log.vkey], "rotations": []}
        Watch.objects.create(name="keys/consent", tried_at=now, well_at=now, facts=facts)

    def sign(self, others=5, *, cosigned=True):
        records = [(one.pk, bytes(one.leaf)) for one in ConsentRecord.objects.order_by("pk")]
        rows = [(uuid7(), sha256(bytes((n,))).digest()) for n in range(others)]
        rows[3:3] = records
        append_rows(Log.CONSENT, 0, rows)
        root = plain_root([leaf for _, leaf in rows])
        text = f"{self.log.name}\n{len(rows)}\n{base64.b64encode(root).decode()}\n"
        made = Checkpoint.objects.create(
            log=Log.CONSENT, size=len(rows), root=root, at=timezone.now(),
            note=f"{text}\n{self.log.line(text)}",
        )  # fmt: skip
        if cosigned:
            Anchor.objects.create(
                checkpoint=made, kind=Anchor.Kind.WITNESS, name=WITNESS, at=timezone.now(),
                proof=self.witness.line(text).encode(),
            )  # fmt: skip


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def b64url(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def commitment(secret, value):
    return hmac.new(secret, value.encode(), sha256).hexdigest()


class PlainPackage:
    """A package made by hand from the formats, without a database; `sign` closes it.

    Whatever is changed before `sign` is what a publisher could do who has the house's key.
    """

    def __init__(self):
        self.house = Ed25519PrivateKey.generate()
        self.log, self.witness = Signer("news.example/consent", 1), Signer(WITNESS, 4)
        self.header = {"alg": "EdDSA", "typ": "consent-proof+jws"}
        self.told = {"status": "logged"}
        secrets = [bytes((n,)) * 32 for n in (1, 2, 3)]
        subject, evidence = "01a20090-7dfa-764a-a7ed-0ffafcc286b3", '{"answer":{"text":"JA"}}'
        notice = canonical({"kind": "notice", "text": "Datenschutz"})
        notice_id = sha256(notice).hexdigest()
        wording = canonical({"kind": "wording", "notice": notice_id, "text": "Sagen Sie JA."})
        self.entry = {
            "id": "01a20090-7ef3-7c82-a5af-f2cb34cd5cf7", "state": "given", "channel": "sms",
            "time": "2026-11-22T00:03:19.290Z", "notice_id": notice_id,
            "wording_id": sha256(wording).hexdigest(),
            "c_subject": commitment(secrets[0], subject),
            "c_identity": commitment(secrets[1], "sms|+4917604069001"),
            "c_evidence": sha256(secrets[2] + evidence.encode()).hexdigest(),
        }  # fmt: skip
        openings = {"r1": secrets[0].hex(), "r2": secrets[1].hex(), "r3": secrets[2].hex()}
        openings |= {"evidence": evidence, "subject": subject}
        self.files = {
            "entry.json": canonical(self.entry), "openings.json": canonical(openings),
            "declaration.json": evidence.encode(), "wording.json": wording,
            "wording.txt": b"Sagen Sie JA.", "notice.json": notice, "notice.txt": b"Datenschutz",
            "person.json": canonical({"channel": "sms", "address": "+4917604069001"}),
        }  # fmt: skip
        self.into_log()

    def into_log(self):
        """Put the entry, as it is now, third into a log of five."""
        leaves = [sha256(bytes((n,))).digest() for n in range(5)]
        leaves[2] = sha256(b"\0" + self.files["entry.json"]).digest()
        pair = sha256(b"\x01" + leaves[0] + leaves[1]).digest()
        steps = [base64.b64encode(step).decode() for step in (leaves[3], pair, leaves[4])]
        text = f"{self.log.name}\n5\n{base64.b64encode(plain_root(leaves)).decode()}\n"
        self.note(f"{text}\n{self.log.line(text)}{self.witness.line(text)}", *steps)
        policy = f"log {self.log.vkey}\nwitness w1 {self.witness.vkey}\nquorum w1\n"
        self.files["policy.txt"] = policy.encode()
        self.told["leaf"] = leaves[2].hex()

    def note(self, note, *steps):
        """Another checkpoint in both files that hold it; the path stays, if none is given."""
        old = self.files.get("proof.tlog-proof", b"").decode().partition("\n\n")[0]
        head = "\n".join(["c2sp.org/tlog-proof@v1", "index 2", *steps]) if steps else old
        self.files["proof.tlog-proof"] = f"{head}\n\n{note}".encode()
        self.files["checkpoint.txt"] = note.encode()

    def replace(self, name, old, new):
        assert old.encode() in self.files[name]
        self.files[name] = self.files[name].replace(old.encode(), new.encode())

    def sign(self):
        key = {"x": b64url(self.house.public_key().public_bytes_raw())}
        self.files["house-key.json"] = canonical({"keys": [key]})
        hashes = {name: sha256(data).hexdigest() for name, data in self.files.items()}
        signed = f"{b64url(canonical(self.header))}."
        signed += b64url(canonical({**self.told, "files": hashes}))
        jws = f"{signed}.{b64url(self.house.sign(signed.encode()))}"
        return {**self.files, "manifest.jws": jws.encode()}
