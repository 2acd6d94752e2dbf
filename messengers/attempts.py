"""The id of one attempt: the only thing of ours that a provider sees, and sends back in receipts.

It is the pair (delivery, fence token), encrypted as one AES block with a MAC behind it: it says
nothing to others, nobody can guess or make one, and we need no table to read it. The MAC is half of
the block encrypted again under another key (CBC-MAC of one block, sound for one length: FIPS 113,
NIST SP 800-38B): a thousand of them are one run of the cipher.
"""

import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hmac import compare_digest
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from privacy.vault.keys import subkey

PAIR = struct.Struct(">qq")
MAC_BYTES = 8
BLOCK, MAC = 2 * PAIR.size, 2 * MAC_BYTES  # characters: hexadecimal is far faster than base32
CHARACTERS = BLOCK + MAC
NOTHING = bytes(PAIR.size + MAC_BYTES)  # what is no attempt at all is checked as this one


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
    sealed, macs = blocks.hex(), _macs(blocks).hex()
    return [
        sealed[start : start + BLOCK] + macs[start : start + MAC]
        for start in range(0, len(sealed), BLOCK)
    ]


def open_attempts(texts: Iterable[str]) -> list[Attempt | None]:
    """`open_attempt` of many, in their order: one run of each cipher for all that are ours."""
    raws = [_raw(text) for text in texts]
    blocks = b"".join([raw[: PAIR.size] for raw in raws])
    macs = _macs(blocks)
    ours = [
        compare_digest(raw[PAIR.size :], macs[start : start + MAC_BYTES])
        for start, raw in zip(range(0, len(blocks), PAIR.size), raws, strict=True)
    ]
    pairs = PAIR.iter_unpack(_cipher(subkey("attempt/cipher/1")).decryptor().update(blocks))
    return [Attempt(*pair) if is_ours else None for pair, is_ours in zip(pairs, ours, strict=True)]


def open_attempt(text: str) -> Attempt | None:
    """The pair, or None for anything that we did not make."""
    return open_attempts([text])[0]


def _raw(text: str) -> bytes:
    try:
        raw = bytes.fromhex(text) if len(text) == CHARACTERS else NOTHING
    except ValueError:
        return NOTHING
    return raw if len(raw) == len(NOTHING) else NOTHING  # `fromhex` passes over spaces


def _macs(blocks: bytes) -> bytes:
    """For each block another one; its first half is the MAC."""
    return _cipher(subkey("attempt/mac/2")).encryptor().update(blocks)


@lru_cache(maxsize=2)
def _cipher(key: bytes) -> "Cipher[modes.ECB]":
    # One block of distinct pairs is a permutation: no mode is involved, in spite of the name.
    return Cipher(algorithms.AES256(key), modes.ECB())
