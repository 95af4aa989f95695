"""``GET /docs``: what the page carries, and whom it is for. What it does in a browser: ``tests/clients``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

import crm_schema
import parsekit
from parsekit import ClassSchema, Field, Schema
from parsekit.server.dispatch import Dispatcher
from parsekit.server.options import ServerOptions
from parsekit.server.requests import Request, Response

OPTIONS = ServerOptions(app_id="A", master_key="the-master-key", javascript_key="J")


@pytest.fixture
def engine() -> Iterator[parsekit.ParseEngine]:
    with parsekit.open(":memory:", schema=crm_schema.SCHEMA) as opened:
        yield opened


def page(engine: parsekit.ParseEngine, host: str = "127.0.0.1") -> Response:
    return Dispatcher(engine, OPTIONS).handle(Request("GET", "/docs", client_host=host))


def data_of(answer: Response) -> Any:
    found = re.search(
        r'<script type="application/json" id="data">(.*?)</script>', str(answer.body), re.DOTALL
    )
    assert found is not None
    return json.loads(found[1])


def test_it_carries_the_data_dictionary_of_the_schema(engine: parsekit.ParseEngine) -> None:
    data = data_of(page(engine))
    classes = {item["name"]: {field["field"]: field for field in item["fields"]} for item in data["classes"]}
    assert set(classes) == {"_User", "Company", "Contact", "Deal", "Activity"}
    assert "won" in classes["Deal"]["stage"]["values"]
    assert classes["Activity"]["relatedTo"]["targets"] == ["Contact", "Deal"]
    assert data["clientKey"] == {"header": "X-Parse-JavaScript-Key", "live": "javascriptKey", "value": "J"}


def test_it_is_for_whoever_sits_at_the_server(engine: parsekit.ParseEngine) -> None:
    answer = page(engine, host="192.0.2.7")
    assert (answer.status, answer.body) == (403, {"error": "unauthorized"})


def test_it_neither_has_the_master_key_nor_loads_anything(engine: parsekit.ParseEngine) -> None:
    answer = page(engine)
    assert OPTIONS.master_key not in str(answer.body)
    assert re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', str(answer.body)) == []
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_what_a_schema_says_cannot_leave_its_place(engine: parsekit.ParseEngine) -> None:
    text = "</script><script>alert(1)</script>"
    engine.apply_schema(Schema([ClassSchema.new("Trap", {"f": Field("String", description=text)})]))
    answer = page(engine)
    assert text not in str(answer.body)
    trap = next(item for item in data_of(answer)["classes"] if item["name"] == "Trap")
    assert any(field["description"] == text for field in trap["fields"])
