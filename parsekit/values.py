"""Parse values as Python values: what a field can hold, when two are equal, how they order.

===========  =================================================
Parse        Python
===========  =================================================
null         ``None``
Boolean      ``bool``
Number       ``int`` or ``float`` (never NaN or an infinity)
String       ``str``
Date         ``datetime`` in UTC with millisecond precision
Pointer      ``Pointer`` (a ``PFObject`` at the public surface)
GeoPoint     ``PFGeoPoint``
Polygon      ``PFPolygon``
Bytes        ``bytes``
File         ``FileReference`` (a ``PFFile`` at the public surface)
Relation     ``RelationReference`` (a ``PFRelation`` at the public surface)
Array        ``list``
Object       ``dict`` with ``str`` keys
===========  =================================================

A key that an object does not have is ``MISSING``, which is not ``None``: Parse tells them apart.

Equality and order here are the server's (MongoDB's): values of different kinds are never equal, ``True``
is not ``1``, and kinds order null < number < string < object < array < bytes < boolean < date. The local
datastore's differing rules live in ``query.dialect``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final, Literal, TypeAlias, final

from parsekit import attrs

__all__ = [
    "EARTH_RADIUS_KM",
    "EARTH_RADIUS_MILES",
    "EPOCH",
    "MISSING",
    "NEW_POINTER",
    "PUT_CLASS",
    "PUT_ID",
    "FileReference",
    "Kind",
    "Missing",
    "PFGeoPoint",
    "PFPolygon",
    "Pointer",
    "RelationReference",
    "Value",
    "date_from_ms",
    "date_to_ms",
    "equal",
    "kind_of",
    "order_key",
    "to_utc",
]

EARTH_RADIUS_KM: Final = 6371.0
EARTH_RADIUS_MILES: Final = 3958.8
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_MS: Final = timedelta(milliseconds=1)


@final
class Missing(Enum):
    """The type of ``MISSING``, the absence of a key."""

    MISSING = "missing"

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING

Value: TypeAlias = Any
"""A Parse value as the table above lists them; ``Any`` because JSON nests without bound."""


@final
@attrs.frozen(slots=True)
class Pointer:
    """A reference to an object by class name and objectId."""

    class_name: str
    object_id: str


NEW_POINTER: Final[Callable[[type[Pointer]], Pointer]] = object.__new__
PUT_CLASS: Final[Callable[[Pointer, str], None]] = vars(Pointer)["class_name"].__set__
PUT_ID: Final[Callable[[Pointer, str], None]] = vars(Pointer)["object_id"].__set__
"""``Pointer(class_name, object_id)`` in three steps without a frame, at a third of its cost."""


@final
@attrs.frozen(slots=True)
class FileReference:
    """A stored file: its name, and the URL that serves it where a server does."""

    name: str
    url: str | None = attrs.field(default=None, eq=False)


@final
@attrs.frozen(slots=True)
class RelationReference:
    """The content of a Relation field as a value: only the class it leads to."""

    class_name: str


def _coordinate(limit: float, name: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"PFGeoPoint {name}: expected a number of degrees, got {type(value).__name__}")
    if math.isnan(value) or not -limit <= value <= limit:
        raise ValueError(f"PFGeoPoint {name}: {value!r} is outside -{limit:g} to {limit:g} degrees")


@final
@attrs.frozen(slots=True)
class PFGeoPoint:
    """A point on Earth in degrees.

    Raises ``ValueError`` outside -90 to 90 latitude and -180 to 180 longitude, as the SDK's setters do.
    """

    latitude: float = 0.0
    longitude: float = 0.0

    def __attrs_post_init__(self) -> None:
        _coordinate(90.0, "latitude", self.latitude)
        _coordinate(180.0, "longitude", self.longitude)

    def distance_in_radians_to(self, other: PFGeoPoint) -> float:
        """The great-circle angle to ``other`` (haversine, as in every Parse SDK)."""
        lat1, lat2 = math.radians(self.latitude), math.radians(other.latitude)
        sin_lat = math.sin((lat1 - lat2) / 2.0)
        sin_lng = math.sin(math.radians(self.longitude - other.longitude) / 2.0)
        a = sin_lat * sin_lat + math.cos(lat1) * math.cos(lat2) * sin_lng * sin_lng
        return 2.0 * math.asin(math.sqrt(min(1.0, a)))

    def distance_in_kilometers_to(self, other: PFGeoPoint) -> float:
        """The great-circle distance to ``other`` in kilometers (Earth's radius 6371 km)."""
        return self.distance_in_radians_to(other) * EARTH_RADIUS_KM

    def distance_in_miles_to(self, other: PFGeoPoint) -> float:
        """The great-circle distance to ``other`` in miles (Earth's radius 3958.8 miles)."""
        return self.distance_in_radians_to(other) * EARTH_RADIUS_MILES


def _polygon_points(points: Iterable[PFGeoPoint | Sequence[float]]) -> tuple[tuple[float, float], ...]:
    pairs: list[tuple[float, float]] = []
    for point in points:
        if isinstance(point, PFGeoPoint):
            pairs.append((point.latitude, point.longitude))
        else:
            latitude, longitude = point
            pairs.append((latitude, longitude))
    return tuple(pairs)


@final
@attrs.frozen(slots=True)
class PFPolygon:
    """A polygon: ``coordinates`` are (latitude, longitude) pairs in degrees, three at least.

    Equal polygons have the same coordinates in the same order.
    """

    coordinates: tuple[tuple[float, float], ...] = attrs.field(converter=_polygon_points)

    @coordinates.validator
    def _three_points(self, _attribute: object, value: tuple[tuple[float, float], ...]) -> None:
        if len(value) < 3:
            raise ValueError(f"PFPolygon: {len(value)} points given, a polygon needs at least 3")

    def contains_point(self, point: PFGeoPoint) -> bool:
        """Whether ``point`` lies inside (even-odd rule, edges half open)."""
        inside = False
        x, y = point.latitude, point.longitude
        previous_x, previous_y = self.coordinates[-1]
        for current_x, current_y in self.coordinates:
            if (current_y > y) != (previous_y > y):
                slope = (previous_x - current_x) / (previous_y - current_y)
                if x < current_x + slope * (y - current_y):
                    inside = not inside
            previous_x, previous_y = current_x, current_y
        return inside


Kind: TypeAlias = Literal[
    "missing", "null", "number", "string", "object", "array", "bytes", "boolean", "date",
    "pointer", "geopoint", "polygon", "file", "relation",
]  # fmt: skip

_KINDS: Final[dict[type, Kind]] = {
    Missing: "missing",
    type(None): "null",
    int: "number",
    float: "number",
    str: "string",
    dict: "object",
    list: "array",
    tuple: "array",
    bytes: "bytes",
    bool: "boolean",
    datetime: "date",
    Pointer: "pointer",
    PFGeoPoint: "geopoint",
    PFPolygon: "polygon",
    FileReference: "file",
    RelationReference: "relation",
}


def kind_of(value: Value) -> Kind:
    """The kind of a value. ``TypeError`` names the type when Parse has no such value."""
    kind = _KINDS.get(type(value))
    if kind is not None:
        return kind
    for known, name in _KINDS.items():  # subclasses (StrEnum, IntEnum, OrderedDict, ...)
        if isinstance(value, known):
            return name
    raise TypeError(
        f"a Parse value cannot be of type {type(value).__name__}; use None, bool, int, float, str, datetime, "
        "bytes, list, dict, PFGeoPoint, PFPolygon, PFFile or PFObject"
    )


def to_utc(value: datetime) -> datetime:
    """``value`` in UTC, cut to whole milliseconds.

    Raises ``ValueError`` for a naive datetime: Parse dates are instants, and guessing a zone loses data.
    """
    if value.tzinfo is None:
        raise ValueError(
            f"date: {value!r} has no time zone; pass an aware datetime, for instance "
            "datetime.now(timezone.utc) or value.replace(tzinfo=timezone.utc)"
        )
    moment = value.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def date_to_ms(value: datetime) -> int:
    """Milliseconds since 1970-01-01 UTC; negative before."""
    return (value - EPOCH) // _ONE_MS


def date_from_ms(milliseconds: int) -> datetime:
    """The UTC datetime of a count of milliseconds since 1970-01-01 UTC."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def equal(a: Value, b: Value) -> bool:
    """Deep equality as MongoDB compares documents.

    Numbers compare by value across int and float, booleans are not numbers, objects compare with the order
    of their keys, arrays element by element. ``None`` equals ``None``; ``MISSING`` equals only ``MISSING``.
    """
    kind = kind_of(a)
    if kind != kind_of(b):
        return False
    if kind == "object":
        return len(a) == len(b) and all(
            ka == kb and equal(va, vb) for (ka, va), (kb, vb) in zip(a.items(), b.items(), strict=True)
        )
    if kind == "array":
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


_RANKS: Final[dict[Kind, int]] = {
    "missing": 0, "null": 0, "number": 1, "string": 2, "pointer": 2, "file": 2, "object": 3, "polygon": 3,
    "relation": 3, "array": 4, "geopoint": 4, "bytes": 5, "boolean": 6, "date": 7,
}  # fmt: skip


def _scalar_order(kind: Kind, value: Value) -> Value:
    if kind == "pointer":
        return f"{value.class_name}${value.object_id}"
    if kind == "file":
        return value.name
    if kind == "bytes":
        return (len(value), value)
    return value


def order_key(value: Value) -> tuple[Any, ...]:
    """A sort key that puts values in MongoDB's order (missing and null tie and come first).

    Strings order by code point, which is the order of their UTF-8 bytes. A pointer orders as the string
    ``Class$objectId`` and a geo point as the pair [longitude, latitude], which is how MongoDB stores them.
    """
    kind = kind_of(value)
    rank = _RANKS[kind]
    if rank == 0:
        return (0,)
    if kind == "object":
        return (rank, tuple((_RANKS[kind_of(v)], k, order_key(v)) for k, v in value.items()))
    if kind == "array":
        return (rank, tuple(order_key(item) for item in value))
    if kind == "geopoint":
        return (rank, (order_key(value.longitude), order_key(value.latitude)))
    if kind == "polygon":
        return (rank, value.coordinates)
    if kind == "relation":
        return (rank, value.class_name)
    return (rank, _scalar_order(kind, value))
