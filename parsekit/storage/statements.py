"""The statements that change data, as sqlglot nodes; each text is made once and cached by its user.

Placeholders are bound by position, in the order in which they appear.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from sqlglot import exp

from parsekit.storage import nodes
from parsekit.storage.layout import ACL_COLUMN, NULLS_COLUMN, RID_COLUMN, ClassLayout

__all__ = [
    "all_ids",
    "count_by_acl",
    "delete_owner_statement",
    "delete_statement",
    "insert_statement",
    "members_statement",
    "relate_statement",
    "select_for_update",
    "unrelate_statement",
    "update_statement",
]


def _value() -> exp.Expression:
    return exp.Placeholder()


def _identifier(name: str) -> exp.Expression:
    return exp.Identifier(this=name, quoted=True)


def _insert(table: str, names: Sequence[str]) -> exp.Insert:
    values = exp.Values(expressions=[exp.Tuple(expressions=[_value() for _ in names])])
    target = exp.Schema(this=nodes.table(table), expressions=[_identifier(name) for name in names])
    return exp.Insert(this=target, expression=values)


def _delete(table: str, *conditions: exp.Expression) -> exp.Delete:
    return exp.Delete(this=nodes.table(table), where=exp.Where(this=nodes.all_of(conditions)))


def _returning(node: exp.Insert | exp.Delete, name: str) -> str:
    """The statement with a column of each row that it touched as its result."""
    node.set("returning", exp.Returning(expressions=[nodes.column(name)]))
    return nodes.render(node)


def _equals(name: str) -> exp.Expression:
    return exp.EQ(this=nodes.column(name), expression=_value())


def insert_statement(layout: ClassLayout) -> str:
    """INSERT of a whole row: the stored columns, then the ACL number, then the nulls."""
    names = [name for column in layout.stored_columns() for name in column.names]
    return nodes.render(_insert(layout.table, [*names, ACL_COLUMN, NULLS_COLUMN]))


def select_for_update(layout: ClassLayout, *, with_acl: bool) -> str:
    """SELECT of a whole row by objectId (rowid first, ACL number and nulls last), under a write map or not."""
    names = [name for column in layout.stored_columns() for name in column.names]
    condition = _equals("objectId")
    if with_acl:
        at = exp.Add(this=nodes.column(ACL_COLUMN), expression=nodes.number(1))
        byte = nodes.call("substr", _value(), at, nodes.number(1))
        condition = nodes.all_of([condition, exp.EQ(this=byte, expression=exp.HexString(this="01"))])
    columns = [nodes.column(name) for name in [RID_COLUMN, *names, ACL_COLUMN, NULLS_COLUMN]]
    return nodes.render(nodes.select(columns, nodes.table(layout.table), condition))


@lru_cache(maxsize=512)
def all_ids(table: str) -> str:
    """SELECT of every objectId of a class in insertion order."""
    order = exp.Ordered(this=nodes.column(RID_COLUMN))
    return nodes.render(nodes.select([nodes.column("objectId")], nodes.table(table), order=[order]))


def update_statement(layout: ClassLayout, names: Sequence[str]) -> str:
    """UPDATE of some columns by rowid."""
    node = exp.Update(
        this=nodes.table(layout.table),
        expressions=[_equals(name) for name in names],
        where=exp.Where(this=_equals(RID_COLUMN)),
    )
    return nodes.render(node)


@lru_cache(maxsize=512)
def _delete_by_rowid(table: str) -> str:
    return nodes.render(_delete(table, _equals(RID_COLUMN)))


def delete_statement(layout: ClassLayout) -> str:
    """DELETE by rowid."""
    return _delete_by_rowid(layout.table)


@lru_cache(maxsize=512)
def delete_owner_statement(table: str) -> str:
    """DELETE of an owner's rows in a join table; its result is the members that there were."""
    return _returning(_delete(table, _equals("owningId")), "relatedId")


@lru_cache(maxsize=512)
def relate_statement(table: str) -> str:
    """INSERT of (owner, member) into a join table, doing nothing when it is there; its result is the new member."""
    node = _insert(table, ["owningId", "relatedId"])
    node.set("alternative", "IGNORE")
    return _returning(node, "relatedId")


@lru_cache(maxsize=512)
def unrelate_statement(table: str) -> str:
    """DELETE of (owner, member) from a join table; its result is the member, where there was one."""
    return _returning(_delete(table, _equals("owningId"), _equals("relatedId")), "relatedId")


@lru_cache(maxsize=512)
def count_by_acl(table: str) -> str:
    """SELECT of the number of rows with an ACL number."""
    return nodes.render(
        nodes.select([nodes.call("count", nodes.column(RID_COLUMN))], nodes.table(table), _equals(ACL_COLUMN))
    )


@lru_cache(maxsize=512)
def members_statement(table: str) -> str:
    """SELECT of every (owner, member) of a join table."""
    return nodes.render(
        nodes.select([nodes.column("owningId"), nodes.column("relatedId")], nodes.table(table))
    )
