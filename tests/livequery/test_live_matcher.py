"""Parse's own live query matcher, by choice: ``Dialect.LIVE_MATCHER`` instead of the meaning that a find has."""

from __future__ import annotations

from typing import Any

import pytest

import parsekit
from parsekit import PFACL, Dialect, PFObject, PFQuery, PFRole, Principal
from parsekit.errors import NotOfferedError
from parsekit.livequery.conditions import matches_live
from parsekit.livequery.protocol import SubscribedQuery, state_of


def _kinds(subscription: Any) -> list[str]:
    return [event.kind for event in subscription.pending()]


def test_the_same_conditions_follow_find_or_parse_by_choice() -> None:
    with parsekit.open(":memory:") as engine, engine.acting_as_master():
        query: PFQuery[Any] = PFQuery("Deal").where_key("amount", greater_than=50)
        as_find, as_parse = query.subscribe(), query.copy().under(Dialect.LIVE_MATCHER).subscribe()
        deal = PFObject("Deal", stage="won")
        deal.save()
        deal["amount"] = 10
        deal.save()
        deal["amount"] = 60
        deal.save()
        assert _kinds(as_find) == ["enter"]
        assert _kinds(as_parse) == ["create", "leave", "enter"]
        assert as_parse.explain(deal).arrives


def test_a_change_on_which_the_matcher_throws_is_not_told() -> None:
    """Before the change the array is missing, on which ``$containedBy`` throws (recorded l-012, l-076, l-084)."""
    with parsekit.open(":memory:") as engine, engine.acting_as_master():
        asked = SubscribedQuery(class_name="Deal", where={"tags": {"$containedBy": ["vip"]}})
        subscription = PFQuery.from_state(state_of(asked, Dialect.LIVE_MATCHER)).subscribe()
        deal = PFObject("Deal", stage="won")
        deal.save()
        deal["tags"] = ["vip"]
        deal.save()
        deal["stage"] = "lost"
        deal.save()
        assert _kinds(subscription) == ["update"]


def test_sub_queries_never_match() -> None:
    with parsekit.open(":memory:") as engine, engine.acting_as_master():
        company = PFObject("Company", name="Acme")
        company.save()
        inner: PFQuery[Any] = PFQuery("Company").where_key("name", equal_to="Acme")
        query: PFQuery[Any] = PFQuery("Deal").where_key("company", matches_query=inner)
        as_find, as_parse = query.subscribe(), query.copy().under(Dialect.LIVE_MATCHER).subscribe()
        PFObject("Deal", company=company).save()
        assert (_kinds(as_find), _kinds(as_parse)) == (["create"], [])


def test_rights_gained_are_an_enter_of_what_the_matcher_lets_pass() -> None:
    with parsekit.open(":memory:") as engine, engine.acting_as_master():
        role = PFRole("sales", acl=PFACL())
        role.save()
        acl = PFACL()
        acl.set_read_access(True, for_role_with_name="sales")
        deal = PFObject("Deal", stage="won")
        deal.acl = acl
        deal.save()
        user = parsekit.PFUser.sign_up("ann", password="secret")
        with engine.acting_as(Principal.user(str(user.object_id))):
            query: PFQuery[Any] = PFQuery("Deal").where_key("amount", less_than=5)
            subscription = query.under(Dialect.LIVE_MATCHER).subscribe()
        with engine.acting_as_master():
            role.users.add_object(user)
            role.save()
        assert _kinds(subscription) == ["enter"]


def test_only_events_can_be_followed_so() -> None:
    with parsekit.open(":memory:"), pytest.raises(NotOfferedError, match="SERVER"):
        PFQuery("Deal").under(Dialect.LIVE_MATCHER).observe()


@pytest.mark.parametrize(
    ("where", "matches"),
    [
        ({}, True),
        ({"score": {"$lt": 10}}, True),
        ({"score": 5}, False),
        ({"tags": "red"}, True),
        ({"tags": {"$eq": "red"}}, False),
        ({"tags": {"$eq": ["red", "blue"]}}, True),
        ({"tags": {"$ne": "red"}}, True),
        ({"name": {"$regex": "^\\Qa.b\\E"}}, True),
        ({"name": {"$regex": "(?i)A"}}, False),
        ({"nothing": {"$regex": "undef"}}, True),
        ({"place": {"$within": {"$box": [{"latitude": 1, "longitude": 1}, {"latitude": 2, "longitude": 2}]}}}, False),
        ({"nested.list.1": 7}, True),
        ({"name": {"$unknown": 1}}, False),
        ({"createdAt": {"$gt": "2024-01-01T00:00:00.000Z"}}, True),
    ],
)  # fmt: skip
def test_single_conditions(where: dict[str, Any], matches: bool) -> None:
    obj = {
        "className": "Thing", "name": "a.b c", "tags": ["red", "blue"], "nested": {"list": [6, 7]},
        "place": {"__type": "GeoPoint", "latitude": 1, "longitude": 1.5}, "createdAt": "2024-02-01T00:00:00.000Z",
    }  # fmt: skip
    assert matches_live(obj, where) is matches
