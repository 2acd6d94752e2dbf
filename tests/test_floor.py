"""Imports fall downwards: config → broadcasts → subscriptions → messengers → privacy.

Read from the source, so an import inside a function counts like any other. `INBOUND` and
`ANSWER_SUBJECT` are the two doors upwards; they are settings, and only config fills them.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
FLOORS = ("privacy", "messengers", "subscriptions", "broadcasts", "config")


def upward_imports(file: Path, room: str) -> Iterator[str]:
    """One sentence for each import in `file`, a file of `room`, that leads to a higher floor."""
    tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
    for node in ast.walk(tree):
        for name in _imported(node):
            place = f"{file}:{getattr(node, 'lineno', 0)}"
            target = name.partition(".")[0]
            if target in FLOORS and FLOORS.index(target) > FLOORS.index(room):
                yield f"{place} imports {name}, which is above {room}"
            if target == "tests":
                yield f"{place} imports {name}: the house does not know its tests"


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module]
    if isinstance(node, ast.Call) and node.args and _called(node) in LATE_IMPORTS:
        first = node.args[0]
        return [str(first.value)] if isinstance(first, ast.Constant) else []
    return []


LATE_IMPORTS = {"import_module", "import_string", "get_model", "__import__"}


def _called(node: ast.Call) -> str:
    function = node.func
    return getattr(function, "attr", getattr(function, "id", ""))


def files_of(room: str) -> list[Path]:
    return sorted((PROJECT / room).rglob("*.py"))


@pytest.mark.parametrize("room", FLOORS)
def test_imports_fall_downwards(room):
    files = files_of(room)

    found = [sentence for file in files for sentence in upward_imports(file, room)]

    assert files
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import broadcasts",
        "from subscriptions.models import Newsletter",
        "def late():\n    from config import settings",
        "import_string('messengers.outbox.reply')",
        "import importlib\nimportlib.import_module('config.inbound')",
        "apps.get_model('broadcasts.Broadcast')",
        "from tests import clusters",
    ],
)
def test_a_climbing_import_is_found(tmp_path, source):
    (tmp_path / "bad.py").write_text(source)

    assert len(list(upward_imports(tmp_path / "bad.py", "privacy"))) == 1


def test_a_falling_import_is_let_through(tmp_path):
    (tmp_path / "good.py").write_text("from privacy import vault\nimport django\nfrom . import a")

    assert list(upward_imports(tmp_path / "good.py", "messengers")) == []
