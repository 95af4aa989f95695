"""Includes: the objects that pointers lead to, one statement per class and path, under that class's own permissions.

What is found is attached to the results' shared context under the path's key; a pointer to anything that was not found
(gone, or not to be seen) then reads as absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any, Final, TypeAlias, final

from parsekit.object import PFObject
from parsekit.object_state import POINTER, Included, ResultContext
from parsekit.query.ast import Constraint
from parsekit.query.keys import include_paths
from parsekit.query.state import QueryState
from parsekit.values import MISSING, Missing, Pointer, Value

__all__ = ["attach_includes", "include_tree", "included_query"]

Fetch: TypeAlias = Callable[[QueryState, int], list[PFObject]]
"""Reads the objects of a class by their ids; the number tells how many ids are asked for."""

_Wanted: TypeAlias = dict[str, dict[str, None]]

_context_of: Final[Callable[[PFObject], ResultContext]] = attrgetter("_context")
_state_of: Final[Callable[[PFObject], Any]] = attrgetter("_state")


def attach_includes(objects: list[PFObject], state: QueryState, fetch: Fetch) -> None:
    """Fetch and attach everything that ``state`` includes."""
    tree = include_tree(state)
    if tree:
        _Includes(state, fetch).descend(objects, tree, "", "")


def include_tree(state: QueryState) -> dict[str, Any]:
    """What ``state`` includes, as a tree of keys."""
    tree: dict[str, Any] = {}
    for path in include_paths(state):
        branch = tree
        for part in path.split("."):
            branch = branch.setdefault(part, {})
    return tree


def included_query(state: QueryState, path: str, class_name: str, ids: Iterable[str]) -> QueryState:
    """The query for the objects of a class that stand at ``path`` of the results of ``state``."""
    keys = tuple(dict.fromkeys(key.partition(".")[0] for key in _below(state.keys, path)))
    exclude_keys = tuple(key for key in _below(state.exclude_keys, path) if "." not in key)
    by_ids = Constraint("objectId", "$in", tuple(ids))
    return QueryState(class_name, by_ids, keys=keys or None, exclude_keys=exclude_keys)


@final
class _Includes:
    """One query's includes on their way."""

    def __init__(self, state: QueryState, fetch: Fetch) -> None:
        self._state = state
        self._fetch = fetch

    def descend(self, objects: list[PFObject], tree: dict[str, Any], prefix: str, path: str) -> None:
        """Include the branches of ``tree`` in ``objects``; ``prefix`` leads into their Object fields, ``path`` is where
        they stand from the query's own objects."""
        if not objects:
            return
        for name, branch in tree.items():
            key, full = f"{prefix}{name}", f"{path}{name}"
            wanted, nested = _wanted_by(objects, key)
            if wanted:
                found = self._found(wanted, full)
                for context in set(map(_context_of, objects)):
                    context.include(key, found)
                if branch:
                    below = list(chain.from_iterable(of_class.values() for of_class in found.values()))
                    self.descend(below, branch, "", f"{full}.")
            if branch and nested:
                self.descend(objects, branch, f"{key}.", f"{full}.")

    def _found(self, wanted: _Wanted, path: str) -> Included:
        found: Included = {}
        for class_name, ids in wanted.items():
            query = included_query(self._state, path, class_name, ids)
            found[class_name] = _by_id(self._fetch(query, len(ids)))
        return found


def _rows_of(objects: Sequence[PFObject]) -> tuple[ResultContext, list[tuple[Any, ...]]] | None:
    """The rows of objects that are all of one result and as they were read; ``None`` for others."""
    contexts = set(map(_context_of, objects))
    if len(contexts) != 1:
        return None
    states = list(map(_state_of, objects))
    return (contexts.pop(), states) if set(map(type, states)) == {tuple} else None


def _by_id(objects: Sequence[PFObject]) -> dict[str, PFObject]:
    read = _rows_of(objects)
    if read is None:
        return {str(obj.object_id): obj for obj in objects}
    context, rows = read
    return dict(zip(map(itemgetter(context.fields["objectId"][0]), rows), objects, strict=True))


def _wanted_by(objects: Sequence[PFObject], key: str) -> tuple[_Wanted, bool]:
    """What the pointers under ``key`` lead to, and whether there are dicts to look into further."""
    wanted: _Wanted = {}
    read = _rows_of(objects)
    entry = None if read is None else read[0].fields.get(key)
    if read is None or entry is None or entry[2] != POINTER:
        nested = [_collect(_raw_path(obj, key), wanted) for obj in objects]
        return wanted, any(nested)
    context, rows = read
    cells = dict.fromkeys(map(itemgetter(entry[0]), rows))
    cells.pop(None, None)
    target = context.shape.targets.get(key)
    if target is not None:
        return ({target: cells} if cells else wanted), False
    decode = entry[1]
    assert decode is not None
    for cell in cells:
        _collect(decode(cell), wanted)
    return wanted, False


def _below(keys: Iterable[str] | None, path: str) -> tuple[str, ...]:
    start = f"{path}."
    return tuple(key[len(start) :] for key in keys or () if key.startswith(start))


def _raw_path(obj: PFObject, key: str) -> Value | Missing:
    root, *rest = key.split(".")
    value = obj.raw(root)
    for part in rest:
        if isinstance(value, list):
            value = [item.get(part) for item in value if isinstance(item, dict)]
        else:
            value = value.get(part, MISSING) if isinstance(value, dict) else MISSING
    return value


def _collect(value: Value | Missing, wanted: _Wanted) -> bool:
    """Add the pointers in ``value`` to ``wanted``; whether there are dicts to look into further."""
    if isinstance(value, Pointer):
        wanted.setdefault(value.class_name, {})[value.object_id] = None
        return False
    if isinstance(value, list):
        nested = [_collect(item, wanted) for item in value]
        return any(nested)
    return isinstance(value, dict)
