"""A consent log of the tests' own: keys, places and checkpoints, signed by code of the tests."""

import base64
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
