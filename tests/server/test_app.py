"""The ASGI application over a real socket: bodies, sizes, encodings, cross-origin headers, stalled clients."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

import parsekit
from parsekit.server import create_app
from tests.server.serving import Client, running

CLIENT = {"X-Parse-Application-Id": "app", "X-Parse-REST-API-Key": "r"}
MASTER = {"X-Parse-Application-Id": "app", "X-Parse-Master-Key": "m"}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with parsekit.open() as engine:
        app = create_app(
            engine, app_id="app", master_key="m", rest_key="r", javascript_key="j", max_upload_size=10_000
        )
        with running(app) as port:
            yield port


@pytest.fixture
def call(port: int) -> Iterator[Client]:
    client = Client(port, CLIENT)
    yield client
    client.close()


def test_an_object_is_made_found_changed_and_deleted(call: Client) -> None:
    made = call("POST", "/classes/Deal", {"title": "a"})
    assert made.status == 201
    assert made.headers["location"].endswith(f"/classes/Deal/{made.body['objectId']}")
    path = f"/classes/Deal/{made.body['objectId']}"
    assert call("PUT", path, {"title": "b"}).status == 200
    assert call("GET", "/classes/Deal", where={"title": "b"}).body["results"][0]["title"] == "b"
    assert call("DELETE", path).body == {}
    assert call("GET", path).body["code"] == 101


def test_health_needs_no_keys(call: Client) -> None:
    assert call("GET", "/health", headers={}).body == {"status": "ok"}


def test_a_tunneled_call_as_the_javascript_sdk_makes_it(call: Client) -> None:
    body = {
        "_ApplicationId": "app",
        "_JavaScriptKey": "j",
        "_ClientVersion": "js8.0.0",
        "_InstallationId": "i",
    }
    headers = {"Content-Type": "text/plain"}
    made = call("POST", "/classes/Tunneled", {**body, "title": "a"}, headers=headers)
    assert made.status == 201
    asked = {**body, "_method": "GET", "where": {"title": "a"}, "limit": 1}
    assert call("POST", "/classes/Tunneled", asked, headers=headers).body["results"][0]["title"] == "a"


def test_a_compressed_body(call: Client) -> None:
    headers = {**CLIENT, "Content-Encoding": "gzip"}
    body = gzip.compress(json.dumps({"title": "small"}).encode())
    assert call("POST", "/classes/Zip", body, headers=headers).status == 201
    assert call("POST", "/classes/Zip", b"no gzip", headers=headers).status == 400
    assert call("POST", "/classes/Zip", body[:-5], headers=headers).status == 400
    assert call("POST", "/classes/Zip", gzip.compress(b" " * 20_000), headers=headers).status == 413
    other = {**CLIENT, "Content-Encoding": "br"}
    assert call("POST", "/classes/Zip", b"x", headers=other).status == 415


def test_a_body_that_is_too_large(port: int) -> None:
    body = json.dumps({"text": "x" * 20_000}).encode()
    client = Client(port, CLIENT)
    assert client("POST", "/classes/Big", body).status == 413
    client.close()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        head = "POST /parse/classes/Big HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode() + b"4e20\r\n" + b" " * 20_000 + b"\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_a_page_of_another_origin_may_ask(call: Client) -> None:
    preflight = call("OPTIONS", "/classes/Deal", headers={"Origin": "https://app.example"})
    assert preflight.status == 200
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "X-Parse-Session-Token" in preflight.headers["access-control-allow-headers"]
    assert (
        call("GET", "/classes/Deal").headers["access-control-allow-methods"] == "GET,PUT,POST,DELETE,OPTIONS"
    )


@pytest.mark.parametrize("target", ["/", "/pars", "/parsec/health", "/parse", "/parse/", "/parse/nothing"])
def test_an_unknown_route(call: Client, target: str) -> None:
    assert call.raw("GET", target, None, CLIENT).status == 404


def test_head_is_get_without_a_body(call: Client) -> None:
    answer = call("HEAD", "/health")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


def test_a_client_that_stalls_holds_up_nobody(port: int, call: Client) -> None:
    stalled: list[socket.socket] = []
    try:
        for _ in range(50):
            connection = socket.create_connection(("127.0.0.1", port), timeout=20)
            stalled.append(connection)
            head = "POST /parse/classes/Deal HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
            connection.sendall(head.encode())
        assert call("POST", "/classes/Deal", {"title": "while they stall"}).status == 201
    finally:
        for connection in stalled:
            connection.close()


def test_what_is_under_way_is_answered_before_the_end() -> None:
    begun, answers = threading.Event(), []

    def ask(port: int) -> None:
        client = Client(port, MASTER)
        answers.append(client("POST", "/functions/slow"))
        client.close()

    def release_when_nobody_else_gets_in(port: int) -> None:
        # refused, or reset when it came in the middle of the closing
        with contextlib.suppress(ConnectionError):
            while True:
                socket.create_connection(("127.0.0.1", port), timeout=20).close()
        ended.set()

    ended = threading.Event()
    with parsekit.open() as engine:

        @engine.cloud.define("slow")
        def slow(request: Any) -> str:
            begun.set()
            return "done" if ended.wait(20) else "the server did not stop listening"

        with running(create_app(engine, app_id="app", master_key="m")) as port:
            asking = threading.Thread(target=ask, args=(port,))
            asking.start()
            assert begun.wait(20)
            releasing = threading.Thread(target=release_when_nobody_else_gets_in, args=(port,))
            releasing.start()
        asking.join(20)
        releasing.join(20)
    assert [answer.body for answer in answers] == [{"result": "done"}]


def test_a_fault_of_our_own_says_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    with parsekit.open() as engine:
        app = create_app(engine, app_id="app", master_key="m")

        def broken(call: Any) -> Any:
            raise RuntimeError("secret")

        app.service.dispatcher.router.add("GET", "/broken", broken)
        with running(app) as port:
            client = Client(port, MASTER)
            answer = client("GET", "/broken")
            client.close()
    assert (answer.status, answer.body) == (500, {"code": 1, "message": "Internal server error."})
    assert "GET /broken: unexpected error" in caplog.text


@pytest.mark.parametrize("prefix", ["/api", "/parse"])
def test_it_can_be_mounted_in_another_application(prefix: str) -> None:
    with parsekit.open() as engine:
        app = create_app(engine, app_id="app", master_key="m", mount=prefix)
        with running(Starlette(routes=[Mount(prefix, app=app)])) as port:
            client = Client(port, MASTER, mount=prefix)
            assert client("GET", "/health").body == {"status": "ok"}
            client.close()
        app.close()


def test_only_the_allowed_origin_is_named() -> None:
    with parsekit.open() as engine:
        app = create_app(
            engine, app_id="app", master_key="m", allow_origin=("https://a.example", "https://b.example")
        )
        with running(app) as port:
            client = Client(port, MASTER)
            for origin, shown in (
                ("https://b.example", "https://b.example"),
                ("https://c.example", "https://a.example"),
            ):
                answer = client("GET", "/health", headers={"Origin": origin})
                assert answer.headers["access-control-allow-origin"] == shown
            client.close()
