"""Events: what a subscriber hears of one change of one object.

An event's kind follows from whether the object was in the result before the change and is in it after (parse_server.md
W7). "In the result" means that the conditions hold *and* the subscriber may see the object::

    before   after    kind
    no       yes      create (the object is new), enter (it is not)
    yes      yes      update
    yes      no       leave, or delete when the object is gone

A leave because the object may no longer be *seen* carries what the subscriber could last see and nothing newer.

``Occurrence`` is the shared form in which an event waits in queues; ``Event`` is what one subscriber takes out, with
objects of its own. Not here: who hears what (``dispatcher``).
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, final

from parsekit import attrs
from parsekit.values import Value

__all__ = ["Event", "EventKind", "Fields", "Occurrence", "kind_of_event"]

EventKind: TypeAlias = Literal["create", "enter", "update", "leave", "delete"]
Fields: TypeAlias = dict[str, Value]
"""An object as key -> value, with ``objectId`` and the JSON form of its ACL. Shared, so never changed."""


def kind_of_event(was: bool, holds: bool, before: Fields | None, after: Fields | None) -> EventKind | None:
    """What a subscriber hears of an object that was or was not in the result, and now is or is not."""
    if was:
        if holds:
            return "update"
        return "delete" if after is None else "leave"
    if not holds:
        return None
    return "create" if before is None else "enter"


@final
@attrs.define(slots=True, eq=False)
class Occurrence:
    """An event as it waits in the queues of all who share rights and projection.

    ``resume_from`` is what a subscriber that has handled it, and all before it, may resume from.
    """

    kind: EventKind
    class_name: str
    object_id: str
    sequence: int
    resume_from: int
    fields: Fields
    original: Fields | None


@final
@attrs.frozen(slots=True, eq=False)
class Event:
    """One change of one object, as one subscriber may see it.

    ``object`` and ``original`` are the subscriber's own ``PFObject``s; ``original`` is ``None`` for a create, and
    where the subscriber could not see the object before. ``sequence`` is the journal's number of the change; several
    events share it when one change touches several objects (a role is taken away, a sub-query's object changes).
    ``resume_from`` is the number to keep for ``subscribe(resume_from=...)`` once this event is handled: the sequence
    itself, or the one before it while more events of the same sequence follow.
    """

    kind: EventKind
    object: Any
    original: Any
    sequence: int
    resume_from: int

    @property
    def object_id(self) -> str:
        """The objectId of the object."""
        return str(self.object.object_id)

    @property
    def class_name(self) -> str:
        """The class of the object."""
        return str(self.object.class_name)
