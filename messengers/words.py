"""Marks texts of the pure parts for translation; who shows them translates."""


def gettext_noop(message: str) -> str:
    """The message itself: only the gathering of texts sees the difference."""
    return message
