"""The default ``FileStore``: files in the engine's own database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, final

from parsekit.file import StoredFile
from parsekit.storage.files import DatabaseFiles

if TYPE_CHECKING:
    from parsekit.storage.store import Store

__all__ = ["FilesInDatabase"]


@final
class FilesInDatabase:
    """``file.FileStore`` on the database that holds the objects."""

    def __init__(self, store: Store) -> None:
        self._files = DatabaseFiles(store)

    def save(self, name: str, file: StoredFile) -> None:
        """Keep a file, replacing one of the same name."""
        about = None
        if file.metadata or file.tags:
            about = json.dumps({"metadata": dict(file.metadata), "tags": dict(file.tags)})
        self._files.save(name, file.data, file.content_type, about)

    def read(self, name: str) -> StoredFile:
        """A file. Raises ``ObjectNotFoundError`` (101)."""
        data, content_type = self._files.read(name)
        about = self._files.about(name)
        return StoredFile(data, content_type, **({} if about is None else json.loads(about)))

    def delete(self, name: str) -> None:
        """Remove a file. Raises ``ObjectNotFoundError`` (101)."""
        self._files.delete(name)
