"""Looking after a database: check, backup, compaction, and what the journal lets go.

The journal is pruned inside a write transaction, once in a thousand of them and a bounded number of entries each
time, so that no save ever waits for more than that. What the journal is for is said in ``history``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from parsekit import attrs
from parsekit.errors import EngineError
from parsekit.storage import backup, journal, journal_reach
from parsekit.storage.backup import Copy
from parsekit.storage.findings import Finding
from parsekit.values import date_to_ms

if TYPE_CHECKING:
    from parsekit.engine.core import ParseEngine
    from parsekit.storage.database import Connection

__all__ = ["Compaction", "Copy", "Finding", "Upkeep", "restore"]

_PRUNE_AT_MOST: Final = 5_000


@final
@attrs.frozen(slots=True)
class Compaction:
    """What compaction did: the size of the file before and after, and the journal entries that went."""

    before_bytes: int
    after_bytes: int
    pruned: int


@final
class Upkeep:
    """Looks after the database of one engine."""

    def __init__(self, engine: ParseEngine) -> None:
        self._engine = engine

    def mark_journal(self) -> None:
        """Let the file tell whether its journal knows of every write from now on."""
        with self._engine.store.write() as connection:
            if self._engine.options.journal:
                journal_reach.mark_journaled(connection)
            else:
                journal_reach.mark_unjournaled(connection)

    def check(self) -> list[Finding]:
        """Everything that is wrong with the database, as committed; an empty list when nothing is.

        Raises:
            EngineError: inside a transaction.
            StorageError: SQLite refused.
        """
        from parsekit.storage.integrity import check_database  # sqlglot is imported when it is needed

        database = self._engine.store.database
        if database.in_write:
            raise EngineError(f"{database.place}: check() inside a transaction; end the transaction first")
        return check_database(database)

    def backup(self, target: str | Path, *, overwrite: bool = False) -> Copy:
        """Copy the database to a file while it is in use. Raises as ``storage.backup.back_up``."""
        return backup.back_up(self._engine.store.database, Path(target), overwrite=overwrite)

    def compact(self) -> Compaction:
        """Prune the journal and give the space of what was deleted back to the file system."""
        with self._engine.store.write() as connection:
            pruned = self._prune(connection, -1)
        before, after = backup.compact(self._engine.store.database)
        return Compaction(before, after, pruned)

    def prune_some(self, connection: Connection) -> None:
        """Let go of a bounded number of the journal's entries. Inside ``Store.write()``."""
        self._prune(connection, _PRUNE_AT_MOST)

    def _prune(self, connection: Connection, at_most: int) -> int:
        now = date_to_ms(self._engine.options.clock())
        return journal.prune(connection, now, self._engine.options.journal_limits, at_most)


def restore(source: str | Path, target: str | Path, *, overwrite: bool = False) -> Copy:
    """Put the backup ``source`` in the place of the database ``target``, which nobody may have open.

    Raises:
        EngineError: the target is there and ``overwrite`` is not given, or is no parsekit database.
        StorageError: the backup is not sound, or the target is in use; the target is as it was.
    """
    return backup.restore(Path(source), Path(target), overwrite=overwrite)
