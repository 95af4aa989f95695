"""``PFFile``: bytes under a name, kept beside the objects that refer to them; and where the bytes are kept.

A file is saved before the object that holds it: ``file = PFFile("a.txt", b"..."); file.save(); obj["doc"] = file``. The
object stores its name only (``FileReference``). A ``FileStore`` keeps the bytes: ``DirectoryFiles`` in a folder, the
database's own table by default. Serving them over HTTP is ``server``'s affair.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol, final

from parsekit import attrs
from parsekit._context import current_binding, current_engine
from parsekit.errors import FileNameError, ObjectNotFoundError, UnsavedFileError
from parsekit.values import FileReference

__all__ = [
    "DirectoryFiles",
    "FileStore",
    "PFFile",
    "StoredFile",
    "check_directory",
    "check_file_name",
    "unique_file_name",
]

_NAME: Final = re.compile(r"[_a-zA-Z0-9][a-zA-Z0-9@. ~_-]*")
_DIRECTORY: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_\-/]*")
_LONGEST_NAME: Final = 128
_LONGEST_DIRECTORY: Final = 256
_RESERVED_DIRECTORIES: Final = frozenset({"metadata"})
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def check_file_name(name: str) -> None:
    """Refuse what cannot be a file's name (FilesAdapter.validateFilename).

    Raises:
        FileNameError: 122 with Parse's text.
    """
    if len(name) > _LONGEST_NAME:
        raise FileNameError("Filename too long.")
    if _NAME.fullmatch(name) is None:
        raise FileNameError("Filename contains invalid characters.")


def check_directory(directory: object) -> None:
    """Refuse what cannot be the folder of a file's name (FilesRouter.validateDirectory).

    Raises:
        FileNameError: 122 with Parse's text.
    """
    problem = None
    if not isinstance(directory, str):
        problem = "Directory must be a string."
    elif not directory:
        problem = "Directory must not be empty."
    elif len(directory) > _LONGEST_DIRECTORY:
        problem = "Directory path is too long."
    elif ".." in directory:
        problem = 'Directory must not contain "..".'
    elif directory.startswith("/") or directory.endswith("/"):
        problem = 'Directory must not start or end with "/".'
    elif "//" in directory:
        problem = "Directory must not contain consecutive slashes."
    elif (first := directory.split("/")[0]) in _RESERVED_DIRECTORIES:
        problem = f'Directory must not start with reserved segment "{first}".'
    elif _DIRECTORY.fullmatch(directory) is None:
        problem = "Directory contains invalid characters."
    if problem is not None:
        raise FileNameError(problem)


def unique_file_name(name: str) -> str:
    """``name`` with 32 random hex digits before it, so that nobody guesses or overwrites a file."""
    check_file_name(name)
    return f"{secrets.token_hex(16)}_{name}"


@final
@attrs.frozen(slots=True)
class StoredFile:
    """A file's bytes and what they are. ``metadata`` and ``tags`` are whatever JSON came with it."""

    data: bytes = attrs.field(repr=False)
    content_type: str | None = None
    metadata: Mapping[str, Any] = _NOTHING
    tags: Mapping[str, Any] = _NOTHING


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
    """Files in a folder, which is made when it is missing. A content type is not kept but guessed by whoever serves.

    Metadata and tags stand in a hidden file beside the file that they belong to.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)

    def _path(self, name: str) -> Path:
        # SAFETY: a checked part of a name holds no separator and does not begin with a dot.
        directory, slash, last = name.rpartition("/")
        if slash:
            check_directory(directory)
        check_file_name(last)
        return self._folder / directory / last

    def save(self, name: str, file: StoredFile) -> None:
        """Write the file in full before it gets its name, so that nobody meets half of it."""
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{secrets.token_hex(8)}.part")
        partial.write_bytes(file.data)
        about = _about(path)
        if file.metadata or file.tags:
            about.write_text(json.dumps({"metadata": dict(file.metadata), "tags": dict(file.tags)}))
        else:
            about.unlink(missing_ok=True)
        partial.replace(path)

    def read(self, name: str) -> StoredFile:
        """The file. Raises ``ObjectNotFoundError`` (101)."""
        path = self._path(name)
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise ObjectNotFoundError("File not found.") from None
        about = _about(path)
        return StoredFile(data, **(json.loads(about.read_text()) if about.exists() else {}))

    def delete(self, name: str) -> None:
        """Remove the file. Raises ``ObjectNotFoundError`` (101)."""
        path = self._path(name)
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            raise ObjectNotFoundError("File not found.") from None
        _about(path).unlink(missing_ok=True)


def _about(path: Path) -> Path:
    return path.with_name(f".{path.name}.json")


@final
class PFFile:
    """A file: new bytes with a name, or one that is stored.

    ``name`` is the one given until ``save()``, which makes it unique. ``url`` is set where a server serves the file.
    ``metadata`` and ``tags`` are kept with the bytes; a ``directory`` becomes part of the name.
    """

    __slots__ = ("_data", "_reference", "content_type", "directory", "metadata", "name", "tags")
    parse_class_name: Final = "@File"
    """What hooks of files are registered under (``engine.cloud.before_save(PFFile)``)."""

    def __init__(
        self,
        name: str,
        data: bytes,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, Any] = _NOTHING,
        tags: Mapping[str, Any] = _NOTHING,
        directory: str | None = None,
    ) -> None:
        check_file_name(name)
        if directory is not None:
            check_directory(directory)
        self.name = name
        self.content_type = content_type
        self.metadata, self.tags, self.directory = dict(metadata), dict(tags), directory
        self._data: bytes | None = bytes(data)
        self._reference: FileReference | None = None

    @classmethod
    def from_reference(cls, reference: FileReference) -> PFFile:
        """The stored file that an object refers to; its bytes are read when asked for."""
        file = cls.__new__(cls)
        file.name, file.content_type = reference.name, None
        file.metadata, file.tags, file.directory = {}, {}, None
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
            binding = current_binding()
            binding.engine.filing.save(self, binding.principal)

    def keep_as(self, name: str, url: str | None = None) -> None:
        """Say that the bytes are kept under ``name``. What saves the file calls this."""
        self.name, self._reference = name, FileReference(name, url)

    @property
    def stored(self) -> StoredFile:
        """What a ``FileStore`` is to keep of a new file."""
        return StoredFile(self._data or b"", self.content_type, self.metadata, self.tags)

    def get_data(self) -> bytes:
        """The bytes, read from where they are kept when they are not here.

        Raises:
            ObjectNotFoundError: 101, the file is gone.
        """
        if self._data is None:
            stored: StoredFile = current_engine().files.read(self.name)
            self._data, self.content_type = stored.data, stored.content_type
            self.metadata, self.tags = dict(stored.metadata), dict(stored.tags)
        return self._data

    def delete(self) -> None:
        """Remove the stored bytes; objects that refer to them keep a reference to nothing.

        Raises:
            FileDeleteError: 153, the file is gone.
        """
        binding = current_binding()
        binding.engine.filing.delete(self.__parse_value__().name, binding.principal)

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
