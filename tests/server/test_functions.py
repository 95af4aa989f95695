"""Functions, jobs and their schedules; the log; events; requests that come twice; words that are refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import parsekit
from parsekit import PFQuery
from parsekit.acl.principal import Principal
from parsekit.cloud import FindRequest, FunctionRequest, JobRequest, SaveRequest
from parsekit.server.options import IdempotencyOptions, SecurityOptions
from tests.server.caller import CLIENT, MASTER, READER, Caller


@pytest.fixture
def call() -> Iterator[Caller]:
    with parsekit.open() as engine:
        yield Caller(engine)


class TestJobs:
    def _run(self, call: Caller, path: str = "/jobs/j", body: Any = None) -> dict[str, Any]:
        """Start a job and give its status once it has ended."""
        ended = threading.Event()
        call.engine.on_changes(
            lambda changes: ended.set() if any((c.after or {}).get("finishedAt") for c in changes) else None
        )
        answer = call("POST", path, body or {}, headers=MASTER)
        assert answer.status == 200, answer.body
        assert ended.wait(10)
        identity = answer.headers["X-Parse-Job-Status-Id"]
        found: dict[str, Any] = call("GET", f"/classes/_JobStatus/{identity}", headers=MASTER).body
        return found

    def test_how_it_ended(self, call: Caller) -> None:
        @call.engine.cloud.job("j")
        def work(request: JobRequest) -> str:
            request.message("half")
            return f"done {request.params['n']}"

        @call.engine.cloud.job("bad")
        def fail(request: JobRequest) -> None:
            request.log.info("it will fail")
            raise ValueError("broken")

        done = self._run(call, body={"n": 3})
        assert (done["status"], done["message"], done["jobName"]) == ("succeeded", "done 3", "j")
        failed = self._run(call, "/jobs", {"jobName": "bad"})
        assert (failed["status"], failed["message"]) == ("failed", "broken")
        (entry,) = call("GET", "/scriptlog", headers=MASTER).body
        assert (entry["level"], entry["message"]) == ("info", "it will fail")

    def test_who_may(self, call: Caller) -> None:
        call.engine.cloud.job("j")(lambda _request: None)
        assert call("POST", "/jobs/j").status == 403
        assert call("POST", "/jobs/j", headers=READER).body["code"] == 119
        assert call.error("POST", "/jobs/none", {}, headers=MASTER) == (141, "Invalid job.")
        assert call.error("POST", "/jobs", {}, headers=MASTER) == (141, "Invalid job.")

    def test_schedules(self, call: Caller) -> None:
        call.engine.cloud.job("j")(lambda _request: None)
        body = {"job_schedule": {"jobName": "j", "params": "{}"}}
        made = call("POST", "/cloud_code/jobs", body, headers=MASTER)
        assert made.status == 201
        path = f"/cloud_code/jobs/{made.body['objectId']}"
        assert call("PUT", path, {"job_schedule": {"description": "d"}}, headers=MASTER).status == 200
        (found,) = call("GET", "/cloud_code/jobs", headers=MASTER).body
        assert (found["jobName"], found["description"], "startAfter" in found) == ("j", "d", True)
        data = call("GET", "/cloud_code/jobs/data", headers=MASTER).body
        assert data == {"in_use": ["j"], "jobs": ["j"]}
        wrong = call("POST", "/cloud_code/jobs", {"job_schedule": {"jobName": "none"}}, headers=MASTER)
        assert wrong.body == {"code": 1, "error": "Cannot Schedule a job that is not deployed"}
        assert call("POST", "/cloud_code/jobs", {}, headers=MASTER).body["code"] == 107
        assert call("DELETE", path, headers=MASTER).status == 200
        assert call("GET", "/cloud_code/jobs", headers=MASTER).body == []
        for method, where in (
            ("GET", "/cloud_code/jobs"),
            ("GET", "/cloud_code/jobs/data"),
            ("DELETE", path),
        ):
            assert call(method, where).status == 403


class TestLog:
    def test_what_is_asked_for(self, call: Caller) -> None:
        for number in range(3):
            call.engine.hooks.log.info(f"i{number}")
        call.engine.hooks.log.error("e")

        def messages(**asked: Any) -> list[str]:
            return [row["message"] for row in call("GET", "/scriptlog", headers=MASTER, **asked).body]

        assert messages() == ["e", "i2", "i1", "i0"]
        assert messages(level="info", size="2") == ["i2", "i1"]
        assert messages(order="asc", n="1", size="3") == ["i0"]
        later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        assert messages(**{"from": later}) == []
        assert len(messages(until=later)) == 4
        assert call("GET", "/scriptlog", headers=MASTER, until="never").body["code"] == 107
        assert call("GET", "/scriptlog", headers=MASTER, size="x").body["code"] == 107
        assert call("GET", "/scriptlog").status == 403

    def test_after_hooks_that_fail_are_in_it(self, call: Caller) -> None:
        @call.engine.cloud.after_save("A")
        def fail(_request: SaveRequest) -> None:
            raise ValueError("broken")

        assert call("POST", "/classes/A", {}).status == 201
        assert "broken" in call("GET", "/scriptlog", headers=MASTER).body[0]["message"]
        call.engine.hooks.log.clear()
        assert call("GET", "/scriptlog", headers=MASTER).body == []


class TestEvents:
    def test_nobody_listens(self, call: Caller) -> None:
        assert call("POST", "/events/AppOpened", {}).body == {}
        assert call("POST", "/events/bought", {"dimensions": {"a": "1"}}).body == {}

    def test_an_adapter(self) -> None:
        seen: list[tuple[str, Any]] = []

        def track(name: str, body: Any, _principal: Principal) -> dict[str, Any]:
            seen.append((name, body))
            return {"noted": True}

        with parsekit.open(analytics=track) as engine:
            assert Caller(engine)("POST", "/events/bought", {"n": 1}).body == {"noted": True}
        assert seen == [("bought", {"n": 1})]


class TestOnce:
    @pytest.fixture
    def once(self) -> Iterator[Caller]:
        clock = [datetime(2026, 1, 1, tzinfo=UTC)]
        with parsekit.open(clock=lambda: clock[0]) as engine:
            caller = Caller(
                engine,
                idempotency_options=IdempotencyOptions(paths=("classes/A", "functions/.*", "users"), ttl=30),
            )
            caller.clock = clock  # type: ignore[attr-defined]
            yield caller

    def test_a_request_that_comes_twice(self, once: Caller) -> None:
        headers = {**CLIENT, "x-parse-request-id": "r1"}
        made = once("POST", "/classes/A", {"n": 1}, headers=headers)
        assert made.status == 201
        duplicate = (159, "Duplicate request")
        assert once.error("POST", "/classes/A", {"n": 1}, headers=headers) == duplicate
        assert (
            once.error("PUT", f"/classes/A/{made.body['objectId']}", {"n": 2}, headers=headers) == duplicate
        )
        assert once("GET", "/classes/A", headers=headers).status == 200
        assert once("POST", "/classes/B", {"n": 1}, headers=headers).status == 201
        assert once("POST", "/classes/A", {}, headers={**headers, "x-parse-request-id": "r2"}).status == 201
        assert once("POST", "/classes/A", {}).status == 201

    def test_functions_and_time(self, once: Caller) -> None:
        calls: list[int] = []
        once.engine.cloud.define("f")(lambda request: calls.append(request.params["n"]))
        headers = {**CLIENT, "x-parse-request-id": "r1"}
        once("POST", "/functions/f", {"n": 1}, headers=headers)
        once("POST", "/functions/f", {"n": 2}, headers=headers)
        once.clock[0] += timedelta(seconds=31)  # type: ignore[attr-defined]
        once("POST", "/functions/f", {"n": 3}, headers=headers)
        assert calls == [1, 3]
        assert once("GET", "/classes/_Idempotency", headers=MASTER, count=1, limit=0).body["count"] == 1


class TestWords:
    @pytest.mark.parametrize(
        "body",
        [
            {"a": {"_bsontype": "Code"}},
            {"a": [{"b": {"constructor": 1}}]},
            {"__proto__": {}},
        ],
    )
    def test_what_no_request_may_bring(self, call: Caller, body: Any) -> None:
        code, text = call.error("POST", "/classes/A", body)
        assert code == 105
        assert text.startswith("Prohibited keyword in request data: {")

    def test_a_list_of_ones_own(self, call: Caller) -> None:
        listed = ({"key": "^a$", "value": "x[yz]"}, {"value": "^never$"})
        mine = Caller(call.engine, request_keyword_denylist=listed)
        refused = mine.error("POST", "/classes/A", {"b": {"a": "xz"}})
        assert refused == (105, 'Prohibited keyword in request data: {"key":"^a$","value":"x[yz]"}.')
        assert mine.error("POST", "/classes/A", {"b": ["never"]})[0] == 105
        assert mine("POST", "/classes/A", {"a": "xa", "b": {"c": "xz"}, "constructor": 1}).status == 201
        made = mine("POST", "/classes/A", {}).body["objectId"]
        assert mine.error("PUT", f"/classes/A/{made}", {"a": "xy"})[0] == 105


class TestSecurity:
    def test_a_report(self, call: Caller) -> None:
        assert call("GET", "/security").status == 403
        off = call("GET", "/security", headers=MASTER)
        assert (off.status, set(off.body)) == (409, {"error"})
        call("POST", "/classes/A", {"a": 1})
        on = Caller(call.engine, security=SecurityOptions(enable_check=True))
        report = on("GET", "/security", headers=MASTER).body["report"]
        assert (report["version"], report["state"]) == ("1.0.0", "fail")
        server, database = report["groups"]
        states = {check["title"]: check["state"] for check in server["checks"]}
        assert states["Secure master key"] == "fail"
        assert any(check["title"].startswith("A:") for check in database["checks"])
        info = on("GET", "/serverInfo", headers=MASTER).body["features"]
        assert info["settings"] == {"securityCheck": True}

    def test_a_good_key_passes(self, call: Caller) -> None:
        good = Caller(call.engine, security=SecurityOptions(enable_check=True), master_key="aB3-aB3-aB3-aB3")
        headers = {**MASTER, "x-parse-master-key": "aB3-aB3-aB3-aB3"}
        server = good("GET", "/security", headers=headers).body["report"]["groups"][0]
        (check,) = [check for check in server["checks"] if check["title"] == "Secure master key"]
        assert check == {"title": "Secure master key", "state": "success"}


def test_functions_know_their_caller(call: Caller) -> None:
    @call.engine.cloud.define("who")
    def who(request: FunctionRequest) -> list[Any]:
        return [request.master, request.installation_id, request.user]

    headers = {**CLIENT, "x-parse-installation-id": "i"}
    assert call("POST", "/functions/who", {}, headers=headers).body == {"result": [False, "i", None]}


class TestAnswers:
    """What hooks have done to an object is in the answer to its save."""

    def test_of_what_a_hook_removed(self, call: Caller) -> None:
        @call.engine.cloud.before_save("C")
        def remove(request: SaveRequest) -> None:
            del request.object["a"]

        made = call("POST", "/classes/C", {"a": 1, "b": 2}).body
        assert made["a"] == {"__op": "Delete"}
        assert "a" not in call("GET", f"/classes/C/{made['objectId']}").body

    def test_of_what_a_hook_set_after_the_save(self, call: Caller) -> None:
        @call.engine.cloud.after_save("C")
        def change(request: SaveRequest) -> None:
            request.object["late"] = 5
            del request.object["a"]

        made = call("POST", "/classes/C", {"a": 1}).body
        assert (made["late"], made["a"]) == (5, {"__op": "Delete"})
        assert call("GET", f"/classes/C/{made['objectId']}").body["a"] == 1  # it is told, not stored

    def test_of_a_sign_up(self, call: Caller) -> None:
        @call.engine.cloud.before_save("_User")
        def change(request: SaveRequest) -> None:
            request.object["admin"] = False

        made = call("POST", "/users", {"username": "ada", "password": "p", "admin": True}).body
        assert made["admin"] is False
        assert "password" not in made

    def test_hooks_of_one_find_share_its_context(self, call: Caller) -> None:
        seen: list[Any] = []

        @call.engine.cloud.before_find("C")
        def before(request: FindRequest) -> None:
            request.context["b"] = 2

        @call.engine.cloud.after_find("C")
        def after(request: FindRequest) -> None:
            seen.append((dict(request.context), request.headers.get("user-agent"), request.ip))
            PFQuery("D").find()

        @call.engine.cloud.after_find("D")
        def inner(request: FindRequest) -> None:
            seen.append((dict(request.context), dict(request.headers), request.ip))

        call("POST", "/classes/D", {})
        headers = {**CLIENT, "user-agent": "test", "x-parse-cloud-context": '{"a": 1}'}
        call("GET", "/classes/C", headers=headers)
        assert seen[0] == ({"a": 1, "b": 2}, "test", "127.0.0.1")
        assert seen[1] == ({}, {}, None)  # what cloud code asks, it asks by itself
