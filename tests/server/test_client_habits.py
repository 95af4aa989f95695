"""What clients do that is written nowhere but in them: forms, locations, plans, sessions that have ended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

import parsekit
from parsekit.auth import AuthOptions, TokenTableAdapter
from parsekit.server.configuration import configuration
from tests.server.caller import CLIENT, MASTER, Caller

ACCOUNT = {"club": {"id": "1", "access_token": "t"}}


@pytest.fixture
def call() -> Iterator[Caller]:
    auth = AuthOptions(auth={"club": TokenTableAdapter({"1": "t"})})
    with parsekit.open(auth=auth) as engine:
        yield Caller(engine, public_url="http://x/1")


def test_a_form_is_a_body(call: Caller) -> None:
    call.sign_up("ada")
    headers = {**CLIENT, "content-type": "application/x-www-form-urlencoded"}
    form = urlencode({"username": "ada", "password": "p"}).encode()
    assert call("POST", "/login", form, headers=headers).body["username"] == "ada"


def test_where_things_are(call: Caller) -> None:
    made = call("POST", "/classes/A", {})
    assert made.headers["Location"] == f"http://x/1/classes/A/{made.body['objectId']}"
    first = call("POST", "/users", {"authData": ACCOUNT})
    again = call("POST", "/classes/_User", {"authData": ACCOUNT})
    assert (first.status, again.status) == (201, 200)
    place = f"http://x/1/users/{first.body['objectId']}"
    assert first.headers["Location"] == again.headers["Location"] == place


def test_a_master_that_links_an_account_gets_a_session(call: Caller) -> None:
    headers = call.sign_up("ada")
    ada = call("GET", "/users/me", headers=headers).body["objectId"]
    device = {**MASTER, "x-parse-installation-id": "device"}  # a master without one signs nobody in
    linked = call("PUT", f"/users/{ada}", {"authData": ACCOUNT}, headers=device).body
    session = {**CLIENT, "x-parse-session-token": linked["sessionToken"]}
    assert call("GET", "/users/me", headers=session).body["objectId"] == ada
    assert call("GET", "/users/me", headers=headers).status == 200
    assert "sessionToken" not in call("PUT", f"/users/{ada}", {"authData": ACCOUNT}, headers=headers).body


def test_a_session_that_has_ended_is_shown_to_itself(call: Caller) -> None:
    headers = call.sign_up("ada")
    mine = call("GET", "/sessions/me", headers=headers).body
    past = {
        "__type": "Date",
        "iso": (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    }
    call("PUT", f"/sessions/{mine['objectId']}", {"expiresAt": past}, headers=MASTER)
    assert call("GET", "/sessions/me", headers=headers).body["expiresAt"] == past
    assert call("GET", "/users/me", headers=headers).body["code"] == 209


class TestPlans:
    @pytest.mark.parametrize("how", [True, "queryPlanner", "executionStats", "allPlansExecution"])
    def test_a_plan(self, call: Caller, how: Any) -> None:
        call("POST", "/classes/A", {"n": 1})
        told = call("GET", "/classes/A", headers=MASTER, explain=how, where={"n": 1}).body["results"]
        assert told["ok"] == 1
        assert "SELECT" in told["queryPlanner"]["sql"]

    @pytest.mark.parametrize("how", [1, "yolo", {"a": 1}, [1, 2]])
    def test_what_is_no_plan(self, call: Caller, how: Any) -> None:
        call("POST", "/classes/A", {"n": 1})
        refused = call.error("GET", "/classes/A", headers=MASTER, explain=how)
        assert refused == (102, "Invalid value for explain")

    def test_not_for_clients(self, call: Caller) -> None:
        assert call("GET", "/classes/A", explain=True).body["code"] == 102
        assert call("GET", "/classes/_User", headers=MASTER, explain=False).body == {"results": []}


def test_sensitive_fields_are_protected() -> None:
    given = {
        "appId": "a",
        "masterKey": "m",
        "userSensitiveFields": ["phone"],
        "protectedFields": {"_User": {"*": ["born"]}, "A": {"*": ["b"]}},
    }
    found = configuration(given).engine["protected_fields"]
    assert found == {"_User": {"*": ["born", "phone"]}, "A": {"*": ["b"]}}
