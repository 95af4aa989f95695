"""Test mode: emptying, configuring, matching, and what it refuses."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

import parsekit
from parsekit import EngineError
from parsekit.cli import main
from parsekit.server.requests import Request
from parsekit.server.test_mode import TestMode, check_loopback
from tests.server.serving import Client, running

OPTIONS = {"appId": "app", "masterKey": "m", "restAPIKey": "r"}
CLIENT = {"X-Parse-Application-Id": "app", "X-Parse-REST-API-Key": "r"}
MASTER = {**CLIENT, "X-Parse-Master-Key": "m"}


@pytest.fixture(scope="module")
def mode() -> Iterator[TestMode]:
    mode = TestMode(":memory:", OPTIONS)
    yield mode
    mode.app.close()
    mode.close()


@pytest.fixture(scope="module")
def port(mode: TestMode) -> Iterator[int]:
    with running(mode.app) as port:
        yield port


@pytest.fixture
def call(port: int) -> Iterator[Client]:
    client = Client(port, CLIENT)
    assert client("POST", "/__reset", headers={}).status == 200
    yield client
    client.close()


def test_a_reset_empties_everything(call: Client) -> None:
    user = call("POST", "/users", {"username": "ada", "password": "x"}).body
    assert call("POST", "/classes/Deal", {"title": "a"}).status == 201
    mine = {**CLIENT, "X-Parse-Session-Token": user["sessionToken"]}
    assert call("GET", "/users/me", headers=mine).status == 200
    assert call("POST", "/__reset").status == 200
    assert call("GET", "/users/me", headers=mine).body["code"] == 209
    assert call("GET", "/classes/Deal").body == {"results": []}
    assert call("GET", "/schemas/Deal", headers=MASTER).status == 400
    assert call("GET", "/users", headers=MASTER).body == {"results": []}


def test_a_reset_is_quick(call: Client) -> None:
    durations_s = []
    for _ in range(15):
        assert call("POST", "/classes/Deal", {"title": "a"}).status == 201
        start = time.perf_counter()
        assert call("POST", "/__reset").status == 200
        durations_s.append(time.perf_counter() - start)
    # 20 ms is the aim, which the middle of some runs on a busy machine has to be near
    assert sorted(durations_s)[len(durations_s) // 3] < 0.1


def test_client_classes_ids_of_ones_own_and_uploads_are_allowed(call: Client) -> None:
    assert call("POST", "/classes/Deal", {"objectId": "mine"}).status == 201
    assert call("POST", "/files/a.txt", {"base64": "aGk="}).status == 201


def test_options_hold_until_the_next_reset(call: Client) -> None:
    options = {"allowClientClassCreation": False, "allowCustomObjectId": False}
    assert call("POST", "/__configure", {"options": options}).status == 200
    assert call("POST", "/classes/Deal", {"title": "a"}).body["code"] == 119
    assert call("POST", "/classes/Deal", {"objectId": "mine"}, headers=MASTER).body["code"] == 105
    assert call("POST", "/__configure", {"options": {"restAPIKey": "other"}}).status == 200
    assert call("GET", "/classes/Deal").status == 403
    assert call("POST", "/__reset").status == 200
    assert call("POST", "/classes/Deal", {"title": "a"}).status == 201


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"maxLimt": 1}, 'did you mean "maxLimit"'),
        ({"maxLimit": "many"}, "expected a whole number"),
        ({"mountPath": "/1"}, "cannot be changed"),
        ({"fileUpload": {"enableForPublic": 1}}, "fileUpload.enableForPublic must be a boolean value."),
        ({"emailAdapter": {"module": "x"}}, "webhook"),
        ({"fileUpload": {"fileExtension": ["txt"]}}, 'did you mean "fileExtensions"'),
        ({"rateLimit": [{"requestPath": "*"}]}, "rateLimit.requestTimeWindow must be defined"),
        ({"passwordPolicy": {"maxPasswordHistory": 21}}, "must be an integer ranging 0 - 20"),
        ([], "expected an object"),
    ],
)
def test_a_refused_option_changes_nothing(call: Client, options: Any, told: str) -> None:
    call("POST", "/classes/Deal", {"title": "a"})
    answer = call("POST", "/__configure", {"options": options})
    assert answer.status == 400
    assert told in answer.body["error"]
    assert len(call("GET", "/classes/Deal").body["results"]) == 1


def test_the_live_matcher_answers(call: Client) -> None:
    asked = {
        "className": "Deal",
        "object": {"amount": 5, "at": {"__type": "Date", "iso": "2020-01-01T00:00:00.000Z"}},
    }

    def verdict(where: Any) -> Any:
        return call("POST", "/__match", {**asked, "query": {"where": where}}).body

    assert verdict({"amount": {"$gt": 4}}) == {"match": True}
    assert verdict({"amount": {"$gt": 5}}) == {"match": False}
    assert verdict({"at": {"$lt": {"$relativeTime": "now"}}}) == {"match": True}
    assert verdict({"amount": {"$nope": 1}}) == {"match": False}
    assert verdict({"missing": {"$lt": 1}}) == {"match": True}
    assert call("POST", "/__match", {"object": 1}).body["code"] == 102
    assert call("POST", "/__match", b"no JSON").status == 400


def test_the_test_profile_logs_in(call: Client) -> None:
    right = {"facebook": {"id": "8675309", "access_token": "jenny and more"}}
    assert call("POST", "/users", {"authData": right}).status == 201
    assert call("POST", "/users", {"authData": right}).status == 200
    assert (
        call("POST", "/users", {"authData": {"myoauth": {"id": "12345", "access_token": "12345"}}}).status
        == 201
    )
    for wrong in (
        {"facebook": {"id": "8675309", "access_token": "x"}},
        {"myoauth": {"id": "1", "access_token": "12345"}},
    ):
        assert call("POST", "/users", {"authData": wrong}).body["code"] == 101


def test_mail_goes_to_a_webhook(call: Client) -> None:
    mails: Queue[Any] = Queue()

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            mails.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        thread = threading.Thread(target=receiver.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{receiver.server_address[1]}/"
            options = {"emailAdapter": {"webhook": url}, "verifyUserEmails": True, "appName": "unused",
                       "publicServerURL": "http://localhost:8378/1"}  # fmt: skip
            assert call("POST", "/__configure", {"options": options}).status == 200
            body = {"username": "ada", "password": "x", "email": "ada@example.com"}
            assert call("POST", "/users", body).status == 201
            mail = mails.get(timeout=20)
        finally:
            receiver.shutdown()
            thread.join()
    assert mail["method"] == "sendVerificationEmail"
    assert mail["options"]["appName"] == "unused"
    assert mail["options"]["user"]["email"] == "ada@example.com"
    assert mail["options"]["link"].startswith("http://localhost:8378/1/apps/app/verify_email?token=")


def test_other_machines_may_not(mode: TestMode) -> None:
    request = Request("POST", "/__reset", client_host="192.0.2.1")
    answer = mode._answer(request)
    assert answer is not None
    assert answer.status == 403


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_it_listens_on_this_machine_only(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    keys = ["--app-id", "a", "--master-key", "m"]
    assert main(["serve", ":memory:", *keys, "--test-mode", "--host", host, "--port", "0"]) == 1
    assert "listens on this machine only" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_this_machine_has_several_names(host: str) -> None:
    check_loopback(host)


def test_a_database_of_ones_own_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "precious.db"
    with parsekit.open(path) as engine, engine.acting_as_master():
        parsekit.PFObject("Deal", title="precious").save()
    with pytest.raises(EngineError, match="not made by test mode"):
        TestMode(path, OPTIONS)
    with parsekit.open(path, read_only=True) as engine:
        assert "Deal" in engine.schema


def test_a_file_of_its_own_is_emptied(tmp_path: Path) -> None:
    path = tmp_path / "tests.db"
    for _ in range(2):
        mode = TestMode(path, OPTIONS)
        with running(mode.app) as port:
            client = Client(port, CLIENT)
            assert client("GET", "/classes/Deal").body == {"results": []}
            assert client("POST", "/classes/Deal", {"title": "a"}).status == 201
            assert client("POST", "/__reset").status == 200
            assert client("GET", "/classes/Deal").body == {"results": []}
            assert client("POST", "/classes/Deal", {"title": "b"}).status == 201
            client.close()
        mode.close()


def test_requests_under_way_end_where_they_began(mode: TestMode, port: int) -> None:
    """Writers that go on while the application is emptied are answered as ever."""
    statuses: set[int] = set()
    stop = threading.Event()

    def write() -> None:
        client = Client(port, CLIENT)
        while not stop.is_set():
            statuses.add(client("POST", "/classes/Deal", {"title": "a"}).status)
        client.close()

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    client = Client(port, CLIENT)
    for _ in range(15):
        assert client("POST", "/__reset").status == 200
    stop.set()
    for thread in threads:
        thread.join()
    client.close()
    assert statuses == {201}
