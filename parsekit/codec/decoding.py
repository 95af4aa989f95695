"""JSON -> values.

Typed values are checked where Parse Server checks them: as the value of a field (``This is not a valid
Date``, 111). Nested in an Array or Object it stores what it is given, so that a malformed typed value stays a
dict there. Ranges of coordinates are not checked (recorded s-018: latitude 100 is stored; the iOS decoder
does not check either).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, TypeGuard

from parsekit.codec.dates import parse_date
from parsekit.codec.nesting import DEEPEST, too_deep
from parsekit.codec.text import JSON, dumps
from parsekit.errors import InternalServerError, InvalidJsonError, TypeMismatchError
from parsekit.values import (
    FileReference,
    PFGeoPoint,
    PFPolygon,
    Pointer,
    RelationReference,
    Value,
    date_from_ms,
)

__all__ = ["close_polygon", "decode_value", "read_interior", "unchecked_point"]

# Each reader gives the value of a well-formed typed dict and None of a malformed one.


def _text(source: Mapping[str, JSON], key: str) -> str | None:
    text = source.get(key)
    return text if isinstance(text, str) and text else None


def _is_number(value: JSON) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _read_date(source: dict[str, JSON]) -> datetime | None:
    iso = source.get("iso")
    try:
        if isinstance(iso, str):
            return parse_date(iso)
        # JavaScript's Date takes milliseconds too; 0 is no date, since Parse Server asks for a true value.
        return date_from_ms(int(iso)) if _is_number(iso) and iso else None
    except (InvalidJsonError, OverflowError):
        return None


def _read_pointer(source: dict[str, JSON]) -> Pointer | None:
    # Written out: this runs for every pointer of every array that is read.
    class_name, object_id = source.get("className"), source.get("objectId")
    if isinstance(class_name, str) and isinstance(object_id, str) and class_name and object_id:
        return Pointer(class_name, object_id)
    return None


def unchecked_point(latitude: float, longitude: float) -> PFGeoPoint:
    """A point that was stored: its range is not checked, unlike that of one constructed."""
    point = PFGeoPoint.__new__(PFGeoPoint)
    object.__setattr__(point, "latitude", latitude)
    object.__setattr__(point, "longitude", longitude)
    return point


def _read_geo_point(source: dict[str, JSON]) -> PFGeoPoint | None:
    latitude, longitude = source.get("latitude"), source.get("longitude")
    if not (_is_number(latitude) and _is_number(longitude)):
        return None
    return unchecked_point(latitude, longitude)


def _read_polygon(source: dict[str, JSON]) -> PFPolygon | None:
    pairs = source.get("coordinates")
    if not isinstance(pairs, list) or len(pairs) < 3:
        return None
    for pair in pairs:
        if not (isinstance(pair, list) and len(pair) == 2 and all(map(_is_number, pair))):
            return None
    return PFPolygon(pairs)


def _read_bytes(source: dict[str, JSON]) -> bytes | None:
    import base64
    import binascii

    text = source.get("base64")
    if not isinstance(text, str):
        return None
    # Node's Buffer reads the URL alphabet too, skips what is neither, and does not ask for padding.
    body = re.sub(r"[^A-Za-z0-9+/]", "", text.translate(_URL_ALPHABET).partition("=")[0])
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4))
    except binascii.Error:
        return base64.b64decode(body[:-1])  # a single left-over character holds no whole byte


_URL_ALPHABET: Final = str.maketrans("-_", "+/")


def _read_file(source: dict[str, JSON]) -> FileReference | None:
    name, url = _text(source, "name"), source.get("url")
    if name is None or not (url is None or isinstance(url, str)):
        return None
    return FileReference(name, url)


def _read_relation(source: dict[str, JSON]) -> RelationReference | None:
    class_name = _text(source, "className")
    return None if class_name is None else RelationReference(class_name)


_READERS: Final[dict[str, Callable[[dict[str, JSON]], Value | None]]] = {
    "Date": _read_date,
    "Pointer": _read_pointer,
    "GeoPoint": _read_geo_point,
    "Polygon": _read_polygon,
    "Bytes": _read_bytes,
    "File": _read_file,
    "Relation": _read_relation,
}
# How many keys a typed dict has when it has no others than its own.
_SIZES: Final = {
    "Date": 2, "Pointer": 3, "GeoPoint": 3, "Polygon": 2, "Bytes": 2, "File": 2, "Relation": 2,
}  # fmt: skip


def read_interior(source: dict[str, JSON]) -> Value:
    """A dict inside an Array or Object: the typed value it spells, or itself. Also ``json``'s object hook."""
    kind = source.get("__type")
    if kind is None or not isinstance(kind, str) or kind not in _READERS:
        return source
    # A dict with further keys is the user's data, and reading it as a typed value would lose them.
    if len(source) != _SIZES[kind] and not (kind == "File" and len(source) == 3 and "url" in source):
        return source
    value = _READERS[kind](source)
    return source if value is None else value


def _decode_nested(value: JSON, left: int) -> Value:
    if isinstance(value, dict):
        if left == 0:
            raise too_deep(DEEPEST)
        return read_interior({key: _decode_nested(item, left - 1) for key, item in value.items()})
    if isinstance(value, list):
        if left == 0:
            raise too_deep(DEEPEST)
        return [_decode_nested(item, left - 1) for item in value]
    return value


def decode_value(value: JSON) -> Value:
    """The value of a field in wire JSON. Containers are copied.

    A dict with an unknown ``__type`` (``Object`` among them) stays a dict; whether a field may hold one is
    for the schema to say.

    Raises:
        TypeMismatchError: 111 ``This is not a valid Date`` (Pointer, GeoPoint, ...): a typed value lacks a
            part.
        InternalServerError: 1, nested too deeply, or a polygon has fewer than 3 different corners (MongoDB's own
            text).
    """
    if isinstance(value, dict):
        kind = value.get("__type")
        reader = _READERS.get(kind) if isinstance(kind, str) else None
        if reader is not None:
            return _decode_typed(kind, reader(value), value)
    return _decode_nested(value, DEEPEST)


def _decode_typed(kind: JSON, value: Value | None, source: dict[str, JSON]) -> Value:
    if kind == "Polygon" and source.get("coordinates"):
        # ``_read_polygon`` refuses two points already, with which MongoDB has the same quarrel.
        corners = {tuple(pair) for pair in source["coordinates"] if isinstance(pair, list)}
        if len(corners) < 3:
            raise InternalServerError("GeoJSON: Loop must have at least 3 different vertices")
    if value is None and kind == "Pointer" and _text(source, "className"):
        # MongoTransform writes "Class$undefined" where the id is missing, and does not refuse (recorded
        # s-018).
        object_id = source.get("objectId", "undefined")
        return Pointer(source["className"], object_id if isinstance(object_id, str) else dumps(object_id))
    if value is None:
        raise TypeMismatchError(f"This is not a valid {kind}")
    return value


def close_polygon(polygon: PFPolygon) -> PFPolygon:
    """``polygon`` with its first corner repeated at the end, as Parse Server stores and compares it."""
    corners = polygon.coordinates
    return polygon if corners[0] == corners[-1] else PFPolygon((*corners, corners[0]))
