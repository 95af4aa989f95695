"""Opening an engine with a schema: what is applied, what is refused."""

from __future__ import annotations

import pytest

import parsekit
from parsekit import ClassSchema, Field, PFObject, PFQuery, Schema, SchemaError


def test_permissions_that_are_none_are_refused_all_at_once_and_nothing_is_changed() -> None:
    wrong = Schema(
        [
            ClassSchema.new("A", {"x": Field("String")}, permissions={"fnd": {"*": True}}),
            ClassSchema.new("B", permissions={"find": {"*": False}}),
        ]
    )
    with parsekit.open(":memory:") as engine:
        with pytest.raises(SchemaError) as caught:
            engine.apply_schema(wrong)
        assert [problem.split(":")[0] for problem in caught.value.problems] == [
            "A.classLevelPermissions",
            "B.classLevelPermissions",
        ]
        assert "A" not in engine.schema


def test_a_field_of_another_type_is_refused_and_nothing_is_changed() -> None:
    with parsekit.open(":memory:", schema=Schema([ClassSchema.new("A", {"x": Field("String")})])) as engine:
        with pytest.raises(SchemaError, match=r"A\.x: the field is String and cannot become Number"):
            engine.apply_schema(Schema([ClassSchema.new("A", {"x": Field("Number"), "y": Field("Number")})]))
        assert "y" not in engine.schema.classes["A"].fields


def test_typed_classes_bring_their_schema_and_hydrate_by_name() -> None:
    class Maker(PFObject, class_name="Maker"):
        full_name: str

    class Thing(PFObject, class_name="Thing"):
        title: str
        price: float | None = None
        made_by: Maker | None = None

    with parsekit.open(":memory:", classes=[Thing, Maker]) as engine:
        fields = engine.schema.classes["Thing"].fields
        assert fields["title"] == Field("String", required=True)
        assert fields["madeBy"] == Field("Pointer", ("Maker",))
        thing = Thing(title="Lamp", price=3, made_by=Maker(full_name="Ann"))
        thing.save()
        found = PFQuery("Thing").include_key("madeBy").first()
        assert isinstance(found, Thing)
        assert isinstance(found.made_by, Maker)
        assert (found.title, found.price, found.made_by.full_name) == ("Lamp", 3, "Ann")
        found.price = None
        assert "price" not in found


def test_a_partial_object_says_what_to_fetch() -> None:
    with parsekit.open(":memory:"):
        PFObject("Note", text="a", stars=3).save()
        partial = PFQuery("Note").select_keys("stars").first()
        assert partial["stars"] == 3
        with pytest.raises(parsekit.EngineError, match='Key "text" has no data'):
            partial["text"]
        with pytest.raises(parsekit.EngineError, match="fetch_if_needed"):
            partial.get("text")
        assert partial.fetch_if_needed()["text"] == "a"
        with pytest.raises(KeyError, match='did you mean "stars"'):
            partial["star"]
