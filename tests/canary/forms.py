"""A value in all the spellings in which it could lie about."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus


def forms(value: str) -> dict[str, bytes]:
    """Spelling -> bytes to look for: as it is, digits only, hex, base64, in a URL, in JSON."""
    raw = value.encode()
    digits = "".join(filter(str.isdigit, value))
    found = {
        "plain": raw,
        "lower case": value.lower().encode(),
        "hex": raw.hex().encode(),
        "upper-case hex": raw.hex().upper().encode(),
        "url": quote(value, safe="").encode(),
        "url form": quote_plus(value).encode(),
        "json": value.encode("unicode_escape"),
        "utf-16": value.encode("utf-16-le"),
        **{f"base64 {number}": core for number, core in enumerate(_base64_cores(raw))},
    }
    if len(digits) >= 10:
        found["digits"] = digits.encode()
        found["national digits"] = digits[2:].encode()
        found["digits in hex"] = digits.encode().hex().encode()
    return found


def _base64_cores(raw: bytes) -> Iterator[bytes]:
    """The letters that do not depend on what stands before or after, in each alignment."""
    for offset in range(3):
        padded = b"\0" * offset + raw
        for encoded in (base64.b64encode(padded), base64.urlsafe_b64encode(padded)):
            yield encoded[4 if offset else 0 : len(encoded) - 4]


class Needles:
    """Named values, ready to be looked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
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
