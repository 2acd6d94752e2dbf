"""Numbers of requests: "2026-0007", without gaps within a year, and safe against races."""

from django.db import connection

from privacy.models import Request

# Any fixed number will do: it names this lock among the advisory locks of the database.
LOCK = 0x4A61776F
DIGITS = 4


def next_number(year: int) -> str:
    """The next free number of `year`; call it inside the transaction that stores it.

    The lock lasts until that transaction ends, so two never get the same number; and a rollback
    gives the number back, so there are no gaps.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s::integer, %s::integer)", [LOCK, year])
    numbers = Request.objects.filter(number__startswith=f"{year}-").values_list("number", flat=True)
    last = max((int(number.partition("-")[2]) for number in numbers), default=0)
    return f"{year}-{last + 1:0{DIGITS}d}"
