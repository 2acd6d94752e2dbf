"""What the drill has shown, as a table."""

from collections.abc import Sequence

from tests.drills.stolen import Look

LINE = "{:<28} {:>10} {:>8} {:>10} {:>8} {:>6}"


def table(
    people: int,
    before: Sequence[Look],
    after: Sequence[Look],
    unreadable: int,
    replayed: dict[str, int],
    seconds: float,
) -> str:
    lines = [
        f"\n{people} people, each as number, name and text, in every spelling.",
        "In every place a planted value was found first.",
        LINE.format("place", "read before", "found", "read after", "found", "s"),
    ]
    for first, second in zip(before, after, strict=True):
        lines.append(
            LINE.format(
                first.place,
                _size(first.size),
                len(first.hits),
                _size(second.size),
                len(second.hits),
                f"{first.seconds + second.seconds:.1f}",
            )
        )
    lines += [
        f"restored dump from before, today's keys: {unreadable} of {people} unreadable",
        f"erased again in it: {replayed}",
        f"erased in {seconds:.1f} s, {1000 * seconds / people:.0f} ms for each person",
    ]
    return "\n".join(lines)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"
