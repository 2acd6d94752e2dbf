"""The choice of recipients as a form: rows and groups of rows, without a line of script of ours.

Every button of the builder sends the whole form; the server adds or removes a row and draws it
again. A node's fields are named by its path: `r` is the root, `r.0` its first row, `r.1.0` a row in
a group. `to_rule` makes the JSON that `subscriptions.audience` understands, `from_rule` reads it.
"""

from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.utils.datastructures import MultiValueDict

GROUPS = ("all", "any")
DATES = ("subscribed_before", "subscribed_after")
LISTS = ("topic", "language", "channel")
DEEPEST = 2  # groups within the first one; the rule itself may go deeper than a page should
MOST_ROWS = 20

Rule = dict[str, Any]


@dataclass
class Node:
    """A group ("all", "any") with its rows, or one row; `is_not` turns its meaning around."""

    kind: str
    path: str = "r"
    is_not: bool = False
    values: list[str] = field(default_factory=list)
    rows: list["Node"] = field(default_factory=list)

    @property
    def is_group(self) -> bool:
        return self.kind in GROUPS

    @property
    def may_hold_groups(self) -> bool:
        return self.path.count(".") < DEEPEST

    def numbered(self, path: str = "r") -> "Node":
        """The same node with paths that fit its place."""
        self.path = path
        for number, row in enumerate(self.rows):
            row.numbered(f"{path}.{number}")
        return self


def read(data: MultiValueDict[str, str] | QueryDict, path: str = "r") -> Node:
    """The tree that a posted form holds; what is unknown or missing becomes an empty row."""
    kind = data.get(f"{path}.kind") or ("all" if path == "r" else "topic")
    node = Node(kind if kind in (*GROUPS, *DATES, *LISTS) else "topic", path)
    node.is_not = data.get(f"{path}.not") == "not"
    if node.is_group:
        numbers = range(MOST_ROWS if path.count(".") <= DEEPEST else 0)
        paths = [f"{path}.{number}" for number in numbers if f"{path}.{number}.kind" in data]
        node.rows = [read(data, below) for below in paths]
    else:
        node.values = [value for value in data.getlist(f"{path}.{node.kind}") if value]
    return node


def act(root: Node, command: str) -> Node:
    """Do what a button of the builder says: `row:r`, `group:r.1`, `drop:r.0`."""
    verb, _, path = command.partition(":")
    for group in groups_of(root):
        if verb == "drop":
            group.rows = [row for row in group.rows if row.path != path]
        elif group.path == path and len(group.rows) < MOST_ROWS:
            if verb == "row":
                group.rows.append(Node("topic"))
            elif verb == "group" and group.may_hold_groups:
                group.rows.append(Node("any", rows=[Node("topic")]))
    return root.numbered()


def groups_of(node: Node) -> list[Node]:
    found = [node] if node.is_group else []
    for row in node.rows:
        found += groups_of(row)
    return found


def to_rule(node: Node) -> Rule:
    """The rule as JSON; rows without a value and groups without rows say nothing and fall away."""
    rule = _group(node) if node.is_group else _row(node)
    return {"not": rule} if rule and node.is_not else rule


def _group(node: Node) -> Rule:
    rows = [rule for rule in map(to_rule, node.rows) if rule]
    return {node.kind: rows} if rows else {}


def _row(node: Node) -> Rule:
    if not node.values:
        return {}
    return {node.kind: node.values[0] if node.kind in DATES else node.values}


def from_rule(rule: Rule) -> Node:
    """The tree of a stored rule; a rule that is not a group is put into one."""
    node = _node(rule) if rule else Node("all")
    root = node if node.is_group and not node.is_not else Node("all", rows=[node])
    return root.numbered()


def _node(rule: Rule) -> Node:
    ((kind, value),) = rule.items()
    if kind == "not":
        node = _node(value)
        node.is_not = not node.is_not
        return node
    if kind in GROUPS:
        return Node(kind, rows=[_node(row) for row in value])
    return Node(kind, values=[str(one) for one in (value if isinstance(value, list) else [value])])
