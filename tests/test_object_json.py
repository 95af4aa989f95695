"""Objects as REST JSON and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import parsekit
from parsekit import PFGeoPoint, PFObject, PFQuery


class Company(PFObject, class_name="Company"):
    name: str


@pytest.fixture
def engine() -> Iterator[parsekit.ParseEngine]:
    with parsekit.open(":memory:", classes=[Company]) as opened:
        yield opened


def saved(**fields: Any) -> PFObject:
    obj = PFObject("Deal", **fields)
    obj.save()
    return obj


def test_included_objects_come_back_as_objects_with_data(engine: parsekit.ParseEngine) -> None:
    acme = Company(name="Acme")
    boss = PFObject("Person", name="Ann", place=PFGeoPoint(1, 2))
    acme["boss"] = boss
    saved(company=acme, members=[acme, 1], more={"deep": {"company": acme}})
    found = PFQuery("Deal").include_key("company.boss", "members", "more.deep.company").first()
    twin = PFObject.from_json(found.to_json())
    assert twin.to_json() == found.to_json()
    assert isinstance(twin["company"], Company)
    assert twin["company"].name == "Acme"
    assert twin["company"].created_at == acme.created_at
    assert twin["company"].is_data_available
    assert twin["company"]["boss"]["place"] == PFGeoPoint(1, 2)
    assert [twin["members"][0]["name"], twin["members"][1]] == ["Acme", 1]
    assert twin["more"]["deep"]["company"] == acme
    assert not twin.is_dirty


def test_what_was_not_included_stays_a_stub(engine: parsekit.ParseEngine) -> None:
    saved(company=Company(name="Acme"))
    twin = PFObject.from_json(PFQuery("Deal").first().to_json())
    assert not twin["company"].is_data_available
    assert twin["company"].fetch_if_needed()["name"] == "Acme"


def test_an_object_that_came_as_json_can_be_changed_and_saved(engine: parsekit.ParseEngine) -> None:
    acme, bolt = Company(name="Acme"), Company(name="Bolt")
    bolt.save()
    deal = saved(company=acme, members=[acme])
    twin = PFObject.from_json(PFQuery("Deal").include_key("company", "members").first().to_json())
    twin.add_object(bolt, for_key="members")
    twin["title"] = "changed"
    twin.save()
    stored = deal.fetch()
    assert stored["members"] == [acme, bolt]
    assert stored["company"] == acme


def test_without_an_engine_children_are_plain_objects() -> None:
    child = {"__type": "Object", "className": "Company", "objectId": "c1", "name": "Acme"}
    twin = PFObject.from_json(
        {"className": "Deal", "objectId": "d1", "company": child, "odd": {"__type": "Object"}}
    )
    assert twin["company"].object_id == "c1"
    assert twin["company"]["name"] == "Acme"
    assert twin["odd"] == {"__type": "Object"}
