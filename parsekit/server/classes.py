"""``/classes``: find, get, create, update, delete (ClassesRouter, rest.js).

Bodies become operations here and answers become JSON; every rule of a read or a write is the engine's.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any, Final

from parsekit import attrs
from parsekit.codec import JSON, encode_value, format_date
from parsekit.engine.row_json import add_urls as give_urls
from parsekit.errors import InvalidJsonError, InvalidQueryError, KeyNameError, ParseError
from parsekit.object import PFObject
from parsekit.query.ast import ALWAYS, And, Constraint
from parsekit.query.keys import CLIENT_KEYS, MASTER_KEYS
from parsekit.query.state import QueryState
from parsekit.query.where import FindRequest, QueryLimits, decode_query, decode_url_parameters
from parsekit.query.where.arguments import truthy
from parsekit.server.files import file_url
from parsekit.server.limits import check_include, limited, limited_inside, query_limits
from parsekit.server.options import ServerOptions
from parsekit.server.requests import Call, Response
from parsekit.server.routing import Router
from parsekit.server.writes import read_body

__all__ = ["ROUTES", "add_urls", "create", "delete", "find", "get", "shown", "update"]

_GET_KEYS: Final = frozenset(
    {"keys", "include", "excludeKeys", "readPreference", "includeReadPreference", "subqueryReadPreference"}
)  # fmt: skip


_LONGEST_REMEMBERED: Final = 1_000
_EXPLAIN: Final = ("queryPlanner", "queryPlannerExtended", "executionStats", "allPlansExecution")


def find(call: Call, class_name: str) -> Response:
    """``GET /classes/C``."""
    # SAFETY: a master may name internal keys in conditions; whether they match anything is the engine's affair.
    special = MASTER_KEYS if call.principal.bypasses_permissions else CLIENT_KEYS
    try:
        asked = _asked(call, class_name, special)
    except (KeyNameError, InvalidJsonError) as error:
        return _unreadable(call, class_name, error)
    asked = attrs.evolve(asked, state=_readable(asked.state, call))
    check_include(call, asked.state)
    if asked.explain is not None and not call.principal.bypasses_permissions:
        raise InvalidQueryError("Using the explain query parameter requires the master key")
    state, redirected = _redirected(call, limited_inside(call, limited(call, asked.state)))
    if asked.explain is not None and asked.explain is not False:
        return _explained(call, state, asked.explain)
    if state.limit != 0 and not redirected:
        texts = call.reads.find(state, call.principal)
        if texts is not None:
            end = f',"count":{call.engine.count_objects(state, call.principal)}' if asked.count else ""
            return Response(text=f'{{"results":[{",".join(texts)}]{end}}}')
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


def _unreadable(call: Call, class_name: str, error: ParseError) -> Response:
    """The answer to conditions that mean nothing, which come after the right to ask: where no rows are asked for,
    they are not looked at (RestQuery.runFind, DatabaseController.find).

    Raises:
        ParseError: what refuses the sender, else ``error``.
    """
    rest = {key: value for key, value in call.asked.items() if key != "where"}
    decode_query(class_name, rest)  # what is wrong with the rest of the request was told before
    counting = truthy(call.asked.get("count"))
    if isinstance(call.asked.get("where"), str):
        raise error
    if call.asked.get("limit") == 0 and not counting:
        return Response(200, {"results": []})
    if call.engine.schema.get(class_name) is not None:
        call.engine.view(call.principal).access(
            class_name, "count" if call.asked.get("limit") == 0 else "find"
        )
    raise error


def _asked(call: Call, class_name: str, special: frozenset[str]) -> FindRequest:
    """What is asked for. Clients ask the same again and again, so short queries are remembered by their text."""
    limits, query = query_limits(call), call.query
    is_long = sum(map(len, query.values())) > _LONGEST_REMEMBERED
    # a hook gets what its query holds, and may change it
    if call.body or not query or is_long or not call.engine.cloud.is_empty:
        return decode_query(class_name, call.asked, special_keys=special, limits=limits)
    return _decoded(class_name, tuple(query.items()), special, limits)


@lru_cache(maxsize=1_024)
def _decoded(
    class_name: str,
    query: tuple[tuple[str, str], ...],
    special: frozenset[str],
    limits: QueryLimits | None,
) -> FindRequest:
    parameters = decode_url_parameters(dict(query))
    return decode_query(class_name, parameters, special_keys=special, limits=limits)


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
    state = attrs.evolve(decode_query(class_name, asked).state, where=ALWAYS) if asked else None
    if state is not None:
        check_include(call, state)
    text = call.reads.get(class_name, object_id, call.principal, state)
    if text is not None:
        return Response(text=text)
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
    """Give each File of an object and of the objects included in it its URL."""
    give_urls(entry, partial(file_url, options))


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
