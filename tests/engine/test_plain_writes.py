"""The short way of plain writes does what the long way does: rows, journal, changes, objects, refusals."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import parsekit
from parsekit import PFACL, ClassSchema, Field, Index, PFObject, PFQuery, Pointer, Principal, Schema
from parsekit.errors import AggregateError, ParseError
from parsekit.operations import Increment, Set
from parsekit.storage.plain_rows import PlainRows
from tests.strategies import dates, integers, numbers, texts

SCHEMA = Schema((
    ClassSchema.new("Company", {"name": Field("String")}),
    ClassSchema.new(
        "Deal",
        {
            "title": Field("String", required=True),
            "stage": Field("String", enum=("lead", "won")),
            "kind": Field("String", default="new"),
            "code": Field("String"),
            "amount": Field("Number"),
            "won": Field("Boolean"),
            "closing": Field("Date"),
            "company": Field("Pointer", ("Company",)),
            "related": Field("Pointer", ("Company", "Deal")),
            "anything": Field("Pointer"),
            "tags": Field("Array"),
        },
        indexes=(Index("code", (("code", False),), unique=True),),
    ),
))  # fmt: skip
START = datetime(2024, 1, 1, tzinfo=UTC)
ANYBODY, ADA, BOB = Principal.master(), Principal.user("ada"), Principal.user("bob")

ids = st.sampled_from(["c0", "c1", "d0"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "title": st.one_of(texts, st.just("")),
    "stage": st.sampled_from(["lead", "won", "won", "lead", "lost"]),
    "kind": texts,
    "code": st.sampled_from(["a", "b", "c", "d"]),
    "amount": st.one_of(numbers, integers.map(lambda number: number * 7), st.booleans()),
    "won": st.booleans(),
    "closing": dates,
    "company": st.one_of(
        ids.map(lambda name: Pointer("Company", name)),
        ids.map(lambda name: PFObject.without_data("Company", name)),
        ids.map(lambda name: Pointer("Contact", name)),
    ),
    "related": st.builds(Pointer, st.sampled_from(["Company", "Deal", "Contact"]), ids),
    "anything": st.builds(PFObject.without_data, st.sampled_from(["Company", "Other"]), ids),
    "tags": st.lists(st.integers(0, 3), max_size=2),
    "fresh": st.one_of(st.just("new"), st.just(1)),
}
USUAL = ("title", "stage", "kind", "code", "amount", "won", "closing", "company", "related", "anything")
acls = st.one_of(
    st.none(),
    st.sampled_from([
        {},
        {"*": {"read": True, "write": True}},
        {"ada": {"write": True, "read": True}, "*": {"read": True}},
        {"bob": {"read": True}},
    ]),
)  # fmt: skip
keys = st.lists(st.one_of(st.sampled_from(USUAL), st.sampled_from(sorted(VALUES))), max_size=5, unique=True)


@st.composite
def contents(draw: st.DrawFn, *, new: bool) -> dict[str, Any]:
    """What is set on an object: mostly what fits, at times a null, an operation, what does not fit."""
    chosen = draw(keys)
    if new and draw(st.integers(0, 9)):
        chosen = [*dict.fromkeys(["title", "kind", *chosen])]
    values = {key: draw(VALUES[key]) for key in chosen}
    if chosen and draw(st.integers(0, 7)) == 0:
        values[draw(st.sampled_from(chosen))] = draw(st.one_of(st.none(), st.just(Increment(2))))
    return values


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("create"), contents(new=True), acls, st.sampled_from([ANYBODY, ADA])),
        st.tuples(st.just("update"), contents(new=False), acls, st.sampled_from([ANYBODY, ADA, BOB])),
        st.tuples(
            st.just("many"), st.lists(contents(new=True), min_size=2, max_size=4), acls, st.just(ANYBODY)
        ),
    ),
    min_size=1,
    max_size=8,
)


def _filled(obj: PFObject, values: dict[str, Any], acl: Any) -> PFObject:
    for key, value in values.items():
        obj.perform(key, value if isinstance(value, Increment) else Set(value))
    if acl is not None:
        obj.acl = PFACL.from_json(acl)
    return obj


def _outcome(action: Callable[[], Any]) -> Any:
    try:
        action()
    except AggregateError as error:
        return [(place, type(reason), str(reason)) for place, reason in error.errors]
    except (ParseError, TypeError, ValueError) as error:
        return type(error), str(error)
    return None


def _told(change: Any) -> Any:
    return (
        change.sequence,
        change.class_name,
        change.object_id,
        change.kind,
        change.before,
        change.after,
        change.original,
    )


def _replayed(steps: list[Any]) -> list[Any]:
    """All that steps lead to."""
    numbers_of_ids, ticks = count(), count()
    heard: list[Any] = []
    record: list[Any] = []
    with parsekit.open(
        schema=SCHEMA,
        clock=lambda: START + timedelta(milliseconds=next(ticks)),
        new_id=lambda: f"id{next(numbers_of_ids)}",
    ) as engine:
        engine.on_changes(heard.extend)
        made: list[PFObject] = []
        for place, (verb, values, acl, principal) in enumerate(steps):
            with engine.acting_as(principal):
                if verb == "update":
                    known = [obj for obj in made if obj.object_id is not None]
                    if not known:
                        continue
                    obj = PFObject.without_data("Deal", str(known[place % len(known)].object_id))
                    objects = [_filled(obj, values, acl if place % 3 == 0 else None)]
                elif verb == "create":
                    objects = [_filled(PFObject("Deal"), values, acl)]
                else:
                    objects = [_filled(PFObject("Deal"), each, acl) for each in values]
                record.append(_outcome(lambda objects=objects: PFObject.save_all(objects)))
                made += objects
                record += [(obj.to_json(), obj.dirty_keys, obj.is_dirty) for obj in objects]
        reader = engine.store.database.reader()
        record.append(reader.execute("SELECT * FROM _pk_journal ORDER BY seq").fetchall())
        record.append(reader.execute("SELECT * FROM Deal ORDER BY _rid").fetchall())
        record.append(list(map(_told, heard)))
        assert engine.check() == []
    return record


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_the_short_way_does_what_the_long_way_does(steps: list[Any]):
    short = _replayed(steps)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlainRows, "of", lambda *_: None)
        assert _replayed(steps) == short


def test_what_is_set_during_a_save_stays_pending():
    with parsekit.open(schema=SCHEMA) as engine, engine.acting_as_master():
        deal = PFObject("Deal", title="a", kind="x")
        insert = engine.store.writer.insert_row

        def meanwhile(*arguments: Any) -> None:
            deal["title"] = "b"
            deal["stage"] = "won"
            insert(*arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine.store.writer, "insert_row", meanwhile)
            deal.save()
        assert sorted(deal.dirty_keys) == ["stage", "title"]
        assert deal["title"] == "b"
        found: Any = PFQuery("Deal").get(str(deal.object_id))
        assert (found["title"], found.get("stage")) == ("a", None)
        deal.save()
        again: Any = PFQuery("Deal").get(str(deal.object_id))
        assert (again["title"], again["stage"]) == ("b", "won")


def test_a_refused_short_save_keeps_what_is_pending():
    with parsekit.open(schema=SCHEMA) as engine, engine.acting_as_master():
        PFObject("Deal", title="a", kind="x", code="1").save()
        deal = PFObject("Deal", title="b", kind="x", code="1")
        with pytest.raises(ParseError):
            deal.save()
        assert deal.dirty_keys == ["title", "kind", "code"]
        deal["code"] = "2"
        deal.save()
        assert not deal.is_dirty
        assert PFQuery("Deal").count() == 2
