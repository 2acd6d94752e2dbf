"""The house's signature under receipts and proofs: Ed25519, from a key derived of the root.

Being derived, it is nowhere stored and survives every restore. Its public half is published as a
JWK set (RFC 7517) at /.well-known/jwks.json, so that anybody can check a receipt years later.
"""

import base64
from functools import lru_cache
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from privacy.audit import canonical
from privacy.vault.keys import subkey

LABEL = "sign/consent/1"
# RFC 8037. RFC 9864 would call it Ed25519, which most programs that check a JWS do not know yet.
ALGORITHM = "EdDSA"


def sign(payload: bytes, kind: str) -> str:
    """`payload` as a compact JWS (RFC 7515). `kind` is its `typ`: none passes for another."""
    key = _key(subkey(LABEL))
    header = canonical({"alg": ALGORITHM, "typ": kind, "kid": _public(key)["kid"]})
    signed = f"{_encode(header)}.{_encode(payload)}"
    return f"{signed}.{_encode(key.sign(signed.encode()))}"


def public_keys() -> dict[str, Any]:
    """The JWK set that checks them."""
    return {"keys": [{**_public(_key(subkey(LABEL))), "alg": ALGORITHM, "use": "sig"}]}


def _public(key: Ed25519PrivateKey) -> dict[str, str]:
    """The public half as a JWK, named by its thumbprint (RFC 7638)."""
    x = _encode(key.public_key().public_bytes_raw())
    named = {"crv": "Ed25519", "kty": "OKP", "x": x}
    return {**named, "kid": _encode(sha256(canonical(named)).digest())}


@lru_cache(maxsize=4)
def _key(seed: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
