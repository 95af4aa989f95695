"""``/hooks``: functions and triggers that are URLs, for a master (HooksRouter)."""

from __future__ import annotations

from typing import Final

from parsekit.errors import parse_error
from parsekit.server.guards import require_master, require_writing_master
from parsekit.server.requests import Call, Response
from parsekit.server.routing import Router

__all__ = ["ROUTES"]


def _functions(call: Call) -> Response:
    require_master(call)
    return Response(200, list(call.engine.webhooks.functions()))


def _triggers(call: Call) -> Response:
    require_master(call)
    return Response(200, list(call.engine.webhooks.triggers()))


def _function(call: Call) -> Response:
    require_master(call)
    return Response(200, call.engine.webhooks.function(call.captures["name"]))


def _trigger(call: Call) -> Response:
    require_master(call)
    captures = call.captures
    return Response(200, call.engine.webhooks.trigger(captures["class_name"], captures["name"]))


def _create(call: Call) -> Response:
    require_writing_master(call, "create a hook")
    return Response(200, call.engine.webhooks.create(call.body))


def _change_function(call: Call) -> Response:
    require_writing_master(call, "modify a hook")
    name, webhooks = call.captures["name"], call.engine.webhooks
    if call.body.get("__op") == "Delete":
        webhooks.delete_function(name)
        return Response(200, {})
    return Response(200, webhooks.update({"functionName": name, "url": _url(call)}))


def _change_trigger(call: Call) -> Response:
    require_writing_master(call, "modify a hook")
    class_name, name = call.captures["class_name"], call.captures["name"]
    webhooks = call.engine.webhooks
    if call.body.get("__op") == "Delete":
        webhooks.delete_trigger(class_name, name)
        return Response(200, {})
    return Response(200, webhooks.update({"className": class_name, "triggerName": name, "url": _url(call)}))


def _url(call: Call) -> str:
    url = call.body.get("url")
    if not isinstance(url, str) or not url:
        raise parse_error(143, "invalid hook declaration")
    return url


ROUTES: Final = Router()
ROUTES.add("GET", "/hooks/functions", _functions)
ROUTES.add("GET", "/hooks/triggers", _triggers)
ROUTES.add("GET", "/hooks/functions/{name}", _function)
ROUTES.add("GET", "/hooks/triggers/{class_name}/{name}", _trigger)
ROUTES.add("POST", "/hooks/functions", _create)
ROUTES.add("POST", "/hooks/triggers", _create)
ROUTES.add("PUT", "/hooks/functions/{name}", _change_function)
ROUTES.add("PUT", "/hooks/triggers/{class_name}/{name}", _change_trigger)
