"""What a scenario saw, in words: the figures of its run and the rules that it broke."""

from tests.chaos.history import History
from tests.chaos.rules import check, tally
from tests.chaos.scenarios import Seen


def seen(history: History, *, and_also: bool = True, words: str = "") -> Seen:
    """The usual promise: all rules kept, nobody lost, nobody written to twice; and one more."""
    figures, broken = tally(history), check(history)
    text = (
        f"{history.size} people: {figures['arrived']} arrived, {figures['lost']} lost,"
        f" {figures['doubled']} doubled, doubts {figures['doubts by our crashes']} by us and"
        f" {figures['doubts by the provider']} by the provider"
    )
    if broken:
        text += f"; BROKEN: {'; '.join(map(str, broken[:3]))}"
    is_kept = not broken and not figures["lost"] and not figures["doubled"]
    return Seen(f"{words}; {text}" if words else text, is_kept and and_also)
