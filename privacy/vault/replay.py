"""After a restore: erase again everybody who was erased since the copy of the data was made."""

from collections import Counter
from collections.abc import Callable, Iterator

from django.db import transaction

from privacy import suppression
from privacy.models import DataSubject
from privacy.requests.erasure import again
from privacy.vault.tombstones import Stone, shred_again, tombstone, tombstones

Progress = Callable[[int], object]
REASON = "erased"


def replay(progress: Progress) -> dict[str, int]:
    """Keys first, so that nobody can be read meanwhile, then rows; counts of what had come back.

    May run any number of times, and goes on where it was killed. Raises `KeystoreDown`.
    """
    done: Counter[str] = Counter()
    for stone in _everybody():
        done["people"] += 1
        done["keys"] += shred_again(stone.subject, evidence=stone.evidence)
        done["rows"] += sum(again(stone.subject).values())
        done["suppressions"] += _suppress(stone)
        progress(1)
    return dict(done)


def _everybody() -> Iterator[Stone]:
    """The keystore's tombstones; and those of the data, which an older keystore may have lost."""
    erased = DataSubject.objects.filter(status=DataSubject.Status.ERASED, erased_at__isnull=False)
    for subject, at in erased.values_list("pk", "erased_at").iterator():
        if at:
            tombstone(subject, at)
    yield from tombstones()


@transaction.atomic
def _suppress(stone: Stone) -> int:
    new = [
        (kind, found) for kind, found in stone.suppressed if not suppression.is_suppressed(found)
    ]
    for kind, found in new:
        suppression.suppress(found, kind, reason=REASON)
    return len(new)
