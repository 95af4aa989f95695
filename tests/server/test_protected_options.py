"""``protectedFields`` of the server and its exemptions."""

from __future__ import annotations

from typing import Any

import pytest

import parsekit
from parsekit.cloud import SaveRequest
from parsekit.server.configuration import configuration
from tests.server.caller import MASTER, Caller

PROTECTED = {"Deal": {"*": ["margin"], "role:boss": []}, "_User": {"*": ["phone"]}}


def _user(call: Caller, name: str) -> tuple[dict[str, str], str]:
    headers = call.sign_up(name, email=f"{name}@x.de", phone="1", ACL={"*": {"read": True}})
    return headers, call("GET", "/users/me", headers=headers).body["objectId"]


def test_classes_and_users() -> None:
    with parsekit.open(protected_fields=PROTECTED) as engine:
        call = Caller(engine)
        call("POST", "/classes/Deal", {"margin": 3, "title": "t"})
        (deal,) = call("GET", "/classes/Deal").body["results"]
        assert ("margin" in deal, deal["title"]) == (False, "t")
        assert call("GET", "/classes/Deal", headers=MASTER).body["results"][0]["margin"] == 3
        assert call("GET", "/classes/Deal", where={"margin": 3}).body["code"] == 119
        headers, ada = _user(call, "ada")
        shown = call("GET", f"/users/{ada}").body
        assert {"phone", "email"}.isdisjoint(shown)  # the default is joined
        assert call("GET", f"/users/{ada}", headers=headers).body["email"] == "ada@x.de"


def test_owners_that_are_not_exempt() -> None:
    with parsekit.open(protected_fields=PROTECTED, protected_fields_owner_exempt=False) as engine:
        call = Caller(engine)
        headers, ada = _user(call, "ada")
        shown = call("GET", f"/users/{ada}", headers=headers).body
        assert ("phone" in shown, shown["email"]) == (False, "ada@x.de")  # without the default
        assert (
            call("GET", "/users", headers=headers, where={"objectId": ada, "phone": "1"}).body["code"] == 119
        )
        assert call("GET", f"/users/{ada}", headers=MASTER).body["phone"] == "1"


@pytest.mark.parametrize("exempt", [False, True])
def test_what_hooks_see(exempt: bool) -> None:
    seen: list[Any] = []
    options: dict[str, Any] = {"protected_fields": PROTECTED, "protected_fields_trigger_exempt": exempt}
    with parsekit.open(**options) as engine:
        call = Caller(engine)
        made = call("POST", "/classes/Deal", {"margin": 3}).body["objectId"]

        @engine.cloud.before_save("Deal")
        @engine.cloud.after_save("Deal")
        @engine.cloud.before_delete("Deal")
        def look(request: SaveRequest) -> None:
            original = None if request.original is None else request.original.get("margin")
            seen.append((request.object.get("margin"), original))

        path = f"/classes/Deal/{made}"
        assert call("PUT", path, {}).status == 200
        assert call("PUT", path, {"margin": 4}).status == 200
        assert call("PUT", path, {"title": "x"}, headers=MASTER).status == 200
        assert call("DELETE", path).status == 200
    if exempt:
        assert seen == [(3, 3), (3, 3), (4, 3), (4, 3), (4, 4), (4, 4), (4, 4)]
    else:
        assert seen == [(None, None), (None, None), (4, None), (4, None), (4, 4), (4, 4), (None, None)]


@pytest.mark.parametrize("exempt", [False, True])
def test_what_the_answer_to_a_write_shows(exempt: bool) -> None:
    options: dict[str, Any] = {"protected_fields": PROTECTED, "protected_fields_save_response_exempt": exempt}
    with parsekit.open(**options) as engine:
        call = Caller(engine)
        made = call("POST", "/classes/Deal", {"margin": 3}).body["objectId"]
        body = {"margin": {"__op": "Increment", "amount": 1}}
        assert ("margin" in call("PUT", f"/classes/Deal/{made}", body).body) is exempt
        assert "margin" in call("PUT", f"/classes/Deal/{made}", body, headers=MASTER).body


def test_the_options_by_name() -> None:
    given = {
        "appId": "a",
        "masterKey": "m",
        "protectedFields": PROTECTED,
        "protectedFieldsOwnerExempt": False,
    }
    engine = configuration(given).engine
    assert (engine["protected_fields"], engine["protected_fields_owner_exempt"]) == (PROTECTED, False)
