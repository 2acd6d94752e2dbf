#!/usr/bin/env python3
"""The one door to everything Jawort can do: `manage.py help` lists it."""

import os
import sys


def main() -> None:
    """Run the command of the command line.

    `run` is the supervisor: it makes the databases and secrets that the settings need, so it starts
    before they are read.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if sys.argv[1:2] == ["run"]:
        from config.embedded.supervisor import main as supervise

        sys.exit(supervise(sys.argv[2:]))
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
