"""Replaying and undoing the journal in memory (law L4). Pure: entries in, states of objects out.

``replay`` goes forward and learns of each object what the entries say: all of it when its creation is among them,
else the keys that changed. ``undo`` takes one entry back from an object's fields. What the tables hold is not known
here; ``integrity`` compares, ``engine.history`` reads the past with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias, final

from parsekit import attrs
from parsekit.storage.journal import JournalEntry
from parsekit.storage.journal_reach import Reach
from parsekit.values import MISSING, Missing, RelationReference, Value

__all__ = ["ObjectKey", "Replayed", "relation_change", "replay", "undo", "undo_members"]

ObjectKey: TypeAlias = tuple[str, str]
"""Class and objectId."""

_RELATION_KEYS: Final = frozenset({"__op", "add", "remove"})
"""What an entry has under a relation's key; ``__op`` is no key that a stored value can have."""


@final
@attrs.define(slots=True)
class Replayed:
    """What the journal says of an object.

    ``complete``: ``fields`` is all of it, else a key that is not there is unknown. ``alive`` is false once it was
    deleted. ``fields`` has ``MISSING`` for a key known to be absent. ``members`` tells by relation and objectId
    whether it is a member.
    """

    complete: bool
    alive: bool = True
    fields: dict[str, Value | Missing] = attrs.Factory(dict)
    members: dict[str, dict[str, bool]] = attrs.Factory(dict)


def relation_change(value: Value) -> tuple[list[str], list[str]] | None:
    """The members that an entry adds to and removes from a relation, ``None`` for the value of any other key."""
    if not isinstance(value, dict) or value.keys() != _RELATION_KEYS:
        return None
    return value["add"], value["remove"]


def replay(entries: Iterable[JournalEntry], reach: Reach) -> dict[ObjectKey, Replayed]:
    """The last state that the entries, in order, tell of each object."""
    states: dict[ObjectKey, Replayed] = {}
    for entry in entries:
        place = (entry.class_name, entry.object_id)
        if entry.kind == "create":
            states[place] = Replayed(complete=True)
        elif entry.kind == "delete":
            states[place] = Replayed(complete=True, alive=False)
            continue
        state = states.setdefault(place, Replayed(complete=False))
        for key in entry.before or ():
            if key not in (entry.after or ()):
                _learn(state, entry, reach, key, MISSING)
        for key, value in (entry.after or {}).items():
            _learn(state, entry, reach, key, value)
    return states


def _learn(state: Replayed, entry: JournalEntry, reach: Reach, key: str, value: Value | Missing) -> None:
    if not reach.speaks_of(entry.sequence, entry.class_name, key):
        return
    change = relation_change(value)
    if change is None:
        state.fields[key] = value
        return
    members = state.members.setdefault(key, {})
    members.update(dict.fromkeys(change[1], False))
    members.update(dict.fromkeys(change[0], True))


def undo(fields: Mapping[str, Value] | None, entry: JournalEntry) -> dict[str, Value] | None:
    """An object's fields before ``entry``, given those after it; ``None`` stands for no object."""
    if entry.kind == "create":
        return None
    earlier = {} if entry.kind == "delete" else dict(fields or {})
    for key in entry.after or ():
        earlier.pop(key, None)
    for key, value in (entry.before or {}).items():
        if not isinstance(value, RelationReference) and relation_change(value) is None:
            earlier[key] = value
    return earlier


def undo_members(members: dict[str, set[str]], entry: JournalEntry, key: str) -> None:
    """Take one entry back from the members of a relation, by owner."""
    change = relation_change((entry.after or {}).get(key))
    if change is not None:
        added, removed = change
        owned = members.setdefault(entry.object_id, set())
        owned.difference_update(added)
        owned.update(removed)
