"""`manage.py story`: plays the story, and ends with 1 where a step is untrue."""

import argparse
import os
import sys

from config.story.system import System, own_system, sign_ins_in

SIGN_INS = "JAWORT_STORY_SIGN_INS"


def main(arguments: list[str]) -> int:
    """0 if every step was true, 1 if not, 2 if the story cannot be played at all."""
    options = _options(arguments)
    try:
        from config.story.play import play
        from config.story.visitor import Untrue
    except ModuleNotFoundError as missing:
        return _complain(f"The story needs {missing.name}: `make story` installs it.")
    try:
        if options.origin:
            sign_ins = sign_ins_in(os.environ.get(SIGN_INS, ""))
            if len(sign_ins) < 3:
                return _complain(f"{SIGN_INS} must hold the three sign-ins as they were printed.")
            seconds = play(System(options.origin.rstrip("/"), sign_ins), print)
        else:
            print("Starting a Jawort of its own …", flush=True)
            with own_system() as system:
                print(f"Ready after {system.seconds_to_ready:.1f} s.", flush=True)
                seconds = play(system, print)
    except Untrue as untrue:
        print(f"Untrue: {untrue}", file=sys.stderr)
        return 1
    print(f"Every step was true. It took {seconds:.0f} s.")
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="manage.py story",
        description="Play the whole story over real HTTP and SMTP, and say what was seen.",
    )
    parser.add_argument(
        "--origin",
        help="address of a demo that runs already, for instance http://127.0.0.1:8000; its"
        f" sign-ins come from {SIGN_INS}. Without it the story starts a demo of its own.",
    )
    return parser.parse_args(arguments)


def _complain(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 2
