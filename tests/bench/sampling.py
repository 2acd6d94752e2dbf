"""Where CPU time goes: a sampling profiler in pure Python, and a flame graph of what it saw.

A timer of CPU time interrupts the process (about 250 times in a second of CPU, at some 20 µs each:
half a percent), and the stack is counted. A call into C is counted for the line that made it.
"""

import html
import signal
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

INTERVAL = 0.001  # seconds of CPU asked for; the kernel's clock gives some 4 ms
PROJECT = str(Path(__file__).resolve().parents[2])
ROW, WIDTH, NARROWEST = 17, 1200, 1.2  # of a flame, in pixels

# The innermost frame that one of these describes names the stage: (file, function or "", stage).
STAGES = (
    ("transports/", "", "transport"),
    ("privacy/vault/store.py", "", "load"),
    ("privacy/vault/", "", "decrypt"),
    ("engine/claim.py", "claim", "claim"),
    ("engine/claim.py", "due_channels", "claim"),
    ("engine/claim.py", "recipient", "decrypt"),
    ("engine/claim.py", "load", "load"),
    ("engine/window.py", "build", "render, build"),
    ("engine/window.py", "answers", "answers"),
    ("engine/window.py", "", "window"),
    ("engine/outcomes.py", "", "answers"),
    ("adapters/", "answer", "answers"),
    ("adapters/", "", "render, build"),
    ("messengers/render/", "", "render, build"),
    ("messengers/attempts.py", "", "render, build"),
    ("engine/ledger.py", "", "commit, record"),
    ("engine/pace.py", "", "window"),
    ("engine/effects.py", "", "commit, record"),
    ("django/db/transaction.py", "", "commit, record"),
    ("messengers/rate.py", "", "rate"),
    ("engine/worker.py", "_poll", "answers"),
    ("engine/worker.py", "_arrived", "answers"),
    ("engine/worker.py", "_commit", "commit, record"),
    ("engine/worker.py", "_record", "commit, record"),
    ("engine/worker.py", "_build", "render, build"),
    ("engine/worker.py", "_submit", "transport"),
    ("engine/worker.py", "", "window"),
)


@contextmanager
def sampled(stacks: "Counter[str]") -> Iterator[None]:
    """Count the stacks of this thread while the block runs, as "outermost;…;innermost"."""

    def take(_number: int, frame: FrameType | None) -> None:
        stacks[";".join(_names(frame))] += 1

    before = signal.signal(signal.SIGPROF, take)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _names(frame: FrameType | None) -> list[str]:
    found = []
    while frame:
        code = frame.f_code
        found.append(f"{_short(code.co_filename)}:{code.co_qualname}")
        frame = frame.f_back
    found.reverse()
    return found


def _short(path: str) -> str:
    """A path below the project or below site-packages."""
    for root in ("site-packages/", f"{PROJECT}/", "lib/python3"):
        if root in path:
            return path.partition(root)[2]
    return path


def by_stage(stacks: "Counter[str]") -> dict[str, float]:
    """Stage -> its share (0 to 1) of what was sampled."""
    counts: Counter[str] = Counter()
    for stack, number in stacks.items():
        counts[_stage(stack.split(";"))] += number
    total = sum(counts.values()) or 1
    return {stage: number / total for stage, number in counts.most_common()}


def _stage(names: list[str]) -> str:
    for name in reversed(names):
        file, _, function = name.rpartition(":")
        for place, wanted, stage in STAGES:
            if place in file and (not wanted or function.rpartition(".")[2] == wanted):
                return stage
    return "other"


def folded_lines(stacks: "Counter[str]") -> str:
    """One line per stack, as flame graph tools read it."""
    return "".join(f"{stack} {number}\n" for stack, number in sorted(stacks.items()))


def own_time(stacks: "Counter[str]") -> dict[str, float]:
    """Function -> share of the time in which it was the innermost Python function."""
    counts: Counter[str] = Counter()
    for stack, number in stacks.items():
        counts[stack.rpartition(";")[2]] += number
    total = sum(counts.values()) or 1
    return {name: number / total for name, number in counts.most_common()}


# --- The picture ---


class _Flame:
    """One function on the stack, and those above it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.number = 0
        self.above: dict[str, _Flame] = {}

    def depth(self) -> int:
        return 1 + max((flame.depth() for flame in self.above.values()), default=0)


def flame_graph(stacks: "Counter[str]", title: str) -> str:
    """An SVG: each box is a function, as wide as its share of CPU time, above who called it."""
    root = _Flame("all")
    for stack, number in stacks.items():
        flame = root
        flame.number += number
        for name in stack.split(";"):
            flame = flame.above.setdefault(name, _Flame(name))
            flame.number += number
    height = (root.depth() + 2) * ROW
    boxes = "\n".join(_boxes(root, 0.0, height - ROW, WIDTH / max(1, root.number), root.number))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        ' font-family="monospace" font-size="10">\n'
        f'<text x="4" y="12">{html.escape(title)}</text>\n'
        f"{boxes}\n</svg>\n"
    )


def _boxes(flame: _Flame, left: float, top: float, scale: float, total: int) -> Iterable[str]:
    width = flame.number * scale
    if width < NARROWEST:
        return
    share = 100 * flame.number / (total or 1)
    words = html.escape(flame.name)
    letters = int(width / 6.2)
    shown = html.escape(flame.name.rpartition("/")[2][:letters]) if letters > 3 else ""
    hue = 10 + sum(flame.name.encode()) % 45
    yield (
        f'<g><title>{words} ({share:.1f} %)</title><rect x="{left:.1f}" y="{top:.0f}"'
        f' width="{width:.1f}" height="{ROW - 1}" fill="hsl({hue},80%,65%)"/>'
        f'<text x="{left + 2:.1f}" y="{top + 12:.0f}">{shown}</text></g>'
    )
    for above in sorted(flame.above.values(), key=lambda one: one.name):
        yield from _boxes(above, left, top - ROW, scale, total)
        left += above.number * scale
