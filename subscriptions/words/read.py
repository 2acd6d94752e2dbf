"""`read_word`: from a text to an intent. Pure, linear, and certain only when it may be."""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass

from subscriptions.words import phrases, vocabulary
from subscriptions.words.fold import (
    Word,
    as_slip,
    own_words,
    skeleton,
    slips_of,
    without_drawl,
    words_of,
)
from subscriptions.words.table import MAX_WORDS_IN_A_KEYWORD, KeywordTable, Meaning
from subscriptions.words.vocabulary import Intent


@dataclass(frozen=True, slots=True)
class Reading:
    """What was understood. `certain` is false where the bot must ask back or an editor read.

    `newsletter` and `topics` are ids from the table, `token` the raw one of START-<token>.
    """

    intent: Intent
    certain: bool = True
    language: str = ""
    newsletter: str = ""
    topics: tuple[str, ...] = ()
    token: str = ""


NOTHING = Reading(Intent.NONE, certain=False)
PERHAPS_STOP = Reading(Intent.ASK_STOP, certain=False)

MAX_WORDS_READ = 400
MAX_PIECES = 3  # into which somebody cuts one word: "ab melden", "sto pp"
MAX_YES = 200  # characters with all its hearts and full stops
_STRONG = phrases.compiled(phrases.STRONG)
_WEAK = phrases.compiled(phrases.WEAK)
_DOUBTFUL = phrases.compiled(phrases.DOUBTFUL)
_ADDRESS = re.compile(r"[^\s@<>]{1,64}@[^\s@<>]{1,255}|https?://\S{1,2000}")
_START_TOKEN = re.compile(r"(?:/start |start[-_])([A-Za-z0-9_-]{12,64})", re.IGNORECASE)
# Signs that turn a yes around, or at least leave it open.
_NO_CLEAR_YES = re.compile(
    r"\?|\.\.|…|:-?\(|:-?/|[👎🤔🙄😡😠🤬😤😒😕🙁☹😞😢😭😂🤣😜😉🤡💩❌🚫🛑⛔✋🖕🤷❓❔⁉🤮🥱]"
)


def read_word(text: str, keywords: KeywordTable) -> Reading:
    """What `text` asks for. Withdrawals are looked for before everything else."""
    own = own_words(text)
    if token := _START_TOKEN.fullmatch(own.strip()):
        return Reading(Intent.START, token=token.group(1))
    words = _words(own)
    if not words:
        return _wordless(own)
    asked = _without_politeness(words)
    return (
        _keyword_or_withdrawal(words, asked, keywords)
        or _yes(own, keywords)
        or _start(asked, keywords)
        or NOTHING
    )


def may_be(text: str, intents: Collection[Intent], keywords: KeywordTable) -> bool:
    """Whether `read_word` finds one of these: withdrawals, and what is the whole message.

    Every hook asks this of every text, so it looks for nothing else.
    """
    own = own_words(text)
    words = _words(own)
    if not words or _START_TOKEN.fullmatch(own.strip()):
        return False
    found = _keyword_or_withdrawal(words, _without_politeness(words), keywords)
    return found is not None and found.intent in intents


def _words(own: str) -> list[Word]:
    if "@" in own or "://" in own:
        own = _ADDRESS.sub(" ", own)
    return words_of(skeleton(own), MAX_WORDS_READ)


def _keyword_or_withdrawal(
    words: list[Word], asked: list[Word], keywords: KeywordTable
) -> Reading | None:
    return (
        _whole_message(words, keywords)
        or (_whole_message(asked, keywords) if asked is not words else None)
        or _withdrawal(asked, keywords)
    )


def _wordless(own: str) -> Reading:
    if "🛑" in own or "✋" in own:
        return PERHAPS_STOP
    return Reading(Intent.HELP) if own.strip(" \n\t¿") in {"?", "??", "???", "❓"} else NOTHING


def _without_politeness(words: list[Word]) -> list[Word]:
    kept: list[Word] = []
    texts = [word.text for word in words]
    if _POLITE.isdisjoint(texts):
        return words
    at = 0
    while at < len(words):
        length = _polite_length(texts, at) if texts[at] in _POLITE else 0
        if not length:
            kept.append(words[at])
        elif kept and words[at + length - 1].ends_clause:
            kept[-1] = kept[-1]._replace(ends_clause=True)
        at += max(length, 1)
    return kept


_POLITE_STARTS: dict[str, list[tuple[str, ...]]] = {}
for _phrase in vocabulary.POLITE_PHRASES:
    _POLITE_STARTS.setdefault(_phrase[0], []).append(_phrase)
_POLITE = frozenset(vocabulary.POLITE_WORDS) | _POLITE_STARTS.keys()


def _polite_length(texts: list[str], at: int) -> int:
    for phrase in _POLITE_STARTS.get(texts[at], ()):
        if tuple(texts[at : at + len(phrase)]) == phrase:
            return len(phrase)
    return int(texts[at] in vocabulary.POLITE_WORDS)


def _whole_message(asked: list[Word], keywords: KeywordTable) -> Reading | None:
    """A keyword and nothing else, perhaps spaced out ("S T O P"), drawled or said repeatedly."""
    if len(asked) > vocabulary.MAX_PHRASED or _is_sentence(asked):
        return None
    texts = [without_drawl(word.text) for word in asked]
    raw = " ".join(word.text for word in asked)
    candidates = [raw, raw.replace(" ", "") if _is_spaced_out(texts) else "", " ".join(texts)]
    if len(set(texts)) == 1 and texts:
        candidates.append(texts[0])
    if len(texts) <= MAX_PIECES and "".join(texts) in keywords.stop:
        candidates.append("".join(texts))
    meaning = next((keywords.exact[key] for key in candidates if key in keywords.exact), None)
    return _reading_of(meaning) if meaning else None


def _is_sentence(asked: list[Word]) -> bool:
    """More words than any keyword has, neither spaced out nor said repeatedly."""
    if len(asked) <= MAX_WORDS_IN_A_KEYWORD:
        return False
    first, second = without_drawl(asked[0].text), without_drawl(asked[1].text)
    return len(first) > 2 and first != second


def _is_spaced_out(texts: list[str]) -> bool:
    return 2 <= len(texts) <= 24 and all(len(text) <= 2 for text in texts)


def _reading_of(meaning: Meaning) -> Reading:
    topics = (meaning.topic,) if meaning.topic else ()
    return Reading(meaning.intent, True, meaning.language, meaning.newsletter, topics)


def _withdrawal(asked: list[Word], keywords: KeywordTable) -> Reading | None:
    """A withdrawal inside a sentence; None if nothing in it looks like one."""
    if len(asked) > vocabulary.MAX_PHRASED:
        return PERHAPS_STOP if _speaks_of_stopping(asked, keywords) else None
    words = [_mended(word, keywords) for word in asked]
    if words != asked and (whole := _whole_message(words, keywords)):
        return whole
    texts = [word.text for word in words]
    found = _core(texts, keywords)
    if found is None:
        return PERHAPS_STOP if _is_doubtful(words, keywords) else None
    if not _is_asked_for(words, found):
        return PERHAPS_STOP
    reading = _with_company(texts, found, keywords)
    if reading is PERHAPS_STOP and _needs_no_company(words, keywords):
        return Reading(Intent.STOP, language=_language(texts, keywords))
    return reading or (PERHAPS_STOP if _is_doubtful(words, keywords) else None)


_REPEATED = re.compile(r"(stopp?)\1+")
_UNSUSPICIOUS = vocabulary.ORDINARY | vocabulary.COMPANY
_MEANT: dict[str, str] = {
    typed: meant
    for meant in sorted(vocabulary.TYPED_WITH_SLIPS, reverse=True)
    for typed in slips_of(meant) - vocabulary.ORDINARY
    if len(typed) >= vocabulary.MIN_TYPED
}
_NEARLY_STOP = {typed for typed in slips_of("stop") if len(typed) < 4} - vocabulary.ORDINARY


def _mended(word: Word, keywords: KeywordTable) -> Word:
    """A withdrawal word with one slip of the finger as the word that was meant."""
    text = word.text
    if text in _UNSUSPICIOUS or text in keywords.exact:
        return word
    plain = without_drawl(text)
    if repeated := _REPEATED.fullmatch(plain):
        return word._replace(text=repeated.group(1))
    meant = plain if plain in keywords.stop else _MEANT.get(as_slip(plain))
    return word._replace(text=meant) if meant else word


@dataclass(frozen=True, slots=True)
class _Core:
    """Where the withdrawal stands: words `start` to `end`, and whether it is about us anyway.

    `gaps` are the words inside it that are none of its own.
    """

    start: int
    end: int
    is_strong: bool
    gaps: tuple[str, ...] = ()


def _core(texts: list[str], keywords: KeywordTable) -> _Core | None:
    joined = phrases.spaced(texts)
    for at, text in enumerate(texts):
        if text in keywords.stop:
            return _Core(at, at + 1, is_strong=_is_about_us(at, texts))
    for pattern, is_strong in ((_STRONG, True), (_WEAK, False)):
        if match := pattern.search(joined):
            start = joined.count(" ", 0, match.start())
            gaps = tuple(" ".join(gap for gap in match.groups() if gap).split())
            return _Core(start, start + match.group().count(" "), is_strong, gaps)
    return None


def _is_about_us(at: int, texts: list[str]) -> bool:
    """A bus has a stop too: inside a longer sentence that word alone does not even ask back."""
    is_edge = at in (0, len(texts) - 1)
    return is_edge or len(texts) <= vocabulary.MAX_SHORT or texts[at] not in vocabulary.EVERYDAY


def _is_asked_for(words: list[Word], core: _Core) -> bool:
    """False for "nicht abmelden", "don't stop" and questions: there the bot asks back."""
    texts = [word.text for word in words]
    before = words[max(0, core.start - 2) : core.start]
    if any(word.text in {"mehr", "more", "longer", "anymore", "interesse"} for word in before):
        before = []
    for at, word in enumerate(before):
        if word.text in vocabulary.NEGATIONS and not any(w.ends_clause for w in before[at:]):
            return False
    joined = f" {' '.join(texts)} "
    asks = any(f" {' '.join(phrase)} " in joined for phrase in vocabulary.ASKING_PHRASES)
    return not asks and not any(text in vocabulary.ASKING for text in texts)


def _needs_no_company(words: list[Word], keywords: KeywordTable) -> bool:
    """At most four words, the first a withdrawal that stands for itself ("Stop! Nervt.")."""
    first = words[0]
    if len(words) > vocabulary.MAX_SHORT or first.text not in keywords.stop:
        return False
    if keywords.stop[first.text].topic:
        return False
    return first.text in vocabulary.UNMISTAKABLE or first.ends_clause


def _with_company(texts: list[str], core: _Core, keywords: KeywordTable) -> Reading | None:
    rest, topics, newsletter = _names_in(texts, core, keywords)
    rest += [gap for gap in core.gaps if (gap,) not in keywords.names]
    known = [word for word in rest if word in vocabulary.COMPANY or word.isdecimal()]
    if len(known) < len(rest):
        return PERHAPS_STOP if core.is_strong else None
    meaning = keywords.stop.get(texts[core.start])
    if meaning and meaning.topic:
        topics.append(meaning.topic)
    intent = Intent.STOP_TOPIC if topics else Intent.STOP
    newsletter = newsletter or (meaning.newsletter if meaning else "")
    language = _language(texts, keywords)
    return Reading(intent, True, language, newsletter, tuple(dict.fromkeys(topics)))


def _names_in(
    texts: list[str], core: _Core, keywords: KeywordTable
) -> tuple[list[str], list[str], str]:
    """The words that are no names, the topics named, and the newsletter named."""
    rest: list[str] = []
    topics: list[str] = []
    newsletter = ""
    at = 0
    while at < len(texts):
        length = _name_length(texts, at, keywords)
        if length:
            name = keywords.names[tuple(texts[at : at + length])]
            newsletter = newsletter or name.newsletter
            topics += [name.topic] if name.topic else []
        elif not core.start <= at < core.end:
            rest.append(texts[at])
        at += max(length, 1)
    return rest, topics, newsletter


def _name_length(texts: list[str], at: int, keywords: KeywordTable) -> int:
    for length in range(keywords.longest_name, 0, -1):
        if tuple(texts[at : at + length]) in keywords.names:
            return length
    return 0


def _language(texts: list[str], keywords: KeywordTable) -> str:
    return next((keywords.stop[text].language for text in texts if text in keywords.stop), "")


def _is_doubtful(words: list[Word], keywords: KeywordTable) -> bool:
    """A word that ends things, or nearly one, at the head of a short message ("Aus Berlin")."""
    head = words[0].text if words else ""
    if _DOUBTFUL.search(phrases.spaced([word.text for word in words])):
        return True
    if head in keywords.alone:
        return len(words) <= vocabulary.MAX_SHORT
    return len(words) == 1 and as_slip(head) in _NEARLY_STOP


def _speaks_of_stopping(words: list[Word], keywords: KeywordTable) -> bool:
    texts = [word.text for word in words]
    if any(text in {texts[0], texts[-1]} and text in keywords.stop for text in texts):
        return True
    unmistakable = keywords.stop.keys() - vocabulary.EVERYDAY
    return bool(unmistakable.intersection(texts) or _STRONG.search(phrases.spaced(texts)))


def _yes(own: str, keywords: KeywordTable) -> Reading | None:
    """Strict: the word alone; around it only punctuation and signs that do not take it back."""
    text = unicodedata.normalize("NFKC", own[: MAX_YES + 1])
    if len(own) > MAX_YES or _NO_CLEAR_YES.search(own) or "\n" in text.strip():
        return None
    visible = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    meaning = keywords.yes.get(_trimmed(visible).casefold())
    return _reading_of(meaning) if meaning else None


def _trimmed(text: str) -> str:
    start, end = 0, len(text)
    while start < end and _is_trimming(text[start]):
        start += 1
    while end > start and _is_trimming(text[end - 1]):
        end -= 1
    return text[start:end]


def _is_trimming(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "PZC" or unicodedata.category(letter) in {
        "So",
        "Sk",
        "Mn",
        "Me",
    }


def _start(asked: list[Word], keywords: KeywordTable) -> Reading | None:
    """ "Ich möchte mich anmelden", "START Stadtanzeiger": only a request, so generous."""
    texts = [word.text for word in asked]
    starts = [at for at, text in enumerate(texts) if text in keywords.start]
    if len(texts) > 2 * vocabulary.MAX_SHORT or not starts or set(texts) & vocabulary.NEGATIONS:
        return None
    core = _Core(starts[0], starts[0] + 1, is_strong=False)
    rest, topics, newsletter = _names_in(texts, core, keywords)
    if any(word not in vocabulary.COMPANY for word in rest):
        return None
    meaning = keywords.start[texts[starts[0]]]
    newsletter = newsletter or meaning.newsletter
    return Reading(Intent.START, True, meaning.language, newsletter, tuple(topics))
