#!/usr/bin/env python3
"""The one door to everything Jawort can do: `manage.py help` lists it."""

import os
import sys


def main() -> None:
    """Run the command of the command line.

    `run` is the supervisor: it makes the databases and secrets that the settings need, so it starts
    before they are read. `story` stands outside of the house that it visits, and needs no settings.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if sys.argv[1:2] == ["run"]:
        from config.embedded.supervisor import main as supervise

        sys.exit(supervise(sys.argv[2:]))
    if sys.argv[1:2] == ["story"]:
        from config.story.command import main as tell

        sys.exit(tell(sys.argv[2:]))
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    try:
        execute_from_command_line(sys.argv)
    except OperationalError as error:
        # No SQLSTATE: no server has answered at all, so there is nothing to trace.
        if getattr(error.__cause__, "sqlstate", "") is not None:
            raise
        sys.exit(
            "The databases do not answer: start Jawort (`make run`), or check DATABASE_URL and"
            " KEYSTORE_URL."
        )


if __name__ == "__main__":
    main()
