"""attrs objects as plain JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

import attrs

from parsekit.codec.plain import to_plain
from parsekit.values import MISSING, Missing, PFGeoPoint, Pointer


class Color(StrEnum):
    RED = "red"


@attrs.frozen
class Inner:
    seen_at: datetime
    where: PFGeoPoint


@attrs.frozen
class Outer:
    class_name: str
    parts: tuple[Inner, ...]
    owner: Pointer
    color: Color
    left: int | Missing = MISSING
    secret: str = attrs.field(default="hidden", metadata={"plain": False})


def test_attrs_objects_become_json() -> None:
    inner = Inner(datetime(2024, 1, 2, 3, 4, 5, 6000, tzinfo=UTC), PFGeoPoint(1.5, 2.0))
    assert to_plain(Outer("Deal", (inner,), Pointer("_User", "u1"), Color.RED)) == {
        "className": "Deal",
        "parts": [
            {
                "seenAt": "2024-01-02T03:04:05.006Z",
                "where": {"__type": "GeoPoint", "latitude": 1.5, "longitude": 2},
            }
        ],
        "owner": {"__type": "Pointer", "className": "_User", "objectId": "u1"},
        "color": "red",
        "left": None,
    }
