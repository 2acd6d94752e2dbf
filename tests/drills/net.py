"""A net that knows thousands of values in every spelling, and catches all of them in one pass."""

from collections.abc import Iterable, Iterator, Mapping

from ahocorasick_rs import BytesAhoCorasick

from tests.canary.forms import forms

SHORTEST = 8  # bytes; fewer stand somewhere by chance


class Net:
    """`values`: name -> what must not be found."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.spelled = [
            (name, spelling, text)
            for name, value in values.items()
            for spelling, text in forms(value).items()
            if len(text) >= SHORTEST
        ]
        self.machine = BytesAhoCorasick([text for _name, _spelling, text in self.spelled])
        self.bytes = 0

    def found_in(self, contents: Iterable[tuple[str, bytes]]) -> list[str]:
        """`person 7, as hex, in base/16384/1259`, once for each; never the value itself."""
        return sorted(set(self._found_in(contents)))

    def _found_in(self, contents: Iterable[tuple[str, bytes]]) -> Iterator[str]:
        for place, content in contents:
            self.bytes += len(content)
            hits = self.machine.find_matches_as_indexes(content, overlapping=True)
            for number in {hit[0] for hit in hits}:
                name, spelling, _text = self.spelled[number]
                yield f"{name}, as {spelling}, in {place}"
