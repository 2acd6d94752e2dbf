"""The story of a subscription, played from outside: over HTTP and SMTP, by what the pages say.

No model, no query: whoever plays it needs an address and the sign-ins, and believes only what a
reader, an editor or a data-protection officer can see.
"""

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import requests
from tqdm import tqdm

from config.demo.people import write_lists
from config.demo.picture import stadium
from config.story import acts
from config.story.stage import Stage
from config.story.system import System, own_system, sign_ins_in
from config.story.visitor import expect

Say = Callable[[str], None]
ARTICLE = Path(__file__).resolve().parent.parent / "demo" / "data" / "article.md"

# In this order; each is one promise of the house, seen to be kept.
ACTS: tuple[tuple[str, Callable[[Stage], None]], ...] = (
    ("A reader says START and JA in the chat", acts.reader.opt_in_by_chat),
    ("Another one signs up by e-mail", acts.reader.opt_in_by_mail),
    ("A list of 1,000 is checked and loaded", acts.lists.import_by_command),
    ("A list in Latin-1 comes over the page", acts.lists.import_by_page),
    ("Nobody imported is written to before the approval", acts.lists.approve),
    ("The editor writes, previews and tests", acts.editor.write),
    ("The editor sends, and the phone shows it", acts.editor.send),
    ("The mail is as a mail should be, and ends with one click", acts.reader.leave_by_mail),
    ("AUSKUNFT opens a request", acts.reader.ask_for_data),
    ("STOP means stop", acts.reader.stop),
    ("The data-protection officer answers the request", acts.officer.export),
    ("LÖSCHEN erases for real", acts.officer.erase),
    ("The audit log can be verified", acts.officer.verify),
    ("A program calls with a token", acts.program.call),
)


# Who has to be able to sign in; the first start of a demo prints these three.
ROLES = ("editor", "dpo", "administrator")
# A newsroom that tries Jawort waits no longer than this for its first page.
QUICK_SECONDS = 60.0


class Unplayable(Exception):
    """No step was untrue, but the story cannot go on here; says why and what to do."""


def tell(origin: str, sign_ins: str, say: Say) -> float:
    """Play at `origin`, or in a house of its own if that is ""; the seconds it took.

    `sign_ins` are those of `origin`, as its first start printed them. Raises `Untrue` for a step
    that is not so, `Unplayable` where the story cannot begin or nobody answers any more.
    """
    try:
        with ExitStack() as stack:
            if origin:
                system = System(origin.rstrip("/"), sign_ins_in(sign_ins))
            else:
                system = _own_system(stack, say)
            return play(system, say)
    except requests.RequestException as error:
        # Its own words may hold a link that is somebody's key, so only its kind is told.
        kind = type(error).__name__
        raise Unplayable(f"no usable answer came ({kind}): is Jawort running there?") from None


def _own_system(stack: ExitStack, say: Say) -> System:
    say("Starting a Jawort of its own …")
    try:
        system = stack.enter_context(own_system())
    except (OSError, RuntimeError) as error:
        raise Unplayable(str(error)) from None
    say(f"Ready after {system.seconds_to_ready:.1f} s.")
    return system


def play(system: System, say: Say) -> float:
    """Play every act; the seconds it took. Raises `Untrue` at the first thing that is not so."""
    if missing := [role for role in ROLES if role not in system.sign_ins]:
        raise Unplayable(
            f"there is no sign-in for {', '.join(missing)}. The first start of a demo prints three:"
            " JAWORT_STORY_SIGN_INS must hold them as they were printed."
        )
    ready = system.seconds_to_ready
    expect(ready < QUICK_SECONDS, f"Jawort was ready after {ready:.0f} s, not within a minute.")
    started_at = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="jawort-story-") as folder:
        props = Path(folder)
        write_lists(props)
        (props / "stadium.jpg").write_bytes(stadium())
        stage = Stage(system, props, ARTICLE.read_text(encoding="utf-8"), say)
        with tqdm(ACTS, unit="act", leave=False) as bar:
            for number, (title, act) in enumerate(bar, 1):
                bar.set_description(title)
                stage.say = lambda text: tqdm.write(f"      {text}")
                tqdm.write(f"{number:>3}  {title}")
                act(stage)
    return time.monotonic() - started_at
