"""The statements of ``check``, as sqlglot nodes. Each gives a number of rows that should not be, or what to look at."""

from __future__ import annotations

from sqlglot import exp

from parsekit.storage import nodes
from parsekit.storage.layout import ACL_COLUMN, NULLS_COLUMN, RID_COLUMN, Column

__all__ = [
    "cells_with_words",
    "distinct_nulls",
    "invalid_json",
    "null_and_value",
    "orphans",
    "points_outside",
    "stale_points",
    "unknown_acls",
]


def _count(table: exp.Expression, where: exp.Expression) -> str:
    return nodes.render(nodes.select([nodes.call("count", exp.Star())], table, where))


def _not(part: exp.Expression) -> exp.Expression:
    return exp.Not(this=exp.Paren(this=part))


def _holds(name: str, alias: str | None = None) -> exp.Expression:
    return _not(exp.Is(this=nodes.column(name, alias), expression=exp.Null()))


def _absent(source: str, condition: exp.Expression) -> exp.Expression:
    found = nodes.select([nodes.number(1)], nodes.table(source, "other"), condition)
    return _not(exp.Exists(this=found))


def invalid_json(table: str, name: str) -> str:
    """How many cells of a column are not JSON."""
    valid = nodes.call("json_valid", nodes.column(name))
    return _count(nodes.table(table), nodes.all_of([_holds(name), _not(valid)]))


def distinct_nulls(table: str) -> str:
    """The different ``_nulls`` cells."""
    node = nodes.select([nodes.column(NULLS_COLUMN)], nodes.table(table), _holds(NULLS_COLUMN))
    node.set("distinct", exp.Distinct())
    return nodes.render(node)


def null_and_value(table: str, name: str) -> str:
    """How many rows with a bound ``_nulls`` cell hold a value in a column that it names."""
    same = exp.EQ(this=nodes.column(NULLS_COLUMN), expression=exp.Placeholder())
    return _count(nodes.table(table), nodes.all_of([same, _holds(name)]))


def unknown_acls(table: str) -> str:
    """How many rows have an ACL number that is not in the dictionary."""
    own = nodes.column(ACL_COLUMN, "t")
    known = _absent("_pk_acl", exp.EQ(this=nodes.column("id", "other"), expression=own))
    given = exp.NEQ(this=own.copy(), expression=nodes.number(0))
    return _count(nodes.table(table, "t"), nodes.all_of([given, known]))


def orphans(join: str, table: str) -> str:
    """How many rows of a join table have an owner that does not exist."""
    same = exp.EQ(this=nodes.column("objectId", "other"), expression=nodes.column("owningId", "t"))
    return _count(nodes.table(join, "t"), _absent(table, same))


def points_outside(table: str, column: Column, index: str) -> str:
    """How many points have no box around them in their R*Tree."""
    latitude, longitude = (nodes.column(name, "t") for name in column.names)
    around = nodes.all_of(
        [
            exp.EQ(this=nodes.column("id", "other"), expression=nodes.column(RID_COLUMN, "t")),
            exp.Between(
                this=latitude, low=nodes.column("south", "other"), high=nodes.column("north", "other")
            ),
            exp.Between(
                this=longitude, low=nodes.column("west", "other"), high=nodes.column("east", "other")
            ),
        ]
    )
    return _count(nodes.table(table, "t"), nodes.all_of([_holds(column.name, "t"), _absent(index, around)]))


def stale_points(table: str, column: Column, index: str) -> str:
    """How many boxes of an R*Tree belong to no point."""
    same = exp.EQ(this=nodes.column(RID_COLUMN, "other"), expression=nodes.column("id", "t"))
    return _count(nodes.table(index, "t"), _absent(table, nodes.all_of([same, _holds(column.name, "other")])))


def cells_with_words(table: str, name: str) -> str:
    """Rowid and words of every text in a column, as its full-text table holds them."""
    columns = [nodes.column(RID_COLUMN), nodes.call("pk_tokens", nodes.column(name))]
    return nodes.render(nodes.select(columns, nodes.table(table), _holds(name)))
