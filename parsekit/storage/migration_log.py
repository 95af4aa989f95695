"""Which migrations a database has run: one row each, in a table that is made with the first of them.

What a migration is, and whether a row fits one, is said in ``parsekit.migrations``.
"""

from __future__ import annotations

import json
from typing import Any, Final

import apsw

from parsekit.migrations import AppliedMigration
from parsekit.values import date_from_ms, date_to_ms

__all__ = ["applied_migrations", "record_migration"]

# Constants: no identifier or value of a caller is in them.
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS _pk_migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, "
    "fingerprint TEXT NOT NULL, at INTEGER NOT NULL, changes TEXT NOT NULL, objects INTEGER NOT NULL) STRICT"
)
_EXISTS: Final = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '_pk_migration'"
_ALL: Final = "SELECT number, name, fingerprint, at, changes, objects FROM _pk_migration ORDER BY number"
_INSERT: Final = "INSERT INTO _pk_migration VALUES (?, ?, ?, ?, ?, ?)"


def applied_migrations(connection: apsw.Connection) -> list[AppliedMigration]:
    """The migrations that the database has run, in order."""
    if not connection.execute(_EXISTS).get:
        return []
    rows: Any = connection.execute(_ALL)
    return [
        AppliedMigration(number, name, fingerprint, date_from_ms(at), tuple(json.loads(changes)), objects)
        for number, name, fingerprint, at, changes, objects in rows
    ]


def record_migration(connection: apsw.Connection, item: AppliedMigration) -> None:
    """Remember a migration. Inside its transaction."""
    connection.execute(_TABLE)
    cells = (item.number, item.name, item.fingerprint, date_to_ms(item.applied_at))
    connection.execute(_INSERT, (*cells, json.dumps(item.changes), item.objects))
