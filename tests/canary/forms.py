"""A value in all the spellings in which it could lie about."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus


def forms(value: str | bytes) -> dict[str, bytes]:
    """Spelling -> bytes to look for: as it is, digits only, hex, base64, in a URL, in JSON."""
    if isinstance(value, bytes):
        return {**_of_bytes(value), "repr": repr(value)[2:-1].encode()}
    found = {
        **_of_bytes(value.encode()),
        "lower case": value.lower().encode(),
        "url": quote(value, safe="").encode(),
        "url form": quote_plus(value).encode(),
        "json": value.encode("unicode_escape"),
        "utf-16": value.encode("utf-16-le"),
    }
    return {**found, **_of_number(value)} if value.startswith("+") else found


def _of_bytes(raw: bytes) -> dict[str, bytes]:
    return {
        "plain": raw,
        "hex": raw.hex().encode(),
        "upper-case hex": raw.hex().upper().encode(),
        **{f"base64 {number}": core for number, core in enumerate(_base64_cores(raw))},
    }


def _of_number(value: str) -> dict[str, bytes]:
    """Telephone numbers only: the few digits of other values stand in many files by chance."""
    digits = "".join(filter(str.isdigit, value))
    return {
        "digits": digits.encode(),
        "national digits": digits[2:].encode(),
        "digits in hex": digits.encode().hex().encode(),
    }


def _base64_cores(raw: bytes) -> Iterator[bytes]:
    """The letters that do not depend on what stands before or after, in each alignment."""
    for offset in range(3):
        padded = b"\0" * offset + raw
        for encoded in (base64.b64encode(padded), base64.urlsafe_b64encode(padded)):
            yield encoded[4 if offset else 0 : len(encoded) - 4]


class Needles:
    """Named values, ready to be looked for."""

    def __init__(self, values: Mapping[str, str | bytes]) -> None:
        self.values = dict(values)
        self.spelled = [
            (name, spelling, text)
            for name, value in values.items()
            for spelling, text in forms(value).items()
        ]

    def found_in(self, places: Iterable[tuple[str, bytes]]) -> list[str]:
        """`phone, as digits, in base/16384/1259`, for every hit; never the value itself."""
        return [
            f"{name}, as {spelling}, in {place}"
            for place, content in places
            for name, spelling, text in self.spelled
            if text in content
        ]
