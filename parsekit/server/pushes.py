"""``/push`` and ``/push_audiences``, for a master (PushRouter, AudiencesRouter)."""

from __future__ import annotations

from typing import Any, Final

from parsekit.codec import JSON, loads
from parsekit.errors import InvalidJsonError, parse_error
from parsekit.server import classes
from parsekit.server.guards import require_master, require_writing_master
from parsekit.server.requests import Call, Response
from parsekit.server.routing import Router

__all__ = ["ROUTES"]

_AUDIENCE: Final = "_Audience"


def _push(call: Call) -> Response:
    require_writing_master(call, "send push notifications")
    status = call.engine.push.send(call.body, _where(call.body))
    return Response(200, {"result": True}, {"X-Parse-Push-Status-Id": status})


def _where(body: dict[str, JSON]) -> dict[str, JSON]:
    if "where" in body and "channels" in body:
        raise parse_error(115, "Channels and query can not be set at the same time.")
    if "where" in body:
        where = body["where"]
        where = loads(where) if isinstance(where, str) else where
        if not isinstance(where, dict):
            raise InvalidJsonError("where is an object")
        return where
    if "channels" in body:
        return {"channels": {"$in": body["channels"]}}
    raise parse_error(115, 'Sending a push requires either "channels" or a "where" query.')


def _with_query(entry: dict[str, Any]) -> dict[str, Any]:
    """An audience whose query, which is stored as text, is the JSON that it is."""
    text = entry.get("query")
    return {**entry, "query": loads(text)} if isinstance(text, str) else entry


def _find(call: Call) -> Response:
    require_master(call)
    response = classes.find(call, _AUDIENCE)
    found = [_with_query(entry) for entry in response.body["results"]]
    return Response(200, {**response.body, "results": found})


def _get(call: Call) -> Response:
    require_master(call)
    return Response(200, _with_query(classes.get(call, _AUDIENCE, call.captures["id"]).body))


def _create(call: Call) -> Response:
    require_master(call)
    return classes.create(call, _AUDIENCE)


def _update(call: Call) -> Response:
    require_master(call)
    return classes.update(call, _AUDIENCE, call.captures["id"])


def _delete(call: Call) -> Response:
    require_master(call)
    return classes.delete(call, _AUDIENCE, call.captures["id"])


ROUTES: Final = Router()
ROUTES.add("POST", "/push", _push)
ROUTES.add("GET", "/push_audiences", _find)
ROUTES.add("POST", "/push_audiences", _create)
ROUTES.add("GET", "/push_audiences/{id}", _get)
ROUTES.add("PUT", "/push_audiences/{id}", _update)
ROUTES.add("DELETE", "/push_audiences/{id}", _delete)
