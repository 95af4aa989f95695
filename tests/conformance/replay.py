"""Replays a recorded scenario, in process through the REST dispatcher or over HTTP, and compares answer by answer.

The rules of comparison are those of the corpora's README: codes count and error texts inform, placeholders are bound
when first met, a top-level null equals an absent key, answers in no requested order compare as sets, and where both
storage engines of Parse Server failed with 500 any refusal will do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import parsekit
from parsekit.server import Dispatcher, Request, Response, ServerOptions

DATA = Path(__file__).parent / "data"
OPTIONS = ServerOptions(
    app_id="oracle", master_key="master", rest_key="rest", javascript_key="js", maintenance_key="maint"
)
_ENGINE_OPTIONS = {
    "allowClientClassCreation": "allow_client_class_creation",
    "allowCustomObjectId": "allow_custom_object_id",
    "enforcePrivateUsers": "enforce_private_users",
}
_PLACEHOLDER = re.compile(r"\{\{(?:id|token):\d+\}\}")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def load_scenarios() -> list[dict[str, Any]]:
    return json.loads((DATA / "scenarios.json").read_text(encoding="utf-8"))["scenarios"]


@dataclass
class Step:
    """One step's outcome: ``problem`` is ``None`` when the answer is as recorded."""

    number: int
    request: str
    problem: str | None
    text_differs: bool = False


@dataclass
class Replay:
    """``handle`` answers a request, wherever the server is."""

    handle: Callable[[Request], Response]
    bindings: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    def step(self, number: int, step: dict[str, Any]) -> Step:
        request = self.request(step)
        wanted = step.get("mongo") or step
        told = f"{step['as']} {request.method} {request.path}"
        response = self.handle(request)
        if step.get("login") and response.status < 300:
            self.tokens[step["login"]] = response.body["sessionToken"]
        if step.get("unstable"):
            return Step(number, told, None)
        problem = self.compare(step, wanted, response)
        text = isinstance(response.body, dict) and response.body.get("error") != error_of(wanted["response"])
        return Step(number, told, problem, text and error_of(wanted["response"]) is not None)

    # -- the request -------------------------------------------------------------------------------

    def request(self, step: dict[str, Any]) -> Request:
        body = step["raw"].encode() if "raw" in step else b""
        if "body" in step:
            body = json.dumps(self.filled(step["body"])).encode()
        params = {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in self.filled(step.get("params", {})).items()
        }
        path = self.filled(step["path"])
        return Request(step["method"], path, params, body, self.headers(step))

    def headers(self, step: dict[str, Any]) -> dict[str, str]:
        who = step["as"]
        if who == "none":
            return {}
        headers = {"x-parse-application-id": "oracle", "x-parse-rest-api-key": "rest"}
        if who == "badkey":
            return {**headers, "x-parse-rest-api-key": "wrong"}
        if who == "badmaster":
            return {"x-parse-application-id": "oracle", "x-parse-master-key": "wrong"}
        if who == "master":
            headers["x-parse-master-key"] = "master"
        elif who == "maint":
            headers["x-parse-maintenance-key"] = "maint"
        elif who != "anonymous":
            headers["x-parse-session-token"] = self.tokens.get(who, "r:no-such-session")
        if "sessionToken" in step:
            headers["x-parse-session-token"] = self.filled(step["sessionToken"])
        return headers

    def filled(self, value: Any) -> Any:
        """A value of a request with the placeholders bound so far in their place."""
        if isinstance(value, str):
            return _PLACEHOLDER.sub(lambda match: self.bindings.get(match[0], match[0]), value)
        if isinstance(value, list):
            return [self.filled(item) for item in value]
        if isinstance(value, dict):
            return {self.filled(key): self.filled(item) for key, item in value.items()}
        return value

    # -- the answer --------------------------------------------------------------------------------

    def compare(self, step: dict[str, Any], wanted: dict[str, Any], response: Response) -> str | None:
        if wanted["status"] == 500:
            return (
                None
                if response.status >= 400
                else f"expected a refusal, got {response.status} {response.body}"
            )
        expected = wanted["response"]
        if response.status != wanted["status"]:
            return f"expected {wanted['status']} {expected}, got {response.status} {response.body}"
        if isinstance(expected, str):
            return None
        got = json.loads(json.dumps(response.body))
        if isinstance(expected, dict) and "code" in expected and wanted["status"] >= 400:
            return None if got.get("code") == expected["code"] else f"expected {expected}, got {got}"
        if wanted["status"] >= 400:
            return None if set(got) == set(expected) else f"expected {expected}, got {got}"
        if "/schemas" in step["path"]:
            expected, got = _schema_part(expected), _schema_part(got)
        ordered = "order" in step.get("params", {}) or "$sort" in json.dumps(step.get("params", {}))
        found = self.match(expected, got, dict(self.bindings), ordered=ordered or step["path"] == "/batch")
        if found is None:
            return f"expected {expected}, got {got}"
        self.bindings = found
        return None

    def match(self, wanted: Any, got: Any, bound: dict[str, str], *, ordered: bool) -> dict[str, str] | None:
        """The bindings under which ``got`` is ``wanted``, ``None`` when there are none."""
        if isinstance(wanted, str):
            return _match_text(wanted, got, bound)
        if isinstance(wanted, dict):
            return self._match_dict(wanted, got, bound, ordered=ordered)
        if isinstance(wanted, list):
            if not isinstance(got, list) or len(got) != len(wanted):
                return None
            if not ordered and all(isinstance(item, dict) and "objectId" in item for item in wanted):
                return self._match_set(wanted, got, bound)
            for one, other in zip(wanted, got, strict=True):
                found = self.match(one, other, bound, ordered=ordered)
                if found is None:
                    return None
                bound = found
            return bound
        same = wanted == got and isinstance(wanted, bool) == isinstance(got, bool)
        return bound if same else None

    def _match_dict(
        self, wanted: dict[str, Any], got: Any, bound: dict[str, str], *, ordered: bool
    ) -> dict[str, str] | None:
        if not isinstance(got, dict):
            return None
        wanted = {bound.get(key, key): value for key, value in wanted.items() if value is not None}
        got = {key: value for key, value in got.items() if value is not None}
        if set(wanted) != set(got):
            return None
        for key, value in wanted.items():
            found = self.match(value, got[key], bound, ordered=ordered or key not in ("results", "fields"))
            if found is None:
                return None
            bound = found
        return bound

    def _match_set(self, wanted: list[Any], got: list[Any], bound: dict[str, str]) -> dict[str, str] | None:
        left = list(got)
        for one in wanted:
            for place, other in enumerate(left):
                found = self.match(one, other, bound, ordered=True)
                if found is not None:
                    bound = found
                    del left[place]
                    break
            else:
                return None
        return bound


def _match_text(wanted: str, got: Any, bound: dict[str, str]) -> dict[str, str] | None:
    if not isinstance(got, str):
        return None
    if wanted == "{{date}}":
        return bound if _DATE.fullmatch(got) else None
    if wanted == "{{random}}":
        return bound
    if wanted.startswith("{files}/"):
        return bound if got.endswith(wanted.removeprefix("{files}")) else None
    if _PLACEHOLDER.fullmatch(wanted):
        if wanted in bound:
            return bound if bound[wanted] == got else None
        return {**bound, wanted: got}
    filled = _PLACEHOLDER.sub(lambda match: bound.get(match[0], match[0]), wanted)
    return bound if filled == got else None


def _schema_part(body: Any) -> Any:
    if not isinstance(body, dict) or "fields" not in body:
        return body
    permissions = dict(body["classLevelPermissions"])
    return {"className": body["className"], "fields": body["fields"], "classLevelPermissions": permissions}


def error_of(body: Any) -> Any:
    return body.get("error") if isinstance(body, dict) else None


def replay(scenario: dict[str, Any]) -> list[Step]:
    """The outcome of every step of a scenario, each played whether or not the one before was right."""
    given = scenario.get("options", {})
    options = {_ENGINE_OPTIONS[name]: value for name, value in given.items()}
    with parsekit.open(":memory:", **options) as engine:
        return played(scenario, Dispatcher(engine, OPTIONS).handle)


def played(scenario: dict[str, Any], handle: Callable[[Request], Response]) -> list[Step]:
    """The same on a server that is empty and has the scenario's options."""
    player = Replay(handle)
    return [player.step(number, step) for number, step in enumerate(scenario["steps"])]
