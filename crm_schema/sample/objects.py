"""Turns what was read into objects in Parse's REST form, ready to be sent as creations with a given objectId.

The objectIds are derived from what an object is in the files, never drawn, so that a second import meets the
objects of the first. A field for which the files have nothing is absent. Users carry no password: until one
is set nobody can log in as them.

A deal and its activities belong to the salesperson and to the role of that person's manager, so their ACL says; who
owns companies and products the schema declares. A user may be read by everybody who is logged in and changed by
nobody else, and a role may be read by its members.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import itertools
import string
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from crm_schema.sample.names import deal_title, email, manager_role, office_role, slug
from crm_schema.sample.rows import Agent, Manager, Opportunity, PipelineData
from crm_schema.sample.subsidiaries import parents_first
from crm_schema.stages import ActivityType

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
Record: TypeAlias = dict[str, JsonValue]
"""One object in Parse's REST form, its objectId included."""

BATCH_SIZE: Final = 500

_ID_CHARACTERS: Final = string.ascii_uppercase + string.ascii_lowercase + string.digits
_ID_LENGTH: Final = 10
_READ_AND_WRITE: Final = {"read": True, "write": True}


@functools.lru_cache(maxsize=512)
def object_id(class_name: str, key: str) -> str:
    """The objectId of what `key` names in a class: ten letters and digits, the same on every run.

    Taken from SHA-256; two of the sample's 15,011 activities would share one with a chance of 1 in 7 billion.
    """
    digest = hashlib.sha256(f"{class_name}\0{key}".encode()).digest()
    number = int.from_bytes(digest, "big")
    characters: list[str] = []
    for _ in range(_ID_LENGTH):
        number, index = divmod(number, len(_ID_CHARACTERS))
        characters.append(_ID_CHARACTERS[index])
    return "".join(characters)


def pointer(class_name: str, target_id: str) -> Record:
    """A pointer in REST form."""
    return {"__type": "Pointer", "className": class_name, "objectId": target_id}


def midnight(day: datetime.date) -> Record:
    """The first instant of a day, UTC, as a date in REST form."""
    return {"__type": "Date", "iso": f"{day.isoformat()}T00:00:00.000Z"}


def users(data: PipelineData) -> Iterator[Record]:
    """A `_User` for every manager and then every agent."""
    people: list[Manager | Agent] = [*data.managers, *data.agents]
    for person in people:
        username = slug(person.name)
        identity = object_id("_User", username)
        yield {
            "objectId": identity,
            "username": username,
            "email": email(username),
            "fullName": person.name,
            "regionalOffice": person.regional_office,
            # Without one, whoever is logged in could change the password of everybody else.
            "ACL": {"*": {"read": True}, identity: {"read": True, "write": True}},
        }


def roles(data: PipelineData) -> Iterator[Record]:
    """A `_Role` for every manager, with that manager, and for every office, with its agents."""
    for manager in data.managers:
        yield _role(manager_role(manager.name), [manager.name])
    for office in dict.fromkeys(agent.regional_office for agent in data.agents):
        yield _role(
            office_role(office), [agent.name for agent in data.agents if agent.regional_office == office]
        )


def companies(data: PipelineData) -> Iterator[Record]:
    """A `Company` for every account, a parent before its subsidiaries."""
    for account in parents_first(data.accounts)[0]:
        parent = account.subsidiary_of
        yield _present(
            {
                "objectId": object_id("Company", account.name),
                "name": account.name,
                "industry": account.sector,
                "address": account.office_location,
                "yearEstablished": account.year_established,
                "revenue": account.revenue,
                "employees": account.employees,
                "subsidiaryOf": None if parent is None else pointer("Company", object_id("Company", parent)),
            }
        )


def products(data: PipelineData) -> Iterator[Record]:
    """A `Product` for every product."""
    for product in data.products:
        yield _present(
            {
                "objectId": object_id("Product", product.name),
                "name": product.name,
                "series": product.series,
                "price": product.price,
            }
        )


def team_acls(data: PipelineData) -> dict[str, Record]:
    """By name of the agent, the ACL of what is theirs: they and their manager's role read and write it."""
    return {
        agent.name: {
            object_id("_User", slug(agent.name)): dict(_READ_AND_WRITE),
            f"role:{manager_role(agent.manager)}": dict(_READ_AND_WRITE),
        }
        for agent in data.agents
    }


def deals(data: PipelineData) -> Iterator[Record]:
    """A `Deal` for every opportunity, under the opportunity's own id."""
    acls = team_acls(data)
    for opportunity in data.opportunities:
        account = opportunity.account
        engaged, closed = opportunity.engage_date, opportunity.close_date
        yield _present(
            {
                "objectId": opportunity.opportunity_id,
                "title": deal_title(opportunity.product, account),
                "stage": opportunity.stage.value,
                "amount": opportunity.close_value,
                "company": None if account is None else pointer("Company", object_id("Company", account)),
                "product": pointer("Product", object_id("Product", opportunity.product)),
                "assignedTo": _user(opportunity.agent),
                "expectedCloseDate": None if closed is None else midnight(closed),
                "engageDate": None if engaged is None else midnight(engaged),
                "ACL": acls[opportunity.agent],
            }
        )


def activities(data: PipelineData) -> Iterator[Record]:
    """An `Activity` for every day an opportunity has: a meeting to engage, a note to close."""
    acls = team_acls(data)
    for opportunity in data.opportunities:
        acl = acls[opportunity.agent]
        if opportunity.engage_date is not None:
            yield _activity(opportunity, "engage", ActivityType.MEETING, opportunity.engage_date, acl)
        if opportunity.close_date is not None:
            yield _activity(opportunity, "close", ActivityType.NOTE, opportunity.close_date, acl)


_CLASSES: Final[dict[str, Callable[[PipelineData], Iterator[Record]]]] = {
    "_User": users,
    "_Role": roles,
    "Company": companies,
    "Product": products,
    "Deal": deals,
    "Activity": activities,
}
"""Each class after all that its objects point to."""


def object_stream(data: PipelineData) -> Iterator[tuple[str, Record]]:
    """Every object with its class name, after all that it points to; the objects of a class together."""
    for class_name, build in _CLASSES.items():
        for record in build(data):
            yield class_name, record


def object_batches(data: PipelineData, size: int = BATCH_SIZE) -> Iterator[tuple[str, list[Record]]]:
    """The objects of `object_stream` in lists of at most `size`, each of one class."""
    for class_name, build in _CLASSES.items():
        records = build(data)
        while batch := list(itertools.islice(records, size)):
            yield class_name, batch


def object_counts(data: PipelineData) -> dict[str, int]:
    """How many objects of each class there are, in the order of `object_stream`; nothing is built for it."""
    days = ((opportunity.engage_date, opportunity.close_date) for opportunity in data.opportunities)
    return {
        "_User": len(data.managers) + len(data.agents),
        "_Role": len(data.managers) + len({agent.regional_office for agent in data.agents}),
        "Company": len(data.accounts),
        "Product": len(data.products),
        "Deal": len(data.opportunities),
        "Activity": sum((engaged is not None) + (closed is not None) for engaged, closed in days),
    }


def _user(name: str) -> Record:
    return pointer("_User", object_id("_User", slug(name)))


def _role(name: str, people: list[str]) -> Record:
    return {
        "objectId": object_id("_Role", name),
        "name": name,
        # The members see which role they have. Nobody but the master changes one: it grants rights to others.
        "ACL": {f"role:{name}": {"read": True}},
        "users": {"__op": "AddRelation", "objects": [_user(person) for person in people]},
    }


def _activity(
    opportunity: Opportunity, event: str, kind: ActivityType, day: datetime.date, acl: Record
) -> Record:
    return {
        "objectId": object_id("Activity", f"{opportunity.opportunity_id}/{event}"),
        "type": kind.value,
        "completedAt": midnight(day),
        "relatedTo": pointer("Deal", opportunity.opportunity_id),
        "createdBy": _user(opportunity.agent),
        "ACL": acl,
    }


def _present(fields: Record) -> Record:
    return {key: value for key, value in fields.items() if value is not None}
