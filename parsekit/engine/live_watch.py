"""Notices what other processes commit to the same file.

A thread of its own asks SQLite every few milliseconds whether the file changed (``PRAGMA data_version``: some
microseconds, no read of the database). Commits of this process show there too, but are handed over by whoever made
them; only what nobody hands over within one more interval is read from the journal.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from parsekit.storage.store import Store

__all__ = ["FileWatch"]

_INTERVAL_S: Final = 0.02
_GRACE_S: Final = 0.006
"""How long a commit is left to whoever in this process may have made it."""


@final
class FileWatch:
    """Calls back, in its own thread, after commits; ``stop()`` ends it."""

    def __init__(self, store: Store, committed: Callable[[], None]) -> None:
        self._store = store
        self._committed = committed
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="parsekit-live", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stopping.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        seen = self._store.data_version()
        while not self._stopping.wait(_INTERVAL_S):
            version = self._store.data_version()
            if version == seen:
                continue
            if self._stopping.wait(_GRACE_S):
                return
            seen = version
            self._committed()
