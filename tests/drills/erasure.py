"""Play the erasure drill in full and print its table.

python -m tests.drills.erasure [--people 1000]
"""

import argparse
import os
import sys

import pytest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1000)
    os.environ["JAWORT_DRILL_PEOPLE"] = str(parser.parse_args().people)
    return pytest.main(
        ["tests/drills/test_erasure_drill.py", "-q", "-s", "-n", "0", "-p", "no:logging"]
    )


if __name__ == "__main__":
    sys.exit(main())
