"""The id of one attempt: the only thing of ours that a provider sees, and sends back in receipts.

It is the pair (delivery, fence token), encrypted as one AES block with a MAC behind it: it says
nothing to others, nobody can guess or make one, and we need no table to read it.
"""

import hmac
import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from privacy.vault.keys import subkey

PAIR = struct.Struct(">qq")
MAC_BYTES = 8
CHARACTERS = 48  # 24 bytes in hexadecimal, which is several times faster than base32


class Attempt(NamedTuple):
    delivery: int
    token: int


def seal_attempt(delivery: int, token: int) -> str:
    """48 lower-case letters and digits. The same pair always gives the same id."""
    return seal_attempts([delivery], token)[0]


def seal_attempts(deliveries: Sequence[int], token: int) -> list[str]:
    """The ids of many deliveries under one token, in their order: one run of the cipher for all."""
    pairs = b"".join([PAIR.pack(delivery, token) for delivery in deliveries])
    blocks = _cipher(subkey("attempt/cipher/1")).encryptor().update(pairs)
    key = subkey("attempt/mac/1")
    return [
        (block + hmac.digest(key, block, "sha256")[:MAC_BYTES]).hex()
        for start in range(0, len(blocks), PAIR.size)
        if (block := blocks[start : start + PAIR.size])
    ]


def open_attempts(texts: Iterable[str]) -> list[Attempt | None]:
    """`open_attempt` of many, in their order: one run of the cipher for all that are ours."""
    key = subkey("attempt/mac/1")
    raws = [_raw(text) for text in texts]
    blocks = [raw[: PAIR.size] for raw in raws]
    ours = [
        len(raw) == PAIR.size + MAC_BYTES
        # Not `hmac.digest`, which lets go of the interpreter a thousand times for one hook.
        and hmac.compare_digest(raw[PAIR.size :], hmac.new(key, block, sha256).digest()[:MAC_BYTES])
        for raw, block in zip(raws, blocks, strict=True)
    ]
    cipher = _cipher(subkey("attempt/cipher/1")).decryptor()
    known = [block for block, is_ours in zip(blocks, ours, strict=True) if is_ours]
    opened = cipher.update(b"".join(known))
    pairs = map(Attempt._make, PAIR.iter_unpack(opened))
    return [next(pairs) if is_ours else None for is_ours in ours]


def open_attempt(text: str) -> Attempt | None:
    """The pair, or None for anything that we did not make."""
    return open_attempts([text])[0]


def _raw(text: str) -> bytes:
    try:
        return bytes.fromhex(text) if len(text) == CHARACTERS else b""
    except ValueError:
        return b""


@lru_cache(maxsize=2)
def _cipher(key: bytes) -> "Cipher[modes.ECB]":
    # One block of distinct pairs is a permutation: no mode is involved, in spite of the name.
    return Cipher(algorithms.AES256(key), modes.ECB())
