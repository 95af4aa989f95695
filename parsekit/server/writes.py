"""The body of a write -> operations, and the keys that a body may not have (RestWrite)."""

from __future__ import annotations

from datetime import datetime
from typing import Final, final

import attrs

from parsekit.codec import JSON, decode_operation, decode_value
from parsekit.errors import KeyNameError, MissingObjectIdError, TypeMismatchError
from parsekit.operations import OperationSet
from parsekit.schema import Field, field_for_value
from parsekit.server.requests import Call
from parsekit.server.scanning import check_keywords
from parsekit.values import Value

__all__ = ["WriteBody", "read_body"]

_TIMES: Final = ("createdAt", "updatedAt")


@final
@attrs.frozen(slots=True)
class WriteBody:
    """What a write asks for. The times are ``None`` for everybody but the maintenance key."""

    operations: OperationSet
    object_id: str | None
    created_at: datetime | None
    updated_at: datetime | None


def read_body(call: Call, class_name: str, *, creating: bool) -> WriteBody:
    """The operations of a write's body.

    Raises:
        ParseError: 104, 105, a bad objectId; 107, 108 and 111 of ``codec.decode_operation``; 111, a value for
            createdAt or updatedAt that is no date.
    """
    check_keywords(call.body, call.options.request_keyword_denylist)
    fields = dict(call.body)
    object_id = _object_id(call, fields, class_name, creating=creating)
    times = {key: _time(class_name, key, fields.pop(key)) for key in _TIMES if key in fields}
    # SAFETY: only the maintenance key, meant for imports, sets an object's times; they are ignored otherwise.
    if call.principal.kind != "maintenance":
        times = {}
    operations = OperationSet()
    for key, entry in fields.items():
        operations.perform(key, decode_operation(_named(entry)))
    created = times.get("createdAt")
    return WriteBody(operations, object_id, created, times.get("updatedAt") if created else None)


def _named(entry: JSON) -> JSON:
    """An entry without the URL of a file: a file is known by its name, and where that is the server says."""
    if isinstance(entry, dict) and entry.get("__type") == "File":
        return {key: value for key, value in entry.items() if key != "url"}
    return entry


def _object_id(call: Call, fields: dict[str, JSON], class_name: str, *, creating: bool) -> str | None:
    given = fields.pop("objectId", None) if "objectId" in fields else None
    present = "objectId" in call.body
    if not call.engine.options.allow_custom_object_id:
        # SAFETY: the maintenance key restores objects under their ids.
        if present and creating and call.principal.kind != "maintenance":
            raise KeyNameError("objectId is an invalid field name.")
        if "id" in fields and creating:
            raise KeyNameError("id is an invalid field name.")
    elif present and creating and not given:
        raise MissingObjectIdError("objectId must not be empty, null or undefined")
    if given is None or given == "":
        return None
    if not isinstance(given, str):
        raise _mismatch(class_name, "objectId", Field("String"), decode_value(given))
    return given


def _time(class_name: str, key: str, entry: JSON) -> datetime | None:
    value = decode_value(entry)
    if value is not None and not isinstance(value, datetime):
        raise _mismatch(class_name, key, Field("Date"), value)
    return value


def _mismatch(class_name: str, key: str, field: Field, value: Value) -> TypeMismatchError:
    found = field_for_value(value)
    got = "null" if found is None else found.describe()
    return TypeMismatchError(
        f"schema mismatch for {class_name}.{key}; expected {field.describe()} but got {got}"
    )
