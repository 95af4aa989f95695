"""Marks in a database file: names that it carries for whoever opens it next (in ``_pk_meta``)."""

from __future__ import annotations

from typing import Final

import apsw

__all__ = ["is_marked", "mark"]

_PUT: Final = "INSERT OR REPLACE INTO _pk_meta VALUES ('mark:' || ?, 1)"
_GET: Final = "SELECT 1 FROM _pk_meta WHERE key = 'mark:' || ?"


def mark(connection: apsw.Connection, name: str) -> None:
    """Put a mark. Inside ``Store.write()``."""
    connection.execute(_PUT, (name,))


def is_marked(connection: apsw.Connection, name: str) -> bool:
    """Whether the mark is there."""
    return bool(connection.execute(_GET, (name,)).get)
