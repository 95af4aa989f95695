"""A ``parsekit serve`` in test mode for the clients of this folder, in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

_START_TIMEOUT_S = 30
APP_ID, MASTER_KEY, JAVASCRIPT_KEY = "clients", "the master key", "a javascript key"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[str], log: Path) -> None:
    """Return when ``url`` answers; fail with the log when the process ends or does not answer in time."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    pytest.fail(f"{url} did not answer:\n{log.read_text()}")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL under which the server's routes are."""
    port, log = free_port(), tmp_path_factory.mktemp("server") / "log"
    command = [sys.executable, "-m", "parsekit", "serve", ":memory:", "--test-mode", "--port", str(port)]
    command += ["--app-id", APP_ID, "--master-key", MASTER_KEY, "--javascript-key", JAVASCRIPT_KEY]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--mount", "/parse"], stdin=subprocess.DEVNULL, stdout=output, stderr=output, text=True
        )
    try:
        url = f"http://127.0.0.1:{port}/parse"
        wait_for(f"{url}/health", process, log)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture(scope="session")
def client_environment(server: str) -> dict[str, str]:
    """What ``javascript/client.cjs`` reads."""
    return {
        **os.environ,
        "PARSE_URL": server,
        "PARSE_APP_ID": APP_ID,
        "PARSE_MASTER_KEY": MASTER_KEY,
        "PARSE_JAVASCRIPT_KEY": JAVASCRIPT_KEY,
    }
