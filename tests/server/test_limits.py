"""What one client may ask of a server: addresses of keys, rates, routes, sizes of queries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import parsekit
from parsekit import EngineError
from parsekit.server import Dispatcher, Request, Response, ServerOptions, configuration
from parsekit.server.addresses import check_networks, is_among
from parsekit.server.limits import RateLimits
from parsekit.server.options import RateLimit, RequestComplexity

CLIENT = {"x-parse-application-id": "app", "x-parse-rest-api-key": "r"}
MASTER = {**CLIENT, "x-parse-master-key": "m"}


class Caller:
    def __init__(self, engine: parsekit.ParseEngine, options: ServerOptions) -> None:
        self.dispatcher = Dispatcher(engine, options)

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Any = CLIENT,
        host: str = "203.0.113.9",
        **params: Any,
    ) -> Response:
        text = b"" if body is None else json.dumps(body).encode()
        query = {key: value if isinstance(value, str) else json.dumps(value) for key, value in params.items()}
        return self.dispatcher.handle(Request(method, path, query, text, headers, host))


@contextmanager
def server(**options: Any) -> Iterator[Caller]:
    keys: dict[str, Any] = {"app_id": "app", "master_key": "m", "rest_key": "r", "maintenance_key": "x"}
    with parsekit.open(default_limit=options.pop("default_limit", 100)) as engine:
        yield Caller(engine, ServerOptions(**{**keys, "read_only_master_key": "ro", **options}))


class TestAddresses:
    @pytest.mark.parametrize(
        ("host", "entries", "expected"),
        [
            ("127.0.0.1", ("127.0.0.1", "::1"), True),
            ("::1", ("127.0.0.1", "::1"), True),
            ("::ffff:127.0.0.1", ("127.0.0.1",), True),
            ("10.1.2.3", ("10.0.0.0/8",), True),
            ("11.1.2.3", ("10.0.0.0/8",), False),
            ("2001:db8::1", ("::0",), True),
            ("2001:db8::1", ("0.0.0.0/0",), False),
            ("fe80::1%eth0", ("fe80::/10",), True),
            ("", ("0.0.0.0/0", "::/0"), False),
            ("unix", ("0.0.0.0/0",), False),
            ("127.0.0.1", (), False),
        ],
    )
    def test_membership(self, host: str, entries: tuple[str, ...], expected: bool) -> None:
        assert is_among(host, entries) is expected

    @given(address=st.ip_addresses(), prefix=st.integers(0, 32))
    def test_an_address_is_in_the_networks_around_it(self, address: Any, prefix: int) -> None:
        address = getattr(address, "ipv4_mapped", None) or address
        assert is_among(str(address), (f"{address}/{prefix}",))
        assert is_among(str(address), ("0.0.0.0/0", "::/0"))

    def test_what_is_no_address_is_refused_when_the_server_starts(self) -> None:
        with pytest.raises(EngineError, match="master_key_ips: 'here' is no IP address"):
            ServerOptions(app_id="a", master_key="m", master_key_ips=("here",))
        check_networks("x", ("::0", "10.0.0.0/8"))

    @pytest.mark.parametrize(
        ("headers", "here", "elsewhere"),
        [
            ({"x-parse-master-key": "m"}, 200, 403),
            ({"x-parse-maintenance-key": "x"}, 200, 403),
            ({"x-parse-master-key": "ro"}, 200, 200),
        ],
    )
    def test_a_master_key_works_from_this_machine_only(
        self, headers: dict[str, str], here: int, elsewhere: int
    ) -> None:
        with server() as call:
            for host, status in (("127.0.0.1", here), ("203.0.113.9", elsewhere)):
                answer = call("GET", "/classes/_Hooks", headers={**CLIENT, **headers}, host=host)
                assert answer.status == status
                if status == 403:
                    assert answer.body == {"error": "unauthorized"}

    def test_unless_it_is_allowed_from_elsewhere(self) -> None:
        with server(master_key_ips=("203.0.113.0/24",)) as call:
            assert call("GET", "/schemas", headers=MASTER).status == 200
            assert call("GET", "/schemas", headers=MASTER, host="127.0.0.1").status == 403


class TestQueries:
    @pytest.mark.parametrize(
        ("most", "default", "asked", "found"),
        [
            (5, 100, None, 5),
            (5, 3, None, 3),
            (5, 100, 4, 4),
            (5, 100, 50, 5),
            (5, 100, 0, 0),
            (None, 7, None, 7),
        ],
    )
    def test_the_limit_is_clamped(
        self, most: int | None, default: int, asked: int | None, found: int
    ) -> None:
        with server(max_limit=most, default_limit=default) as call:
            requests = [{"method": "POST", "path": "/parse/classes/A", "body": {"n": n}} for n in range(10)]
            call("POST", "/batch", {"requests": requests})
            params = {} if asked is None else {"limit": asked}
            for headers in (CLIENT, MASTER):
                answer = call("GET", "/classes/A", headers=headers, host="127.0.0.1", count=1, **params)
                assert (len(answer.body["results"]), answer.body["count"]) == (found, 10)

    @pytest.mark.parametrize(
        ("complexity", "params", "error"),
        [
            (
                {"include_depth": 1},
                {"include": "a,a.b"},
                "Include depth of 2 exceeds maximum allowed depth of 1",
            ),
            (
                {"include_count": 1},
                {"include": "a,b"},
                "Number of include fields (2) exceeds maximum allowed (1)",
            ),
            ({"allow_regex": False}, {"where": {"a": {"$regex": "x"}}}, "$regex operator is not allowed"),
            (
                {"query_depth": 1},
                {"where": {"$or": [{"$or": [{"a": 1}]}]}},
                "Query condition nesting depth exceeds maximum allowed depth of 1",
            ),
        ],
    )
    def test_complexity(self, complexity: dict[str, Any], params: dict[str, Any], error: str) -> None:
        with server(request_complexity=RequestComplexity(**complexity)) as call:
            refused = call("GET", "/classes/A", **params)
            assert (refused.status, refused.body["code"], refused.body["error"]) == (400, 102, error)
            assert call("GET", "/classes/A", headers=MASTER, host="127.0.0.1", **params).status == 200


class TestRoutes:
    def test_clients_may_call_what_is_listed(self) -> None:
        with server(route_allow_list=("functions/.*", "health", "batch")) as call:
            assert call("GET", "/health").status == 200
            assert call("POST", "/functions/nope").body["code"] == 141
            assert call("GET", "/classes/A").body["code"] == 119
            requests = [{"method": "GET", "path": "/parse/classes/A"}]
            (answer,) = call("POST", "/batch", {"requests": requests}).body
            assert answer["error"]["code"] == 119
            assert call("GET", "/classes/A", headers=MASTER, host="127.0.0.1").status == 200


class TestRates:
    def rule(self, **more: Any) -> RateLimit:
        given = {"request_path": "/functions/*", "request_time_window": 1000, "request_count": 2}
        return RateLimit(**{**given, **more})

    def test_too_many(self) -> None:
        with server(rate_limit=(self.rule(error_response_message="Slow down"),)) as call:
            statuses = [call("POST", "/functions/f").status for _ in range(3)]
            assert statuses == [400, 400, 429]
            assert call("POST", "/functions/f").body == {"code": 100, "error": "Slow down"}
            assert call("POST", "/functions/f", host="198.51.100.1").status == 400
            assert call("GET", "/classes/A").status == 200

    def test_masters_and_this_machine_are_not_counted_unless_asked(self) -> None:
        for more, headers, host, last in (
            ({}, MASTER, "127.0.0.1", 400),
            ({}, CLIENT, "127.0.0.1", 400),
            ({"include_internal_requests": True}, CLIENT, "127.0.0.1", 429),
            ({"include_internal_requests": True}, MASTER, "127.0.0.1", 400),
            ({"include_internal_requests": True, "include_master_key": True}, MASTER, "127.0.0.1", 429),
            ({"request_methods": ("GET",)}, CLIENT, "203.0.113.9", 400),
        ):
            with server(rate_limit=(self.rule(**more),)) as call:
                statuses = [call("POST", "/functions/f", headers=headers, host=host).status for _ in range(3)]
                assert statuses[-1] == last, more

    @pytest.mark.parametrize(
        ("path", "counted", "free"),
        [
            ("*", "/anything/at/all", None),
            ("/functions/*", "/functions/a", "/classes/a"),
            ("/classes/:name", "/classes/A", "/classes/A/id"),
            ("/classes/*", "/classes/A/id", "/users"),
            ("/login", "/login", "/logins"),
        ],
    )
    def test_paths(self, path: str, counted: str, free: str | None) -> None:
        with server(rate_limit=(self.rule(request_path=path, request_count=0),)) as call:
            assert call("GET", counted).status == 429
            if free is not None:
                assert call("GET", free).status != 429

    def test_a_window_ends(self) -> None:
        now = [0.0]
        limits = RateLimits([self.rule(zone="global")], "app", lambda: now[0])
        rule, counts = self.rule(), limits._counts[0]
        answers = []
        for now[0] in (0.0, 0.5, 0.9, 1.0, 1.1, 1.2):
            answers.append(limits._take(rule, counts, "z"))
        assert answers == [True, True, False, True, True, False]


class TestOptions:
    def test_fields_of_users_stay_hidden(self) -> None:
        given = {
            "appId": "a",
            "masterKey": "m",
            "protectedFields": {"_User": {"*": ["phone"]}, "Deal": {"*": ["note"]}},
        }
        with parsekit.open(**configuration(given).engine) as engine:
            found = engine.options.protection.fields
            assert found == {"_User": {"*": ("phone", "email")}, "Deal": {"*": ("note",)}}
            options = ServerOptions(app_id="app", master_key="m", rest_key="r")
            call = Caller(engine, options)
            call("POST", "/classes/Deal", {"note": "secret", "title": "a"}, headers=MASTER, host="127.0.0.1")
            (seen,) = call("GET", "/classes/Deal").body["results"]
            assert ("title" in seen, "note" in seen) == (True, False)
            assert call("GET", "/classes/Deal", where={"note": "secret"}).body["code"] == 119

    def test_ids_have_the_size_that_is_asked_for(self) -> None:
        given = {"appId": "a", "masterKey": "m", "objectIdSize": 16, "allowClientClassCreation": True}
        with parsekit.open(**configuration(given).engine) as engine:
            call = Caller(engine, ServerOptions(app_id="app", master_key="m", rest_key="r"))
            assert len(call("POST", "/classes/A", {}).body["objectId"]) == 16


def test_a_sub_query_is_held_to_its_limit() -> None:
    with server(request_complexity=RequestComplexity(subquery_limit=2), master_key_ips=("0.0.0.0/0",)) as few:
        ids = [few("POST", "/classes/B", {"n": n}).body["objectId"] for n in range(4)]
        for n, of in enumerate(ids):
            pointer = {"__type": "Pointer", "className": "B", "objectId": of}
            few("POST", "/classes/A", {"b": pointer, "n": n})

        def found(where: dict[str, Any], headers: Any = CLIENT) -> list[int]:
            rows = few("GET", "/classes/A", headers=headers, where=where).body["results"]
            return sorted(row["n"] for row in rows)

        every = {"where": {}, "className": "B"}
        assert found({"b": {"$inQuery": every}}) == [0, 1]
        assert found({"b": {"$notInQuery": every}}) == [2, 3]
        assert found({"n": {"$select": {"query": every, "key": "n"}}}) == [0, 1]
        assert found({"$or": [{"b": {"$inQuery": every}}, {"n": 3}]}) == [0, 1, 3]
        nested = {"className": "A", "where": {"b": {"$inQuery": every}, "n": {"$gt": 0}}}
        assert found({"n": {"$select": {"query": nested, "key": "n"}}}) == [1]
        assert found({"b": {"$inQuery": every}}, MASTER) == [0, 1, 2, 3]
