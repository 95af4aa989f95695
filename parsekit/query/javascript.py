"""How JavaScript compares values and writes them as text, which Parse's live query matcher relies on.

A value stands for its JSON form with dates decoded, as QueryTools.js has it: pointers, points and files are plain
objects there, whose text is ``[object Object]``. Incomparable values (``undefined``, texts that are no numbers
against numbers) make every comparison false.

Not said here: which operators compare so (``comparison``), nor when (the rules of ``dialect``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from parsekit.codec import encode_value
from parsekit.errors import InvalidQueryError
from parsekit.query.collation import plain
from parsekit.query.keys import js_number, js_text
from parsekit.values import MISSING, Missing, Pointer, Value

__all__ = ["fails_range", "identity_test", "text_of", "walk_properties"]

_OBJECT: Final = "[object Object]"
_OPPOSITE: Final = {"$lt": ">=", "$lte": ">", "$gt": "<=", "$gte": "<"}
_SCALARS: Final = frozenset({str, int, float, bool})


def text_of(value: Value | Missing) -> str:
    """``String(value)``."""
    if value is MISSING:
        return "undefined"
    if value is None:
        return "null"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%a %b %d %Y %H:%M:%S} GMT+0000 (Coordinated Universal Time)"
    if isinstance(value, list | tuple):
        return ",".join("" if item is None else text_of(item) for item in value)
    return js_text(value) if type(value) in _SCALARS else _OBJECT


def _primitive(value: Value | Missing) -> str | float:
    """``ToPrimitive`` with the hint number, numbers as floats, ``undefined`` as NaN."""
    if value is MISSING:
        return math.nan
    if value is None:
        return 0.0
    if isinstance(value, datetime):
        return value.timestamp() * 1000
    if isinstance(value, bool | int | float):
        return float(value)
    return text_of(value)


def fails_range(op: str, argument: Value) -> Callable[[Value | Missing], bool]:
    """Whether a range operator rejects a value: when the opposite comparison holds."""
    bound = _primitive(argument)
    opposite = _OPPOSITE[op]

    def fails(value: Value | Missing) -> bool:
        left, right = _primitive(value), bound
        if isinstance(left, str) and isinstance(right, str):
            units = left.encode("utf-16-be", "surrogatepass"), right.encode("utf-16-be", "surrogatepass")
            return _holds(opposite, *units)
        return _holds(opposite, js_number(left), js_number(right))

    return fails


def _holds(relation: str, left: bytes | float, right: bytes | float) -> bool:
    if relation == ">=":
        return left >= right  # type: ignore[operator]
    if relation == ">":
        return left > right  # type: ignore[operator]
    return left <= right if relation == "<=" else left < right  # type: ignore[operator]


def identity_test(members: Sequence[Value]) -> Callable[[Value | Missing], bool]:
    """Whether a value is one of ``members`` to ``indexOf``; pointers are compared by class and objectId.

    A text among the members is a pointer's objectId (QueryTools.contains).

    Raises (on testing): ``InvalidQueryError`` for a pointer against null, on which QueryTools.contains throws.
    """
    plain_members = [plain(member) for member in members]
    scalars = {(type(item) is bool, item) for item in plain_members if type(item) in _SCALARS or item is None}
    pointers = {item for item in plain_members if isinstance(item, Pointer)}
    has_null = None in members
    texts = {item for item in plain_members if isinstance(item, str)}

    def test(value: Value | Missing) -> bool:
        if isinstance(value, Pointer):
            if value in pointers or value.object_id in texts:
                return True
            if has_null:
                raise InvalidQueryError("null among the members has no className")
            return False
        if type(value) in _SCALARS or value is None:
            return (type(value) is bool, value) in scalars
        return False

    return test


def walk_properties(value: Value | Missing, path: Sequence[str]) -> Value | Missing:
    """The value at the end of ``path``, ``MISSING`` where a property is absent."""
    for component in path:
        if isinstance(value, list):
            index = int(component) if component.isascii() and component.isdigit() else len(value)
            value = value[index] if index < len(value) else MISSING
            continue
        view = value if isinstance(value, dict) or value is MISSING or value is None else encode_value(value)
        value = view.get(component, MISSING) if isinstance(view, dict) else MISSING
    return value
