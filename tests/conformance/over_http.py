"""The recordings against a server in a process of its own, asked over HTTP as any client would ask it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from parsekit.server import Request, Response
from tests.conformance.dataset import load_json
from tests.conformance.test_queries import normalized
from tests.server.serving import Client, serving

ORACLE = (
    ":memory:", "--app-id", "oracle", "--master-key", "master", "--rest-key", "rest", "--maintenance-key", "maint",
    "--javascript-key", "js", "--mount", "/parse", "--test-mode",
)  # fmt: skip
KEYS = {"X-Parse-Application-Id": "oracle", "X-Parse-REST-API-Key": "rest"}
_BATCH = 100


@dataclass
class Oracle:
    """A server in test mode and what is known of the data loaded into it."""

    client: Client
    tokens: dict[str, str] = field(default_factory=dict)

    def handle(self, request: Request) -> Response:
        """A dispatcher's ``handle``, over HTTP."""
        target = "/parse" + quote(request.path, safe="/:$*")
        if request.params:
            target += "?" + urlencode(dict(request.params))
        answer = self.client.raw(request.method, target, request.body or None, dict(request.headers))
        return Response(answer.status, answer.body, answer.headers)

    def configure(self, options: dict[str, Any]) -> None:
        """An empty application with these options."""
        path = "/__configure" if options else "/__reset"
        answer = self.client("POST", path, {"options": options} if options else None)
        assert answer.status == 200, answer

    # -- the data set of queries.jsonl ---------------------------------------------------------------

    def load(self) -> None:
        """Load the data set, and log its users in."""
        self.configure({})
        data = load_json("queries.dataset.json")
        for item in data["schemas"]:
            self._schema(item)
        self._put("_User", data["users"])
        users = {user["username"]: user["objectId"] for user in data["users"]}
        self._roles(data["roles"], users)
        for name, rows in data["objects"].items():
            self._put(name, rows)
        for user in data["users"]:
            credentials = {"username": user["username"], "password": user["password"]}
            answer = self.client("POST", "/login", credentials)
            assert answer.status == 200, answer
            self.tokens[user["username"]] = answer.body["sessionToken"]

    def _schema(self, item: dict[str, Any]) -> None:
        headers = {**KEYS, "X-Parse-Master-Key": "master"}
        method = "PUT" if item["className"] == "_User" else "POST"
        answer = self.client(method, f"/schemas/{item['className']}", item, headers=headers)
        assert answer.status == 200, answer

    def _roles(self, roles: list[dict[str, Any]], users: dict[str, str]) -> None:
        ids = {role["name"]: role["objectId"] for role in roles}
        rows = []
        for role in roles:
            row = {key: value for key, value in role.items() if key not in ("users", "roles")}
            for key, class_name, known in (("users", "_User", users), ("roles", "_Role", ids)):
                pointers = [
                    {"__type": "Pointer", "className": class_name, "objectId": known[name]}
                    for name in role[key]
                ]
                if pointers:
                    row[key] = {"__op": "AddRelation", "objects": pointers}
            rows.append(row)
        self._put("_Role", rows)

    def _put(self, class_name: str, rows: list[dict[str, Any]]) -> None:
        headers = {**KEYS, "X-Parse-Maintenance-Key": "maint"}
        for start in range(0, len(rows), _BATCH):
            requests = [
                {"method": "POST", "path": f"/parse/classes/{class_name}", "body": _imported(row)}
                for row in rows[start : start + _BATCH]
            ]
            answer = self.client("POST", "/batch", {"requests": requests}, headers=headers)
            assert all("success" in entry for entry in answer.body), answer.body

    def ask(self, case: dict[str, Any]) -> dict[str, Any]:
        """The answer to a query of the corpus, in the corpus' form."""
        headers = dict(KEYS)
        if case["as"] == "master":
            headers["X-Parse-Master-Key"] = "master"
        elif case["as"] != "anonymous":
            headers["X-Parse-Session-Token"] = self.tokens[case["as"]]
        params = {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in case["params"].items()
        }
        path = f"/parse/classes/{quote(case['className'], safe='')}"
        answer = self.client.raw("GET", f"{path}?{urlencode(params)}", None, headers)
        if answer.status != 200:
            return {"status": 400, "code": answer.body["code"]}
        rows = answer.body["results"]
        found = {
            "status": 200,
            "ids": [row["objectId"] for row in rows],
            "objects": [normalized(_placed(row)) for row in rows],
        }
        if "count" in answer.body:
            found["count"] = answer.body["count"]
        return found


def _imported(row: dict[str, Any]) -> dict[str, Any]:
    """A row as an import sends it: with its times as dates."""
    times = {key: {"__type": "Date", "iso": row[key]} for key in ("createdAt", "updatedAt") if key in row}
    return {**row, **times}


def _placed(value: Any) -> Any:
    """Without the URLs of files, which name this server."""
    if isinstance(value, list):
        return [_placed(item) for item in value]
    if not isinstance(value, dict):
        return value
    dropped = ("url",) if value.get("__type") == "File" else ()
    return {key: _placed(item) for key, item in value.items() if key not in dropped}


@contextlib.contextmanager
def oracle() -> Iterator[Oracle]:
    """A server for the recordings."""
    with serving(*ORACLE) as (port, _):
        client = Client(port, KEYS)
        try:
            yield Oracle(client)
        finally:
            client.close()
