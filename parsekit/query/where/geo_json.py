"""The geo constraints' JSON: ``$nearSphere``, ``$within``, ``$geoWithin``, ``$geoIntersects``, both ways.

Distances become radians here (``Near``, ``Cap``), with the Mongo adapter's constants: 6371 km and 3959 miles.
What the constraints mean is said in ``query.geo``. Shapes are refused with Parse Server's texts
(MongoTransform); where Parse Server leaves the refusal to the database, the text is parsekit's own.
"""

from __future__ import annotations

from typing import Any, Final

from parsekit.codec import JSON, encode_value
from parsekit.errors import InternalServerError, InvalidJsonError
from parsekit.query.ast import Box, Cap, Near, PolygonArea
from parsekit.values import PFGeoPoint

__all__ = [
    "DISTANCE_OPERATORS",
    "decode_area",
    "decode_box",
    "decode_intersection",
    "decode_near",
    "encode_area",
    "encode_box",
    "encode_near",
]

_KILOMETERS_PER_RADIAN: Final = 6371
_MILES_PER_RADIAN: Final = 3959

DISTANCE_OPERATORS: Final = {
    "$maxDistanceInRadians": 1,
    "$maxDistanceInMiles": _MILES_PER_RADIAN,
    "$maxDistanceInKilometers": _KILOMETERS_PER_RADIAN,
    "$maxDistance": 1,
}
"""The operators that bound ``$nearSphere`` -> how many of their units a radian has. The last one wins."""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _point(latitude: Any, longitude: Any, complaint: str) -> PFGeoPoint:
    if not (_is_number(latitude) and _is_number(longitude)):
        raise InvalidJsonError(complaint)
    try:
        return PFGeoPoint(latitude, longitude)
    except ValueError as error:
        # Parse Server answers 1 here, be it from GeoPoint._validate or from MongoDB.
        raise InternalServerError("An internal server error occurred", hint=str(error)) from None


def _loose_point(value: JSON, complaint: str) -> PFGeoPoint:
    """A point by its two numbers; ``__type`` is not asked for (MongoTransform)."""
    if not isinstance(value, dict):
        raise InvalidJsonError(complaint)
    return _point(value.get("latitude"), value.get("longitude"), complaint)


def _typed_point(value: JSON, complaint: str) -> PFGeoPoint:
    if not isinstance(value, dict) or value.get("__type") != "GeoPoint":
        raise InvalidJsonError(complaint)
    return _point(value.get("latitude"), value.get("longitude"), complaint)


def _pair_or_point(value: JSON, complaint: str) -> PFGeoPoint:
    """A typed point, or a pair, which MongoTransform reads longitude first, those of a Polygon too."""
    if isinstance(value, list) and len(value) == 2:
        return _point(value[1], value[0], complaint)
    return _typed_point(value, complaint)


def decode_near(point: JSON, constraint: dict[str, JSON]) -> Near:
    """``$nearSphere`` with the distance operators beside it.

    Raises:
        InvalidJsonError: 107, no point, or a distance that is not a number of at least 0.
    """
    place = _loose_point(point, "bad $nearSphere value; it should be GeoPoint")
    bound: float | None = None
    for op, units in DISTANCE_OPERATORS.items():
        if op in constraint:
            distance = constraint[op]
            if not _is_number(distance) or distance < 0:
                raise InvalidJsonError(f"bad {op} value; it should be a number of at least 0")
            bound = distance / units
    return Near(place, bound)


def encode_near(near: Near) -> dict[str, JSON]:
    """The operators of a nearness: ``$nearSphere`` and, when bounded, ``$maxDistance`` in radians."""
    answer: dict[str, JSON] = {"$nearSphere": encode_value(near.point)}
    if near.max_distance_radians is not None:
        answer["$maxDistance"] = near.max_distance_radians
    return answer


def decode_box(value: JSON) -> Box:
    """The argument of ``$within``.

    Raises:
        InvalidJsonError: 107 ``malformatted $within arg``.
    """
    complaint = "malformatted $within arg"
    corners = value.get("$box") if isinstance(value, dict) else None
    if not isinstance(corners, list) or len(corners) != 2:
        raise InvalidJsonError(complaint)
    return Box(_loose_point(corners[0], complaint), _loose_point(corners[1], complaint))


def encode_box(box: Box) -> JSON:
    """The argument of ``$within``."""
    return {"$box": [encode_value(box.southwest), encode_value(box.northeast)]}


def decode_area(value: JSON) -> PolygonArea | Cap | None:
    """The argument of ``$geoWithin``; ``None`` when it names no shape, which is let pass (recorded q-5288).

    Raises:
        InvalidJsonError: 107 ``bad $geoWithin value...``.
    """
    if not isinstance(value, dict):
        raise InvalidJsonError("bad $geoWithin value")
    if "$polygon" in value:
        return PolygonArea(_ring(value["$polygon"]))
    return _cap(value["$centerSphere"]) if "$centerSphere" in value else None


def _ring(polygon: JSON) -> tuple[PFGeoPoint, ...]:
    complaint = "bad $geoWithin value"
    if isinstance(polygon, dict) and polygon.get("__type") == "Polygon":
        points = polygon.get("coordinates")
        if not isinstance(points, list) or len(points) < 3:
            raise InvalidJsonError(
                f"{complaint}; Polygon.coordinates should contain at least 3 lon/lat pairs"
            )
    elif isinstance(polygon, list):
        points = polygon
        if len(points) < 3:
            raise InvalidJsonError(f"{complaint}; $polygon should contain at least 3 GeoPoints")
    else:
        raise InvalidJsonError(f"{complaint}; $polygon should be Polygon object or Array of Parse.GeoPoint's")
    return tuple(_pair_or_point(point, complaint) for point in points)


def _cap(value: JSON) -> Cap:
    complaint = "bad $geoWithin value; $centerSphere"
    if not isinstance(value, list) or len(value) < 2:
        raise InvalidJsonError(f"{complaint} should be an array of Parse.GeoPoint and distance")
    center = _pair_or_point(value[0], f"{complaint} geo point invalid")
    if not _is_number(value[1]) or value[1] < 0:
        raise InvalidJsonError(f"{complaint} distance invalid")
    return Cap(center, value[1])


def encode_area(area: PolygonArea | Cap) -> JSON:
    """The argument of ``$geoWithin``."""
    if isinstance(area, PolygonArea):
        return {"$polygon": [encode_value(point) for point in area.points]}
    return {"$centerSphere": [encode_value(area.center), area.radius_radians]}


def decode_intersection(value: JSON) -> PFGeoPoint:
    """The argument of ``$geoIntersects``.

    Raises:
        InvalidJsonError: 107 ``bad $geoIntersect value; $point should be GeoPoint``.
    """
    point = value.get("$point") if isinstance(value, dict) else None
    return _typed_point(point, "bad $geoIntersect value; $point should be GeoPoint")
