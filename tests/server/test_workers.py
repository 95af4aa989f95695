"""Threads of the server: those that wait for webhooks do not keep the others from working."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import parsekit
from parsekit.server import create_app
from tests.server.serving import Client, running
from tests.server.test_webhooks import Elsewhere

KEYS = {"X-Parse-Application-Id": "app", "X-Parse-Master-Key": "m"}
MANY = 24


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    machine = Elsewhere()
    yield machine
    machine.close()


def test_webhooks_that_all_call_back_are_answered(elsewhere: Elsewhere) -> None:
    all_there = threading.Barrier(MANY, timeout=20)
    with parsekit.open() as engine:
        app = create_app(engine, app_id="app", master_key="m")
        with running(app) as port:

            def count(_body: dict[str, Any]) -> dict[str, Any]:
                all_there.wait()  # as many calls as this are under way at once
                client = Client(port, KEYS)
                found = client("GET", "/classes/Deal", count=1, limit=0).body["count"]
                client.close()
                return {"success": found}

            elsewhere.answers["/count"] = count
            client = Client(port, KEYS)
            client("POST", "/classes/Deal", {"amount": 1})
            client("POST", "/hooks/functions", {"functionName": "count", "url": f"{elsewhere.url}/count"})
            client.close()

            def call(_number: int) -> Any:
                mine = Client(port, KEYS)
                answer = mine("POST", "/functions/count", {}).body
                mine.close()
                return answer

            with ThreadPoolExecutor(MANY) as pool:
                answers = list(pool.map(call, range(MANY)))
            assert answers == [{"result": 1}] * MANY
            again = Client(port, KEYS)
            for _ in range(2 * MANY):  # those that stepped in leave, one after a request
                again("GET", "/classes/Deal")
            again.close()
            names = [thread.name for thread in threading.enumerate()]
            assert sum(name.startswith("parsekit-request") for name in names) <= MANY
        app.close()
