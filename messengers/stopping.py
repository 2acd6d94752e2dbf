"""Tells running workers to come to an end, from the parent that is being stopped.

One byte of memory that is shared with all children forked later: Celery's parent gets the SIGTERM,
while its children are in the middle of their work and would only be killed at the end of the grace.
"""

import mmap

_flag = mmap.mmap(-1, 1)


def stop() -> None:
    """Ask all workers of this process and its children to take nothing new."""
    _flag[0] = 1


def is_stopping() -> bool:
    return _flag[0] == 1


def forget() -> None:
    """Begin anew: for tests."""
    _flag[0] = 0
