"""Values -> JSON as REST, live queries and exports carry it.

A float that is a whole number is written without its fraction, as JavaScript writes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from parsekit.codec.dates import format_date
from parsekit.codec.text import JSON, MAX_INT, MIN_INT
from parsekit.errors import InvalidJsonError
from parsekit.values import FileReference, PFGeoPoint, PFPolygon, Pointer, RelationReference, Value

__all__ = ["encode_value", "text_key", "typed_json"]


def _wire_int(value: int) -> int | float:
    return value if MIN_INT <= value <= MAX_INT else _checked_float(value)


def _checked_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise InvalidJsonError("number: an integer is beyond the range of a double") from None


def _wire_float(value: float) -> int | float:
    if not math.isfinite(value):
        raise InvalidJsonError("number: NaN and infinities are not Parse numbers")
    # JavaScript writes whole numbers below 1e21 without a fraction; -0 is written 0.
    return int(value) if value.is_integer() and abs(value) < 1e21 else value


def _typed_date(value: datetime) -> JSON:
    return {"__type": "Date", "iso": format_date(value)}


def _typed_pointer(value: Pointer) -> JSON:
    return {"__type": "Pointer", "className": value.class_name, "objectId": value.object_id}


def _typed_geo_point(value: PFGeoPoint) -> JSON:
    return {"__type": "GeoPoint", "latitude": value.latitude, "longitude": value.longitude}


def _typed_polygon(value: PFPolygon) -> JSON:
    return {"__type": "Polygon", "coordinates": [list(pair) for pair in value.coordinates]}


def _typed_bytes(value: bytes) -> JSON:
    import base64

    return {"__type": "Bytes", "base64": base64.b64encode(value).decode("ascii")}


def _typed_file(value: FileReference) -> JSON:
    plain = {"__type": "File", "name": value.name}
    return plain if value.url is None else {**plain, "url": value.url}


def _typed_relation(value: RelationReference) -> JSON:
    return {"__type": "Relation", "className": value.class_name}


_TYPED: Final[dict[type, Callable[[Any], JSON]]] = {
    datetime: _typed_date,
    Pointer: _typed_pointer,
    PFGeoPoint: _typed_geo_point,
    PFPolygon: _typed_polygon,
    bytes: _typed_bytes,
    FileReference: _typed_file,
    RelationReference: _typed_relation,
}


def typed_json(value: Value) -> JSON:
    """The typed JSON of a value that JSON itself cannot write. Also ``json``'s ``default``."""
    writer = _TYPED.get(type(value))
    if writer is not None:
        return writer(value)
    for kind in type(value).__mro__[1:]:
        if (writer := _TYPED.get(kind)) is not None:
            return writer(value)
    if (pointer := getattr(value, "__parse_pointer__", None)) is not None:
        return _typed_pointer(pointer())
    if (stand_in := getattr(value, "__parse_value__", None)) is not None:
        return encode_value(stand_in())
    raise TypeError(
        f"a Parse value cannot be of type {type(value).__name__}; use None, bool, int, float, str, datetime, "
        "bytes, list, dict, PFGeoPoint, PFPolygon, PFFile or PFObject"
    )


def encode_value(value: Value) -> JSON:
    """The wire JSON of a value; containers are copied.

    An object with a method ``__parse_pointer__() -> Pointer`` is written as that pointer (``PFObject``), one
    with a method ``__parse_value__() -> Value`` as that value (``PFFile``, ``PFRelation``, ``PFACL``).

    Raises:
        InvalidJsonError: 107, a NaN, an infinity or an integer beyond a double's range.
        ValueError: a datetime without a time zone.
        TypeError: Parse has no such value, or a dict's key is not a string.
    """
    if value is None or isinstance(value, str | bool):
        return value
    if type(value) is Pointer:  # the most frequent by far of what JSON itself has no word for
        return _typed_pointer(value)
    if isinstance(value, int):
        return _wire_int(value)
    if isinstance(value, float):
        return _wire_float(value)
    if isinstance(value, list | tuple):
        return [encode_value(item) for item in value]
    if isinstance(value, dict):
        return {text_key(key): encode_value(item) for key, item in value.items()}
    typed = typed_json(value)
    if typed.get("__type") in ("GeoPoint", "Polygon"):
        return {key: encode_value(part) for key, part in typed.items()}
    return typed


def text_key(key: object) -> str:
    """``key`` if it can be the key of a Parse object. Raises ``TypeError`` if not."""
    if isinstance(key, str):
        return key
    raise TypeError(f"the keys of a Parse object are strings, not {type(key).__name__}")
