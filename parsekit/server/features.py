"""What a server says of itself: ``/health`` and ``/serverInfo``."""

from __future__ import annotations

from typing import Final

from parsekit.codec import JSON
from parsekit.server.guards import require_master
from parsekit.server.requests import Call, Response
from parsekit.server.routing import Router

__all__ = ["PARSE_SERVER_VERSION", "ROUTES"]

PARSE_SERVER_VERSION: Final = "9.10.0"
"""The Parse Server whose behavior parsekit has; parse-dashboard reads it."""

_CRUD: Final = {"create": True, "read": True, "update": True, "delete": True}
_SCHEMA_VERBS: Final = (
    "addField", "removeField", "addClass", "removeClass", "clearAllDataFromClass", "editClassLevelPermissions",
    "editPointerPermissions",
)  # fmt: skip


def _health(_call: Call) -> Response:
    return Response(200, {"status": "ok"})


def _server_info(call: Call) -> Response:
    require_master(call)
    pushes = call.engine.push.is_possible
    features: dict[str, JSON] = {
        "globalConfig": dict(_CRUD),
        "hooks": dict(_CRUD),
        "cloudCode": {"jobs": True},
        "logs": {"level": True, "size": True, "order": True, "until": True, "from": True},
        "push": {"immediatePush": pushes, "scheduledPush": False, "storedPushData": pushes, "pushAudiences": True,
                 "localization": True},
        "schemas": {**dict.fromkeys(_SCHEMA_VERBS, True), "exportClass": False},
        "settings": {"securityCheck": call.options.security.enable_check},
    }  # fmt: skip
    return Response(200, {"features": features, "parseServerVersion": PARSE_SERVER_VERSION})


ROUTES: Final = Router()
ROUTES.add("GET", "/health", _health, kind="public")
ROUTES.add("GET", "/serverInfo", _server_info)
