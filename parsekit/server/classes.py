"""``/classes``: find, get, create, update, delete (ClassesRouter, rest.js).

Bodies become operations here and answers become JSON; every rule of a read or a write is the engine's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from parsekit.codec import JSON, encode_value, format_date
from parsekit.errors import InvalidQueryError
from parsekit.object import PFObject
from parsekit.query.ast import ALWAYS, And, Constraint
from parsekit.query.keys import CLIENT_KEYS, MASTER_KEYS
from parsekit.query.state import QueryState
from parsekit.query.where import decode_query
from parsekit.server.files import file_url
from parsekit.server.limits import check_include, limited, limited_inside, query_limits
from parsekit.server.options import ServerOptions
from parsekit.server.requests import Call, Response
from parsekit.server.routing import Router
from parsekit.server.writes import read_body

__all__ = ["ROUTES", "add_urls", "create", "delete", "find", "get", "shown", "update"]

_GET_KEYS: Final = frozenset(
    {"keys", "include", "excludeKeys", "includeAll", "readPreference", "includeReadPreference",
     "subqueryReadPreference"}
)  # fmt: skip


_EXPLAIN: Final = ("queryPlanner", "queryPlannerExtended", "executionStats", "allPlansExecution")


def find(call: Call, class_name: str) -> Response:
    """``GET /classes/C``."""
    # SAFETY: a master may name internal keys in conditions; whether they match anything is the engine's affair.
    special = MASTER_KEYS if call.principal.bypasses_permissions else CLIENT_KEYS
    asked = decode_query(class_name, call.asked, special_keys=special, limits=query_limits(call))
    asked = attrs.evolve(asked, state=_readable(asked.state, call))
    check_include(call, asked.state)
    if asked.explain is not None and not call.principal.bypasses_permissions:
        raise InvalidQueryError("Using the explain query parameter requires the master key")
    state, redirected = _redirected(call, limited_inside(call, limited(call, asked.state)))
    if asked.explain is not None and asked.explain is not False:
        return _explained(call, state, asked.explain)
    results: list[JSON] = []
    if state.limit != 0:
        results = [shown(call, obj) for obj in call.engine.find_objects(state, call.principal)]
    if redirected:
        for entry in results:
            entry["className"] = state.class_name
    body: dict[str, JSON] = {"results": results}
    if asked.count:
        body["count"] = call.engine.count_objects(state, call.principal)
    return Response(200, body)


def _readable(state: QueryState, call: Call) -> QueryState:
    """The query with its sender's own readers for a condition on ``_rperm`` (DatabaseController.addReadACL)."""
    if call.principal.bypasses_permissions:
        return state
    where = state.where
    parts = where.children if isinstance(where, And) else (where,)
    kept = tuple(part for part in parts if not (isinstance(part, Constraint) and part.key == "_rperm"))
    return state if len(kept) == len(parts) else attrs.evolve(state, where=And(kept))


def _explained(call: Call, state: QueryState, how: JSON) -> Response:
    """How a query would run; what SQLite has to say of it in the place of MongoDB's plan."""
    if how is not True and how not in _EXPLAIN:
        raise InvalidQueryError("Invalid value for explain")
    told = call.engine.explain_query(state, call.principal)
    return Response(200, {"results": {"ok": 1, "queryPlanner": told.to_json()}})


def _redirected(call: Call, state: QueryState) -> tuple[QueryState, bool]:
    """The query sent to the class that ``redirectClassNameForKey`` leads to, and whether it was (P9)."""
    if state.redirect_key is None:
        return state, False
    schema = call.engine.schema.get(state.class_name)
    field = None if schema is None else schema.fields.get(state.redirect_key)
    target = field.target if field is not None and field.type == "Relation" else None
    return attrs.evolve(state, class_name=target or state.class_name, redirect_key=None), True


def get(call: Call, class_name: str, object_id: str) -> Response:
    """``GET /classes/C/id``."""
    asked = call.asked
    if not _GET_KEYS.issuperset(asked):
        raise InvalidQueryError("Improper encode of parameter")
    state = attrs.evolve(decode_query(class_name, asked).state, where=ALWAYS)
    check_include(call, state)
    obj = call.engine.get_object(class_name, object_id, call.principal, None, state)
    return Response(200, shown(call, obj))


def create(call: Call, class_name: str) -> Response:
    """``POST /classes/C``."""
    body = read_body(call, class_name, creating=True)
    answer = call.engine.direct.create(
        class_name,
        body.operations,
        call.principal,
        object_id=body.object_id,
        created_at=body.created_at,
        updated_at=body.updated_at,
        context=call.context,
    )
    if not answer.created:
        return Response(200, {"updatedAt": format_date(answer.updated_at), **_echo(answer.echo)})
    location = f"{call.options.base_url}/classes/{class_name}/{answer.object_id}"
    entry: dict[str, JSON] = {"objectId": answer.object_id, "createdAt": format_date(answer.created_at)}
    return Response(201, {**entry, **_echo(answer.echo)}, {"Location": location})


def update(call: Call, class_name: str, object_id: str) -> Response:
    """``PUT /classes/C/id``."""
    body = read_body(call, class_name, creating=False)
    answer = call.engine.direct.update(
        class_name,
        object_id,
        body.operations,
        call.principal,
        new_id=body.object_id,
        context=call.context,
    )
    return Response(200, {"updatedAt": format_date(answer.updated_at), **_echo(answer.echo)})


def delete(call: Call, class_name: str, object_id: str) -> Response:
    """``DELETE /classes/C/id``."""
    call.engine.direct.delete(class_name, object_id, call.principal, context=call.context)
    return Response(200, {})


def shown(call: Call, obj: PFObject) -> dict[str, JSON]:
    """An object as a row of an answer, its files with the URLs that this server has for them."""
    entry = obj.to_fields_json()
    add_urls(call.options, entry)
    return entry


def add_urls(options: ServerOptions, entry: dict[str, JSON]) -> None:
    """Give each File of an object and of the objects included in it its URL (FilesController.expandFilesInObject)."""
    for value in entry.values():
        for item in value if type(value) is list else (value,):
            if type(item) is not dict:
                continue
            kind = item.get("__type")
            if kind == "File" and "url" not in item:
                item["url"] = file_url(options, item["name"])
            elif kind == "Object":
                add_urls(options, item)


def _echo(echo: Mapping[str, Any]) -> dict[str, JSON]:
    return {key: encode_value(value) for key, value in echo.items()}


ROUTES: Final = Router()
ROUTES.add("GET", "/classes/{class_name}", lambda call: find(call, call.captures["class_name"]))
ROUTES.add("POST", "/classes/{class_name}", lambda call: create(call, call.captures["class_name"]))
ROUTES.add(
    "GET",
    "/classes/{class_name}/{id}",
    lambda call: get(call, call.captures["class_name"], call.captures["id"]),
)
ROUTES.add(
    "PUT",
    "/classes/{class_name}/{id}",
    lambda call: update(call, call.captures["class_name"], call.captures["id"]),
)
ROUTES.add(
    "DELETE",
    "/classes/{class_name}/{id}",
    lambda call: delete(call, call.captures["class_name"], call.captures["id"]),
)
