"""Query strings as Express's extended parser reads them: names that come again are lists, names with brackets objects.

``where[title][$regex]=^A&keys=title`` is ``{"where": {"title": {"$regex": "^A"}}, "keys": "title"}``; ``a[]=1&a[]=2``
and ``a[0]=1&a[1]=2`` are lists. What stands in brackets is text: no value in there is JSON of its own.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import parse_qsl

from parsekit.codec import dumps

__all__ = ["read_parameters"]

_PART: Final = re.compile(r"\[([^\[\]]*)\]")
_DEEPEST: Final = 5
_LONGEST_LIST: Final = 20


def read_parameters(query: str) -> dict[str, str]:
    """The parameters of a query string, each a text: JSON where the parameter is a list or an object."""
    plain: dict[str, list[str]] = {}
    nested: dict[str, dict[str, Any]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, errors="replace"):
        path = _path(name) if "[" in name else None
        if path is None:
            plain.setdefault(name, []).append(value)
        else:
            _put(nested.setdefault(path[0], {}), path[1:], value)
    params = {name: values[0] if len(values) == 1 else dumps(values) for name, values in plain.items()}
    for name, tree in nested.items():
        params.setdefault(name, dumps(_made(tree)))
    return params


def _path(name: str) -> list[str] | None:
    """The parts of a name with brackets, ``None`` where it is none."""
    base, opened, rest = name.partition("[")
    parts = _PART.findall(opened + rest)
    if not base or not parts or "".join(f"[{part}]" for part in parts) != opened + rest:
        return None
    deep = parts[_DEEPEST:]
    return [base, *parts[:_DEEPEST], *(["".join(f"[{part}]" for part in deep)] if deep else ())]


def _put(tree: dict[str, Any], path: list[str], value: str) -> None:
    *above, last = path
    for part in above:
        place = part or str(len(tree))
        below = tree.get(place)
        if not isinstance(below, dict):
            below = tree[place] = {} if below is None else {"0": below}
        tree = below
    last = last or str(len(tree))
    tree[last] = {"0": tree[last], "1": value} if isinstance(tree.get(last), str) else value


def _made(tree: Any) -> Any:
    """Text, an object, or a list where all keys are places in one."""
    if not isinstance(tree, dict):
        return tree
    if all(key.isdecimal() and int(key) <= _LONGEST_LIST for key in tree):
        return [_made(tree[key]) for key in sorted(tree, key=int)]
    return {key: _made(value) for key, value in tree.items()}
