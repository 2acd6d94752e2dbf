"""Addresses that nobody may write to again, kept as slow keyed hashes.

All telephone numbers of the world could be tried out against a fast hash within hours, by whoever
holds the database *and* the key. Argon2id on top of the keyed hash makes each try thousands of
times dearer. It takes about 5 ms, so compute fingerprints before a transaction, at opt-in and
import only; sending never asks here, it asks the gate.
"""

import hmac
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from privacy.models import Suppression
from privacy.vault.keys import SUPPRESSION_VERSION, subkey

FINGERPRINT_BYTES = 32


def fingerprint(kind: str, canonical: str) -> bytes:
    """32 bytes for an address of the messenger `kind`, in its canonical form. Slow on purpose."""
    key = subkey(f"suppress/{SUPPRESSION_VERSION}")
    salt = hmac.digest(key, kind.encode(), "sha256")
    memory_kib, iterations = settings.SUPPRESSION_ARGON2
    slow = Argon2id(
        salt=salt,
        length=FINGERPRINT_BYTES,
        iterations=iterations,
        lanes=1,
        memory_cost=memory_kib,
    )
    return slow.derive(hmac.digest(key, f"{kind}\0{canonical}".encode(), "sha256"))


def fingerprints(
    addresses: Iterable[tuple[str, str]], progress: Callable[[int], object] = lambda count: None
) -> list[bytes]:
    """The fingerprints of many (kind, canonical) in their order, on all processors.

    `progress` is called with 1 for each that is done.
    """
    found = []
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for one in threads.map(lambda pair: fingerprint(*pair), addresses):
            found.append(one)
            progress(1)
    return found


def is_suppressed(found: bytes, scope: UUID | None = None) -> bool:
    """Whether this fingerprint may not be written to by newsletter `scope`, or (None) by any."""
    return _covering(scope).filter(fingerprint=found).exists()


def suppressed_among(found: Iterable[bytes], scope: UUID | None = None) -> set[bytes]:
    """Those of many fingerprints that are suppressed, by one query."""
    rows = _covering(scope).filter(fingerprint__in=list(found))
    return {bytes(one) for one in rows.values_list("fingerprint", flat=True)}


def suppress(found: bytes, kind: str, scope: UUID | None = None, *, reason: str) -> Suppression:
    """Never write here again: in one newsletter, or (None) in all. May be done twice."""
    return Suppression.objects.get_or_create(
        kind=kind,
        fingerprint=found,
        newsletter=scope,
        defaults={"reason": reason, "since": timezone.now()},
    )[0]


def lift(found: bytes, kind: str, scope: UUID | None = None) -> int:
    """The person's own new double opt-in, confirmed from the same address. Nothing else calls this.

    Lifts what forbade newsletter `scope`, which includes a suppression of all; how many rows went.
    """
    return _covering(scope).filter(kind=kind, fingerprint=found).delete()[0]


def _covering(scope: UUID | None) -> QuerySet[Suppression]:
    if scope is None:
        return Suppression.objects.filter(newsletter=None)
    return Suppression.objects.filter(Q(newsletter=None) | Q(newsletter=scope))
