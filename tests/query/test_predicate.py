"""NSPredicate: the grammar, the steps of the SDK, its refusals. QueryPredicateUnitTests and QueryUtilitiesTests."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsekit import PFGeoPoint, PFQuery, Pointer
from parsekit.errors import EngineError, ParseError
from parsekit.query.dialect import Dialect
from parsekit.query.matcher import compile_predicate
from parsekit.query.predicate import normalize_predicate, parse_predicate
from parsekit.query.predicate_syntax import parse_format
from parsekit.query.predicate_tree import (
    Aggregate,
    Comparison,
    Compound,
    KeyPath,
    Literally,
    Predicate,
    Truth,
    print_predicate,
)
from parsekit.query.refusals import ArgumentRefusedError, PredicateRefusedError
from parsekit.query.where import encode_where


def where(format_string: str, *arguments: Any) -> Any:
    return encode_where(parse_predicate(format_string, *arguments))


def normal(format_string: str) -> str:
    return print_predicate(normalize_predicate(parse_format(format_string)))


# -- leaves --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format_string", "arguments", "expected"),
    [
        ("k = 'v'", (), {"k": "v"}),
        ('k == "v"', (), {"k": "v"}),
        ("k = nil", (), {"k": None}),
        ("k != NULL", (), {"k": {"$ne": None}}),
        ("k <> 5", (), {"k": {"$ne": 5}}),
        ("k < 5", (), {"k": {"$lt": 5}}),
        ("k =< 5.5", (), {"k": {"$lte": 5.5}}),
        ("k => -5", (), {"k": {"$gte": -5}}),
        ("k > 1e3", (), {"k": {"$gt": 1000.0}}),
        ("k = 0x1F", (), {"k": 31}),
        ("k = YES", (), {"k": True}),
        ("k = false", (), {"k": False}),
        ("a.b.c = 1", (), {"a.b.c": 1}),
        ("SELF.a = 1", (), {"a": 1}),
        ("#in = 1", (), {"in": 1}),
        ("index = 1", (), {"index": 1}),
        ("android = 1 and orbit = 2", (), {"android": 1, "orbit": 2}),
        ("k = %@", ("won",), {"k": "won"}),
        ("k = %@", (None,), {"k": None}),
        ("k = %@", (Pointer("A", "b"),), {"k": {"__type": "Pointer", "className": "A", "objectId": "b"}}),
        ("%K = %d", ("k", 5), {"k": 5}),
        ("k = %d", (True,), {"k": 1}),
        ("k > %f", (5,), {"k": {"$gt": 5}}),
        ("k > %lld", (2**40,), {"k": {"$gt": 2**40}}),
        ("k = '%@'", (), {"k": "%@"}),
        ("k = 'it\\'s \\n \\\\'", (), {"k": "it's \n \\"}),
        ("k IN %@", ([1, 2],), {"k": {"$in": [1, 2]}}),
        ("k IN %@", ({1},), {"k": {"$in": [1]}}),
        ("k IN {1, 'a', %@}", (True,), {"k": {"$in": [1, "a", True]}}),
        ("k IN {}", (), {"k": {"$in": []}}),
        ("NOT (k IN {1})", (), {"k": {"$nin": [1]}}),
        ("NOT k IN %@", ([1],), {"k": {"$nin": [1]}}),
        ("k IN SELF", (), {"k": {"$exists": True}}),
        ("NOT k IN SELF", (), {"k": {"$exists": False}}),
        ("k BEGINSWITH 'a'", (), {"k": {"$regex": "^\\Qa\\E"}}),
        ("k BEGINSWITH[cd] 'a'", (), {"k": {"$regex": "^\\Qa\\E"}}),
        ("k BETWEEN {1, 5}", (), {"k": {"$gte": 1, "$lte": 5}}),
        ("k BETWEEN %@", ([1, 5],), {"k": {"$gte": 1, "$lte": 5}}),
        ("5 < k", (), {"k": {"$gt": 5}}),
        ("5 <= k", (), {"k": {"$gte": 5}}),
        ("5 > k", (), {"k": {"$lt": 5}}),
        ("5 >= k", (), {"k": {"$lte": 5}}),
        ("5 = k", (), {"k": 5}),
        ("5 != k", (), {"k": {"$ne": 5}}),
        ("'a' IN k", (), {"k": "a"}),
        ("5 BETWEEN {a, b}", (), {"a": {"$lte": 5}, "b": {"$gte": 5}}),
        ("(k) = 1", (), {"k": 1}),
        ("((k = 1))", (), {"k": 1}),
    ],
)  # fmt: skip
def test_a_comparison_becomes_a_constraint(format_string, arguments, expected):
    assert where(format_string, *arguments) == expected


def test_a_query_as_argument_is_a_sub_query():
    companies = PFQuery("Company").where_key("size", greater_than=5)
    inner = {"className": "Company", "where": {"size": {"$gt": 5}}}
    assert where("company IN %@", companies) == {"company": {"$inQuery": inner}}
    assert where("NOT (company IN %@)", companies) == {"company": {"$notInQuery": inner}}


def test_dates_and_points_as_arguments():
    moment = datetime(2024, 1, 2, tzinfo=UTC)
    assert where("k < %@ AND p = %@", moment, PFGeoPoint(1, 2)) == {
        "k": {"$lt": {"__type": "Date", "iso": "2024-01-02T00:00:00.000Z"}},
        "p": {"__type": "GeoPoint", "latitude": 1, "longitude": 2},
    }


# -- steps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format_string", "expected"),
    [
        ("NOT a = 1", "a != 1"),
        ("NOT a != 1", "a == 1"),
        ("NOT a < 1", "a >= 1"),
        ("NOT a <= 1", "a > 1"),
        ("NOT a > 1", "a <= 1"),
        ("NOT a >= 1", "a < 1"),
        ("NOT NOT a = 1", "a == 1"),
        ("NOT (a = 1 AND b = 2)", "a != 1 OR b != 2"),
        ("NOT (a = 1 OR NOT b = 2)", "a != 1 AND b == 2"),
        ("NOT a BETWEEN {1, 2}", "a < 1 OR a > 2"),
        ("a = 1 AND (b = 2 OR c = 3)", "(b == 2 OR c == 3) AND a == 1"),
        ("(a = 1 OR b = 2) AND (c = 3 OR d = 4)",
         "a == 1 AND c == 3 OR a == 1 AND d == 4 OR b == 2 AND c == 3 OR b == 2 AND d == 4"),
        ("a = 1 OR (b = 2 OR c = 3)", "a == 1 OR b == 2 OR c == 3"),
        ("(a = 1 AND b = 2) OR (a = 1 AND c = 3)", "(b == 2 OR c == 3) AND a == 1"),
        ("(a = 1 AND b = 2) OR a = 1", "a == 1"),
        ("a = 1 OR a = 1", "a == 1"),
        ("a = 1 OR b = 2 AND c = 3", "a == 1 OR b == 2 AND c == 3"),
        ("a = 1 || b = 2 && !c = 3", "a == 1 OR b == 2 AND c != 3"),
    ],
)  # fmt: skip
def test_normal_form(format_string, expected):
    got = normalize_predicate(parse_format(format_string))
    wanted = parse_format(expected)
    if isinstance(got, Compound) and len(got.children) == 1:
        got = got.children[0]
    assert print_predicate(got) == print_predicate(wanted)


def test_conditions_on_one_key_are_anded_and_not_lost():
    assert where("k > 3 AND k > 5") == {"$and": [{"k": {"$gt": 3}}, {"k": {"$gt": 5}}]}
    assert where("k = 1 AND k > 0") == {"k": {"$eq": 1, "$gt": 0}}


# -- refusals ------------------------------------------------------------------------------------

REGEX = (
    "Regex queries are not supported with [PFQuery queryWithClassName:predicate:]. Please try to structure"
)
CONSTANT = "This predicate must have a key path and a constant. "


@pytest.mark.parametrize(
    ("format_string", "arguments", "words"),
    [
        ("ANY k = 1", (), "Unsupported comparison predicate modifier 2."),
        ("SOME k = 1", (), "Unsupported comparison predicate modifier 2."),
        ("NONE k = 1", (), "Unsupported comparison predicate modifier 2."),
        ("ALL k = 1", (), "Unsupported comparison predicate modifier 1."),
        ("TRUEPREDICATE", (), "NSExpression predicates are not supported."),
        ("k = 1 OR FALSEPREDICATE", (), "NSExpression predicates are not supported."),
        ("k BETWEEN j", (), "The right-hand side of a BETWEEN operation must be a value or literal."),
        ("k BETWEEN 5", (), "The right-hand side of a BETWEEN operation must be an array."),
        ("k BETWEEN {1}", (), "The right-hand side of a BETWEEN operation must have 2 items."),
        ("k BETWEEN %@", ([1, 2, 3],), "The right-hand side of a BETWEEN operation must have 2 items."),
        ("k CONTAINS 'a'", (), REGEX),
        ("k ENDSWITH 'a'", (), REGEX),
        ("k MATCHES 'a'", (), REGEX),
        ("k LIKE 'a*'", (), "LIKE is not supported by PFQuery."),
        ("NOT k CONTAINS 'a'", (), "This comparison predicate cannot be negated. (k CONTAINS ?)"),
        ("NOT k LIKE 'a'", (), "This comparison predicate cannot be negated. (k LIKE ?)"),
        ("NOT k BEGINSWITH 'a'", (), "This comparison predicate cannot be negated. (k BEGINSWITH ?)"),
        ("NOT NOT k IN {1}", (), "This comparison predicate cannot be negated. (k NOT IN {?})"),
        ("x = y", (), CONSTANT + "x == y"),
        ("1 = 1", (), CONSTANT + "? == ?"),
        ("$foo = 'bar'", (), CONSTANT + "$foo == ?"),
        ("SELF = 1", (), CONSTANT + "SELF == ?"),
        ("k + 1 = 2", (), CONSTANT),
        ("k[0] = 2", (), CONSTANT),
        ("sum(k) = 2", (), CONSTANT),
        ("SUBQUERY(k, $x, $x.a = 1).@count = 2", (), CONSTANT),
        ("k < j", (), CONSTANT),
        ("k IN j", (), "An IN predicate must have a key path and a constant."),
        ("1 IN {1}", (), "An IN predicate must have a key path and a constant."),
        ("NOT k IN j", (), "A NOT IN predicate must have a key path and a constant array."),
        ("a=1 OR a=2 OR a=3 OR a=4 OR a=5", (), "This query is too complex. It had an OR with >4"),
        ("((a=1 AND b=2) OR c=3) AND ((d=4 AND e=5) OR f=6)", (),
         "A predicate had a non-comparison predicate inside an AND after normalization. "),
        ("k.@count = 1", (), "Invalid key name: k.@count"),
    ],
)  # fmt: skip
def test_a_refusal_has_the_words_of_the_sdk(format_string, arguments, words):
    with pytest.raises(PredicateRefusedError) as caught:
        parse_predicate(format_string, *arguments)
    assert caught.value.message.startswith(words)
    assert caught.value.exception == "NSInternalInconsistencyException"
    assert isinstance(caught.value, EngineError)


@pytest.mark.parametrize(
    ("format_string", "arguments", "words"),
    [
        ("k = %@", ([1],), "Cannot do a comparison query for type: NSArray"),
        ("k < nil", (), "Cannot do a query that requires ordering for type: (null)"),
        ("k < {1}", (), CONSTANT),
        ("k IN 'abc'", (), "bad $in value"),
        ("k BEGINSWITH 5", (), 'where_key("k"): has_prefix takes a text'),
    ],
)
def test_values_are_checked_as_in_the_selectors(format_string, arguments, words):
    with pytest.raises((ArgumentRefusedError, PredicateRefusedError)) as caught:
        parse_predicate(format_string, *arguments)
    assert caught.value.message.startswith(words)


@pytest.mark.parametrize(
    ("format_string", "arguments"),
    [
        ("", ()), ("k", ()), ("k =", ()), ("= 1", ()), ("k = 1 AND", ()), ("(k = 1", ()), ("k = 1)", ()),
        ("k = 'a", ()), ("k = {1", ()), ("k = 1 k = 2", ()), ("k = %@", ()), ("k = 1", (2,)), ("%K = 1", (5,)),
        ("k = %d", ("a",)), ("k = %d", (1.5,)), ("k ~ 1", ()), ("k =[x] 1", ()), ("IN = 1", ()), ("k = AND", ()),
        ("sum(k = 1", ()), ("k = 1;DROP", ()),
    ],
)  # fmt: skip
def test_what_does_not_parse_is_refused_as_foundation_does(format_string, arguments):
    with pytest.raises(PredicateRefusedError) as caught:
        parse_predicate(format_string, *arguments)
    assert caught.value.message == f'Unable to parse the format string "{format_string}"'
    assert caught.value.exception == "NSInvalidArgumentException"
    assert caught.value.hint is not None


@pytest.mark.parametrize(
    "hostile",
    [
        "(" * 500 + "k = 1" + ")" * 500,
        "NOT " * 5000 + "k = 1",
        "k = " + "{" * 500,
        "k = " + "-" * 5000 + "1",
        " AND ".join(f"(a{n} = 1 OR b{n} = 2)" for n in range(40)),
        " AND ".join(f"NOT a{n} BETWEEN {{1, 2}}" for n in range(40)),
    ],
)
def test_hostile_predicates_end_at_a_limit(hostile):
    with pytest.raises(PredicateRefusedError):
        parse_predicate(hostile)


def test_long_predicates_are_fine():
    assert len(parse_predicate(" AND ".join(f"a{n} = 1" for n in range(2000))).children) == 2000  # type: ignore[union-attr]


# -- round trip and meaning ----------------------------------------------------------------------

_names = st.sampled_from(["a", "b", "c.d", "in", "AND", "not.any", "self", "x_1", "between"])
_constants = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.floats(allow_nan=False, allow_infinity=False, min_value=0).map(float),
    st.text(max_size=6),
)
_literals = _constants.map(Literally)
_values = st.one_of(_literals, st.lists(_literals, max_size=3).map(lambda items: Aggregate(tuple(items))))
_comparisons = st.builds(
    Comparison,
    st.one_of(_names.map(KeyPath), _literals),
    st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "BETWEEN", "IN", "CONTAINS", "BEGINSWITH", "LIKE"]),
    st.one_of(_values, _names.map(KeyPath)),
    st.sampled_from(["", "", "ANY", "ALL"]),
    st.sampled_from(["", "", "c", "cd"]),
)


def _groups(children: st.SearchStrategy[Predicate]) -> st.SearchStrategy[Predicate]:
    several = st.lists(children, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Compound, st.sampled_from(["AND", "OR"]), several),
        st.builds(Compound, st.just("NOT"), st.tuples(children)),
    )


_trees = st.recursive(st.one_of(_comparisons, st.booleans().map(Truth)), _groups, max_leaves=8)


@given(_trees)
def test_a_printed_predicate_parses_to_itself(tree):
    assert parse_format(print_predicate(tree)) == tree


_simple = st.builds(
    Comparison,
    st.sampled_from("abc").map(KeyPath),
    st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
    st.integers(0, 2).map(Literally),
)
_rows = st.fixed_dictionaries({key: st.integers(-1, 3) for key in "abc"})


def _holds(tree: Predicate, row: dict[str, int]) -> bool:
    if isinstance(tree, Comparison):
        left, right = row[tree.left.path], tree.right.value  # type: ignore[union-attr]
        return {
            "==": left == right, "!=": left != right, "<": left < right, "<=": left <= right, ">": left > right,
            ">=": left >= right,
        }[tree.operator]  # fmt: skip
    assert isinstance(tree, Compound)
    parts = [_holds(child, row) for child in tree.children]
    return not parts[0] if tree.kind == "NOT" else all(parts) if tree.kind == "AND" else any(parts)


@given(st.recursive(_simple, _groups, max_leaves=6), _rows)
def test_what_is_accepted_means_what_it_says(tree, row):
    try:
        node = parse_predicate(print_predicate(tree))
    except PredicateRefusedError:
        return
    for rules in (Dialect.SERVER, Dialect.IOS_LOCAL):
        assert compile_predicate(node, rules)(row) == _holds(tree, row)


@given(st.text(max_size=30))
def test_any_text_parses_or_is_refused(text):
    with suppress(PredicateRefusedError, ArgumentRefusedError, ParseError):
        parse_predicate(text)


def test_a_query_takes_a_predicate_with_arguments():
    query = PFQuery("Deal", predicate="stage = %@ AND amount > %d", arguments=("qualified", 100))
    assert query.to_json() == {"where": {"stage": "qualified", "amount": {"$gt": 100}}}
    query.where_key("stage", equal_to="won")  # joins the predicate's condition, which it does not replace
    assert query.to_json()["where"] == {
        "$and": [{"stage": "won"}, {"stage": "qualified", "amount": {"$gt": 100}}]
    }
