"""The examples of embedding: a web app, a service, a store and a window, each run for real."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import crm_schema
import parsekit
import parsekit.aio
from parsekit import PFObject, PFUser

EXAMPLES = Path(__file__).parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))

import asyncio_service  # noqa: E402
import pipeline_store  # noqa: E402
import threaded_web_app  # noqa: E402

# -- the web app -------------------------------------------------------------------------------------------


class Client:
    """Calls the app as one user."""

    def __init__(self, port: int, token: str | None = None) -> None:
        self._port = port
        self._token = token

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
        headers = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
        return response.status, answer

    def signed_up(self, name: str) -> Client:
        _, answer = self.call("POST", "/signup", {"username": name, "password": "correct horse"})
        return Client(self._port, answer["token"])


@contextmanager
def _served() -> Iterator[tuple[parsekit.ParseEngine, Client]]:
    with parsekit.open(schema=crm_schema.SCHEMA) as engine:
        server = threaded_web_app.serving(engine)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield engine, Client(server.server_port)
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def test_each_request_of_the_web_app_runs_as_its_user() -> None:
    with _served() as (_, anonymous):
        ann, bob = anonymous.signed_up("ann"), anonymous.signed_up("bob")
        assert ann.call("POST", "/deals", {"title": "Acme", "amount": 5})[0] == 200
        assert [deal["title"] for deal in ann.call("GET", "/deals?stage=lead")[1]] == ["Acme"]
        assert bob.call("GET", "/deals") == (200, [])
        assert anonymous.call("POST", "/deals", {"title": "x", "amount": 1})[1]["code"] == 206
        assert anonymous.call("POST", "/signup", {"username": "ann", "password": "other"})[1]["code"] == 202
        assert Client(ann._port, "r:wrong").call("GET", "/deals")[1]["code"] == 209
        assert ann.call("POST", "/deals", {"no": 1})[0] == 400
        assert ann.call("GET", "/nothing")[0] == 404


def test_the_web_app_tells_what_happened_since() -> None:
    with _served() as (engine, anonymous):
        ann = anonymous.signed_up("ann")
        start = engine.last_sequence
        told: list[Any] = []
        waiting = threading.Thread(target=lambda: told.append(ann.call("GET", f"/events?after={start}")))
        waiting.start()
        ann.call("POST", "/deals", {"title": "Acme", "amount": 5})
        waiting.join(30)
        (status, answer) = told[0]
        assert status == 200
        assert [(event["event"], event["object"]["title"]) for event in answer["events"]] == [
            ("create", "Acme")
        ]
        assert answer["next"] > start


# -- the service ---------------------------------------------------------------------------------------------


def test_clients_of_the_service_hear_of_each_other() -> None:
    async def main() -> None:
        async with parsekit.aio.open() as engine:
            service = asyncio_service.Service(engine)
            server = await asyncio.start_server(service.client, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            watcher, mover = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]

            async def ask(connection: Any, question: Any) -> Any:
                connection[1].write(json.dumps(question).encode() + b"\n")
                return json.loads(await connection[0].readline())

            assert await ask(watcher, {"do": "watch", "stage": "won"}) == {"watching": "won"}
            saved = await ask(mover, {"do": "save", "title": "Acme", "stage": "lead"})
            await ask(mover, {"do": "move", "id": saved["saved"], "stage": "won"})
            heard = json.loads(await watcher[0].readline())
            assert (heard["event"], heard["deal"]["title"]) == ("enter", "Acme")
            assert "code" in await ask(mover, {"do": "save", "title": 5})
            assert "error" in await ask(mover, {"do": "dance"})
            for connection in (watcher, mover):
                connection[1].close()
                await connection[1].wait_closed()
            server.close()
            await server.wait_closed()

    asyncio.run(asyncio.wait_for(main(), 60))


# -- the store, and the window that draws it ---------------------------------------------------------------------


def test_the_store_follows_the_pipeline(capsys: pytest.CaptureFixture[str]) -> None:
    with parsekit.open(schema=crm_schema.SCHEMA):
        ada = PFUser.sign_up("ada", password="correct horse")
        with pipeline_store.PipelineStore() as store:
            seen: list[str] = []
            stop = store.subscribe(lambda state: seen.append(pipeline_store.line(state)))
            assert seen[0].startswith("lead 0 (0)")
            deal = PFObject("Deal", title="Renewal", stage="lead", amount=1200, assignedTo=ada)
            deal.save()
            assert store.wait_for(lambda state: len(state["lead"].deals) == state["lead"].count == 1, 30)
            before = store.state
            store.move(deal, "won")
            assert store.wait_for(
                lambda s: s["won"].amount == 1200 and not s["lead"].deals and s["won"].deals, 30
            )
            assert before["lead"].count == 1  # a state that was given out does not change
            stop()
            told = len(seen)
            assert told > 1
            deal.delete()
            assert store.wait_for(lambda state: not state["won"].deals and not state["won"].count, 30)
            assert len(seen) == told


def test_the_store_runs_as_it_is() -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / "pipeline_store.py"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "lead 0 (0)  qualified 0 (0)  proposal 0 (0)  won 1 (1200)"


def test_a_window_draws_what_the_store_holds() -> None:
    """The texts always; the window itself where there is a display to draw on, in a process of its own."""
    with parsekit.open(schema=crm_schema.SCHEMA) as engine, engine.acting_as_master():
        PFObject("Deal", title="Renewal", stage="lead", amount=1200).save()
        with pipeline_store.PipelineStore() as store:
            assert pipeline_store.rows(store.state)["lead"] == ["Renewal  1200"]
            assert pipeline_store.title("lead", store.state) == "lead: 1 (1200)"
    if find_spec("_tkinter") and (os.environ.get("DISPLAY") or shutil.which("Xvfb")):
        assert _drawn() == ["Renewal  1200", "won"]


WINDOW = """
import sys; sys.path.insert(0, sys.argv[1])
import tkinter as tk, crm_schema, parsekit, desktop_pipeline
from parsekit import PFObject
with parsekit.open(schema=crm_schema.SCHEMA) as engine, engine.acting_as_master():
    deal = PFObject("Deal", title="Renewal", stage="proposal", amount=1200)
    deal.save()
    with desktop_pipeline.PipelineStore() as store:
        root = tk.Tk()
        board = desktop_pipeline.Board(root, store)
        root.update()
        print(board.lists["proposal"].get(0))
        board.lists["proposal"].selection_set(0)
        board.advance("proposal")
        def look():
            if board.lists["won"].size() and not board.lists["proposal"].size():
                root.destroy()
            else:
                root.after(10, look)
        look()
        root.mainloop()
        print(deal.fetch()["stage"])
"""


def _drawn() -> list[str]:
    environment = dict(os.environ)
    server = None
    if not environment.get("DISPLAY"):
        read, write = os.pipe()
        command = ["Xvfb", "-displayfd", str(write), "-nolisten", "tcp"]
        server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as number:
            environment["DISPLAY"] = f":{number.readline().strip()}"
    try:
        done = subprocess.run(
            [sys.executable, "-c", WINDOW, EXAMPLES],
            capture_output=True, text=True, timeout=60, check=True, env=environment,
        )  # fmt: skip
        return done.stdout.splitlines()
    finally:
        if server is not None:
            server.terminate()
            server.wait()
