"""The story as a command: what it ends with, and that it sees the world only from outside.

Its acts are played by `make story`; here other acts stand in their place.
"""

import ast
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from config.story import command, play, system
from config.story.stage import Stage
from config.story.system import System
from config.story.visitor import Untrue, expect
from messengers.simulator import accounts
from tests.broadcasts.house import make_channel

PROJECT = Path(__file__).resolve().parent.parent.parent
SECRET = "one-time-token-of-a-reader"
SIGN_INS = """
  editor         editor@example.org         word-1
  dpo            dpo@example.org            word-2
  administrator  admin@example.org          word-3
"""


@pytest.fixture
def origin(live_server, settings, tmp_path, monkeypatch) -> Iterator[str]:
    """A demo that runs already, with somebody's sign-ins in the environment."""
    settings.JAWORT_DEMO = True
    settings.JAWORT_VAR = tmp_path
    make_channel()
    accounts.forget()
    monkeypatch.setenv(command.SIGN_INS, SIGN_INS)
    yield live_server.url
    accounts.forget()


@pytest.fixture
def nobody_there(monkeypatch) -> str:
    """An address at which nothing listens."""
    monkeypatch.setenv(command.SIGN_INS, SIGN_INS)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{one.getsockname()[1]}"


@pytest.fixture
def played(monkeypatch) -> list[str]:
    """Two acts that are true, and which of them were played."""
    played: list[str] = []
    acts = [(name, lambda stage, name=name: played.append(name)) for name in ("one", "two")]
    monkeypatch.setattr(play, "ACTS", tuple(acts))
    return played


def act_of(monkeypatch, act: Callable[[Stage], None]) -> None:
    """Put `act` between the two others."""
    monkeypatch.setattr(play, "ACTS", (play.ACTS[0], ("between", act), *play.ACTS[1:]))


def last_words(capsys) -> str:
    """What stands in the terminal's last line, when the bar is gone."""
    return capsys.readouterr().err.rpartition("\r")[2]


def test_it_ends_with_0_when_every_step_was_true(origin, played, capsys):
    assert command.main(["--origin", origin]) == 0

    out = capsys.readouterr().out
    assert played == ["one", "two"]
    assert "1  one" in out
    assert out.splitlines()[-1].startswith("Every step was true. It took ")


def test_it_ends_with_1_and_the_sentence_at_the_first_untrue_step(
    origin, played, monkeypatch, capsys
):
    act_of(monkeypatch, lambda stage: expect(False, "The phone stayed silent."))

    assert command.main(["--origin", origin]) == 1

    assert played == ["one"]
    assert last_words(capsys) == "Untrue: The phone stayed silent.\n"


@pytest.mark.parametrize("given", ["", SIGN_INS.replace("dpo ", "cat ")], ids=["none", "two"])
def test_a_visit_without_the_sign_ins_ends_with_2(origin, played, monkeypatch, capsys, given):
    monkeypatch.setenv(command.SIGN_INS, given)

    assert command.main(["--origin", origin]) == 2

    said = last_words(capsys)
    assert said.startswith("The story cannot be played: there is no sign-in for ")
    assert ("editor" in said, "dpo" in said) == (not given, True)
    assert command.SIGN_INS in said
    assert "word-1" not in said
    assert played == []


def test_where_nobody_answers_it_says_so(nobody_there):
    """As a person starts it, without any settings: a traceback would show here."""
    done = subprocess.run(
        [sys.executable, "manage.py", "story", "--origin", nobody_there],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], command.SIGN_INS: SIGN_INS},
        capture_output=True,
        text=True,
    )

    assert done.stderr == (
        "The story cannot be played: no usable answer came (ConnectionError):"
        " is Jawort running there?\n"
    )
    assert done.returncode == 2


def test_a_house_that_falls_silent_ends_it_without_telling_links(
    origin, played, nobody_there, monkeypatch, capsys
):
    act_of(monkeypatch, lambda stage: requests.get(f"{nobody_there}/c/{SECRET}/", timeout=5))

    assert command.main(["--origin", origin]) == 2

    said = capsys.readouterr()
    assert played == ["one"]
    assert "no usable answer came (ConnectionError)" in said.err
    assert SECRET not in said.out + said.err


def test_without_its_libraries_it_says_what_installs_them():
    script = "import sys; sys.modules['bs4'] = None; from config.story.command import main"

    done = subprocess.run(
        [sys.executable, "-c", f"{script}; sys.exit(main([]))"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )

    assert done.stderr == "The story needs bs4: `make story` installs it.\n"
    assert done.returncode == 2


# A house of its own

READY = "print('Ctrl-C stops it.', flush=True); import signal; signal.pause()"


@pytest.fixture
def own_house(tmp_path, monkeypatch) -> Callable[[str], None]:
    """`own_house(source)`: `manage.py run` is this program, started and stopped as the real one."""
    monkeypatch.setattr(system, "PROJECT", tmp_path)
    return lambda source: (tmp_path / "manage.py").write_text(source) and None


def test_a_house_that_does_not_start_ends_it_with_its_last_words(own_house, played, capsys):
    own_house("print('The port is taken.'); raise SystemExit(1)")

    assert command.main([]) == 2

    assert last_words(capsys) == (
        "The story cannot be played: Jawort did not start: The port is taken.\n\n"
    )
    assert played == []


def test_a_house_that_prints_no_sign_ins_ends_it(own_house, played, capsys):
    own_house(READY)

    assert command.main([]) == 2

    assert "there is no sign-in for editor, dpo, administrator" in last_words(capsys)
    assert played == []


def test_a_house_that_was_slow_to_be_ready_is_an_untrue_step(
    own_house, played, monkeypatch, capsys
):
    own_house(f"import time; time.sleep(0.2); print({SIGN_INS!r}); {READY}")
    monkeypatch.setattr(play, "QUICK_SECONDS", 0.2)

    assert command.main([]) == 1

    assert last_words(capsys) == "Untrue: Jawort was ready after 0 s, not within a minute.\n"
    assert played == []


def test_a_minute_is_the_limit(origin, played):
    sign_ins = system.sign_ins_in(SIGN_INS)
    play.play(System(origin, sign_ins, {"HOME": "/"}, seconds_to_ready=59.9), print)
    assert played == ["one", "two"]

    with pytest.raises(Untrue, match=r"ready after 60 s"):
        play.play(System(origin, sign_ins, {"HOME": "/"}, seconds_to_ready=60.0), print)


# From outside

PROPS = {"config.demo.people", "config.demo.picture"}
ROOMS = {folder.parent.name for folder in PROJECT.glob("*/__init__.py")}
INSIDE = ROOMS | {"django", "celery", "psycopg", "rest_framework"}


def imported(source: str) -> set[str]:
    """The full name of everything that `source` imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            found.add(ast.unparse(node.args[0]).strip("'\""))
    return found


def is_from_inside(name: str) -> bool:
    """Whether the story would see with this what no reader, editor or officer sees."""
    if name.startswith("config.story.") or any(name.startswith(f"{prop}.") for prop in PROPS):
        return False
    return name.startswith(".") or name.partition(".")[0] in INSIDE or ".models" in name


@pytest.mark.parametrize(
    "planted",
    [
        "import django",
        "from django.db import connection",
        "def act():\n    from subscriptions.models import Subscription",
        "import messengers.models as m",
        "from config.demo import newsroom",
        "from config import settings",
        "from ..demo.newsroom import make",
        "importlib.import_module('privacy.vault')",
        "import psycopg",
    ],
)
def test_a_look_inside_would_be_seen(planted):
    assert [name for name in imported(planted) if is_from_inside(name)] != []


def test_the_story_sees_the_world_only_from_outside():
    files = sorted((PROJECT / "config" / "story").rglob("*.py"))
    assert {"play.py", "program.py"} <= {file.name for file in files}

    for file in files:
        names = imported(file.read_text(encoding="utf-8"))
        assert [name for name in names if is_from_inside(name)] == [], file.name


@pytest.mark.parametrize("prop", sorted(PROPS))
def test_the_props_of_the_story_know_nothing_of_the_house(prop):
    names = imported((PROJECT / f"{prop.replace('.', '/')}.py").read_text(encoding="utf-8"))

    assert {name.partition(".")[0] for name in names} & INSIDE == set()
