"""Every way in which an identifier could be lying about, and finding thousands of them at once.

A machine of Aho and Corasick reads each byte once, however many spellings it knows: a thousand
people cost hardly more than one.
"""

import base64
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import quote, quote_plus

import phonenumbers
from ahocorasick_rs import BytesAhoCorasick

Whose = TypeVar("Whose", bound=Hashable)
Identifier = tuple[str, str]  # (kind, canonical)

# Shorter pieces would be found by chance, in other people's numbers and in random bytes.
SHORTEST = 6
# So would a short number inside a longer one: it counts only where no digit stands beside it.
SHORT_NUMBER = 10
BASE64_GROUP = 3
URL_SAFE = bytes.maketrans(b"+/", b"-_")
# What stands between the digits of a number that somebody wrote by hand.
BETWEEN_DIGITS = re.compile(rb"(?<=\d)[\s./()\-]{1,3}(?=\d)")
DIGITS = frozenset(b"0123456789")


@dataclass(frozen=True)
class Spelling:
    """Bytes to look for. `is_exact`: upper and lower case differ. `is_alone`: not amid digits."""

    text: bytes
    is_exact: bool = False
    is_alone: bool = False


def spellings(canonical: str) -> set[Spelling]:
    """As it is, digits only, in hex, base64 (three alignments, two alphabets), in a URL, in JSON,
    in UTF-16.
    """
    found: set[Spelling] = set()
    for text in _texts(canonical):
        is_alone = text.isdigit() and len(text) <= SHORT_NUMBER
        found |= {Spelling(raw.lower(), is_alone=is_alone) for raw in _loose(text)}
        found |= {Spelling(raw, is_exact=True) for raw in _base64(text.encode())}
    return {one for one in found if len(one.text) >= SHORTEST}


def forms(identifiers: Iterable[Identifier]) -> list[str]:
    """The spellings as text, for whoever looks by other means."""
    every = {one for _kind, canonical in identifiers for one in spellings(canonical)}
    return sorted({one.text.decode(errors="replace") for one in every})


class Finder(Generic[Whose]):
    """Knows the identifiers of many; tells whose stand in some bytes."""

    def __init__(self, people: Mapping[Whose, Iterable[Identifier]]) -> None:
        self._owners: dict[bytes, list[tuple[Whose, Spelling]]] = {}
        for whose, identifiers in people.items():
            for _kind, canonical in identifiers:
                for spelling in spellings(canonical):
                    known = self._owners.setdefault(spelling.text.lower(), [])
                    known.append((whose, spelling))
        self._texts = list(self._owners)
        self._machine = BytesAhoCorasick(self._texts)
        self.longest = max(map(len, self._texts), default=0)

    def __len__(self) -> int:
        return len(self._texts)

    def in_bytes(self, content: bytes) -> set[Whose]:
        return {whose for whose, _start, _end in self.hits(content)}

    def in_writing(self, content: bytes) -> set[Whose]:
        """As `in_bytes`, and in numbers that were written with spaces and dashes."""
        return self.in_bytes(content) | self.in_bytes(BETWEEN_DIGITS.sub(b"", content))

    def hits(self, content: bytes) -> Iterator[tuple[Whose, int, int]]:
        """(whose, start, end) of every spelling in `content`."""
        # Lower case changes no position: a spelling that needs its case is compared once more.
        found = self._machine.find_matches_as_indexes(content.lower(), overlapping=True)
        for number, start, end in found:
            for whose, spelling in self._owners[self._texts[number]]:
                if spelling.is_exact and content[start:end] != spelling.text:
                    continue
                if spelling.is_alone and _is_amid_digits(content, start, end):
                    continue
                yield whose, start, end


def _texts(canonical: str) -> Iterator[str]:
    """The identifier, and of a telephone number the digits that stand in each way of writing it."""
    yield canonical
    digits = re.sub(r"\D", "", canonical)
    if digits and len(digits) >= len(canonical) - 1:
        yield digits
        yield from _national(canonical)


def _national(canonical: str) -> Iterator[str]:
    """Without country and trunk prefix, because 0176…, 0049176… and +49176… all hold it; a short
    one must stand alone, so as it is dialled as well.
    """
    if not canonical.startswith("+"):
        return
    try:
        number = phonenumbers.parse(canonical)
    except phonenumbers.NumberParseException:
        return
    yield phonenumbers.national_significant_number(number)
    dialled = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    yield re.sub(r"\D", "", dialled)


def _loose(text: str) -> Iterator[bytes]:
    raw = text.encode()
    yield raw
    yield raw.hex().encode()
    yield quote(text, safe="").encode()
    yield quote_plus(text).encode()
    yield text.encode("unicode_escape")
    yield text.encode("utf-16-le")


def _base64(raw: bytes) -> Iterator[bytes]:
    """How `raw` looks inside a longer base64 text: one form for each of the three alignments."""
    for lead in range(BASE64_GROUP):
        text = base64.b64encode(b"\0" * lead + raw)
        # The first characters mix with what stands before, the last with what stands behind.
        core = text[(0, 2, 3)[lead] : (len(raw) + lead) * 8 // 6]
        yield core
        yield core.translate(URL_SAFE)


def _is_amid_digits(content: bytes, start: int, end: int) -> bool:
    before, behind = content[start - 1 : start], content[end : end + 1]
    return any(one and one[0] in DIGITS for one in (before, behind))
