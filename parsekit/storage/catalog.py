"""The catalog: which classes the database holds and how each is laid out, as an immutable snapshot.

``load`` reads it; the functions below change the database inside a write transaction and return the next snapshot.
Each change bumps the database's *generation*, by which other connections and processes notice that what they cached
(layouts, plans, roles, readable ACLs) is out of date.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, final

import apsw

from parsekit import attrs
from parsekit._lazily import Module
from parsekit.errors import DuplicateValueError, SchemaError, StorageError
from parsekit.schema import ClassSchema, Field, Index, Schema
from parsekit.schema_json import class_from_json, class_to_json
from parsekit.storage.journal_reach import mark_dropped
from parsekit.storage.layout import ClassLayout, Column, assign_columns, assign_table, join_table
from parsekit.values import Value

__all__ = [
    "Catalog",
    "bump_generation",
    "drop_class",
    "index_parts",
    "is_schemaless",
    "load",
    "mark_null_keys",
    "put_class",
    "read_generation",
]

if TYPE_CHECKING:
    from parsekit.storage import ddl
else:
    ddl = Module("parsekit.storage.ddl")


@final
@attrs.frozen(slots=True, eq=False)
class Catalog:
    """A snapshot: ``layouts`` by class name, and the generation at which it was read."""

    generation: int
    layouts: Mapping[str, ClassLayout]
    schema: Schema
    schemaless: bool = False
    """Whether this is the catalog of a local datastore."""

    def layout(self, class_name: str) -> ClassLayout | None:
        """The layout of a class, ``None`` when there is no such class."""
        return self.layouts.get(class_name)


def _catalog(generation: int, layouts: Mapping[str, ClassLayout], *, schemaless: bool = False) -> Catalog:
    classes = {name: layout.schema for name, layout in layouts.items()}
    return Catalog(generation, MappingProxyType(dict(layouts)), Schema(classes), schemaless)


def read_generation(connection: apsw.Connection) -> int:
    """The database's generation as this connection sees it now."""
    return int(connection.execute("SELECT value FROM _pk_meta WHERE key = 'generation'").get)


def bump_generation(connection: apsw.Connection) -> int:
    """Tell every other connection and process that what it cached is out of date."""
    statement = "UPDATE _pk_meta SET value = value + 1 WHERE key = 'generation' RETURNING value"
    return int(connection.execute(statement).get)


def load(connection: apsw.Connection) -> Catalog:
    """Read the catalog. Raises ``StorageError`` when an entry cannot be read."""
    # the generation first: if another process commits in between, what is read is too new for it, and is read again
    generation = read_generation(connection)
    rows: list[tuple[str, str, str, str, str]] = connection.execute(  # type: ignore[assignment]
        "SELECT name, table_name, definition, columns, null_keys FROM _pk_class ORDER BY position"
    ).fetchall()
    schemaless = is_schemaless(connection)
    layouts: dict[str, ClassLayout] = {}
    for name, table, definition, columns, null_keys in rows:
        item = _read_definition(name, json.loads(definition), schemaless=schemaless)
        names = {key: tuple(parts) for key, parts in json.loads(columns).items()}
        layouts[name] = ClassLayout.of(item, table, names, json.loads(null_keys), schemaless=schemaless)
    return _catalog(generation, layouts, schemaless=schemaless)


def is_schemaless(connection: apsw.Connection) -> bool:
    """Whether the file is that of a local datastore."""
    return connection.execute("SELECT 1 FROM _pk_meta WHERE key = 'schemaless'").get is not None


def _read_definition(name: str, definition: Value, *, schemaless: bool) -> ClassSchema:
    if schemaless:  # no defaults are added: what is there is what was seen
        fields = {key: Field(kind) for key, kind in definition["fields"].items()}
        indexes = (Index(key, tuple(map(tuple, keys))) for key, keys in definition["indexes"].items())
        return ClassSchema(name, fields, tuple(indexes))
    problems: list[str] = []
    item = class_from_json(definition, "catalog", problems)
    if item is None or problems:
        raise StorageError(f"catalog: the entry of class {name} is damaged; restore the file from a backup")
    return item


def _definition(layout: ClassLayout) -> str:
    item = layout.schema
    if layout.schemaless:
        seen = {
            "fields": {key: field.type for key, field in item.fields.items()},
            "indexes": {index.name: index.keys for index in item.indexes},
        }
        return json.dumps(seen, separators=(",", ":"))
    entry = class_to_json(item)
    if item.permissions is None:
        del entry["classLevelPermissions"]
    return json.dumps(entry, separators=(",", ":"))


def _store(connection: apsw.Connection, layout: ClassLayout, position: int) -> None:
    columns = {key: column.names for key, column in layout.columns.items()}
    connection.execute(
        "INSERT INTO _pk_class VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET definition = "
        "excluded.definition, columns = excluded.columns, null_keys = excluded.null_keys",
        (
            layout.class_name,
            position,
            layout.table,
            _definition(layout),
            json.dumps(columns, separators=(",", ":")),
            json.dumps(sorted(layout.null_keys)),
        ),
    )


def put_class(connection: apsw.Connection, catalog: Catalog, item: ClassSchema) -> Catalog:
    """Make the database hold ``item`` as described: create the class, or add and drop its fields and indexes.

    A field that changes its type is dropped with its data and added anew; callers decide whether that is allowed. A
    pointer that gains or loses target classes keeps its values.

    Raises:
        SchemaError: a pointer is narrowed to one class while objects point to another; nothing is changed.
        DuplicateValueError: 137, a unique index is wanted where values repeat; nothing is changed.
    """
    old = catalog.layout(item.name)
    layout = _create(connection, catalog, item) if old is None else _alter(connection, old, item)
    _put_indexes(connection, old, layout)
    _store(connection, layout, len(catalog.layouts))
    generation = bump_generation(connection)
    return _catalog(generation, {**catalog.layouts, item.name: layout}, schemaless=catalog.schemaless)


def _create(connection: apsw.Connection, catalog: Catalog, item: ClassSchema) -> ClassLayout:
    taken = [layout.table for layout in catalog.layouts.values()]
    table = assign_table(item.name, taken)
    layout = ClassLayout.of(item, table, assign_columns(item, {}), schemaless=catalog.schemaless)
    connection.execute(ddl.create_class_table(layout))
    for column in layout.stored_columns():
        _create_geo_index(connection, table, column)
    for key in layout.relation_keys():
        _create_join(connection, item.name, key)
    if item.name == "_User" and not layout.schemaless:
        for statement in ddl.create_user_indexes(layout):
            connection.execute(statement)
    return layout


def _create_geo_index(connection: apsw.Connection, table: str, column: Column) -> None:
    if column.field.type == "GeoPoint":
        for statement in ddl.create_geo_index(table, column):
            connection.execute(statement)


def _create_join(connection: apsw.Connection, class_name: str, key: str) -> None:
    for statement in ddl.create_join_table(join_table(class_name, key)):
        connection.execute(statement)


def _alter(connection: apsw.Connection, old: ClassLayout, item: ClassSchema) -> ClassLayout:
    def stays(key: str) -> bool:
        field, before = item.fields.get(key), old.schema.fields[key]
        if field is None or field.type != before.type:
            return False
        return (
            before.type != "Pointer"
            or field.target == before.target
            or _is_convertible_pointer(before, field)
        )

    gone = [key for key in old.columns if not stays(key)]
    if gone:
        _drop_indexes_on(connection, old, set(gone))
        mark_dropped(connection, item.name, gone)
    for key in gone:
        if old.columns[key].field.type == "Relation":
            connection.execute(ddl.drop_table(join_table(item.name, key)))
        if old.columns[key].field.type == "GeoPoint":
            for statement in ddl.drop_geo_index(old.table, key):
                connection.execute(statement)
        for statement in ddl.drop_column(old.table, old.columns[key]):
            connection.execute(statement)
    known = {key: column.names for key, column in old.columns.items() if key not in gone}
    _convert_pointers(connection, old, item, known)
    layout = ClassLayout.of(
        item,
        old.table,
        assign_columns(item, known),
        old.null_keys & item.fields.keys(),
        schemaless=old.schemaless,
    )
    for key, column in layout.columns.items():
        if key in known:
            continue
        if column.field.type == "Relation":
            _create_join(connection, item.name, key)
        for statement in ddl.add_column(old.table, column):
            connection.execute(statement)
        _create_geo_index(connection, old.table, column)
    return layout


def _drop_indexes_on(connection: apsw.Connection, layout: ClassLayout, keys: set[str]) -> None:
    for index in layout.schema.indexes:
        if any(key.split(".")[0] in keys for key, _ in index.keys):
            _drop_index(connection, layout, index)


def _drop_index(connection: apsw.Connection, layout: ClassLayout, index: Index) -> None:
    drop = {"text": ddl.drop_text_index, "totals": ddl.drop_totals}.get(index.kind)
    for statement in (
        [ddl.drop_index(layout.table, index.name)] if drop is None else drop(layout.table, index.name)
    ):
        connection.execute(statement)


def _put_indexes(connection: apsw.Connection, old: ClassLayout | None, layout: ClassLayout) -> None:
    before = {} if old is None else {index.name: index for index in old.schema.indexes}
    after = {index.name: index for index in layout.schema.indexes}
    for name, index in before.items():
        if after.get(name) != index:
            _drop_index(connection, layout, index)
    for name, index in after.items():
        if before.get(name) != index or old is None or _form(old, index) != _form(layout, index):
            _create_index(connection, layout, index)


def _form(layout: ClassLayout, index: Index) -> object:
    """What of the class an index is made of; an index is made anew when that is another."""
    if index.kind == "totals":
        from parsekit.storage.totals import totals_columns

        return totals_columns(layout, index)
    return index_parts(layout, index)


def index_parts(layout: ClassLayout, index: Index) -> list[tuple[str, bool]] | None:
    """The SQL of an index's keys; ``None`` for an index that SQLite keeps no b-tree for."""
    if index.kind != "plain":
        return None
    parts: list[tuple[str, bool]] = []
    for key, descending in index.keys:
        root, _, path = key.partition(".")
        column = layout.columns.get(root)
        if column is None or len(column.names) != 1:
            return None
        if path and column.field.type != "Object":
            return None
        parts.append((_dotted(column, path) if path else ddl.quote(column.name), descending))
    return parts


def _is_convertible_pointer(before: Field, after: Field) -> bool:
    """Whether pointers of ``before`` can be stored as ``after`` wants them: all, or those that lead to its class."""
    return (before.target is None) != (after.target is None)


def _convert_pointers(
    connection: apsw.Connection, old: ClassLayout, item: ClassSchema, kept: Collection[str]
) -> None:
    if any(old.schema.fields[key].target != item.fields[key].target for key in kept):
        from parsekit.storage.pointer_forms import convert_pointers  # as below

        convert_pointers(connection, old, item, kept)


def _dotted(column: Column, path: str) -> str:
    from parsekit.storage.dotted import (
        dotted_sql,  # sqlglot is imported when it is needed, not with the engine
    )

    return dotted_sql(column, path)


def _create_index(connection: apsw.Connection, layout: ClassLayout, index: Index) -> None:
    if index.kind == "text":
        _create_text_index(connection, layout, index)
        return
    if index.kind == "totals":
        _create_totals(connection, layout, index)
        return
    parts = index_parts(layout, index)
    if parts is None:
        return
    connection.execute(ddl.drop_index(layout.table, index.name))
    try:
        connection.execute(ddl.create_index(layout.table, index.name, parts, unique=index.unique))
    except apsw.ConstraintError as error:
        keys = ", ".join(key for key, _ in index.keys)
        raise DuplicateValueError(
            hint=f"class {layout.class_name}: the unique index {index.name} on {keys} meets values that repeat; "
            "remove the duplicates first"
        ) from error


def _create_text_index(connection: apsw.Connection, layout: ClassLayout, index: Index) -> None:
    column = layout.columns.get(index.keys[0][0])
    if len(index.keys) != 1 or column is None or column.field.type != "String":
        return  # Parse lets one be declared on anything; it serves no query here
    for statement in (
        *ddl.drop_text_index(layout.table, index.name),
        *ddl.create_text_index(layout.table, index.name, column),
    ):
        connection.execute(statement)


def _create_totals(connection: apsw.Connection, layout: ClassLayout, index: Index) -> None:
    from parsekit.storage.totals import totals_columns

    columns = totals_columns(layout, index)
    if columns is None:
        return  # a key that nothing is grouped by or added up: queries do without
    group, *sums = [column.name for column in columns]
    for statement in (
        *ddl.drop_totals(layout.table, index.name),
        *ddl.create_totals(layout.table, index.name, group, sums),
    ):
        connection.execute(statement)


def drop_class(connection: apsw.Connection, catalog: Catalog, class_name: str) -> Catalog:
    """Remove a class, its rows and its join tables. ``SchemaError`` when there is none."""
    layout = catalog.layout(class_name)
    if layout is None:
        raise SchemaError([f"class {class_name}: does not exist"])
    for key in layout.relation_keys():
        connection.execute(ddl.drop_table(join_table(class_name, key)))
    for column in layout.stored_columns():
        if column.field.type == "GeoPoint":
            for statement in ddl.drop_geo_index(layout.table, column.key):
                connection.execute(statement)
    for index in layout.schema.indexes:
        _drop_index(connection, layout, index)
    connection.execute(ddl.drop_table(layout.table))
    mark_dropped(connection, class_name, [""])
    connection.execute("DELETE FROM _pk_class WHERE name = ?", (class_name,))
    generation = bump_generation(connection)
    rest = {name: item for name, item in catalog.layouts.items() if name != class_name}
    return _catalog(generation, rest, schemaless=catalog.schemaless)


def mark_null_keys(
    connection: apsw.Connection, catalog: Catalog, class_name: str, keys: Iterable[str]
) -> Catalog:
    """Remember that ``keys`` of the class hold an explicit null somewhere, so that plans look for it."""
    old = catalog.layouts[class_name]
    layout = attrs.evolve(old, null_keys=old.null_keys | set(keys))
    _store(connection, layout, 0)
    layouts = {**catalog.layouts, class_name: layout}
    return _catalog(bump_generation(connection), layouts, schemaless=catalog.schemaless)
