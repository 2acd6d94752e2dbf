"""The window: small for the quick, large for the slow, and stragglers take nobody's place."""

from messengers.engine.pace import EPOCH, FEWEST, MAILS, MOST, PER_SECOND, STRAGGLING, Pace


def answered(pace: Pace, seconds: float, at: float = 0.0, number: int = EPOCH) -> None:
    for call in range(number):
        pace.left(call, 1, at)
        pace.came(call, at + seconds)


def test_a_provider_that_answers_at_once_gets_the_smallest_window() -> None:
    pace = Pace()
    assert pace.window(0.0) == FEWEST

    answered(pace, 0.001)

    assert pace.window(1.0) == FEWEST


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
    for call in range(60):
        pace.left(f"late {call}", 1, 0.0)
    answered(pace, 0.001, at=0.01, number=2 * FEWEST)
    assert pace.window(STRAGGLING / 2) == FEWEST
    assert pace.window(STRAGGLING * 2) == FEWEST + 60

    pace.left("bulk", 1000, 0.0)
    answered(pace, 0.001, at=0.01, number=2 * FEWEST)
    assert pace.window(STRAGGLING * 3) == MOST


def test_when_all_are_late_nobody_straggles() -> None:
    """As when our own process was not given any time: nothing was answered meanwhile."""
    pace = Pace()
    for call in range(100):
        pace.left(call, 1, 0.0)

    assert pace.window(1.0) == FEWEST


def test_an_answer_gives_the_place_of_a_straggler_back() -> None:
    pace = Pace()
    pace.left("late", 1, 0.0)
    answered(pace, 0.001, at=0.01, number=2 * FEWEST)
    assert pace.window(STRAGGLING * 2) == FEWEST + 1

    pace.came("late", STRAGGLING * 2)

    assert pace.window(STRAGGLING * 3) == FEWEST


def test_mails_wait_for_a_connection_no_longer_than_a_moment() -> None:
    pace = Pace(connections=4)
    assert pace.window(0.0) == 8

    for mail in range(2 * MAILS):  # 300 a second
        pace.left(mail, 1, mail / 300)
        pace.came(mail, (mail + 1) / 300)
    assert 25 <= pace.window(9.0) <= 30

    for mail in range(2 * MAILS):  # one a second
        pace.left(mail, 1, 10.0 + mail)
        pace.came(mail, 11.0 + mail)
    assert pace.window(9.0) == 8
