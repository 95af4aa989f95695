"""``GET <mount>/docs``: one page on which the loaded schema is read and its calls are tried.

The page is ``playground.html`` with its data in the place of a mark: the classes as the data dictionary has them, the
routes, and what a client needs to call them. It is for whoever sits at the server: other machines get 403, since the
schema is not public. The master key is never in the page.
"""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Final

from parsekit.codec import JSON
from parsekit.diagram import dictionary_of, stated_classes
from parsekit.schema import ClassSchema
from parsekit.server.addresses import is_among
from parsekit.server.faults import HttpError
from parsekit.server.options import LOOPBACK, ServerOptions
from parsekit.server.requests import Call, Response
from parsekit.server.routing import Router

__all__ = ["ROUTES"]

_MARK: Final = "__DATA__"
_HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
        "connect-src 'self' ws: wss:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}
_ENDPOINTS: Final = (
    ("GET", "/classes/{class}", "Objects that match where; order, limit, skip, keys, include, count"),
    ("POST", "/classes/{class}", "Create an object"),
    ("GET", "/classes/{class}/{objectId}", "One object; keys, include"),
    ("PUT", "/classes/{class}/{objectId}", "Change an object: values and operations"),
    ("DELETE", "/classes/{class}/{objectId}", "Delete an object"),
    ("POST", "/batch", "Up to 50 creates, updates and deletes; transaction: true for all or nothing"),
    ("GET", "/aggregate/{class}", "An aggregation pipeline (master key)"),
    ("POST", "/users", "Sign up"),
    ("POST", "/login", "Log in: a session token"),
    ("POST", "/logout", "End the session"),
    ("GET", "/users/me", "The user of the session"),
    ("POST", "/requestPasswordReset", "Mail a link for a new password"),
    ("GET", "/sessions", "Sessions of the user"),
    ("GET", "/roles", "Roles"),
    ("POST", "/functions/{name}", "Call a cloud function"),
    ("POST", "/jobs/{name}", "Start a job (master key)"),
    ("POST", "/files/{name}", "Upload a file"),
    ("GET", "/config", "The configuration's parameters"),
    ("GET", "/schemas", "Every class with fields, permissions and indexes (master key)"),
    ("GET", "/health", "Whether the server is up; no key needed"),
)
_CLIENT_KEYS: Final = (
    ("javascript_key", "X-Parse-JavaScript-Key", "javascriptKey"),
    ("rest_key", "X-Parse-REST-API-Key", "restAPIKey"),
    ("client_key", "X-Parse-Client-Key", "clientKey"),
)


def _page(call: Call) -> Response:
    if not is_among(call.client_host, LOOPBACK):
        raise HttpError(403, {"error": "unauthorized"})
    data: dict[str, JSON] = {
        "appId": call.options.app_id,
        "clientKey": _client_key(call.options),
        "classes": [_class(item) for item in stated_classes(call.engine.schema)],
        "routes": [{"method": method, "path": path, "says": says} for method, path, says in _ENDPOINTS],
    }
    return Response(200, _template().replace(_MARK, _script_text(data)), headers=_HEADERS)


@functools.cache
def _template() -> str:
    return resources.files("parsekit.server").joinpath("playground.html").read_text("utf-8")


def _script_text(data: JSON) -> str:
    """JSON that cannot end the element it stands in."""
    return json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")


def _client_key(options: ServerOptions) -> JSON:
    """The key that every client of the application carries, with how calls and live queries name it."""
    for attribute, header, live in _CLIENT_KEYS:
        value: str | None = getattr(options, attribute)
        if value is not None:
            return {"header": header, "live": live, "value": value}
    return None


def _class(item: ClassSchema) -> JSON:
    fields: list[JSON] = []
    for entry in dictionary_of(item):
        field = item.fields[entry.field]
        values: list[JSON] = [value for value in field.enum if isinstance(value, str)]
        fields.append({**entry.to_json(), "values": values, "targets": list(field.targets)})
    return {"name": item.name, "fields": fields}


ROUTES: Final = Router()
ROUTES.add("GET", "/docs", _page, kind="public")
