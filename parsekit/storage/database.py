"""One SQLite file: a writer connection, one reader connection per thread, WAL, checkpoints off the hot path.

The picture: writes take ``Database.write()``, which holds the writer lock and a ``BEGIN IMMEDIATE`` until the block
ends (nested blocks are savepoints). Reads take ``Database.reader()``: the thread's own connection, or the writer's
while the thread is inside ``write()``, so that it sees its own changes. Readers never wait for the writer.

``:memory:`` is a private temporary file with the same WAL semantics, removed at closing. Every apsw error leaves here
as a ``StorageError`` that says what to do. What the tables mean is not this module's affair.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import apsw

from parsekit.errors import EngineClosedError, EngineError, StorageError
from parsekit.storage.file_format import APPLICATION_ID, FORMAT_VERSION

if TYPE_CHECKING:
    from pathlib import Path

    from parsekit.storage.checkpointer import Checkpointer

__all__ = ["Connection", "Database", "Synchronous", "storage_error"]

Connection: TypeAlias = apsw.Connection
"""What carries statements, for the signatures of those who hand one on without touching SQLite."""

Synchronous: TypeAlias = Literal["NORMAL", "FULL", "OFF"]
"""``NORMAL`` survives kill -9; ``FULL`` survives power loss too; ``OFF`` is for data that may be lost."""

_CHECKPOINT_PAGES: Final = 1000
_RESTART_PAGES: Final = 3_000
"""A WAL of this size, of which nearly all is copied, is copied to its end in a commit, so that it starts again: pages
that overwrite others cost less than those that make the file grow."""
_INLINE_PAGES: Final = 16_000
"""A WAL of this size grows faster than the checkpoint thread copies; then a commit pays for copying all of it."""
_MOST_LENT: Final = 4
"""So many reads after a commit go to the writer; who reads on is better served by a reader, which maps the file."""
_WRITER_CACHE_KIB: Final = 16_384
"""A transaction of some thousand objects stays within it; beyond it, pages go to the WAL more than once."""
_READER_MAP_BYTES: Final = 0x7FFF0000
"""Of the file so much is read as memory, the most that SQLite allows: no copy of a page and no call of the system for
one that the cache lost to a commit. Windows cannot shorten a file that is mapped, which a compaction has to."""
_ADVICE: Final[dict[type[Exception], str]] = {
    apsw.NotADBError: "it is not a parsekit database; give the path of one, or of a file that does not exist yet",
    apsw.ReadOnlyError: "it is read-only; make the file and its folder writable, or open it with read_only=True",
    apsw.CantOpenError: "it cannot be opened; check that its folder exists and may be read and written",
    apsw.FullError: "the disk is full and nothing of this operation was written; free some space and repeat it",
    apsw.BusyError: "another process kept it locked beyond the time limit; repeat, or raise busy_timeout_s",
    apsw.LockedError: "it is locked by a statement of this process that is still running",
    apsw.CorruptError: "it is damaged; restore it from a backup and run `parsekit check`",
    apsw.IOError: "the operating system reported an I/O error and the operation was rolled back",
    apsw.PermissionsError: "access to it is denied; check the permissions of the file and its folder",
    apsw.InterruptError: "the statement was interrupted and nothing of it was written",
}


def storage_error(place: str, error: apsw.Error) -> StorageError:
    """The ``StorageError`` for an apsw error, with the place first and the advice last."""
    advice = next(
        (text for kind, text in _ADVICE.items() if isinstance(error, kind)), f"SQLite says: {error}"
    )
    return StorageError(f"{place}: {advice}", sqlite_code=getattr(error, "extendedresult", 0))


def _internal_tables() -> tuple[str, ...]:
    from parsekit.storage.ddl import INTERNAL_TABLES

    return INTERNAL_TABLES


class Database:
    """An open database file.

    Args:
        path: the file, created when absent, or ``":memory:"``.
        synchronous: how much a commit waits for the disk.
        busy_timeout_s: how long a write waits for another process's write, in seconds.
        read_only: refuse every write; the file must exist.
        register: called with each new connection, to add SQL functions.
        tables: gives the statements that make the tables of a new file, ``None`` for those of an engine's file.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        synchronous: Synchronous = "NORMAL",
        busy_timeout_s: float = 10.0,
        read_only: bool = False,
        register: Callable[[apsw.Connection], None] | None = None,
        tables: Callable[[], tuple[str, ...]] | None = None,
    ) -> None:
        self._tables = tables
        self._folder: str | None = None
        if str(path) == ":memory:":
            import shutil
            import tempfile

            self._folder = tempfile.mkdtemp(prefix="parsekit-")
            self._cleanup = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            self.path, synchronous = f"{self._folder}/memory.db", "OFF"
        else:
            self.path = str(path)
        self.place = "memory" if self._folder else f'database "{self.path}"'
        self.read_only = read_only
        self.created = False
        self._synchronous = synchronous
        self._busy_timeout_ms = int(busy_timeout_s * 1000)
        self._register = register
        self._closed = False
        self._local = threading.local()
        # weak: a thread's connection goes with its thread
        self._connections: weakref.WeakSet[apsw.Connection] = weakref.WeakSet()
        self._connections_lock = threading.Lock()
        self._write_lock = threading.RLock()
        self._owner = self._wrote_last = self._lent = 0
        # which connection of its own a thread reads from, beside the one that every thread has
        self._apart: dict[int, apsw.Connection] = {}
        self.depth = 0
        """How deep in ``write()`` the thread is that is inside it, 0 for none."""
        self._checkpointer: Checkpointer | None = None
        self._wake_at = _CHECKPOINT_PAGES
        self.on_commit: Callable[[], None] | None = None
        self.on_rollback: Callable[[], None] | None = None
        try:
            self.writer = self._open_writer()
        except apsw.Error as error:
            self._discard()
            raise storage_error(self.place, error) from error
        except BaseException:
            self._discard()
            raise

    def _discard(self) -> None:
        self._closed = True
        for connection in list(self._connections):
            connection.close()
        if self._folder:
            self._cleanup()

    @property
    def is_kept(self) -> bool:
        """Whether the file is there after it was closed."""
        return self._folder is None

    # -- opening -------------------------------------------------------------------------------

    def _connect(self, *, writable: bool) -> apsw.Connection:
        flags = apsw.SQLITE_OPEN_READONLY if self.read_only else apsw.SQLITE_OPEN_READWRITE
        if writable and not self.read_only:
            flags |= apsw.SQLITE_OPEN_CREATE
        connection = apsw.Connection(self.path, flags=flags | apsw.SQLITE_OPEN_NOMUTEX)
        with self._connections_lock:
            self._connections.add(connection)
        connection.set_busy_timeout(self._busy_timeout_ms)
        # without it SQLite plans an ordered statement anew whenever a bound value changes
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        if self._register is not None:
            self._register(connection)
        return connection

    def _open_writer(self) -> apsw.Connection:
        connection = self._connect(writable=True)
        connection.execute("BEGIN")  # one state of the file: another engine may be making it right now
        try:
            version = connection.pragma("user_version")
            application = connection.pragma("application_id")
            tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
        finally:
            connection.execute("COMMIT")
        if application != APPLICATION_ID and (tables or application):
            raise StorageError(
                f"{self.place}: it is an SQLite database, but not one of parsekit's; give another path"
            )
        if application == APPLICATION_ID and isinstance(version, int) and version > FORMAT_VERSION:
            raise StorageError(
                f"{self.place}: its format is version {version} and this parsekit reads up to "
                f"{FORMAT_VERSION}; upgrade parsekit. The file was not touched"
            )
        if self.read_only:
            if application != APPLICATION_ID:
                raise StorageError(f"{self.place}: there is nothing to read; open it once without read_only")
            return connection
        if connection.readonly("main"):
            raise apsw.ReadOnlyError("attempt to write a readonly database")
        connection.pragma(
            "synchronous", self._synchronous
        )  # before the first write: OFF waits for no disk at all
        self._use_wal(connection)
        if application != APPLICATION_ID:
            self._create(connection)
        connection.pragma("cache_size", -_WRITER_CACHE_KIB)
        connection.wal_autocheckpoint(0)
        connection.set_wal_hook(self._after_commit)
        return connection

    def _use_wal(self, connection: apsw.Connection) -> None:
        """Switch to WAL; while another connection reads, SQLite refuses at once instead of waiting."""
        deadline = time.monotonic() + self._busy_timeout_ms / 1000
        while True:
            try:
                connection.pragma("journal_mode", "wal")
                return
            except apsw.BusyError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.005)

    def _create(self, connection: apsw.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            if connection.pragma("application_id") != APPLICATION_ID:  # another process may have been faster
                for statement in _internal_tables() if self._tables is None else self._tables():
                    connection.execute(statement)
                connection.pragma("application_id", APPLICATION_ID)
                connection.pragma("user_version", FORMAT_VERSION)
                self.created = True
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    # -- reading -------------------------------------------------------------------------------

    def reader(self) -> apsw.Connection:
        """This thread's connection for reading; the writer while this thread is inside ``write()``."""
        local = self._local
        try:
            return local.current  # type: ignore[no-any-return]
        except AttributeError:
            return self._first_reader()

    def _first_reader(self) -> apsw.Connection:
        if self._closed:
            raise EngineClosedError(
                f"{self.place}: the engine has been closed; open it again with parsekit.open()"
            )
        try:
            connection = self._connect(writable=False)
            if sys.platform != "win32":
                connection.pragma("mmap_size", _READER_MAP_BYTES)
        except apsw.Error as error:
            raise storage_error(self.place, error) from error
        self._local.reader = self._local.current = connection
        return connection

    def interrupts(self) -> Callable[[], None]:
        """What ends the statement that this thread is running, for another thread to call; it then raises.

        A transaction whose statement is ended is rolled back as after any other error.
        """
        thread = threading.get_ident()
        if not self.in_write:
            self.reader()
        reader: apsw.Connection | None = getattr(self._local, "reader", None)

        def interrupt() -> None:
            for connection in (self.writer if self._owner == thread else reader, self._apart.get(thread)):
                if connection is not None:
                    with contextlib.suppress(apsw.ConnectionClosedError):
                        connection.interrupt()

        return interrupt

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[apsw.Connection]:
        """Several reads that see one state of the database."""
        connection = self.reader()
        if connection.in_transaction:
            yield connection
            return
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("COMMIT")

    @contextlib.contextmanager
    def extra_reader(self) -> Iterator[apsw.Connection]:
        """A connection of its own for one long read."""
        try:
            connection = self._connect(writable=False)
        except apsw.Error as error:
            raise storage_error(self.place, error) from error
        try:
            yield connection
        except apsw.Error as error:
            raise storage_error(self.place, error) from error
        finally:
            connection.close(True)

    @contextlib.contextmanager
    def reading_from(self, connection: apsw.Connection) -> Iterator[None]:
        """While this thread runs statements of an ``extra_reader``, what ``interrupts`` gave ends these, too.

        Not for longer: whoever walks a result in pieces may do so in several threads, each of which does other things.
        """
        thread = threading.get_ident()
        before = self._apart.get(thread)
        self._apart[thread] = connection
        try:
            yield
        finally:
            if before is None:
                del self._apart[thread]
            else:
                self._apart[thread] = before

    # -- writing -------------------------------------------------------------------------------

    @property
    def in_write(self) -> bool:
        """Whether this thread is inside ``write()``."""
        return self._owner == threading.get_ident()

    @property
    def is_nested(self) -> bool:
        """Whether this thread is inside of a ``write()`` that is inside of another one."""
        return self.depth > 1 and self.in_write

    @contextlib.contextmanager
    def write(self) -> Iterator[apsw.Connection]:
        """A write transaction; inside another one of the same thread, a savepoint.

        Commits when the block ends, rolls back when it raises. Raises ``StorageError`` when another process keeps
        the file locked beyond the time limit, when it is read-only, or when the disk is full.
        """
        self.begin()
        try:
            yield self.writer
        except BaseException as error:
            self.roll_back(error)
            raise
        self.commit()

    def begin(self) -> apsw.Connection:
        """Begin what ``write`` is; ``commit`` or ``roll_back`` must end it. Raises as ``write`` does."""
        if self.read_only:
            raise EngineError(f"{self.place}: it was opened with read_only=True; open it without to write")
        self._write_lock.acquire()
        writer = self.writer
        try:
            if self._closed:
                raise EngineClosedError(f"{self.place}: the engine has been closed; open it again")
            if self.depth:
                self._require_transaction()
                writer.execute(f"SAVEPOINT s{self.depth}")
            else:
                writer.execute("BEGIN IMMEDIATE")
                self._owner = threading.get_ident()
                self._local.current = writer
        except BaseException as error:
            self._write_lock.release()
            if isinstance(error, apsw.Error):
                raise storage_error(self.place, error) from error
            raise
        self.depth += 1
        return writer

    def commit(self) -> None:
        """End what ``begin`` began; should that fail, all is rolled back."""
        depth, writer = self.depth, self.writer
        try:
            if not writer.in_transaction:
                self._require_transaction()
            writer.execute("COMMIT" if depth == 1 else f"RELEASE s{depth - 1}")
            if depth == 1 and self.on_commit is not None:
                self.on_commit()  # still under the lock: what is cached follows commits one by one
        except apsw.Error as error:
            refusal = storage_error(self.place, error)
            self.roll_back(refusal)
            raise refusal from error
        except BaseException as error:
            self.roll_back(error)
            raise
        if depth == 1:
            self._leave()
        else:
            self.depth = depth - 1
        self._write_lock.release()

    def roll_back(self, error: BaseException) -> None:
        """Take back what ``begin`` began, because of ``error``; SQLite's own becomes a ``StorageError`` here."""
        try:
            name = f"s{self.depth - 1}"
            self._roll_back(("ROLLBACK",) if self.depth == 1 else (f"ROLLBACK TO {name}", f"RELEASE {name}"))
            if self.depth == 1 and self.on_rollback is not None:
                self.on_rollback()
        finally:
            if self.depth == 1:
                self._leave()
            else:
                self.depth -= 1
            self._write_lock.release()
        if isinstance(error, apsw.Error) and not isinstance(error, apsw.ConstraintError):
            raise storage_error(self.place, error) from error

    def _require_transaction(self) -> None:
        """Refuse to go on after SQLite rolled everything back, as it may when the disk is full or fails."""
        if not self.writer.in_transaction:
            raise StorageError(
                f"{self.place}: an error inside this transaction rolled all of it back, and it was caught inside of "
                "it; let it end the transaction, and repeat the whole"
            )

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[apsw.Connection]:
        """The writer without a transaction, for statements that allow none, while no other thread writes.

        Raises ``EngineError`` inside ``write()`` and when read-only, ``StorageError`` when SQLite refuses.
        """
        if self.read_only:
            raise EngineError(f"{self.place}: it was opened with read_only=True; open it without to write")
        with self._write_lock:
            if self._closed:
                raise EngineClosedError(f"{self.place}: the engine has been closed; open it again")
            if self.depth:
                raise EngineError(f"{self.place}: inside a transaction; end the transaction first")
            try:
                yield self.writer
            except apsw.Error as error:
                raise storage_error(self.place, error) from error

    def _roll_back(self, statements: tuple[str, ...]) -> None:
        if self.writer.in_transaction:  # SQLite itself rolls back on disk full and some I/O errors
            for statement in statements:
                with contextlib.suppress(apsw.Error):
                    self.writer.execute(statement)

    def borrow_writer(self) -> apsw.Connection | None:
        """The writer, for one short read, where this thread was the last to write and nobody writes now, else ``None``.

        A commit makes worthless what other connections hold of the file in memory, but not what the writer holds.
        ``give_back`` has to follow.
        """
        if self._lent >= _MOST_LENT or self._wrote_last != threading.get_ident():
            return None
        if not self._write_lock.acquire(blocking=False):
            return None
        self._lent += 1
        reader: apsw.Connection | None = getattr(self._local, "reader", None)
        if self.depth or self._closed or (reader is not None and reader.in_transaction):
            self._write_lock.release()
            return None
        return self.writer

    def give_back(self) -> None:
        """The end of what ``borrow_writer`` began."""
        self._write_lock.release()

    def _leave(self) -> None:
        """This thread's reads do not go to the writer any more."""
        self._wrote_last, self._lent = self._owner, 0
        self.depth = self._owner = 0
        local = self._local
        reader = getattr(local, "reader", None)
        if reader is None:
            del local.current
        else:
            local.current = reader

    # -- checkpoints and closing ---------------------------------------------------------------

    def _after_commit(self, connection: apsw.Connection, _schema: str, pages: int) -> int:
        checkpointer = self._checkpointer
        if pages < _CHECKPOINT_PAGES:
            self._wake_at = _CHECKPOINT_PAGES
            return apsw.SQLITE_OK
        if checkpointer is None:
            from parsekit.storage.checkpointer import Checkpointer

            checkpointer = self._checkpointer = Checkpointer(self.path)
        checkpointer.written = pages
        nearly_copied = pages >= _RESTART_PAGES and 0 <= pages - checkpointer.copied <= checkpointer.little
        if nearly_copied or pages >= max(self._wake_at, _INLINE_PAGES):
            self._wake_at = pages + _CHECKPOINT_PAGES
            checkpointer.copied = 0
            # whatever goes wrong here, the commit is done; the pages stay in the WAL, and a later one tries again
            with contextlib.suppress(apsw.Error):
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        elif pages >= self._wake_at:
            # not at every commit: waking a thread costs more than a small commit does
            self._wake_at = pages + _CHECKPOINT_PAGES
            checkpointer.wake()
        return apsw.SQLITE_OK

    def check_closable(self) -> None:
        """Raise ``EngineError`` when this thread is inside ``write()``: what it began has to end first."""
        if self.in_write:
            raise EngineError(f"{self.place}: close() inside a transaction; end the transaction first")

    def close(self) -> None:
        """Close every connection. Reading or writing afterwards raises ``EngineClosedError``."""
        with self._write_lock:
            if self._closed:
                return
            self.check_closable()
            self._closed = True
        if self._checkpointer is not None:
            self._checkpointer.stop()
        with self._connections_lock:
            for connection in list(self._connections):
                if connection is not self.writer:
                    connection.close(True)
            if not self.read_only:
                with contextlib.suppress(apsw.Error):  # another process may still be reading
                    self.writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            self.writer.close(True)
            self._connections.clear()
        self._local = threading.local()
        if self._folder:
            self._cleanup()
