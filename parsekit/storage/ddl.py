"""The constant SQL of storage: table definitions, PRAGMAs, transaction control, and the quoting of identifiers.

sqlglot's SQLite generator drops STRICT and knows no PRAGMA, so this text is written here and nowhere else. The
only things ever put into it are identifiers, and every one passes ``quote``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from parsekit.errors import EngineError
from parsekit.storage.layout import (
    ACL_COLUMN,
    LOCAL_COLUMN,
    NULLS_COLUMN,
    RID_COLUMN,
    SECRET_COLUMN,
    ClassLayout,
    Column,
)

__all__ = [
    "COMPACTION",
    "COUNT_PLANS",
    "FORGET_PLANS",
    "INTEGRITY_CHECK",
    "INTERNAL_TABLES",
    "KEEP_PLAN",
    "LOCAL_TABLES",
    "SIZE",
    "VOCABULARY",
    "add_column",
    "column_types",
    "create_class_table",
    "create_geo_index",
    "create_index",
    "create_join_table",
    "create_provider_index",
    "create_text_index",
    "create_totals",
    "create_user_indexes",
    "create_vocabulary",
    "drop_column",
    "drop_geo_index",
    "drop_index",
    "drop_table",
    "drop_text_index",
    "drop_totals",
    "drop_vocabulary",
    "geo_index_name",
    "index_name",
    "provider_path",
    "quote",
    "secret_path",
    "text_index_name",
    "totals_content",
    "totals_name",
    "totals_rows",
]

COMPACTION: Final = ("VACUUM", "PRAGMA optimize", "PRAGMA wal_checkpoint(TRUNCATE)")
"""Run one by one, outside of any transaction."""

INTEGRITY_CHECK: Final = "PRAGMA integrity_check"
SIZE: Final = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
"""The bytes of the database as a transaction sees it, what is still in the WAL included."""

COUNT_PLANS: Final = "SELECT count(*) FROM _pk_plan"
FORGET_PLANS: Final = "DELETE FROM _pk_plan WHERE catalog <> ?"
KEEP_PLAN: Final = "INSERT OR REPLACE INTO _pk_plan (shape, catalog, plan) VALUES (?, ?, ?)"
"""How what the file keeps of compiled statements changes (``kept_plans``)."""

VOCABULARY: Final = 'SELECT doc, term FROM temp."pk_vocabulary"'
"""The rows and words of the full-text table for which ``create_vocabulary`` was run."""

_EVENTS: Final = ("inserted", "updated", "deleted")

INTERNAL_TABLES: Final[tuple[str, ...]] = (
    "CREATE TABLE _pk_meta (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID",
    "CREATE TABLE _pk_class (name TEXT PRIMARY KEY, position INTEGER NOT NULL, table_name TEXT NOT NULL UNIQUE, "
    "definition TEXT NOT NULL, columns TEXT NOT NULL, null_keys TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE _pk_acl (id INTEGER PRIMARY KEY, acl TEXT NOT NULL UNIQUE) STRICT",
    "CREATE TABLE _pk_acl_grant (principal TEXT NOT NULL, access INTEGER NOT NULL, acl INTEGER NOT NULL, "
    "PRIMARY KEY (principal, access, acl)) STRICT, WITHOUT ROWID",
    "CREATE TABLE _pk_journal (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, class TEXT NOT NULL, "
    "object_id TEXT NOT NULL, kind INTEGER NOT NULL, before TEXT, after TEXT) STRICT",
    "CREATE TABLE _pk_plan (shape TEXT PRIMARY KEY, catalog INTEGER NOT NULL, plan TEXT NOT NULL) "
    "STRICT, WITHOUT ROWID",
    "INSERT INTO _pk_meta VALUES ('generation', 1)",
)

ID_REGISTER: Final[tuple[str, ...]] = (
    "PRAGMA journal_mode = OFF",
    "PRAGMA cache_size = -4096",
    "CREATE TABLE seen (class TEXT, id TEXT, place TEXT, PRIMARY KEY (class, id)) STRICT, WITHOUT ROWID",
    "BEGIN",
)
"""A private temporary database, never committed (``import_log.IdRegister``)."""


LOCAL_TABLES: Final[tuple[str, ...]] = (
    # an object that a pin reaches: stored (it has a row in its class) or known by its id alone. Ids are never used
    # twice: an object without an objectId is called by them
    "CREATE TABLE _pk_node (id INTEGER PRIMARY KEY AUTOINCREMENT, class TEXT NOT NULL, object_id TEXT, "
    "stored INTEGER NOT NULL DEFAULT 0, pending TEXT, UNIQUE (class, object_id)) STRICT",
    "CREATE TABLE _pk_pin (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE) STRICT",
    "CREATE TABLE _pk_root (pin INTEGER NOT NULL, node INTEGER NOT NULL, PRIMARY KEY (pin, node)) "
    "STRICT, WITHOUT ROWID",
    'CREATE INDEX "_pk_root.node" ON _pk_root (node, pin)',
    "CREATE TABLE _pk_member (pin INTEGER NOT NULL, node INTEGER NOT NULL, PRIMARY KEY (pin, node)) "
    "STRICT, WITHOUT ROWID",
    'CREATE INDEX "_pk_member.node" ON _pk_member (node, pin)',
    "CREATE TABLE _pk_edge (source INTEGER NOT NULL, target INTEGER NOT NULL, PRIMARY KEY (source, target)) "
    "STRICT, WITHOUT ROWID",
    'CREATE INDEX "_pk_edge.target" ON _pk_edge (target, source)',
    "CREATE TABLE _pk_related (owner INTEGER NOT NULL, key TEXT NOT NULL, class TEXT NOT NULL, "
    "object_id TEXT NOT NULL, PRIMARY KEY (owner, key, class, object_id)) STRICT, WITHOUT ROWID",
    'CREATE INDEX "_pk_related.member" ON _pk_related (class, object_id, key)',
    "INSERT INTO _pk_meta VALUES ('schemaless', 1)",
)
"""What the file of a local datastore has besides."""


def quote(identifier: str) -> str:
    """An identifier as SQL text.

    SAFETY: the only way an identifier reaches SQL text. Double quotes are doubled; a NUL, which would end the
    text early, is refused.
    """
    if "\x00" in identifier:
        raise EngineError(
            "identifier: contains a NUL character; class and key names are letters, digits and _"
        )
    return '"' + identifier.replace('"', '""') + '"'


def _column_definitions(column: Column, *, schemaless: bool = False) -> list[str]:
    definitions = [f"{quote(name)} {kind}" for name, kind in zip(column.names, column.types, strict=True)]
    if column.key == "objectId":
        definitions[0] += " UNIQUE" if schemaless else " NOT NULL UNIQUE"
    elif column.key in ("createdAt", "updatedAt") and not schemaless:
        definitions[0] += " NOT NULL"
    return definitions


def column_types(layout: ClassLayout) -> dict[str, str]:
    """The columns of a class's table with their types, as SQLite tells them."""
    types = {RID_COLUMN: "INTEGER", ACL_COLUMN: "INTEGER", NULLS_COLUMN: "TEXT"}
    for column in layout.stored_columns():
        types.update(zip(column.names, column.types, strict=True))
    if layout.class_name == "_User":
        types[SECRET_COLUMN] = "TEXT"
    return types


def create_class_table(layout: ClassLayout) -> str:
    """The table of a class. ``_User`` also has the column of its secrets, which no query can name."""
    parts = [f"{quote(RID_COLUMN)} INTEGER PRIMARY KEY"]
    for column in layout.stored_columns():
        parts.extend(_column_definitions(column, schemaless=layout.schemaless))
    parts.append(f"{quote(ACL_COLUMN)} INTEGER NOT NULL DEFAULT 0")
    parts.append(f"{quote(NULLS_COLUMN)} TEXT")
    if layout.schemaless:
        parts.append(f"{quote(LOCAL_COLUMN)} TEXT")
    elif layout.class_name == "_User":
        parts.append(f"{quote(SECRET_COLUMN)} TEXT")
    return f"CREATE TABLE {quote(layout.table)} ({', '.join(parts)}) STRICT"


def add_column(table: str, column: Column) -> list[str]:
    """One ALTER TABLE per column of the field."""
    return [
        f"ALTER TABLE {quote(table)} ADD COLUMN {definition}" for definition in _column_definitions(column)
    ]


def drop_column(table: str, column: Column) -> list[str]:
    """One ALTER TABLE per column of the field."""
    return [f"ALTER TABLE {quote(table)} DROP COLUMN {quote(name)}" for name in column.names]


def create_join_table(table: str) -> list[str]:
    """The join table of a relation, found from both sides."""
    index = quote(f"{table}:related")
    return [
        f'CREATE TABLE {quote(table)} ("owningId" TEXT NOT NULL, "relatedId" TEXT NOT NULL, '
        'PRIMARY KEY ("owningId", "relatedId")) STRICT, WITHOUT ROWID',
        f'CREATE INDEX {index} ON {quote(table)} ("relatedId", "owningId")',
    ]


def secret_path(name: str) -> str:
    """Where a secret of a user is inside the column of secrets."""
    return f"$.{name}"


def provider_path(provider: str) -> str:
    """Where a user's id with an auth provider is inside ``authData``.

    SAFETY: the path becomes a part of SQL text, so a provider's name is letters, digits and ``_``.
    """
    if not (provider.isascii() and provider.isidentifier()):
        raise EngineError(f"auth provider {provider!r}: name it with letters, digits and _ only")
    return f"$.{provider}.id"


def create_user_indexes(layout: ClassLayout) -> list[str]:
    """What users are looked up by beside their fields: names whatever their case, and the tokens sent by mail."""
    places = [f"lower({quote(layout.columns[key].name)})" for key in ("username", "email")]
    secret = quote(SECRET_COLUMN)
    places += [f"json_extract({secret}, '{secret_path(name)}')" for name in ("reset_token", "verify_token")]
    table = quote(layout.table)
    return [
        f"CREATE INDEX {quote(index_name(layout.table, f'lookup_{number}'))} ON {table} ({place})"
        for number, place in enumerate(places)
    ]


def create_provider_index(table: str, column: str, provider: str) -> str:
    """The index by which the user of an account of ``provider`` is found."""
    name = quote(index_name(table, f"auth_{provider}"))
    place = f"json_extract({quote(column)}, '{provider_path(provider)}')"
    return f"CREATE INDEX IF NOT EXISTS {name} ON {quote(table)} ({place})"


def index_name(table: str, name: str) -> str:
    """The name of an index in SQLite, where index names are global."""
    return f"{table}.{name}"


def create_index(table: str, name: str, columns: Iterable[tuple[str, bool]], *, unique: bool) -> str:
    """An index on ``columns`` ((quoted name or expression, descending) pairs), ending in rowid and ACL unless unique.

    The rowid makes the index serve the stable order of ties, the ACL lets a permission be tested without
    reading the row (law L2, performance notes E2).
    """
    parts = [f"{column} DESC" if descending else column for column, descending in columns]
    if not unique:
        parts += [quote(RID_COLUMN), quote(ACL_COLUMN)]
    kind = "UNIQUE INDEX" if unique else "INDEX"
    return f"CREATE {kind} {quote(index_name(table, name))} ON {quote(table)} ({', '.join(parts)})"


def drop_index(table: str, name: str) -> str:
    """Drop an index of a class."""
    return f"DROP INDEX IF EXISTS {quote(index_name(table, name))}"


def drop_table(table: str) -> str:
    """Drop a table with its indexes."""
    return f"DROP TABLE IF EXISTS {quote(table)}"


def geo_index_name(table: str, key: str) -> str:
    """The name of the R*Tree beside a GeoPoint field."""
    return f"{table}.{key}.rtree"


def create_geo_index(table: str, column: Column) -> list[str]:
    """An R*Tree over the points of a field, kept by triggers. Its coordinates are rounded outward, so what it finds is
    a superset that the matcher narrows."""
    rid, latitude, longitude = quote(RID_COLUMN), quote(column.names[0]), quote(column.names[1])
    name = geo_index_name(table, column.key)
    row = f"new.{rid}, new.{latitude}, new.{latitude}, new.{longitude}, new.{longitude}"
    insert = f"INSERT INTO {quote(name)} SELECT {row} WHERE new.{latitude} IS NOT NULL;"
    delete = f"DELETE FROM {quote(name)} WHERE id = old.{rid};"
    return [
        f"CREATE VIRTUAL TABLE {quote(name)} USING rtree(id, south, north, west, east)",
        *_triggers(table, name, f"{latitude}, {longitude}", insert, delete),
    ]


def _triggers(table: str, name: str, columns: str, insert: str, delete: str) -> list[str]:
    """Triggers that keep the index ``name`` of ``table``."""
    inserted, updated, deleted = (quote(f"{name}.{event}") for event in _EVENTS)
    return [
        f"CREATE TRIGGER {inserted} AFTER INSERT ON {quote(table)} BEGIN {insert} END",
        f"CREATE TRIGGER {updated} AFTER UPDATE OF {columns} ON {quote(table)} BEGIN {delete} {insert} END",
        f"CREATE TRIGGER {deleted} AFTER DELETE ON {quote(table)} BEGIN {delete} END",
    ]


def _drop_kept(name: str) -> list[str]:
    return [*(f"DROP TRIGGER IF EXISTS {quote(f'{name}.{event}')}" for event in _EVENTS), drop_table(name)]


def drop_geo_index(table: str, key: str) -> list[str]:
    """Drop the R*Tree of a field with its triggers."""
    return _drop_kept(geo_index_name(table, key))


def text_index_name(table: str, name: str) -> str:
    """The name of the full-text table of a text index."""
    return f"{table}.{name}.fts"


def create_text_index(table: str, index: str, column: Column) -> list[str]:
    """A full-text table over the words of a String field, kept by triggers, filled with what is there.

    The words are cut and stemmed by ``pk_tokens``, the matcher's own rules; FTS5 only looks them up.
    """
    name, cell, rid = text_index_name(table, index), quote(column.name), quote(RID_COLUMN)
    target = f"INSERT INTO {quote(name)} (rowid, words)"
    insert = f"{target} SELECT new.{rid}, pk_tokens(new.{cell}) WHERE new.{cell} IS NOT NULL;"
    delete = f"DELETE FROM {quote(name)} WHERE rowid = old.{rid};"
    options = "content='', contentless_delete=1, tokenize='ascii', detail=none"
    return [
        f"CREATE VIRTUAL TABLE {quote(name)} USING fts5(words, {options})",
        *_triggers(table, name, cell, insert, delete),
        f"{target} SELECT {rid}, pk_tokens({cell}) FROM {quote(table)} WHERE {cell} IS NOT NULL",
    ]


def drop_text_index(table: str, index: str) -> list[str]:
    """Drop a text index with its triggers."""
    return _drop_kept(text_index_name(table, index))


def totals_name(table: str, name: str) -> str:
    """The name of the table behind an index of kind ``totals``."""
    return f"{table}.{name}.totals"


def _whole(cell: str) -> str:
    """Whether a number is added up exactly: an integer so small that millions of them stay one."""
    return f"(typeof({cell}) = 'integer' AND {cell} BETWEEN -1099511627776 AND 1099511627776)"


def _amounts(row: str, sums: Sequence[str]) -> list[str]:
    """Per summed column what it adds to the sum, and whether it is a number that cannot be added up exactly."""
    parts: list[str] = []
    for name in sums:
        cell = f"{row}{quote(name)}"
        parts += [f"iif({_whole(cell)}, {cell}, 0)", f"({cell} IS NOT NULL AND NOT {_whole(cell)})"]
    return parts


def _amount_names(sums: Sequence[object]) -> list[str]:
    return [f"{letter}{number}" for number in range(len(sums)) for letter in ("sum", "inexact")]


def create_totals(table: str, index: str, group: str, sums: Sequence[str]) -> list[str]:
    """A table of how many rows there are per value of the column ``group`` and ACL, with the sums of ``sums``, kept by
    triggers, and filled with what is there. The ACL -1 stands for all; rows without a value have the group ``x''``."""
    name, acl = totals_name(table, index), quote(ACL_COLUMN)
    target, names = quote(name), _amount_names(sums)
    columns = "".join(f", {part} ANY NOT NULL" for part in names)
    added = "".join(f", {part} = {part} + excluded.{part}" for part in names)
    listed = ", ".join(["grp", "acl", "n", *names])
    new = f"ifnull(new.{quote(group)}, x''), %s, 1{''.join(f', {part}' for part in _amounts('new.', sums))}"
    insert = (
        f"INSERT INTO {target} ({listed}) VALUES ({new % f'new.{acl}'}), ({new % '-1'}) "
        f"ON CONFLICT (grp, acl) DO UPDATE SET n = n + 1{added};"
    )
    where = f"WHERE grp = ifnull(old.{quote(group)}, x'') AND acl IN (old.{acl}, -1)"
    taken = "".join(
        f", {part} = {part} - {amount}" for part, amount in zip(names, _amounts("old.", sums), strict=True)
    )
    delete = f"UPDATE {target} SET n = n - 1{taken} {where}; DELETE FROM {target} {where} AND n = 0;"
    watched = ", ".join([quote(group), *map(quote, sums), acl])
    return [
        f"CREATE TABLE {target} (grp ANY NOT NULL, acl INTEGER NOT NULL, n INTEGER NOT NULL{columns}, "
        "UNIQUE (grp, acl)) STRICT",
        f"CREATE INDEX {quote(f'{name}.all')} ON {target} (grp) WHERE acl = -1",
        *_triggers(table, name, watched, insert, delete),
        f"INSERT INTO {target} ({listed}) {totals_content(table, group, sums)}",
    ]


def totals_content(table: str, group: str, sums: Sequence[str]) -> str:
    """What the table of ``create_totals`` has to hold."""
    acl, amounts = quote(ACL_COLUMN), "".join(f", sum({part})" for part in _amounts("", sums))
    key = f"ifnull({quote(group)}, x'')"
    return (
        f"SELECT {key}, {acl}, count(*){amounts} FROM {quote(table)} GROUP BY 1, 2 UNION ALL "
        f"SELECT {key}, -1, count(*){amounts} FROM {quote(table)} GROUP BY 1"
    )


def totals_rows(name: str, sums: int) -> str:
    """All of a table of totals, as ``totals_content`` gives it."""
    columns = ", ".join(["grp", "acl", "n", *_amount_names(range(sums))])
    return f"SELECT {columns} FROM {quote(name)}"


def drop_totals(table: str, index: str) -> list[str]:
    """Drop totals with their triggers."""
    return _drop_kept(totals_name(table, index))


def create_vocabulary(text_index: str) -> str:
    """A temporary table, of this connection alone, over the words of a full-text table."""
    return f"CREATE VIRTUAL TABLE temp.pk_vocabulary USING fts5vocab(main, {quote(text_index)}, instance)"


def drop_vocabulary() -> str:
    """Drop it, where there is one."""
    return "DROP TABLE IF EXISTS temp.pk_vocabulary"
