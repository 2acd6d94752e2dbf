"""The window: small for the quick, large for the slow, and stragglers take nobody's place."""

from messengers.engine.pace import EPOCH, FEWEST, MOST, PER_SECOND, STRAGGLING, Pace


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
        pace.left(call, 1, 0.0)
    assert pace.window(STRAGGLING / 2) == FEWEST
    assert pace.window(STRAGGLING * 2) == FEWEST + 60

    pace.left("bulk", 1000, 0.0)
    assert pace.window(STRAGGLING * 3) == MOST


def test_an_answer_gives_the_place_of_a_straggler_back() -> None:
    pace = Pace()
    pace.left("late", 1, 0.0)
    assert pace.window(STRAGGLING * 2) == FEWEST + 1

    pace.came("late", STRAGGLING * 2)

    assert pace.window(STRAGGLING * 3) == FEWEST


def test_a_mail_server_has_its_connections_and_no_more() -> None:
    pace = Pace(fixed=8)
    answered(pace, 1.0)

    assert pace.window(9.0) == 8
