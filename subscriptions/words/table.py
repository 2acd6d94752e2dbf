"""The keywords one channel listens to: the defaults, rows of its newsletters, and their names."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from subscriptions.words.fold import skeleton, words_of
from subscriptions.words.vocabulary import DEFAULTS, WHOLE_MESSAGE_ONLY, Intent

MAX_WORDS_IN_A_KEYWORD = 6


@dataclass(frozen=True, slots=True)
class KeywordRow:
    """One keyword as a newsroom wrote it. `newsletter` and `topic` are ids, or empty."""

    intent: Intent
    word: str
    language: str
    newsletter: str = ""
    topic: str = ""
    only_alone: bool = False  # an ordinary word too: counts only as the whole message


@dataclass(frozen=True, slots=True)
class Name:
    """What a newsletter or topic is called, so that "STOP SPORT" finds it."""

    text: str
    newsletter: str
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Meaning:
    """Where a folded keyword leads."""

    intent: Intent
    language: str
    newsletter: str = ""
    topic: str = ""


def folded(text: str) -> tuple[str, ...]:
    """The bare words of a keyword or name."""
    return tuple(word.text for word in words_of(skeleton(text), MAX_WORDS_IN_A_KEYWORD))


WITHDRAWING = frozenset({Intent.STOP, Intent.STOP_TOPIC})
# If two rows fold to the same word, the one that stands first here counts.
_PRECEDENCE = (Intent.STOP, Intent.STOP_TOPIC, Intent.ERASURE, Intent.ACCESS)


class KeywordTable:
    """Folded keywords and names, ready for `read_word`; make it once per channel and change.

    The defaults are always in it, and a row can never turn a withdrawal word into anything else.
    """

    def __init__(self, rows: Iterable[KeywordRow] = (), names: Iterable[Name] = ()) -> None:
        self.exact: dict[str, Meaning] = {}
        self.yes: dict[str, Meaning] = {}
        self.stop: dict[str, Meaning] = {}
        self.alone: dict[str, Meaning] = {}  # withdrawals only when nothing else is said
        self.start: dict[str, Meaning] = {}
        for row in [*_default_rows(), *rows]:
            self._add(row)
        self.names = {folded(name.text): name for name in names if folded(name.text)}
        self.longest_name = max(map(len, self.names), default=0)

    def _add(self, row: KeywordRow) -> None:
        meaning = Meaning(row.intent, row.language, row.newsletter, row.topic)
        if row.intent is Intent.YES:
            self.yes.setdefault(row.word.strip().casefold(), meaning)
            return
        words = folded(row.word)
        known = self.exact.get(" ".join(words))
        if not words or (known and known.intent in _PRECEDENCE and known.intent != row.intent):
            return
        is_alone = row.only_alone or words[0] in WHOLE_MESSAGE_ONLY
        for key in {" ".join(words), "".join(words)}:
            self.exact[key] = meaning
            if len(words) == 1 and row.intent in WITHDRAWING:
                (self.alone if is_alone else self.stop)[key] = meaning
            if len(words) == 1 and row.intent is Intent.START:
                self.start[key] = meaning


@cache
def _default_rows() -> tuple[KeywordRow, ...]:
    return tuple(
        KeywordRow(intent, word, language)
        for (intent, language), words in DEFAULTS.items()
        for word in words
    )
