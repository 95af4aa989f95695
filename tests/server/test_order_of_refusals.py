"""Which of several things that are wrong with a request is told: in the order in which Parse Server looks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import parsekit
from tests.server.caller import MASTER, Caller

FIELDS = {
    "s": {"type": "String"},
    "n": {"type": "Number"},
    "a": {"type": "Array"},
    "o": {"type": "Object"},
    "must": {"type": "String", "required": True},
}
VALUES: list[Any] = [
    "x", 1, None, True, [1], {"k": 1}, {"a.b": 1}, {"__type": "Bytes", "base64": ""}, {"__type": "Nope"},
    {"__op": "Delete"}, {"__op": "Increment", "amount": 2}, {"__op": "Increment", "amount": "2"},
    {"__op": "Add", "objects": [1]}, {"__op": "Add", "objects": 5}, {"__op": "Remove"},
]  # fmt: skip
KEYS = st.sampled_from(["s", "n", "a", "o", "must", "fresh", "o.k", "1a", "a b", "$x"])


@settings(max_examples=60, deadline=None)
@given(body=st.dictionaries(KEYS, st.sampled_from(VALUES), min_size=1, max_size=2))
def test_an_object_that_is_missing_is_told_last(body: dict[str, Any]) -> None:
    with parsekit.open() as engine:
        call = Caller(engine)
        call("POST", "/schemas/C", {"className": "C", "fields": FIELDS}, headers=MASTER)
        missing = call("PUT", "/classes/C/nobody", body)
        made = call("POST", "/classes/C", {"must": "x", "n": 1, "a": [1], "o": {"k": 1}})
        there = call("PUT", f"/classes/C/{made.body['objectId']}", body)
        assert missing.body["code"] == there.body.get("code", 101)


@pytest.fixture
def call() -> Any:
    with parsekit.open() as engine:
        yield Caller(engine)


def test_a_user_is_refused_for_what_is_wrong_before_for_who_it_is(call: Caller) -> None:
    call.sign_up("ann", objectId="ann0000000", email="ann@x.com")
    bob = call.sign_up("bob")
    for headers in ({"headers": bob}, {}):
        for path in ("/users/ann0000000", "/users/nobody0000"):
            assert call.error("PUT", path, {"username": "bob"}, **headers)[0] == 202
            assert call.error("PUT", path, {"email": "bad"}, **headers)[0] == 125
            assert call.error("PUT", path, {"emailVerified": True}, **headers)[0] == 119
            assert call.error("PUT", path, {"nick": "x"}, **headers)[0] == 206


def test_what_is_no_acl_locks_the_object(call: Caller) -> None:
    for number, acl in enumerate(["x", 5, [], True]):
        assert call("POST", "/classes/C", {"objectId": f"c{number}", "ACL": acl}).status == 201
        assert call("GET", f"/classes/C/c{number}", headers=MASTER).body["ACL"] == {}
    for number, acl in enumerate(["", 0, False, None]):
        assert call("POST", "/classes/C", {"objectId": f"p{number}", "ACL": acl}).status == 201
        assert "ACL" not in call("GET", f"/classes/C/p{number}").body
    assert call.error("PUT", "/classes/C/nobody", {"ACL": {"*unresolved": {"read": True}}})[0] == 123


def test_the_acl_that_a_class_gives_is_answered(call: Caller) -> None:
    given_acl = {"*": {"read": True}}
    permissions = {"create": {"*": True}, "ACL": given_acl}
    call("POST", "/schemas/C", {"className": "C", "classLevelPermissions": permissions}, headers=MASTER)
    assert call("POST", "/classes/C", {}).body["ACL"] == given_acl
    assert "ACL" not in call("POST", "/classes/C", {"ACL": {}}).body


def test_required_false_stays_in_the_schema(call: Caller) -> None:
    fields = {"f": {"type": "String", "required": False}, "g": {"type": "String"}}
    made = call("POST", "/schemas/C", {"className": "C", "fields": fields}, headers=MASTER).body["fields"]
    assert (made["f"], made["g"]) == (fields["f"], fields["g"])


def test_null_for_a_field_with_a_default_is_refused(call: Caller) -> None:
    fields = {"f": {"type": "String", "defaultValue": "x"}}
    call("POST", "/schemas/C", {"className": "C", "fields": fields}, headers=MASTER)
    assert call("POST", "/classes/C", {"f": None}).status == 400
    assert call("POST", "/classes/C", {}).body["f"] == "x"


def test_permission_comes_before_conditions_that_mean_nothing(call: Caller) -> None:
    permissions = {"find": {"requiresAuthentication": True}}
    call("POST", "/schemas/C", {"className": "C", "classLevelPermissions": permissions}, headers=MASTER)
    bad = {"a": {"$in": 5}}
    assert call.error("GET", "/classes/C", where=bad)[0] == 101
    assert call.error("GET", "/classes/C", where=bad, headers=MASTER)[0] == 107
    assert call.error("GET", "/classes/C", where=bad, order="1x")[0] == 105
    assert call("GET", "/classes/C", where=bad, limit=0).body == {"results": []}
    assert call.error("GET", "/classes/C", where="{")[0] == 107


def test_the_values_of_a_select_are_held_to_the_fields_type(call: Caller) -> None:
    call("POST", "/classes/Inner", {"o": {"k": 1}})
    call("POST", "/classes/C", {"s": "x", "a": [1]})
    select = {"$select": {"query": {"className": "Inner", "where": {}}, "key": "o"}}
    assert call.error("GET", "/classes/C", where={"s": select})[0] == 107
    assert call("GET", "/classes/C", where={"a": select}).body == {"results": []}


def test_a_master_without_a_device_signs_up_no_session(call: Caller) -> None:
    made = call("POST", "/users", {"username": "ann", "password": "p"}, headers=MASTER)
    assert set(made.body) == {"objectId", "createdAt"}
    device = {**MASTER, "x-parse-installation-id": "i"}
    assert "sessionToken" in call("POST", "/users", {"username": "bob", "password": "p"}, headers=device).body
