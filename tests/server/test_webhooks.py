"""``/hooks``, and what a webhook on another machine is sent and may answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import parsekit
from parsekit import PFObject, PFQuery
from parsekit.cloud.webhooks import Webhook, WebhookError
from parsekit.errors import ScriptError
from tests.server.caller import CLIENT, MASTER, READER, Caller

Answer = Callable[[dict[str, Any]], Any]


class Elsewhere:
    """A machine that answers webhooks: ``answers`` by path, what came in ``seen``."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.seen: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        outer = self

        class Answering(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.seen.append(body)
                outer.keys.append(self.headers["X-Parse-Webhook-Key"])
                answer = outer.answers[self.path](body)
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(500 if data == b"fail" else 200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    machine = Elsewhere()
    yield machine
    machine.close()


@pytest.fixture
def call() -> Iterator[Caller]:
    with parsekit.open() as engine:
        yield Caller(engine)


class TestDeclarations:
    def test_functions(self, call: Caller) -> None:
        one = {"functionName": "f", "url": "http://a"}
        assert call("POST", "/hooks/functions", one, headers=MASTER).body == one
        assert call("GET", "/hooks/functions", headers=MASTER).body == [one]
        assert call("GET", "/hooks/functions/f", headers=MASTER).body == one
        again = call.error("POST", "/hooks/functions", one, headers=MASTER)
        assert again == (143, "function name: f already exists")
        two = {"functionName": "f", "url": "http://b"}
        assert call("PUT", "/hooks/functions/f", {"url": "http://b"}, headers=MASTER).body == two
        assert call("PUT", "/hooks/functions/f", {"__op": "Delete"}, headers=MASTER).body == {}
        gone = (143, "no function named: f is defined")
        assert call.error("GET", "/hooks/functions/f", headers=MASTER) == gone
        assert call.error("PUT", "/hooks/functions/f", {"url": "http://b"}, headers=MASTER) == gone
        assert call.error("POST", "/functions/f", {}) == (141, 'Invalid function: "f"')

    def test_triggers(self, call: Caller) -> None:
        one = {"className": "C", "triggerName": "beforeSave", "url": "http://a"}
        assert call("POST", "/hooks/triggers", one, headers=MASTER).body == one
        assert call("GET", "/hooks/triggers", headers=MASTER).body == [one]
        assert call("GET", "/hooks/functions", headers=MASTER).body == []
        again = call.error("POST", "/hooks/triggers", one, headers=MASTER)
        assert again == (143, "class C already has trigger beforeSave")
        path = "/hooks/triggers/C/beforeSave"
        assert call("PUT", path, {"url": "http://b"}, headers=MASTER).body["url"] == "http://b"
        assert call("GET", path, headers=MASTER).body["url"] == "http://b"
        call("PUT", path, {"__op": "Delete"}, headers=MASTER)
        assert call.error("GET", path, headers=MASTER) == (143, "class C does not exist")
        assert call("POST", "/classes/C", {"a": 1}).status == 201

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"functionName": "f"},
            {"functionName": "f", "url": 1},
            {"className": "C", "url": "http://a"},
            {"className": "C", "triggerName": "beforeLunch", "url": "http://a"},
        ],
    )
    def test_what_is_no_declaration(self, call: Caller, body: dict[str, Any]) -> None:
        answer = call.error("POST", "/hooks/functions", body, headers=MASTER)
        assert answer == (143, "invalid hook declaration")

    def test_only_for_masters(self, call: Caller) -> None:
        body = {"functionName": "f", "url": "http://a"}
        assert call("POST", "/hooks/functions", body).status == 403
        assert call("GET", "/hooks/triggers").status == 403
        assert call("POST", "/hooks/functions", body, headers=READER).body["code"] == 119
        assert call("GET", "/hooks/functions", headers=READER).body == []
        assert call("GET", "/classes/_Hooks").body["code"] == 119

    def test_they_outlive_the_server(self, tmp_path: Path, elsewhere: Elsewhere) -> None:
        elsewhere.answers["/f"] = lambda body: {"success": body["params"]["n"] + 1}
        with parsekit.open(tmp_path / "a.db") as engine:
            body = {"functionName": "f", "url": f"{elsewhere.url}/f"}
            Caller(engine)("POST", "/hooks/functions", body, headers=MASTER)
        with parsekit.open(tmp_path / "a.db") as engine:
            assert Caller(engine)("POST", "/functions/f", {"n": 1}).body == {"result": 2}
            assert elsewhere.keys == ["hook"]


class TestCalls:
    def _trigger(
        self, call: Caller, elsewhere: Elsewhere, name: str, answer: Answer, kind: str = "C"
    ) -> None:
        elsewhere.answers[f"/{name}"] = answer
        body = {"className": kind, "triggerName": name, "url": f"{elsewhere.url}/{name}"}
        assert call("POST", "/hooks/triggers", body, headers=MASTER).status == 200

    def _function(self, call: Caller, elsewhere: Elsewhere, answer: Answer) -> None:
        elsewhere.answers["/f"] = answer
        body = {"functionName": "f", "url": f"{elsewhere.url}/f"}
        assert call("POST", "/hooks/functions", body, headers=MASTER).status == 200

    def test_before_save_replaces_the_object(self, call: Caller, elsewhere: Elsewhere) -> None:
        self._trigger(call, elsewhere, "beforeSave", lambda body: {"success": {**body["object"], "b": 2}})
        made = call("POST", "/classes/C", {"a": 1}).body
        assert made["b"] == 2
        call("PUT", f"/classes/C/{made['objectId']}", {"a": {"__op": "Increment", "amount": 4}})
        got = call("GET", f"/classes/C/{made['objectId']}").body
        assert (got["a"], got["b"]) == (5, 2)
        first, second = elsewhere.seen
        assert first["object"] == {"className": "C", "a": 1}
        assert (first["triggerName"], first["master"], "original" in first) == ("beforeSave", False, False)
        assert (second["original"]["a"], second["object"]["a"]) == (1, 5)

    def test_it_is_told_of_the_request(self, call: Caller, elsewhere: Elsewhere) -> None:
        self._trigger(call, elsewhere, "beforeSave", lambda _: {})
        self._function(call, elsewhere, lambda _: {})
        for number in ("1", "2"):
            sent = {**CLIENT, "x-parse-installation-id": number, "x-mine": number}
            call("POST", "/classes/C", {"a": 1}, headers=sent)
            call("POST", "/functions/f", {}, headers=sent)
        assert [body["headers"]["x-mine"] for body in elsewhere.seen] == ["1", "1", "2", "2"]
        assert [body["installationId"] for body in elsewhere.seen] == ["1", "1", "2", "2"]
        assert {body["ip"] for body in elsewhere.seen} == {"127.0.0.1"}

    def test_no_master_key_goes_there(self, call: Caller, elsewhere: Elsewhere) -> None:
        self._function(call, elsewhere, lambda _: {})
        call("POST", "/functions/f", {}, headers=MASTER)
        assert "x-parse-application-id" in elsewhere.seen[0]["headers"]
        assert "x-parse-master-key" not in elsewhere.seen[0]["headers"]

    def test_what_it_makes_of_an_object_may_hold_no_forbidden_keyword(
        self, call: Caller, elsewhere: Elsewhere
    ) -> None:
        polluted = {"constructor": {"prototype": {"a": 1}}}
        self._trigger(
            call, elsewhere, "beforeSave", lambda body: {"success": {**body["object"], "o": polluted}}
        )
        refusal = (105, 'Prohibited keyword in request data: {"key":"constructor"}.')
        assert call.error("POST", "/classes/C", {"a": 1}) == refusal
        assert call("GET", "/classes/C").body["results"] == []

    def test_a_webhook_may_save_through_the_same_server(self, call: Caller, elsewhere: Elsewhere) -> None:
        def saving(body: dict[str, Any]) -> Any:
            answer = call("POST", "/classes/Log", {"of": body["object"]["a"]})
            return {"success": {**body["object"], "log": answer.body["objectId"]}}

        self._trigger(call, elsewhere, "beforeSave", saving)
        made = call("POST", "/classes/C", {"a": 1}).body
        assert call("GET", f"/classes/Log/{made['log']}").body["of"] == 1
        requests = [{"method": "POST", "path": "/parse/classes/C", "body": {"a": n}} for n in (2, 3)]
        answer = call("POST", "/batch", {"requests": requests, "transaction": True})
        assert [len(entry["success"]["log"]) for entry in answer.body] == [10, 10]
        assert len(elsewhere.seen) == 3

    def test_refusals(self, call: Caller, elsewhere: Elsewhere) -> None:
        made = call("POST", "/classes/C", {"a": 1}).body["objectId"]
        self._trigger(call, elsewhere, "beforeSave", lambda _: {"error": "no"})
        self._trigger(call, elsewhere, "beforeDelete", lambda _: {"error": {"code": 7, "error": "never"}})
        assert call.error("POST", "/classes/C", {"a": 2}) == (141, "no")
        refused = call("DELETE", f"/classes/C/{made}").body
        assert refused == {"code": 141, "error": {"code": 7, "error": "never"}}
        assert [row["a"] for row in call("GET", "/classes/C").body["results"]] == [1]

    def test_after_save_and_after_delete(self, call: Caller, elsewhere: Elsewhere) -> None:
        self._trigger(call, elsewhere, "afterSave", lambda _: {"success": {}})
        self._trigger(call, elsewhere, "afterDelete", lambda _: {"error": "too late"})
        made = call("POST", "/classes/C", {"a": 1}).body["objectId"]
        assert call("DELETE", f"/classes/C/{made}").status == 200
        assert [body["triggerName"] for body in elsewhere.seen] == ["afterSave", "afterDelete"]
        assert elsewhere.seen[0]["object"]["objectId"] == made

    def test_an_after_save_answers_for_the_server(self, call: Caller, elsewhere: Elsewhere) -> None:
        self._trigger(call, elsewhere, "afterSave", lambda body: {"success": {**body["object"], "b": 2}})
        made = call("POST", "/classes/C", {"a": 1}).body
        assert (made["a"], made["b"]) == (1, 2)
        assert "className" not in made
        assert "b" not in call("GET", f"/classes/C/{made['objectId']}").body  # it is told, not stored
        elsewhere.answers["/afterSave"] = lambda body: {
            "success": {**body["object"], "b": 2, "__type": "Object"}
        }
        assert call("POST", "/classes/C", {"a": 1}).body.keys() == {"objectId", "createdAt", "b"}

    def test_errors_keep_their_codes(self, call: Caller, elsewhere: Elsewhere) -> None:
        self._trigger(call, elsewhere, "beforeSave", lambda _: {"error": {"code": 999, "message": "no"}})
        assert call.error("POST", "/classes/C", {"a": 2}) == (999, "no")
        self._function(call, elsewhere, lambda _: {"error": {"code": 142}})
        assert call.error("POST", "/functions/f", {}) == (142, "")
        elsewhere.answers["/f"] = lambda _: {"error": {"code": "142", "message": "no"}}
        assert call.error("POST", "/functions/f", {}) == (141, "no")

    def test_a_find_may_be_changed(self, call: Caller, elsewhere: Elsewhere) -> None:
        for number in range(4):
            call("POST", "/classes/C", {"a": number})
        self._trigger(
            call, elsewhere, "beforeFind", lambda _: {"success": {"where": {"a": {"$gt": 1}}, "order": "-a"}}
        )
        assert [row["a"] for row in call("GET", "/classes/C", limit=1).body["results"]] == [3]
        elsewhere.answers["/beforeFind"] = lambda _: {"success": True}
        assert len(call("GET", "/classes/C").body["results"]) == 4

    def test_where_a_call_comes_from(self, call: Caller, elsewhere: Elsewhere) -> None:
        for name in ("beforeSave", "afterSave", "beforeFind", "afterFind", "beforeDelete", "afterDelete"):
            self._trigger(call, elsewhere, name, lambda body: {"success": body.get("objects")})
        self._function(call, elsewhere, lambda body: {"success": body["ip"]})
        headers = {**CLIENT, "user-agent": "test", "x-parse-cloud-context": '{"a": 1}'}
        made = call("POST", "/classes/C", {"a": 1}, headers=headers).body["objectId"]
        call("GET", "/classes/C", headers=headers)
        call("DELETE", f"/classes/C/{made}", headers=headers)
        assert call("POST", "/functions/f", {}, headers=headers).body == {"result": "127.0.0.1"}
        assert len(elsewhere.seen) == 7
        assert {(body["headers"]["user-agent"], body["ip"]) for body in elsewhere.seen} == {
            ("test", "127.0.0.1")
        }
        assert all(body["context"] == {"a": 1} for body in elsewhere.seen)
        with call.engine.acting_as_master():
            PFQuery("C").find()
        assert elsewhere.seen[-1]["headers"] == {}
        assert "ip" not in elsewhere.seen[-1]

    def test_the_configuration(self, call: Caller, elsewhere: Elsewhere) -> None:
        self._trigger(call, elsewhere, "beforeSave", lambda _: {}, "@Config")
        for number in (1, 2):
            call("PUT", "/config", {"params": {"n": number}}, headers=MASTER)
        assert elsewhere.seen[1]["object"]["params"] == {"n": 2}
        assert elsewhere.seen[1]["original"]["params"] == {"n": 1}

    def test_an_id_of_the_callers_choice(self, elsewhere: Elsewhere) -> None:
        with parsekit.open(allow_custom_object_id=True) as engine:
            call = Caller(engine)
            self._trigger(call, elsewhere, "beforeSave", lambda _: {})
            call("POST", "/classes/C", {"objectId": "mine", "a": 1})
            assert elsewhere.seen[0]["object"] == {"className": "C", "objectId": "mine", "a": 1}

    def test_finds(self, call: Caller, elsewhere: Elsewhere) -> None:
        call("POST", "/classes/C", {"a": 1})
        self._trigger(
            call,
            elsewhere,
            "afterFind",
            lambda body: {"success": [{**item, "a": 9} for item in body["objects"]]},
        )
        assert [row["a"] for row in call("GET", "/classes/C").body["results"]] == [9]
        elsewhere.answers["/afterFind"] = lambda _: {}
        call("POST", "/classes/C", {"a": 2})
        self._trigger(call, elsewhere, "beforeFind", lambda _: {"success": {"where": {"a": 2}, "keys": "a"}})
        assert [row["a"] for row in call("GET", "/classes/C", where={"a": 1}).body["results"]] == [2]
        elsewhere.answers["/beforeFind"] = lambda _: {"success": {"a": 2}}
        assert [row["a"] for row in call("GET", "/classes/C", where={"a": 1}).body["results"]] == [1]
        elsewhere.answers["/beforeFind"] = lambda _: {"error": "not today"}
        assert call.error("GET", "/classes/C", where={"a": 1}) == (141, "not today")
        assert elsewhere.seen[-1]["query"]["where"] == {"a": 1}

    def test_users(self, call: Caller, elsewhere: Elsewhere) -> None:
        self._trigger(call, elsewhere, "beforeSave", lambda body: {"success": body["object"]}, "_User")
        headers = call.sign_up("ada")
        answer = call("POST", "/login", {"username": "ada", "password": "p"})
        assert answer.status == 200
        self._trigger(call, elsewhere, "beforeLogin", lambda _: {"error": "closed"}, "_User")
        assert call.error("POST", "/login", {"username": "ada", "password": "p"}) == (141, "closed")
        self._function(call, elsewhere, lambda body: {"success": body["user"]["username"]})
        assert call("POST", "/functions/f", {}, headers=headers).body == {"result": "ada"}

    def test_function_results(self, call: Caller, elsewhere: Elsewhere) -> None:
        self._function(call, elsewhere, lambda body: {"success": [body["params"], body["functionName"]]})
        when = {"__type": "Date", "iso": "2020-01-01T00:00:00.000Z"}
        assert call("POST", "/functions/f", {"at": when}).body == {"result": [{"at": when}, "f"]}
        elsewhere.answers["/f"] = lambda _: b"<html>"
        code, text = call.error("POST", "/functions/f", {})
        assert (code, text) == (141, {"error": "Malformed response", "code": -1, "partialResponse": "<html>"})
        elsewhere.answers["/f"] = lambda _: b"fail"
        assert call.error("POST", "/functions/f", {}) == (141, "Script failed. Unknown error.")

    def test_saves_in_process_call_them_too(self, call: Caller, elsewhere: Elsewhere) -> None:
        self._trigger(call, elsewhere, "beforeSave", lambda body: {"success": {**body["object"], "b": 2}})
        two = [PFObject("C", a=1), PFObject("C", a=2)]
        PFObject.save_all(two)
        assert [obj["b"] for obj in two] == [2, 2]
        assert len(elsewhere.seen) == 2
        with call.engine.transaction():
            PFObject("C", a=3).save()
        assert len(elsewhere.seen) == 3

    @pytest.mark.parametrize("url", ["file:///etc/passwd", "nothing", "http://127.0.0.1:1/"])
    def test_addresses_that_nobody_answers(self, url: str) -> None:
        with pytest.raises(ScriptError):
            Webhook(url, timeout_s=5).send({})

    def test_an_error_with_a_message(self) -> None:
        assert WebhookError({"message": "m", "code": 3}).payload == "m"

    def test_no_key_no_header(self, elsewhere: Elsewhere) -> None:
        elsewhere.answers["/f"] = lambda _: {"success": 1}
        with parsekit.open() as engine:
            call = Caller(engine, webhook_key=None)
            self._function(call, elsewhere, lambda _: {"success": 1})
            assert call("POST", "/functions/f", {}, headers=CLIENT).body == {"result": 1}
            assert elsewhere.keys == [None]
