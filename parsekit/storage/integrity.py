"""``check``: whether a database is what its catalog and its journal say it is.

Looked at, in this order: the file (SQLite's own check), the catalog against the real tables, columns, indexes and
triggers, the cells that only parsekit understands (JSON, nulls, ACL numbers), join tables, R*Trees and full-text tables
against their rows, the journal's sequence numbers, and the journal against the tables (law L4, ``journal_check``).

Everything is read in one snapshot and nothing is changed. Findings name classes, keys and numbers of objects, never
what a field holds. A member of a relation that no longer exists is no finding: Parse keeps such members too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import apsw

from parsekit.errors import StorageError
from parsekit.storage import ddl
from parsekit.storage.acl_store import grants_of
from parsekit.storage.catalog import Catalog, index_parts, load
from parsekit.storage.database import Database
from parsekit.storage.findings import Finding, error, warning
from parsekit.storage.journal_check import check_journal
from parsekit.storage.layout import ClassLayout, Column, join_table, split_nulls
from parsekit.storage.totals import check_totals, kept_totals, totals_columns

__all__ = ["Finding", "check", "check_database"]

_RESTORE: Final = "restore the file from a backup (parsekit restore)"
_REBUILD: Final = (
    "export the objects, import them into a new file, and use that one (parsekit export, import)"
)
_OBJECTS: Final = "SELECT name, type, sql FROM sqlite_schema"
_COLUMNS: Final = "SELECT name, type FROM pragma_table_info(?)"
_ALLOWED: Final = ("sqlite_", "_pk_")
_JSON: Final = frozenset({"Object", "Array", "Polygon", "File"})
_MOST: Final = 100
_ACLS: Final = "SELECT id, acl FROM _pk_acl"
_GRANTS: Final = "SELECT principal, access, acl FROM _pk_acl_grant"


def check_database(database: Database) -> list[Finding]:
    """``check`` in a snapshot of its own, on a connection of its own. Raises ``StorageError`` when SQLite refuses."""
    with database.extra_reader() as connection, database.reading_from(connection):
        connection.execute("BEGIN")
        try:
            return check(connection, load(connection))
        except (apsw.CorruptError, apsw.NotADBError) as damage:
            return [error("file", f"SQLite reports: {damage}", _RESTORE)]
        except StorageError as damage:
            return [error("catalog", str(damage), _RESTORE)]


def check(connection: apsw.Connection, catalog: Catalog) -> list[Finding]:
    """Everything that is wrong; an empty list for a database that is sound. Inside a snapshot."""
    damaged = list(_file(connection))
    if damaged:
        return damaged  # what the pages hold cannot be believed
    found = [*_internal_tables(connection)]
    if found:
        return found
    present = {str(name): (str(kind), str(sql)) for name, kind, sql in connection.execute(_OBJECTS)}
    sound: list[ClassLayout] = []
    for layout in catalog.layouts.values():
        problems = [*_class_objects(connection, layout, present)]
        if not problems:
            problems += _cells(connection, layout)
            sound.append(layout)
        found += problems
    found += _strangers(catalog, present)
    for layout in sound:
        found += _relations(connection, layout)
        found += _kept_indexes(connection, layout)
    found += _acls(connection, sound)
    found += check_journal(connection, sound)
    return found


def _file(connection: apsw.Connection) -> Iterator[Finding]:
    for (line,) in connection.execute(ddl.INTEGRITY_CHECK):
        if line != "ok":
            yield error("file", f"SQLite reports: {line}", _RESTORE)


def _internal_tables(connection: apsw.Connection) -> Iterator[Finding]:
    present = {str(name): str(sql) for name, _, sql in connection.execute(_OBJECTS)}
    for statement in ddl.INTERNAL_TABLES:
        words = statement.split()
        if words[0] == "CREATE" and present.get(words[2]) != statement:
            yield error(f"table {words[2]}", "is missing or not as parsekit made it", _RESTORE)


# --- the catalog against what is there ---


def _class_objects(
    connection: apsw.Connection, layout: ClassLayout, present: dict[str, tuple[str, str]]
) -> Iterator[Finding]:
    place = f"class {layout.class_name}"
    if layout.table not in present:
        yield error(place, "its table is missing", _RESTORE)
        return
    wanted = ddl.column_types(layout)
    real = {str(name): str(kind) for name, kind in connection.execute(_COLUMNS, (layout.table,))}
    for name in wanted.keys() | real.keys():
        if wanted.get(name) != real.get(name):
            state = "missing" if name not in real else "unknown" if name not in wanted else "of another type"
            yield error(place, f"the column {name} is {state}", _RESTORE)
    for name, statement in expected_objects(layout).items():
        if name not in present:
            yield error(place, f"{_kind(statement)} {name} is missing", _REBUILD)
        elif present[name][1] != statement:
            yield error(place, f"{_kind(statement)} {name} is not as parsekit made it", _REBUILD)


def _kind(statement: str) -> str:
    words = statement.split()
    return "table" if "TABLE" in words[:3] else "trigger" if words[1] == "TRIGGER" else "index"


def expected_objects(layout: ClassLayout) -> dict[str, str]:
    """Everything beside its table that a class needs in SQLite: name -> the statement that made it."""
    statements: list[str] = []
    for column in layout.stored_columns():
        if column.field.type == "GeoPoint":
            statements += ddl.create_geo_index(layout.table, column)
    for key in layout.relation_keys():
        statements += ddl.create_join_table(join_table(layout.class_name, key))
    for index in layout.schema.indexes:
        parts = index_parts(layout, index)
        text = (
            _text_column(layout, index.keys[0][0]) if index.kind == "text" and len(index.keys) == 1 else None
        )
        totals = totals_columns(layout, index) if index.kind == "totals" else None
        if text is not None:
            statements += ddl.create_text_index(layout.table, index.name, text)[:-1]
        elif totals is not None:
            group, *sums = [column.name for column in totals]
            statements += ddl.create_totals(layout.table, index.name, group, sums)[:-1]
        elif parts is not None:
            statements.append(ddl.create_index(layout.table, index.name, parts, unique=index.unique))
    if layout.class_name == "_User":
        statements += ddl.create_user_indexes(layout)
    return {_name_in(statement): statement for statement in statements}


def _text_column(layout: ClassLayout, key: str) -> Column | None:
    column = layout.columns.get(key)
    return column if column is not None and column.field.type == "String" else None


def _name_in(statement: str) -> str:
    """The first quoted identifier: what the statement creates."""
    start = statement.index('"')
    return statement[start + 1 : statement.index('"', start + 1)]


def _strangers(catalog: Catalog, present: dict[str, tuple[str, str]]) -> Iterator[Finding]:
    known: set[str] = set()
    virtual: list[str] = []
    for layout in catalog.layouts.values():
        known.add(layout.table)
        for name, statement in expected_objects(layout).items():
            known.add(name)
            if statement.startswith("CREATE VIRTUAL"):
                virtual.append(f"{name}_")  # the tables in which SQLite keeps it
    for name, (kind, _) in present.items():
        if kind == "index" or name in known or name.startswith((*_ALLOWED, *virtual)):
            continue
        fix = "nothing needs it if it is yours; else drop it"
        yield warning(f"{kind} {name}", "belongs to no class", fix)


# --- cells that only parsekit understands ---


def _cells(connection: apsw.Connection, layout: ClassLayout) -> Iterator[Finding]:
    from parsekit.storage import check_statements as statements

    place = f"class {layout.class_name}"
    for column in layout.stored_columns():
        if column.field.type in _JSON:
            count = connection.execute(statements.invalid_json(layout.table, column.name)).get
            if count:
                yield error(f"{place}.{column.key}", f"{count} objects hold text that is not JSON", _RESTORE)
    for (cell,) in connection.execute(statements.distinct_nulls(layout.table)):
        keys = split_nulls(str(cell))
        for key in keys:
            column_of = layout.columns.get(key)
            if column_of is None or key not in layout.null_keys:
                what = f'objects hold a null under "{key}" of which the catalog does not know'
                yield error(place, what, _REBUILD)
                continue
            held = connection.execute(statements.null_and_value(layout.table, column_of.name), (cell,)).get
            if held:
                yield error(f"{place}.{key}", f"{held} objects hold a value and a null at once", _REBUILD)


def _acls(connection: apsw.Connection, layouts: Iterable[ClassLayout]) -> Iterator[Finding]:
    from parsekit.storage import check_statements as statements

    for layout in layouts:
        count = connection.execute(statements.unknown_acls(layout.table)).get
        if count:
            what = (
                f"{count} objects have the number of an ACL that does not exist, so that nobody may read them"
            )
            yield error(f"class {layout.class_name}", what, _RESTORE)
    wanted = {row for number, text in connection.execute(_ACLS) for row in grants_of(str(text), int(number))}
    real = set(connection.execute(_GRANTS))
    if wanted != real:
        what = f"{len(wanted - real)} grants are missing, {len(real - wanted)} are in no ACL"
        yield error("table _pk_acl_grant", what, _REBUILD)


# --- relations and the indexes that triggers keep ---


def _relations(connection: apsw.Connection, layout: ClassLayout) -> Iterator[Finding]:
    from parsekit.storage import check_statements as statements

    for key in layout.relation_keys():
        table = join_table(layout.class_name, key)
        count = connection.execute(statements.orphans(table, layout.table)).get
        if count:
            what = f"{count} rows of the relation belong to objects that do not exist"
            yield error(f"class {layout.class_name}.{key}", what, _REBUILD)


def _kept_indexes(connection: apsw.Connection, layout: ClassLayout) -> Iterator[Finding]:
    from parsekit.storage.index_check import check_geo_index, check_text_index

    for column in layout.stored_columns():
        if column.field.type == "GeoPoint":
            yield from check_geo_index(connection, layout, column)
    for totals in kept_totals(layout):
        yield from check_totals(connection, layout, totals)
    for index in layout.schema.indexes:
        if index.kind == "text" and len(index.keys) == 1:
            text = _text_column(layout, index.keys[0][0])
            if text is not None:
                yield from check_text_index(connection, layout, index.name, text)
