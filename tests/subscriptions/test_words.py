"""Reads a corpus of what people really write. Prints its figures: `pytest -s -k corpus`."""

import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriptions.words import Intent, KeywordRow, KeywordTable, Name, Reading, may_be, read_word
from subscriptions.words.fold import as_slip, slips_of

CORPUS = Path(__file__).parent / "corpus" / "messages.tsv"
TOPICS = {"lokales": ("Lokales", "Local"), "sport": ("Sport", "Sports")} | {
    "kultur": ("Kultur", "Culture")
}
WITHDRAWING = {Intent.STOP, Intent.STOP_TOPIC}
Matcher = Callable[[str], Intent]
PIECES = [
    "stop",
    "stooop",
    "st",
    "op",
    "s",
    "t",
    "bitte",
    "danke",
    "ja",
    "start",
    "löschen",
    "nicht",
    "mehr,",
    "abmelden.",
    "Sport",
    "ab",
    "Bus",
]


def table(*rows: KeywordRow) -> KeywordTable:
    names = [Name("Stadtanzeiger", "city")]
    names += [Name(text, "city", slug) for slug, texts in TOPICS.items() for text in texts]
    return KeywordTable(rows, names)


TABLE = table()


def read(text: str) -> Reading:
    return read_word(text, TABLE)


@dataclass(frozen=True)
class Line:
    expected: Intent
    language: str
    text: str


def corpus() -> list[Line]:
    lines = []
    for raw in CORPUS.read_text(encoding="utf-8").splitlines():
        if raw and not raw.startswith("# "):
            intent, language, text = raw.split("\t", 2)
            lines.append(Line(Intent(intent), language, unescaped(text)))
    return lines


def unescaped(text: str) -> str:
    text = re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text)
    return text.replace("\\n", "\n").replace("\\t", "\t")


@dataclass
class Figures:
    """What a matcher makes of the corpus; `faults` says why it may not be used."""

    by_intent: Counter[Intent] = field(default_factory=Counter)
    stops: int = 0
    stops_found: int = 0
    false_yes: list[str] = field(default_factory=list)
    wrongly_withdrawn: list[str] = field(default_factory=list)
    misread: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        missed = self.stops - self.stops_found
        return [
            *([f"{missed} withdrawals missed"] if missed else []),
            *(f"no YES: {text!r}" for text in self.false_yes),
            *(f"no withdrawal: {text!r}" for text in self.wrongly_withdrawn),
        ]


def checked(matcher: Matcher) -> Figures:
    figures = Figures()
    for line in corpus():
        found = matcher(line.text)
        figures.by_intent[line.expected] += 1
        if line.expected in WITHDRAWING:
            figures.stops += 1
            figures.stops_found += found in WITHDRAWING
        elif found in WITHDRAWING:
            figures.wrongly_withdrawn.append(line.text)
        if found is Intent.YES and line.expected is not Intent.YES:
            figures.false_yes.append(line.text)
        if found is not line.expected:
            figures.misread.append(f"{line.expected} read as {found}: {line.text!r}")
    return figures


def test_every_line_of_the_corpus_is_read_as_a_person_would_read_it():
    figures = checked(lambda text: read(text).intent)

    print(f"\ncorpus: {sum(figures.by_intent.values())} lines, {dict(figures.by_intent)}")
    print(f"STOP recall {figures.stops_found}/{figures.stops}, false YES {len(figures.false_yes)}")
    print(f"wrongly withdrawn {len(figures.wrongly_withdrawn)}, misread {len(figures.misread)}")
    assert figures.faults == []
    assert figures.misread == []


def ends_something(text: str) -> bool:
    return may_be(text, ENDING, TABLE)


ENDING = WITHDRAWING | {Intent.ERASURE}


def test_the_quick_question_has_the_answer_of_the_whole_reading():
    texts = [line.text for line in corpus()]
    found = [text for text in texts if ends_something(text)]

    assert found == [text for text in texts if read(text).intent in ENDING]
    assert 0 < len(found) < len(texts)


@given(st.lists(st.sampled_from(PIECES), max_size=14).map(" ".join))
def test_the_quick_question_has_that_answer_for_words_in_any_order(text):
    assert ends_something(text) == (read(text).intent in ENDING)


def test_the_corpus_is_large_and_has_both_kinds_in_both_languages():
    lines = corpus()

    assert len(lines) >= 600
    assert len({(line.expected, line.text) for line in lines}) == len(lines)
    for language in ("de", "en"):
        stops = [x for x in lines if x.language == language and x.expected in WITHDRAWING]
        others = [x for x in lines if x.language == language and x.expected not in WITHDRAWING]
        assert len(stops) >= 50
        assert len(others) >= 50


@pytest.mark.parametrize("answer", list(Intent))
def test_a_matcher_that_always_says_the_same_fails(answer):
    assert checked(lambda text: answer).faults != []


def test_a_matcher_that_looks_for_the_word_anywhere_fails():
    def careless(text: str) -> Intent:
        return Intent.STOP if re.search("stop|abmelden|aus|end", text.lower()) else Intent.NONE

    figures = checked(careless)

    assert figures.stops_found < figures.stops
    assert figures.wrongly_withdrawn != []


def distance(typed: str, meant: str) -> int:
    """Letters missing, extra, wrong or swapped, as the textbook counts them."""
    rows = [list(range(len(meant) + 1))]
    for i, letter in enumerate(typed, 1):
        row = [i]
        for j, other in enumerate(meant, 1):
            row.append(min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (letter != other)))
            if i > 1 and j > 1 and typed[i - 2 : i] == other + meant[j - 2]:
                row[-1] = min(row[-1], rows[-2][j - 2] + 1)
        rows.append(row)
    return rows[-1][-1]


@given(
    st.sampled_from(["stop", "stopp", "optout", "kundigen"]),
    st.lists(
        st.tuples(st.integers(0, 7), st.integers(0, 2), st.sampled_from(["", *"stopki9ł漢"])),
        max_size=2,
    ),
)
def test_one_slip_is_what_the_textbook_counts_as_one(meant, changes):
    typed = meant
    for at, length, letter in changes:
        piece = typed[at : at + length]
        typed = typed[:at] + (letter if length < 2 else piece[::-1]) + typed[at + length :]

    assert (as_slip(typed) in slips_of(meant)) == (distance(typed, meant) == 1)


def test_stop_with_a_name_finds_the_topics_and_the_newsletter():
    assert read("STOP SPORT").topics == ("sport",)
    assert read("Stop Sport und Kultur").topics == ("sport", "kultur")
    assert read("STOP Stadtanzeiger") == Reading(Intent.STOP, True, "de", "city")
    assert read("START Stadtanzeiger").newsletter == "city"


def test_the_token_of_a_deep_link_is_read_as_it_was_made():
    assert read("START-Zm9vYmFyYmF6_XV4").token == "Zm9vYmFyYmF6_XV4"
    assert read("/start Zm9vYmFyYmF6-XV4\n").token == "Zm9vYmFyYmF6-XV4"
    assert read("START").token == ""


def test_a_newsletters_own_words_count_in_every_spelling():
    words = table(
        KeywordRow(Intent.START, "Küstenpost", "de", "coast"),
        KeywordRow(Intent.STOP, "Moin und tschüss", "de", "coast"),
        KeywordRow(Intent.STOP, "Feierabend", "de", "coast", only_alone=True),
        KeywordRow(Intent.YES, "Jo", "de", "coast"),
    )

    assert read_word("kuestenpost!", words).newsletter == "coast"
    assert read_word("MOIN UND TSCHUESS", words).intent is Intent.STOP
    assert read_word("Jo 👍", words).intent is Intent.YES
    assert read_word("Feierabend", words).intent is Intent.STOP
    assert read_word("Feierabend in Hamburg", words).intent is Intent.ASK_STOP


def test_no_row_can_turn_a_withdrawal_into_something_else():
    hijacked = table(
        KeywordRow(Intent.START, "STOP", "de", "evil"), KeywordRow(Intent.HELP, "abmelden", "de")
    )

    assert read_word("STOP", hijacked).intent is Intent.STOP
    assert read_word("abmelden", hijacked).intent is Intent.STOP


@pytest.mark.parametrize(
    "text",
    [
        "a" * 10**6,
        "stop " * 200_000,
        "> x\n" * 250_000,
        "\n" * 10**6,
        "a\n" * 500_000,
        "a " * 500_000,
        "ﷺ" * 10**6,
        "keine a b " * 100_000,
        "am schrieb " * 90_000,
        "am x schrieb " * 9 + "\n" * 10**6,
        "a@" * 500_000,
        "s.t.o.p." * 125_000,
        "stop\u200b" * 200_000,
        "".join(map(chr, range(0x100, 0xD000))) * 20,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_a_megabyte_is_read_in_no_time(text):
    read(text)
    best = min(_seconds(text) for _ in range(5))

    assert best < 0.05


def _seconds(text: str) -> float:
    started = time.process_time()
    read(text)
    return time.process_time() - started


@given(st.text(max_size=300))
def test_any_text_gets_some_reading_and_no_error(text):
    assert read(text).intent in Intent


@given(st.text(alphabet="🛑🙏😡!?.,\u200b\ufe0f \n*_", max_size=10))
def test_signs_and_emoji_around_a_stop_change_nothing(noise):
    assert read(f"{noise}\nSTOP {noise}").intent is Intent.STOP
