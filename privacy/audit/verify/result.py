"""What a reading of the logs found."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field

FOUND_AT_MOST = 100  # as many findings are named; all are counted
Progress = Callable[[int], object]


@dataclass
class VerifyResult:
    """What was read and what was found. `is_sound` says it in one word."""

    entries: int = 0
    placed: int = 0  # entries that have their place in a tree
    checkpoints: int = 0
    cosignatures: int = 0
    stamps: int = 0  # time-stamps of authorities
    pruned: int = 0  # entries whose bytes are gone because their term is over
    changed: int = 0
    missing: int = 0
    findings: list[str] = field(default_factory=list)
    fences: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    compared_with_logs: bool = False
    compared_with_signer: bool = False

    @property
    def is_sound(self) -> bool:
        return not (self.changed or self.missing or self.findings or self.fences)

    def as_json(self) -> dict[str, object]:
        return {"is_sound": self.is_sound, **asdict(self)}

    def found(self, text: str) -> None:
        if len(self.findings) < FOUND_AT_MOST:
            self.findings.append(text)

    def is_changed(self, text: str) -> None:
        self.changed += 1
        self.found(text)

    def is_missing(self, text: str) -> None:
        self.missing += 1
        self.found(text)
