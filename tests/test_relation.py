"""``PFRelation``: members come and go with the owner's save, and are asked for by a query."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import parsekit
from parsekit import PFObject, PFQuery
from parsekit.errors import InvalidPointerError, TypeMismatchError
from parsekit.relation import PFRelation
from parsekit.values import RelationReference


@pytest.fixture
def engine() -> Iterator[parsekit.ParseEngine]:
    with parsekit.open() as engine:
        yield engine


def contacts(*names: str) -> list[PFObject]:
    found = [PFObject("Contact", name=name) for name in names]
    PFObject.save_all(found)
    return found


def member_names(deal: PFObject) -> list[str]:
    return [obj["name"] for obj in deal.relation("contacts").query().order_by_ascending("name").find()]


def test_members_come_and_go_with_the_save(engine: parsekit.ParseEngine) -> None:
    ann, bob, cid = contacts("ann", "bob", "cid")
    deal = PFObject("Deal", title="x")
    relation = deal.relation("contacts")
    relation.add_objects([ann, bob])
    deal.save()
    assert member_names(deal) == ["ann", "bob"]
    relation.remove_object(ann)
    relation.add_object(cid)
    assert member_names(deal) == ["ann", "bob"]
    deal.save()
    assert member_names(deal) == ["bob", "cid"]


def test_a_deleted_member_is_gone(engine: parsekit.ParseEngine) -> None:
    ann, bob = contacts("ann", "bob")
    deal = PFObject("Deal")
    deal.relation("contacts").add_objects([ann, bob])
    deal.save()
    ann.delete()
    assert member_names(deal) == ["bob"]


def test_owners_are_found_by_a_member(engine: parsekit.ParseEngine) -> None:
    ann, bob = contacts("ann", "bob")
    deal = PFObject("Deal")
    deal.relation("contacts").add_object(ann)
    deal.save()
    assert PFQuery("Deal").where_key("contacts", equal_to=ann).find() == [deal]
    assert PFQuery("Deal").where_key("contacts", equal_to=bob).find() == []


def test_a_relation_field_reads_as_a_relation(engine: parsekit.ParseEngine) -> None:
    (ann,) = contacts("ann")
    deal = PFObject("Deal")
    deal.relation("contacts").add_object(ann)
    deal.save()
    read = PFQuery("Deal").first()["contacts"]
    assert isinstance(read, PFRelation)
    assert (read.key, read.target_class, read.__parse_value__()) == (
        "contacts",
        "Contact",
        RelationReference("Contact"),
    )


def test_only_saved_objects_of_one_class_join(engine: parsekit.ParseEngine) -> None:
    (ann,) = contacts("ann")
    deal = PFObject("Deal")
    relation = deal.relation("contacts")
    with pytest.raises(InvalidPointerError):
        relation.add_object(PFObject("Contact"))
    relation.add_object(ann)
    deal.save()
    with pytest.raises(TypeMismatchError, match="must be of class Contact, but Deal was passed in"):
        relation.add_object(deal)


def test_an_unsaved_owner_has_no_members(engine: parsekit.ParseEngine) -> None:
    with pytest.raises(InvalidPointerError):
        PFObject("Deal").relation("contacts").query()
