"""The thread that copies the WAL into the database file, so that no commit pays for it.

It has a connection of its own. A copy that fails is no loss: the pages stay in the WAL, where every reader finds them,
and the next commit that wakes the thread has it try again. When it is woken is ``database``'s affair.
"""

from __future__ import annotations

import contextlib
import threading
from typing import final

import apsw

__all__ = ["Checkpointer"]


@final
class Checkpointer:
    """Copies the WAL into the database on a thread of its own, so that no commit pays for it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="parsekit-checkpoint", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Copy what there is, soon."""
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
                    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        finally:
            connection.close()
