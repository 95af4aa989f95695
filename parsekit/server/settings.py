"""``/config``: the application's parameters (GlobalConfigRouter)."""

from __future__ import annotations

from typing import Final

from parsekit.codec import JSON, encode_value
from parsekit.errors import InvalidJsonError
from parsekit.server.classes import add_urls
from parsekit.server.guards import require_writing_master
from parsekit.server.requests import Call, Response
from parsekit.server.routing import Router
from parsekit.server.scanning import check_keywords

__all__ = ["ROUTES"]


def _read(call: Call) -> Response:
    found = call.engine.config.read(call.principal)
    params = {key: encode_value(value) for key, value in found.params.items()}
    add_urls(call.options, params)
    body: dict[str, JSON] = {"params": params}
    if found.master_only is not None:
        body["masterKeyOnly"] = dict(found.master_only)
    return Response(200, body)


def _update(call: Call) -> Response:
    require_writing_master(call, "update the config")
    params, master_only = (call.body.get(key) or {} for key in ("params", "masterKeyOnly"))
    if not isinstance(params, dict) or not isinstance(master_only, dict):
        raise InvalidJsonError("params and masterKeyOnly are objects")
    check_keywords(params, call.options.request_keyword_denylist)
    only = {key: value is True for key, value in master_only.items()}
    call.engine.config.update(params, call.principal, master_only=only, context=call.context)
    return Response(200, {"result": True})


ROUTES: Final = Router()
ROUTES.add("GET", "/config", _read)
ROUTES.add("PUT", "/config", _update)
