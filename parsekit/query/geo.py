"""Places: ``$nearSphere``, ``$within``, ``$geoWithin`` and ``$geoIntersects``.

Nearness and caps are great-circle angles in radians (haversine). Boxes and polygons are flat: latitude and
longitude as plane coordinates, a point on the edge of a box inside, a polygon by the even-odd rule with
points on its edge inside.

Under ``typed_fields_as_stored`` only a point that is the value of a field is a place; one nested in an Array
or Object is three keys to MongoDB and never found.

Not said here: the sort by distance (``ordering``), spatial indexes (``storage``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from parsekit.errors import InvalidQueryError
from parsekit.query.ast import Box, Cap, Near, PolygonArea
from parsekit.query.dialect import Dialect
from parsekit.query.javascript import walk_properties
from parsekit.query.paths import Test, walk_dictionaries
from parsekit.values import MISSING, Missing, PFGeoPoint, PFPolygon, Value

__all__ = [
    "box_refusal",
    "box_test",
    "cap_test",
    "in_ring",
    "near_test",
    "polygon_contains_test",
    "polygon_test",
]

_ORIGIN: Final = PFGeoPoint(0.0, 0.0)


def _place_test(inside: Callable[[PFGeoPoint], bool], path: Sequence[str], rules: Dialect, key: str) -> Test:
    """Lift a test of a point: other values do not match, or fail with 102 under ``mismatch_raises``.

    Null and missing are left to ``inside``'s caller: they reach it only as points.
    """
    if rules.paths == "properties":
        return lambda value: (found := walk_properties(value, path)).__class__ is PFGeoPoint and inside(found)
    if not rules.mismatch_raises:
        return lambda value: not path and value.__class__ is PFGeoPoint and inside(value)

    def strict(value: Value | Missing) -> bool:
        found = walk_dictionaries(value, path, key) if path else value
        if found.__class__ is PFGeoPoint:
            return inside(found)
        raise InvalidQueryError(f"geo query: a {type(found).__name__} is no GeoPoint")

    return strict


def near_test(near: Near, rules: Dialect, path: Sequence[str], key: str) -> Test:
    """``$nearSphere``: within the distance where one is given (inclusive), else any point.

    Without ``near_tests_type`` and without a distance any value but null passes (ios_sdk 3.3).
    """
    limit = near.max_distance_radians
    center = near.point

    def inside(point: PFGeoPoint) -> bool:
        return limit is None or center.distance_in_radians_to(point) <= limit

    if rules.near_tests_type:
        return _place_test(inside, path, rules, key)
    strict = _place_test(inside, path, rules, key)

    def test(value: Value | Missing) -> bool:
        found = walk_dictionaries(value, path, key) if path else value
        if found is None or found is MISSING:
            return False
        return limit is None or strict(value)

    return test


def box_refusal(box: Box) -> InvalidQueryError | None:
    """Why ``box_rule`` ``checked`` refuses a box, ``None`` for one that it takes."""
    southwest, northeast = box.southwest, box.northeast
    if northeast.longitude < southwest.longitude:
        return InvalidQueryError("whereWithinGeoBox queries cannot cross the International Date Line.")
    if northeast.latitude < southwest.latitude:
        return InvalidQueryError("The southwest corner of a geo box must be south of the northeast corner.")
    if northeast.longitude - southwest.longitude > 180:
        # The SDK joins two literals without a space (ios_sdk 3.3).
        return InvalidQueryError(
            "Geo box queries larger than 180 degrees in longitude are not supported.Please check point order."
        )
    return None


def box_test(box: Box, rules: Dialect, path: Sequence[str], key: str) -> Test:
    """``$within`` a box; whether its edges and swapped corners count is ``box_rule``'s to say."""
    if rules.box_rule == "open":
        a, b = box.southwest, box.northeast
        return _place_test(
            lambda p: a.latitude < p.latitude < b.latitude and a.longitude < p.longitude < b.longitude,
            path, rules, key,
        )  # fmt: skip
    south, north = sorted((box.southwest.latitude, box.northeast.latitude))
    west, east = sorted((box.southwest.longitude, box.northeast.longitude))

    def inside(point: PFGeoPoint) -> bool:
        return south <= point.latitude <= north and west <= point.longitude <= east

    test = _place_test(inside, path, rules, key)
    if rules.box_rule == "planar":
        return test

    def checked(value: Value | Missing) -> bool:
        found = walk_dictionaries(value, path, key) if path else value
        refusal = box_refusal(box)  # when an object is tested, as the SDK does
        if refusal is not None:
            raise refusal
        if found is MISSING and rules.missing_is_origin:
            return inside(_ORIGIN)
        return test(value)

    return checked


def in_ring(point: PFGeoPoint, ring: Sequence[tuple[float, float]]) -> bool:
    """Whether ``point`` lies in the ring of (latitude, longitude) pairs, by even-odd, or on it."""
    y, x = point.latitude, point.longitude
    inside = False
    y1, x1 = ring[-1]
    for y2, x2 in ring:
        cross = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
        if cross == 0 and min(x1, x2) <= x <= max(x1, x2) and min(y1, y2) <= y <= max(y1, y2):
            return True
        if (y2 > y) != (y1 > y) and x < (x1 - x2) * (y - y2) / (y1 - y2) + x2:
            inside = not inside
        y1, x1 = y2, x2
    return inside


def polygon_test(area: PolygonArea, rules: Dialect, path: Sequence[str], key: str) -> Test:
    """``$geoWithin`` a ring of points."""
    ring = [(point.latitude, point.longitude) for point in area.points]
    return _place_test(lambda point: in_ring(point, ring), path, rules, key)


def cap_test(cap: Cap, rules: Dialect, path: Sequence[str], key: str) -> Test:
    """``$geoWithin`` a ``$centerSphere``: within the radius, inclusive."""
    center, radius = cap.center, cap.radius_radians
    return _place_test(lambda point: center.distance_in_radians_to(point) <= radius, path, rules, key)


def polygon_contains_test(point: PFGeoPoint, path: Sequence[str]) -> Test:
    """``$geoIntersects`` of a point: the stored polygon contains it."""

    def test(value: Value | Missing) -> bool:
        return not path and value.__class__ is PFPolygon and in_ring(point, value.coordinates)

    return test
