"""Aggregates and distinct values; what SQL groups by itself is what the pipeline makes of the same objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import parsekit
from parsekit import PFObject, PFQuery
from parsekit.engine import aggregation
from parsekit.errors import InvalidQueryError, OperationForbiddenError
from parsekit.query.aggregate import check_pipeline, decode_request

SALES = [
    {"stage": "lead", "owner": "a", "amount": 10, "tags": ["x", "y"], "info": {"n": 1}},
    {"stage": "lead", "owner": "b", "amount": 20, "tags": ["x"]},
    {"stage": "won", "owner": "a", "amount": 30, "info": {"n": 3}},
    {"stage": "won", "owner": "b", "amount": 5.5},
    {"stage": "lost", "owner": "a"},
]


@pytest.fixture
def sales() -> Iterator[parsekit.ParseEngine]:
    with parsekit.open() as engine:
        PFObject.save_all([PFObject("Sale", **fields) for fields in SALES])
        with engine.acting_as_master():
            yield engine


def run(*stages: dict[str, Any]) -> list[dict[str, Any]]:
    return PFQuery("Sale").aggregate(list(stages))


class TestStages:
    def test_group(self, sales: parsekit.ParseEngine) -> None:
        assert run({"$group": {"_id": "$stage", "n": {"$sum": 1}, "total": {"$sum": "$amount"}}}) == [
            {"objectId": "lead", "n": 2, "total": 30},
            {"objectId": "lost", "n": 1, "total": 0},
            {"objectId": "won", "n": 2, "total": 35.5},
        ]

    def test_all_in_one_group(self, sales: parsekit.ParseEngine) -> None:
        terms = {"avg": {"$avg": "$amount"}, "hi": {"$max": "$amount"}, "lo": {"$min": "$amount"}}
        assert run({"$group": {"_id": None, **terms}}) == [
            {"objectId": None, "avg": 16.375, "hi": 30, "lo": 5.5}
        ]

    def test_a_group_by_expressions(self, sales: parsekit.ParseEngine) -> None:
        big = {"$cond": [{"$gte": ["$amount", 20]}, "big", "small"]}
        found = run(
            {"$group": {"_id": {"size": big, "owner": "$owner"}, "n": {"$sum": 1}}}, {"$sort": {"n": -1}}
        )
        assert found[0] == {"objectId": {"size": "small", "owner": "a"}, "n": 2}

    def test_date_parts(self, sales: parsekit.ParseEngine) -> None:
        found = run({"$group": {"_id": {"$year": "$createdAt"}, "n": {"$sum": 1}}})
        assert [(type(row["objectId"]), row["n"]) for row in found] == [(int, 5)]

    def test_match_sort_limit_project(self, sales: parsekit.ParseEngine) -> None:
        found = run(
            {"$match": {"amount": {"$gt": 5}, "$or": [{"owner": "a"}, {"stage": "won"}]}},
            {"$sort": {"amount": -1}},
            {"$skip": 1},
            {"$limit": 1},
            {"$project": {"_id": 0, "amount": 1, "label": {"$concat": ["$stage", "-", "$owner"]}}},
        )
        assert found == [{"amount": 10, "label": "lead-a"}]

    def test_unwind_and_count(self, sales: parsekit.ParseEngine) -> None:
        assert run({"$unwind": "$tags"}, {"$sortByCount": "$tags"}) == [
            {"objectId": "x", "count": 2},
            {"objectId": "y", "count": 1},
        ]
        assert run({"$match": {"stage": "won"}}, {"$count": "n"}) == [{"n": 2}]

    def test_accumulators(self, sales: parsekit.ParseEngine) -> None:
        terms = {"all": {"$push": "$amount"}, "set": {"$addToSet": "$stage"}, "one": {"$first": "$owner"}}
        found = run({"$match": {"owner": "a"}}, {"$group": {"_id": "$owner", **terms}})
        assert found == [{"objectId": "a", "all": [10, 30], "set": ["lead", "won", "lost"], "one": "a"}]

    def test_a_sort_by_object_id_sorts_nothing(self, sales: parsekit.ParseEngine) -> None:
        rows = run({"$group": {"_id": "$stage"}}, {"$sort": {"objectId": 1}})
        assert [row["objectId"] for row in rows] == ["lead", "won", "lost"]
        rows = run({"$group": {"_id": "$stage", "all": {"$push": "$amount"}}}, {"$sort": {"objectId": 1}})
        assert [row["objectId"] for row in rows] == ["lead", "won", "lost"]

    def test_a_group_by_a_pointer_shows_the_id(self, sales: parsekit.ParseEngine) -> None:
        company = PFObject("Company", name="x")
        PFObject("Order", company=company, n=1).save()
        rows = PFQuery("Order").aggregate([{"$group": {"_id": "$company", "n": {"$sum": "$n"}}}])
        assert rows == [{"objectId": company.object_id, "n": 1}]
        by_id = PFQuery("Order").aggregate([{"$match": {"company": company.object_id}}, {"$count": "n"}])
        assert by_id == [{"n": 1}]


class TestRefusals:
    @pytest.mark.parametrize(
        ("pipeline", "text"),
        [
            ([{"group": {"_id": None}}], "Invalid aggregate stage 'group'."),
            ([{"$group": {"n": {"$sum": 1}}}], "Invalid parameter for query: group. Missing key _id"),
            (
                [{"$group": {"objectId": 1, "_id": None}}],
                "Cannot use objectId in aggregation. Use _id instead.",
            ),
            (
                [{"$match": {}, "$limit": 1}],
                "Pipeline stages should only have one key but found $match, $limit.",
            ),
        ],
    )
    def test_pipelines(self, pipeline: Any, text: str) -> None:
        with pytest.raises(InvalidQueryError) as caught:
            check_pipeline(pipeline)
        assert caught.value.message == text

    def test_unknown_stages_and_expressions(self, sales: parsekit.ParseEngine) -> None:
        with pytest.raises(InvalidQueryError, match=r"\$nope"):
            run({"$nope": 1})
        with pytest.raises(InvalidQueryError, match=r"\$nope"):
            run({"$project": {"x": {"$nope": 1}}})

    def test_masters_only(self, sales: parsekit.ParseEngine) -> None:
        anonymous = parsekit.Principal.anonymous()
        with sales.acting_as(anonymous), pytest.raises(OperationForbiddenError):
            run({"$count": "n"})
        with sales.acting_as(anonymous), pytest.raises(OperationForbiddenError):
            PFQuery("Sale").distinct("stage")


class TestDistinct:
    def test_values_and_elements(self, sales: parsekit.ParseEngine) -> None:
        assert PFQuery("Sale").distinct("stage") == ["lead", "won", "lost"]
        assert PFQuery("Sale").distinct("tags") == ["x", "y"]
        assert PFQuery("Sale").where_key("stage", equal_to="won").distinct("info.n") == [3]
        assert PFQuery("Sale").distinct("nope") == []


def test_stages_may_be_parameters() -> None:
    asked = decode_request({"$match": {"a": 1}, "$limit": 2})
    assert asked.pipeline == (("$match", {"a": 1}), ("$limit", 2))


rows = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "stage": st.sampled_from(["a", "b", None]),
            "amount": st.one_of(st.integers(-5, 5), st.sampled_from([0.5, 2.25]), st.none()),
            "won": st.booleans(),
        },
    ),
    max_size=12,
)
references = st.sampled_from(["$amount", "$stage", "$won", "$createdAt"])
terms = st.one_of(
    st.just({"$sum": 1}),
    st.just({"$sum": "$amount"}),
    st.just({"$avg": "$amount"}),
    st.builds(lambda name, key: {name: key}, st.sampled_from(["$min", "$max"]), references),
)
groups = st.builds(
    lambda key, found: {"_id": key, **found},
    st.sampled_from([None, "$stage", "$won", "$amount"]),
    st.dictionaries(st.sampled_from(["x", "y"]), terms),
)
matches = st.sampled_from(
    [{}, {"stage": "a"}, {"amount": {"$gt": 0}}, {"won": {"$ne": True}}, {"stage": None}]
)


@settings(deadline=None, max_examples=60)
@given(rows, matches, groups)
def test_sql_groups_as_the_pipeline_does(fields: list[dict[str, Any]], match: Any, group: Any) -> None:
    fixed = {
        "stage": parsekit.Field("String"),
        "amount": parsekit.Field("Number"),
        "won": parsekit.Field("Boolean"),
    }
    schema = parsekit.Schema([parsekit.ClassSchema.new("Sale", fixed)])
    pipeline = check_pipeline([{"$match": match}, {"$group": group}])
    with parsekit.open(schema=schema) as engine, engine.acting_as_master():
        PFObject.save_all([PFObject("Sale", **item) for item in fields])
        state, master = PFQuery("Sale").state(), parsekit.Principal.master()
        quick = engine.aggregation.run(state, pipeline, master)
        documents = list(engine.aggregation._documents(state, master))
        slow = [
            aggregation.parse_object(row, bare_pointer=False)
            for row in aggregation.run_pipeline(documents, pipeline, engine.schema.classes["Sale"].fields)
        ]
        # the order of groups is nobody's promise: SQL gives them by key, the pipeline as they are first seen
        assert sorted(quick, key=repr) == sorted(slow, key=repr)
