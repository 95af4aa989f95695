"""Totals: counts and sums per value of a key and ACL, kept by triggers in the transaction of each write.

An index of kind ``totals`` declares them: ``Index("board", (("stage", False), ("amount", False)), kind="totals")``.
They answer a board (``$group`` by the key, counting and adding up) for a master, and ``count`` for everybody, since
an ACL's share of each group is known. Sums are kept of integers; a group with another number is added up the long way.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, final

import apsw

from parsekit import attrs
from parsekit.schema import Index
from parsekit.storage import ddl
from parsekit.storage.findings import Finding, error
from parsekit.storage.grouping import KEY_TYPES, Grouping
from parsekit.storage.layout import ClassLayout, Column
from parsekit.values import Value

__all__ = [
    "Totals",
    "check_totals",
    "count_text",
    "groups_text",
    "kept_groups",
    "kept_totals",
    "totals_columns",
]

_ALL: Final = -1
"""What stands for every ACL."""
_NO_VALUE: Final = b""


@final
@attrs.frozen(slots=True, eq=False)
class Totals:
    """An index of kind ``totals`` that is kept: its table, the column it groups by, and those it adds up."""

    index: Index
    table: str
    group: Column
    sums: tuple[Column, ...]


def totals_columns(layout: ClassLayout, index: Index) -> tuple[Column, ...] | None:
    """The group's column and the summed ones; ``None`` for keys that have no totals."""
    columns = [layout.columns.get(key) for key, _ in index.keys]
    known = tuple(column for column in columns if column is not None and len(column.names) == 1)
    if len(known) < len(columns) or not known or known[0].field.type not in KEY_TYPES:
        return None
    return known if all(column.field.type == "Number" for column in known[1:]) else None


@lru_cache(maxsize=512)
def kept_totals(layout: ClassLayout) -> tuple[Totals, ...]:
    """The totals of a class."""
    found: list[Totals] = []
    for index in layout.schema.indexes:
        columns = totals_columns(layout, index) if index.kind == "totals" else None
        if columns is not None:
            name = ddl.totals_name(layout.table, index.name)
            found.append(Totals(index, name, columns[0], columns[1:]))
    return tuple(found)


@lru_cache(maxsize=512)
def groups_text(totals: Totals) -> str:
    """SELECT of every group over all ACLs: group, count, then sum and the number of inexact ones per column."""
    from sqlglot import exp

    from parsekit.storage import nodes

    names = [
        "grp",
        "n",
        *(f"{word}{place}" for place in range(len(totals.sums)) for word in ("sum", "inexact")),
    ]
    everybody = exp.EQ(this=nodes.column("acl"), expression=nodes.number(_ALL))
    columns = [nodes.column(name) for name in names]
    order = [exp.Ordered(this=nodes.column("grp"), nulls_first=True)]
    return nodes.render(nodes.select(columns, nodes.table(totals.table), everybody, order=order))


@lru_cache(maxsize=512)
def count_text(table: str, *, of_group: bool, readable: bool) -> str:
    """SELECT of the number of objects: of a group (bound) or all, everybody's or those a byte map (bound) has."""
    from sqlglot import exp

    from parsekit.storage import nodes

    parts: list[exp.Expression] = []
    if of_group:
        parts.append(exp.EQ(this=nodes.column("grp"), expression=exp.Placeholder()))
    acl = nodes.column("acl")
    if readable:
        at = exp.Add(this=acl, expression=nodes.number(1))
        byte = nodes.call("substr", exp.Placeholder(), at, nodes.number(1))
        parts.append(exp.GTE(this=acl.copy(), expression=nodes.number(0)))
        parts.append(exp.EQ(this=byte, expression=exp.HexString(this="01")))
    else:
        parts.append(exp.EQ(this=acl, expression=nodes.number(_ALL)))
    total = nodes.call("ifnull", nodes.call("sum", nodes.column("n")), nodes.number(0))
    return nodes.render(nodes.select([total], nodes.table(table), nodes.all_of(parts)))


def kept_groups(
    totals: Totals, grouping: Grouping, rows: list[tuple[Any, ...]]
) -> list[tuple[Value, list[Value]]] | None:
    """Each group's key and terms from the rows of ``groups_text``; ``None`` when a sum is not exact."""
    if grouping.key is None:
        rows = [tuple(map(sum, zip(*(row[1:] for row in rows), strict=True)))] if rows else []
        rows = [(_NO_VALUE, *row) for row in rows]
    places = {column.key: 2 + 2 * number for number, column in enumerate(totals.sums)}
    groups: list[tuple[Value, list[Value]]] = []
    for row in rows:
        terms: list[Value] = []
        for term in grouping.terms:
            if term.key is None:
                terms.append(row[1])
                continue
            place = places[term.key]
            if row[place + 1] or type(row[place]) is not int:
                return None
            terms.append(row[place])
        groups.append((_group_value(totals.group, row[0]), terms))
    return groups


def _group_value(column: Column, cell: Any) -> Value:
    if cell == _NO_VALUE:
        return None
    return cell if column.decode is None else column.decode(cell)


def check_totals(connection: apsw.Connection, layout: ClassLayout, totals: Totals) -> Iterator[Finding]:
    """The totals are what the rows add up to."""
    names = totals.group.name, [column.name for column in totals.sums]
    wanted = {tuple(row) for row in connection.execute(ddl.totals_content(layout.table, *names))}
    real = {tuple(row) for row in connection.execute(ddl.totals_rows(totals.table, len(totals.sums)))}
    if wanted != real:
        what = f"{len(real - wanted)} totals are wrong and {len(wanted - real)} are missing"
        advice = "drop the index and create it again (a migration, or parsekit schema apply)"
        yield error(f"class {layout.class_name}, index {totals.index.name}", what, advice)
