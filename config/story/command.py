"""`manage.py story`: plays the story, and ends with 1 where a step is untrue."""

import argparse
import os
import sys

SIGN_INS = "JAWORT_STORY_SIGN_INS"


def main(arguments: list[str]) -> int:
    """0 if every step was true, 1 if not, 2 if the story cannot be played at all."""
    origin = _options(arguments).origin
    try:
        # Here, because they need libraries that only tests and the story have.
        from config.story.play import Unplayable, tell
        from config.story.visitor import Untrue
    except ModuleNotFoundError as missing:
        return _complain(f"The story needs {missing.name}: `make story` installs it.", 2)
    try:
        seconds = tell(origin, os.environ.get(SIGN_INS, ""), _say)
    except Untrue as untrue:
        return _complain(f"Untrue: {untrue}", 1)
    except Unplayable as why:
        return _complain(f"The story cannot be played: {why}", 2)
    print(f"Every step was true. It took {seconds:.0f} s.")
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="manage.py story",
        description="Play the whole story over real HTTP and SMTP, and say what was seen.",
    )
    parser.add_argument(
        "--origin",
        default="",
        help="address of a demo that runs already, for instance http://127.0.0.1:8000; its"
        f" sign-ins come from {SIGN_INS}. Without it the story starts a demo of its own.",
    )
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    print(text, flush=True)  # whoever reads through a pipe waits for it, too


def _complain(sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr)
    return code
