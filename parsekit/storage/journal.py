"""The journal: one row per change, written in the change's own transaction (law L4).

A row has a sequence number that only grows, the class and objectId, the kind of change, and the changed keys
before and after as JSON. A create has no before, a delete no after but the members that its relations lost. Under a
relation's key stands which members came and went, ``{"__op": "Relation", "add": [...], "remove": [...]}``: those that
really did, whatever was asked for. Live events, history, resume and other processes all read the journal; what they
make of it is not this module's affair.

What is kept is always a run without holes up to the newest entry: ``prune`` takes away from the front only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, final

import apsw

from parsekit import attrs
from parsekit.codec import decode_interior, encode_fields, well_formed
from parsekit.values import Value, date_from_ms, date_to_ms

__all__ = [
    "ChangeKind",
    "JournalEntry",
    "JournalLimits",
    "append",
    "append_created_members",
    "append_creations",
    "append_members",
    "entries",
    "entries_back_to",
    "entries_of",
    "first_sequence",
    "last_sequence",
    "prune",
]

ChangeKind: TypeAlias = Literal["create", "update", "delete"]
_CODES: Final[dict[str, int]] = {"create": 0, "update": 1, "delete": 2}
_KINDS: Final[tuple[ChangeKind, ...]] = ("create", "update", "delete")
_INSERT: Final = (
    "INSERT INTO _pk_journal (at, class, object_id, kind, before, after) VALUES (?, ?, ?, ?, ?, ?)"
)
_SELECT: Final = "SELECT seq, at, class, object_id, kind, before, after FROM _pk_journal "
_ENTRIES: Final = _SELECT + "WHERE seq > ? ORDER BY seq LIMIT ?"
_BACK_TO: Final = _SELECT + "WHERE class = ? AND seq > ? ORDER BY seq DESC"
_OF_OBJECT: Final = _SELECT + "WHERE class = ? AND object_id = ? ORDER BY seq"
_FIRST_YOUNG: Final = "SELECT seq FROM _pk_journal WHERE at >= ? AND seq < ? ORDER BY seq LIMIT 1"
_TIMES: Final = ("createdAt", "updatedAt")
_INSERT_AT: Final = (
    "INSERT INTO _pk_journal (seq, at, class, object_id, kind, before, after) VALUES (?, ?, ?, ?, ?, NULL, ?)"
)


@final
@attrs.frozen(slots=True)
class JournalEntry:
    """One change. ``at`` is when it was made, in milliseconds since 1970-01-01 UTC; an ACL is under the key ``ACL``."""

    sequence: int
    at: int
    class_name: str
    object_id: str
    kind: ChangeKind
    before: dict[str, Value] | None = attrs.field(repr=False)
    after: dict[str, Value] | None = attrs.field(repr=False)


@final
@attrs.frozen(slots=True)
class JournalLimits:
    """What is kept: entries younger than ``days``, and at least the last ``entries``, whichever is more."""

    days: float = 7.0
    entries: int = 100_000


def append(
    connection: apsw.Connection,
    at: datetime,
    class_name: str,
    object_id: str,
    kind: ChangeKind,
    before: dict[str, Value] | None,
    after: dict[str, Value] | None,
) -> int:
    """Write one change; its sequence number.

    ``after`` of a delete are its relations only. What the entry says anyway is left out of ``after``: the objectId, and
    the times that are its own.
    """
    cells = (
        date_to_ms(at),
        class_name,
        object_id,
        _CODES[kind],
        None if before is None else encode_fields(before),
        None if after is None else encode_fields(_shortened(after, at, object_id)),
    )
    connection.execute(_INSERT, cells)
    return connection.last_insert_rowid()


def append_members(
    connection: apsw.Connection,
    at_ms: int,
    class_name: str,
    object_id: str,
    before: list[str] | None,
    after: list[str],
) -> int:
    """``append`` of a creation (``before`` is ``None``) or an update by the members of its JSON objects.

    ``after`` is without what the entry says anyway, as ``append`` leaves it out.
    """
    earlier = None if before is None else well_formed(f"{{{','.join(before)}}}")
    kind = _CODES["create" if before is None else "update"]
    text = well_formed(f"{{{','.join(after)}}}")
    connection.execute(_INSERT, (at_ms, class_name, object_id, kind, earlier, text))
    return connection.last_insert_rowid()


def _shortened(after: dict[str, Value], at: datetime, object_id: str) -> dict[str, Value]:
    short = dict(after)
    if short.get("objectId") == object_id:
        del short["objectId"]
    for key in _TIMES:
        if short.get(key) == at:
            del short[key]
    return short


def _completed(kind: ChangeKind, after: dict[str, Value], at: int, object_id: str) -> dict[str, Value]:
    """What ``_shortened`` left out, put back."""
    if kind == "delete":
        return after
    moment = date_from_ms(at)
    after.setdefault("updatedAt", moment)
    if kind == "create":
        after.setdefault("createdAt", moment)
        after.setdefault("objectId", object_id)
    return after


def append_creations(
    connection: apsw.Connection,
    class_name: str,
    at: datetime,
    created: Sequence[tuple[str, dict[str, Value]]],
) -> int:
    """Write many creations of one class, each (objectId, fields); the sequence number of the first."""
    first = last_sequence(connection) + 1
    code, at_ms = _CODES["create"], date_to_ms(at)
    connection.executemany(
        _INSERT_AT,
        (
            (sequence, at_ms, class_name, object_id, code, encode_fields(_shortened(after, at, object_id)))
            for sequence, (object_id, after) in enumerate(created, first)
        ),
    )
    return first


def append_created_members(
    connection: apsw.Connection, class_name: str, at_ms: int, created: Iterable[tuple[str, list[str]]]
) -> int:
    """``append_creations`` of (objectId, members of ``after`` as JSON)."""
    first = last_sequence(connection) + 1
    connection.executemany(
        _INSERT_AT,
        (
            (sequence, at_ms, class_name, object_id, _CODES["create"], well_formed(f"{{{','.join(after)}}}"))
            for sequence, (object_id, after) in enumerate(created, first)
        ),
    )
    return first


def entries(connection: apsw.Connection, after: int, limit: int = -1) -> Iterator[JournalEntry]:
    """Changes with a sequence number greater than ``after``, in order."""
    return map(_entry, connection.execute(_ENTRIES, (after, limit)))


def entries_back_to(connection: apsw.Connection, class_name: str, sequence: int) -> Iterator[JournalEntry]:
    """The changes of a class with a sequence number greater than ``sequence``, the newest first."""
    return map(_entry, connection.execute(_BACK_TO, (class_name, sequence)))


def entries_of(connection: apsw.Connection, class_name: str, object_id: str) -> Iterator[JournalEntry]:
    """The changes of one object, in order. Looks through the whole journal: for people, not for a hot path."""
    return map(_entry, connection.execute(_OF_OBJECT, (class_name, object_id)))


def _entry(row: tuple[Any, ...]) -> JournalEntry:
    sequence, at, class_name, object_id, code, before, after = row
    kind = _KINDS[code]
    following = None if after is None else _completed(kind, decode_interior(after), at, object_id)
    earlier = None if before is None else decode_interior(before)
    return JournalEntry(sequence, at, class_name, object_id, kind, earlier, following)


def first_sequence(connection: apsw.Connection) -> int:
    """The oldest sequence number that is kept, 0 for an empty journal."""
    return int(connection.execute("SELECT coalesce(min(seq), 0) FROM _pk_journal").get)


def last_sequence(connection: apsw.Connection) -> int:
    """The newest sequence number, 0 for an empty journal."""
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM _pk_journal").get)


def prune(connection: apsw.Connection, now_ms: int, limits: JournalLimits, at_most: int = -1) -> int:
    """Delete what ``limits`` lets go, the oldest first and ``at_most`` so many; the number of entries deleted.

    An entry stays while one before it stays, so that the journal has no holes even where the clock was set back. The
    newest entry always stays, and with it the count.
    """
    keep_from = last_sequence(connection) - max(1, limits.entries) + 1
    first = first_sequence(connection)
    if not first or first >= keep_from:
        return 0
    young = now_ms - int(limits.days * 86_400_000)
    stays: int | None = connection.execute(_FIRST_YOUNG, (young, keep_from)).get
    end = keep_from if stays is None else stays
    if at_most >= 0:
        end = min(end, first + at_most)
    connection.execute("DELETE FROM _pk_journal WHERE seq < ?", (end,))
    return connection.changes()
