"""``/config``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import parsekit
from parsekit.acl.principal import Principal
from parsekit.cloud import ConfigRequest
from parsekit.errors import OperationForbiddenError, ParseError
from tests.server.caller import MASTER, READER, Caller


@pytest.fixture
def call() -> Iterator[Caller]:
    with parsekit.open() as engine:
        yield Caller(engine)


def _put(call: Caller, params: dict[str, Any], **only: bool) -> Any:
    return call("PUT", "/config", {"params": params, "masterKeyOnly": only}, headers=MASTER)


def test_nothing_was_ever_saved(call: Caller) -> None:
    assert call("GET", "/config").body == {"params": {}}


def test_parameters_and_those_of_masters(call: Caller) -> None:
    assert _put(call, {"a": ["x"], "inner": "secret"}, inner=True).body == {"result": True}
    assert call("GET", "/config").body == {"params": {"a": ["x"]}, "masterKeyOnly": {"a": False}}
    shown = call("GET", "/config", headers=MASTER).body
    assert shown == {"params": {"a": ["x"], "inner": "secret"}, "masterKeyOnly": {"a": False, "inner": True}}


def test_operations(call: Caller) -> None:
    _put(call, {"n": 20, "gone": 1, "kept": True})
    _put(call, {"n": {"__op": "Increment", "amount": 2}, "gone": {"__op": "Delete"}})
    assert call("GET", "/config").body["params"] == {"n": 22, "kept": True}


def test_operations_on_nothing(call: Caller) -> None:
    added = {"__op": "AddUnique", "objects": ["a", "a"]}
    _put(call, {"list": added, "n": {"__op": "Increment", "amount": 2}, "gone": {"__op": "Delete"}})
    assert call("GET", "/config").body["params"] == {"list": ["a"], "n": 2}


def test_typed_values(call: Caller) -> None:
    point = {"__type": "GeoPoint", "latitude": 1.5, "longitude": 2.5}
    file = {"__type": "File", "name": "a.txt"}
    _put(call, {"p": point, "f": file})
    params = call("GET", "/config").body["params"]
    assert params["p"] == point
    assert params["f"] == {**file, "url": "/parse/files/app/a.txt"}


def test_only_masters_write(call: Caller) -> None:
    assert call("PUT", "/config", {"params": {"a": 1}}).status == 403
    assert call("PUT", "/config", {"params": {"a": 1}}, headers=READER).body["code"] == 119
    assert call("PUT", "/config", {"params": [1]}, headers=MASTER).body["code"] == 107
    with pytest.raises(OperationForbiddenError):
        call.engine.config.update({"a": 1}, Principal.anonymous())
    assert call("GET", "/config").body == {"params": {}}


def test_hooks(call: Caller) -> None:
    seen: list[tuple[str, Any, Any]] = []

    @call.engine.cloud.before_save("@Config")
    def before(request: ConfigRequest) -> None:
        seen.append(("before", dict(request.params), request.original))
        request.context["by"] = "before"
        if "bad" in request.params:
            raise ParseError("no", code=142)

    @call.engine.cloud.after_save("@Config")
    def after(request: ConfigRequest) -> None:
        seen.append((str(request.context["by"]), dict(request.params), request.original))

    _put(call, {"a": 1})
    _put(call, {"b": 2})
    assert seen == [
        ("before", {"a": 1}, None),
        ("before", {"a": 1}, None),
        ("before", {"b": 2}, {"a": 1}),
        ("before", {"a": 1, "b": 2}, {"a": 1}),
    ]
    assert _put(call, {"bad": 1}).body == {"code": 142, "error": "no"}
