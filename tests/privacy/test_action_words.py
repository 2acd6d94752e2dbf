"""Every act that anybody writes into the audit log has words on the DPO's page."""

import ast
from collections.abc import Iterator
from pathlib import Path

from privacy.access.roles import ACTIONS
from privacy.views.action_words import WORDS

PROJECT = Path(__file__).resolve().parent.parent.parent
APPS = ("config", "broadcasts", "subscriptions", "messengers", "privacy")


def acts_in_code() -> Iterator[str]:
    """Every literal of the form object.verb that is no right."""
    for app in APPS:
        for path in (PROJECT / app).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and node.args:
                    yield from _act(node)


def _act(call: ast.Call) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name not in {"record", "_noted"}:
        return
    for argument in call.args:
        if isinstance(argument, ast.Constant) and "." in str(argument.value):
            yield str(argument.value)


def test_every_act_has_words() -> None:
    acts = set(acts_in_code())
    assert {"broadcast.started", "request.opened", "token.created"} <= acts

    assert acts - ACTIONS - set(WORDS) == set()
