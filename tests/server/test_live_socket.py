"""Live queries over a WebSocket: the protocol, permissions, sessions that end, slow clients, bad frames."""

from __future__ import annotations

import contextlib
import json
import queue
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.sync.client import ClientConnection, connect

import parsekit
from parsekit import PFObject, PFUser
from parsekit.server import create_app
from parsekit.server.options import LiveQueryOptions, LiveQueryServerOptions
from parsekit.server.test_mode import TestMode
from tests.server.serving import Client, running

KEYS = {"applicationId": "app", "javascriptKey": "j"}
REST = {"X-Parse-Application-Id": "app", "X-Parse-Javascript-Key": "j"}
MASTER = {"X-Parse-Application-Id": "app", "X-Parse-Master-Key": "m"}


class Live:
    """A client of the protocol."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def send(self, message: Any) -> None:
        self.socket.send(message if isinstance(message, str | bytes) else json.dumps(message))

    def receive(self, timeout_s: float = 20) -> Any:
        return json.loads(self.socket.recv(timeout=timeout_s))

    def ask(self, message: Any) -> Any:
        self.send(message)
        return self.receive()

    def connect(self, **more: Any) -> Any:
        answer = self.ask({"op": "connect", **KEYS, **more})
        assert answer["op"] == "connected", answer
        return answer

    def subscribe(
        self, number: int, class_name: str, where: Any = None, *, token: str | None = None, **query: Any
    ) -> Any:
        message = {
            "op": "subscribe",
            "requestId": number,
            "query": {"className": class_name, "where": where or {}, **query},
        }
        if token is not None:
            message["sessionToken"] = token
        return self.ask(message)


@contextlib.contextmanager
def dialed(port: int, path: str = "/") -> Iterator[Live]:
    with connect(f"ws://127.0.0.1:{port}{path}", max_size=None, compression=None) as socket:
        yield Live(socket)


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[parsekit.ParseEngine, int]]:
    with parsekit.open() as engine:
        app = create_app(engine, app_id="app", master_key="m", javascript_key="j")
        with running(app) as port:
            yield engine, port


@pytest.fixture
def engine(world: tuple[parsekit.ParseEngine, int]) -> parsekit.ParseEngine:
    return world[0]


@pytest.fixture
def port(world: tuple[parsekit.ParseEngine, int]) -> int:
    return world[1]


@pytest.fixture
def live(port: int) -> Iterator[Live]:
    with dialed(port) as client:
        client.connect()
        yield client


@pytest.fixture
def call(port: int) -> Iterator[Client]:
    client = Client(port, REST)
    yield client
    client.close()


class TestTheProtocol:
    @pytest.mark.parametrize("path", ["/", "/parse", "/anything/at/all"])
    def test_connect_on_any_path(self, port: int, path: str) -> None:
        with dialed(port, path) as client:
            answer = client.connect(installationId="i1")
            assert answer["clientId"]
            assert answer["installationId"] == "i1"

    @pytest.mark.parametrize(
        "keys",
        [{"applicationId": "app"}, {"applicationId": "other", "javascriptKey": "j"},
         {"applicationId": "app", "javascriptKey": "wrong"}, {"applicationId": "app", "masterKey": "wrong"}],
    )  # fmt: skip
    def test_wrong_keys(self, port: int, keys: dict[str, str]) -> None:
        with dialed(port) as client:
            answer = client.ask({"op": "connect", **keys})
            assert (answer["op"], answer["code"]) == ("error", 4)
            assert client.subscribe(1, "A")["code"] == 2

    def test_five_events(self, live: Live, call: Client) -> None:
        assert live.subscribe(1, "Deal", {"amount": {"$gt": 10}})["op"] == "subscribed"
        made = call("POST", "/classes/Deal", {"amount": 20}).body
        path = f"/classes/Deal/{made['objectId']}"
        event = live.receive()
        assert (event["op"], event["requestId"]) == ("create", 1)
        assert event["object"]["amount"] == 20
        assert (event["object"]["__type"], event["object"]["className"]) == ("Object", "Deal")
        kinds = []
        for method, body in (
            ("PUT", {"amount": 30}),
            ("PUT", {"amount": 5}),
            ("PUT", {"amount": 15}),
            ("DELETE", None),
        ):
            assert call(method, path, body).status == 200
            event = live.receive()
            kinds.append(
                (event["op"], event["object"].get("amount"), (event.get("original") or {}).get("amount"))
            )
        assert kinds == [("update", 30, 20), ("leave", 5, 30), ("enter", 15, 5), ("delete", 15, None)]

    def test_keys_and_watch(self, live: Live, call: Client) -> None:
        live.subscribe(1, "Watched", keys=["title"], watch=["amount"])
        made = call("POST", "/classes/Watched", {"title": "a", "amount": 1, "other": 2}).body
        assert set(live.receive()["object"]) == {
            "__type", "className", "objectId", "createdAt", "updatedAt", "title",
        }  # fmt: skip
        call("PUT", f"/classes/Watched/{made['objectId']}", {"title": "b"})
        call("PUT", f"/classes/Watched/{made['objectId']}", {"amount": 2, "title": "c"})
        assert live.receive()["object"]["title"] == "c"

    def test_update_and_a_number_that_is_taken_replace(self, live: Live, call: Client) -> None:
        live.subscribe(1, "Swap", {"n": 1})
        assert live.subscribe(1, "Swap", {"n": 2})["op"] == "subscribed"
        message = {"op": "update", "requestId": 1, "query": {"className": "Swap", "where": {"n": 3}}}
        assert live.ask(message)["op"] == "subscribed"
        for n in (1, 2, 3):
            call("POST", "/classes/Swap", {"n": n})
        assert live.receive()["object"]["n"] == 3

    def test_unsubscribe(self, live: Live, call: Client) -> None:
        live.subscribe(1, "Left")
        live.subscribe(2, "Left")
        assert live.ask({"op": "unsubscribe", "requestId": 1})["op"] == "unsubscribed"
        assert live.ask({"op": "unsubscribe", "requestId": 1})["code"] == 2
        call("POST", "/classes/Left", {})
        assert live.receive()["requestId"] == 2

    @pytest.mark.parametrize(
        ("frame", "code"),
        [("", 1), ("[]", 1), ("{}", 3), (b"\xff", 1), ('{"op":"fly","requestId":3}', 3),
         ('{"op":"subscribe","requestId":"x"}', 1), ('{"op":"connect"}', 1),
         ('{"op":"subscribe","requestId":3,"query":{"className":"A","where":{"a":{"$nope":1}}}}', 107),
         ('{"op":"subscribe","requestId":3,"query":{"className":"A","where":{"a":{"$regex":"("}}}}', 1),
         ('{"op":"subscribe","requestId":3,"query":{"className":"_JobStatus","where":{}}}', 119)],
    )  # fmt: skip
    def test_what_cannot_be_done_is_said(self, live: Live, frame: str | bytes, code: int) -> None:
        answer = live.ask(frame)
        assert answer["op"] == "error"
        assert answer["code"] == code or (b"regex" in str(frame).encode() and answer["code"] in (1, 102, 107))
        assert answer.get("requestId", 3) == 3
        assert live.subscribe(9, "Fine")["op"] == "subscribed"

    def test_a_subscription_resumes_where_it_was(self, port: int, call: Client) -> None:
        with dialed(port) as first:
            first.connect()
            query = {"className": "Resumed", "where": {}}
            answer = first.ask({"op": "subscribe", "requestId": 1, "query": query, "resumeFrom": None})
            assert isinstance(answer["sequence"], int)
            call("POST", "/classes/Resumed", {"n": 1})
            last = first.receive()["sequence"]
        for n in (2, 3):
            call("POST", "/classes/Resumed", {"n": n})
        with dialed(port) as second:
            second.connect()
            answer = second.ask({"op": "subscribe", "requestId": 1, "query": query, "resumeFrom": last})
            assert "gap" not in answer
            call("POST", "/classes/Resumed", {"n": 4})
            assert [second.receive()["object"]["n"] for _ in range(3)] == [2, 3, 4]
        with dialed(port) as third:
            third.connect()
            answer = third.ask({"op": "subscribe", "requestId": 1, "query": query, "resumeFrom": 10**9})
            assert answer["gap"]
            assert sorted(entry["n"] for entry in answer["results"]) == [1, 2, 3, 4]


class TestPermissions:
    @pytest.fixture
    def ada(self, call: Client) -> dict[str, Any]:
        call("POST", "/users", {"username": "ada", "password": "x"})
        return call("POST", "/login", {"username": "ada", "password": "x"}).body

    def private(self, call: Client, user: dict[str, Any], n: int) -> None:
        acl = {user["objectId"]: {"read": True, "write": True}}
        assert call("POST", "/classes/Secret", {"n": n, "ACL": acl}, headers=MASTER).status == 201

    def test_only_who_may_read_hears(self, port: int, call: Client, ada: dict[str, Any]) -> None:
        with (
            dialed(port) as nobody,
            dialed(port) as by_connection,
            dialed(port) as by_query,
            dialed(port) as master,
        ):
            nobody.connect()
            by_connection.connect(sessionToken=ada["sessionToken"])
            by_query.connect()
            master.connect(masterKey="m")
            for client in (nobody, by_connection, master):
                client.subscribe(1, "Secret")
            by_query.subscribe(1, "Secret", token=ada["sessionToken"])
            self.private(call, ada, 1)
            call("POST", "/classes/Secret", {"n": 2})
            assert nobody.receive()["object"]["n"] == 2
            for client in (by_connection, by_query, master):
                assert client.receive()["object"]["n"] == 1

    def test_a_session_that_ended_is_told_so_and_nothing_else(
        self, port: int, call: Client, ada: dict[str, Any]
    ) -> None:
        with dialed(port) as client:
            client.connect(sessionToken=ada["sessionToken"])
            client.subscribe(1, "Secret")
            self.private(call, ada, 1)
            assert client.receive()["op"] == "create"
            call("POST", "/logout", headers={**REST, "X-Parse-Session-Token": ada["sessionToken"]})
            self.private(call, ada, 2)
            answer = client.receive()
            assert (answer["op"], answer["code"], answer["requestId"]) == ("error", 209, 1)
            assert client.subscribe(2, "Secret")["code"] == 209

    def test_sessions_are_their_users_affair(self, port: int, call: Client, ada: dict[str, Any]) -> None:
        with dialed(port) as nobody, dialed(port) as mine:
            nobody.connect()
            assert nobody.subscribe(1, "_Session")["code"] == 209
            mine.connect(sessionToken=ada["sessionToken"])
            assert mine.subscribe(1, "_Session")["op"] == "subscribed"
            call("POST", "/users", {"username": "eve", "password": "x"})
            call("POST", "/login", {"username": "ada", "password": "x"})
            assert mine.receive()["object"]["user"]["objectId"] == ada["objectId"]

    def test_lost_rights_end_the_events(self, port: int, call: Client, ada: dict[str, Any]) -> None:
        with dialed(port) as client:
            client.connect(sessionToken=ada["sessionToken"])
            client.subscribe(1, "Shared")
            made = call("POST", "/classes/Shared", {"n": 1}).body
            assert client.receive()["op"] == "create"
            path = f"/classes/Shared/{made['objectId']}"
            call("PUT", path, {"n": 2, "ACL": {"someone": {"read": True}}}, headers=MASTER)
            left = client.receive()
            assert (left["op"], left["object"]["n"]) == ("leave", 1)
            call("PUT", path, {"n": 3}, headers=MASTER)
            call("POST", "/classes/Shared", {"n": 4})
            assert client.receive()["object"]["n"] == 4

    def test_only_the_enabled_classes(self) -> None:
        with parsekit.open() as engine:
            options = LiveQueryOptions(class_names=("Deal", "Note.*"))
            app = create_app(engine, app_id="app", master_key="m", javascript_key="j", live_query=options)
            with running(app) as port, dialed(port) as client:
                client.connect()
                assert client.subscribe(1, "Deal")["op"] == "subscribed"
                assert client.subscribe(2, "Notebook")["op"] == "subscribed"
                assert client.subscribe(3, "Dealer")["code"] == 119

    def test_hooks_are_asked(self) -> None:
        with parsekit.open() as engine:

            @engine.cloud.before_connect()
            def invited(request: Any) -> None:
                if request.user is None:
                    raise parsekit.ParseError("members only", code=119)

            app = create_app(engine, app_id="app", master_key="m", javascript_key="j")
            with engine.acting_as_master():
                user = PFUser.sign_up("ada", password="x")
            with running(app) as port, dialed(port) as client:
                assert client.ask({"op": "connect", **KEYS})["error"] == "members only"
                client.connect(sessionToken=user.session_token)


def test_a_hook_hears_what_clients_do() -> None:
    heard: queue.SimpleQueue[tuple[str, int, int, Any]] = queue.SimpleQueue()
    with parsekit.open() as engine:
        with engine.acting_as_master():
            user = PFUser.sign_up("ada", password="x")

        @engine.cloud.on_live_query_event()
        def monitor(request: Any) -> None:
            who = None if request.user is None else request.user.username
            heard.put((request.event, request.clients, request.subscriptions, who))
            if request.event == "subscribe":
                raise RuntimeError("reaches the log and no client")

        app = create_app(engine, app_id="app", master_key="m", javascript_key="j")
        with running(app) as port:
            with dialed(port) as client:
                client.connect(sessionToken=user.session_token)
                assert client.subscribe(1, "Deal")["op"] == "subscribed"
                assert client.ask({"op": "unsubscribe", "requestId": 1})["op"] == "unsubscribed"
            told = [heard.get(timeout=20) for _ in range(5)]
    assert told == [
        ("ws_connect", 0, 0, None),
        ("connect", 1, 0, "ada"),
        ("subscribe", 1, 1, "ada"),
        ("unsubscribe", 1, 0, "ada"),
        ("ws_disconnect", 0, 0, "ada"),
    ]


class TestManyClients:
    def test_who_does_not_read_is_told_and_holds_up_nobody(
        self, engine: parsekit.ParseEngine, port: int
    ) -> None:
        text = "x" * 20_000
        with dialed(port) as slow, dialed(port) as quick:
            for client in (slow, quick):
                client.connect()
            slow.subscribe(1, "Flood")
            quick.subscribe(1, "Flood", {"last": True})
            with engine.acting_as_master():
                for start in range(0, 2_500, 500):
                    PFObject.save_all([PFObject("Flood", text=text, n=n) for n in range(start, start + 500)])
                PFObject("Flood", last=True).save()
            assert quick.receive()["op"] == "create"
            seen = []
            while (answer := slow.receive())["op"] == "create":
                seen.append(answer["object"]["n"])
            assert (answer["op"], answer["code"], answer["reconnect"]) == ("error", 155, True)
            assert seen == list(range(len(seen)))
            assert slow.subscribe(1, "Flood", {"last": True})["op"] == "subscribed"

    def test_a_connection_has_its_limit(self, live: Live) -> None:
        for number in range(1_000):
            live.send(
                {
                    "op": "subscribe",
                    "requestId": number,
                    "query": {"className": "Many", "where": {"n": number}},
                }
            )
        assert {live.receive()["op"] for _ in range(1_000)} == {"subscribed"}
        assert live.subscribe(1_000, "Many")["code"] == 140
        assert live.subscribe(7, "Many")["op"] == "subscribed"

    def test_subscriptions_go_with_their_connection(self, engine: parsekit.ParseEngine, port: int) -> None:
        before = set(engine.live._dispatcher.subscriptions)
        with dialed(port) as client:
            client.connect()
            client.subscribe(1, "Gone")
            (mine,) = set(engine.live._dispatcher.subscriptions) - before
        while (event := mine.next(20)) is not None:
            raise AssertionError(event)
        assert mine.is_closed

    def test_the_next_application_is_followed_after_a_reset(self) -> None:
        mode = TestMode(":memory:", {"appId": "app", "masterKey": "m", "javascriptKey": "j"})
        with running(mode.app) as port, dialed(port) as client:
            call = Client(port, REST)
            client.connect()
            assert client.subscribe(1, "Deal")["op"] == "subscribed"
            for n in range(3):
                assert call("POST", "/__reset").status == 200
                # the subscription is renewed in its own time: write until it is there
                while True:
                    assert call("POST", "/classes/Deal", {"n": n}).status == 201
                    with contextlib.suppress(TimeoutError):
                        event = client.receive(0.05)
                        break
                assert (event["op"], event["object"]["n"], event["requestId"]) == ("create", n, 1)
                while True:
                    try:
                        client.receive(0.2)
                    except TimeoutError:
                        break
            call.close()
        mode.close()


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_MESSAGES = st.fixed_dictionaries(
    {"op": st.sampled_from(["connect", "subscribe", "update", "unsubscribe", "x"]) | _VALUES},
    optional={
        "applicationId": st.just("app") | _VALUES,
        "javascriptKey": st.just("j") | _VALUES,
        "requestId": st.integers(0, 3) | _VALUES,
        "sessionToken": _VALUES,
        "resumeFrom": st.integers(-5, 5) | _VALUES,
        "query": st.fixed_dictionaries(
            {},
            optional={
                "className": st.sampled_from(["Fuzz", "_User", "_Session", ""]) | _VALUES,
                "where": st.dictionaries(
                    st.sampled_from(["a", "objectId", "$or", "a.b"]),
                    st.dictionaries(
                        st.sampled_from(["$gt", "$in", "$regex", "$inQuery", "$x"]), _VALUES, max_size=2
                    )
                    | _VALUES,
                    max_size=2,
                )
                | _VALUES,
                "keys": _VALUES,
                "watch": _VALUES,
            },
        )
        | _VALUES,
    },
)
_FRAMES = st.lists(
    st.builds(json.dumps, _MESSAGES) | st.builds(json.dumps, _VALUES) | st.text() | st.binary(), max_size=8
)


class TestBadFrames:
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(frames=_FRAMES, hang_up=st.booleans())
    def test_they_never_disturb_another_client(
        self, world: tuple[parsekit.ParseEngine, int], frames: list[str | bytes], hang_up: bool
    ) -> None:
        engine, port = world
        with dialed(port) as good:
            good.connect()
            good.subscribe(1, "Fuzz", {"mine": True})
            with dialed(port) as bad:
                for frame in frames:
                    bad.send(frame)
                if hang_up:
                    bad.socket.socket.close()
                else:
                    bad.send({"op": "unsubscribe", "requestId": 10**6})
                    answers = []
                    while not answers or answers[-1].get("requestId") != 10**6:
                        answers.append(bad.receive())
                    assert not any(answer.get("error") == "Internal server error." for answer in answers), (
                        answers
                    )
            with engine.acting_as_master():
                PFObject("Fuzz", mine=True).save()
            assert good.receive()["op"] == "create"


class TestKeyPairs:
    """``liveQueryServerOptions.keyPairs``, as in ParseLiveQueryServer: which keys count, and whether a master does."""

    @pytest.fixture
    def secret(self) -> Iterator[parsekit.ParseEngine]:
        with parsekit.open() as engine:
            with engine.acting_as_master():
                PFObject("Deal", title="hidden", ACL=parsekit.PFACL()).save()
            yield engine

    @contextlib.contextmanager
    def serving(self, engine: parsekit.ParseEngine, pairs: dict[str, str]) -> Iterator[int]:
        options = LiveQueryServerOptions(key_pairs=pairs)
        app = create_app(
            engine, app_id="app", master_key="m", javascript_key="j", live_query_server_options=options
        )
        with running(app) as port:
            yield port

    @pytest.mark.parametrize(
        ("pairs", "sees"), [({}, False), ({"javascriptKey": "j"}, False), ({"masterKey": "m"}, True)]
    )
    def test_a_master_counts_where_it_is_listed(
        self, secret: parsekit.ParseEngine, pairs: dict[str, str], sees: bool
    ) -> None:
        with self.serving(secret, pairs) as port, dialed(port) as client:
            client.connect(masterKey="m")
            client.subscribe(1, "Deal")
            with secret.acting_as_master():
                PFObject("Deal", title="hidden", ACL=parsekit.PFACL()).save()
                PFObject("Deal", title="open").save()
            titles = [client.receive()["object"]["title"]]
            if sees:
                titles.append(client.receive()["object"]["title"])
            assert titles == (["hidden", "open"] if sees else ["open"])

    @pytest.mark.parametrize(
        ("keys", "answer"),
        [({"javascriptKey": "j"}, "connected"), ({"restAPIKey": "r"}, "error"), ({}, "error")],
    )
    def test_one_of_the_listed_keys_has_to_match(
        self, secret: parsekit.ParseEngine, keys: dict[str, str], answer: str
    ) -> None:
        with self.serving(secret, {"javascriptKey": "j", "clientKey": "c"}) as port, dialed(port) as client:
            assert client.ask({"op": "connect", "applicationId": "app", **keys})["op"] == answer
