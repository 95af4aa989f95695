"""Copies of a database file: online backup, restore, and compaction.

The rule: a copy is complete or not there. It is written beside its place under another name, checked, forced to the
disk, and then renamed, so that whoever looks sees the old file or the new one. Nothing is overwritten without consent,
and no file that is not a parsekit database ever is.

A backup is taken from one snapshot while others write. A restore needs the file for itself.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, final

import apsw

from parsekit import attrs
from parsekit.errors import EngineError, StorageError
from parsekit.storage import ddl
from parsekit.storage.database import Database, storage_error
from parsekit.storage.file_format import APPLICATION_ID, FORMAT_VERSION
from parsekit.storage.journal import last_sequence

__all__ = ["Copy", "back_up", "compact", "restore"]

_PAGES_PER_STEP: Final = 2_000
_SIDE_FILES: Final = ("-wal", "-shm", "-journal")
_CHECK: Final = "PRAGMA quick_check(1)"


@final
@attrs.frozen(slots=True)
class Copy:
    """A finished copy: the file, its size, and the newest sequence number of its journal."""

    path: Path
    size_bytes: int
    sequence: int


def back_up(database: Database, target: Path, *, overwrite: bool = False) -> Copy:
    """Copy an open database as it is now; others may read and write meanwhile.

    Raises:
        EngineError: the target is there and ``overwrite`` is not given, or is not a parsekit database.
        StorageError: SQLite refused, for instance for want of space; there is no copy then.
    """
    _may_write(target, overwrite=overwrite)
    with database.extra_reader() as source, database.reading_from(source):
        return _copy(source, target, f"backup to {target}")


def restore(source: Path, target: Path, *, overwrite: bool = False) -> Copy:
    """Put a copy of the database ``source`` in the place of ``target``, which nobody may have open.

    Raises:
        EngineError: the target is there and ``overwrite`` is not given, or is not a parsekit database.
        StorageError: the source is no sound parsekit database, the target is in use, or SQLite refused; the target is
            as it was.
    """
    place = f"restore from {source}"
    if not source.is_file():
        raise EngineError(f"{place}: there is no such file; give the path of a backup")
    if target.exists() and source.samefile(target):
        raise EngineError(f"{place}: source and target are the same file; give another target")
    _may_write(target, overwrite=overwrite)
    try:
        connection = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            _require_ours(connection, place)
            with _alone(target):
                return _copy(connection, target, place)
        finally:
            connection.close()
    except apsw.Error as error:
        raise storage_error(place, error) from error


def compact(database: Database) -> tuple[int, int]:
    """Write the file anew without its empty pages; its size in bytes before and after.

    Raises:
        EngineError: inside a transaction, or read-only.
        StorageError: another process is writing, or there is no space for a second copy.
    """
    with database.exclusive() as connection:
        before = int(connection.execute(ddl.SIZE).get)
        for statement in ddl.COMPACTION:
            connection.execute(statement)
        return before, int(connection.execute(ddl.SIZE).get)


def _may_write(target: Path, *, overwrite: bool) -> None:
    if not target.exists():
        return
    if not overwrite:
        raise EngineError(
            f'"{target}": the file is there already; remove it, or say that it may be overwritten'
        )
    if target.is_dir() or (target.stat().st_size and not _is_ours(target)):
        raise EngineError(f'"{target}": it is not a parsekit database and is left alone; give another path')


def _is_ours(path: Path) -> bool:
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    except apsw.Error:
        return False
    try:
        return bool(connection.pragma("application_id") == APPLICATION_ID)
    except apsw.NotADBError:
        return False
    except apsw.Error:
        return True  # ours, perhaps, and damaged: what a restore is for
    finally:
        connection.close()


def _require_ours(connection: apsw.Connection, place: str) -> None:
    """Refuse a file that is not a parsekit database, is of a newer format, or is damaged."""
    if connection.pragma("application_id") != APPLICATION_ID:
        raise StorageError(f"{place}: it is not a parsekit database; give the path of a backup")
    version = connection.pragma("user_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise StorageError(f"{place}: its format is version {version}; upgrade parsekit")
    problem = connection.execute(_CHECK).get
    if problem != "ok":
        raise StorageError(f"{place}: it is damaged ({problem}); use another backup")


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[None]:
    """A block for which nobody has ``target`` open, its WAL copied back and removed before."""
    if not target.exists() or not target.stat().st_size:
        yield
        return
    connection = apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        try:
            # SQLite lets the last connection leave WAL mode, and no other
            mode = connection.pragma("journal_mode", "delete")
        except (apsw.BusyError, apsw.LockedError):
            mode = "wal"
        except (apsw.CorruptError, apsw.NotADBError, apsw.IOError):
            mode = "damaged"
    finally:
        connection.close()
    if mode == "wal":
        raise StorageError(f'"{target}": somebody has it open; close it everywhere and repeat')
    yield


def _copy(source: apsw.Connection, target: Path, place: str) -> Copy:
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    _remove(partial)
    try:
        sequence = _write(source, partial)
        _force(partial)
        for end in _SIDE_FILES:
            _remove_one(target.with_name(target.name + end))  # they belong to the file that goes
        partial.replace(target)
        _force(target.parent)
    except apsw.Error as error:
        raise storage_error(place, error) from error
    except OSError as error:
        raise StorageError(f"{place}: {error.strerror}; nothing was written") from error
    finally:
        _remove(partial)
    return Copy(target, target.stat().st_size, sequence)


def _write(source: apsw.Connection, partial: Path) -> int:
    """Fill a new file from one snapshot of ``source``; the newest sequence number in it."""
    copy = apsw.Connection(str(partial))
    try:
        source.execute("BEGIN")  # without, a commit between two steps would begin the copy anew
        try:
            with copy.backup("main", source, "main") as steps:
                while not steps.done:
                    steps.step(_PAGES_PER_STEP)
        finally:
            source.execute("COMMIT")
        copy.pragma("journal_mode", "delete")
        _require_ours(copy, f'copy "{partial}"')
        return last_sequence(copy)
    finally:
        copy.close()


def _force(path: Path) -> None:
    """Have the operating system write a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    for name in (path.name, *(path.name + end for end in _SIDE_FILES)):
        _remove_one(path.with_name(name))


def _remove_one(path: Path) -> None:
    path.unlink(missing_ok=True)
