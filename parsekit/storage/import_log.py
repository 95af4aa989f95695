"""How far imports of files have come, so that one that was killed goes on where it stopped.

A mark is written in the transaction of the batch that it speaks of, under a fingerprint of what is imported. What a
mark says is the importer's affair (``interchange``); here it is JSON.

``IdRegister`` is the memory of an import that checks a file first: a private database of SQLite's, on disk where it
grows, that goes with the process.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self, final

import apsw

from parsekit.codec import JSON, dumps, loads
from parsekit.storage import ddl
from parsekit.storage.meta import get_meta, put_meta, remove_meta

__all__ = ["IdRegister", "forget_marks", "read_mark", "write_mark"]

_PREFIX: Final = "import:"
_REGISTER: Final = "INSERT OR IGNORE INTO seen VALUES (?, ?, ?)"
_FIRST: Final = "SELECT place FROM seen WHERE class = ? AND id = ?"


def read_mark(connection: apsw.Connection, fingerprint: str) -> JSON:
    """What the last committed batch of an import said, ``None`` where none is under way."""
    text: str | None = get_meta(connection, _PREFIX + fingerprint)
    return None if text is None else loads(text)


def write_mark(connection: apsw.Connection, fingerprint: str, mark: JSON) -> None:
    """Say how far an import has come. Inside a write transaction."""
    put_meta(connection, _PREFIX + fingerprint, dumps(mark))


def forget_marks(connection: apsw.Connection, fingerprints: Iterable[str]) -> None:
    """The imports are complete. Inside a write transaction."""
    remove_meta(connection, [_PREFIX + fingerprint for fingerprint in fingerprints])


@final
class IdRegister:
    """Which ids were met, and where first. Use it in a ``with`` block, which ends its database."""

    def __enter__(self) -> Self:
        self._connection = apsw.Connection("")
        for statement in ddl.ID_REGISTER:
            self._connection.execute(statement)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close(True)

    def first_place(self, class_name: str, object_id: str, place: str) -> str | None:
        """Where the id was met before; ``None`` when ``place`` is the first."""
        self._connection.execute(_REGISTER, (class_name, object_id, place))
        if self._connection.changes():
            return None
        return str(self._connection.execute(_FIRST, (class_name, object_id)).get)
