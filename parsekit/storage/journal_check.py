"""The journal against the tables: law L4, and sequence numbers without holes.

Where the journal begins with the first change ever, replaying it has to give the tables, row for row and cell for
cell. Where older entries are pruned, each object of which it still tells has to agree with the last that it tells.
Users' secrets are in no journal; whether they are right cannot be said here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import apsw

from parsekit.acl.acl import canonical_acl
from parsekit.errors import ParsekitError
from parsekit.storage import journal
from parsekit.storage.acl_store import NO_ACL
from parsekit.storage.findings import Finding, error
from parsekit.storage.journal_reach import Reach, reach
from parsekit.storage.layout import ACL_COLUMN, NULLS_COLUMN, ClassLayout, Column, join_table, split_nulls
from parsekit.storage.replay import ObjectKey, Replayed, replay
from parsekit.storage.rows import Row, members_by_owner, row_positions, whole_rows
from parsekit.values import MISSING, Missing, Value

__all__ = ["check_journal"]

_FIX: Final = "restore the file from a backup, or keep the tables and start the journal anew (engine.compact)"
_COUNT: Final = "SELECT count(*) FROM _pk_journal"
_ACL: Final = "SELECT id, acl FROM _pk_acl"
_UNCLEAR: Final = "the journal says otherwise than the row"


def check_journal(connection: apsw.Connection, layouts: Iterable[ClassLayout]) -> Iterator[Finding]:
    """What is wrong with the journal, and where it and the tables of ``layouts`` disagree."""
    known = reach(connection)
    count = int(connection.execute(_COUNT).get)
    holes = known.last - known.first + 1 - count if count else 0
    if holes:
        yield error("journal", f"{holes} entries between the first and the last are missing", _FIX)
        return
    if known.open_gap:
        return  # whoever writes without a journal has said that it does not tell
    if known.gap >= known.last and known.gap > 0:
        return
    try:
        states = replay(journal.entries(connection, max(known.gap, 0)), known)
    except (ParsekitError, ValueError, KeyError, IndexError, TypeError):
        yield error("journal", "an entry cannot be read", _FIX)
        return
    acls = {str(text): int(number) for number, text in connection.execute(_ACL)}
    for layout in layouts:
        yield from _Comparison(connection, layout, states, acls, known).findings()


class _Comparison:
    """One class: its rows against what the journal tells of them."""

    def __init__(
        self,
        connection: apsw.Connection,
        layout: ClassLayout,
        states: dict[ObjectKey, Replayed],
        acls: dict[str, int],
        known: Reach,
    ) -> None:
        self._connection = connection
        self._layout = layout
        self._states = states
        self._acls = acls
        self._whole = known.whole
        self._places = row_positions(layout)
        self._differing: Counter[str] = Counter()

    def findings(self) -> Iterator[Finding]:
        """A finding per key in which rows and journal differ, with the number of objects."""
        name = self._layout.class_name
        alive = {place[1] for place, state in self._states.items() if place[0] == name and state.alive}
        identity = self._places[self._layout.columns["objectId"].name]
        for row in whole_rows(self._connection, self._layout):
            alive.discard(row[identity])
            self._compare(row, self._states.get((name, row[identity])))
        for key in self._layout.relation_keys():
            self._compare_relation(key)
        for key, count in sorted(self._differing.items()):
            yield error(f"class {name}.{key}", f"{_UNCLEAR} in {count} objects", _FIX)
        if alive:
            yield error(f"class {name}", f"{len(alive)} objects of the journal have no row", _FIX)

    def _compare(self, row: Row, state: Replayed | None) -> None:
        if state is None or not state.alive:
            if self._whole or state is not None:
                self._differing["objectId"] += 1
            return
        nulls = set(split_nulls(row[self._places[NULLS_COLUMN]]))
        for column in self._layout.stored_columns():
            value = state.fields.get(column.key, MISSING)
            if value is MISSING and not state.complete and column.key not in state.fields:
                continue
            if not self._agrees(row, column, value, column.key in nulls):
                self._differing[column.key] += 1
        if state.complete or "ACL" in state.fields:
            acl = state.fields.get("ACL", MISSING)
            number = NO_ACL if acl is MISSING or acl is None else self._acls.get(str(canonical_acl(acl)), -1)
            if number != row[self._places[ACL_COLUMN]]:
                self._differing["ACL"] += 1

    def _agrees(self, row: Row, column: Column, value: Value | Missing, is_null: bool) -> bool:
        cells = tuple(row[self._places[name]] for name in column.names)
        if value is MISSING or value is None:
            return set(cells) == {None} and is_null == (value is None)
        try:
            wanted = column.cells(value)
        except (ParsekitError, ValueError, TypeError, AttributeError):
            return False
        return not is_null and all(map(_same, cells, wanted))

    def _compare_relation(self, key: str) -> None:
        members = members_by_owner(self._connection, join_table(self._layout.class_name, key))
        for (class_name, identity), state in self._states.items():
            if class_name != self._layout.class_name or not state.alive:
                continue
            told, real = state.members.get(key, {}), members.get(identity, set())
            differs = any((member in real) != is_one for member, is_one in told.items())
            if differs or (state.complete and not real <= told.keys()):
                self._differing[key] += 1


def _same(cell: Any, wanted: Any) -> bool:
    return type(cell) is type(wanted) and bool(cell == wanted)
