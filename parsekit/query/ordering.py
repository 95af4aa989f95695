"""The order of results.

Law L2: an ordered result is total and stable. Ties fall in insertion order, under SERVER in the direction of
the first order key, so that one index ending in the row number serves the order forwards and backwards; under
IOS_LOCAL always in insertion order.

SERVER sorts by MongoDB's order over all values (``collation``); of an array the smallest element counts in
ascending order and the largest in descending order, an empty array comes before null, and null ties with
missing. ``order_bytes`` gives a value's place as bytes, for SQLite to sort by.

IOS_LOCAL refuses what has no ``compare:``; on iOS the same sort ends the process.

Without an order, a top-level ``$nearSphere`` sorts by distance (under IOS_LOCAL before any order).

Not said here: skip and limit (``evaluate``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cmp_to_key
from typing import Any, Final, TypeAlias, TypeVar, cast

from parsekit.errors import InvalidQueryError
from parsekit.query.ast import ALWAYS, And, Constraint, Near, Node, TextSearch
from parsekit.query.collation import EMPTY_ARRAY, canonical_utf16, collation_bytes, dictionary_view
from parsekit.query.dialect import Dialect
from parsekit.query.paths import real_key, stored_form
from parsekit.query.state import OrderKey
from parsekit.query.text import text_score
from parsekit.values import MISSING, Missing, PFGeoPoint, Value

__all__ = [
    "DistanceKey",
    "distance_key",
    "is_simple_order_key",
    "near_constraint",
    "order_bytes",
    "sort_objects",
]

Row = TypeVar("Row", bound=Mapping[str, Value])
DistanceKey: TypeAlias = Callable[[Mapping[str, Value]], float]

_SIMPLE_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_ORIGIN: Final = PFGeoPoint(0.0, 0.0)
_FARTHEST: Final = float("inf")


def near_constraint(node: Node) -> tuple[str, Near] | None:
    """The key and argument of the ``$nearSphere`` that sorts a query: one that every result must meet."""
    if isinstance(node, Constraint) and node.op == "$nearSphere":
        return node.key, node.argument
    if isinstance(node, And):
        # With two of them the last one sorts (ios_sdk 3.4).
        return next((found for child in reversed(node.children) if (found := near_constraint(child))), None)
    return None


def distance_key(node: Node) -> DistanceKey | None:
    """What to sort by, ascending, when a query has no order; ``None`` when it is no nearness query.

    A missing point counts as (0, 0), which is what messages to nil give on iOS; a nearness query does not
    return any.
    """
    found = near_constraint(node)
    if found is None:
        return None
    key, near = found
    center = near.point

    def distance(candidate: Mapping[str, Value]) -> float:
        point = candidate.get(key, _ORIGIN)
        return center.distance_in_radians_to(point) if isinstance(point, PFGeoPoint) else _FARTHEST

    return distance


def _order_values(value: Value | Missing, path: Sequence[str], at: int, out: list[Value | Missing]) -> None:
    """The values that a dotted order key reaches; what cannot be walked further counts as missing."""
    if at == len(path):
        out.append(value)
        return
    if isinstance(value, list):
        component = path[at]
        if component.isascii() and component.isdigit():
            index = int(component)
            _order_values(value[index] if index < len(value) else MISSING, path, at + 1, out)
            return
        for element in value:
            _order_values(MISSING if isinstance(element, list) else element, path, at, out)
        if not value:
            out.append(MISSING)
        return
    view = dictionary_view(value)
    if view is None:
        out.append(MISSING)
    else:
        _order_values(view.get(path[at], MISSING), path, at + 1, out)


def _places(value: Value | Missing) -> list[bytes]:
    if isinstance(value, list):
        return [collation_bytes(element) for element in value] or [EMPTY_ARRAY]
    return [collation_bytes(value)]


def order_bytes(value: Value | Missing, *, descending: bool, path: Sequence[str] = ()) -> bytes:
    """The place of a field's value in MongoDB's order, as bytes that compare like the values.

    ``value`` is what is stored under the first component of the order key, ``path`` the rest of a dotted one.
    ``descending`` chooses an array's largest element instead of its smallest; it does not reverse the bytes.
    """
    stored = stored_form(value)
    if not path:
        places = _places(stored)
    else:
        reached: list[Value | Missing] = []
        _order_values(stored, path, 0, reached)
        places = [place for found in reached for place in _places(found)]
    return max(places) if descending else min(places)


def _native_key(key: str, rows: Sequence[Mapping[str, Value]]) -> Callable[[Mapping[str, Value]], Any] | None:
    """A key that needs no bytes, when all rows hold values of one kind that Python orders as MongoDB does."""
    kinds = {row.get(key, MISSING).__class__ for row in rows}
    if kinds <= {int, float} or kinds in ({str}, {datetime}, {bool}):
        return lambda row: row[key]
    return None


def _server_key(
    order: OrderKey, rows: Sequence[Mapping[str, Value]], where: Node
) -> tuple[Callable[[Mapping[str, Value]], Any], bool]:
    """The sort key and whether to reverse it."""
    if order.key == "$score":
        return _score_key(where), True
    first, *path = order.key.split(".")
    first = real_key(first)
    native = None if path else _native_key(first, rows)
    if native is not None:
        return native, order.descending
    descending = order.descending
    return lambda row: order_bytes(row.get(first, MISSING), descending=descending, path=path), descending


def _score_key(where: Node) -> Callable[[Mapping[str, Value]], float]:
    nodes = where.children if isinstance(where, And) else (where,)
    for node in nodes:
        if isinstance(node, Constraint) and isinstance(node.argument, TextSearch):
            first, *path = node.key.split(".")
            search = node.argument
            return lambda row: text_score(search, row.get(first, MISSING), path)
    return lambda _: 0.0


def _sorted_server(rows: list[Row], order: Sequence[OrderKey], where: Node) -> list[Row]:
    if order[0].descending and order[0].key != "$score":
        rows.reverse()
    for item in reversed(order):
        key, reverse = _server_key(item, rows, where)
        rows.sort(key=key, reverse=reverse)
    return rows


def _crash(place: str, exception: str, message: str) -> InvalidQueryError:
    return InvalidQueryError(f"{place}: {message}", hint=f"on iOS this crashes the process with {exception}")


def _comparable(value: Value, key: str) -> tuple[str, Any]:
    if isinstance(value, bool | int | float):
        return "number", value
    if isinstance(value, str):
        return "string", canonical_utf16(value)
    if isinstance(value, datetime):
        return "date", value
    kind = "null" if value is None else type(value).__name__
    raise _crash(f"order by {key}", "NSInvalidArgumentException", f"a value of type {kind} cannot be ordered")


def _compare(left: Value, right: Value, key: str) -> int:
    left_kind, left_place = _comparable(left, key)
    right_kind, right_place = _comparable(right, key)
    if left_kind != right_kind:
        raise _crash(
            f"order by {key}",
            "NSInvalidArgumentException",
            f"a {left_kind} cannot be compared with a {right_kind}",
        )
    return cast(int, (left_place > right_place) - (left_place < right_place))


def _strict_comparator(
    order: Sequence[OrderKey],
) -> Callable[[Mapping[str, Value], Mapping[str, Value]], int]:
    keys = [(real_key(item.key), -1 if item.descending else 1) for item in order]

    def compare(left: Mapping[str, Value], right: Mapping[str, Value]) -> int:
        for key, direction in keys:
            a, b = left.get(key, MISSING), right.get(key, MISSING)
            absent = (a is MISSING) - (b is MISSING)  # missing last, first when descending
            result = absent if a is MISSING or b is MISSING else _compare(a, b, key)
            if result:
                return result * direction
        return 0

    return compare


def is_simple_order_key(item: OrderKey) -> bool:
    """Whether an order key is one that ``simple_order_keys`` takes: a plain name, or an alias in ascending order."""
    alias = real_key(item.key) != item.key and not item.descending
    return alias or _SIMPLE_KEY.match(item.key) is not None


def _check_simple(order: Sequence[OrderKey]) -> None:
    for item in order:
        if not is_simple_order_key(item):
            name = f"-{item.key}" if item.descending else item.key
            raise _crash(f"order by {name}", "NSInternalInconsistencyException", f"Invalid key name: {name}")


def sort_objects(
    objects: Sequence[Row], order: Sequence[OrderKey], where: Node = ALWAYS, rules: Dialect = Dialect.SERVER
) -> list[Row]:
    """``objects``, given in insertion order, in the order of the query. The sequence itself is not changed.

    ``where`` tells whether nearness sorts, and what ``$score`` weighs.

    Raises:
        InvalidQueryError: 102, under IOS_LOCAL, for order keys and values that crash an app there. Nothing is
        raised
            where nothing is compared: an empty result is never sorted.
    """
    rows = list(objects)
    if not rows:
        return rows
    distance = distance_key(where)
    if rules.simple_order_keys:
        _check_simple(order)
    if rules.unordered_values_raise:
        if order:
            rows.sort(key=cmp_to_key(_strict_comparator(order)))
    elif order:
        rows = _sorted_server(rows, order, where)
    if distance is not None and (not order or rules.near_beats_order):
        rows.sort(key=distance)
    return rows
