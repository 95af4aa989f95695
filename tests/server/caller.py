"""Calls a dispatcher as a client would, with the keys of ``OPTIONS``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import attrs

import parsekit
from parsekit.server import Dispatcher, Request, Response, ServerOptions

OPTIONS: Final = ServerOptions(
    app_id="app",
    master_key="m",
    rest_key="r",
    javascript_key="j",
    maintenance_key="x",
    read_only_master_key="ro",
    webhook_key="hook",
)
CLIENT: Final = {"x-parse-application-id": "app", "x-parse-rest-api-key": "r"}
MASTER: Final = {"x-parse-application-id": "app", "x-parse-master-key": "m"}
READER: Final = {"x-parse-application-id": "app", "x-parse-master-key": "ro"}
MAINTENANCE: Final = {"x-parse-application-id": "app", "x-parse-maintenance-key": "x"}


class Caller:
    """``call(method, path, body, headers=..., **params)``; a body of bytes goes as it is."""

    def __init__(self, engine: parsekit.ParseEngine, **options: Any) -> None:
        self.engine = engine
        self.dispatcher = Dispatcher(engine, attrs.evolve(OPTIONS, **options))

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] = CLIENT,
        **params: Any,
    ) -> Response:
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        query = {key: value if isinstance(value, str) else json.dumps(value) for key, value in params.items()}
        return self.dispatcher.handle(Request(method, path, query, data, headers))

    def error(self, *args: Any, **named: Any) -> tuple[int, str]:
        """The code and text of a refusal."""
        body = self(*args, **named).body
        return body["code"], body["error"]

    def sign_up(self, name: str, **more: Any) -> dict[str, str]:
        """The headers of a new user."""
        answer = self("POST", "/users", {"username": name, "password": "p", **more})
        assert answer.status == 201, answer.body
        return {**CLIENT, "x-parse-session-token": answer.body["sessionToken"]}
