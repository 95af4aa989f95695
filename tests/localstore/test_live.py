"""Subscriptions and observed lists on pinned objects."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import pytest

import parsekit
from parsekit import Dialect, NotOfferedError, PFObject, PFQuery, PFUser, Principal
from parsekit.engine.core import ParseEngine
from parsekit.errors import InvalidQueryError


@pytest.fixture
def engine() -> Iterator[ParseEngine]:
    with parsekit.open(local_datastore=":memory:") as opened:
        yield opened


def _won() -> PFQuery[PFObject]:
    return PFQuery("Deal").from_local_datastore().where_key("stage", equal_to="won")


def _kinds(subscription: parsekit.Subscription[PFObject]) -> list[str]:
    return [event.kind for event in subscription.pending()]


def test_local_changes_are_told_before_anything_is_saved(engine: ParseEngine) -> None:
    deal = PFObject("Deal", title="Acme", stage="lead")
    with _won().subscribe() as subscription:
        deal.pin()
        deal["stage"] = "won"
        deal["amount"] = 5
        deal["stage"] = "lost"
        assert _kinds(subscription) == ["enter", "update", "leave"]
        deal["stage"] = "won"
        deal.unpin()
        assert _kinds(subscription) == ["enter", "delete"]
        assert PFQuery("Deal").count() == 0


def test_an_event_holds_what_was_so_when_it_happened(engine: ParseEngine) -> None:
    deal = PFObject("Deal", stage="won", amount=1)
    with _won().subscribe() as subscription:
        deal.pin()
        deal.increment_key("amount")
        created, updated = subscription.pending()
    assert (created.object["amount"], updated.object["amount"]) == (1, 2)
    assert updated.original["amount"] == 1
    assert not created.object.is_dirty


def test_saving_elsewhere_reaches_those_who_follow_the_copy(engine: ParseEngine) -> None:
    deal = PFObject("Deal", stage="lead")
    deal.save()
    deal.pin()
    with _won().subscribe() as subscription:
        other = PFQuery("Deal").get(deal.object_id or "")
        other["stage"] = "won"
        other.save()
        assert _kinds(subscription) == ["enter"]
        other.delete()
        assert _kinds(subscription) == ["delete"]


def test_one_pin_can_be_followed(engine: ParseEngine) -> None:
    deal = PFObject("Deal", stage="won")
    deal.pin("all")
    with PFQuery("Deal").from_pin("mine").subscribe() as subscription:
        deal.pin("mine")
        deal["stage"] = "lost"
        deal.unpin("mine")
        assert _kinds(subscription) == ["enter", "update", "leave"]


def test_a_sub_query_is_asked_anew(engine: ParseEngine) -> None:
    company = PFObject("Company", city="Bern")
    deal = PFObject("Deal", company=company)
    PFObject.save_all([deal])
    deal.pin()
    in_bern = PFQuery("Company").where_key("city", equal_to="Bern")
    query = PFQuery("Deal").from_local_datastore().where_key("company", matches_query=in_bern)
    with query.subscribe() as subscription:
        company["city"] = "Genf"
        company["city"] = "Bern"
        assert _kinds(subscription) == ["leave", "enter"]


def test_what_cannot_be_tested_ends_the_subscription(engine: ParseEngine) -> None:
    deal = PFObject("Deal", amount=1)
    deal.pin()
    query = PFQuery("Deal").from_local_datastore().where_key("amount", greater_than=0)
    with query.subscribe() as subscription:
        deal["amount"] = "much"
        with pytest.raises(InvalidQueryError):
            subscription.pending()
        assert subscription.is_closed


def test_an_observed_list_is_what_the_query_answers(engine: ParseEngine) -> None:
    deals = [PFObject("Deal", amount=amount) for amount in (3, 1, 2)]
    PFObject.pin_all(deals)
    query = PFQuery("Deal").from_local_datastore().order_by_ascending("amount").limit(2)
    with query.observe() as observed:
        assert [deal["amount"] for deal in observed.objects] == [1, 2]
        deals[0]["amount"] = 0
        diff = observed.pending()
        assert diff is not None
        assert [item.object["amount"] for item in diff.inserted] == [0]
        assert [item.index for item in diff.removed] == [1]
        deals[0]["title"] = "changed"
        diff = observed.pending()
        assert diff is not None
        assert [item.index for item in diff.updated] == [0]
        assert not (diff.removed or diff.inserted or diff.moved)
        assert [deal["amount"] for deal in observed.objects] == [0, 1]


def test_groups_follow_unsaved_objects_through_their_first_save(engine: ParseEngine) -> None:
    deal = PFObject("Deal", stage="lead", amount=2)
    deal.pin()
    with (
        PFQuery("Deal").from_local_datastore().observe_aggregate(group_by="stage", sum_of="amount") as groups
    ):
        deal.save()
        deal["stage"] = "won"
        totals = {stage: (total.count, total.sum) for stage, total in groups.groups.items()}
        assert totals == {"won": (1, 2)}


def test_a_rolled_back_transaction_tells_nobody(engine: ParseEngine) -> None:
    with PFQuery("Deal").from_local_datastore().subscribe() as subscription:
        with pytest.raises(RuntimeError), engine.local_datastore.transaction():
            PFObject("Deal", stage="won").pin()
            raise RuntimeError
        assert _kinds(subscription) == []
        assert engine.local_datastore.pins() == []


def test_acls_decide_what_is_told(engine: ParseEngine) -> None:
    ada = PFUser.sign_up("ada", password="pw", email="ada@example.com")
    deal = PFObject("Deal", stage="won")
    deal.acl = parsekit.PFACL.from_json({ada.object_id: {"read": True, "write": True}})
    query = PFQuery("Deal").from_local_datastore()
    with engine.acting_as(Principal.anonymous()):
        others = query.subscribe()
    with query.subscribe() as mine, others:
        deal.pin()
        deal.acl = None
        assert _kinds(mine) == ["create", "update"]
        assert _kinds(others) == ["enter"]


def test_a_subscription_here_does_not_resume(engine: ParseEngine) -> None:
    with pytest.raises(NotOfferedError):
        _won().subscribe(resume_from=1)


def test_the_servers_dialect_can_be_followed_too(engine: ParseEngine) -> None:
    deal = PFObject("Deal", stage=None)
    query = PFQuery("Deal").from_local_datastore().under(Dialect.SERVER).where_key("owner", equal_to=None)
    with query.subscribe() as subscription:
        deal.pin()
        assert _kinds(subscription) == ["create"]


def test_roles_are_followed_where_the_dialect_lets_them_count(engine: ParseEngine) -> None:
    ada = PFUser.sign_up("ada", password="pw", email="ada@example.com")
    rules = attrs.evolve(Dialect.IOS_LOCAL, roles_grant=True)
    with engine.acting_as_master():
        role = parsekit.PFRole("sales", acl=parsekit.PFACL())
        role.save()
        role.pin()
        deal = PFObject("Deal", stage="won")
        deal.acl = parsekit.PFACL.from_json({"role:sales": {"read": True}})
        deal.pin()
    with (
        engine.acting_as(ada),
        PFQuery("Deal").from_local_datastore().under(rules).subscribe() as subscription,
    ):
        with engine.acting_as_master():
            role.relation("users").add_object(ada)
        assert _kinds(subscription) == ["enter"]
