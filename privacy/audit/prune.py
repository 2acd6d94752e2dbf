"""Giving up the bytes of entries whose term is over; their hashes stay, so every other proof holds.

The application's role may change nothing in these tables. It may call one function of the owner,
and the trigger behind that looks again: does the hash fit the bytes, and is the term over?
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import connections

from privacy.models import Log

# Sections 195, 199 BGB: three years from the end of the year. A rule may wait longer, never less.
YEARS_AT_LEAST = 3

SQL = f"""
CREATE OR REPLACE FUNCTION privacy_term_is_over(at timestamptz) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT make_timestamptz(
        extract(year FROM at AT TIME ZONE 'Europe/Berlin')::int + {YEARS_AT_LEAST + 1},
        1, 1, 0, 0, 0, 'Europe/Berlin'
    ) <= now()
$$;
CREATE OR REPLACE FUNCTION privacy_prune_entry(log int, entries uuid[], before timestamptz)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    pruned bigint;
BEGIN
    IF log = 1 THEN
        UPDATE public.privacy_auditentry
        SET entry = '', action = '', actor = '', object = '', ref = ''
        WHERE id = ANY (entries) AND at < before AND octet_length(entry) > 0;
    ELSIF log = 2 THEN
        UPDATE public.subscriptions_consentrecord
        SET entry = '', subject = '00000000-0000-0000-0000-000000000000', subscription = NULL,
            newsletter = '00000000-0000-0000-0000-000000000000', wording = ''
        WHERE id = ANY (entries) AND at < before AND octet_length(entry) > 0;
    ELSE
        RAISE EXCEPTION 'there is no log %', log;
    END IF;
    GET DIAGNOSTICS pruned = ROW_COUNT;
    RETURN pruned;
END $$;
"""
REVERSE_SQL = """
DROP FUNCTION privacy_prune_entry(int, uuid[], timestamptz);
DROP FUNCTION privacy_term_is_over(timestamptz);
"""


def prune(log: Log, entry_ids: Iterable[UUID], *, before: datetime) -> int:
    """Give up the bytes of these entries, where they are older than `before`; how many did.

    `before` is the date of the retention rule. Raises `DatabaseError` and changes nothing if one
    of them is younger than the law demands, or if its hash does not fit its bytes.
    """
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT privacy_prune_entry(%s, %s::uuid[], %s)", [int(log), list(entry_ids), before]
        )
        return int(cursor.fetchone()[0])
