"""What an error may tell."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import parsekit
from tests.server.caller import MAINTENANCE, Caller


@pytest.fixture
def engine() -> Iterator[parsekit.ParseEngine]:
    with parsekit.open() as opened:
        call = Caller(opened)
        for number in range(5):
            call("POST", "/classes/A", {"n": number})
        yield opened


def test_what_errors_tell(engine: parsekit.ParseEngine) -> None:
    plain = Caller(engine, enable_sanitized_error_response=False)
    assert Caller(engine)("GET", "/schemas").body == {"error": "Permission denied"}
    assert plain("GET", "/schemas").body == {"error": "unauthorized: master key is required"}
    text = "Clients aren't allowed to perform the find operation on the _Hooks collection."
    assert plain.error("GET", "/classes/_Hooks") == (119, text)
    assert Caller(engine).error("GET", "/classes/_Hooks") == (119, "Permission denied")
    requests = [{"method": "GET", "path": "/parse/classes/_Hooks"}]
    batch = plain("POST", "/batch", {"requests": requests})
    assert batch.body[0]["error"] == {"code": 119, "error": text}


def test_maintenance_is_no_master_of_routes(engine: parsekit.ParseEngine) -> None:
    assert Caller(engine)("GET", "/schemas", headers=MAINTENANCE).status == 403
