"""``/schemas`` and ``/purge``: the classes of the application, for a master (SchemasRouter, PurgeRouter)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from parsekit.acl.clp import render_permissions
from parsekit.codec import JSON
from parsekit.engine.schema_edits import bad_class_name
from parsekit.errors import ClassNameError, parse_error
from parsekit.query.keys import js_text
from parsekit.schema import SYSTEM_CLASSES, VOLATILE_CLASSES, ClassSchema
from parsekit.schema_json import class_to_json
from parsekit.server.guards import require_master, require_writing_master
from parsekit.server.requests import Call, Response
from parsekit.server.routing import Router
from parsekit.values import MISSING

__all__ = ["ROUTES"]


def _rendered(item: ClassSchema) -> dict[str, JSON]:
    """The answer's form; where a class has indexes, MongoDB's own is among them."""
    entry: dict[str, JSON] = {**class_to_json(item), "classLevelPermissions": render_permissions(item)}
    indexes = entry.get("indexes")
    if isinstance(indexes, dict) and item.name not in SYSTEM_CLASSES:
        entry["indexes"] = {"_id_": {"_id": 1}, **indexes}
    return entry


def _list(call: Call) -> Response:
    require_master(call)
    return Response(200, {"results": [_rendered(item) for item in call.engine.schema_edits.listed()]})


def _get(call: Call) -> Response:
    require_master(call)
    name = call.captures["class_name"]
    found = next((item for item in call.engine.schema_edits.listed() if item.name == name), None)
    if found is None and name in VOLATILE_CLASSES:
        return Response(200, {**class_to_json(ClassSchema.new(name)), "classLevelPermissions": {}})
    if found is None:
        raise ClassNameError(f"Class {name} does not exist.")
    return Response(200, _rendered(found))


def _class_name(call: Call) -> str | None:
    in_path, in_body = call.captures.get("class_name"), call.body.get("className")
    if in_body is not None and not isinstance(in_body, str):
        raise bad_class_name(js_text(in_body))
    if in_path and in_body and in_path != in_body:
        raise ClassNameError(f"Class name mismatch between {in_body} and {in_path}.")
    return in_path or in_body


def _create(call: Call) -> Response:
    require_writing_master(call, "create a schema")
    name = _class_name(call)
    if not name:
        raise parse_error(135, f"POST {call.path} needs a class name.")
    body = call.body
    made = call.engine.schema_edits.create(
        name, body.get("fields"), body.get("classLevelPermissions"), body.get("indexes")
    )
    return Response(200, _rendered(made))


def _update(call: Call) -> Response:
    require_writing_master(call, "update a schema")
    body = call.body
    name = _class_name(call) or ""
    permissions = body.get("classLevelPermissions", MISSING)
    changed = call.engine.schema_edits.alter(name, body.get("fields"), permissions, body.get("indexes"))
    entry = _rendered(changed)
    _add_protected(entry, call.engine.options.protection.fields.get(changed.name, {}))
    return Response(200, entry)


def _add_protected(entry: dict[str, JSON], groups: Mapping[str, Iterable[str]]) -> None:
    """Show among a class's protected fields those that the server's option protects, as an update does."""
    permissions = entry["classLevelPermissions"]
    assert isinstance(permissions, dict)
    stated = permissions.get("protectedFields")
    shown: dict[str, JSON] = dict(stated) if isinstance(stated, dict) else {}
    for group, keys in groups.items():
        known = shown.get(group)
        shown[group] = list(dict.fromkeys([*(known if isinstance(known, list) else ()), *keys]))
    entry["classLevelPermissions"] = {**permissions, "protectedFields": shown}


def _delete(call: Call) -> Response:
    require_writing_master(call, "delete a schema")
    call.engine.schema_edits.drop(call.captures["class_name"])
    return Response(200, {})


def _purge(call: Call) -> Response:
    require_writing_master(call, "purge a schema")
    call.engine.schema_edits.purge(call.captures["class_name"])
    return Response(200, {})


ROUTES: Final = Router()
ROUTES.add("GET", "/schemas", _list)
ROUTES.add("POST", "/schemas", _create)
ROUTES.add("GET", "/schemas/{class_name}", _get)
ROUTES.add("POST", "/schemas/{class_name}", _create)
ROUTES.add("PUT", "/schemas/{class_name}", _update)
ROUTES.add("DELETE", "/schemas/{class_name}", _delete)
ROUTES.add("DELETE", "/purge/{class_name}", _purge)
