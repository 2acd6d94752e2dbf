"""What arrived at the provider, beside what Jawort believes."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.matrix.looking import ask_all


@dataclass
class Judgement:
    """What the provider's log says beside our rows."""

    recipients: int
    arrived: int = 0
    lost: int = 0  # neither arrived nor in doubt
    doubled: int = 0
    nameless: int = 0  # doubts without a cause, attempts that are not ours
    unaccounted: int = 0
    states: dict[str, int] = field(default_factory=dict)
    doubts: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)  # of the invariants, by the history

    @property
    def is_clean(self) -> bool:
        wrong = self.lost or self.doubled or self.nameless or self.unaccounted or self.violations
        return not wrong

    def __str__(self) -> str:
        states = ", ".join(f"{number} {name}" for name, number in sorted(self.states.items()))
        causes = ", ".join(f"{number} {name}" for name, number in sorted(self.doubts.items()))
        return (
            f"{states}; {self.lost} lost, {self.doubled} doubled, {self.nameless} without a name,"
            f" {self.unaccounted} unaccounted"
            + (f" (doubts: {causes})" if causes else "")
            + "".join(f"; BROKEN {text}" for text in self.violations)
        )


def judge(log: Path, phones: dict[int, str]) -> Judgement:
    """Compare the provider's log with the deliveries; `phones` says whom each was meant for."""
    from messengers.attempts import open_attempt
    from messengers.models import Dispatch
    from messengers.outbox import counts

    verdict = Judgement(len(phones))
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    attempts = [(entry, open_attempt(entry["attempt"])) for entry in entries]
    arrived = Counter(attempt.delivery for _, attempt in attempts if attempt)
    rows = ask_all("SELECT id, status, cause FROM messengers_delivery")
    ours = [row for row in rows if row[0] in phones]
    verdict.arrived = sum(1 for row in ours if arrived[row[0]])
    verdict.states = dict(Counter(status for _, status, _ in ours))
    verdict.doubts = dict(Counter(cause for _, status, cause in ours if status == "in_doubt"))
    replies = {row[0] for row in rows} - phones.keys()
    verdict.nameless = verdict.doubts.pop("", 0) + sum(
        attempt is None
        or (attempt.delivery not in replies and phones.get(attempt.delivery) != entry["to"])
        for entry, attempt in attempts
    )
    verdict.doubled = sum(number - 1 for number in arrived.values())
    for entry, attempt in attempts:
        if attempt and arrived[attempt.delivery] > 1:
            print("twice:", attempt.delivery, attempt.token, entry.get("at"), flush=True)
    kept = ("in_doubt", "suppressed", "cancelled", "expired")
    verdict.lost = sum(1 for row, status, _ in ours if status not in kept and not arrived[row])
    found: Counter[str] = Counter()
    for dispatch in Dispatch.objects.filter(kind="broadcast").values_list("id", flat=True):
        found.update(counts(dispatch))
    verdict.unaccounted = abs(sum(found.values()) - len(phones)) + sum(
        abs(number - verdict.states.get(state, 0)) for state, number in found.items()
    )
    return verdict
