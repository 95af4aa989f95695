"""Queries under the iOS dialect on the engine's own objects (ios_sdk 3.10)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

import parsekit
from parsekit import PFACL, Dialect, ParseError, PFObject, PFQuery
from parsekit.schema import ClassSchema, Field, Schema

LOCAL = Dialect.IOS_LOCAL


@pytest.fixture
def engine() -> Iterator[parsekit.ParseEngine]:
    with parsekit.open(":memory:") as opened:
        yield opened


def save(**fields: object) -> PFObject:
    obj = PFObject("Note", **fields)
    obj.save()
    return obj


def test_null_and_missing_differ_from_the_server(engine: parsekit.ParseEngine) -> None:
    value, missing, null = save(n=3, stars=5), save(n=1), save(n=2, stars=None)
    query = PFQuery("Note").where_key("stars", equal_to=None).order_by_ascending("n")
    assert query.find() == [missing, null]
    assert query.under(LOCAL).find() == [null]
    assert query.count() == 1
    absent = PFQuery("Note").where_key_does_not_exist("stars").order_by_ascending("n")
    assert absent.find() == [missing]
    assert absent.copy().under(LOCAL).find() == [missing, null]
    assert value not in absent.under(LOCAL).find()


def test_missing_orders_last_and_there_is_no_default_limit(engine: parsekit.ParseEngine) -> None:
    with engine.transaction():
        for number in range(120):
            save(n=number)
    save(other=True)
    ordered = PFQuery("Note").order_by_ascending("n")
    assert ordered.first().get("n") is None
    assert len(ordered.find()) == 100
    local = ordered.copy().under(LOCAL).find()
    assert len(local) == 121
    assert local[-1].get("n") is None


def test_what_fails_the_query_on_ios_fails_it_here(engine: parsekit.ParseEngine) -> None:
    save(tags=["a"])
    save(tags=None)
    query = PFQuery("Note").where_key("tags", contains_all=["a"])
    assert query.count() == 1
    with pytest.raises(ParseError) as caught:
        query.under(LOCAL).find()
    assert caught.value.code == 102


def test_permissions_sub_queries_and_includes_hold(engine: parsekit.ParseEngine) -> None:
    maker = PFObject("Maker", name="Ann")
    seen = save(maker=maker, n=1)
    hidden = PFObject("Note", maker=maker, n=2)
    hidden.acl = PFACL()
    hidden.save()
    inner = PFQuery("Maker").where_key("name", equal_to="Ann")
    found = PFQuery("Note").where_key("maker", matches_query=inner).include_key("maker").under(LOCAL).find()
    assert found == [seen]
    assert found[0]["maker"]["name"] == "Ann"


def test_conditions_that_cannot_fail_are_one_statement(engine: parsekit.ParseEngine) -> None:
    first, second = save(stage="won", n=2), save(stage="won", n=1)
    save(stage="lost", n=3)
    query = PFQuery("Note").where_key("stage", equal_to="won").where_key("n", less_than=3).under(LOCAL)
    assert query.copy().order_by_ascending("n").find() == [second, first]
    plan = query.explain()
    assert plan.in_row_order == ()
    assert '"stage" = ' in plan.sql
    assert query.count() == 2
    assert list(query.each(batch_size=1)) == [first, second]


def test_the_rest_is_matched_in_row_order_on_what_comes_before_it(engine: parsekit.ParseEngine) -> None:
    found = save(stage="won", tags=["a"])
    save(stage="lost")  # lacks the array, and is never tested for it
    query = (
        PFQuery("Note").where_key("stage", equal_to="won").where_key("tags", contains_all=["a"]).under(LOCAL)
    )
    assert query.find() == [found]
    assert query.explain().in_row_order == ("tags $all",)
    turned = PFQuery("Note").where_key("tags", contains_all=["a"]).where_key("stage", equal_to="won")
    with pytest.raises(ParseError):
        turned.under(LOCAL).find()


def test_orders_that_cannot_fail_are_sorted_by_sqlite(engine: parsekit.ParseEngine) -> None:
    save(n=1)
    query = PFQuery("Note").order_by_descending("n").under(LOCAL)
    assert query.explain().in_row_order == ()
    save(n=None)
    assert query.explain().in_row_order == ("order by -n",)
    with pytest.raises(ParseError, match="crashes the process"):
        query.find()


def test_roles_do_not_count(engine: parsekit.ParseEngine) -> None:
    with engine.acting_as_master():
        member = parsekit.PFUser(username="u", password="p")
        member.save()
        role = parsekit.PFRole(name="sales")
        role.acl = PFACL()
        role.relation("users").add_object(member)
        role.save()
        acl = PFACL()
        acl.set_read_access(True, for_role_with_name="sales")
        save(n=1)
        shared = PFObject("Note", n=2)
        shared.acl = acl
        shared.save()
    with engine.acting_as(member):
        query = PFQuery("Note").order_by_ascending("n")
        assert query.count() == 2
        assert [obj["n"] for obj in query.under(LOCAL).find()] == [1]
        assert query.count() == 1


def test_sub_queries_run_beforehand_where_they_cannot_fail(engine: parsekit.ParseEngine) -> None:
    ann, ben = PFObject("Maker", name="Ann", rank=1), PFObject("Maker", name="Ben", rank=2)
    notes = [save(maker=ben), save(maker=ann), save(n=1)]
    inner = PFQuery("Maker").order_by_descending("rank").limit(1)
    query = PFQuery("Note").where_key("maker", matches_query=inner).under(LOCAL)
    assert query.find() == [notes[0]]  # the sub-query's page counts on iOS
    assert query.explain().first == ("maker $inQuery",)
    fails = PFQuery("Maker").where_key("rank", contains_all=[1])
    query = PFQuery("Note").where_key("maker", does_not_match_query=fails).under(LOCAL)
    assert query.explain().in_row_order == ("maker $notInQuery",)
    with pytest.raises(ParseError):
        query.find()
    assert (
        PFQuery("Note").where_key("n", equal_to=7).where_key("maker", matches_query=fails).under(LOCAL).find()
        == []
    )


def test_fields_hidden_from_the_principal_count_as_missing(engine: parsekit.ParseEngine) -> None:
    with engine.acting_as_master():
        for name in ("ann", "ben"):
            parsekit.PFUser(username=name, password="p", email=f"{name}@x.org").save()
    query = PFQuery("_User").where_key("email", has_prefix="a").under(LOCAL)
    assert query.find() == []
    with engine.acting_as_master():
        assert query.count() == 1


def test_ownership_through_an_array_is_no_condition_that_can_fail(engine: parsekit.ParseEngine) -> None:
    permissions = {"find": {"pointerFields": ["team"]}, "count": {"pointerFields": ["team"]}}
    with engine.acting_as_master():
        member = parsekit.PFUser(username="u", password="p")
        member.save()
        engine.apply_schema(
            Schema([ClassSchema.new("Note", {"team": Field("Array")}, permissions=permissions)])
        )
        mine = save(team=[member])
        save(n=1)
    with engine.acting_as(member):
        query = PFQuery("Note").under(LOCAL)
        assert query.find() == [mine]
        assert query.count() == 1


def test_rules_that_sql_does_not_speak_are_matched_row_by_row(engine: parsekit.ParseEngine) -> None:
    dated = save(day=datetime(2024, 1, 1, tzinfo=UTC), n=1)
    query = PFQuery("Note").where_key("n", less_than=2).where_key("day", contained_in=[dated["day"]])
    assert query.find() == [dated]
    live = query.under(Dialect.LIVE_MATCHER)
    assert live.find() == []  # two dates are never identical there
    assert live.explain().in_row_order == ("n $lt", "day $in")
