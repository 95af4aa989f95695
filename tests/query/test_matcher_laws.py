"""Laws of the matcher: a slow reference, De Morgan, complements, one meaning of test and predicate."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsekit.errors import EngineError, InternalServerError, InvalidQueryError, ParseError
from parsekit.query.ast import (
    AclTest,
    And,
    Box,
    Constant,
    Constraint,
    Near,
    Node,
    Nor,
    Or,
    PolygonArea,
    RegexPattern,
    RelativeTime,
)
from parsekit.query.dialect import Dialect
from parsekit.query.matcher import compile_predicate, compile_test
from parsekit.query.state import QueryState
from parsekit.values import MISSING, FileReference, PFGeoPoint, PFPolygon, Pointer
from tests.oracle import server_leaf
from tests.query import matcher_strategies as some

SERVER, LOCAL = Dialect.SERVER, Dialect.IOS_LOCAL


def holds(node: Node, candidate: Mapping[str, Any], rules: Dialect = SERVER) -> bool:
    return compile_predicate(node, rules)(candidate)


def reference(node: Node, candidate: Mapping[str, Any]) -> bool:
    match node:
        case And():
            return all(reference(child, candidate) for child in node.children)
        case Or():
            return any(reference(child, candidate) for child in node.children)
        case Nor():
            return not any(reference(child, candidate) for child in node.children)
        case Constraint():
            return server_leaf(candidate, node.key, node.op, node.argument)
    raise TypeError(node)


@given(some.trees, some.objects)
def test_predicate_means_what_the_reference_says(node: Node, candidate: dict[str, Any]) -> None:
    assert holds(node, candidate) == reference(node, candidate)


@given(some.leaves, some.objects)
def test_predicate_and_test_have_one_meaning(leaf: Constraint, candidate: dict[str, Any]) -> None:
    first, *rest = leaf.key.split(".")
    test = compile_test(leaf.op, leaf.argument, SERVER, path=tuple(rest), key=first)
    assert holds(leaf, candidate) == test(candidate.get(first, MISSING))


def outcome(node: Node, candidate: Mapping[str, Any], rules: Dialect) -> object:
    try:
        return holds(node, candidate, rules)
    except ParseError as error:
        return error.code


@given(some.leaves, some.objects)
def test_local_predicate_and_test_have_one_meaning(leaf: Constraint, candidate: dict[str, Any]) -> None:
    first, *rest = leaf.key.split(".")
    test = compile_test(leaf.op, leaf.argument, LOCAL, path=tuple(rest), key=first)
    try:
        expected: object = test(candidate.get(first, MISSING))
    except InvalidQueryError as error:
        expected = error.code
    assert outcome(leaf, candidate, LOCAL) == expected


@given(st.lists(some.trees, max_size=3), some.objects)
def test_de_morgan(children: list[Node], candidate: dict[str, Any]) -> None:
    negated = tuple(Nor((child,)) for child in children)
    assert holds(Nor(tuple(children)), candidate) == holds(And(negated), candidate)
    assert holds(Nor((And(tuple(children)),)), candidate) == holds(Or(negated), candidate)


@pytest.mark.parametrize("rules", [SERVER, LOCAL], ids=lambda rules: rules.name)
@given(key=some.keys, members=some.member_lists, candidate=some.objects)
def test_nin_is_the_complement_of_in(
    rules: Dialect, key: str, members: tuple[Any, ...], candidate: dict[str, Any]
) -> None:
    inside = outcome(Constraint(key, "$in", members), candidate, rules)
    outside = outcome(Constraint(key, "$nin", members), candidate, rules)
    assert inside == outside if inside == 102 else outside is not inside


@given(some.keys, some.arguments, some.objects)
def test_in_of_one_is_equality(key: str, argument: Any, candidate: dict[str, Any]) -> None:
    if isinstance(argument, list):
        return  # flattened: another question
    assert holds(Constraint(key, "$in", (argument,)), candidate) == holds(
        Constraint(key, "$eq", argument), candidate
    )


@given(st.lists(some.leaves, min_size=1, max_size=4).map(lambda few: few * 60), some.objects)
def test_wide_trees_mean_the_same(leaves: list[Node], candidate: dict[str, Any]) -> None:
    node = Or(tuple(leaves))
    assert holds(node, candidate) == any(reference(leaf, candidate) for leaf in leaves)


def test_deep_trees() -> None:
    node: Node = Constraint("x", "$eq", 1)
    for _ in range(301):
        node = Nor((node,))
    assert not holds(node, {"x": 1})
    assert holds(node, {"x": 2})


def test_a_shape_is_compiled_once() -> None:
    first = compile_predicate(Constraint("x", "$eq", "a"), SERVER)
    second = compile_predicate(Constraint("x", "$eq", "b"), SERVER)
    assert first.__code__ is second.__code__  # type: ignore[attr-defined]
    assert first({"x": "a"}) and second({"x": "b"}) and not first({"x": "b"})


@pytest.mark.parametrize("key", ["x'", 'x"', "x\\", "x\n", "日本"])
def test_keys_are_data_in_the_generated_source(key: str) -> None:
    assert holds(Constraint(key, "$eq", 1), {key: 1})


@pytest.mark.parametrize(
    ("op", "argument", "value", "expected"),
    [
        ("$eq", None, MISSING, True),
        ("$eq", 1, True, False),
        ("$eq", {"a": 1, "b": 2}, {"b": 2, "a": 1}, False),
        ("$eq", [1, 2], [1, 2], True),
        ("$eq", [1, 2], [[1, 2]], True),
        ("$gte", None, MISSING, True),
        ("$gt", "a", 5, False),
        ("$gt", 2**53, 2**53 + 1, True),
        ("$in", (None,), MISSING, True),
        ("$in", ([1, 2],), [1], True),
        ("$all", (), [1], False),
        ("$all", (1,), 1, True),
        ("$containedBy", (1, 2), MISSING, True),
        ("$containedBy", (1, 2), [1, 3], False),
        ("$exists", True, None, True),
        ("$regex", RegexPattern("^f"), ["bar", "foo"], True),
        ("$eq", "b", Pointer("C", "b"), False),
        ("$gt", "a", Pointer("C", "b"), True),
        ("$in", ("b",), Pointer("C", "b"), True),
        ("$eq", Pointer("C", "b"), [Pointer("C", "b")], True),
        ("$all", (Pointer("C", "b"),), Pointer("C", "b"), False),
        ("$eq", "pic.png", FileReference("pic.png"), True),
        ("$in", (PFGeoPoint(1, 2),), PFGeoPoint(5, 2), True),
        ("$within", Box(PFGeoPoint(2, 2), PFGeoPoint(0, 0)), PFGeoPoint(1, 1), True),
        ("$within", Box(PFGeoPoint(-1, -1), PFGeoPoint(1, 1)), MISSING, False),
        ("$nearSphere", Near(PFGeoPoint(0, 0)), "text", False),
        ("$geoIntersects", PFGeoPoint(1, 1), PFPolygon([(0, 0), (0, 2), (2, 2), (2, 0)]), True),
        ("$geoIntersects", PFGeoPoint(3, 1), PFPolygon([(0, 0), (0, 2), (2, 2), (2, 0)]), False),
    ],
)
def test_server_rules(op: Any, argument: Any, value: Any, expected: bool) -> None:
    assert compile_test(op, argument, SERVER)(value) is expected


@pytest.mark.parametrize(
    ("op", "argument", "value", "expected"),
    [
        ("$eq", None, MISSING, False),
        ("$ne", None, MISSING, True),
        ("$eq", 1, True, True),
        ("$in", ({"a": 1, "b": 2},), {"b": 2, "a": 1}, True),
        ("$lt", 5, "x", 102),
        ("$gt", 3, ["x", 5], 102),
        ("$gt", 3, [5, "x"], True),
        ("$gte", "e\u0301", "\u00e9", True),
        ("$eq", "e\u0301", "\u00e9", False),
        ("$all", (), [1], True),
        ("$all", (1,), MISSING, 102),
        ("$containedBy", (1,), 1, 102),
        ("$exists", True, None, False),
        ("$regex", RegexPattern("^f"), ["foo"], 102),
        ("$regex", RegexPattern("("), "foo", False),
        ("$regex", RegexPattern(""), "foo", False),
        ("$regex", RegexPattern("f", "u"), None, False),
        ("$regex", RegexPattern("f", "u"), "foo", 102),
        ("$within", Box(PFGeoPoint(-1, -1), PFGeoPoint(1, 1)), MISSING, True),
        ("$within", Box(PFGeoPoint(2, 2), PFGeoPoint(0, 0)), PFGeoPoint(1, 1), 102),
        ("$nearSphere", Near(PFGeoPoint(0, 0)), "text", True),
        ("$nearSphere", Near(PFGeoPoint(0, 0), 1.0), "text", 102),
        ("$geoWithin", PolygonArea((PFGeoPoint(0, 0), PFGeoPoint(0, 1), PFGeoPoint(1, 1))), MISSING, 102),
    ],
)
def test_local_rules(op: Any, argument: Any, value: Any, expected: Any) -> None:
    assert outcome(Constraint("x", op, argument), {} if value is MISSING else {"x": value}, LOCAL) == expected


def test_what_needs_other_objects_asks_for_a_lookup() -> None:
    inner = QueryState("C")
    with pytest.raises(EngineError, match=r"\$inQuery"):
        compile_test("$inQuery", inner, SERVER)
    with pytest.raises(EngineError, match=r"\$inQuery"):
        compile_predicate(Constraint("x", "$inQuery", inner), SERVER)
    with pytest.raises(EngineError, match="AclTest"):
        compile_predicate(AclTest("read"), SERVER)
    with pytest.raises(EngineError, match="relative time"):
        compile_test("$gt", RelativeTime("1 day ago"), SERVER)


def test_a_pattern_that_does_not_compile_is_refused_at_once() -> None:
    with pytest.raises(InternalServerError):
        compile_predicate(Constraint("x", "$regex", RegexPattern("[")), SERVER)


def test_conditions_are_evaluated_in_order_and_stop_early() -> None:
    refused = Constraint("x", "$gt", "a")
    assert outcome(And((Constant(False), refused)), {"x": 1}, LOCAL) is False
    assert outcome(And((refused, Constant(False))), {"x": 1}, LOCAL) == 102
    assert outcome(Or((Constant(True), refused)), {"x": 1}, LOCAL) is True


def test_dates_compare_as_instants() -> None:
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    assert holds(Constraint("x", "$lte", moment), {"x": moment})
    assert not holds(Constraint("x", "$lt", "2025"), {"x": moment})
