"""The journal: one row per change, written in the change's own transaction (law L4).

A row has a sequence number that only grows, the class and objectId, the kind of change, and the changed keys
before and after as JSON. A create has no before, a delete no after. Live events, history, resume and other
processes all read it; what they make of it is not this module's affair.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal, TypeAlias, final

import apsw
import attrs

from parsekit.codec import decode_interior, encode_interior
from parsekit.values import Value

__all__ = [
    "ChangeKind",
    "JournalEntry",
    "JournalLimits",
    "append",
    "append_creations",
    "entries",
    "last_sequence",
    "prune",
]

ChangeKind: TypeAlias = Literal["create", "update", "delete"]
_CODES: Final[dict[str, int]] = {"create": 0, "update": 1, "delete": 2}
_KINDS: Final[tuple[ChangeKind, ...]] = ("create", "update", "delete")
_INSERT: Final = (
    "INSERT INTO _pk_journal (at, class, object_id, kind, before, after) "
    "VALUES (?, ?, ?, ?, ?, ?) RETURNING seq"
)
_INSERT_AT: Final = (
    "INSERT INTO _pk_journal (seq, at, class, object_id, kind, before, after) VALUES (?, ?, ?, ?, ?, NULL, ?)"
)


@final
@attrs.frozen(slots=True)
class JournalEntry:
    """One change. ``at`` is in milliseconds since 1970-01-01 UTC; the ACL is under the key ``ACL``."""

    sequence: int
    at: int
    class_name: str
    object_id: str
    kind: ChangeKind
    before: dict[str, Value] | None
    after: dict[str, Value] | None


@final
@attrs.frozen(slots=True)
class JournalLimits:
    """What is kept: entries younger than ``days``, and at least the last ``entries``, whichever is more."""

    days: float = 7.0
    entries: int = 100_000


def append(
    connection: apsw.Connection,
    at: int,
    class_name: str,
    object_id: str,
    kind: ChangeKind,
    before: dict[str, Value] | None,
    after: dict[str, Value] | None,
) -> int:
    """Write one change; its sequence number."""
    cells = (
        at,
        class_name,
        object_id,
        _CODES[kind],
        None if before is None else encode_interior(before),
        None if after is None else encode_interior(after),
    )
    return int(connection.execute(_INSERT, cells).get)


def append_creations(
    connection: apsw.Connection, class_name: str, created: Sequence[tuple[int, str, dict[str, Value]]]
) -> int:
    """Write many creations of one class, each (at, objectId, fields); the sequence number of the first."""
    first = last_sequence(connection) + 1
    code = _CODES["create"]
    connection.executemany(
        _INSERT_AT,
        (
            (sequence, at, class_name, object_id, code, encode_interior(after))
            for sequence, (at, object_id, after) in enumerate(created, first)
        ),
    )
    return first


def entries(connection: apsw.Connection, after: int, limit: int = -1) -> Iterator[JournalEntry]:
    """Changes with a sequence number greater than ``after``, in order."""
    rows = connection.execute(
        "SELECT seq, at, class, object_id, kind, before, after FROM _pk_journal WHERE seq > ? ORDER BY seq LIMIT ?",
        (after, limit),
    )
    for seq, at, class_name, object_id, kind, before, following in rows:
        yield JournalEntry(
            seq,
            at,
            class_name,
            object_id,
            _KINDS[kind],
            None if before is None else decode_interior(before),
            None if following is None else decode_interior(following),
        )


def last_sequence(connection: apsw.Connection) -> int:
    """The newest sequence number, 0 for an empty journal."""
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM _pk_journal").get)


def prune(connection: apsw.Connection, now_ms: int, limits: JournalLimits) -> int:
    """Delete what ``limits`` lets go; the number of entries deleted. The newest entry always stays."""
    oldest = now_ms - int(limits.days * 86_400_000)
    keep_from = last_sequence(connection) - max(1, limits.entries)
    connection.execute("DELETE FROM _pk_journal WHERE seq <= ? AND at < ?", (keep_from, oldest))
    return connection.changes()
