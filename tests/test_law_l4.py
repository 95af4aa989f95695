"""Law L4: replaying the journal rebuilds the tables, and undoing it gives every earlier state (``as_of``)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import parsekit
from parsekit import ParseError, PFQuery, Principal
from parsekit.operations import (
    Add,
    AddRelation,
    AddUnique,
    Delete,
    Increment,
    OperationSet,
    Remove,
    RemoveRelation,
    Set,
)
from parsekit.storage import journal
from parsekit.values import MISSING, Pointer
from tests.strategies_queries import FIELD_VALUES, MAKERS, SCHEMA, things

MASTER = Principal.master()
IDS = ("a", "b", "c")
Step = tuple[str, str, Any]

acls = st.sampled_from(
    [{}, {"*": {"read": True}}, {"u1": {"read": True, "write": True}}, {"role:R": {"read": True}}]
)
updates = st.fixed_dictionaries(
    {},
    optional={
        **{key: values.map(Set) for key, values in FIELD_VALUES.items()},
        "s": st.one_of(st.just(Delete()), st.just(Set(None))),
        "g": st.just(Delete()),
        "n": st.one_of(st.builds(Increment, st.integers(-5, 5)), st.just(Set(None)), st.just(Set(2**70))),
        "a": st.one_of(
            *(st.builds(kind, st.lists(st.integers(0, 3), max_size=3)) for kind in (Add, AddUnique, Remove))
        ),
        "o.k": st.builds(Set, st.integers(0, 3)),
        "new": st.builds(Set, st.integers(0, 3)),
        "ACL": acls.map(Set),
        "r": st.one_of(
            *(
                st.lists(st.sampled_from(MAKERS), min_size=1, max_size=2).map(
                    lambda ids, kind=kind: kind([Pointer("Maker", name) for name in ids])
                )
                for kind in (AddRelation, RemoveRelation)
            )
        ),
    },
)
steps: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("create"), st.sampled_from(IDS), things()),
    st.tuples(st.just("update"), st.sampled_from(IDS), updates),
    st.tuples(st.just("delete"), st.sampled_from(IDS), st.none()),
    st.tuples(st.just("move"), st.sampled_from(IDS), st.sampled_from(["d", "e"])),
)


def _set_of(operations: dict[str, Any]) -> OperationSet:
    made = OperationSet()
    for key, operation in operations.items():
        made.perform(key, operation)
    return made


def _take(engine: parsekit.ParseEngine, step: Step) -> None:
    kind, name, given_ = step
    direct = engine.direct
    if kind == "create":
        operations = {key: Set(value) for key, value in given_.items()}
        direct.create("Thing", _set_of(operations), MASTER, object_id=name)
    elif kind == "update":
        direct.update("Thing", name, _set_of(given_), MASTER)
    elif kind == "delete":
        direct.delete("Thing", name, MASTER)
    else:
        direct.update("Thing", name, OperationSet(), MASTER, new_id=given_)


def _state(view: Any) -> dict[str, Any]:
    """Every object as JSON with the members of its relation, in the order in which it is found."""
    states = {}
    for obj in view.find(PFQuery("Thing").limit(1000)):
        members = view.find(PFQuery("Maker").where_related_to(obj, from_key="r"))
        owners = [view.find(PFQuery("Thing").where_key("r", equal_to=member)) for member in members]
        assert all(obj in found for found in owners)
        states[obj.object_id] = {**obj.to_fields_json(), "r": {member.object_id for member in members}}
    return states


class _Now:
    """The present, asked like a view of the past."""

    def find(self, query: PFQuery[Any]) -> list[Any]:
        return query.find()


def _replayed(engine: parsekit.ParseEngine) -> dict[str, dict[str, Any]]:
    """What the entries add up to, written down as plainly as can be: fields, ACL, and members of relations as sets."""
    objects: dict[str, dict[str, Any]] = {}
    for entry in journal.entries(engine.store.database.reader(), 0):
        if entry.class_name != "Thing":
            continue
        if entry.kind == "delete":
            gone = objects.pop(entry.object_id)
            assert gone["r"] == set((entry.after or {}).get("r", {}).get("remove", ()))
            continue
        fields = objects.setdefault(entry.object_id, {"r": set()})
        for key in entry.before or {}:
            fields.pop(key, None)
        for key, value in (entry.after or {}).items():
            if key == "r":
                assert fields["r"].isdisjoint(value["add"])
                assert fields["r"] >= set(value["remove"])
                fields["r"] = (fields["r"] | set(value["add"])) - set(value["remove"])
            else:
                fields[key] = value
    return objects


def _stored() -> dict[str, dict[str, Any]]:
    """The objects as the tables hold them."""
    objects: dict[str, dict[str, Any]] = {}
    for obj in PFQuery("Thing").limit(1000).find():
        fields = {key: obj.raw(key) for key in obj if key not in ("r", "ACL")}
        fields |= {"objectId": obj.object_id, "createdAt": obj.created_at, "updatedAt": obj.updated_at}
        if obj.acl is not None:
            fields["ACL"] = obj.acl.to_json()
        fields["r"] = {member.object_id for member in obj["r"].query().find()}
        objects[str(obj.object_id)] = fields
    return objects


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, min_size=1, max_size=14))
def test_the_journal_rebuilds_the_tables_and_every_earlier_state(taken: list[Step]) -> None:
    with parsekit.open(":memory:", schema=SCHEMA) as engine, engine.acting_as_master():
        for name in MAKERS:
            engine.direct.create("Maker", _set_of({}), MASTER, object_id=name)
        states: dict[int, dict[str, Any]] = {engine.last_sequence: _state(_Now())}
        for step in taken:
            try:
                _take(engine, step)
            except ParseError:
                assert _state(_Now()) == states[engine.last_sequence]
            states[engine.last_sequence] = _state(_Now())
        assert engine.check() == []
        stored = _stored()
        assert _replayed(engine) == stored
        for sequence, expected in states.items():
            past = _state(engine.as_of(sequence))
            assert past == expected


def test_the_journal_has_the_members_that_really_came_and_went() -> None:
    def pointers(*names: str) -> tuple[Pointer, ...]:
        return tuple(Pointer("Maker", name) for name in names)

    with parsekit.open(":memory:", schema=SCHEMA) as engine, engine.acting_as_master():
        direct = engine.direct
        direct.create("Thing", _set_of({"r": AddRelation(pointers("m1", "m0"))}), MASTER, object_id="a")
        direct.update("Thing", "a", _set_of({"r": AddRelation(pointers("m1", "m2"))}), MASTER)
        direct.update("Thing", "a", _set_of({"r": AddRelation(pointers("m1"))}), MASTER)
        direct.update("Thing", "a", _set_of({"r": RemoveRelation(pointers("m0", "m3"))}), MASTER)
        direct.update("Thing", "a", OperationSet(), MASTER, new_id="b")
        direct.delete("Thing", "b", MASTER)
        told = [
            (entry.object_id, entry.kind, (entry.after or {}).get("r"))
            for entry in journal.entries(engine.store.database.reader(), 0)
        ]
        assert engine.check() == []
    assert told == [
        ("a", "create", {"__op": "Relation", "add": ["m1", "m0"], "remove": []}),
        ("a", "update", {"__op": "Relation", "add": ["m2"], "remove": []}),
        ("a", "update", None),
        ("a", "update", {"__op": "Relation", "add": [], "remove": ["m0"]}),
        ("a", "delete", {"__op": "Relation", "add": [], "remove": ["m1", "m2"]}),
        ("b", "create", {"__op": "Relation", "add": ["m1", "m2"], "remove": []}),
        ("b", "delete", {"__op": "Relation", "add": [], "remove": ["m1", "m2"]}),
    ]


def test_a_dropped_field_does_not_come_back() -> None:
    with parsekit.open(":memory:") as engine, engine.acting_as_master():
        note = parsekit.PFObject("Note", a=1, b=2)
        note.save()
        engine.schema_edits.alter("Note", {"b": {"__op": "Delete"}}, MISSING, None)
        assert engine.check() == []
        note = PFQuery("Note").first()
        note["b"] = "a string now"
        note.save()
        assert engine.check() == []
        assert engine.as_of(engine.last_sequence).get("Note", note.object_id)["b"] == "a string now"


@pytest.mark.parametrize("keeps_first", [True, False])
def test_writes_without_a_journal_are_known_of(tmp_path: Any, keeps_first: bool) -> None:
    for keeps in (keeps_first, not keeps_first, keeps_first):
        with parsekit.open(tmp_path / "a.db", journal=keeps) as engine, engine.acting_as_master():
            note = parsekit.PFObject("Note", n=1)
            note.save()
            note["n"] = 2
            note.save()
            assert engine.check() == []
            if not keeps:
                with pytest.raises(parsekit.EngineError, match="journal reaches"):
                    engine.as_of(-1)
    with parsekit.open(tmp_path / "a.db") as engine:
        assert engine.check() == []
