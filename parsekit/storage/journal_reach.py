"""How far back the journal can be believed: what schema changes and unjournaled writes took from it.

The journal tells of objects, not of classes. When a field is dropped its values go without an entry, and an engine
that was opened with ``journal=False`` writes without one; both leave a mark here (in ``_pk_meta``), so that whoever
replays or undoes the journal knows what older entries no longer speak of. The entries are ``journal``'s affair.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, final

import apsw

from parsekit import attrs
from parsekit.storage.meta import get_meta, put_meta, remove_meta

__all__ = ["Reach", "mark_dropped", "mark_journaled", "mark_unjournaled", "reach"]

_UNJOURNALED: Final = "unjournaled"
_GAP: Final = "journal_gap"
_DROPPED: Final = "dropped:"
_MARKS: Final = "SELECT key, value FROM _pk_meta WHERE substr(key, 1, 8) = 'dropped:'"


@final
@attrs.frozen(slots=True)
class Reach:
    """From ``first`` to ``last`` go the entries that are kept (0, 0 for none).

    ``gap`` is the sequence number up to which writes may lack an entry, -1 for none: nothing before it can be
    rebuilt. ``open_gap`` tells that an engine without a journal has the file, or had it last. ``dropped`` has the
    sequence number at which a field (class, key) or a class (class, "") was dropped.
    """

    first: int
    last: int
    gap: int
    open_gap: bool
    dropped: Mapping[tuple[str, str], int]

    @property
    def whole(self) -> bool:
        """Whether the entries begin with the first change ever, so that replaying them makes the tables."""
        return self.first in (0, 1) and self.gap < 0 and not self.open_gap

    @property
    def oldest_state(self) -> int:
        """The earliest sequence number as of which the tables can be rebuilt by undoing."""
        if self.open_gap:
            return self.last
        return max(self.gap, self.first - 1, 0)

    def speaks_of(self, sequence: int, class_name: str, key: str) -> bool:
        """Whether an entry's value of ``key`` is of a field that was not dropped since."""
        dropped = self.dropped
        if not dropped:
            return True
        return sequence > max(dropped.get((class_name, ""), 0), dropped.get((class_name, key), 0))


def reach(connection: apsw.Connection) -> Reach:
    """How far the journal reaches as this connection sees it."""
    dropped: dict[tuple[str, str], int] = {}
    for mark, sequence in connection.execute(_MARKS):
        class_name, _, key = str(mark)[len(_DROPPED) :].partition(".")
        dropped[class_name, key] = int(sequence)
    gap = get_meta(connection, _GAP)
    open_gap = get_meta(connection, _UNJOURNALED) is not None
    from parsekit.storage.journal import first_sequence, last_sequence

    first, last = first_sequence(connection), last_sequence(connection)
    return Reach(first, last, -1 if gap is None else int(gap), open_gap, dropped)


def mark_dropped(connection: apsw.Connection, class_name: str, keys: Iterable[str]) -> None:
    """Fields of a class (``""``: the class) go with their values, now. Inside a write transaction."""
    from parsekit.storage.journal import last_sequence

    now = last_sequence(connection)
    for key in keys if now else ():
        put_meta(connection, f"{_DROPPED}{class_name}.{key}" if key else f"{_DROPPED}{class_name}", now)


def mark_unjournaled(connection: apsw.Connection) -> None:
    """From now on writes come without entries. Inside a write transaction."""
    put_meta(connection, _UNJOURNALED, 1)


def mark_journaled(connection: apsw.Connection) -> None:
    """From now on writes come with entries; what was before is not to be rebuilt. Inside a write transaction."""
    from parsekit.storage.journal import last_sequence

    put_meta(connection, _GAP, last_sequence(connection))
    remove_meta(connection, [_UNJOURNALED])


def has_open_gap(connection: apsw.Connection) -> bool:
    """Whether the last engine that wrote here kept no journal."""
    return get_meta(connection, _UNJOURNALED) is not None
