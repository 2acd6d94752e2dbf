"""One number that keystore and data count up together, so that an old copy of either is noticed.

The keystore counts first. So it is always as far as the data or one further; anything else means
that one of the two was put back (messengers/instance.py asks).
"""

from privacy.vault import store

READ = "SELECT value FROM keystore_generation WHERE id = 1"
RAISE = """INSERT INTO keystore_generation AS known (id, value) VALUES (1, %s)
    ON CONFLICT (id) DO UPDATE SET value = excluded.value WHERE known.value < excluded.value"""


def generation() -> int:
    """How far the keystore has come; 0 for an empty one."""
    rows = store.read(READ, [])
    return int(rows[0][0]) if rows else 0


def raise_generation(to: int) -> None:
    """Count the keystore up to `to`, never down; committed at once. May run twice."""
    store.write(RAISE, [to])
