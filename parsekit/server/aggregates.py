"""``/aggregate``: pipelines and distinct values, for a master (AggregateRouter)."""

from __future__ import annotations

from typing import Final

from parsekit.server.guards import require_master
from parsekit.server.requests import Call, Response
from parsekit.server.routing import Router

__all__ = ["ROUTES"]


def _aggregate(call: Call) -> Response:
    require_master(call)
    from parsekit.query.aggregate import decode_request
    from parsekit.query.state import QueryState

    name = call.captures["class_name"]
    asked = decode_request(call.asked)
    state = QueryState(name, asked.where)
    if asked.distinct is not None:
        return Response(200, {"results": call.engine.distinct_json(state, asked.distinct, call.principal)})
    return Response(200, {"results": call.engine.aggregate_json(state, asked.pipeline, call.principal)})


ROUTES: Final = Router()
ROUTES.add("GET", "/aggregate/{class_name}", _aggregate)
