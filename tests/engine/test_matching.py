"""Queries under the iOS dialect on the engine's own objects (ios_sdk 3.10)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import parsekit
from parsekit import PFACL, Dialect, ParseError, PFObject, PFQuery

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
