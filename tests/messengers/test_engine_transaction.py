"""The engine's transaction, one statement after the other and in a pipeline."""

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction

from messengers.models import Channel
from messengers.sql import ask, engine_transaction, rows, run
from tests.messengers.house import make_channel

RENAME = "UPDATE messengers_channel SET name = %s"
END_OURSELVES = "SELECT pg_terminate_backend(pg_backend_pid())"


def name() -> str:
    return Channel.objects.get().name


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("pipelined", [False, True])
def test_what_the_block_did_is_there_when_it_has_ended(pipelined: bool) -> None:
    make_channel()

    with engine_transaction(pipelined=pipelined):
        first, second = ask("SELECT %s::int", [1]), ask("SELECT %s::int", [2])
        run(RENAME, ["new"])
        assert (first(), second()) == ([(1,)], [(2,)])
        assert rows("SHOW synchronous_commit") != [("off",)]
        assert rows("SHOW enable_seqscan") == [("off",)]

    assert name() == "new"
    assert rows("SHOW enable_seqscan") == [("on",)]
    assert connection.get_autocommit()


def renamed_and(last: str, *, pipelined: bool) -> None:
    """A block that changes something, and then says `last`; "" is an error of our own."""
    with engine_transaction(pipelined=pipelined):
        run(RENAME, ["new"])
        if not last:
            raise KeyError
        run(last)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("pipelined", [False, True])
@pytest.mark.parametrize(
    ("last", "error"),
    [
        ("SELECT 1 / 0", DatabaseError),
        ("nonsense", DatabaseError),
        (END_OURSELVES, OperationalError),
        ("", KeyError),
    ],
)
def test_nothing_is_kept_of_a_block_that_fails(
    last: str, error: type[Exception], pipelined: bool
) -> None:
    make_channel()

    with pytest.raises(error):
        renamed_and(last, pipelined=pipelined)
    if last == END_OURSELVES:
        connection.close()  # as a worker does

    assert name() == "Test"
    with engine_transaction(pipelined=pipelined):
        run(RENAME, ["newer"])
    assert name() == "newer"


@pytest.mark.django_db(transaction=True)
def test_within_another_transaction_it_is_part_of_it() -> None:
    make_channel()

    with transaction.atomic():
        with engine_transaction(pipelined=True):
            run(RENAME, ["new"])
        assert name() == "new"
        transaction.set_rollback(True)

    assert name() == "Test"
