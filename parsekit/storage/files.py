"""Files in the database itself: one row a file, in a table that is made with the first of them.

Good for small files that shall travel with the database; big ones belong in a folder (``parsekit.file``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

from parsekit.errors import ObjectNotFoundError

if TYPE_CHECKING:
    from parsekit.storage.store import Store

__all__ = ["DatabaseFiles"]

# Constants: no identifier or value of a caller is in them.
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS _pk_file "
    "(name TEXT PRIMARY KEY, content_type TEXT, data BLOB NOT NULL) STRICT"
)
_EXISTS: Final = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '_pk_file'"
_SAVE: Final = "INSERT OR REPLACE INTO _pk_file VALUES (?, ?, ?)"
_READ: Final = "SELECT data, content_type FROM _pk_file WHERE name = ?"
_DELETE: Final = "DELETE FROM _pk_file WHERE name = ?"
_ABOUT_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS _pk_file_about (name TEXT PRIMARY KEY, about TEXT NOT NULL) STRICT"
)
_ABOUT_EXISTS: Final = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '_pk_file_about'"
_SAVE_ABOUT: Final = "INSERT OR REPLACE INTO _pk_file_about VALUES (?, ?)"
_READ_ABOUT: Final = "SELECT about FROM _pk_file_about WHERE name = ?"
_DELETE_ABOUT: Final = "DELETE FROM _pk_file_about WHERE name = ?"


@final
class DatabaseFiles:
    """The files of one database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def save(self, name: str, data: bytes, content_type: str | None, about: str | None = None) -> None:
        """Keep a file, replacing one of the same name; part of the transaction where there is one.

        ``about`` is a text that is kept with it.
        """
        with self._store.write() as connection:
            connection.execute(_TABLE)
            connection.execute(_SAVE, (name, content_type, data))
            if about is not None:
                connection.execute(_ABOUT_TABLE)
                connection.execute(_SAVE_ABOUT, (name, about))
            elif connection.execute(_ABOUT_EXISTS).get:
                connection.execute(_DELETE_ABOUT, (name,))

    def about(self, name: str) -> str | None:
        """The text that is kept with a file."""
        connection = self._store.database.reader()
        if not connection.execute(_ABOUT_EXISTS).get:
            return None
        row: Any = connection.execute(_READ_ABOUT, (name,)).fetchone()
        return None if row is None else row[0]

    def read(self, name: str) -> tuple[bytes, str | None]:
        """A file's bytes and content type. Raises ``ObjectNotFoundError`` (101)."""
        connection = self._store.database.reader()
        row: Any = connection.execute(_READ, (name,)).fetchone() if connection.execute(_EXISTS).get else None
        if row is None:
            raise ObjectNotFoundError("File not found.")
        data, content_type = row
        return data, content_type

    def delete(self, name: str) -> None:
        """Remove a file. Raises ``ObjectNotFoundError`` (101)."""
        with self._store.write() as connection:
            found = connection.execute(_EXISTS).get
            if found:
                connection.execute(_DELETE, (name,))
            if not found or not connection.changes():
                raise ObjectNotFoundError("File not found.")
            if connection.execute(_ABOUT_EXISTS).get:
                connection.execute(_DELETE_ABOUT, (name,))
