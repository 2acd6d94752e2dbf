"""Secrets of the installation and its staff: channel credentials, one-time-code seeds."""

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from privacy.vault.envelope import Kind, Where, key_version_of, open_with, seal_with
from privacy.vault.keys import SYSTEM_VERSION, subkey


def seal_system(where: Where, plaintext: bytes) -> bytes:
    """Seal under a key derived from the root, for values that no person's erasure concerns."""
    return seal_with(_key(SYSTEM_VERSION), Kind.SYSTEM, SYSTEM_VERSION, where, b"", plaintext)


def open_system(where: Where, sealed: bytes) -> bytes:
    return open_with(_key(key_version_of(sealed)), Kind.SYSTEM, where, b"", sealed)


def _key(version: int) -> AESGCM:
    return AESGCM(subkey(f"system/{version}"))
