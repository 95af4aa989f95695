"""Images: an object before and after each change, from changes of this process or from the journal.

A change that was made in this process brings the whole object along. The journal keeps the changed keys only; there the
images are found by going back from the row as it is now (``rewound``)::

    row now   --undo 9-->   image after 8   --undo 8-->   image after 7   ...

Images are shared and never changed. Members of relations are not part of an object's image.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, final

from parsekit import attrs
from parsekit.livequery.events import Fields
from parsekit.storage.journal import ChangeKind, JournalEntry
from parsekit.values import Value

__all__ = ["Transition", "change_transition", "journal_transitions"]


class ChangeLike(Protocol):
    """What ``engine.write.Change`` offers."""

    @property
    def sequence(self) -> int:
        """Its journal number."""

    @property
    def class_name(self) -> str:
        """The class."""

    @property
    def object_id(self) -> str:
        """The object."""

    @property
    def kind(self) -> ChangeKind:
        """What happened."""

    @property
    def before(self) -> Fields | None:
        """The changed keys before."""

    @property
    def after(self) -> Fields | None:
        """The changed keys after."""

    @property
    def original(self) -> Fields | None:
        """Of an update: the whole object before."""


@final
@attrs.frozen(slots=True, eq=False)
class Transition:
    """An object before (``None``: not there) and after (``None``: deleted) one change."""

    sequence: int
    class_name: str
    object_id: str
    before: Fields | None
    after: Fields | None


def _is_relation_change(value: Value) -> bool:
    return isinstance(value, dict) and value.get("__op") == "Relation"


def _without_relations(fields: Mapping[str, Value]) -> Fields:
    return {key: value for key, value in fields.items() if not _is_relation_change(value)}


def _applied(image: Fields, before: Mapping[str, Value], after: Mapping[str, Value]) -> Fields:
    """``image`` with the changed keys as ``after`` has them, without those that only ``before`` has."""
    result = {**image, **after}
    for key in before:
        if key not in after:
            result.pop(key, None)
    for key, value in after.items():
        if _is_relation_change(value):
            if key in image:
                result[key] = image[key]
            else:
                del result[key]
    return result


def change_transition(change: ChangeLike, relations: Mapping[str, Value]) -> Transition | None:
    """The images of a change of this process; ``None`` for an update that does not bring its object along.

    ``relations`` are the relation fields of the class, which every object has from its creation.
    """
    before = change.before
    after = change.after
    if change.kind == "update":
        if change.original is None:
            return None
        before, after = change.original, _applied(change.original, change.before or {}, change.after or {})
    elif after is not None:
        after = {**_without_relations(after), **relations}
    return Transition(change.sequence, change.class_name, change.object_id, before, after)


def journal_transitions(
    entries: Sequence[JournalEntry],
    rows: Mapping[tuple[str, str], Fields],
    newer: Iterable[JournalEntry] = (),
) -> list[Transition]:
    """The images of journal entries, in order.

    ``rows`` holds the objects as they are at the journal position of the last of ``newer`` (of ``entries`` when that is
    empty), by class and objectId; ``newer`` are the entries that follow.
    """
    images: dict[tuple[str, str], Fields | None] = dict(rows)
    found: list[Transition] = []
    wanted = {entry.sequence for entry in entries}
    for entry in reversed([*entries, *newer]):
        place = (entry.class_name, entry.object_id)
        after = images.get(place)
        before = _undone(entry, after)
        images[place] = before
        if entry.sequence in wanted:
            found.append(Transition(entry.sequence, entry.class_name, entry.object_id, before, after))
    found.reverse()
    return found


def _undone(entry: JournalEntry, after: Fields | None) -> Fields | None:
    if entry.kind == "create":
        return None
    if entry.kind == "delete":
        return entry.before
    return (
        None if after is None else _applied(after, _without_relations(entry.after or {}), entry.before or {})
    )
