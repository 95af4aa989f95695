"""The socket under the server: answers in one piece, requests whose head never ends."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

import parsekit
from parsekit.server import create_app
from parsekit.server.wire import HttpProtocol
from tests.server.serving import Client, running

HEALTH = b"GET /parse/health HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def port() -> Iterator[int]:
    with parsekit.open(":memory:") as engine:
        app = create_app(engine, app_id="a", master_key="m")
        with running(app) as port:
            yield port
        app.close()


def _connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def _rest(connection: socket.socket) -> bytes:
    """What comes until the server closes; a reset counts as closed."""
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65_536):
            got += piece
    return got


def _check_health(port: int) -> None:
    with contextlib.closing(Client(port)) as client:
        assert client("GET", "/health").status == 200


def test_pipelined_requests_are_answered_in_order(port: int) -> None:
    last = HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with _connected(port) as connection:
        connection.sendall(HEALTH + HEALTH.replace(b"GET", b"HEAD") + last)
        got = _rest(connection)
    assert got.count(b"HTTP/1.1 200 OK") == 3
    assert got.count(b'{"status":"ok"}') == 2  # HEAD has no body


def test_a_client_that_asks_first_is_told_to_go_on(port: int) -> None:
    head = b"POST /parse/classes/A HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n"
    with _connected(port) as connection:
        connection.sendall(head + b"Connection: close\r\n\r\n")
        assert connection.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert b" 403 " in _rest(connection).partition(b"\r\n")[0]


@pytest.mark.parametrize("start", [b"GET /parse/health HTTP/1.1\r\nX: ", b"GET /parse/health?"])
def test_a_head_without_end_is_refused(port: int, start: bytes) -> None:
    with _connected(port) as connection:
        connection.sendall(start)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(200):
                connection.sendall(b"x" * 10_000)
        got = _rest(connection)
    assert got == b"" or got.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))
    _check_health(port)


def test_a_head_that_does_not_come_to_an_end_is_given_up(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HttpProtocol, "head_timeout_s", 0.05)
    with _connected(port) as silent, _connected(port) as slow:
        slow.sendall(HEALTH[:20])
        assert _rest(silent) == b""
        assert _rest(slow) == b""
    _check_health(port)
