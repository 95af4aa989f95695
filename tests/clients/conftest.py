"""A ``parsekit serve`` for the clients of this folder, in a process of its own."""

from __future__ import annotations

import contextlib
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


@contextlib.contextmanager
def serving(log: Path, *options: str) -> Iterator[str]:
    """The URL of a server's mount, while it runs on ``:memory:`` with ``options``."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "parsekit",
        "serve",
        ":memory:",
        "--port",
        str(port),
        "--mount",
        "/parse",
    ]
    command += ["--app-id", APP_ID, "--master-key", MASTER_KEY, "--javascript-key", JAVASCRIPT_KEY, *options]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, text=True)
    try:
        url = f"http://127.0.0.1:{port}/parse"
        wait_for(f"{url}/health", process, log)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=10)


def environment_of(url: str) -> dict[str, str]:
    """What the programs of ``javascript/`` and ``browser/`` read."""
    return {
        **os.environ,
        "PARSE_URL": url,
        "PARSE_APP_ID": APP_ID,
        "PARSE_MASTER_KEY": MASTER_KEY,
        "PARSE_JAVASCRIPT_KEY": JAVASCRIPT_KEY,
    }


@pytest.fixture(scope="session")
def client_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server in test mode, where uploads by anybody are allowed."""
    log = tmp_path_factory.mktemp("server") / "log"
    with serving(log, "--test-mode") as url:
        yield environment_of(url)


@pytest.fixture
def crm_environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A server with the CRM's schema, and nothing in it."""
    with serving(tmp_path / "log", "--schema", "crm_schema") as url:
        yield environment_of(url)
