"""Ids made by us and not by the database, because ciphertext is bound to the id of its row."""

import secrets
import time
from uuid import UUID

NANOSECONDS_PER_MILLISECOND = 1_000_000
SUB_MILLISECOND_STEPS = 1 << 12
RANDOM_BITS = 62


def uuid7() -> UUID:
    """A time-ordered UUID (RFC 9562, version 7) with the sub-millisecond fraction in `rand_a`.

    Ordered by time, so that inserts touch the right edge of an index; 62 random bits, so that no
    two meet. It tells when the row was made, so never use one as a secret.
    """
    milliseconds, rest = divmod(time.time_ns(), NANOSECONDS_PER_MILLISECOND)
    fraction = rest * SUB_MILLISECOND_STEPS // NANOSECONDS_PER_MILLISECOND
    head = (milliseconds & ((1 << 48) - 1)) << 80 | 7 << 76 | fraction << 64
    return UUID(int=head | 0b10 << RANDOM_BITS | secrets.randbits(RANDOM_BITS))
