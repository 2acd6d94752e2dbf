"""The cache lies in the database, and its keys are hashed: they may be made of an address."""

from hashlib import blake2b

from django.conf import settings


def hashed_key(key: str, prefix: str, version: int) -> str:
    """A keyed hash of the whole key: nobody can try out addresses on a copy of the table."""
    name = f"{prefix}:{version}:{key}".encode()
    return blake2b(name, key=settings.SECRET_KEY.encode()[:64], digest_size=32).hexdigest()
