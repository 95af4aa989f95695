"""``$group`` by one column, as SQL: how many, sum, average, least and greatest of each group.

What a pipeline board asks. Only groupings whose answer is the one of ``query.aggregate`` come here: keys and arguments
are single columns of scalar types. Groups come in the order of their stored key, which an index by the key gives for
nothing, since MongoDB promises none; where more stages follow, in the order in which their first objects were
inserted, as ``query.aggregate`` has them, so that ties are the same whichever of the two answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, final

from parsekit import attrs
from parsekit.query.normalize import normalize
from parsekit.query.plan import PlanQuery
from parsekit.storage.layout import RID_COLUMN, ClassLayout
from parsekit.values import Value

__all__ = ["KEY_TYPES", "GroupTerm", "Grouping", "can_group", "decode_group"]

KEY_TYPES: Final = frozenset({"String", "Number", "Boolean", "Date", "Pointer"})
"""The types of fields by which SQL groups."""
_ARGUMENT_TYPES: Final[dict[str, frozenset[str]]] = {
    "sum": frozenset({"Number"}),
    "avg": frozenset({"Number"}),
    "min": frozenset({"String", "Number", "Boolean", "Date"}),
    "max": frozenset({"String", "Number", "Boolean", "Date"}),
}


@final
@attrs.frozen(slots=True)
class GroupTerm:
    """One result of a group: ``function`` (count, sum, avg, min, max) of the field ``key``, which a count has not."""

    function: str
    key: str | None = None


@final
@attrs.frozen(slots=True)
class Grouping:
    """What to group by (``None``: everything is one group) and what to tell of each group."""

    key: str | None
    terms: tuple[GroupTerm, ...]
    is_last: bool = True
    """Whether no stage follows that could tell the order of groups."""


def can_group(layout: ClassLayout, grouping: Grouping) -> bool:
    """Whether SQL answers a grouping of this class as the pipeline would."""
    if grouping.key is not None and not _has_type(layout, grouping.key, KEY_TYPES):
        return False
    return all(
        term.key is None or _has_type(layout, term.key, _ARGUMENT_TYPES[term.function])
        for term in grouping.terms
    )


def _has_type(layout: ClassLayout, key: str, types: frozenset[str]) -> bool:
    column = layout.columns.get(key)
    return column is not None and len(column.names) == 1 and column.field.type in types


def group_nodes(compiler: Any, layout: ClassLayout, plan: PlanQuery, grouping: Grouping) -> Any:
    """The SELECT of a grouping over what ``plan`` finds: the key first, then the terms."""
    from sqlglot import exp

    from parsekit.storage import nodes

    alias = "t"
    where = compiler.where(layout, alias, normalize(plan.where))
    parts: list[exp.Expression] = []
    groups: list[exp.Expression] = []
    if grouping.key is not None:
        groups.append(nodes.column(layout.columns[grouping.key].name, alias))
        parts.append(nodes.column(layout.columns[grouping.key].name, alias))
    for term in grouping.terms:
        if term.key is None:
            parts.append(exp.Count(this=exp.Star()))
        else:
            parts.append(nodes.call(term.function, nodes.column(layout.columns[term.key].name, alias)))
    places = groups if grouping.is_last else [nodes.call("min", nodes.column(RID_COLUMN, alias))]
    order = [exp.Ordered(this=place.copy(), nulls_first=True) for place in places] if groups else ()
    select = nodes.select(parts, nodes.table(layout.table, alias), where, order=order)
    if groups:
        select.set("group", exp.Group(expressions=groups))
    else:
        some = exp.GT(this=exp.Count(this=exp.Star()), expression=nodes.number(0))
        select.set("having", exp.Having(this=some))  # nothing found is no group, not an empty one
    return select


def decode_group(layout: ClassLayout, grouping: Grouping, row: tuple[Any, ...]) -> tuple[Value, list[Value]]:
    """The key and the terms of one row as values."""
    cells = list(row)
    key: Value = None
    if grouping.key is not None:
        key = _decoded(layout, grouping.key, cells.pop(0))
    found: list[Value] = []
    for term, cell in zip(grouping.terms, cells, strict=True):
        if term.function == "sum":
            found.append(0 if cell is None else cell)
        elif term.key is None or term.function == "avg":
            found.append(cell)
        else:
            found.append(_decoded(layout, term.key, cell))
    return key, found


def _decoded(layout: ClassLayout, key: str, cell: Any) -> Value:
    decode: Callable[[Any], Value] | None = layout.columns[key].decode
    return cell if cell is None or decode is None else decode(cell)
