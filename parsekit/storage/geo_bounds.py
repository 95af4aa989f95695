"""The box that holds every point which a geometric condition can match: what an R*Tree can look up."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final, TypeAlias

from parsekit.query.ast import Box, Cap, Near, PolygonArea
from parsekit.values import PFGeoPoint

__all__ = ["Bounds", "bounds_of"]

Bounds: TypeAlias = tuple[float, float, float, float]
"""South, north, west, east in degrees."""

_SLACK_DEGREES: Final = 1e-9
"""Covers the rounding of the trigonometry below; the matcher decides exactly."""


@lru_cache(maxsize=256)
def bounds_of(area: Box | Cap | Near | PolygonArea) -> Bounds:
    """The bounds of an area. A ``Near`` needs a maximal distance."""
    if isinstance(area, Box):
        return _around([area.southwest, area.northeast])
    if isinstance(area, PolygonArea):
        return _around(list(area.points))
    if isinstance(area, Cap):
        return _cap(area.center, area.radius_radians)
    return _cap(area.point, area.max_distance_radians or 0.0)


def _around(points: list[PFGeoPoint]) -> Bounds:
    latitudes = [point.latitude for point in points]
    longitudes = [point.longitude for point in points]
    return min(latitudes), max(latitudes), min(longitudes), max(longitudes)


def _cap(center: PFGeoPoint, radius: float) -> Bounds:
    """The bounds of a spherical cap: all longitudes when it holds a pole or crosses the dateline."""
    reach = math.degrees(radius) + _SLACK_DEGREES
    south, north = center.latitude - reach, center.latitude + reach
    everything = (south, north, -math.inf, math.inf)
    if radius < 0 or south <= -90.0 or north >= 90.0:
        return everything
    sine = math.sin(radius) / math.cos(math.radians(center.latitude))
    if not 0.0 <= sine < 1.0:
        return everything
    width = math.degrees(math.asin(sine)) + _SLACK_DEGREES
    west, east = center.longitude - width, center.longitude + width
    if west < -180.0 or east > 180.0:
        return everything
    return south, north, west, east
