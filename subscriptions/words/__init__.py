"""What a text from a subscriber means: a command, a withdrawal, perhaps a withdrawal, or a text.

Withdrawing is recognised generously and confirming strictly: a STOP that is missed costs a
person's trust, a JA that was none costs the proof of consent. In doubt nobody is withdrawn, the
bot asks back. The rules and their reasons: docs/keywords.md.
"""

from subscriptions.words.read import Reading, may_be, read_word
from subscriptions.words.table import KeywordRow, KeywordTable, Name
from subscriptions.words.vocabulary import DEFAULTS, Intent

__all__ = [
    "DEFAULTS",
    "Intent",
    "KeywordRow",
    "KeywordTable",
    "Name",
    "Reading",
    "may_be",
    "read_word",
]
