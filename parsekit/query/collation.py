"""How two stored values compare: equality, order, and the bytes that stand for a value's place in the order.

MongoDB's order is a total order over all values; ``collation_bytes`` writes a value's place in it as bytes
that compare like the values (``memcmp``), so that SQLite can sort by them. Kinds order null < number < string
< object < array < bytes < boolean < date. The first byte is the kind; MongoDB's range operators compare
within one kind only, which here means: with the same first byte.

Numbers are exact across ``int`` and ``float``: eight bytes of the nearest double, then what the double lost.

The local datastore compares as Foundation does: ``isEqual:`` is Python's ``==`` on these values (``True ==
1`` included), ``compare:`` orders strings by canonical decomposition and UTF-16 units.

Not said here: arrays tested element by element (``comparison``), the sort of a result (``ordering``).
"""

from __future__ import annotations

import operator
import struct
import unicodedata
from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeAlias

from parsekit.query.dialect import Dialect
from parsekit.values import (
    MISSING,
    FileReference,
    Missing,
    PFGeoPoint,
    PFPolygon,
    Pointer,
    RelationReference,
    Value,
    date_to_ms,
)

__all__ = [
    "EMPTY_ARRAY",
    "NUMBERS",
    "Equality",
    "canonical_utf16",
    "collation_bytes",
    "dictionary_view",
    "equality",
    "plain",
    "same",
]

Equality: TypeAlias = Callable[[Value, Value], bool]

NUMBERS: Final = frozenset({int, float})

EMPTY_ARRAY: Final = b"\x03"
"""The place of an empty array in a sort: before null (recorded order-odd)."""

_NULL: Final = b"\x05"
_NUMBER: Final = b"\x10"
_STRING: Final = b"\x20"
_OBJECT: Final = b"\x30"
_ARRAY: Final = b"\x40"
_BYTES: Final = b"\x50"
_BOOLEAN: Final = b"\x60"
_DATE: Final = b"\x70"
_END: Final = b"\x00"

_SIGN: Final = 1 << 63
_ALL_BITS: Final = (1 << 64) - 1
_EXACT_INT: Final = 1 << 53
_SCALARS: Final = frozenset({str, int, float, bool, datetime, bytes, Pointer, FileReference, PFGeoPoint})
_EXACT: Final = _SCALARS | {PFPolygon, RelationReference}


def plain(value: Value) -> Value:
    """An argument as the exact type that stored values have (a ``StrEnum`` member becomes its text)."""
    if value is None or value.__class__ in _EXACT:
        return value
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def _ring(polygon: PFPolygon) -> tuple[tuple[float, float], ...]:
    points = polygon.coordinates
    return points if points[0] == points[-1] else (*points, points[0])


def same(a: Value, b: Value) -> bool:
    """Equality as MongoDB has it: no kind equals another, keys of objects in order, polygons closed."""
    kind, other = a.__class__, b.__class__
    if kind is not other:
        return kind in NUMBERS and other in NUMBERS and bool(a == b)
    if kind in _SCALARS:
        return bool(a == b)
    if kind is list:
        return len(a) == len(b) and all(map(same, a, b))
    if kind is dict:
        return len(a) == len(b) and all(
            key == other_key and same(value, other_value)
            for (key, value), (other_key, other_value) in zip(a.items(), b.items(), strict=True)
        )
    if kind is PFPolygon:
        return _ring(a) == _ring(b)
    return bool(a == b)


def equality(rules: Dialect) -> Equality:
    """The test for "these two present values are equal" under ``rules``."""
    if rules.bool_is_number and not rules.key_order_matters:
        return operator.eq
    return same if rules.key_order_matters else _same_keys


def _same_keys(a: Value, b: Value) -> bool:
    """As ``same``, whatever the order of an object's keys."""
    if a.__class__ is dict and b.__class__ is dict:
        return a.keys() == b.keys() and all(_same_keys(value, b[key]) for key, value in a.items())
    if a.__class__ is list and b.__class__ is list:
        return len(a) == len(b) and all(map(_same_keys, a, b))
    return same(a, b)


def canonical_utf16(text: str) -> bytes:
    """The place of a string under Foundation's ``compare:`` (canonically equivalent strings share it)."""
    if not text.isascii():
        text = unicodedata.normalize("NFD", text)
    return text.encode("utf-16-be", "surrogatepass")


def _number_bytes(value: float) -> bytes:
    nearest = float(value) or 0.0  # -0.0 and 0 share a place
    (bits,) = struct.unpack(">Q", struct.pack(">d", nearest))
    bits = bits ^ _ALL_BITS if bits & _SIGN else bits | _SIGN
    lost = 0
    if isinstance(value, int) and not -_EXACT_INT <= value <= _EXACT_INT:
        lost = value - int(nearest)
    return struct.pack(">QH", bits, lost + 0x8000)


def _text_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass").replace(b"\x00", b"\x00\xff") + b"\x00\x00"


def dictionary_view(value: Value) -> dict[str, Value] | None:
    """The object that MongoDB holds for a value inside an Array or Object; ``None`` when it is none."""
    match value:
        case dict():
            return value
        case Pointer():
            return {"__type": "Pointer", "className": value.class_name, "objectId": value.object_id}
        case PFGeoPoint():
            return {"__type": "GeoPoint", "latitude": value.latitude, "longitude": value.longitude}
        case FileReference():
            view: dict[str, Value] = {"__type": "File", "name": value.name}
            return view if value.url is None else {**view, "url": value.url}
        case PFPolygon():
            return {"__type": "Polygon", "coordinates": [list(pair) for pair in value.coordinates]}
        case RelationReference():
            return {"__type": "Relation", "className": value.class_name}
    return None


def _object_bytes(value: dict[str, Value]) -> bytes:
    parts = [_OBJECT]
    for key, item in value.items():
        inner = collation_bytes(item)
        parts += (inner[:1], _text_bytes(key), inner[1:])
    parts.append(_END)
    return b"".join(parts)


def _scalar_bytes(value: Value) -> bytes | None:
    if isinstance(value, bool):
        return _BOOLEAN + (b"\x01" if value else b"\x00")
    if isinstance(value, int | float):
        return _NUMBER + _number_bytes(value)
    if isinstance(value, str):
        return _STRING + _text_bytes(value)
    if isinstance(value, datetime):
        return _DATE + struct.pack(">Q", date_to_ms(value) + _SIGN)
    if isinstance(value, bytes):
        return _BYTES + struct.pack(">Q", len(value)) + value
    return None


def collation_bytes(value: Value | Missing) -> bytes:
    """The place of a value in MongoDB's order, as bytes that compare like the values.

    Typed values are taken as MongoDB holds them inside an Array or Object: a pointer is an object there. For
    the value of a field itself see ``paths.stored_form``.
    """
    if value is None or value is MISSING:
        return _NULL
    scalar = _scalar_bytes(value)
    if scalar is not None:
        return scalar
    if isinstance(value, list | tuple):
        return b"".join((_ARRAY, *map(collation_bytes, value), _END))
    view = dictionary_view(value)
    if view is None:
        raise TypeError(f"collation: a Parse value cannot be of type {type(value).__name__}")
    return _object_bytes(view)
