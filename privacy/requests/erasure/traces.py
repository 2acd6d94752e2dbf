"""Traces beside the rows: in notes of staff, in the queue, in the cache, in results of tasks.

Nothing of a person is ever put there on purpose. If the scan finds something all the same, it goes:
a task is only a doorbell that rings again by itself, and a cache forgets anyway.
"""

from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from privacy.models import Request
from privacy.requests.erasure.needles import Sought
from privacy.requests.erasure.places import Seekers
from privacy.requests.erasure.places.folders import Folder, folders
from privacy.requests.erasure.places.memory import memories
from privacy.requests.erasure.spellings import BETWEEN_DIGITS, Finder
from privacy.requests.notes import WISH, Note, rewrite_notes

FORGETFUL = frozenset({"broker", "results", "cache"})
BLACKENED = "▮▮▮"


def blacken_notes(subject: UUID, sought: Sought) -> int:
    """Take the person's identifiers out of what staff wrote about their requests; how many files.

    The caller holds the transaction.
    """
    finder = Finder({subject: sought.identifiers})
    mine = Request.objects.filter(subject=subject).exclude(note_sealed=None).select_for_update()
    return sum(rewrite_notes(one, partial(_blackened, finder=finder)) for one in mine)


def clear(sought: Sought) -> int:
    """Remove what holds any spelling from queue, results and cache; how many entries."""
    seekers = Seekers({"them": sought})
    count = sum(_clear_folder(one, seekers) for one in folders() if one.kind in FORGETFUL)
    count += sum(one.remove(seekers) for one in memories())
    return count + _clear_cache_table(seekers)


def _blackened(note: Note, finder: Finder[UUID]) -> str:
    """Also a number with spaces in it: then the digits are closed up first. What the person wrote
    goes whole.
    """
    if note.kind == WISH:
        return BLACKENED
    text = note.text
    for candidate in (text, _closed_up(text)):
        raw = candidate.encode()
        spans = sorted({(start, end) for _whose, start, end in finder.hits(raw)})
        if spans:
            return _without(raw, spans)
    return text


def _without(raw: bytes, spans: list[tuple[int, int]]) -> str:
    kept, at = [], 0
    for start, end in spans:
        if start >= at:
            kept += [raw[at:start], BLACKENED.encode()]
        at = max(at, end)
    return b"".join([*kept, raw[at:]]).decode(errors="replace")


def _closed_up(text: str) -> str:
    return BETWEEN_DIGITS.sub(b"", text.encode()).decode()


def _clear_folder(folder: Folder, seekers: Seekers) -> int:
    found = list(folder.files_with(seekers))
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def _clear_cache_table(seekers: Seekers) -> int:
    cache = settings.CACHES["default"]
    if not cache["BACKEND"].endswith(".DatabaseCache"):
        return 0
    table = connection.ops.quote_name(str(cache["LOCATION"]))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT cache_key, value FROM {table}")
        keys = [key for key, value in cursor if seekers.finder.in_bytes(value.encode())]
        cursor.execute(f"DELETE FROM {table} WHERE cache_key = ANY(%s)", [keys])
    return len(keys)
