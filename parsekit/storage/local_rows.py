"""The rows of a local datastore's classes, and the census of types that decides how a key is stored.

A class comes with its first object, a key with its first value, typed by it. A value of another type makes the key's
column Mixed, its values carried over; that happens at most once to a key. So the layout itself is the census: every
value under a typed column is of its type or null.

Rows are numbered by their node (``local_graph``), which is the order in which objects came. Runs inside
``Store.write()``, but for the reads. What a row means as an object is not said here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import apsw

from parsekit.codec import encode_interior
from parsekit.schema import ClassSchema, Field, Index, field_for_value
from parsekit.storage.layout import (
    ACL_COLUMN,
    LOCAL_COLUMN,
    NULLS_COLUMN,
    RID_COLUMN,
    ClassLayout,
    Stored,
    join_nulls,
)
from parsekit.values import Value

if TYPE_CHECKING:
    from sqlglot import exp

    from parsekit.storage.store import Store

__all__ = ["Row", "delete_row", "ensure_layout", "local_columns", "put_row", "read_row", "stored_rows"]

Row: TypeAlias = tuple[Any, ...]
_BASE: Final = {
    "objectId": Field("String"),
    "createdAt": Field("Date"),
    "updatedAt": Field("Date"),
    "ACL": Field("ACL"),
}
_SYSTEM: Final = frozenset(_BASE)
_MIXED: Final = Field("Mixed")


def local_columns(layout: ClassLayout) -> tuple[str, ...]:
    """The columns of a row as they are read here and by compiled queries, in order."""
    stored = (name for column in layout.stored_columns() for name in column.names)
    return (*stored, ACL_COLUMN, NULLS_COLUMN, RID_COLUMN, LOCAL_COLUMN)


# -- statements ----------------------------------------------------------------------------------------


def _where_rid() -> exp.Expression:
    from sqlglot import exp

    from parsekit.storage import nodes

    return exp.EQ(this=nodes.column(RID_COLUMN), expression=exp.Placeholder())


@lru_cache(maxsize=256)
def _select(layout: ClassLayout, which: str) -> str:
    from sqlglot import exp

    from parsekit.storage import nodes

    where: exp.Expression | None = None
    if which == "one":
        where = _where_rid()
    elif which == "pin":
        member = exp.EQ(this=nodes.column("pin"), expression=exp.Placeholder())
        members = nodes.select([nodes.column("node")], nodes.table("_pk_member"), member)
        where = exp.In(this=nodes.column(RID_COLUMN), query=exp.Subquery(this=members))
    columns = [nodes.column(name) for name in local_columns(layout)]
    order = [exp.Ordered(this=nodes.column(RID_COLUMN))]
    return nodes.render(nodes.select(columns, nodes.table(layout.table), where, order=order))


@lru_cache(maxsize=256)
def _insert(layout: ClassLayout) -> str:
    from sqlglot import exp

    from parsekit.storage import nodes

    names = local_columns(layout)
    values = exp.Values(expressions=[exp.Tuple(expressions=[exp.Placeholder() for _ in names])])
    columns = [exp.Identifier(this=name, quoted=True) for name in names]
    target = exp.Schema(this=nodes.table(layout.table), expressions=columns)
    return nodes.render(exp.Insert(this=target, expression=values))


@lru_cache(maxsize=256)
def _update(layout: ClassLayout) -> str:
    from sqlglot import exp

    from parsekit.storage import nodes

    names = [name for name in local_columns(layout) if name != RID_COLUMN]
    changes = [exp.EQ(this=nodes.column(name), expression=exp.Placeholder()) for name in names]
    return nodes.render(
        exp.Update(this=nodes.table(layout.table), expressions=changes, where=exp.Where(this=_where_rid()))
    )


@lru_cache(maxsize=256)
def _delete(table: str) -> str:
    from sqlglot import exp

    from parsekit.storage import nodes

    return nodes.render(exp.Delete(this=nodes.table(table), where=exp.Where(this=_where_rid())))


# -- rows ----------------------------------------------------------------------------------------------


def put_row(
    connection: apsw.Connection,
    layout: ClassLayout,
    number: int,
    fields: Mapping[str, Value],
    acl: int,
    local: str | None,
    *,
    exists: bool,
) -> None:
    """Write the whole row of a node; ``fields`` are the values that queries see."""
    cells: list[Stored] = []
    for column in layout.stored_columns():
        cells += column.cells(fields.get(column.key))
    cells.append(acl)
    nulls = [key for key, value in fields.items() if value is None and key != "ACL"]
    cells.append(join_nulls(nulls))
    if exists:
        connection.execute(_update(layout), [*cells, local, number])
    else:
        connection.execute(_insert(layout), [*cells, number, local])


def read_row(connection: apsw.Connection, layout: ClassLayout, number: int) -> Row | None:
    """The row of a node."""
    return connection.execute(_select(layout, "one"), (number,)).fetchone()


def stored_rows(connection: apsw.Connection, layout: ClassLayout, pin: int | None) -> list[Row]:
    """Every row, or those that a pin reaches, in insertion order."""
    # read at once: a statement that is left halfway, as when an object fails the query, holds its old snapshot
    if pin is None:
        return connection.execute(_select(layout, "all")).fetchall()
    return connection.execute(_select(layout, "pin"), (pin,)).fetchall()


def delete_row(connection: apsw.Connection, layout: ClassLayout, number: int) -> None:
    """Delete the row of a node."""
    connection.execute(_delete(layout.table), (number,))


# -- the census ----------------------------------------------------------------------------------------


def _field(value: Value) -> Field:
    found = field_for_value(value)
    if found is None or found.type == "Relation":  # one object has a relation, the next one may have none
        return _MIXED
    return Field(found.type)


def _seen(known: Mapping[str, Field], fields: Mapping[str, Value]) -> dict[str, Field]:
    """The fields that these values add or change."""
    changed: dict[str, Field] = {}
    for key, value in fields.items():
        if key in _SYSTEM or (value is None and key in known):
            continue
        old = known.get(key)
        new = _field(value)
        if old is None:
            changed[key] = (
                Field("String") if value is None else new
            )  # a guess, while there is nothing but null
        elif old.type not in (new.type, "Mixed"):
            changed[key] = new
    return changed


def ensure_layout(
    store: Store,
    connection: apsw.Connection,
    class_name: str,
    fields: Mapping[str, Value],
    described: ClassSchema | None,
) -> ClassLayout:
    """The layout of a class that can hold these values; ``described`` says what a new class begins with."""
    layout = store.catalog.layout(class_name)
    if layout is None:
        store.put_class(connection, _first(class_name, described))
        layout = store.catalog.layouts[class_name]
    changed = _seen(layout.schema.fields, fields)
    if changed:
        layout = _change(store, connection, layout, changed)
    nulls = [key for key, value in fields.items() if value is None and key not in layout.null_keys]
    if nulls:
        store.mark_null_keys(connection, class_name, nulls)
        layout = store.catalog.layouts[class_name]
    return layout


def _first(class_name: str, described: ClassSchema | None) -> ClassSchema:
    fields = dict(_BASE)
    indexes: tuple[Index, ...] = ()
    if described is not None:
        for key, field in described.fields.items():
            if key not in _SYSTEM and field.type not in ("Relation", "ACL"):
                fields[key] = Field(field.type)
        plain = (index for index in described.indexes if index.kind == "plain")
        # a device may hold two objects that the server would not let have the same value
        indexes = tuple(Index(index.name, index.keys) for index in plain)
    return ClassSchema(class_name, fields, indexes)


def _change(
    store: Store, connection: apsw.Connection, layout: ClassLayout, changed: Mapping[str, Field]
) -> ClassLayout:
    """Add columns; those that meet another type get it while they are empty, else they become Mixed."""
    retyped = [key for key in changed if key in layout.columns]
    held = dict(_held(connection, layout, retyped)) if retyped else {}
    mixed = {key: _MIXED for key, values in held.items() if values}
    store.put_class(connection, layout.schema.with_fields({**changed, **mixed}))
    fresh = store.catalog.layouts[layout.class_name]
    for key, values in held.items():
        connection.executemany(_set_cell(fresh, key), values)
    return fresh


def _held(
    connection: apsw.Connection, layout: ClassLayout, keys: Iterable[str]
) -> Iterator[tuple[str, list[tuple[Stored, int]]]]:
    positions = {name: place for place, name in enumerate(local_columns(layout))}
    rid = positions[RID_COLUMN]
    rows = stored_rows(connection, layout, None)
    for key in keys:
        column = layout.columns[key]
        place = positions[column.name]
        values: list[tuple[Stored, int]] = []
        for row in rows:
            stored = row[place]
            if stored is None:
                continue
            if len(column.names) == 2:
                stored = (stored, row[place + 1])
            value = stored if column.decode is None else column.decode(stored)
            values.append((encode_interior(value), row[rid]))
        yield key, values


def _set_cell(layout: ClassLayout, key: str) -> str:
    from parsekit.storage.statements import update_statement

    return update_statement(layout, [layout.columns[key].name])
