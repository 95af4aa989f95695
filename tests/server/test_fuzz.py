"""Every route against requests that make no sense: a refusal, never a fault of the server's own, never a trace of one.

Requests go through the dispatcher, whose answers are the server's (law L9); a few go over a socket as raw bytes.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import parsekit
from parsekit.auth import AuthOptions, RecordingMailAdapter
from parsekit.server import Dispatcher, Request, ServerOptions, create_app
from parsekit.server.dispatch import route_table
from parsekit.server.requests import Response
from tests.server.serving import Client, running

OPTIONS = ServerOptions(app_id="app", master_key="m", maintenance_key="x", read_only_master_key="ro")
ROUTES = sorted({(entry.method, entry.pattern) for entry in route_table(lambda call: Response())})
SENDERS: list[dict[str, str]] = [
    {},
    {"x-parse-master-key": "m"},
    {"x-parse-maintenance-key": "x"},
    {"x-parse-master-key": "ro"},
    {"x-parse-session-token": "r:nobody"},
]
CLASSES = (
    "Fuzz",
    "_User",
    "_Role",
    "_Session",
    "_Installation",
    "_GlobalConfig",
    "_Join:a:Fuzz",
    "no class",
    "a.b",
)
IDS = ("abcdefghij", "", "me", "..", "%00", "é", "x" * 300)
KEYS = (
    "objectId", "className", "where", "fields", "classLevelPermissions", "requests", "username", "password", "email",
    "authData", "ACL", "name", "users", "limit", "skip", "order", "keys", "include", "excludeKeys", "count", "distinct",
    "pipeline", "$group", "$match", "group", "params", "masterKeyOnly", "functionName", "url", "triggerName",
    "transaction",
    "_method", "_ApplicationId", "_SessionToken", "_MasterKey", "_context", "createdAt", "updatedAt", "user", "token",
    "deviceToken", "deviceType", "installationId", "channels", "indexes", "userId", "data", "a", "a.b", "$a", "__op",
    "explain", "hint", "redirectClassNameForKey", "base64", "_ContentType", "jobName", "new_password", "locale",
)  # fmt: skip
SPECIAL: list[Any] = [
    {"__type": "Pointer", "className": "Fuzz", "objectId": "abcdefghij"},
    {"__type": "Pointer"},
    {"__type": "Date", "iso": "2020-01-01T00:00:00.000Z"},
    {"__type": "Date", "iso": "soon"},
    {"__type": "Date", "iso": "0000-01-01T00:00:00.000Z"},
    {"__type": "GeoPoint", "latitude": 1, "longitude": 2},
    {"__type": "GeoPoint", "latitude": 1e300, "longitude": None},
    {"__type": "Polygon", "coordinates": [[0, 0], [0, 1]]},
    {"__type": "Bytes", "base64": "!"},
    {"__type": "File", "name": "a.txt"},
    {"__type": "Relation", "className": "Fuzz"},
    {"__type": "Nonsense"},
    {"__op": "Increment", "amount": 1},
    {"__op": "Increment", "amount": 1e308},
    {"__op": "Add", "objects": [1]},
    {"__op": "AddRelation", "objects": [{"__type": "Pointer", "className": "Fuzz", "objectId": "a"}]},
    {"__op": "Batch", "ops": [{}]},
    {"__op": "Delete"},
    {"__op": "Nonsense"},
    {"$in": []}, {"$in": 1}, {"$regex": "("}, {"$regex": "(a+)+$", "$options": "zz"}, {"$exists": 1}, {"$gt": {}},
    {"$inQuery": {"className": "Fuzz", "where": {}}}, {"$select": {}}, {"$nearSphere": 1}, {"$text": {"$search": 1}},
    {"$relatedTo": {"object": 1, "key": "a"}}, {"$sum": "$a"}, [{"$match": {"a": 1}}], [{"$group": {"_id": None}}],
    {"type": "String"}, {"type": "Pointer"}, {"type": "Nonsense"}, {"find": {"*": True}}, {"*": {"read": True}},
    2**63, -(2**63), 1e308, -1, "", "\x00", "\ud800", "r:nobody", "/parse/classes/Fuzz", "{", "[1]", "a,b.c,-d", True,
]  # fmt: skip
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.sampled_from(SPECIAL),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
_OBJECTS = st.dictionaries(st.sampled_from(KEYS), _VALUES, max_size=4)
_BODIES = (
    st.just(b"")
    | st.builds(lambda value: json.dumps(value).encode(), _OBJECTS | _VALUES)
    | st.binary(max_size=20)
)
_PARAMS = st.dictionaries(
    st.sampled_from(KEYS), st.text(max_size=8) | st.builds(json.dumps, _VALUES), max_size=3
)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    method, pattern = draw(st.sampled_from(ROUTES))
    parts = []
    for part in pattern.split("/"):
        if part.startswith("{"):
            names = CLASSES if "class" in part else IDS
            parts.append(draw(st.sampled_from(names) | st.sampled_from(("abcdefghij", "Fuzz"))))
        else:
            parts.append(part)
    headers = {"x-parse-application-id": "app", **draw(st.sampled_from(SENDERS))}
    if draw(st.integers(0, 4)) == 0:
        name = draw(st.sampled_from(["x-parse-cloud-context", "x-parse-installation-id", "content-type", "range",
                                     "x-parse-request-id", "authorization"]))  # fmt: skip
        headers[name] = draw(st.text(st.characters(max_codepoint=255), max_size=10))
    return Request(method, "/".join(parts), draw(_PARAMS), draw(_BODIES), headers)


@pytest.fixture(scope="module")
def dispatcher() -> Iterator[Dispatcher]:
    mail = AuthOptions(email_adapter=RecordingMailAdapter(), public_server_url="http://localhost/parse")
    with parsekit.open(auth=mail) as engine:
        yield Dispatcher(engine, OPTIONS)


def check(response: Response) -> None:
    assert response.status < 500, response.body
    text = response.body if isinstance(response.body, str) else repr(response.body)
    assert "Traceback" not in text
    assert "parsekit/" not in text
    if not isinstance(response.body, str | bytes):
        json.dumps(response.body, allow_nan=False)


@settings(
    deadline=None,
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(request=requests())
def test_any_request_is_answered(dispatcher: Dispatcher, request: Request) -> None:
    check(dispatcher.handle(request))


@pytest.mark.slow
@settings(deadline=None, max_examples=4_000, suppress_health_check=list(HealthCheck))
@given(request=requests())
def test_many_requests_are_answered(dispatcher: Dispatcher, request: Request) -> None:
    check(dispatcher.handle(request))


_DEEP = "[" * 5_000 + "]" * 5_000
_DEEP_OBJECT = '{"a":' * 5_000 + "1" + "}" * 5_000


@pytest.mark.parametrize(
    "body",
    [_DEEP, _DEEP_OBJECT, '{"a":' + _DEEP + "}", '{"requests":' + _DEEP + "}", '{"a":1' + "0" * 5_000 + "}"],
)
@pytest.mark.parametrize(("method", "pattern"), [route for route in ROUTES if route[0] in ("POST", "PUT")])
def test_bombs_are_refused(dispatcher: Dispatcher, method: str, pattern: str, body: str) -> None:
    path = "/".join("Fuzz" if part.startswith("{") else part for part in pattern.split("/"))
    headers = {"x-parse-application-id": "app", "x-parse-master-key": "m"}
    assert dispatcher.handle(Request(method, path, {}, body.encode(), headers)).status < 500


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with parsekit.open() as engine, running(create_app(engine, app_id="app", master_key="m")) as port:
        yield port


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200))
@example(data=b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 50 + b"\r\n")
@example(data=b"POST /parse/classes/A HTTP/1.1\r\nContent-Length: -1\r\n\r\n")
@example(data=b"POST /parse/classes/A HTTP/1.1\r\nContent-Length: 10\r\n\r\n{}")
@example(
    data=b"GET /parse/classes/%ff%00?where=%ff HTTP/1.1\r\nHost: x\r\nX-Parse-Application-Id: app\r\n\r\n"
)
@example(data=b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
def test_bytes_that_are_no_request_disturb_nobody(port: int, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    assert not answer.startswith(b"HTTP/1.1 5")
    client = Client(port)
    assert client("GET", "/health").status == 200
    client.close()
