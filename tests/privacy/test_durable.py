"""privacy/durable.py: what a crash must not forget is asked to be remembered, on any server.

The servers of these tests run with `synchronous_commit = off`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import DEFAULT_DB_ALIAS, ProgrammingError, connections, transaction

from messengers import instance
from messengers.sql import run
from privacy.audit import record
from privacy.vault import generation, raise_generation
from tests.messengers.house import SYSTEM
from tests.privacy.audit.placing import place_all

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keystore"])
REFUSE = """
CREATE FUNCTION refuse_forgetful() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF current_setting('synchronous_commit') = 'off' THEN RAISE 'this could be forgotten'; END IF;
    RETURN NEW;
END $$"""


@contextmanager
def only_durable(table: str, *, using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """The database refuses what is written here by a commit that a crash may forget."""
    with connections[using].cursor() as cursor:
        cursor.execute(REFUSE)
        cursor.execute(
            f"CREATE TRIGGER forgetful BEFORE INSERT OR UPDATE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION refuse_forgetful()"
        )
        try:
            yield
        finally:
            cursor.execute("DROP FUNCTION refuse_forgetful CASCADE")


def test_the_test_can_fail() -> None:
    with (
        only_durable("messengers_instance"),
        pytest.raises(ProgrammingError, match="could be forgotten"),
        transaction.atomic(),
    ):
        run(instance.BEGIN, ["00000000-0000-0000-0000-000000000001", "", 0])


def test_a_host_never_knows_more_than_a_crashed_database() -> None:
    """Otherwise its own database would be an older copy to it, and nothing would be sent."""
    with only_durable("messengers_instance"):
        epoch = instance.current()
        instance.advance_now()
        instance.advance_now()
        assert instance.activate(SYSTEM) != epoch
    assert instance.why_not() == ""


def test_the_keystore_forgets_no_key_and_no_generation() -> None:
    with only_durable("keystore_generation", using="keystore"):
        raise_generation(7)
    assert generation() == 7


def test_what_was_numbered_stays_numbered() -> None:
    """A checkpoint may be signed over it at once."""
    with transaction.atomic():
        record("instance.joined", actor=SYSTEM, obj="instance", ref="here")
    with only_durable("privacy_leaf"):
        assert place_all() >= 1
