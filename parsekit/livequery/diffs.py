"""The smallest difference between two ordered lists of objects, in the form that list views take.

As with a table view on iOS, positions of what goes are those in the old list and positions of what comes are those in
the new one: take out ``removed`` and the origins of ``moved``, then put in ``inserted`` and the targets of ``moved`` in
ascending order (``ListDiff.apply``). Objects are the same when class and objectId are. As many objects as possible stay
where they are: only those outside a longest common subsequence move.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, final

from parsekit import attrs

__all__ = ["ListDiff", "Moved", "Placed", "diff_lists"]


@final
@attrs.frozen(slots=True, eq=False)
class Placed:
    """An object and its position: in the old list where it was removed, in the new one otherwise."""

    index: int
    object: Any


@final
@attrs.frozen(slots=True, eq=False)
class Moved:
    """An object that stays in the list at another place."""

    from_index: int
    to_index: int
    object: Any


@final
@attrs.frozen(slots=True, eq=False)
class ListDiff:
    """What changed in an ordered list up to the journal position ``sequence``.

    An object that moved and changed is in ``moved`` and in ``updated``.
    """

    sequence: int
    removed: tuple[Placed, ...] = ()
    inserted: tuple[Placed, ...] = ()
    moved: tuple[Moved, ...] = ()
    updated: tuple[Placed, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.removed or self.inserted or self.moved or self.updated)

    def apply(self, objects: Sequence[Any]) -> list[Any]:
        """The new list, from the old one."""
        gone = {item.index for item in self.removed} | {item.from_index for item in self.moved}
        result = [item for place, item in enumerate(objects) if place not in gone]
        coming = [(item.index, item.object) for item in self.inserted]
        coming += [(item.to_index, item.object) for item in self.moved]
        for place, item in sorted(coming, key=lambda pair: pair[0]):
            result.insert(place, item)
        for changed in self.updated:
            result[changed.index] = changed.object
        return result


def _staying(places: Sequence[int]) -> set[int]:
    """The members of a longest ascending subsequence of ``places``, all different."""
    ends: list[int] = []
    at: list[int] = []
    previous: list[int] = []
    for index, place in enumerate(places):
        length = bisect_left(ends, place)
        if length == len(ends):
            ends.append(place)
            at.append(index)
        else:
            ends[length], at[length] = place, index
        previous.append(at[length - 1] if length else -1)
    staying: set[int] = set()
    index = at[-1] if at else -1
    while index >= 0:
        staying.add(places[index])
        index = previous[index]
    return staying


def _itself(item: Any) -> Any:
    return item


def diff_lists(
    old: Sequence[Any],
    new: Sequence[Any],
    differs: Callable[[Any, Any], bool],
    sequence: int,
    identity: Callable[[Any], Any] = _itself,
) -> ListDiff:
    """The smallest difference; ``differs`` tells whether the same object shows something else now.

    Objects are the same when their ``identity`` is equal.
    """
    old_keys, new_keys = list(map(identity, old)), list(map(identity, new))
    old_place = {key: place for place, key in enumerate(old_keys)}
    kept = set(new_keys)
    staying = _staying([old_place[key] for key in new_keys if key in old_place])
    came = list(zip(new_keys, range(len(new)), new, strict=True))
    return ListDiff(
        sequence,
        removed=tuple(Placed(place, item) for place, item in enumerate(old) if old_keys[place] not in kept),
        inserted=tuple(Placed(place, item) for key, place, item in came if key not in old_place),
        moved=tuple(
            Moved(old_place[key], place, item)
            for key, place, item in came
            if key in old_place and old_place[key] not in staying
        ),
        updated=tuple(
            Placed(place, item)
            for key, place, item in came
            if key in old_place and differs(old[old_place[key]], item)
        ),
    )
