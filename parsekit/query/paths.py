"""Where a key leads: the values that a constraint on ``key`` or ``key.rest`` is tested against.

Under the ``fan-out`` rule (MongoDB) a path walks through objects and, at every array on its way, into each
element that is an object and, when the next component is a number, into the element of that index::

    {"a": [{"b": 1}, {"b": [2, 3]}, 5]}   a.b  ->  1, 2, 3, [2, 3]      (5 is no object: nothing)
    {"a": 5}                              a.b  ->  MISSING              (no array: the key is absent)

Under the ``dictionaries`` rule (ios_sdk 3.2) it walks through dictionaries only; a value of another kind
fails the query with 102, except that below the first component typed values are walked in their JSON form. Under
the ``properties`` rule (QueryTools.js) it walks as JavaScript does (``javascript``).

Not said here: what is then asked of the values (``comparison``, ``regex``, ``geo``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, TypeAlias

from parsekit.codec import encode_value
from parsekit.errors import InvalidQueryError
from parsekit.query.collation import dictionary_view
from parsekit.query.dialect import Dialect
from parsekit.query.javascript import walk_properties
from parsekit.values import (
    MISSING,
    FileReference,
    Missing,
    PFGeoPoint,
    PFPolygon,
    Pointer,
    RelationReference,
    Value,
)

__all__ = ["STORED_TYPES", "Test", "any_value", "fan_out", "real_key", "stored_form", "walk_dictionaries"]

Test: TypeAlias = Callable[[Value | Missing], bool]
"""A predicate on the value stored under the first component of a key; ``MISSING`` when the key is absent."""

_ALIASES: Final = {"_created_at": "createdAt", "_updated_at": "updatedAt"}
STORED_TYPES: Final = frozenset({Pointer, PFGeoPoint, FileReference, PFPolygon, RelationReference})
"""The types that MongoDB holds in another form as the value of a field than inside an Array or Object."""


def real_key(key: str) -> str:
    """The key that a constraint or order names, ``_created_at`` and ``_updated_at`` translated."""
    return _ALIASES.get(key, key)


def stored_form(value: Value | Missing) -> Value | Missing:
    """What MongoDB holds for the value of a field (MongoTransform's coders)."""
    match value:
        case Pointer():
            return f"{value.class_name}${value.object_id}"
        case PFGeoPoint():
            return [value.longitude, value.latitude]
        case FileReference():
            return value.name
        case RelationReference():
            return MISSING
        case PFPolygon():
            ring = [[longitude, latitude] for latitude, longitude in value.coordinates]
            if ring[0] != ring[-1]:
                ring.append(ring[0])
            return {"type": "Polygon", "coordinates": [ring]}
    return value


def _collect(
    value: Value | Missing, path: Sequence[str], at: int, spread: bool, out: list[Value | Missing]
) -> None:
    if at == len(path):
        if spread and value.__class__ is list:
            out.extend(value)
        out.append(value)
        return
    if value.__class__ is list:
        _collect_elements(value, path, at, spread, out)
        return
    view = dictionary_view(value)
    if view is None:
        out.append(MISSING)
    else:
        _collect(view.get(path[at], MISSING), path, at + 1, spread, out)


def _collect_elements(
    elements: list[Value], path: Sequence[str], at: int, spread: bool, out: list[Value | Missing]
) -> None:
    component = path[at]
    index = int(component) if component.isascii() and component.isdigit() else -1
    for position, element in enumerate(elements):
        if dictionary_view(element) is not None:
            _collect(element, path, at, spread, out)
        if position == index:
            if at + 1 == len(path):
                out.append(element)  # an element named by its index is not spread (MongoDB's path iterator)
            elif element.__class__ is list or dictionary_view(element) is not None:
                _collect(element, path, at + 1, spread, out)


def fan_out(value: Value | Missing, path: Sequence[str], *, spread: bool = True) -> list[Value | Missing]:
    """Every value that ``path`` reaches from the value of a field, ``MISSING`` where an object lacks the key.

    With ``spread`` an array at the end of the path gives its elements and then itself.
    """
    out: list[Value | Missing] = []
    _collect(stored_form(value) if path else value, path, 0, spread, out)
    return out


def walk_dictionaries(value: Value | Missing, path: Sequence[str], key: str) -> Value | Missing:
    """The value at the end of ``path`` through dictionaries; an absent key anywhere gives ``MISSING``.

    Raises ``InvalidQueryError`` (102) for anything but a dictionary at the first component, and further down
    for what has no dictionary form: arrays, strings, numbers, null.
    """
    for depth, component in enumerate(path):
        if value is MISSING:
            return MISSING
        if value.__class__ is not dict:
            rest = ".".join((key, *path)) if depth == 0 else ".".join(path[depth - 1 :])
            view = None if depth == 0 else _json_dictionary(value)
            if view is None:
                raise InvalidQueryError(f"Key {rest} is invalid.")
            value = view
        value = value.get(component, MISSING)
    return value


def _json_dictionary(value: Value) -> dict[str, Value] | None:
    if value.__class__ in STORED_TYPES or value.__class__ in (datetime, bytes):
        encoded = encode_value(value)
        return encoded if isinstance(encoded, dict) else None
    return None


def any_value(
    element: Test, path: Sequence[str], rules: Dialect, key: str = "", *, field: Test | None = None
) -> Test:
    """Lift a test of one value to a test of everything the path reaches: true when any value passes.

    ``element`` sees each element of an array and, where ``array_matches_whole`` holds, the array as well.
    ``field`` takes its place for a typed value (``STORED_TYPES``) that is the value of the field itself.
    """
    whole = rules.array_matches_whole
    if rules.paths == "dictionaries":
        return _any_at(lambda value: walk_dictionaries(value, path, key) if path else value, element, whole)
    if rules.paths == "properties":
        return _any_at(lambda value: walk_properties(value, path), element, whole)
    if path:
        return lambda value: any(map(element, fan_out(value, path)))
    typed = element if field is None else field

    def test(value: Value | Missing) -> bool:
        kind = value.__class__
        if isinstance(value, list):
            return any(map(element, value)) or (whole and element(value))
        return typed(value) if kind in STORED_TYPES else element(value)

    return test


def _any_at(walk: Callable[[Value | Missing], Value | Missing], element: Test, whole: bool) -> Test:
    def test(value: Value | Missing) -> bool:
        found = walk(value)
        if isinstance(found, list):
            return any(map(element, found)) or (whole and element(found))
        return element(found)

    return test
