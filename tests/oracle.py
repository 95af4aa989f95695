"""Slow, obviously right reference models. They import nothing of the code under test but ``values``.

``server_matches`` evaluates a constraint tree as MongoDB's documentation describes it, for the operators that
compare values. It turns every value into a tagged tuple first, so that Python's own equality and order do the
rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from parsekit.values import MISSING, Pointer

_BRACKETS = {"null": 0, "number": 1, "string": 2, "object": 3, "array": 4, "boolean": 5, "date": 6}


def tagged(value: Any) -> tuple[Any, ...]:
    """``(bracket, comparable)``: tuples order as the values do in MongoDB."""
    if value is None:
        return (_BRACKETS["null"],)
    if isinstance(value, bool):
        return (_BRACKETS["boolean"], value)
    if isinstance(value, int | float):
        return (_BRACKETS["number"], value)
    if isinstance(value, str):
        return (_BRACKETS["string"], value.encode())
    if isinstance(value, datetime):
        return (_BRACKETS["date"], value)
    if isinstance(value, Pointer):
        return tagged({"__type": "Pointer", "className": value.class_name, "objectId": value.object_id})
    if isinstance(value, list | tuple):
        return (_BRACKETS["array"], tuple(tagged(item) for item in value))
    if isinstance(value, dict):
        fields = tuple((tagged(item)[0], key.encode(), tagged(item)) for key, item in value.items())
        return (_BRACKETS["object"], fields)
    raise TypeError(type(value))


def reached(value: Any, path: list[str]) -> Iterator[Any]:
    """Every value at the end of a path, arrays at the end not spread."""
    if not path:
        yield value
    elif isinstance(value, dict):
        yield from reached(value.get(path[0], MISSING), path[1:])
    elif isinstance(value, list):
        for position, element in enumerate(value):
            if isinstance(element, dict):
                yield from reached(element, path)
            if path[0] == str(position) and (len(path) == 1 or isinstance(element, dict | list)):
                if len(path) == 1:
                    yield ("exactly", element)
                else:
                    yield from reached(element, path[1:])
    else:
        yield MISSING


def candidates(candidate: Mapping[str, Any], key: str) -> Iterator[Any]:
    """What a comparison looks at: the values a key reaches, and the elements of those that are arrays."""
    first, *rest = key.split(".")
    for value in reached(candidate.get(first, MISSING), rest):
        if isinstance(value, tuple) and value[:1] == ("exactly",):
            yield value[1]
            continue
        if isinstance(value, list):
            yield from value
        yield value


def _equal(value: Any, argument: Any) -> bool:
    return tagged(None if value is MISSING else value) == tagged(argument)


def _ordered(op: str, value: Any, argument: Any) -> bool:
    left, right = tagged(None if value is MISSING else value), tagged(argument)
    if left[0] != right[0]:
        return False
    return {"$lt": left < right, "$lte": left <= right, "$gt": left > right, "$gte": left >= right}[op]


def server_leaf(candidate: Mapping[str, Any], key: str, op: str, argument: Any) -> bool:
    """One constraint of the operators below, under SERVER."""
    values = list(candidates(candidate, key))
    match op:
        case "$eq":
            return any(_equal(value, argument) for value in values)
        case "$ne":
            return not any(_equal(value, argument) for value in values)
        case "$in":
            return any(_equal(value, member) for value in values for member in _flat(argument))
        case "$nin":
            return not any(_equal(value, member) for value in values for member in _flat(argument))
        case "$all":
            return bool(argument) and all(any(_equal(v, member) for v in values) for member in argument)
        case "$exists":
            return any(value is not MISSING for value in values) is argument
    return any(_ordered(op, value, argument) for value in values)


def _flat(members: Any) -> Iterator[Any]:
    for member in members:
        if isinstance(member, list):
            yield from member
        else:
            yield member
