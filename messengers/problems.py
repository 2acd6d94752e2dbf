"""Problems of a content in the reader's language."""

from django.utils.translation import gettext

from messengers.contract import Problem
from messengers.render.checks import MESSAGES


def explain(problem: Problem) -> str:
    """What is wrong and what helps, translated; the English message if a code is not ours."""
    message = MESSAGES.get(problem.code)
    return gettext(message) % dict(problem.facts) if message else problem.message
