"""Running an application on a port of this machine, and talking to it."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import uvicorn

from parsekit.server import App
from parsekit.server.wire import HttpProtocol

ROOT = Path(__file__).parents[2]


@dataclass
class Answer:
    """An answer; ``body`` is JSON where the answer is, else bytes."""

    status: int
    body: Any
    headers: dict[str, str]


@dataclass
class Client:
    """One connection, kept alive."""

    port: int
    headers: dict[str, str] = field(default_factory=dict)
    mount: str = "/parse"
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout_s)

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        **params: Any,
    ) -> Answer:
        text = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        query = {key: value if isinstance(value, str) else json.dumps(value) for key, value in params.items()}
        target = f"{self.mount}{path}" + (f"?{urlencode(query)}" if query else "")
        return self.raw(method, target, text, self.headers if headers is None else headers)

    def raw(self, method: str, target: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        self.connection.request(method, target, body, headers)
        response = self.connection.getresponse()
        content = response.read()
        found = {name.lower(): value for name, value in response.getheaders()}
        if found.get("content-type", "").startswith("application/json") and content:
            return Answer(response.status, json.loads(content), found)
        return Answer(response.status, content, found)

    def close(self) -> None:
        self.connection.close()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.listens.set()


@contextlib.contextmanager
def running(app: App | Any) -> Iterator[int]:
    """The application on a free port, in a thread of this process."""
    config = uvicorn.Config(
        app, log_level="warning", proxy_headers=False, http=HttpProtocol, ws="websockets-sansio",
        timeout_graceful_shutdown=5,
    )  # fmt: skip
    listening = socket.create_server(("127.0.0.1", 0), backlog=200)
    server = _Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
    thread.start()
    assert server.listens.wait(20), "the server did not start"
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()
    assert not thread.is_alive(), "the server did not stop"


@contextlib.contextmanager
def serving(*arguments: str, **environment: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """``parsekit serve`` as a process of its own: its port and the process."""
    command = [sys.executable, "-m", "parsekit", "serve", *arguments, "--port", "0"]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **environment}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("serving"):
            raise AssertionError(f"{line}{process.communicate(timeout=20)[1]}")
        yield int(line.rpartition(":")[2].partition("/")[0]), process
    finally:
        process.terminate()
        process.communicate(timeout=30)
