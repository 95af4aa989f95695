"""``/push`` with an adapter that only notes, and ``/push_audiences``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

import parsekit
from parsekit.codec import JSON
from parsekit.engine.push import PushResult
from parsekit.errors import ParseError
from tests.server.caller import MASTER, READER, Caller


class Noting:
    """A ``PushAdapter`` that fails for tokens that begin with ``bad``."""

    def __init__(self) -> None:
        self.pages: list[tuple[Mapping[str, JSON], list[Any]]] = []
        self.broken = False

    def send(self, body: Mapping[str, JSON], installations: Sequence[Mapping[str, JSON]]) -> list[PushResult]:
        if self.broken:
            raise ParseError("the line is dead", code=115)
        self.pages.append((body, [item["deviceToken"] for item in installations]))
        return [
            PushResult(
                str(item["deviceType"]),
                str(item["deviceToken"]),
                not str(item["deviceToken"]).startswith("bad"),
            )
            for item in installations
        ]


@pytest.fixture
def noting() -> Noting:
    return Noting()


@pytest.fixture
def call(noting: Noting) -> Iterator[Caller]:
    clock = datetime(2026, 1, 1, tzinfo=UTC)
    with parsekit.open(push=noting, clock=lambda: clock) as engine:
        caller = Caller(engine)
        for number, token in enumerate(["t0", "t1", "bad2"]):
            fields = {
                "deviceToken": token,
                "deviceType": "ios",
                "channels": [f"c{number % 2}"],
                "badge": number,
            }
            caller("POST", "/installations", fields)
        caller("POST", "/installations", {"installationId": "x", "deviceType": "ios", "channels": ["c0"]})
        yield caller


def _push(call: Caller, **body: Any) -> dict[str, Any]:
    answer = call("POST", "/push", body, headers=MASTER)
    assert (answer.status, answer.body) == (200, {"result": True})
    identity = answer.headers["X-Parse-Push-Status-Id"]
    status: dict[str, Any] = call("GET", f"/classes/_PushStatus/{identity}", headers=MASTER).body
    return status


class TestPush:
    def test_to_channels(self, call: Caller, noting: Noting) -> None:
        status = _push(call, channels=["c0"], data={"alert": "hi"})
        assert noting.pages[0][1] == ["t0", "bad2"]
        assert (status["status"], status["numSent"], status["numFailed"]) == ("succeeded", 1, 1)
        assert (status["sentPerType"], status["failedPerType"]) == ({"ios": 1}, {"ios": 1})
        assert json.loads(status["payload"]) == {"alert": "hi"}
        assert json.loads(status["query"]) == {"channels": {"$in": ["c0"]}}
        assert status["pushHash"] == "49f68a5c8493ec2c0bf489821c21fc3b"

    def test_to_a_query_with_badges(self, call: Caller, noting: Noting) -> None:
        _push(call, where={"deviceToken": "t1"}, data={"badge": "Increment"})
        _push(call, where={"deviceToken": "t0"}, data={"badge": 7})
        _push(call, where={"deviceToken": "bad2"}, data={"badge": {"__op": "Increment", "amount": 5}})
        rows = call("GET", "/installations", headers=MASTER).body["results"]
        assert {row.get("deviceToken"): row.get("badge") for row in rows} == {
            "t0": 7,
            "t1": 2,
            "bad2": 7,
            None: None,
        }
        assert len(noting.pages) == 3

    def test_badges_are_no_hooks_affair(self, call: Caller) -> None:
        @call.engine.cloud.before_save("_Installation")
        @call.engine.cloud.after_save("_Installation")
        def told(_request: object) -> None:
            raise AssertionError("a push has changed an installation")

        assert _push(call, where={"deviceToken": "t1"}, data={"badge": "Increment"})["status"] == "succeeded"

    def test_times(self, call: Caller, noting: Noting) -> None:
        _push(call, where={}, expiration_time="2026-02-01T00:00:00Z", push_time="2026-01-02T00:00:00Z")
        body, _ = noting.pages[0]
        assert body["expiration_time"] == 1_769_904_000_000
        assert body["push_time"] == "2026-01-02T00:00:00.000Z"
        _push(call, where={}, expiration_interval=60)
        assert noting.pages[1][0]["expiration_time"] == 1_767_225_660_000

    def test_an_adapter_that_fails(self, call: Caller, noting: Noting) -> None:
        noting.broken = True
        status = _push(call, where={})
        assert (status["status"], status["errorMessage"]) == ("failed", {"message": "the line is dead"})
        noting.broken = False
        assert _push(call, where={}, data={"badge": "many"})["status"] == "failed"

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"where": {}, "channels": []},
            {"where": {}, "expiration_time": "soon"},
            {"where": {}, "expiration_time": True},
            {"where": {}, "expiration_interval": 0},
            {"where": {}, "expiration_interval": 5, "expiration_time": 5},
            {"where": {}, "push_time": []},
        ],
    )
    def test_what_is_no_push(self, call: Caller, body: dict[str, Any]) -> None:
        assert call("POST", "/push", body, headers=MASTER).body["code"] == 115

    def test_who_may(self, call: Caller) -> None:
        assert call("POST", "/push", {"where": {}}).status == 403
        assert call("POST", "/push", {"where": {}}, headers=READER).body["code"] == 119

    def test_nobody_sends(self) -> None:
        with parsekit.open() as engine:
            answer = Caller(engine).error("POST", "/push", {"where": {}}, headers=MASTER)
            assert answer == (115, "Missing push configuration")


class TestAudiences:
    def test_round_trip(self, call: Caller) -> None:
        body = {"name": "a", "query": '{"deviceType": "ios"}'}
        made = call("POST", "/push_audiences", body, headers=MASTER)
        path = f"/push_audiences/{made.body['objectId']}"
        assert call("GET", path, headers=MASTER).body["query"] == {"deviceType": "ios"}
        call("PUT", path, {"name": "b"}, headers=MASTER)
        found = call("GET", "/push_audiences", headers=MASTER, where={"name": "b"}, count=1).body
        assert (found["count"], found["results"][0]["query"]) == (1, {"deviceType": "ios"})
        _push(call, where={}, audience_id=made.body["objectId"])
        assert call("GET", path, headers=MASTER).body["timesUsed"] == 1
        assert call("DELETE", path, headers=MASTER).status == 200
        wrong = {"name": "c", "query": "{}", "other": 1}
        assert call("POST", "/push_audiences", wrong, headers=MASTER).body["code"] == 107
        for method in ("GET", "PUT", "DELETE"):
            assert call(method, path, {} if method == "PUT" else None).status == 403
