"""Totals: counts and sums that are kept say what the objects say, whoever asks and whatever was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import parsekit
from parsekit import PFACL, ClassSchema, Field, Index, PFObject, PFQuery, Principal, Schema
from parsekit.schema_json import schema_from_json, schema_to_json

BOARD = Index("board", (("stage", False), ("amount", False)), kind="totals")
FIELDS = {"stage": Field("String"), "amount": Field("Number"), "title": Field("String")}
KEPT = Schema((ClassSchema.new("Deal", FIELDS, indexes=(BOARD,)),))
PLAIN = Schema((ClassSchema.new("Deal", FIELDS),))
GROUP: Any = [{"$group": {"_id": "$stage", "n": {"$sum": 1}, "amount": {"$sum": "$amount"}}}]
ALL: Any = [{"$group": {"_id": None, "n": {"$sum": 1}, "amount": {"$sum": "$amount"}}}]
PEOPLE = (Principal.master(), Principal.user("ada"), Principal.user("bob"), Principal.anonymous())
STAGES = ("lead", "won", "lost")
ACLS: tuple[Any, ...] = (None, {}, {"*": {"read": True}}, {"ada": {"read": True}}, {"bob": {"write": True}})

amounts = st.one_of(
    st.integers(-100, 100), st.sampled_from([2**50, -(2**63), 2**63 - 1]), st.floats(-5, 5), st.none()
)
deals = st.fixed_dictionaries(
    {"stage": st.sampled_from((*STAGES, None)), "amount": amounts, "acl": st.sampled_from(ACLS)}
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("create"), deals),
        st.tuples(st.just("create many"), st.lists(deals, min_size=2, max_size=4)),
        st.tuples(st.just("change"), st.integers(0, 20), deals),
        st.tuples(st.just("delete"), st.integers(0, 20)),
    ),
    max_size=12,
)


def _put(deal: PFObject, entry: dict[str, Any]) -> PFObject:
    for key in ("stage", "amount"):
        if entry[key] is not None:
            deal[key] = entry[key]
        elif key in deal:
            del deal[key]
    deal.acl = None if entry["acl"] is None else PFACL.from_json(entry["acl"])
    return deal


def _run(engine: parsekit.ParseEngine, history: list[Any]) -> None:
    made: list[PFObject] = []
    with engine.acting_as_master():
        for verb, *rest in history:
            if verb == "create":
                made.append(_put(PFObject("Deal"), rest[0]))
                made[-1].save()
            elif verb == "create many":
                fresh = [_put(PFObject("Deal"), entry) for entry in rest[0]]
                PFObject.save_all(fresh)
                made += fresh
            elif made and verb == "change":
                _put(made[rest[0] % len(made)], rest[1]).save()
            elif made:
                made.pop(rest[0] % len(made)).delete()


def _answers(engine: parsekit.ParseEngine) -> list[Any]:
    answers: list[Any] = []
    with engine.acting_as_master():
        for pipeline in (GROUP, ALL):
            rows = PFQuery("Deal").aggregate(pipeline)
            answers.append(sorted((repr(row["objectId"]), row["n"], row["amount"]) for row in rows))
    for principal in PEOPLE:
        with engine.acting_as(principal):
            answers.append(PFQuery("Deal").count())
            answers += [PFQuery("Deal").where_key("stage", equal_to=stage).count() for stage in STAGES]
    return answers


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
def test_totals_change_no_answer(history: list[Any]):
    with parsekit.open(schema=KEPT) as kept, parsekit.open(schema=PLAIN) as plain:
        _run(kept, history)
        _run(plain, history)
        assert _answers(kept) == _answers(plain)
        assert kept.check() == []


def test_totals_are_made_of_what_is_there_and_outlive_a_reopening(tmp_path: Path):
    path = tmp_path / "app.db"
    with parsekit.open(path, schema=PLAIN) as engine:
        _run(engine, [("create", {"stage": stage, "amount": 5, "acl": None}) for stage in STAGES * 3])
        before = _answers(engine)
    with parsekit.open(path, schema=KEPT) as engine:
        assert _answers(engine) == before
        assert engine.check() == []
    with parsekit.open(path) as engine:
        assert _answers(engine) == before
        with engine.acting_as_master(), pytest.raises(RuntimeError), engine.transaction():
            PFObject("Deal", stage="won", amount=1).save()
            assert PFQuery("Deal").where_key("stage", equal_to="won").count() == 4
            raise RuntimeError
        assert _answers(engine) == before


def test_a_board_reads_the_totals_and_not_the_objects(tmp_path: Path):
    path = tmp_path / "app.db"
    with parsekit.open(path, schema=KEPT) as engine, engine.acting_as_master():
        _run(engine, [("create", {"stage": "won", "amount": 7, "acl": {"*": {"read": True}}})])
        with engine.store.write() as connection:
            connection.execute('UPDATE "Deal.board.totals" SET n = 1000, sum0 = 7000')
        assert PFQuery("Deal").aggregate(GROUP) == [{"objectId": "won", "n": 1000, "amount": 7000}]
        assert PFQuery("Deal").where_key("stage", equal_to="won").count() == 1000
        with engine.acting_as(parsekit.Principal.user("u1")):
            assert PFQuery("Deal").where_key("stage", equal_to="won").count() == 1000
        assert PFQuery("Deal").where_key("stage", equal_to="won").where_key("amount", equal_to=7).count() == 1
        assert ["2 totals are wrong and 2 are missing" in str(finding) for finding in engine.check()] == [
            True
        ]


def test_totals_go_with_their_fields_and_come_from_files():
    assert schema_from_json(schema_to_json(KEPT)) == KEPT
    with parsekit.open(schema=KEPT) as engine:
        _run(engine, [("create", {"stage": "won", "amount": 7, "acl": None})])
        before = engine.schema.classes["Deal"]
        with engine.store.write() as connection:
            engine.store.put_class(connection, before.without_fields(["amount"]))
        assert engine.check() == []
        with engine.acting_as_master():
            assert PFQuery("Deal").where_key("stage", equal_to="won").count() == 1
