"""Signed notes and checkpoints as C2SP writes them (c2sp.org/signed-note, tlog-checkpoint).

Pure: text in, text out. Who signs is `signer.py`, a program of its own that imports nothing here.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ED25519 = 0x01  # a log's own signature
COSIGNATURE = 0x04  # a witness's, with the time
ML_DSA_44 = 0x06  # either, safe against quantum computers
DASH = "— "


@dataclass(frozen=True)
class Verifier:
    """A key that is believed: name, kind of signature, public key."""

    name: str
    kind: int
    key: bytes

    @classmethod
    def parse(cls, line: str) -> "Verifier":
        """From `name+hash+key`, as the specification writes it; `ValueError` for anything else."""
        name, number, encoded = line.strip().split("+", 2)
        raw = base64.b64decode(encoded, validate=True)
        made = cls(name, raw[0], raw[1:])
        if not name or made.id.hex() != number:
            raise ValueError("this is no key: its number does not fit.")
        return made

    def __str__(self) -> str:
        encoded = base64.b64encode(bytes([self.kind]) + self.key).decode()
        return f"{self.name}+{self.id.hex()}+{encoded}"

    @property
    def id(self) -> bytes:
        return sha256(f"{self.name}\n".encode() + bytes([self.kind]) + self.key).digest()[:4]

    def has_signed(self, text: str, signature: bytes) -> bool:
        """Whether `signature`, without its key number, is this key's over the note's text."""
        if self.kind == ED25519:
            return _ed25519(self.key, signature, text.encode())
        if len(signature) < 8:
            return False
        time, rest = int.from_bytes(signature[:8], "big"), signature[8:]
        if self.kind == COSIGNATURE:
            return _ed25519(self.key, rest, f"cosignature/v1\ntime {time}\n{text}".encode())
        return self.kind == ML_DSA_44 and _ml_dsa(self.key, rest, subtree(self.name, time, text))

    def time_of(self, signature: bytes) -> int:
        """When a witness signed, in seconds since 1970; 0 for a log's own signature."""
        return 0 if self.kind == ED25519 else int.from_bytes(signature[:8], "big")


@dataclass(frozen=True)
class Note:
    """A text and its signature lines, each as (name, key number, signature)."""

    text: str
    signatures: tuple[tuple[str, bytes, bytes], ...]

    @classmethod
    def parse(cls, raw: str) -> "Note":
        """`ValueError` unless it is a note with at least one signature line."""
        text, separator, lines = raw.rpartition("\n\n")
        if not separator or not lines.endswith("\n"):
            raise ValueError("this is no signed note.")
        return cls(text + "\n", tuple(map(_signature, lines.splitlines())))

    def signed_by(self, verifier: Verifier) -> bytes | None:
        """The signature of this key, if there is one and it holds."""
        for name, number, signature in self.signatures:
            if (name, number) == (verifier.name, verifier.id):
                return signature if verifier.has_signed(self.text, signature) else None
        return None


@dataclass(frozen=True)
class Head:
    """What a checkpoint says."""

    origin: str
    size: int
    root: bytes

    @classmethod
    def parse(cls, text: str) -> "Head":
        origin, size, root, *more = text.splitlines()
        if not origin or not size.isdigit() or size != str(int(size)) or "" in more:
            raise ValueError("this is no checkpoint.")
        return cls(origin, int(size), base64.b64decode(root, validate=True))

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def subtree(cosigner: str, time: int, text: str) -> bytes:
    """What an ML-DSA-44 signature signs (c2sp.org/tlog-cosignature)."""
    head = Head.parse(text)
    return b"".join(
        [
            b"subtree/v1\n\x00",
            _short(cosigner.encode()),
            time.to_bytes(8, "big"),
            _short(head.origin.encode()),
            (0).to_bytes(8, "big"),
            head.size.to_bytes(8, "big"),
            head.root,
        ]
    )


def with_lines(note: str, lines: Iterable[str]) -> str:
    """The note with further signature lines; each line ends with a newline."""
    return note + "".join(line for line in lines if line not in note)


def _short(value: bytes) -> bytes:
    return bytes([len(value)]) + value


def _signature(line: str) -> tuple[str, bytes, bytes]:
    if not line.startswith(DASH):
        raise ValueError("this is no signature line.")
    name, _, encoded = line.removeprefix(DASH).partition(" ")
    raw = base64.b64decode(encoded, validate=True)
    if not name or len(raw) <= 4:
        raise ValueError("this is no signature line.")
    return name, raw[:4], raw[4:]


def _ed25519(key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _ml_dsa(key: bytes, signature: bytes, message: bytes) -> bool:
    """False where the installed `cryptography` does not know ML-DSA."""
    try:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

        MLDSA44PublicKey.from_public_bytes(key).verify(signature, message)
    except (ImportError, InvalidSignature, ValueError):
        return False
    return True
