"""Law L9: the synchronous and the asynchronous engine give equal results and equal errors.

One behavioral suite runs on each; random programs run on both at once and are compared step by step; and a sample of
the recorded queries is asked of the asynchronous engine, which has to give the recorded answers. (REST is held to the
same recordings in ``tests/conformance``.)
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parsekit import PFACL, ParseError, PFObject, PFQuery, PFRole, Principal
from parsekit.aio.engine import AsyncParseEngine
from parsekit.errors import AggregateError, ObjectNotFoundError, OperationForbiddenError, ScriptError
from parsekit.query.state import QueryState
from parsekit.query.where import decode_query
from tests.aio.sides import MASTER, AsyncSide, Side, SyncSide, outcome
from tests.conformance.dataset import open_dataset
from tests.conformance.test_queries import COUNTING, expected_answer
from tests.strategies_queries import SCHEMA, orders, things, trees

DEALS: PFQuery[Any] = PFQuery("Deal")


@pytest.fixture(params=[SyncSide, AsyncSide], ids=["sync", "async"])
def side(request: pytest.FixtureRequest) -> Iterator[Side]:
    made: Side = request.param()
    yield made
    made.close()


# -- one suite for each ----------------------------------------------------------------------------------


def test_objects_live_their_life(side: Side) -> None:
    deal = PFObject("Deal", title="Acme", amount=1, tags=["a"])
    side.save(deal)
    assert deal.object_id is not None
    assert not deal.is_dirty
    deal.increment_key("amount", by_amount=2)
    deal.add_unique_object("b", for_key="tags")
    side.save(deal)
    fresh = side.get(DEALS, deal.object_id)
    assert (fresh["amount"], fresh["tags"]) == (3, ["a", "b"])
    del fresh["tags"]
    side.save(fresh)
    assert "tags" not in side.fetch(deal)
    side.delete(deal)
    with pytest.raises(ObjectNotFoundError):
        side.get(DEALS, deal.object_id)
    with pytest.raises(ObjectNotFoundError):
        side.first(DEALS)


def test_unsaved_objects_are_saved_with_who_refers_to_them_and_included(side: Side) -> None:
    side.save(PFObject("Deal", company=PFObject("Company", name="Acme")))
    deal = side.first(PFQuery("Deal").include_key("company"))
    assert deal["company"]["name"] == "Acme"
    assert not side.first(DEALS)["company"].is_data_available


def test_relations_are_local_until_saved(side: Side) -> None:
    deal, contact = PFObject("Deal"), PFObject("Contact", name="Ann")
    side.save(deal, contact)
    relation = side.relation(deal, "contacts")
    relation.add_object(contact)
    side.save(deal)
    assert [item["name"] for item in side.find(relation.query())] == ["Ann"]


def test_queries_page_order_count_and_walk(side: Side) -> None:
    side.save(*[PFObject("Deal", n=n, stage="won" if n % 2 else "lead") for n in range(10)])
    query: PFQuery[Any] = PFQuery("Deal").where_key("n", greater_than=2).order_by_descending("n")
    assert [deal["n"] for deal in side.find(query.copy().skip(1).limit(3))] == [8, 7, 6]
    assert side.count(query) == 7
    assert [deal["n"] for deal in side.each(PFQuery("Deal").where_key("n", greater_than=2))] == list(
        range(3, 10)
    )
    with pytest.raises(OperationForbiddenError):
        side.distinct(DEALS, "stage")
    with side.acting_as(MASTER):
        assert sorted(side.distinct(DEALS, "stage")) == ["lead", "won"]
        rows = side.aggregate(DEALS, [{"$group": {"_id": "$stage", "n": {"$sum": "$n"}}}])
        assert {row["objectId"]: row["n"] for row in rows} == {"won": 25, "lead": 20}


def test_errors_are_the_same_kind_with_the_same_code(side: Side) -> None:
    side.save(PFObject("Deal", amount=1))
    with pytest.raises(ParseError) as caught:
        side.save(PFObject("Deal", amount="text"))
    assert caught.value.code == 111
    with pytest.raises(AggregateError):
        side.save(PFObject("Deal", amount="text"), PFObject("Deal", amount=[]))
    with pytest.raises(ParseError) as caught:
        side.find(PFQuery("Deal").where_key("amount", matches_regex="("))
    assert caught.value.code == 1
    with pytest.raises(ParseError):
        side.aggregate(DEALS, [{"$no": 1}])


def test_permissions_follow_the_principal(side: Side) -> None:
    acl = PFACL()
    acl.set_read_access(True, for_user_id="ann")
    hidden = PFObject("Deal", title="hidden")
    hidden.acl = acl
    with side.acting_as(MASTER):
        side.save(hidden)
    assert side.find(DEALS) == []
    with side.acting_as(Principal.user("ann")):
        found = side.find(DEALS)
        assert [deal["title"] for deal in found] == ["hidden"]
        found[0]["title"] = "changed"
        with pytest.raises(ObjectNotFoundError):
            side.save(found[0])
        assert found[0].is_dirty


def test_users_sessions_and_roles(side: Side) -> None:
    ann = side.sign_up("ann", "secret")
    token = str(ann.session_token)
    assert side.current() == ann.object_id
    with pytest.raises(ParseError) as caught:
        side.sign_up("ann", "other")
    assert caught.value.code == 202
    side.log_out()
    assert side.current() is None
    with pytest.raises(ParseError) as caught:
        side.log_in("ann", "wrong")
    assert caught.value.code == 101
    with pytest.raises(ParseError) as caught:
        side.become(token)
    assert caught.value.code == 209
    again = side.log_in("ann", "secret")
    assert side.become(str(again.session_token)).object_id == ann.object_id
    with side.acting_as(MASTER):
        role = PFRole("sales", acl=PFACL())
        role.users.add_object(again)
        side.save(role)
        acl = PFACL()
        acl.set_read_access(True, for_role_with_name="sales")
        deal = PFObject("Deal")
        deal.acl = acl
        side.save(deal)
    assert side.count(DEALS) == 1
    side.log_out()
    assert side.count(DEALS) == 0


def test_transactions_are_all_or_nothing(side: Side) -> None:
    def fail(_: Side) -> None:
        raise ZeroDivisionError

    side.in_transaction(lambda s: s.save(PFObject("Deal", n=1)), lambda s: s.save(PFObject("Deal", n=2)))
    assert side.count(DEALS) == 2
    with pytest.raises(ZeroDivisionError):
        side.in_transaction(lambda s: s.save(PFObject("Deal", n=3)), fail)
    with pytest.raises(ParseError):
        side.in_transaction(
            lambda s: s.save(PFObject("Deal", n=4)), lambda s: s.save(PFObject("Deal", n="text"))
        )
    assert side.count(DEALS) == 2


def test_hooks_and_functions_run_as_the_caller(side: Side) -> None:
    cloud = side.engine().cloud
    callers: list[Any] = []

    @cloud.before_save("Deal")
    def check(request: Any) -> None:
        callers.append(request.user and request.user.object_id)
        if request.object.get("amount", 0) < 0:
            raise ParseError("no debts", code=142)
        request.object["checked"] = PFQuery("Deal").count()

    @cloud.define("broken")
    def broken(request: Any) -> None:
        raise ValueError("broken")

    ann = side.sign_up("ann", "secret")
    deal = PFObject("Deal", amount=1)
    side.save(deal)
    assert deal["checked"] == 0
    with pytest.raises(ParseError, match="no debts"):
        side.save(PFObject("Deal", amount=-1))
    with pytest.raises(ScriptError, match="broken"):
        side.call("broken", {})
    assert callers == [ann.object_id] * 2


def test_class_level_permissions(side: Side) -> None:
    closed = {"find": {}, "get": {"*": True}, "create": {"*": True}}
    with side.acting_as(MASTER):
        side.engine().schema_edits.create("Secret", {"a": {"type": "String"}}, closed, None)
    side.save(PFObject("Secret", a="x"))
    with pytest.raises(OperationForbiddenError):
        side.find(PFQuery("Secret"))
    with side.acting_as(MASTER):
        assert side.count(PFQuery("Secret")) == 1


# -- both at once ------------------------------------------------------------------------------------------

NOW = datetime(2024, 1, 2, tzinfo=UTC)
IDS = ["x0", "x1", "x2"]
acls = st.sampled_from([None, {"*": {"read": True}}, {"u0": {"read": True, "write": True}}, {}])
principals = st.sampled_from([MASTER, Principal.anonymous(), Principal.user("u0")])
steps = st.one_of(
    st.tuples(st.just("save"), st.sampled_from(IDS), things(), acls),
    st.tuples(st.just("delete"), st.sampled_from(IDS)),
    st.tuples(st.just("find"), trees, orders, st.integers(0, 3)),
    st.tuples(st.just("count"), trees),
    st.tuples(st.just("get"), st.sampled_from(IDS)),
    st.tuples(st.just("save"), st.sampled_from(IDS), st.just({"n": "text"}), st.none()),
)


def _played(side: Side, step: tuple[Any, ...]) -> Any:
    match step:
        case ("save", identity, fields, acl):
            obj = PFObject("Thing", **fields)
            obj.object_id = identity
            if acl is not None:
                obj.acl = PFACL.from_json(acl)
            return outcome(lambda: side.save(obj))
        case ("delete", identity):
            return outcome(lambda: side.delete(PFObject.without_data("Thing", identity)))
        case ("find", where, order, skip):
            state = QueryState("Thing", where, order, 5, skip)
            return outcome(lambda: side.find(PFQuery.from_state(state)))
        case ("count", where):
            return outcome(lambda: side.count(PFQuery.from_state(QueryState("Thing", where))))
        case ("get", identity):
            return outcome(lambda: side.get(PFQuery("Thing"), identity))
    raise AssertionError(step)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(program=st.lists(st.tuples(principals, steps), min_size=3, max_size=12))
def test_random_programs_go_alike_on_both(program: list[tuple[Principal, tuple[Any, ...]]]) -> None:
    sides: list[Side] = []
    for kind in (SyncSide, AsyncSide):
        ids = itertools.count()
        sides.append(kind(schema=SCHEMA, clock=lambda: NOW, new_id=lambda ids=ids: f"n{next(ids)}"))
    try:
        for principal, step in program:
            outcomes = []
            for side in sides:
                with side.acting_as(principal):
                    outcomes.append(_played(side, step))
            assert outcomes[0] == outcomes[1]
    finally:
        for side in reversed(sides):
            side.close()


# -- the recordings ------------------------------------------------------------------------------------------


async def _answer(engine: AsyncParseEngine, case: dict[str, Any], users: dict[str, str]) -> dict[str, Any]:
    kinds = {"master": MASTER, "anonymous": Principal.anonymous()}
    principal = kinds.get(case["as"]) or Principal.user(users[case["as"]])
    try:
        asked = decode_query(case["className"], case["params"])
        with engine.acting_as(principal):
            query: PFQuery[Any] = PFQuery.from_state(asked.state)
            answer: dict[str, Any] = {"ids": [str(obj.object_id) for obj in await engine.find(query)]}
            if asked.count:
                answer["count"] = await engine.count(query)
            return answer
    except ParseError as error:
        return {"code": error.code}


def test_a_sample_of_the_recorded_queries() -> None:
    cases = [case for case in COUNTING if "full" not in case][::17]
    assert len(cases) > 200

    async def main() -> list[str]:
        sync, users = open_dataset()
        engine = AsyncParseEngine(lambda: sync, readers=3)
        await engine.open()
        try:
            found = await asyncio.gather(*(_answer(engine, case, users) for case in cases))
        finally:
            await engine.close()
        return [case["id"] for case, answer in zip(cases, found, strict=True) if not _agrees(case, answer)]

    assert asyncio.run(main()) == []


def _agrees(case: dict[str, Any], answer: dict[str, Any]) -> bool:
    wanted = expected_answer(case)
    assert wanted is not None
    if "code" in wanted:
        return answer.get("code") == wanted["code"] or (wanted["code"] == 1 and "code" in answer)
    ids = wanted["ids"] if "ids" in wanted else [row["objectId"] for row in wanted["objects"]]
    if "ids" not in answer or ("count" in wanted and answer.get("count") != wanted["count"]):
        return False
    return sorted(answer["ids"]) == sorted(ids) if wanted.get("unordered") else answer["ids"] == ids
