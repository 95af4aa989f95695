"""The thread that copies the WAL into the database file, so that no commit pays for it.

It has a connection of its own. While commits follow each other without a pause, pages are added as it copies, and the
WAL could never start again at its beginning; so it copies what was added meanwhile, too, until little is left, which
the next commit then copies (``database``). A copy that fails is no loss: the pages stay in the WAL, where every reader
finds them, and the next commit that wakes the thread has it try again. When it is woken is ``database``'s affair.
"""

from __future__ import annotations

import contextlib
import threading
from typing import ClassVar, Final, final

import apsw

__all__ = ["Checkpointer"]

_ROUNDS: Final = 4


@final
class Checkpointer:
    """Copies the WAL into the database on a thread of its own, so that no commit pays for it."""

    little: ClassVar[int] = 500
    """So few pages can be left to a commit: what copying them costs is mostly the two syncs, however few they are."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._wake = threading.Event()
        self._stopping = False
        self.copied = 0
        """How many of the WAL's pages the last copy reached, 0 when that is of no use any more."""
        self.written = 0
        """How many there are; whoever commits says so."""
        self._thread = threading.Thread(target=self._run, name="parsekit-checkpoint", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Copy what there is, soon."""
        self.copied = 0  # nobody else can copy meanwhile
        self._wake.set()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            connection = apsw.Connection(self._path, flags=apsw.SQLITE_OPEN_READWRITE)
        except apsw.Error:
            return  # commits copy the pages themselves, when there are very many
        try:
            while True:
                self._wake.wait()
                self._wake.clear()
                if self._stopping:
                    return
                with contextlib.suppress(apsw.Error):  # the next commit wakes us again
                    self._copy(connection)
        finally:
            connection.close()

    def _copy(self, connection: apsw.Connection) -> None:
        connection.pragma(
            "user_version"
        )  # a connection that has read nothing does not know that there is a WAL
        copied = -1
        for _ in range(_ROUNDS):
            before = copied
            _, copied = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            if self._stopping or copied == before or 0 <= self.written - copied <= self.little // 2:
                break
        self.copied = copied
