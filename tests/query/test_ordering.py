"""The order of results: total and stable (law L2), over all values; what the local datastore refuses."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cmp_to_key
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsekit.errors import InvalidQueryError
from parsekit.query.ast import And, Constraint, Near, Or, TextSearch
from parsekit.query.collation import collation_bytes
from parsekit.query.dialect import Dialect
from parsekit.query.evaluate import find_objects
from parsekit.query.ordering import order_bytes, sort_objects
from parsekit.query.state import OrderKey, QueryState
from parsekit.values import MISSING, PFGeoPoint, Pointer
from tests.oracle import tagged
from tests.query import matcher_strategies as some

LOCAL = Dialect.IOS_LOCAL

orders = st.lists(st.builds(OrderKey, some.keys, st.booleans()), min_size=1, max_size=3)


@given(some.nested, some.nested)
def test_bytes_compare_like_the_values(a: Any, b: Any) -> None:
    left, right = tagged(a), tagged(b)
    assert (collation_bytes(a) < collation_bytes(b)) == (left < right)
    assert (collation_bytes(a) == collation_bytes(b)) == (left == right)


@given(st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False)),
       st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False)))  # fmt: skip
def test_numbers_order_exactly(a: float, b: float) -> None:
    assert (collation_bytes(a) < collation_bytes(b)) == (a < b)
    assert (collation_bytes(a) == collation_bytes(b)) == (a == b)


@given(st.lists(some.objects, max_size=8), orders)
def test_ties_fall_in_insertion_order_in_the_direction_of_the_first_key(
    candidates: list[dict[str, Any]], order: list[OrderKey]
) -> None:
    rows = [{**candidate, "n": index} for index, candidate in enumerate(candidates)]

    def places(row: dict[str, Any]) -> list[bytes]:
        return [
            order_bytes(row.get(item.key.split(".")[0], MISSING), descending=item.descending,
                        path=item.key.split(".")[1:])
            for item in order
        ]  # fmt: skip

    def compare(a: dict[str, Any], b: dict[str, Any]) -> int:
        for item, left, right in zip(order, places(a), places(b), strict=True):
            if left != right:
                return (1 if left > right else -1) * (-1 if item.descending else 1)
        return (a["n"] - b["n"]) * (-1 if order[0].descending else 1)

    expected = sorted(rows, key=cmp_to_key(compare))
    assert [row["n"] for row in sort_objects(rows, order)] == [row["n"] for row in expected]


@given(st.lists(some.objects, max_size=6), orders, st.integers(0, 6), st.integers(0, 6))
def test_pages_join_to_the_whole(
    candidates: list[dict[str, Any]], order: list[OrderKey], limit: int, skip: int
) -> None:
    whole = find_objects(candidates, QueryState("C", order=tuple(order)))
    page = find_objects(candidates, QueryState("C", order=tuple(order), limit=limit, skip=skip))
    assert page == whole[skip : skip + limit]


def place(value: Any, *, descending: bool = False) -> bytes:
    return order_bytes(value, descending=descending)


def test_the_order_of_kinds() -> None:
    ascending = [
        [], None, -1, 2.5, "", "Z", "a", Pointer("a", "b"), {}, {"a": 1}, [[1]], b"", b"b", b"aa", False,
        True, datetime(2024, 1, 1, tzinfo=UTC),
    ]  # fmt: skip
    places = [place(value) for value in ascending]
    assert places == sorted(places)
    assert place(MISSING) == place(None)


def test_arrays_order_by_their_smallest_and_largest_element() -> None:
    assert place([3, 1, 2]) == place(1)
    assert place([3, 1, 2], descending=True) == place(3)
    assert place(PFGeoPoint(10, -20)) == place(-20)
    assert order_bytes({"a": [{"b": 2}, {"b": 1}]}, descending=False, path=("a", "b")) == place(1)


def ids(rows: list[dict[str, Any]]) -> list[Any]:
    return [row["id"] for row in rows]


def test_nearness_sorts_when_there_is_no_order() -> None:
    near = Constraint("g", "$nearSphere", Near(PFGeoPoint(0, 0)))
    rows = [{"id": n, "g": PFGeoPoint(0, n), "k": -n} for n in (3, 1, 2)]
    assert ids(sort_objects(rows, (), near)) == [1, 2, 3]
    assert ids(sort_objects(rows, (), And((near,)))) == [1, 2, 3]
    assert ids(sort_objects(rows, (), Or((near,)))) == [3, 1, 2]
    by_k = (OrderKey("k"),)
    assert ids(sort_objects(rows, by_k, near)) == [3, 2, 1]
    assert ids(sort_objects(rows, by_k, near, LOCAL)) == [1, 2, 3]


def test_score_puts_the_better_match_first() -> None:
    search = Constraint("t", "$text", TextSearch("fox"))
    rows = [
        {"id": 1, "t": "a fox among many other animals"},
        {"id": 2, "t": "fox fox"},
        {"id": 3, "t": "fox"},
    ]
    assert ids(sort_objects(rows, (OrderKey("$score"),), search))[-1] == 1


def test_missing_comes_last_in_the_local_datastore() -> None:
    rows: list[dict[str, Any]] = [{"id": 1}, {"id": 2, "x": 2}, {"id": 3, "x": True}]
    assert ids(sort_objects(rows, (OrderKey("x"),), rules=LOCAL)) == [3, 2, 1]
    assert ids(sort_objects(rows, (OrderKey("x", True),), rules=LOCAL)) == [1, 2, 3]


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("x", [1, None]),
        ("x", [1, "a"]),
        ("x", [[1], [2]]),
        ("x", [PFGeoPoint(0, 0), PFGeoPoint(1, 1)]),
        ("x.a", [1, 2]),
    ],
)
def test_what_crashes_an_app_is_refused(key: str, values: list[Any]) -> None:
    rows = [{"x": value} for value in values]
    with pytest.raises(InvalidQueryError, match=r"^order by .*on iOS this crashes the process"):
        sort_objects(rows, (OrderKey(key),), rules=LOCAL)
    assert sort_objects([], (OrderKey(key),), rules=LOCAL) == []
