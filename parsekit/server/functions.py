"""``/functions`` and ``/jobs``: cloud code called by name (FunctionsRouter)."""

from __future__ import annotations

import threading
from typing import Any, Final

from parsekit.cloud.webhooks import json_of
from parsekit.codec import JSON, decode_value
from parsekit.errors import ScriptError
from parsekit.object import PFObject
from parsekit.server.guards import require_writing_master
from parsekit.server.requests import Call, Response
from parsekit.server.routing import Router

__all__ = ["ROUTES"]


def _function(call: Call) -> Response:
    result = call.engine.hooks.call_function(
        call.captures["name"], _params(call), call.principal, call.context
    )
    return Response(200, {"result": json_of(result)})


def _job(call: Call) -> Response:
    """Start a job and answer at once; how it ends is told in its ``_JobStatus``."""
    require_writing_master(call, "run a job")
    name = call.captures["name"]
    jobs = call.engine.jobs
    if not call.engine.cloud.has_job(name):
        raise ScriptError("Invalid job.")
    started = jobs.start(name, _params(call), call.principal)
    threading.Thread(target=jobs.carry_out, args=(started,), name=f"parsekit-job-{name}", daemon=True).start()
    return Response(200, {}, {"X-Parse-Job-Status-Id": started.job_id})


def _params(call: Call) -> dict[str, Any]:
    return {key: _decoded(value) for key, value in call.asked.items()}


def _decoded(value: JSON) -> Any:
    """A parameter as a value: Parse decodes typed values at any depth, objects among them."""
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    if isinstance(value, dict):
        if value.get("__type") == "Object" and isinstance(value.get("className"), str):
            return PFObject.from_json(value)
        if "__type" in value:
            return decode_value(value)
        return {key: _decoded(item) for key, item in value.items()}
    return value


ROUTES: Final = Router()
ROUTES.add("POST", "/functions/{name}", _function)
ROUTES.add("POST", "/jobs/{name}", _job)
