"""Changing how the pointers of a field are stored when its target classes change, without losing one.

A pointer with one target class is stored as the objectId, any other as ``Class$objectId`` (``layout``). Everything
here runs inside the transaction that changes the class.
"""

from __future__ import annotations

from collections.abc import Collection

import apsw
from sqlglot import exp

from parsekit.errors import SchemaError
from parsekit.schema import ClassSchema
from parsekit.storage import nodes
from parsekit.storage.layout import ClassLayout

__all__ = ["convert_pointers"]


def convert_pointers(
    connection: apsw.Connection, old: ClassLayout, item: ClassSchema, kept: Collection[str]
) -> None:
    """Rewrite the cells of those fields in ``kept`` whose form changes.

    Raises:
        SchemaError: a field is narrowed to one class while objects point to another.
    """
    for key in kept:
        before, after = old.schema.fields[key], item.fields[key]
        if before.type == "Pointer" and before.target != after.target:
            name = old.columns[key].name
            if before.target is not None:
                connection.execute(_update(old.table, name, widen=True), (f"{before.target}$",))
                continue
            prefix = f"{after.target}$"
            if connection.execute(_others(old.table, name), (prefix, prefix)).get:
                raise SchemaError(
                    [
                        f"{item.name}.{key}: cannot become {after.describe()} while objects point to other classes; "
                        f"change or clear those first, or keep them among the target classes"
                    ]
                )
            connection.execute(_update(old.table, name, widen=False), (prefix,))


def _update(table: str, name: str, *, widen: bool) -> str:
    """UPDATE of the cells that hold something: the prefix bound put in front, or its length cut off."""
    cell, prefix = nodes.column(name), exp.Placeholder()
    cut = exp.Add(this=nodes.call("length", prefix), expression=nodes.number(1))
    value = exp.DPipe(this=prefix, expression=cell) if widen else nodes.call("substr", cell, cut)
    change = exp.EQ(this=nodes.column(name), expression=value)
    node = exp.Update(this=nodes.table(table), expressions=[change], where=exp.Where(this=_holds(name)))
    return nodes.render(node)


def _others(table: str, name: str) -> str:
    """SELECT of how many cells do not begin with a prefix, which is bound twice."""
    length = nodes.call("length", exp.Placeholder())
    start = nodes.call("substr", nodes.column(name), nodes.number(1), length)
    differs = exp.NEQ(this=start, expression=exp.Placeholder())
    where = nodes.all_of([_holds(name), differs])
    return nodes.render(nodes.select([nodes.call("count", nodes.column(name))], nodes.table(table), where))


def _holds(name: str) -> exp.Expression:
    return exp.Not(this=exp.Is(this=nodes.column(name), expression=exp.Null()))
