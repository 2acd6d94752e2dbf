"""Would the tests notice? Break the code in one small place after another, and run them each time.

    python -m tests.mutation privacy/access/rights.py privacy/access/doors.py \\
        --tests tests/privacy/test_access.py

Every mutant lives in a forked child, so the tests are gathered and the databases made only once. A
mutant that no test notices is printed with its line; docs/decisions/mutation.md says of each
whether it is equal to the original or why we live with it. Ends with 1 if there was one.
"""

import argparse
import ast
import copy
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest
from django.db import connections
from tqdm import tqdm

SECONDS_PER_MUTANT = 120
PROJECT = Path(__file__).resolve().parents[1]
OPPOSITES: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE,
    ast.GtE: ast.Gt, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.And: ast.Or, ast.Or: ast.And, ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip


@dataclass
class Mutant:
    module: ModuleType
    line: int
    change: str
    tree: ast.Module

    def __str__(self) -> str:
        return f"{self.module.__name__}:{self.line}: {self.change}"


# --- Breaking one thing ---


def mutants_of(module: ModuleType) -> Iterator[Mutant]:
    """Every way to break one expression or statement of a module."""
    assert module.__file__
    whole = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    skipped = _left_alone(whole)
    nodes = list(ast.walk(whole))
    for index, node in enumerate(nodes):
        if id(node) in skipped:
            continue
        for number in range(len(changes_of(node))):
            tree = copy.deepcopy(whole)
            twin = list(ast.walk(tree))[index]
            words, change = changes_of(twin)[number]
            change()
            yield Mutant(module, getattr(node, "lineno", 0), words, ast.fix_missing_locations(tree))


def unbroken(module: ModuleType) -> Mutant:
    """Nothing is broken: whatever fails then says nothing about the tests."""
    assert module.__file__
    whole = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    return Mutant(module, 0, "nothing", whole)


def changes_of(node: ast.AST) -> list[tuple[str, Callable[[], None]]]:
    """What may be broken at a node: words for it, and the function that does it."""
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in OPPOSITES:
            return [_swap(node, "ops", [OPPOSITES[type(operator)]()], ast.unparse(node))]
        case ast.BoolOp() | ast.BinOp() if type(node.op) in OPPOSITES:
            return [_swap(node, "op", OPPOSITES[type(node.op)](), ast.unparse(node))]
        case ast.If() | ast.IfExp() | ast.While():
            turned = ast.UnaryOp(op=ast.Not(), operand=node.test)
            return [_swap(node, "test", turned, f"not: {ast.unparse(node.test)}")]
        case ast.Constant(value=bool() as value):
            return [_swap(node, "value", not value, f"{value} is turned")]
        case ast.Constant(value=int() as value):
            return [_swap(node, "value", value + 1, f"{value} is one more")]
        case ast.Constant(value=str() | bytes() as value) if value:
            return [_swap(node, "value", value[:-1], f"{value!r} is cut")]
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            return [_swap(node, "value", ast.Constant(value=None), f"no {ast.unparse(node)}")]
        case ast.FunctionDef() | ast.With() | ast.For():
            return [
                _swap(node, "body", _without(node.body, i), f"gone: {ast.unparse(statement)}")
                for i, statement in enumerate(node.body)
                if isinstance(statement, ast.Raise | ast.Expr | ast.AugAssign)
                and not _is_text(statement)
            ]
    return []


def _swap(node: Any, name: str, value: Any, words: str) -> tuple[str, Callable[[], None]]:
    return " ".join(words.split())[:90], lambda: setattr(node, name, value)


def _without(body: list[ast.stmt], index: int) -> list[ast.stmt]:
    return [*body[:index], ast.Pass(), *body[index + 1 :]]


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _left_alone(whole: ast.Module) -> set[int]:
    """Docstrings, types and the words of errors: breaking them breaks no promise."""
    alone: set[int] = set()
    for node in ast.walk(whole):
        parts: list[ast.AST | None] = []
        match node:
            case ast.Expr(value=ast.Constant()):
                parts = [node]
            case ast.Raise():
                parts = [node.exc]
            case ast.FunctionDef():
                every = [*node.args.args, *node.args.kwonlyargs]
                parts = [node.returns, *(one.annotation for one in every)]
            case ast.ClassDef():  # a child gets new methods, not a new class
                parts = [*node.decorator_list]
            case ast.AnnAssign():
                parts = [node.annotation]
            case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.ImportFrom() | ast.Import():
                parts = [node]
        for part in filter(None, parts):
            alone |= {id(inner) for inner in ast.walk(part)}
    return alone


# --- Living in a child ---


def become(mutant: Mutant) -> None:
    """Put the broken code in the place of the loaded one, wherever it was imported to."""
    module = mutant.module
    code: CodeType = compile(mutant.tree, str(module.__file__), "exec")
    fresh: dict[str, Any] = {"__name__": module.__name__, "__package__": module.__package__}
    exec(code, fresh)
    for name, new in fresh.items():
        old = vars(module).get(name)
        if isinstance(old, type) and isinstance(new, type) and old.__module__ == module.__name__:
            for attribute, function in vars(new).items():
                _take_over(vars(old).get(attribute), function)
        elif not _take_over(old, new) and not name.startswith("__"):
            _replace_everywhere(name, old, new)


def _take_over(old: Any, new: Any) -> bool:
    """Give a function new code; whether it was one."""
    for inside in ("__func__", "__wrapped__", "fget", "func"):  # of methods and properties
        old, new = (getattr(one, inside, one) for one in (old, new))
    if not (isinstance(old, FunctionType) and isinstance(new, FunctionType)):
        return False
    if len(old.__code__.co_freevars) == len(new.__code__.co_freevars):
        old.__code__ = new.__code__
        old.__defaults__, old.__kwdefaults__ = new.__defaults__, new.__kwdefaults__
    return True


def _replace_everywhere(name: str, old: Any, new: Any) -> None:
    """In our own modules, under its own name: a 32 of somebody else's is another 32."""
    if old is None or isinstance(old, ModuleType | type) or type(old) is not type(new):
        return
    for module in list(sys.modules.values()):
        file = str(getattr(module, "__file__", None) or "")
        is_ours = file.startswith(f"{PROJECT}{os.sep}") and "site-packages" not in file
        if is_ours and vars(module).get(name) is old:
            setattr(module, name, new)


class Mutations:
    """A plugin of pytest: the whole run once, and then once more for each mutant."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.survivors: list[Mutant] = []
        self.count = 0

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str]:
        return report.outcome, "", ""  # one bar is enough

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if not self._all_pass(session):
            raise pytest.UsageError("The tests fail without any mutant: mend them first.")
        modules = [import_module(name) for name in self.names]
        for module in modules:
            if not self._survives(session, unbroken(module)):
                raise pytest.UsageError(f"{module.__name__} fails in a child without any mutant.")
        every = [mutant for module in modules for mutant in mutants_of(module)]
        self.count = len(every)
        for mutant in tqdm(every, unit=" mutants"):
            if self._survives(session, mutant):
                self.survivors.append(mutant)
        return True

    def _survives(self, session: pytest.Session, mutant: Mutant) -> bool:
        connections.close_all()
        pid = os.fork()
        if pid == 0:
            code = 1
            signal.alarm(SECONDS_PER_MUTANT)  # a mutant that never ends is noticed, too
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            try:
                become(mutant)
                code = 0 if self._all_pass(session) else 1
            finally:
                os._exit(code)
        return os.waitpid(pid, 0)[1] == 0

    def _all_pass(self, session: pytest.Session) -> bool:
        # After the last one the session stays open: what all of them share is made only once.
        following: list[Any] = [*session.items[1:], session.items[0].parent]
        for item, after in zip(session.items, following, strict=True):
            before = session.testsfailed
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            if session.testsfailed > before:
                return False
        return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="what is broken")
    parser.add_argument("--tests", nargs="+", required=True, help="who must notice")
    options = parser.parse_args()
    names = [".".join(file.with_suffix("").parts) for file in options.files]
    mutations = Mutations([name.removesuffix(".__init__") for name in names])
    pytest.main([*options.tests, "-q", "-n0", "-p", "no:cacheprovider"], plugins=[mutations])
    caught = mutations.count - len(mutations.survivors)
    print(f"\n{caught} of {mutations.count} mutants were noticed.")
    for mutant in mutations.survivors:
        print(f"  {mutant}")
    return 1 if mutations.survivors or not mutations.count else 0


if __name__ == "__main__":
    sys.exit(main())
