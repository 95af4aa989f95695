"""Words about the whole database, in ``_pk_meta``: keys with values. What one means is said where it is used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import apsw

__all__ = ["get_meta", "put_meta", "remove_meta"]

_GET: Final = "SELECT value FROM _pk_meta WHERE key = ?"
_PUT: Final = "INSERT OR REPLACE INTO _pk_meta VALUES (?, ?)"
_REMOVE: Final = "DELETE FROM _pk_meta WHERE key = ?"


def get_meta(connection: apsw.Connection, key: str) -> Any:
    """The value of a key, ``None`` where there is none."""
    return connection.execute(_GET, (key,)).get


def put_meta(connection: apsw.Connection, key: str, value: str | int) -> None:
    """Say something. Inside a write transaction."""
    connection.execute(_PUT, (key, value))


def remove_meta(connection: apsw.Connection, keys: Iterable[str]) -> None:
    """Say it no longer. Inside a write transaction."""
    connection.executemany(_REMOVE, [(key,) for key in keys])
