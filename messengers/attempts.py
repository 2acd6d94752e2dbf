"""The id of one attempt: the only thing of ours that a provider sees, and sends back in receipts.

It is the pair (delivery, fence token), encrypted as one AES block with a MAC behind it: it says
nothing to others, nobody can guess or make one, and we need no table to read it.
"""

import hmac
import struct
from functools import lru_cache
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
    cipher = _cipher(subkey("attempt/cipher/1")).encryptor()
    block = cipher.update(PAIR.pack(delivery, token))
    return (block + _mac(block)).hex()


def open_attempt(text: str) -> Attempt | None:
    """The pair, or None for anything that we did not make."""
    try:
        raw = bytes.fromhex(text) if len(text) == CHARACTERS else b""
    except ValueError:
        return None
    block, mac = raw[: PAIR.size], raw[PAIR.size :]
    if len(raw) != PAIR.size + MAC_BYTES or not hmac.compare_digest(mac, _mac(block)):
        return None
    cipher = _cipher(subkey("attempt/cipher/1")).decryptor()
    return Attempt(*PAIR.unpack(cipher.update(block)))


def _mac(block: bytes) -> bytes:
    return hmac.digest(subkey("attempt/mac/1"), block, "sha256")[:MAC_BYTES]


@lru_cache(maxsize=2)
def _cipher(key: bytes) -> "Cipher[modes.ECB]":
    # One block of distinct pairs is a permutation: no mode is involved, in spite of the name.
    return Cipher(algorithms.AES256(key), modes.ECB())
