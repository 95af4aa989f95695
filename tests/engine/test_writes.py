"""The write path through ``PFObject`` and ``engine.direct``: values, answers, order of refusals, rollback in memory."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

import parsekit
from parsekit import ClassSchema, Field, PFObject, PFPolygon, PFQuery, Principal, Schema
from parsekit.codec import decode_operation
from parsekit.engine.write import Change
from parsekit.errors import (
    AggregateError,
    DuplicateValueError,
    InvalidPointerError,
    NestedKeyError,
    ObjectNotFoundError,
    OperationForbiddenError,
    TypeMismatchError,
    ValidationError,
)
from parsekit.operations import OperationSet
from parsekit.storage import journal

MASTER = Principal.master()
NOBODY = Principal.anonymous()


@pytest.fixture
def engine() -> Iterator[parsekit.ParseEngine]:
    with parsekit.open() as engine:
        yield engine


def operations(**fields: Any) -> OperationSet:
    found = OperationSet()
    for key, value in fields.items():
        found.perform(key.replace("__", "."), decode_operation(value))
    return found


def create(engine: parsekit.ParseEngine, class_name: str, **fields: Any) -> str:
    return engine.direct.create(class_name, operations(**fields), MASTER).object_id


def stored(engine: parsekit.ParseEngine, class_name: str, object_id: str) -> dict[str, Any]:
    fields = engine.get_object(class_name, object_id, MASTER).to_fields_json()
    return {key: value for key, value in fields.items() if key not in ("objectId", "createdAt", "updatedAt")}


class TestAnswers:
    def test_only_results_of_operations_and_defaults_are_echoed(self, engine: parsekit.ParseEngine) -> None:
        engine.apply_schema(Schema([ClassSchema.new("Deal", {"stage": Field("String", default="lead")})]))
        answer = engine.direct.create(
            "Deal",
            operations(a=1, n={"__op": "Increment", "amount": 2}, t={"__op": "Add", "objects": [1]}),
            NOBODY,
        )
        assert answer.echo == {"n": 2, "t": [1], "stage": "lead"}

    def test_a_dotted_operation_echoes_its_path_alone(self, engine: parsekit.ParseEngine) -> None:
        made = create(engine, "Deal", o={"a": 1, "b": {"c": 2}}, arr=[1, 2])
        answer = engine.direct.update(
            "Deal", made, operations(o__b__c={"__op": "Increment", "amount": 5}), NOBODY
        )
        assert answer.echo == {"o": {"b": {"c": 7}}}
        answer = engine.direct.update(
            "Deal", made, operations(arr__0={"__op": "Increment", "amount": 5}), NOBODY
        )
        assert answer.echo == {"arr": [6, 2]}

    def test_remove_from_a_missing_key_answers_and_stores_nothing(self, engine: parsekit.ParseEngine) -> None:
        made = create(engine, "Deal", a=1)
        remove = operations(t={"__op": "Remove", "objects": [1]})
        assert engine.direct.update("Deal", made, remove, NOBODY).echo == {}
        assert stored(engine, "Deal", made) == {"a": 1}

    def test_an_object_learns_the_results(self, engine: parsekit.ParseEngine) -> None:
        deal = PFObject("Deal", n=1)
        deal.save()
        other = PFQuery("Deal").first()
        other.increment_key("n", by_amount=10)
        other.save()
        deal.increment_key("n")
        deal.save()
        assert deal["n"] == 12


class TestValues:
    def test_a_polygon_is_stored_closed(self, engine: parsekit.ParseEngine) -> None:
        deal = PFObject("Area", ring=PFPolygon([(0, 0), (0, 10), (10, 10)]))
        deal.save()
        assert PFQuery("Area").first()["ring"].coordinates[-1] == (0, 0)

    @pytest.mark.parametrize("value", [{"a.b": 1}, {"x": {"$y": 1}}, [{"a$": 1}]])
    def test_nested_keys_are_checked(self, engine: parsekit.ParseEngine, value: Any) -> None:
        with pytest.raises(NestedKeyError):
            PFObject("Deal", o=value).save()

    def test_null_defines_no_field(self, engine: parsekit.ParseEngine) -> None:
        made = create(engine, "Deal", nothing=None, a=1)
        assert "nothing" not in engine.schema.classes["Deal"].fields
        assert stored(engine, "Deal", made) == {"a": 1}

    def test_a_default_replaces_a_deleted_key_and_not_a_null(self, engine: parsekit.ParseEngine) -> None:
        engine.apply_schema(Schema([ClassSchema.new("Deal", {"n": Field("Number", default=7)})]))
        assert stored(engine, "Deal", create(engine, "Deal", n={"__op": "Delete"})) == {"n": 7}
        assert stored(engine, "Deal", create(engine, "Deal", n=None)) == {"n": None}

    @pytest.mark.parametrize("empty", [None, "", {"__op": "Delete"}])
    def test_a_required_key_cannot_be_emptied(self, engine: parsekit.ParseEngine, empty: Any) -> None:
        engine.apply_schema(Schema([ClassSchema.new("Deal", {"title": Field("String", required=True)})]))
        with pytest.raises(ValidationError, match="title is required"):
            create(engine, "Deal", title=empty)
        made = create(engine, "Deal", title="a")
        with pytest.raises(ValidationError, match="title is required"):
            engine.direct.update("Deal", made, operations(title=empty), MASTER)

    def test_one_geopoint_a_class(self, engine: parsekit.ParseEngine) -> None:
        point = {"__type": "GeoPoint", "latitude": 1, "longitude": 2}
        with pytest.raises(TypeMismatchError, match="there can only be one geopoint"):
            create(engine, "Place", a=point, b=point)
        create(engine, "Place", a=point)
        with pytest.raises(TypeMismatchError, match="MongoDB only supports one GeoPoint"):
            create(engine, "Place", b=point)

    def test_an_array_index_asks_for_an_array(self, engine: parsekit.ParseEngine) -> None:
        made = create(engine, "Deal", o={"a": 1}, arr=[1])
        with pytest.raises(TypeMismatchError, match="expected Object but got Array"):
            engine.direct.update("Deal", made, operations(o__0=1), MASTER)
        engine.direct.update("Deal", made, operations(arr__2="x"), MASTER)
        assert stored(engine, "Deal", made)["arr"] == [1, None, "x"]


class TestAcl:
    def test_null_is_not_sent_and_delete_locks(self, engine: parsekit.ParseEngine) -> None:
        made = create(engine, "Deal", a=1, ACL={"*": {"read": True}})
        engine.direct.update("Deal", made, operations(ACL=None), MASTER)
        assert stored(engine, "Deal", made)["ACL"] == {"*": {"read": True}}
        engine.direct.update("Deal", made, operations(ACL={"__op": "Delete"}), MASTER)
        assert stored(engine, "Deal", made)["ACL"] == {}
        with pytest.raises(ObjectNotFoundError):
            engine.get_object("Deal", made, NOBODY)

    def test_what_may_not_be_written_is_not_found(self, engine: parsekit.ParseEngine) -> None:
        made = create(engine, "Deal", a=1, ACL={"*": {"read": True}})
        with pytest.raises(ObjectNotFoundError):
            engine.direct.update("Deal", made, operations(a=2), NOBODY)
        with pytest.raises(ObjectNotFoundError):
            engine.direct.delete("Deal", made, NOBODY)

    def test_the_schema_refuses_before_the_class_does(self, engine: parsekit.ParseEngine) -> None:
        closed = {"find": {"*": True}}
        engine.schema_edits.create("Deal", {"n": {"type": "Number"}}, closed, None)
        with pytest.raises(TypeMismatchError):
            engine.direct.create("Deal", operations(n="text"), NOBODY)
        with pytest.raises(OperationForbiddenError):
            engine.direct.create("Deal", operations(n=1), NOBODY)


class TestMoving:
    def test_another_object_id_moves_the_object(self, engine: parsekit.ParseEngine) -> None:
        member = PFObject("Contact", n=1)
        member.save()
        deal = PFObject("Deal", a=1)
        deal.relation("contacts").add_object(member)
        deal.save()
        answer = engine.direct.update("Deal", str(deal.object_id), operations(a=2), NOBODY, new_id="moved")
        assert answer.object_id == "moved"
        found = PFQuery("Deal").find()
        assert [(obj.object_id, obj["a"]) for obj in found] == [("moved", 2)]
        assert found[0].relation("contacts").query().find() == [member]
        kinds = [entry.kind for entry in journal.entries(engine.store.database.reader(), 0)]
        assert kinds[-2:] == ["delete", "create"]

    def test_a_taken_id_is_refused(self, engine: parsekit.ParseEngine) -> None:
        first, second = create(engine, "Deal", a=1), create(engine, "Deal", a=2)
        with pytest.raises(DuplicateValueError):
            engine.direct.update("Deal", first, operations(a=3), MASTER, new_id=second)
        assert stored(engine, "Deal", first) == {"a": 1}


class TestGraphs:
    def test_children_are_saved_first(self, engine: parsekit.ParseEngine) -> None:
        company = PFObject("Company", name="Acme")
        deal = PFObject("Deal", company=company, links=[PFObject("Note", t="x")])
        deal.save()
        found = PFQuery("Deal").include_key("company", "links").first()
        assert (found["company"]["name"], found["links"][0]["t"]) == ("Acme", "x")

    def test_a_circle_of_new_objects_is_refused(self, engine: parsekit.ParseEngine) -> None:
        first, second = PFObject("A"), PFObject("A")
        first["other"], second["other"] = second, first
        with pytest.raises(InvalidPointerError):
            first.save()

    def test_one_failure_leaves_the_others_saved(self, engine: parsekit.ParseEngine) -> None:
        PFObject("A", n=0).save()
        objects = [PFObject("A", n=1), PFObject("A", n="text"), PFObject("A", n=3)]
        with pytest.raises(AggregateError) as caught:
            PFObject.save_all(objects)
        assert [(place, error.code) for place, error in caught.value.errors] == [(1, 111)]
        assert [obj.is_dirty for obj in objects] == [False, True, False]
        assert PFQuery("A").count() == 3


class TestTransactions:
    def test_a_rollback_takes_back_what_objects_learned(self, engine: parsekit.ParseEngine) -> None:
        old = PFObject("A", n=1)
        old.save()
        old["n"] = 2
        new = PFObject("A", n=3)
        with pytest.raises(RuntimeError), engine.transaction():
            PFObject.save_all([old, new])
            assert new.object_id is not None
            raise RuntimeError
        assert (old.dirty_keys, new.object_id, new.is_new) == (["n"], None, True)
        PFObject.save_all([old, new])
        assert sorted(obj["n"] for obj in PFQuery("A").find()) == [2, 3]

    def test_listeners_hear_of_committed_changes_only(self, engine: parsekit.ParseEngine) -> None:
        heard: list[Change] = []
        engine.on_changes(heard.extend)
        with engine.transaction():
            PFObject("A", n=1).save()
            with pytest.raises(TypeMismatchError), engine.transaction():
                PFObject("A", n=2).save()
                PFObject("A", n="text").save()
            assert heard == []
        assert [(change.kind, change.after["n"]) for change in heard if change.after] == [("create", 1)]

    def test_the_journal_tells_what_was_written(self, engine: parsekit.ParseEngine) -> None:
        at = datetime(2024, 1, 2, 3, 4, 5, 6000, tzinfo=UTC)
        made = engine.direct.create("A", operations(n=1), MASTER, created_at=at).object_id
        engine.direct.update("A", made, operations(n={"__op": "Delete"}), MASTER)
        first, second = journal.entries(engine.store.database.reader(), 0)
        assert first.after == {"n": 1, "objectId": made, "createdAt": at, "updatedAt": at}
        assert second.before == {"n": 1, "updatedAt": at}
        assert second.after is not None
        assert list(second.after) == ["updatedAt"]
