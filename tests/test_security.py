"""``explain_access``, ``explain_find`` and the security check, on a database with something of each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import parsekit
from parsekit import (
    PFACL,
    ClassSchema,
    Field,
    Index,
    ParseEngine,
    PFObject,
    PFQuery,
    PFRole,
    PFUser,
    Principal,
    Schema,
)
from parsekit.errors import ObjectNotFoundError, OperationForbiddenError
from parsekit.interchange import Record, import_objects
from parsekit.query.state import QueryState
from tests.auth.kit import auth_options

OPEN = {op: {"*": True} for op in ("find", "get", "count", "create", "update", "delete", "addField")}
CLOSED = {op: {"requiresAuthentication": True} for op in ("find", "get", "count", "create", "update")}
SCHEMA = Schema([
    ClassSchema.new("Wild", {"a": Field("Number")}),
    ClassSchema.new("Open", {"a": Field("Number")}, permissions=OPEN),
    ClassSchema.new(
        "Kept",
        {"tax": Field("String")},
        indexes=[Index("tax_1", (("tax", False),), unique=True)],
        permissions={**CLOSED, "protectedFields": {"*": ["tax"]}},
    ),
])  # fmt: skip


@pytest.fixture
def engine() -> Iterator[ParseEngine]:
    with parsekit.open(":memory:", schema=SCHEMA, auth=auth_options()) as engine:
        yield engine


def test_why_an_update_is_refused_or_allowed(engine: ParseEngine) -> None:
    ada = PFUser.sign_up("ada", password="pw")
    kept = PFObject("Kept", tax="1", ACL=PFACL.with_user(ada))
    kept.save()
    told = engine.explain_access(kept, ada, "update")
    assert told.allowed and told.steps[-1] == "verdict: update is allowed"
    bob = PFUser.sign_up("bob", password="pw")
    with pytest.raises(ObjectNotFoundError):
        engine.explain_access(kept, bob, "update")
    with engine.acting_as_master():
        told = engine.explain_access(kept, bob, "update")
        assert not told.allowed and "ACL: no entry grants write to the principal" in told.steps


def test_which_roles_somebody_has_is_told_to_them_and_to_masters(engine: ParseEngine) -> None:
    ada, bob = PFUser.sign_up("ada", password="pw"), PFUser.sign_up("bob", password="pw")
    acl = PFACL.from_json({"*": {"read": True}, "role:secret club": {"write": True}})
    with engine.acting_as_master():
        club, parent = PFRole("inner", acl=PFACL()), PFRole("secret club", acl=PFACL())
        club.users.add_object(bob)
        PFObject.save_all([club, parent])
        parent.roles.add_object(club)
        parent.save()
        kept = PFObject("Kept", tax="1", ACL=acl)
        kept.save()
        whole = engine.explain_access(kept, bob, "update")
    with engine.acting_as(bob):
        assert engine.explain_access(kept, bob, "update") == whole
    assert (
        'role: "secret club", because the user is in "inner", which is listed by "secret club"' in whole.steps
    )
    assert 'ACL: the entry "role:secret club" grants write' in whole.steps
    with engine.acting_as(ada):
        told = engine.explain_access(kept, bob, "update")
    assert told.allowed
    assert "ACL: the entry of a role grants write" in told.steps
    assert not any("club" in step or "inner" in step for step in told.steps)


@pytest.mark.parametrize("exempt", [True, False])
def test_hidden_fields_are_those_that_the_engine_hides(exempt: bool) -> None:
    protected = {"_User": {"*": ["email"]}}
    with parsekit.open(
        auth=auth_options(), protected_fields=protected, protected_fields_owner_exempt=exempt
    ) as engine:
        ada = PFUser.sign_up("ada", password="pw", email="ada@example.com")
        told = engine.explain_access(ada, ada, "get")
        assert ("email" in told.hidden_fields) is ("email" not in PFQuery("_User").get(ada.object_id))
        assert ("email" in told.hidden_fields) is not exempt


def test_what_a_find_hides_is_the_masters_to_know(engine: ParseEngine) -> None:
    ada = PFUser.sign_up("ada", password="pw")
    with engine.acting_as_master():
        for number in range(3):
            PFObject("Kept", tax=str(number), ACL=PFACL() if number else PFACL.with_user(ada)).save()
        told = engine.explain_find(QueryState("Kept"), ada)
        assert (told.shown, dict(told.hidden), told.hidden_fields) == (1, {"ACL": 2}, {"tax"})
        assert "1 object shown, 2 hidden" in str(told)
        anybody = engine.explain_find(QueryState("Kept"), Principal.anonymous())
        assert dict(anybody.hidden) == {"class-level permissions": 3}
    with pytest.raises(OperationForbiddenError):
        engine.explain_find(QueryState("Kept"), ada)


def test_the_security_check_finds_what_is_there(engine: ParseEngine) -> None:
    PFUser.sign_up("ada", password="pw")
    with engine.acting_as_master():
        PFObject("Open", a=1).save()
        one, two = PFRole("one", acl=PFACL()), PFRole("two", acl=PFACL())
        one.save()
        two.roles.add_object(one)
        two.save()
        one.roles.add_object(two)
        one.save()
    found = engine.check_security()
    said = "\n".join(map(str, found))
    for part in (
        "[high] Wild: states no permissions",
        "[high] Open: anybody may create, update, delete, addField",
        "[medium] Open: 1 of 1 objects have no ACL",
        "[medium] Kept.tax: the unique index tax_1",
        "[medium] role one: is in a circle",
        "[medium] options: clients may create classes",
    ):
        assert part in said
    assert "ada" not in said
    order = [finding.severity for finding in found]
    assert order == sorted(order, key=("high", "medium", "low").index)


def said_of(engine: ParseEngine) -> str:
    return "\n".join(map(str, engine.check_security()))


def test_a_hook_that_may_give_protected_fields_away_is_named(engine: ParseEngine) -> None:
    assert "hook" not in said_of(engine)

    @engine.cloud.after_find("Kept")
    def generous(request) -> None:
        pass

    @engine.cloud.after_find("Open")
    def harmless(request) -> None:
        pass

    said = said_of(engine)
    assert "[low] Kept: the afterFind hook decides what is sent, protected fields (tax) included" in said
    assert "Open: the afterFind" not in said


def test_master_in_force_is_named(engine: ParseEngine) -> None:
    assert "under the master" not in said_of(engine)
    with engine.acting_as_master():
        assert "[low] principal: this check runs under the master" in said_of(engine)


def test_unknown_hashes_are_severe(engine: ParseEngine) -> None:
    with engine.acting_as(Principal.maintenance()):
        import_objects(
            engine, [Record("_User", {"objectId": "old", "username": "old", "_hashed_password": "{MD5}abc"})]
        )
    assert "[high] _User: 1 passwords are hashed with unknown" in said_of(engine)


def test_outdated_hashes_are_counted(tmp_path) -> None:
    path = str(tmp_path / "x.db")
    with parsekit.open(path, auth=auth_options()):
        PFUser.sign_up("ada", password="pw")
    with parsekit.open(path) as engine:
        assert any(
            "1 passwords are hashed with argon2" in str(finding) for finding in engine.check_security()
        )
