"""The broken engines: the real one with one line changed, in a process of its own.

A harness that cannot find the known mistakes proves nothing. Each mistake is a line that stands
exactly once in the engine's source; its module is compiled anew with another line in its place.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

PROJECT = Path(__file__).resolve().parent.parent.parent
ENGINE = "messengers.engine"


@dataclass(frozen=True)
class Mutant:
    """One mistake: in `module`, `line` becomes `instead`. `mistake` says it in words."""

    name: str
    mistake: str
    module: str
    line: str
    instead: str

    @property
    def path(self) -> Path:
        return PROJECT / f"{self.module.replace('.', '/')}.py"

    def broken(self) -> str:
        """The module's source with the mistake in it. Raises `ValueError` if the line is gone."""
        source = self.path.read_text(encoding="utf-8")
        if source.count(f"{self.line}\n") != 1:
            raise ValueError(f"{self.module} no longer has the line {self.line.strip()!r} once.")
        return source.replace(f"{self.line}\n", f"{self.instead}\n")


MUTANTS = {
    mutant.name: mutant
    for mutant in (
        Mutant(
            "A requeue",
            "a lease ended: do it again",
            "messengers.engine.sweep",
            'LOST_ON_WIRE = "in_doubt"',
            'LOST_ON_WIRE = "queued"',
        ),
        Mutant(
            "B retry",
            "no answer came: do it again",
            "messengers.engine.outcomes",
            '            return Verdict("in_doubt", token(cause))',
            '            return Verdict("queued", token(cause), wait=0.2)',
        ),
        Mutant(
            "C no fence",
            "every lease of a batch has the same token",
            "messengers.engine.claim",
            "       SET status = 'working', token = nextval('messengers_fence'), on_wire = '{}',",
            "       SET status = 'working', token = 1, on_wire = '{}',",
        ),
    )
}


def break_engine(name: str) -> None:
    """Load the engine of this process anew with a mistake; "sound" leaves it as it is."""
    if name == "sound":
        return
    sys.meta_path.insert(0, _Finder(MUTANTS[name]))
    for module in [one for one in sys.modules if one.startswith(ENGINE)]:
        del sys.modules[module]
    engine = import_module(ENGINE)
    for user in list(sys.modules.values()):  # whoever imported the sound one before
        if user is not None and isinstance(vars(user).get("engine"), ModuleType):
            user.engine = engine  # type: ignore[attr-defined]


class _Finder(MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.mutant.module:
            return None
        spec = PathFinder.find_spec(fullname, path)
        assert spec is not None
        spec.loader = _Loader(fullname, str(self.mutant.path))
        spec.loader.mutant = self.mutant
        return spec


class _Loader(SourceFileLoader):
    mutant: Mutant

    def get_code(self, fullname: str) -> CodeType:
        """Compiled from the source each time: what lies in a cache is the sound one."""
        return compile(self.mutant.broken(), self.path, "exec")
