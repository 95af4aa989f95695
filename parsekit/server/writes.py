"""The body of a write -> operations, and the keys that a body may not have (RestWrite).

The order in which Parse Server looks at a body decides which of two errors is answered: the type that an operation
asks of its field comes before the operation's arguments.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, final

from parsekit import attrs
from parsekit.codec import JSON, decode_operation, decode_value
from parsekit.errors import (
    AclError,
    InternalServerError,
    InvalidJsonError,
    KeyNameError,
    MissingObjectIdError,
    TypeMismatchError,
    ValidationError,
)
from parsekit.operations import Operation, OperationSet, Set
from parsekit.query.where.arguments import truthy
from parsekit.schema import ClassSchema, Field, FieldType, field_for_value, field_type
from parsekit.server.requests import Call
from parsekit.server.scanning import check_keywords
from parsekit.values import MISSING, Value

__all__ = ["WriteBody", "read_body"]

_TIMES: Final = ("createdAt", "updatedAt")
_ASKED: Final[dict[str, FieldType]] = {
    "Increment": "Number",
    "Add": "Array",
    "AddUnique": "Array",
    "Remove": "Array",
}
_SUBSTANCE: Final = {"Bytes": "base64", "File": "name", "Date": "iso", "Polygon": "coordinates"}
"""What a typed value has to state to be one (SchemaController.getObjectType)."""


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
    check_keywords(call.body, call.options.request_keyword_denylist, call.text)
    fields = dict(call.body)
    object_id = _object_id(call, fields, class_name, creating=creating)
    schema = call.engine.schema.get(class_name)
    times = {key: _time(class_name, key, fields.pop(key)) for key in _TIMES if key in fields}
    # SAFETY: only the maintenance key, meant for imports, sets an object's times; they are ignored otherwise.
    if call.principal.kind != "maintenance":
        times = {}
    operations = OperationSet()
    for key, entry in fields.items():
        operations.perform(key, _operation(schema, class_name, key, entry))
    if creating and schema is not None and None in fields.values():
        _check_nulls(schema, fields)
    created = times.get("createdAt")
    return WriteBody(operations, object_id, created, times.get("updatedAt") if created else None)


def _named(entry: JSON) -> JSON:
    """An entry without the URL of a file: a file is known by its name, and where that is the server says."""
    if isinstance(entry, dict) and entry.get("__type") == "File":
        return {key: value for key, value in entry.items() if key != "url"}
    return entry


def _operation(schema: ClassSchema | None, class_name: str, key: str, entry: JSON) -> Operation:
    """The operation of one key of a body."""
    if type(entry) is dict:
        if key == "ACL" and truthy(entry.get("*unresolved")):
            raise AclError("Invalid ACL.", hint="ACL: a user in it has not been saved; save the user first")
        kind = entry.get("__type")
        stated = _SUBSTANCE.get(kind) if isinstance(kind, str) else None
        if stated is not None and not entry.get(stated):
            raise TypeMismatchError(f"This is not a valid {kind}")
    elif key == "ACL":
        # What is no ACL grants nothing, what JavaScript takes as false is none (transformObjectACL).
        return Set({} if truthy(entry) else None)
    try:
        return decode_operation(_named(entry))
    except (InvalidJsonError, InternalServerError):
        asked = _asked_type(entry)
        if schema is not None and asked is not None and (field := schema.fields.get(key)) is not None:
            found = Field(asked)
            if not field.accepts(found):
                raise _typed_otherwise(class_name, key, field, found) from None
        raise


def _asked_type(entry: JSON) -> FieldType | None:
    """The type that a value or an operation asks of its field, whatever else is wrong with it."""
    if type(entry) is not dict:
        return None
    return _ASKED.get(str(entry.get("__op"))) or field_type(str(entry.get("__type")))


def _check_nulls(schema: ClassSchema, fields: dict[str, JSON]) -> None:
    """A new object cannot be sent null for a field that has a default value; Parse Server fails on it.

    Raises:
        ValidationError: 142.
    """
    for key, entry in fields.items():
        field = schema.fields.get(key)
        if entry is None and field is not None and field.default is not MISSING:
            raise ValidationError(f"{key} is null, but has a default value: leave it out")


def _object_id(call: Call, fields: dict[str, JSON], class_name: str, *, creating: bool) -> str | None:
    given = fields.pop("objectId", None) if "objectId" in fields else None
    present = "objectId" in call.body
    if not call.engine.options.allow_custom_object_id:
        # SAFETY: the maintenance key restores objects under their ids.
        if present and creating and call.principal.kind != "maintenance":
            raise KeyNameError("objectId is an invalid field name.")
        if "id" in fields and creating:
            raise KeyNameError("id is an invalid field name.")
    elif present and creating and not truthy(given):
        raise MissingObjectIdError("objectId must not be empty, null or undefined")
    if given is None or given == "":
        return None
    if not isinstance(given, str):
        raise _mismatch(class_name, "objectId", Field("String"), decode_value(given))
    return given


def _time(class_name: str, key: str, entry: JSON) -> datetime | None:
    if isinstance(entry, dict) and entry.get("__op") == "Delete":
        return None
    value = decode_value(entry)
    if value is not None and not isinstance(value, datetime):
        raise _mismatch(class_name, key, Field("Date"), value)
    return value


def _mismatch(class_name: str, key: str, field: Field, value: Value) -> TypeMismatchError:
    return _typed_otherwise(class_name, key, field, field_for_value(value))


def _typed_otherwise(class_name: str, key: str, field: Field, found: Field | None) -> TypeMismatchError:
    got = "null" if found is None else found.describe()
    return TypeMismatchError(
        f"schema mismatch for {class_name}.{key}; expected {field.describe()} but got {got}"
    )
