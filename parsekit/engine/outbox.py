"""What waits for a commit: changes to tell listeners of, in commit order, and calls to make in the writer's thread.

Inside a transaction both collect; a rolled-back savepoint takes its part with it (``mark`` and ``rewind``). The commit
itself, still under the writer lock, moves them out (``committed``), so that changes queue up in commit order whichever
thread delivers them; ``deliver`` runs after the lock is gone.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias, final

if TYPE_CHECKING:
    from parsekit.engine.write_parts import Change, LateChange

__all__ = ["Listener", "Outbox"]

Listener: TypeAlias = "Callable[[Sequence[Change]], None]"


@final
class Outbox:
    """The changes and calls of the transactions under way and of those committed. One per engine."""

    def __init__(self) -> None:
        self._pending: list[LateChange] = []
        self._calls: list[Callable[[], None]] = []
        self._undo: list[Callable[[], None]] = []
        self._ready: deque[tuple[Change, ...]] = deque()
        self._mine = threading.local()
        self._delivering = threading.RLock()
        self.listeners: list[Listener] = []
        self.last_sequence = -1
        """The journal number of the newest change committed here since somebody listens."""
        self.publish: Callable[[LateChange], None] = self._pending.append
        """Put down a change, or what makes it at the commit. Inside ``Store.write()`` only, as the two below."""
        self.call_later = self._calls.append
        """Put down a call that this thread makes after the commit."""

    def undo_with(self, calls: Iterable[Callable[[], None]]) -> None:
        """Put down calls that take something back in memory should the savepoint be rolled back. Inside only."""
        self._undo.extend(calls)

    def mark(self) -> tuple[int, int, int]:
        """Where a savepoint begins."""
        return len(self._pending), len(self._calls), len(self._undo)

    def rewind(self, mark: tuple[int, int, int]) -> None:
        """Forget what came after ``mark``, and take it back: it was rolled back."""
        del self._pending[mark[0] :]
        del self._calls[mark[1] :]
        while len(self._undo) > mark[2]:
            self._undo.pop()()

    def committed(self) -> None:
        """The transaction is on the disk. Called under the writer lock."""
        if self._pending:
            if self.listeners:
                from parsekit.engine.write_parts import Change  # whoever writes has it

                changes = tuple(item if isinstance(item, Change) else item() for item in self._pending)
                self._ready.append(changes)
                self.last_sequence = changes[-1].sequence
            self._pending.clear()
        if self._calls:
            mine: list[Callable[[], None]] = self._mine.__dict__.setdefault("calls", [])
            mine.extend(self._calls)
            self._calls.clear()
        self._undo.clear()

    def deliver(self) -> None:
        """Tell the listeners of what is committed, then make this thread's calls. Outside of any transaction."""
        if self._ready:
            with self._delivering:
                while self._ready:
                    changes = self._ready.popleft()
                    for listener in self.listeners:
                        listener(changes)
        calls: list[Callable[[], None]] | None = self._mine.__dict__.pop("calls", None)
        if calls:
            for call in calls:
                call()
