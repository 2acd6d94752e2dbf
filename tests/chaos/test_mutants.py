"""The three known mistakes are one line each of the engine that really runs."""

from dataclasses import replace

import pytest

from tests.chaos.mutants import MUTANTS, Mutant


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=str)
def test_the_line_stands_once_in_the_engine(mutant: Mutant) -> None:
    sound, broken = mutant.path.read_text().splitlines(), mutant.broken().splitlines()

    different = [(a, b) for a, b in zip(sound, broken, strict=True) if a != b]

    assert different == [(mutant.line, mutant.instead)]


def test_a_line_that_is_gone_is_no_silent_success() -> None:
    gone = replace(MUTANTS["A requeue"], line="LOST_ON_WIRE = nowhere")

    with pytest.raises(ValueError, match="no longer has the line"):
        gone.broken()
