"""What is said not to fail does not, for objects of any mixture of types whose kinds are known by a census."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsekit.errors import ParseError
from parsekit.query.ast import Box, Constraint, KeyOfQuery, RegexPattern
from parsekit.query.dialect import Dialect
from parsekit.query.failing import ANY_KIND, Failures
from parsekit.query.matcher import compile_predicate
from parsekit.query.ordering import sort_objects
from parsekit.query.state import OrderKey, QueryState
from parsekit.values import MISSING, PFGeoPoint, kind_of
from tests.strategies_queries import FIELD_VALUES, fitting_trees, orders, trees

LOCAL = Dialect.IOS_LOCAL

_values = st.one_of(*FIELD_VALUES.values(), st.none())
_typed = st.fixed_dictionaries({}, optional=FIELD_VALUES)
_mixed = st.dictionaries(st.sampled_from([*FIELD_VALUES, "nope"]), _values, max_size=6)
worlds = st.one_of(st.lists(_typed, max_size=5), st.lists(_mixed, max_size=5))


def census(rows: list[dict[str, Any]]) -> Failures:
    held: dict[str, set[Any]] = defaultdict(set)
    for key in {key for row in rows for key in row}:
        held[key] = {kind_of(row.get(key, MISSING)) for row in rows}
    return Failures(LOCAL, lambda key: held.get(key, {"missing"}))


def verdict(where: Any, row: Mapping[str, Any]) -> bool | str:
    try:
        return compile_predicate(where, LOCAL)(row)
    except ParseError:
        return "fails"


@given(rows=worlds, where=st.one_of(trees, fitting_trees))
@settings(max_examples=400, deadline=None)
def test_what_is_said_not_to_fail_does_not(rows: list[dict[str, Any]], where: Any) -> None:
    failures = census(rows)
    if not failures.condition(where):
        assert "fails" not in [verdict(where, row) for row in rows]
    sure, rest = failures.divide(where)
    for row in rows:
        first = verdict(sure, row)
        assert first != "fails"
        assert verdict(where, row) == (verdict(rest, row) if first is True and rest is not None else first)


@given(rows=worlds, order=orders)
@settings(max_examples=300, deadline=None)
def test_an_order_that_is_said_not_to_fail_does_not(
    rows: list[dict[str, Any]], order: tuple[OrderKey, ...]
) -> None:
    if not census(rows).order(order):
        assert len(sort_objects(rows, order, rules=LOCAL)) == len(rows)


def of(*kinds: str) -> Failures:
    return Failures(LOCAL, lambda _: frozenset(kinds))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("leaf", "fine", "fails"),
    [
        (Constraint("k", "$lt", 1), ["number", "boolean", "null", "missing"], ["string"]),
        (Constraint("k", "$lt", "a"), ["string", "missing"], ["array"]),
        (Constraint("k", "$all", (1,)), ["array"], ["missing"]),
        (Constraint("k", "$containedBy", (1,)), ["array", "object", "missing"], ["null"]),
        (Constraint("k", "$regex", RegexPattern("a", "i")), ["string", "null"], ["number"]),
        (Constraint("k.l", "$eq", 1), ["object", "missing"], ["null"]),
        (
            Constraint("k", "$within", Box(PFGeoPoint(0, 0), PFGeoPoint(1, 1))),
            ["geopoint", "missing"],
            ["null"],
        ),
        (Constraint("k", "$in", (1, "a", None)), list(ANY_KIND), None),
        (Constraint("k", "$within", Box(PFGeoPoint(1, 0), PFGeoPoint(0, 1))), None, ["geopoint"]),
        (Constraint("k.l.m", "$eq", 1), None, ["object"]),
        (Constraint("k.l", "$lt", 1), None, ["object"]),
        (Constraint("k", "$regex", RegexPattern("a", "q")), None, ["string"]),
        (Constraint("k", "$text", None), None, ["string"]),
        (Constraint("k", "$inQuery", QueryState("Other")), None, ["pointer"]),
        (Constraint("k", "$select", KeyOfQuery(QueryState("Other"), "x.y")), None, ["string"]),
    ],
)
def test_kinds_decide(leaf: Constraint, fine: list[str] | None, fails: list[str] | None) -> None:
    if fine is not None:
        assert not of(*fine).condition(leaf)
    if fails is not None:
        assert of(*fails).condition(leaf)


def test_a_key_that_cannot_be_looked_up_is_left_to_the_rows() -> None:
    failures = Failures(LOCAL, lambda key: None if key == "hidden" else {"number"})
    one, two = Constraint("n", "$eq", 1), Constraint("hidden", "$eq", 1)
    assert failures.divide(one) == (one, None)
    assert failures.condition(two)
    assert failures.order([OrderKey("hidden")])


def test_sub_queries_fail_as_far_as_is_said() -> None:
    leaf = Constraint("k", "$inQuery", QueryState("Other"))
    assert not Failures(LOCAL, lambda _: ANY_KIND, lambda query: query.class_name != "Other").condition(leaf)


def test_the_server_fails_for_no_object() -> None:
    failures = Failures(Dialect.SERVER, lambda _: ANY_KIND)
    leaves = [
        Constraint("k.l", "$lt", 1),
        Constraint("k", "$all", (1,)),
        Constraint("k", "$regex", RegexPattern("a")),
    ]
    assert not any(map(failures.condition, leaves))
    assert not failures.order([OrderKey("a.b"), OrderKey("k", True)])
