"""``parsekit.testing``: every way to give objects and queries, and what failures say."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from parsekit import Dialect, EngineError, ParseError, PFObject, PFQuery
from parsekit.testing import (
    assert_matches,
    assert_order,
    assert_same_in_both_dialects,
    compare_dialects,
    results,
)

pytest_plugins = ["pytester"]

DEALS = [
    {"objectId": "d1", "stage": "won", "amount": 100, "createdAt": "2024-01-01T00:00:00.000Z"},
    {"objectId": "d2", "stage": "lead", "amount": 50, "tags": ["a", "b"]},
    {"objectId": "d3", "stage": "won"},
]
WON = PFQuery("Deal").where_key("stage", equal_to="won")


def ids(found):
    return [item["objectId"] for item in found]


# -- ways to ask ---------------------------------------------------------------------------------


def test_a_builder_rest_json_and_a_predicate_ask_the_same():
    assert ids(results(WON, DEALS)) == ["d1", "d3"]
    assert ids(results({"className": "Deal", "where": {"stage": "won"}}, DEALS)) == ["d1", "d3"]
    assert ids(results({"where": {"stage": "won"}}, DEALS, class_name="Deal")) == ["d1", "d3"]
    assert ids(results("stage = 'won'", DEALS, class_name="Deal")) == ["d1", "d3"]
    assert ids(results("%K = %@", DEALS, class_name="Deal", arguments=["stage", "won"])) == ["d1", "d3"]


def test_the_given_items_come_back():
    assert results(WON, DEALS)[0] is DEALS[0]
    objects = [PFObject("Deal", stage="won"), PFObject("Deal", stage="lost")]
    assert results(WON, objects) == [objects[0]]


def test_order_skip_and_limit_count():
    query = PFQuery("Deal").order_by_descending("amount").limit(2)
    assert ids(results(query, DEALS)) == ["d1", "d2"]
    assert ids(results(query, DEALS, Dialect.IOS_LOCAL)) == ["d3", "d1"]
    assert ids(results(query.skip(1), DEALS)) == ["d2", "d3"]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(DEALS),
        json.dumps({"results": DEALS}),
        "\n".join(map(json.dumps, DEALS)),
        "\ufeff" + json.dumps(DEALS, indent=1),
    ],
)
def test_objects_from_a_file(tmp_path, text):
    file = tmp_path / "deals.json"
    file.write_text(text, encoding="utf-8")
    assert ids(results(WON, file)) == ["d1", "d3"]
    assert ids(results(WON, str(file))) == ["d1", "d3"]


@pytest.mark.parametrize("text", ["5", "[1]", "{", '{"a": 1}\n5'])
def test_a_file_that_holds_no_objects(tmp_path, text):
    file = tmp_path / "deals.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(EngineError, match=r"deals\.json"):
        results(WON, file)


def test_sub_queries_and_relations_work_among_the_given_objects():
    objects = [
        {"className": "Company", "objectId": "c1", "size": 10, "name": "Acme"},
        {"className": "Company", "objectId": "c2", "size": 1, "name": "Bolt"},
        {
            "className": "Deal", "objectId": "d1", "title": "Acme",
            "company": {"__type": "Pointer", "className": "Company", "objectId": "c1"},
            "partners": {
                "__type": "Relation", "className": "Company",
                "objects": [{"__type": "Pointer", "className": "Company", "objectId": "c2"}],
            },
        },
        {"className": "Deal", "objectId": "d2", "title": "x"},
    ]  # fmt: skip
    big = PFQuery("Company").where_key("size", greater_than=5)
    for dialect in (Dialect.SERVER, Dialect.IOS_LOCAL):
        assert ids(results(PFQuery("Deal").where_key("company", matches_query=big), objects, dialect)) == [
            "d1"
        ]
        assert ids(results("company IN %@", objects, dialect, class_name="Deal", arguments=[big])) == ["d1"]
        titles = PFQuery("Deal").where_key("title", matches_key="name", in_query=PFQuery("Company"))
        assert ids(results(titles, objects, dialect)) == ["d1"]
        owner = PFObject.without_data("Deal", "d1")
        members = PFQuery("Company").where_related_to(owner, from_key="partners")
        assert ids(results(members, objects, dialect)) == ["c2"]
        bolt = PFObject.without_data("Company", "c2")
        assert ids(results(PFQuery("Deal").where_key("partners", equal_to=bolt), objects, dialect)) == ["d1"]


def test_a_class_is_needed():
    with pytest.raises(EngineError, match="needs class_name"):
        results("stage = 'won'", DEALS)
    with pytest.raises(EngineError, match="needs its class"):
        results({"where": {}}, DEALS)


def test_an_object_that_cannot_be_read_is_named():
    with pytest.raises(EngineError, match="object 1: "):
        results(WON, [{}, {"createdAt": "yesterday"}])
    with pytest.raises(EngineError, match="object 0: expected REST JSON"):
        results(WON, [5])


def test_the_server_refuses_by_the_types_of_the_given_objects():
    query = {"className": "Deal", "where": {"stage": {"$gt": [1]}}}
    with pytest.raises(ParseError) as caught:
        results(query, DEALS)
    assert caught.value.code == 107


# -- assertions ----------------------------------------------------------------------------------


def failure(check, *arguments, **options):
    with pytest.raises(AssertionError) as caught:
        check(*arguments, **options)
    return str(caught.value)


def test_what_holds_passes():
    assert_matches(WON, DEALS, ["d3", "d1"])
    assert_matches(WON, DEALS, lambda deal: deal["stage"] == "won")
    assert_order(PFQuery("Deal").order_by_ascending("amount"), DEALS, ["d3", "d2", "d1"])
    assert_order(PFQuery("Deal").order_by_ascending("amount"), DEALS, ["d2", "d1", "d3"], Dialect.IOS_LOCAL)
    assert_same_in_both_dialects(WON, DEALS)


def test_a_failure_names_the_constraint_that_was_decisive():
    query = PFQuery("Deal").where_key("stage", equal_to="won").where_key("amount", greater_than=60)
    assert failure(assert_matches, query, DEALS, ["d1", "d3"]) == (
        "1 of 3 objects answer otherwise (SERVER):\n"
        "  Deal d3 was not found and should be: `amount $gt 60` does not hold (amount has no value)"
    )
    assert failure(assert_matches, WON, DEALS, ["d1"]) == (
        "1 of 3 objects answer otherwise (SERVER):\n"
        "  Deal d3 was found and should not be: `stage $eq 'won'` holds (stage has 'won')"
    )


def test_a_failure_inside_or_and_nor():
    either = PFQuery.or_(WON, PFQuery("Deal").where_key("amount", less_than=10))
    assert "`stage $eq 'won'` does not hold (stage has 'lead'); `amount $lt 10` does not hold" in failure(
        assert_matches, either, DEALS, ["d1", "d2", "d3"]
    )
    neither = PFQuery.nor(WON, PFQuery("Deal").where_key("amount", less_than=10))
    assert "Deal d1 was not found and should be: `stage $eq 'won'` holds" in failure(
        assert_matches, neither, DEALS, ["d1", "d2"]
    )
    assert "Deal d2 was found and should not be: `stage $eq 'won'` does not hold" in failure(
        assert_matches, neither, DEALS, []
    )


def test_a_failing_query_names_the_object_that_fails_it():
    query = PFQuery("Deal").where_key("tags", contains_all=["a"])
    said = failure(assert_matches, query, DEALS, ["d2"], Dialect.IOS_LOCAL)
    assert said.startswith("the whole query fails under IOS_LOCAL with 102: ")
    assert "Deal d1: `tags $all ('a',)` fails (tags has no value)" in said
    assert "Deal d2" not in said


def test_a_page_is_suspected_where_the_constraints_hold():
    assert "(it may be cut by the page)" in failure(assert_matches, WON.copy().limit(1), DEALS, ["d1", "d3"])
    assert "cut by limit and skip" in failure(
        assert_matches, PFQuery("Deal").limit(1), DEALS, ["d1", "d2", "d3"]
    )


def test_expected_objects_must_exist():
    assert failure(assert_matches, WON, DEALS, ["d9"]) == "no given Deal has the objectId d9"


def test_a_wrong_order_names_the_place_and_the_keys():
    query = PFQuery("Deal").order_by_descending("amount")
    said = failure(assert_order, query, DEALS, ["d2", "d1", "d3"])
    assert said.splitlines() == [
        "position 0: found d1 where d2 should be (SERVER)",
        "  found:    d1, d2, d3",
        "  expected: d2, d1, d3",
        "  order key -amount: d1 has 100 and d2 has 50",
    ]
    assert "d3 was not found" not in said
    assert "was found and should not be" in failure(assert_order, query, DEALS, ["d2", "d1"])


def test_dialects_that_disagree():
    query = PFQuery("Deal").where_key("amount", not_equal_to=None)
    said = failure(assert_same_in_both_dialects, query, DEALS)
    assert "`amount $ne` on 1 deal: the server does not match, the iOS local datastore matches" in said
    assert compare_dialects(query, DEALS).disagreements[0].object_id == "d3"


# -- the plugin ----------------------------------------------------------------------------------


def test_the_fixture_opens_an_empty_engine(pytester: pytest.Pytester):
    pytester.makepyfile(
        """
        from parsekit import PFObject, PFQuery

        def test_engine(parsekit_engine):
            PFObject("Deal", title="a").save()
            assert PFQuery("Deal").count() == 1

        def test_another(parsekit_engine):
            assert PFQuery("Deal").count() == 0
        """
    )
    installed = any(entry.value == "parsekit.pytest_plugin" for entry in entry_points(group="pytest11"))
    options = () if installed else ("-p", "parsekit.pytest_plugin")
    pytester.runpytest_subprocess(*options).assert_outcomes(passed=2)


def test_the_plugin_is_an_entry_point():
    project = Path(__file__).parents[2] / "pyproject.toml"
    assert '[project.entry-points.pytest11]\nparsekit = "parsekit.pytest_plugin"' in project.read_text(
        "utf-8"
    )
