"""The window: small for the quick, large for the slow, and stragglers take nobody's place."""

from messengers.engine.pace import (
    EPOCH,
    FEWEST,
    FIRST,
    MAILS,
    MOST,
    PER_SECOND,
    STRAGGLING,
    Flight,
    Pace,
)


def left(pace: Pace, messages: int, at: float) -> Flight:
    flight = pace.leaves(at)
    flight.out += messages
    return flight


def answered(pace: Pace, seconds: float, at: float = 0.0, number: int = EPOCH) -> None:
    for _ in range(number):
        pace.came(left(pace, 1, at), 1, at + seconds)


def test_a_provider_that_answers_at_once_gets_the_smallest_window() -> None:
    pace = Pace()

    answered(pace, 0.001)

    assert pace.window(1.0) == FEWEST


def test_it_opens_with_the_answers_and_not_with_those_that_are_lost() -> None:
    """A messenger that is out of order must not put a whole window in doubt."""
    pace = Pace()
    assert pace.window(0.0) == FIRST < FEWEST

    for _ in range(100):
        pace.came(left(pace, 1, 0.0), 1, 0.001, is_lost=True)
    assert pace.window(0.0) == FIRST

    pace.came(left(pace, 20, 0.0), 20, 0.001)
    assert pace.window(0.0) == FIRST + 20


def test_the_window_grows_with_the_time_that_the_provider_takes() -> None:
    pace = Pace()
    answered(pace, 0.05)
    assert pace.window(1.0) == int(0.05 * PER_SECOND) > FEWEST

    answered(pace, 5.0, at=1.0)
    assert pace.window(7.0) == MOST


def test_one_quick_answer_among_many_tells_that_we_are_the_slow_ones() -> None:
    pace = Pace()
    answered(pace, 0.04, number=EPOCH - 1)
    answered(pace, 0.001, number=1)

    assert pace.window(1.0) == FEWEST


def test_stragglers_take_no_places_up_to_a_limit() -> None:
    pace = Pace()
    for _ in range(60):
        left(pace, 1, 0.0)
    answered(pace, 0.001, at=0.01, number=2 * FEWEST)
    assert pace.window(STRAGGLING / 2) == FEWEST
    assert pace.window(STRAGGLING * 2) == FEWEST + 60

    left(pace, 1000, 0.0)
    answered(pace, 0.001, at=0.01, number=2 * FEWEST)
    assert pace.window(STRAGGLING * 3) == MOST


def test_when_all_are_late_nobody_straggles() -> None:
    """As when our own process was not given any time: nothing was answered meanwhile."""
    pace = Pace()
    answered(pace, 0.001, number=FEWEST)
    left(pace, 100, 0.0)

    assert pace.window(1.0) == FEWEST


def test_an_answer_gives_the_place_of_a_straggler_back() -> None:
    pace = Pace()
    late = left(pace, 2, 0.0)
    answered(pace, 0.001, at=0.01, number=2 * FEWEST)
    assert pace.window(STRAGGLING * 2) == FEWEST + 2

    pace.came(late, 1, STRAGGLING * 2)
    assert pace.window(STRAGGLING * 3) == FEWEST + 1

    pace.came(late, 1, STRAGGLING * 3)
    assert pace.window(STRAGGLING * 4) == FEWEST


def test_mails_wait_for_a_connection_no_longer_than_a_moment() -> None:
    pace = Pace(connections=4)
    assert pace.window(0.0) == 8

    for mail in range(2 * MAILS):  # 300 a second
        pace.came(left(pace, 1, mail / 300), 1, (mail + 1) / 300)
    assert 25 <= pace.window(9.0) <= 30

    for mail in range(2 * MAILS):  # one a second
        pace.came(left(pace, 1, 10.0 + mail), 1, 11.0 + mail)
    assert pace.window(9.0) == 8
