"""Rules of RestQuery, DatabaseController and MongoTransform that few queries meet, found by running Parse Server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import parsekit
from parsekit import ParseError, PFObject, PFQuery
from parsekit.schema import ClassSchema, Field, Schema

SCHEMA = Schema(
    [
        ClassSchema.new(
            "Kit",
            {"n": Field("Number"), "s": Field("String"), "tags": Field("Array"), "day": Field("Date"),
             "rel": Field("Relation", ("Part",)), "part": Field("Pointer", ("Part",))},
        ),
        ClassSchema.new("Part", {"name": Field("String"), "maker": Field("Pointer", ("Maker",))}),
        ClassSchema.new("Maker", {"name": Field("String")}),
        ClassSchema.new("Shut", {"n": Field("Number")}, permissions={"find": {"requiresAuthentication": True}}),
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def engine() -> Iterator[parsekit.ParseEngine]:
    with parsekit.open(":memory:", schema=SCHEMA) as opened:
        part = PFObject("Part", name="bolt", maker=PFObject("Maker", name="Ann"))
        part.save()
        for number, tags in ((1, ["a"]), (2, ["a", "b"]), (3, [])):
            kit = PFObject("Kit", n=number, s=f"s{number}", tags=tags, part=part)
            if number == 1:
                kit.relation("rel").add_object(part)
            kit.save()
        yield opened


def found(where: dict[str, Any], **options: Any) -> list[int]:
    return [kit["n"] for kit in PFQuery.from_json("Kit", {"where": where, "order": "n", **options}).find()]


def code(where: dict[str, Any], class_name: str = "Kit", **options: Any) -> int | None:
    try:
        PFQuery.from_json(class_name, {"where": where, **options}).find()
    except ParseError as error:
        return error.code
    return None


def test_operators_beside_contained_by_are_negated_with_it(engine: parsekit.ParseEngine) -> None:
    assert found({"tags": {"$containedBy": ["a"]}}) == [1, 3]
    assert found({"tags": {"$containedBy": ["a"], "$in": ["b"]}}) == [1, 3]
    assert found({"tags": {"$containedBy": ["a", "b"], "$in": ["b"]}}) == [1, 2, 3]


def test_a_query_has_one_nor_and_contained_by_is_one(engine: parsekit.ParseEngine) -> None:
    assert found({"tags": {"$containedBy": ["a"]}, "$nor": [{"n": 3}]}) == [1, 2]
    assert found({"$nor": [{"n": 3}], "tags": {"$containedBy": ["a"]}}) == [1, 3]
    assert code({"objectId": {"$containedBy": ["a"]}}) == 1


def test_a_limit_of_nothing_asks_for_no_permission_and_no_types(engine: parsekit.ParseEngine) -> None:
    assert code({"n": 1}, "Shut") == 101
    assert code({"n": 1}, "Shut", limit=0) is None
    assert code({"day": {"$gt": {"x": 1}}}) == 107
    assert code({"day": {"$gt": {"x": 1}}}, limit=0) is None
    assert code({}, "_Session", limit=0) == 209


def test_relations_are_asked_by_members_and_nothing_else(engine: parsekit.ParseEngine) -> None:
    assert found({"rel": {"$exists": True}}) == found({"rel": {"$exists": False}}) == []
    assert found({"rel": {"$gt": {"x": 1}}}) == found({"rel": {"$ne": None}}) == []
    assert found({"rel": {"$ne": 5}}) == [1, 2, 3]
    part = PFQuery("Part").first()
    pointer = {"__type": "Pointer", "className": "Part", "objectId": part.object_id}
    assert found({"rel": pointer}) == [1]
    assert found({"rel": {"$ne": pointer}}) == [2, 3]
    # under $nor nobody looks for relations, and no document has the key
    assert found({"$nor": [{"rel": pointer}]}) == [1, 2, 3]
    assert found({"$nor": [{"$and": [{"rel": {"$ne": pointer}}]}]}) == []


def test_sub_queries_are_held_to_their_own_types(engine: parsekit.ParseEngine) -> None:
    inner = {"className": "Part", "where": {"name": {"$gt": {"x": 1}}}}
    assert code({"part": {"$inQuery": inner}}) == 107


def test_a_pointer_compares_with_other_classes_as_a_text(engine: parsekit.ParseEngine) -> None:
    other = {"__type": "Pointer", "className": "Alpha", "objectId": "zzz"}
    assert found({"part": {"$gt": other}}) == [1, 2, 3]
    assert found({"part": {"$lt": other}}) == []
    assert found({"s": {"$gt": other}}) == [1, 2, 3]
    assert found({"n": {"$gt": other}}) == []


def test_excluded_keys_are_taken_from_keys_word_for_word(engine: parsekit.ParseEngine) -> None:
    def first(**options: Any) -> dict[str, Any]:
        return PFQuery.from_json("Kit", {"order": "n", **options}).first().to_fields_json()

    assert "part" not in first(keys="part.name,n", excludeKeys="part.name")
    assert first(keys="part.name,n", excludeKeys="part")["part"]["name"] == "bolt"


def test_an_include_of_everything_is_one_level_deep(engine: parsekit.ParseEngine) -> None:
    def maker(**options: Any) -> Any:
        kit = PFQuery.from_json("Kit", {"order": "n", **options}).first()
        return kit.to_fields_json()["part"]["maker"]["__type"]

    assert maker(include="part.maker") == "Object"
    assert maker(include="*,part.maker") == maker(include="*", keys="part.maker.name") == "Pointer"
    assert (
        maker(includeAll=True, include="part.maker")
        == maker(includeAll=True, keys="part.maker.name")
        == "Object"
    )
