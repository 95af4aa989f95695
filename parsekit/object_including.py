"""Includes: the objects that pointers lead to, one statement per class and path, under that class's own permissions.

What is found is attached to the results' shared context under the path's key; a pointer to anything that was not found
(gone, or not to be seen) then reads as absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, final

from parsekit.object import PFObject
from parsekit.query.ast import Constraint
from parsekit.query.keys import include_paths
from parsekit.query.state import QueryState
from parsekit.values import MISSING, Missing, Pointer, Value

__all__ = ["attach_includes", "include_tree", "included_query"]

Fetch: TypeAlias = Callable[[QueryState, int], list[PFObject]]
"""Reads the objects of a class by their ids; the number tells how many ids are asked for."""

_Wanted: TypeAlias = dict[str, dict[str, None]]


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
            wanted: _Wanted = {}
            nested = [_collect(_raw_path(obj, key), wanted) for obj in objects]
            if wanted:
                found = self._found(wanted, full)
                for context in {id(obj.context): obj.context for obj in objects}.values():
                    context.include(key, found)
                self.descend(list(found.values()), branch, "", f"{full}.")
            if branch and any(nested):
                self.descend(objects, branch, f"{key}.", f"{full}.")

    def _found(self, wanted: _Wanted, path: str) -> dict[Pointer, PFObject]:
        found: dict[Pointer, PFObject] = {}
        for class_name, ids in wanted.items():
            objects = self._fetch(included_query(self._state, path, class_name, ids), len(ids))
            found.update({Pointer(class_name, str(obj.object_id)): obj for obj in objects})
        return found


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
