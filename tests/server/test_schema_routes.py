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
