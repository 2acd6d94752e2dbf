"""Problems of a content, said in the reader's language."""

import pytest
from django.utils.translation import override

from messengers.contract import Content, Problem
from messengers.problems import explain
from messengers.registry import adapter_for
from messengers.render.checks import MESSAGES
from tests.messengers.payloads.cases import CASES


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("de", "Der Text hat mit den längsten Ersatzwörtern 5000 Zeichen; höchstens 4096 "),
        ("en", "The text has 5000 characters with its longest fallbacks; at most 4096 "),
    ],
)
def test_a_problem_is_told_in_the_readers_language(language, sentence):
    simulator = adapter_for(CASES["simulator"].account())
    (problem,) = simulator.check(Content("x" * 5000, "de"))

    with override(language):
        assert explain(problem).startswith(sentence)


def test_every_message_has_its_german_with_the_same_numbers():
    with override("de"):
        for code, english in MESSAGES.items():
            facts = tuple((name, "7") for name in names_in(english))
            german = explain(Problem(code, "", facts=facts))
            assert german != english % dict(facts), code
            assert german.count("7") == english.count("%("), code


def test_a_code_of_another_house_keeps_its_message():
    assert explain(Problem("strange", "Something of a messenger's own.")).startswith("Something")


def names_in(message):
    return [part.partition(")")[0] for part in message.split("%(")[1:]]
