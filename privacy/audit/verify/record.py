"""A reading that the officer's page can follow while it runs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import connections
from django.utils import timezone

from privacy.audit.logs import SOURCES
from privacy.audit.verify.result import VerifyResult
from privacy.models import Log, Verification

EVERY_SECONDS = 1.0


def count() -> int:
    """Roughly how many entries there are, for a progress bar: the planner's guess, if it is big."""
    total = 0
    with connections["default"].cursor() as cursor:
        for log in Log:
            cursor.execute(
                "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = %s::regclass",
                [SOURCES[log].table],
            )
            guess = int(cursor.fetchone()[0])
            if guess < 100_000:
                cursor.execute(f"SELECT count(*) FROM {SOURCES[log].table}")
                guess = int(cursor.fetchone()[0])
            total += guess
    return total


class Record:
    """Writes progress at most once a second; without an id it does nothing."""

    def __init__(self, ident: UUID | None) -> None:
        self.ident, self.done, self.written_at = ident, 0, 0.0
        self.result: VerifyResult | None = None

    def progress(self, number: int) -> None:
        self.done += number
        if self.ident and time.monotonic() - self.written_at > EVERY_SECONDS:
            self.written_at = time.monotonic()
            Verification.objects.filter(pk=self.ident).update(done=self.done)

    def finish(self) -> None:
        if self.ident and self.result:
            Verification.objects.filter(pk=self.ident).update(
                done=self.done,
                finished_at=timezone.now(),
                is_sound=self.result.is_sound,
                result=self.result.as_json(),
            )


@contextmanager
def recorded(ident: UUID | None) -> Iterator[Record]:
    """Whatever is put into `result` stands on the page afterwards."""
    record = Record(ident)
    if ident:
        Verification.objects.filter(pk=ident).update(total=count())
    yield record
    record.finish()
