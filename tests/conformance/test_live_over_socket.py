"""The recorded live query sequences over WebSockets: what each subscription hears of writes that come in over HTTP.

Every alias has one connection. After each write an object of another class is made, to which every connection is
subscribed too: events come in commit order, so whatever arrives before its own is all there is.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.conformance.over_http import KEYS, Oracle, oracle
from tests.livequery.test_recorded import (
    EMPTIED_ON_POSTGRESQL,
    SEQUENCES,
    comparable,
    touched_arrays,
)

_EVERY = 20
_BEAT = 0
"""The number of the subscription that ends the wait for events."""

Heard = tuple[str, str, str, dict[str, Any]]


@pytest.fixture(scope="module")
def server() -> Iterator[Oracle]:
    with oracle() as found:
        yield found


class Listener:
    """The connection of one alias."""

    def __init__(self, socket: ClientConnection, token: str | None) -> None:
        self.socket = socket
        self.names: dict[int, str] = {}
        answer = self.ask(
            {"op": "connect", "applicationId": "oracle", "restAPIKey": "rest"}
            | ({} if token is None else {"sessionToken": token})
        )
        assert answer["op"] == "connected", answer
        self.subscribe(_BEAT, {"className": "Beat", "where": {}})

    def ask(self, message: Any) -> Any:
        self.socket.send(json.dumps(message))
        return self.receive()

    def receive(self) -> Any:
        return json.loads(self.socket.recv(timeout=30))

    def subscribe(self, number: int, query: dict[str, Any]) -> Any:
        return self.ask({"op": "subscribe", "requestId": number, "query": query})

    def heard(self) -> Iterator[Any]:
        """The events before the next beat."""
        while (event := self.receive())["requestId"] != _BEAT:
            yield event


class Stage:
    """A server that holds a sequence's data, and who listens to it."""

    def __init__(self, server: Oracle, sequence: dict[str, Any], stack: contextlib.ExitStack) -> None:
        self.client = server.client
        self.port = server.client.port
        self.sequence = sequence
        self.tokens: dict[str, str] = {}
        self.listeners: dict[str, Listener] = {}
        self.stack = stack
        server.configure({})
        self._prepare()

    def call(self, method: str, path: str, body: Any, who: str) -> Any:
        headers = dict(KEYS)
        if who == "master":
            headers["X-Parse-Master-Key"] = "master"
        elif who != "anonymous":
            headers["X-Parse-Session-Token"] = self.tokens[who]
        return self.client(method, path, body, headers=headers)

    def _prepare(self) -> None:
        for item in self.sequence["schemas"]:
            assert self.call("POST", f"/schemas/{item['className']}", item, "master").status == 200
        for alias, identity in self.sequence["users"].items():
            body = {"objectId": identity, "username": alias, "password": "x"}
            made = self.call("POST", "/users", body, "anonymous")
            assert made.status == 201, made
            self.tokens[alias] = made.body["sessionToken"]
        for name, members in self.sequence["roles"].items():
            pointers = [
                {"__type": "Pointer", "className": "_User", "objectId": self.sequence["users"][member]}
                for member in members
            ]
            users = {"__op": "AddRelation", "objects": pointers}
            body = {"name": name, "ACL": {"*": {"read": True}}, "users": users}
            assert self.call("POST", "/roles", body, "master").status == 201

    def subscribe(self, number: int, item: dict[str, Any]) -> Any:
        listener = self.listeners.get(item["as"])
        if listener is None:
            socket = self.stack.enter_context(connect(f"ws://127.0.0.1:{self.port}/", max_size=None))
            listener = self.listeners[item["as"]] = Listener(socket, self.tokens.get(item["as"]))
        listener.names[number] = item["id"]
        query = {key: item[key] for key in ("className", "where", "keys", "watch") if key in item}
        return listener.subscribe(number, query)

    def heard(self, arrays: set[str], left_out: Any) -> list[Heard]:
        """What was heard of the last write."""
        assert self.call("POST", "/classes/Beat", {}, "master").status == 201
        return sorted(
            (
                (
                    listener.names[event["requestId"]],
                    event["op"],
                    event["object"]["objectId"],
                    comparable({k: v for k, v in event["object"].items() if k != "__type"}, arrays, left_out),
                )
                for listener in self.listeners.values()
                for event in listener.heard()
            ),
            key=lambda entry: entry[0],
        )


def replay(server: Oracle, sequence: dict[str, Any]) -> None:
    quirks = {item["id"] for item in sequence["subscriptions"] if item.get("quirk")}
    with contextlib.ExitStack() as stack:
        stage = Stage(server, sequence, stack)
        for number, item in enumerate(sequence["subscriptions"], start=_BEAT + 1):
            answer = stage.subscribe(number, item)
            wanted = "subscribed" if item["answer"] == "subscribed" else item["answer"]["error"]
            assert answer.get("code", answer["op"]) == wanted, (item, answer)
        arrays: set[str] = set()
        for number, step in enumerate(sequence["steps"]):
            arrays |= touched_arrays(step)
            answer = stage.call(step["method"], step["path"], step.get("body"), step["as"])
            assert (answer.status, answer.body.get("code")) == (step["status"], step.get("code")), (
                number,
                step,
            )
            left_out = touched_arrays(step) if (sequence["id"], number) in EMPTIED_ON_POSTGRESQL else ()
            got = [entry for entry in stage.heard(arrays, left_out) if entry[0] not in quirks]
            wanted_events = [
                (item["sub"], item["op"], item["objectId"], comparable(item["object"], arrays, left_out))
                for item in step["events"]
                if item["sub"] not in quirks
            ]
            assert got == wanted_events, (sequence["id"], number, step)


@pytest.mark.parametrize("sequence", SEQUENCES[::_EVERY], ids=lambda item: item["id"])
def test_a_sample_of_the_sequences(server: Oracle, sequence: dict[str, Any]) -> None:
    replay(server, sequence)


@pytest.mark.slow
@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda item: item["id"])
def test_every_sequence(server: Oracle, sequence: dict[str, Any]) -> None:
    replay(server, sequence)
