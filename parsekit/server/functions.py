"""``/functions``, ``/jobs`` and ``/cloud_code/jobs``: cloud code called by name (FunctionsRouter, CloudCodeRouter)."""

from __future__ import annotations

import threading
from typing import Any, Final

from parsekit import attrs
from parsekit.cloud.webhooks import json_of
from parsekit.codec import JSON, decode_value, format_date
from parsekit.errors import InternalServerError, InvalidJsonError, ScriptError
from parsekit.object import PFObject
from parsekit.server import classes
from parsekit.server.guards import require_master, require_writing_master
from parsekit.server.requests import Call, Response
from parsekit.server.routing import Router

__all__ = ["ROUTES"]

_SCHEDULE: Final = "_JobSchedule"


def _function(call: Call) -> Response:
    result = call.engine.hooks.call_function(
        call.captures["name"], _params(call), call.principal, call.context
    )
    return Response(200, {"result": json_of(result)})


def _job(call: Call) -> Response:
    """Start a job and answer at once; how it ends is told in its ``_JobStatus``."""
    require_writing_master(call, "run a job")
    name = call.captures.get("name") or call.body.get("jobName")
    jobs = call.engine.jobs
    if not isinstance(name, str) or not call.engine.cloud.has_job(name):
        raise ScriptError("Invalid job.")
    started = jobs.start(name, _params(call), call.principal)
    threading.Thread(target=jobs.carry_out, args=(started,), name=f"parsekit-job-{name}", daemon=True).start()
    return Response(200, {}, {"X-Parse-Job-Status-Id": started.job_id})


def _params(call: Call) -> dict[str, Any]:
    """The parameters: the body's, over them those of the query string, which are text (FunctionsRouter)."""
    return {**{key: _decoded(value) for key, value in call.body.items()}, **call.query}


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


# --- job schedules, which parse-dashboard keeps and an outside clock carries out ---


def _schedules(call: Call) -> list[dict[str, Any]]:
    require_master(call)
    reading = attrs.evolve(call, body={}, params={})
    found: list[dict[str, Any]] = classes.find(reading, _SCHEDULE).body["results"]
    return found


def _list_schedules(call: Call) -> Response:
    return Response(200, list(_schedules(call)))


def _job_data(call: Call) -> Response:
    in_use: list[JSON] = [schedule.get("jobName") for schedule in _schedules(call)]
    return Response(200, {"in_use": in_use, "jobs": list(call.engine.cloud.job_names)})


def _scheduled(call: Call) -> Call:
    require_master(call)
    schedule = call.body.get("job_schedule")
    if not isinstance(schedule, dict):
        raise InvalidJsonError("job_schedule is an object")
    name = schedule.get("jobName")
    if name and not (isinstance(name, str) and call.engine.cloud.has_job(name)):
        raise InternalServerError("Cannot Schedule a job that is not deployed")
    return attrs.evolve(call, body={"startAfter": format_date(call.engine.options.clock()), **schedule})


def _create_schedule(call: Call) -> Response:
    return classes.create(_scheduled(call), _SCHEDULE)


def _change_schedule(call: Call) -> Response:
    return classes.update(_scheduled(call), _SCHEDULE, call.captures["id"])


def _delete_schedule(call: Call) -> Response:
    require_master(call)
    return classes.delete(call, _SCHEDULE, call.captures["id"])


ROUTES: Final = Router()
ROUTES.add("POST", "/functions/{name}", _function)
ROUTES.add("POST", "/jobs", _job)
ROUTES.add("POST", "/jobs/{name}", _job)
ROUTES.add("GET", "/cloud_code/jobs", _list_schedules)
ROUTES.add("GET", "/cloud_code/jobs/data", _job_data)
ROUTES.add("POST", "/cloud_code/jobs", _create_schedule)
ROUTES.add("PUT", "/cloud_code/jobs/{id}", _change_schedule)
ROUTES.add("DELETE", "/cloud_code/jobs/{id}", _delete_schedule)
