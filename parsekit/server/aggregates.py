"""``/aggregate``: pipelines and distinct values, for a master (AggregateRouter)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from parsekit.codec import JSON, encode_value, format_date
from parsekit.query.aggregate import decode_request
from parsekit.query.state import QueryState
from parsekit.server.guards import require_master
from parsekit.server.requests import Call, Response
from parsekit.server.routing import Router
from parsekit.values import Value

__all__ = ["ROUTES"]

_TIMES: Final = ("createdAt", "updatedAt")


def _aggregate(call: Call) -> Response:
    require_master(call)
    asked = decode_request(call.asked)
    name = call.captures["class_name"]
    aggregation = call.engine.aggregation
    if asked.distinct is not None:
        values = aggregation.distinct(QueryState(name, asked.where), asked.distinct, call.principal)
        return Response(200, {"results": [encode_value(value) for value in values]})
    rows = aggregation.run(QueryState(name), asked.pipeline, call.principal)
    return Response(200, {"results": [_row(row) for row in rows]})


def _row(row: Mapping[str, Value]) -> dict[str, JSON]:
    """A result; the times of an object are plain text, as in every row of Parse's."""
    return {
        key: format_date(value) if key in _TIMES and isinstance(value, datetime) else encode_value(value)
        for key, value in row.items()
    }


ROUTES: Final = Router()
ROUTES.add("GET", "/aggregate/{class_name}", _aggregate)
