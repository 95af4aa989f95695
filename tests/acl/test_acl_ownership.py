"""Declarative ownership: the ACL of new objects, and how it follows the fields that it names."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import parsekit
from parsekit import (
    PFACL,
    ClassSchema,
    Field,
    PFObject,
    PFQuery,
    PFRole,
    PFUser,
    Pointer,
    Schema,
    SchemaError,
)
from parsekit.acl.ownership import owned_acl, transferred_acl
from parsekit.schema import Ownership
from parsekit.schema_json import schema_from_json, schema_to_json
from tests.auth.kit import auth_options

RW = {"read": True, "write": True}
USER = Field("Pointer", ("_User",))
CRM = Schema([
    ClassSchema.new(
        "Deal",
        {"title": Field("String"), "assignedTo": USER, "watchers": Field("Array")},
        ownership=Ownership.of("assignedTo", "role:manager", readers=["watchers"]),
    )
])  # fmt: skip


@pytest.fixture
def crm() -> Iterator[SimpleNamespace]:
    with parsekit.open(":memory:", schema=CRM, auth=auth_options()) as engine:
        users = {}
        with engine.acting_as_master():
            for name in ("ada", "bob", "meg"):
                users[name] = PFUser(username=name, password="pw")
                users[name].save()
            manager = PFRole("manager", acl=PFACL())
            manager.users.add_object(users["meg"])
            manager.save()
        yield SimpleNamespace(engine=engine, **users)


def titles(crm: SimpleNamespace, user: PFUser) -> list[str]:
    with crm.engine.acting_as(user):
        return sorted(deal["title"] for deal in PFQuery("Deal").find())


def test_an_agent_sees_their_own_and_a_manager_all(crm: SimpleNamespace) -> None:
    for user in (crm.ada, crm.bob):
        with crm.engine.acting_as(user):
            PFObject("Deal", title=user.username, assignedTo=user).save()
    assert titles(crm, crm.ada) == ["ada"]
    assert titles(crm, crm.bob) == ["bob"]
    assert titles(crm, crm.meg) == ["ada", "bob"]
    with crm.engine.acting_as(parsekit.Principal.anonymous()):
        assert PFQuery("Deal").count() == 0


def test_rights_follow_the_field(crm: SimpleNamespace) -> None:
    with crm.engine.acting_as(crm.ada):
        deal = PFObject("Deal", title="x", assignedTo=crm.ada, watchers=[crm.bob])
        deal.save()
    assert titles(crm, crm.bob) == ["x"]
    with crm.engine.acting_as(crm.bob), pytest.raises(parsekit.ParseError):
        PFObject.without_data("Deal", deal.object_id).increment_key("n")
        other = PFObject.without_data("Deal", deal.object_id)
        other["title"] = "mine"
        other.save()
    with crm.engine.acting_as(crm.meg):
        deal = PFQuery("Deal").get(deal.object_id)
        deal["assignedTo"] = crm.bob
        deal["watchers"] = []
        deal.save()
    assert (titles(crm, crm.ada), titles(crm, crm.bob)) == ([], ["x"])
    with crm.engine.acting_as(crm.bob):
        deal = PFQuery("Deal").first()
        del deal["assignedTo"]
        deal.save()
    assert (titles(crm, crm.bob), titles(crm, crm.meg)) == ([], ["x"])


def test_an_acl_that_is_sent_is_taken_and_shared_rights_stay(crm: SimpleNamespace) -> None:
    with crm.engine.acting_as(crm.ada):
        deal = PFObject("Deal", title="x", assignedTo=crm.ada)
        deal.save()
        acl = deal.fetch().acl
        acl.set_read_access(True, for_user=crm.bob)
        deal.acl = acl
        deal.save()
        deal["assignedTo"] = crm.meg
        deal.save()
    with crm.engine.acting_as_master():
        assert deal.fetch().acl.to_json() == {
            crm.bob.object_id: {"read": True},
            crm.meg.object_id: RW,
            "role:manager": RW,
        }
        own = PFObject("Deal", title="y", assignedTo=crm.ada, ACL=PFACL())
        own.save()
        assert own.fetch().acl.to_json() == {}


def test_what_is_assigned_to_nobody_is_its_creators() -> None:
    ownership = Ownership.of("owner|backup|currentUser", "role:A")
    ada, bob = Pointer("_User", "ada"), Pointer("_User", "bob")
    of_role = {"role:A": RW}
    assert owned_acl(ownership, {"owner": ada, "backup": bob}, "eve") == {"ada": RW, **of_role}
    assert owned_acl(ownership, {"backup": bob}, "eve") == {"bob": RW, **of_role}
    assert owned_acl(ownership, {}, "eve") == {"eve": RW, **of_role}
    assert owned_acl(ownership, {}) == of_role
    assigned = transferred_acl(ownership, {"bob": RW, **of_role}, {"backup": bob}, {"owner": ada}.get)
    assert assigned == {"ada": RW, **of_role}


def test_the_declaration_is_stored_and_written_as_json() -> None:
    document = schema_to_json(CRM)
    stated = document["classes"][0]["ownership"]
    assert stated == {
        "read": ["assignedTo", "role:manager", "watchers"],
        "write": ["assignedTo", "role:manager"],
    }
    assert schema_from_json(document) == CRM


def test_mistakes_are_told_with_their_place() -> None:
    entry = {
        "className": "Deal",
        "fields": {"assignedTo": {"type": "Pointer", "targetClass": "_User"}, "title": {"type": "String"}},
        "ownership": {
            "read": ["asignedTo|currentUser", "title", "role:x"],
            "write": "assignedTo",
            "delete": [],
        },
    }
    with pytest.raises(SchemaError) as caught:
        schema_from_json(entry)
    problems = "\n".join(caught.value.problems)
    for part in ('did you mean "assignedTo"', 'field "title" is String', "ownership.write", '"delete"'):
        assert part in problems


names = st.sampled_from(["u1", "u2", "u3"])
owners = st.none() | st.builds(Pointer, st.sampled_from(["_User", "Other"]), names)
ENTRIES = ("owner", "backup", "role:A", "*", "owner|backup", "owner|role:B", "backup|currentUser")
entries = st.lists(st.sampled_from(ENTRIES), max_size=3, unique=True)
fields = st.fixed_dictionaries({"owner": owners, "backup": owners})


@given(entries, entries, fields, fields)
def test_following_gives_what_a_new_object_would_have(read, write, before, after) -> None:
    ownership = Ownership(read, write)
    start = owned_acl(ownership, before)
    followed = transferred_acl(ownership, start, before, after.get)
    assert (start if followed is None else followed) == owned_acl(ownership, after)
    assert (followed is None) == (start == owned_acl(ownership, after))
