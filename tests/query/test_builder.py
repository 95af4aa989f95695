"""``PFQuery``: the SDK's rule of replacement, its checks of arguments, compound queries and options."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import parsekit
from parsekit import EngineError, PFGeoPoint, PFObject, PFPolygon, PFQuery, Pointer
from parsekit.errors import InvalidPointerError
from parsekit.query.ast import ALWAYS, And, Constraint, Near, RegexPattern
from parsekit.query.refusals import ArgumentRefusedError, QueryRefusedError

COMPARISON = "Cannot do a comparison query for type: "
ORDERING = "Cannot do a query that requires ordering for type: "


def where(query: PFQuery[Any]) -> Any:
    return query.to_json().get("where", {})


def deals() -> PFQuery[Any]:
    return PFQuery("Deal")


# -- what replaces what (PFMutableQueryState) ----------------------------------------------------


def test_the_same_operator_again_replaces_the_earlier_one():
    query = deals().where_key("a", greater_than=3).where_key("a", greater_than=5)
    assert where(query) == {"a": {"$gt": 5}}


def test_another_operator_joins():
    query = deals().where_key("a", greater_than=3).where_key("a", less_than=5).where_key_exists("a")
    assert where(query) == {"a": {"$gt": 3, "$lt": 5, "$exists": True}}


def test_an_equality_replaces_the_operators_of_its_key():
    query = deals().where_key("a", greater_than=3).where_key("b", less_than=1).where_key("a", equal_to=4)
    assert where(query) == {"a": 4, "b": {"$lt": 1}}


def test_an_operator_replaces_the_equality_of_its_key():
    assert where(deals().where_key("a", equal_to=4).where_key("a", greater_than=3)) == {"a": {"$gt": 3}}


def test_a_regex_with_modifiers_replaces_all_and_is_joined_by_later_operators():
    query = deals().where_key("a", greater_than="b").where_key("a", matches_regex="x", modifiers="i")
    assert where(query) == {"a": {"$regex": "x", "$options": "i"}}
    assert where(query.where_key("a", not_equal_to="xy")) == {
        "a": {"$regex": "x", "$options": "i", "$ne": "xy"}
    }


def test_a_regex_without_modifiers_joins():
    query = deals().where_key("a", greater_than="b").where_key("a", matches_regex="x")
    assert where(query) == {"a": {"$gt": "b", "$regex": "x"}}


def test_conditions_of_one_call_are_anded_whatever_they_are():
    query = deals().where_key("a", equal_to=4, greater_than=3)
    assert query.state().where == And((Constraint("a", "$eq", 4), Constraint("a", "$gt", 3)))
    both = deals().where_key("a", has_prefix="x", has_suffix="y").state().where
    assert both == And(
        (
            Constraint("a", "$regex", RegexPattern("^\\Qx\\E")),
            Constraint("a", "$regex", RegexPattern("\\Qy\\E$")),
        )
    )


def test_a_replaced_condition_goes_with_its_options():
    query = deals().where_key("a", matches_regex="x", modifiers="i").where_key("a", has_prefix="y")
    assert where(query) == {"a": {"$regex": "^\\Qy\\E"}}


@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.sampled_from(["equal_to", "not_equal_to", "less_than", "greater_than"]),
            st.integers(0, 3),
        ),
        max_size=8,
    )
)
def test_the_rule_of_replacement_is_the_dictionary_of_the_sdk(calls):
    conditions: dict[str, Any] = {}
    query = deals()
    for key, name, value in calls:
        query.where_key(key, **{name: value})  # type: ignore[arg-type]
        if name == "equal_to":
            conditions[key] = value
        else:
            held = conditions[key] if isinstance(conditions.get(key), dict) else {}
            op = {"not_equal_to": "$ne", "less_than": "$lt", "greater_than": "$gt"}[name]
            conditions[key] = {**held, op: value}
    assert where(query) == conditions


def test_a_copy_is_independent():
    query = deals().where_key("a", greater_than=3)
    twin = query.copy().where_key("a", less_than=5).limit(1)
    assert where(query) == {"a": {"$gt": 3}}
    assert where(twin) == {"a": {"$gt": 3, "$lt": 5}}
    assert query.state().limit is None


# -- checks of arguments (ios_sdk 1.2) -----------------------------------------------------------


@pytest.mark.parametrize("operator", ["equal_to", "not_equal_to"])
@pytest.mark.parametrize(
    ("argument", "kind"),
    [
        ([1], "NSArray"),
        ((1,), "NSArray"),
        ({"a": 1}, "NSDictionary"),
        ({1}, "NSSet"),
        (b"a", "NSData"),
        (PFPolygon([(0, 0), (0, 1), (1, 1)]), "PFPolygon"),
    ],
)
def test_equality_takes_what_the_sdk_compares(operator, argument, kind):
    with pytest.raises(ArgumentRefusedError) as caught:
        deals().where_key("k", **{operator: argument})
    assert caught.value.message == COMPARISON + kind
    assert caught.value.exception == "NSInvalidArgumentException"
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    "operator", ["less_than", "less_than_or_equal_to", "greater_than", "greater_than_or_equal_to"]
)
@pytest.mark.parametrize(
    ("argument", "kind"),
    [([1], "NSArray"), (None, "(null)"), (PFGeoPoint(1, 2), "PFGeoPoint"), (Pointer("A", "b"), "PFObject")],
)
def test_ordering_takes_what_the_sdk_orders(operator, argument, kind):
    with pytest.raises(ArgumentRefusedError) as caught:
        deals().where_key("k", **{operator: argument})
    assert caught.value.message == ORDERING + kind


@pytest.mark.parametrize("argument", ["a", 1, 1.5, True, datetime(2024, 1, 1, tzinfo=UTC)])
def test_ordering_takes_texts_numbers_and_dates(argument):
    assert deals().where_key("k", less_than=argument).state().where == Constraint("k", "$lt", argument)


@pytest.mark.parametrize("argument", [None, Pointer("A", "b"), PFGeoPoint(1, 2)])
def test_equality_takes_null_objects_and_points(argument):
    assert deals().where_key("k", equal_to=argument).state().where == Constraint("k", "$eq", argument)


def test_an_unsaved_object_is_refused_with_the_words_of_the_sdk():
    with pytest.raises(InvalidPointerError, match="Tried to save an object with a new, unsaved child"):
        deals().where_key("k", equal_to=PFObject("Company"))


def test_a_naive_date_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        deals().where_key("k", less_than=datetime(2024, 1, 1))  # noqa: DTZ001 - the point of the test


@pytest.mark.parametrize("argument", ["text", b"bytes", {"a": 1}, 5, None])
@pytest.mark.parametrize("operator", ["contained_in", "not_contained_in", "contains_all", "contained_by"])
def test_lists_are_lists(operator, argument):
    with pytest.raises(ArgumentRefusedError, match="a list of values is needed"):
        deals().where_key("k", **{operator: argument})


def test_a_misspelt_operator_is_named_with_the_nearest():
    with pytest.raises(TypeError, match='no operator "equals_to"; did you mean "equal_to"'):
        deals().where_key("k", equals_to=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "given_keywords",
    [
        {"modifiers": "i"},
        {"in_query": PFQuery("A")},
        {"within_miles": 3},
        {"to_northeast": PFGeoPoint(1, 1)},
        {"matches_key": "a"},
        {"does_not_match_key": "a"},
        {"within_geo_box_from_southwest": PFGeoPoint(1, 1)},
        {},
    ],
)
def test_keywords_that_belong_together(given_keywords):
    with pytest.raises(TypeError, match=r"beside it|no condition given"):
        deals().where_key("k", **given_keywords)


def test_nearness_has_one_unit():
    assert deals().where_key(
        "k", near_geo_point=PFGeoPoint(1, 2), within_kilometers=6371
    ).state().where == Constraint("k", "$nearSphere", Near(PFGeoPoint(1, 2), 1.0))
    with pytest.raises(ArgumentRefusedError, match="give one of within_miles, within_kilometers"):
        deals().where_key("k", near_geo_point=PFGeoPoint(1, 2), within_miles=1, within_kilometers=1)
    with pytest.raises(ArgumentRefusedError, match="at least 0"):
        deals().where_key("k", near_geo_point=PFGeoPoint(1, 2), within_miles=-1)


@pytest.mark.parametrize(
    "keywords",
    [
        {"near_geo_point": (1, 2)},
        {"within_polygon": [(1, 2), (2, 3), (4, 5)]},
        {"within_polygon": [PFGeoPoint(1, 2)] * 2},
        {"polygon_contains": "a"},
        {"within_geo_box_from_southwest": PFGeoPoint(1, 2), "to_northeast": 5},
        {"has_prefix": 5},
        {"matches_regex": 5},
        {"matches_regex": "a", "modifiers": 5},
        {"matches_text": None},
        {"matches_query": "Company"},
        {"matches_key": "a", "in_query": "Company"},
    ],
)
def test_other_arguments_are_checked_where_they_are_given(keywords):
    with pytest.raises(ArgumentRefusedError):
        deals().where_key("k", **keywords)


# -- compound queries ----------------------------------------------------------------------------


def test_compound_queries_refuse_what_the_sdk_refuses():
    with pytest.raises(ArgumentRefusedError, match="Can't create an `or` query from no subqueries"):
        PFQuery.or_()
    with pytest.raises(
        ArgumentRefusedError, match="All sub queries of an `or` query should be on the same class"
    ):
        PFQuery.or_(PFQuery("A"), PFQuery("B"))
    with pytest.raises(ArgumentRefusedError, match="All elements should be instances of `PFQuery` class"):
        PFQuery.or_(PFQuery("A"), "B")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (lambda: deals().limit(1), "sub queries with limits"),
        (lambda: deals().limit(0), "sub queries with limits"),
        (lambda: deals().skip(1), "sub queries with skip"),
        (lambda: deals().order_by_ascending("a"), "sub queries with order"),
        (lambda: deals().include_key("a"), "sub-queries with includes"),
        (lambda: deals().select_keys("a"), "sub-queries with selectKeys"),
        (lambda: deals().exclude_keys("a"), "sub-queries with excludeKeys"),
        (lambda: PFQuery.or_(deals().limit(1), deals()), "sub queries with limits"),
    ],
)
def test_options_of_a_part_are_refused_when_the_query_runs_on_the_server(part, words):
    query = PFQuery.or_(deals(), part())
    with (
        parsekit.open(":memory:"),
        pytest.raises(ArgumentRefusedError, match=f"OR queries do not support {words}"),
    ):
        query.find()


def test_a_compound_query_takes_further_conditions():
    query = PFQuery.or_(deals().where_key("a", equal_to=1), deals()).where_key("b", equal_to=2)
    assert where(query) == {"$or": [{"a": 1}, {}], "b": 2}


# -- options -------------------------------------------------------------------------------------


def test_selected_and_included_keys_are_united():
    query = deals().select_keys("a", "b").select_keys("b", "c").include_key("x").include_key("x", "y")
    assert query.state().keys == ("a", "b", "c")
    assert query.state().include == ("x", "y")
    with pytest.raises(TypeError, match="keys are texts"):
        deals().select_keys(["a"])  # type: ignore[arg-type]


def test_limits_are_counts():
    with pytest.raises(ValueError, match="negative"):
        deals().limit(-1)
    with pytest.raises(TypeError, match="whole number"):
        deals().skip(True)


def test_ignore_acls_is_for_the_local_datastore():
    with (
        parsekit.open(":memory:"),
        pytest.raises(QueryRefusedError, match="only be used with Local Datastore"),
    ):
        deals().ignore_acls().find()


def test_running_a_query_needs_an_engine_and_building_one_does_not():
    query = deals()
    assert query.state().where == ALWAYS
    assert bool(query)
    with pytest.raises(EngineError, match="no engine is open"):
        query.find()
    with pytest.raises(EngineError, match="not iterable"):
        iter(query)


def test_arguments_need_a_predicate():
    with pytest.raises(TypeError, match="belong to a predicate"):
        PFQuery("Deal", arguments=(1,))
