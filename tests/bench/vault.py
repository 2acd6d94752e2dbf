"""`python -m tests.bench.vault`: what sealing and opening one value costs, in CPU microseconds.

Pure computing on one core, no database: each figure is the best of several rounds.
"""

import os
import time
from collections.abc import Callable

import django

ROUNDS = 7
TIMES = 4_000
EPOCH = 1
PHONE = b"+4917604069001"


def best(act: Callable[[], object]) -> float:
    """The microseconds of CPU that one `act` takes, in the best round."""
    found = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(TIMES):
            act()
        found.append((time.process_time() - start) / TIMES * 1e6)
    return min(found)


def figures() -> dict[str, float]:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from privacy.ids import uuid7
    from privacy.vault import KeyRing, Where, blind_index, keyfile, keys, wrapping
    from privacy.vault.keyring import subject_key_place, unwrap_key, wrap_new_key

    # What a process has looked up once, at its first key.
    wrapping._known.keys[keys.root(), keyfile.path(), EPOCH] = AESGCM(os.urandom(32))
    subject = uuid7()
    ring = KeyRing("ops", {subject.bytes: AESGCM(os.urandom(32))})
    pk, house = uuid7(), subject_key_place(subject, "ops")

    def where() -> Where:
        return Where("messengers_address", "identifier", pk)

    sealed = ring.seal(subject, where(), PHONE)
    wrapped = wrap_new_key(subject.bytes, house, EPOCH)
    return {
        "seal one value": best(lambda: ring.seal(subject, where(), PHONE)),
        "open one value": best(lambda: ring.open(subject, where(), sealed)),
        "make and wrap one key": best(lambda: wrap_new_key(subject.bytes, house, EPOCH)),
        "unwrap one key": best(lambda: unwrap_key(subject.bytes, house, wrapped)),
        "blind index of one address": best(lambda: blind_index("address:sms", "+4917604069001")),
    }


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings_test")
    django.setup()
    for name, micros in figures().items():
        print(f"{name:<30} {micros:7.2f} µs")


if __name__ == "__main__":
    main()
