"""``compare`` and ``lint``: each documented difference is found and named, and nothing where nothing differs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import crm_schema
import parsekit
from parsekit import PFACL, Dialect, PFGeoPoint, PFObject, PFQuery, PFRole, PFUser, Pointer
from parsekit.query.ast import ALWAYS, And, Constraint, Node, Nor, Or
from parsekit.query.compare import compare, lint
from parsekit.query.dialect_rules import RULES, differing_rules
from parsekit.query.lint import types_of
from parsekit.query.state import OrderKey, QueryState
from parsekit.query.where import decode_local_where
from parsekit.testing.given import Given
from tests.strategies_queries import SCHEMA, constraints, geo_constraints, things

Row = dict[str, Any]


def rows(*objects: Row, class_name: str = "Deal") -> list[Row]:
    return [{"objectId": f"o{n}", "className": class_name, **fields} for n, fields in enumerate(objects)]


def rules_of(where: Node, *objects: Row, order: tuple[OrderKey, ...] = ()) -> dict[str, tuple[str, ...]]:
    """objectId -> the rules to which its disagreement is owed."""
    given_rows = rows(*objects)
    given = Given([], "Deal")
    state = QueryState("Deal", where, order)
    comparison = compare(given_rows, state, lambda rules: given.lookup("Deal", rules))
    return {item.object_id: item.rules for item in comparison.disagreements}


# -- each difference of ios_sdk 3.10 -------------------------------------------------------------

A, B, C, D = PFGeoPoint(1, 1), PFGeoPoint(1, 2), PFGeoPoint(3, 3), PFGeoPoint(-5, -5)
MOMENT = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("where", "fields", "rule"),
    [
        ({"a": None}, {}, "null_equals_missing"),
        ({"a": {"$ne": None}}, {}, "null_equals_missing"),
        ({"a": {"$in": [None, 1]}}, {}, "null_equals_missing"),
        ({"a": {"$nin": [None, 1]}}, {}, "null_equals_missing"),
        ({"a": {"$exists": True}}, {"a": None}, "null_exists"),
        ({"a": {"$exists": False}}, {"a": None}, "null_exists"),
        ({"a": 1}, {"a": True}, "bool_is_number"),
        ({"a": {"$lt": 5}}, {"a": "x"}, "mismatch_raises"),
        ({"a": {"$gt": 3}}, {"a": ["x", 5]}, "mismatch_raises"),
        ({"a": {"$regex": "^f"}}, {"a": ["foo"]}, "mismatch_raises"),
        ({"a": {"$regex": ""}}, {"a": "x"}, "empty_regex_matches"),
        ({"a": {"$regex": "("}}, {"a": "x"}, "invalid_regex_raises"),
        ({"a": {"$regex": "a$"}}, {"a": "a\r"}, "regex_flavor"),
        ({"a": {"$all": [1]}}, {}, "all_needs_array"),
        ({"a": {"$all": [1]}}, {"a": 1}, "all_needs_array"),
        ({"a": {"$all": []}}, {"a": [1]}, "empty_all_matches"),
        ({"a": {"$containedBy": [3]}}, {"a": 3}, "contained_by_needs_array"),
        ({"a.b": 1}, {"a": [{"b": 1}]}, "paths"),
        ({"a.b": {"$exists": False}}, {"a": None}, "paths"),
        ({"a.0": "x"}, {"a": ["x"]}, "paths"),
        ({"a": {"$in": [[1, 2]]}}, {"a": [1, 2]}, "in_flattens"),
        ({"a": {"$text": {"$search": {"$term": "x"}}}}, {"a": "x"}, "unsupported_operators"),
    ],
)  # fmt: skip
def test_a_difference_is_owed_to_its_rule(where, fields, rule):
    assert rule in rules_of(decode_local_where(where), fields)["o0"]


def test_an_empty_query_does_not_differ():
    assert rules_of(ALWAYS, {"a": 1}, {}) == {}


def test_every_rule_that_differs_has_its_words():
    assert set(differing_rules(Dialect.SERVER, Dialect.IOS_LOCAL)) <= set(RULES)
    assert set(RULES) - set(differing_rules(Dialect.SERVER, Dialect.IOS_LOCAL)) == {
        "include_all",
        "known_objects",
    }


# -- order and page ------------------------------------------------------------------------------


def ordered(*keys: str) -> tuple[OrderKey, ...]:
    return tuple(OrderKey(key.removeprefix("-"), key.startswith("-")) for key in keys)


@pytest.mark.parametrize(
    ("keys", "objects", "message"),
    [
        (["a"], [{"a": 1}, {}, {}, {}], "`a` is missing on 3 deals: the server sorts them first, {ios} last"),
        (["-a"], [{}, {"a": 1}], "`a` is missing on 1 deal: the server sorts it last, {ios} first"),
    ],
)
def test_missing_order_keys(keys, objects, message):
    found = compare(rows(*objects), QueryState("Deal", order=ordered(*keys)))
    expected = message.format(ios="the iOS local datastore")
    assert [difference.message for difference in found.differences] == [expected]
    assert not found.same


@pytest.mark.parametrize(
    ("keys", "objects", "rules"),
    [
        (["-a"], [{"a": 1}, {"a": 1}], {"ties_follow_order"}),
        (["a"], [{"a": "é"}, {"a": "f"}], {"string_order"}),
        (["a"], [{"a": None}, {"a": 1}], {"unordered_values_raise"}),
        (["a"], [{"a": "x"}, {"a": 1}], {"unordered_values_raise"}),
        (["a.b"], [{"a": {"b": 1}}], {"simple_order_keys"}),
        (["-a", "b"], [{"a": 1, "b": 1}, {"a": 1}, {"a": 1, "b": 0}], {"missing_first"}),
        (["-a"], [{"a": 1}, {"a": 1}, {}], {"ties_follow_order", "missing_first"}),
        (["a"], [{"a": 1}, {"a": 2}], set()),
    ],
)
def test_orders_are_owed_to_their_rules(keys, objects, rules):
    found = compare(rows(*objects), QueryState("Deal", order=ordered(*keys)))
    assert {rule for difference in found.differences for rule in difference.rules} == rules


def test_nearness_and_order():
    near = PFQuery("Deal").where_key("p", near_geo_point=A).order_by_ascending("a").state()
    found = compare(rows({"p": PFGeoPoint(1, 2), "a": 1}, {"p": A, "a": 2}), near)
    assert [difference.rules for difference in found.differences] == [("near_beats_order",)]


def test_the_default_limit():
    found = compare(rows(*({"a": n} for n in range(150))), QueryState("Deal"))
    assert (len(found.server.object_ids), len(found.local.object_ids)) == (100, 150)
    assert [difference.rules for difference in found.differences] == [("default_limit",)]
    assert "the server returns 100, the iOS local datastore 150" in str(found)
    assert compare(rows(*({"a": n} for n in range(150))), QueryState("Deal", limit=120)).same


def test_a_failing_object_fails_the_whole_find_and_is_named():
    found = compare(rows({"a": 1}, {"a": "x"}), QueryState("Deal", Constraint("a", "$lt", 5)))
    assert found.server.object_ids == ("o0",)
    assert found.local.error is not None
    assert found.local.error.code == 102
    assert [(item.object_id, item.constraints) for item in found.disagreements] == [("o1", ("a $lt",))]
    assert "error 102" in str(found)


def test_the_constraint_that_differs_is_named_among_several():
    query = PFQuery("Deal").where_key("a", equal_to=1).where_key("b", not_equal_to=None).state()
    found = compare(rows({"a": 1}, {"a": 1, "b": 2}), query)
    assert [item.constraints for item in found.disagreements] == [("b $ne",)]


C2 = {"__type": "Pointer", "className": "Company", "objectId": "c2"}


def test_sub_queries_run_under_the_rules_of_the_query_around_them():
    objects = [
        {"className": "Company", "objectId": "c1"},
        {"className": "Company", "objectId": "c2"},
        {"className": "Deal", "objectId": "d1", "company": C2},
    ]  # fmt: skip
    query = PFQuery("Deal").where_key("company", matches_query=PFQuery("Company").limit(1)).state()
    given = Given(objects, "Deal")
    found = compare(given.of("Deal"), query, lambda rules: given.lookup("Deal", rules))
    assert [item.rules for item in found.disagreements] == [("subquery_pages",)]


# -- lint ----------------------------------------------------------------------------------------


def linted(query: PFQuery[Any], schema: Any = crm_schema.SCHEMA) -> set[str]:
    return {rule for finding in query.lint(schema) for rule in finding.rules}


def test_lint_knows_the_schema():
    query = PFQuery("Deal").where_key("amount", greater_than=5).limit(10)
    assert linted(query) == set()
    assert "mismatch_raises" in linted(query, None)


def test_lint_uses_the_schema_of_the_engine_in_force():
    query = PFQuery("Deal").where_key("amount", greater_than=5).limit(10)
    assert query.lint() != []
    with parsekit.open(":memory:", schema=crm_schema.SCHEMA):
        assert query.lint() == []


@pytest.mark.parametrize(
    ("query", "rule"),
    [
        (PFQuery("Deal"), "default_limit"),
        (PFQuery("Deal").select_keys("a"), "projects"),
        (PFQuery("Deal").exclude_keys("a"), "projects"),
        (PFQuery("Deal").include_key("company"), "include_may_fail"),
        (PFQuery("Deal").include_all(), "include_all"),
        (PFQuery("Deal").order_by_ascending("expectedCloseDate"), "missing_first"),
        (PFQuery("Deal").order_by_descending("createdAt"), "ties_follow_order"),
        (PFQuery("Deal").order_by_descending("a.b"), "simple_order_keys"),
        (PFQuery("Deal").order_by_ascending("title"), "string_order"),
        (PFQuery("Deal").where_key("p", near_geo_point=A).order_by_ascending("amount"), "near_beats_order"),
        (PFQuery("Deal").where_key("title", matches_regex="a.c"), "regex_flavor"),
        (PFQuery("Deal").where_related_to(Pointer("A", "b"), from_key="k"), "known_objects"),
        (PFQuery("Deal").where_key("company", matches_query=PFQuery("Company").limit(3)), "subquery_pages"),
        (PFQuery("Deal").where_key("title", matches_key="name", in_query=PFQuery("Company")), "select_reads_wire"),
        (PFQuery("Deal").where_key("p", within_polygon=[A, B, C]), "unsupported_operators"),
        (PFQuery("Deal").where_key("p", within_geo_box_from_southwest=C, to_northeast=A), "box_rule"),
        (PFQuery("Deal").where_key("p", within_geo_box_from_southwest=D, to_northeast=A), "missing_is_origin"),
    ],
)  # fmt: skip
def test_lint_finds(query, rule):
    assert rule in linted(query)


@pytest.mark.parametrize(
    "query",
    [
        PFQuery("Deal").where_key("stage", equal_to="won").limit(10),
        PFQuery("Deal").where_key("stage", contained_in=["won", "lost"]).order_by_ascending("createdAt").limit(10),
        PFQuery("Deal").where_key("title", has_prefix="A").limit(10),
        PFQuery("Deal").where_key("expectedCloseDate", less_than=MOMENT).limit(1),
    ],
)  # fmt: skip
def test_lint_finds_nothing(query):
    assert query.lint(crm_schema.SCHEMA) == []


def test_a_finding_is_a_sentence():
    (finding,) = PFQuery("Deal").where_key("stage", not_equal_to=None).limit(1).lint(crm_schema.SCHEMA)
    assert str(finding) == (
        "stage $ne, where `stage` is missing: server: does not match; iOS local datastore: matches "
        "(null_equals_missing)"
    )


def test_findings_inside_a_sub_query_say_so():
    inner = PFQuery("Company").where_key_exists("industry")
    found = PFQuery("Deal").where_key("company", matches_query=inner).limit(1).lint(crm_schema.SCHEMA)
    assert [finding.place for finding in found] == ["company $inQuery, sub-query: industry $exists"]


def _stored(thing: Row) -> Row:
    """A generated thing as a stored object; members of relations are another matter."""
    return {
        **{key: value for key, value in thing.items() if key != "r"},
        "createdAt": MOMENT,
        "updatedAt": MOMENT,
    }


def _groups(children: Any) -> Any:
    parts = st.lists(children, min_size=1, max_size=3).map(tuple)
    return st.one_of(st.builds(And, parts), st.builds(Or, parts), st.builds(Nor, parts))


_leaf = st.one_of(constraints(), geo_constraints())
_orders = st.lists(
    st.builds(OrderKey, st.sampled_from(["s", "n", "d", "b", "createdAt", "objectId"]), st.booleans()),
    max_size=2,
    unique_by=lambda item: item.key,
).map(tuple)


@given(st.lists(things(), min_size=1, max_size=6), st.recursive(_leaf, _groups, max_leaves=3), _orders)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_where_lint_finds_nothing_the_dialects_agree(objects, where, order):
    state = QueryState("Thing", where, order, limit=100)
    if lint(state, types_of(SCHEMA)):
        return
    given_rows = rows(*map(_stored, objects), class_name="Thing")
    given = Given([], "Thing")
    found = compare(given_rows, state, lambda rules: given.lookup("Thing", rules))
    assert found.same, str(found)


# -- the engine ----------------------------------------------------------------------------------


def test_the_engine_compares_its_own_objects():
    with parsekit.open(":memory:", schema=crm_schema.SCHEMA) as engine, engine.acting_as_master():
        PFObject("Deal", title="a", stage="lead").save()
        PFObject("Deal", title="b", stage="lead", expectedCloseDate=MOMENT).save()
        found = PFQuery("Deal").order_by_descending("expectedCloseDate").compare_dialects()
        assert found.differences[0].message == (
            "`expectedCloseDate` is missing on 1 deal: the server sorts it last, the iOS local datastore first"
        )
        assert found.counted == 2


def test_roles_count_on_the_server_only():
    with parsekit.open(":memory:") as engine, engine.acting_as_master():
        user = PFUser.sign_up("ada", password="secret")
        role = PFRole("sales", acl=PFACL())
        role.users.add_object(user)
        role.save()
        deal = PFObject("Deal", title="a")
        acl = PFACL()
        acl.set_read_access(True, for_role_with_name="sales")
        deal.acl = acl
        deal.save()
        PFObject("Deal", title="b").save()
        with engine.acting_as(user):
            found = PFQuery("Deal").limit(5).compare_dialects()
    assert [item.rules for item in found.disagreements] == [("roles_grant",)]
    assert found.differences[0].message == (
        "1 deal readable through a role only: the server matches, the iOS local datastore does not match"
    )
