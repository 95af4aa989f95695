"""``PFFile``: bytes under a name, kept beside the objects that refer to them; and where the bytes are kept.

A file is saved before the object that holds it: ``file = PFFile("a.txt", b"..."); file.save(); obj["doc"] = file``. The
object stores its name only (``FileReference``). A ``FileStore`` keeps the bytes: ``DirectoryFiles`` in a folder, the
database's own table by default. Serving them over HTTP is ``server``'s affair.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Final, Protocol, final

import attrs

from parsekit._context import current_engine
from parsekit.errors import FileNameError, ObjectNotFoundError, UnsavedFileError
from parsekit.values import FileReference

__all__ = ["DirectoryFiles", "FileStore", "PFFile", "StoredFile", "check_file_name", "unique_file_name"]

_NAME: Final = re.compile(r"[_a-zA-Z0-9][a-zA-Z0-9@. ~_-]*")
_LONGEST_NAME: Final = 128


def check_file_name(name: str) -> None:
    """Refuse what cannot be a file's name (FilesAdapter.validateFilename).

    Raises:
        FileNameError: 122 with Parse's text.
    """
    if len(name) > _LONGEST_NAME:
        raise FileNameError("Filename too long.")
    if _NAME.fullmatch(name) is None:
        raise FileNameError("Filename contains invalid characters.")


def unique_file_name(name: str) -> str:
    """``name`` with 32 random hex digits before it, so that nobody guesses or overwrites a file."""
    check_file_name(name)
    return f"{secrets.token_hex(16)}_{name}"


@final
@attrs.frozen(slots=True)
class StoredFile:
    """A file's bytes and what they are."""

    data: bytes = attrs.field(repr=False)
    content_type: str | None = None


class FileStore(Protocol):
    """Where the bytes of files are kept."""

    def save(self, name: str, file: StoredFile) -> None:
        """Keep a file, replacing one of the same name."""

    def read(self, name: str) -> StoredFile:
        """A file. Raises ``ObjectNotFoundError`` (101) when there is none."""

    def delete(self, name: str) -> None:
        """Remove a file. Raises ``ObjectNotFoundError`` (101) when there is none."""


@final
class DirectoryFiles:
    """Files in a folder, which is made when it is missing. A content type is not kept but guessed by whoever serves."""

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)

    def _path(self, name: str) -> Path:
        check_file_name(name)  # a checked name holds no separator and does not begin with a dot
        return self._folder / name

    def save(self, name: str, file: StoredFile) -> None:
        """Write the file in full before it gets its name, so that nobody meets half of it."""
        path = self._path(name)
        partial = path.with_name(f".{secrets.token_hex(8)}.part")
        partial.write_bytes(file.data)
        partial.replace(path)

    def read(self, name: str) -> StoredFile:
        """The file. Raises ``ObjectNotFoundError`` (101)."""
        try:
            return StoredFile(self._path(name).read_bytes())
        except FileNotFoundError:
            raise ObjectNotFoundError("File not found.") from None

    def delete(self, name: str) -> None:
        """Remove the file. Raises ``ObjectNotFoundError`` (101)."""
        try:
            self._path(name).unlink()
        except FileNotFoundError:
            raise ObjectNotFoundError("File not found.") from None


@final
class PFFile:
    """A file: new bytes with a name, or one that is stored.

    ``name`` is the one given until ``save()``, which makes it unique. ``url`` is set where a server serves the file.
    """

    __slots__ = ("_data", "_reference", "content_type", "name")

    def __init__(self, name: str, data: bytes, *, content_type: str | None = None) -> None:
        check_file_name(name)
        self.name = name
        self.content_type = content_type
        self._data: bytes | None = bytes(data)
        self._reference: FileReference | None = None

    @classmethod
    def from_reference(cls, reference: FileReference) -> PFFile:
        """The stored file that an object refers to; its bytes are read when asked for."""
        file = cls.__new__(cls)
        file.name, file.content_type = reference.name, None
        file._data, file._reference = None, reference
        return file

    @property
    def is_dirty(self) -> bool:
        """Whether the file has not been saved yet."""
        return self._reference is None

    @property
    def url(self) -> str | None:
        """Where the file can be fetched, ``None`` where no server is known."""
        return None if self._reference is None else self._reference.url

    def save(self) -> None:
        """Keep the bytes under a unique name; nothing happens when that was done.

        Raises:
            FileNameError: 122, the name is not allowed.
            EngineError: no engine is open here.
        """
        if self._reference is None:
            name = unique_file_name(self.name)
            current_engine().files.save(name, StoredFile(self._data or b"", self.content_type))
            self.name, self._reference = name, FileReference(name)

    def get_data(self) -> bytes:
        """The bytes, read from where they are kept when they are not here.

        Raises:
            ObjectNotFoundError: 101, the file is gone.
        """
        if self._data is None:
            stored: StoredFile = current_engine().files.read(self.name)
            self._data, self.content_type = stored.data, stored.content_type
        return self._data

    def delete(self) -> None:
        """Remove the stored bytes; objects that refer to them keep a reference to nothing.

        Raises:
            ObjectNotFoundError: 101, the file is gone.
        """
        current_engine().files.delete(self.__parse_value__().name)

    def __parse_value__(self) -> FileReference:
        if self._reference is None:
            raise UnsavedFileError(
                "Tried to save an object containing an unsaved file.",
                hint=f"call save() on {self.name} first",
            )
        return self._reference

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PFFile):
            return NotImplemented
        return self is other or (self._reference is not None and self._reference == other._reference)

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"<PFFile {self.name}{' unsaved' if self.is_dirty else ''}>"
