"""How SQLite would run a compiled statement, and which index it lacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import apsw

from parsekit import attrs
from parsekit.query.normalize import normalize
from parsekit.query.plan import PlanAll, PlanLeaf, PlanNode, PlanQuery
from parsekit.storage.binding import Compiled
from parsekit.storage.compiler import native_order
from parsekit.storage.layout import ClassLayout

__all__ = ["StatementPlan", "explain_statement"]

_RANGES = ("$lt", "$lte", "$gt", "$gte", "$regex")


@final
@attrs.frozen(slots=True)
class StatementPlan:
    """SQLite's own plan, one step a line, and advice where a step reads or sorts more than it must."""

    steps: tuple[str, ...]
    scans: bool
    sorts: bool
    advice: tuple[str, ...]


def explain_statement(
    connection: apsw.Connection,
    compiled: Compiled,
    bindings: Sequence[Any],
    layout: ClassLayout,
    plan: PlanQuery,
) -> StatementPlan:
    """Ask SQLite for the plan of a statement. Nothing is run."""
    rows = connection.execute(f"EXPLAIN QUERY PLAN {compiled.sql}", tuple(bindings)).fetchall()
    steps = tuple(str(row[3]) for row in rows)
    scans = any(step.startswith("SCAN") and "INDEX" not in step for step in steps)
    # the last term alone is the row number, by which ties are put in order within each value of the index
    sorts = any("USE TEMP B-TREE" in step and "LAST TERM OF ORDER BY" not in step for step in steps)
    return StatementPlan(steps, scans, sorts, tuple(_advice(layout, plan, scans=scans, sorts=sorts)))


def _advice(layout: ClassLayout, plan: PlanQuery, *, scans: bool, sorts: bool) -> list[str]:
    if not scans and not sorts:
        return []
    equal, ranged = _indexable(layout, normalize(plan.where))
    order = [item.key for item in plan.order if item.key in layout.columns and layout.columns[item.key].names]
    if plan.rules is not None and any(
        layout.columns[key].field.type not in native_order(plan.rules) for key in order
    ):
        order = []  # no index has that order
    keys = list(dict.fromkeys([*equal, *(order if order else ranged[:1])]))
    held = ([key for key, _ in index.keys[: len(keys)]] for index in layout.schema.indexes)
    if not keys or keys in held:
        return []
    named = ", ".join(f'"{key}": 1' for key in keys)
    trouble = "reads every row" if scans else "sorts what it found"
    return [f"{layout.class_name}: the query {trouble}; an index {{{named}}} would serve it"]


def _indexable(layout: ClassLayout, node: PlanNode) -> tuple[list[str], list[str]]:
    """The keys under equality and under a range that a column index could serve."""
    if isinstance(node, PlanLeaf):
        column = layout.columns.get(node.key)
        if column is None or len(column.names) != 1:
            return [], []
        if node.op in ("$eq", "$in"):
            return [node.key], []
        return [], [node.key] if node.op in _RANGES else []
    if isinstance(node, PlanAll):
        pairs = [_indexable(layout, child) for child in node.children]
        return [key for equal, _ in pairs for key in equal], [key for _, ranged in pairs for key in ranged]
    return [], []
