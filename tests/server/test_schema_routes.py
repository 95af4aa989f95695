"""``/schemas``: what PUT and DELETE do at their edges (SchemasRouter, SchemaController)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import parsekit
from parsekit.server import Response
from tests.server.caller import MASTER, Caller


@pytest.fixture
def call() -> Iterator[Any]:
    with parsekit.open(":memory:") as engine:
        caller = Caller(engine)
        yield lambda *arguments: caller(*arguments, headers=MASTER)


def shown(answer: Response) -> dict[str, Any]:
    assert answer.status == 200, answer.body
    assert isinstance(answer.body, dict)
    return answer.body


def test_permissions_of_null_are_those_of_a_class_that_states_none(call: Any) -> None:
    made = shown(call("POST", "/schemas/Deal", {"classLevelPermissions": {"find": {"role:a": True}}}))
    kept = shown(call("PUT", "/schemas/Deal", {"fields": {"n": {"type": "Number"}}}))
    assert kept["classLevelPermissions"]["find"] == made["classLevelPermissions"]["find"] == {"role:a": True}
    opened = shown(call("PUT", "/schemas/Deal", {"classLevelPermissions": None}))
    assert opened["classLevelPermissions"]["find"] == {"*": True}


def test_a_class_with_indexes_shows_the_one_of_its_ids(call: Any) -> None:
    plain = shown(call("POST", "/schemas/Deal", {"fields": {"n": {"type": "Number"}}}))
    assert "indexes" not in plain
    changed = shown(call("PUT", "/schemas/Deal", {"indexes": {"by_n": {"n": 1}}}))
    assert changed["indexes"] == {"_id_": {"_id": 1}, "by_n": {"n": 1}}
    # what was read may be sent back
    again = shown(call("PUT", "/schemas/Deal", {"indexes": {"_id_": {"_id": 1}}}))
    assert again["indexes"] == changed["indexes"]


@pytest.mark.parametrize("name", ["_GlobalConfig", "_Hooks", "9bad", "_Other"])
def test_what_is_no_class_is_not_dropped(call: Any, name: str) -> None:
    answer = call("DELETE", f"/schemas/{name}")
    assert isinstance(answer.body, dict)
    assert (answer.status, answer.body["code"]) == (400, 103)


@pytest.mark.parametrize("name", [True, 1, ["Deal"], {"a": 1}], ids=str)
def test_a_class_name_is_text(call: Any, name: Any) -> None:
    answer = call("POST", "/schemas", {"className": name})
    assert isinstance(answer.body, dict)
    assert (answer.status, answer.body["code"]) == (400, 103)


def test_a_class_may_give_up_its_geopoint_and_gain_another_in_one_request(call: Any) -> None:
    shown(call("POST", "/schemas/Place", {"fields": {"a": {"type": "GeoPoint"}}}))
    changes = {"b": {"type": "GeoPoint"}, "a": {"__op": "Delete"}}
    fields = shown(call("PUT", "/schemas/Place", {"fields": changes}))["fields"]
    assert ("a" in fields, fields["b"]) == (False, {"type": "GeoPoint"})
    answer = call("PUT", "/schemas/Place", {"fields": {"c": {"type": "GeoPoint"}}})
    assert isinstance(answer.body, dict)
    assert answer.body["code"] == 111


def test_that_a_field_is_not_required_is_shown_where_it_is_said(call: Any) -> None:
    fields = {"a": {"type": "String", "required": False}, "b": {"type": "String"}}
    assert shown(call("POST", "/schemas/Deal", {"fields": fields}))["fields"]["a"] == fields["a"]
    found = shown(call("GET", "/schemas/Deal"))["fields"]
    assert {key: found[key] for key in fields} == fields


def test_an_update_shows_what_the_server_protects(call: Any) -> None:
    changed = shown(call("PUT", "/schemas/_User", {"fields": {"nick": {"type": "String"}}}))
    assert changed["classLevelPermissions"]["protectedFields"] == {"*": ["email"]}
    assert shown(call("GET", "/schemas/_User"))["classLevelPermissions"]["protectedFields"] == {"*": []}
