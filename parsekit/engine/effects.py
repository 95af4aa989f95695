"""What operations make of an object: its new values, and what a write's answer says of them.

``work_out`` fills a ``Write`` from its operations and the values that are there; what a single operation means is said
in ``operations``. ``echo_of`` is the REST answer beyond objectId and dates, ``learned_from`` the same for a
``PFObject``, which wants whole values where REST shows the touched parts of a dotted path.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from parsekit.codec import check_interior, close_polygon, too_deep
from parsekit.errors import ValidationError
from parsekit.operations import (
    Add,
    AddRelation,
    AddUnique,
    Increment,
    Operation,
    RelationChange,
    Remove,
    RemoveRelation,
    Sequence,
    Set,
    SetOnInsert,
    apply_path,
    relation_change,
    value_on_create,
)
from parsekit.schema import ClassSchema, check_enum, fits
from parsekit.values import MISSING, Missing, PFGeoPoint, PFPolygon, Pointer, Value

if TYPE_CHECKING:
    from parsekit.engine.write import Write

__all__ = [
    "DELETED",
    "check_values",
    "echo_of",
    "fill_defaults",
    "learned_from",
    "still_required",
    "take_plain",
    "work_out",
]

_RELATIONS: Final = (AddRelation, RemoveRelation, RelationChange)
_ANSWERED: Final = (Increment, Add, AddUnique, Remove, SetOnInsert, Sequence)
_UNSET: Final = (MISSING, None, "")
_SCALARS: Final = {
    str: "String",
    int: "Number",
    float: "Number",
    bool: "Boolean",
    datetime: "Date",
    bytes: "Bytes",
    PFGeoPoint: "GeoPoint",
}
_JUDGED: Final = frozenset({"ACL", "Relation", "Polygon"})
"""Types whose values are not simply stored."""


def take_plain(write: Write, schema: ClassSchema) -> bool:
    """Fill in the values of a write that only sets fields that are there, to values of their types, and the ACL.

    One look at each value, for the writes that nearly all writes are; ``False`` and nothing filled in for any other,
    which ``infer`` and ``work_out`` then judge.
    """
    fields = schema.fields
    changed: dict[str, Value] = {}
    acl: Value | Missing = MISSING
    for key, operation in write.operations.items():
        field = fields.get(key)
        if field is None or type(operation) is not Set:
            return False
        value, kind = operation.value, field.type
        found = _SCALARS.get(type(value))
        if found is not None:
            if found != kind:
                return False
        elif key == "ACL":
            if value is not None:
                acl = value
            continue
        elif type(value) is Pointer:
            if kind != "Pointer" or (field.targets and value.class_name not in field.targets):
                return False
        elif kind in _JUDGED or not fits(field, value):
            return False
        elif type(value) is dict or type(value) is list:
            if type(value) is dict and "__type" in value:
                return False
            check_interior(value, write.max_nesting)
        changed[key] = value
    write.changed = changed
    if acl is not MISSING:
        write.acl = acl
    write.plain = True
    return True


def work_out(write: Write, schema: ClassSchema) -> None:
    """Fill in the values that the operations lead to; the fields exist and are of the operations' types.

    Raises:
        NestedKeyError: 121, a nested key with ``$`` or ``.``.
        InternalServerError: 1, nested too deeply.
        TypeMismatchError: 111, an operation does not go with a value inside an Object or Array.
    """
    creating, changed = write.old is None, write.changed
    for key, operation in write.operations.items():
        if key == "ACL":
            _set_acl(write, operation)
            continue
        if isinstance(operation, _RELATIONS):
            write.relations[key] = _members(operation)
            continue
        if type(operation) is Set and "." not in key:
            after: Value | Missing = operation.value
            if isinstance(after, dict | list):
                check_interior(after, write.max_nesting)
            elif type(after) is PFPolygon:
                after = close_polygon(after)
            changed[key] = after
            continue
        root, *path = key.split(".")
        _check_arguments(operation, write.max_nesting, len(path))
        fresh = creating and not path
        after = value_on_create(operation) if fresh else apply_path(operation, write.value(root), path)
        if after is not MISSING:
            changed[root] = after
            if root in write.removed:
                write.removed.remove(root)
        else:
            changed.pop(root, None)
            write.removed.append(root)
    _drop_unknown(write, schema)


def _set_acl(write: Write, operation: Operation) -> None:
    """An ACL that is set to null counts as not sent; one that is deleted locks the object (server_divergences.md)."""
    if not isinstance(operation, Set):
        write.acl = {}
    elif operation.value is not None:
        write.acl = operation.value


def _check_arguments(operation: Operation, levels: int, depth: int) -> None:
    """Check what an operation puts ``depth`` levels below a field's value."""
    if depth > levels:
        raise too_deep(levels)
    if isinstance(operation, Add | AddUnique):
        check_interior(operation.objects, levels - depth)
    elif isinstance(operation, Set | SetOnInsert):
        check_interior(operation.value, levels - depth)


def _drop_unknown(write: Write, schema: ClassSchema) -> None:
    """Null defines no field, so a key without one holds nothing; nor do relation fields hold a value."""
    fields = schema.fields
    for key in [key for key in write.changed if key not in fields or fields[key].type == "Relation"]:
        del write.changed[key]
    if write.removed:
        write.removed[:] = [key for key in write.removed if key in fields and fields[key].type != "Relation"]


def _members(operation: AddRelation | RemoveRelation | RelationChange) -> tuple[list[str], list[str]]:
    change = relation_change(operation)
    return [item.object_id for item in change.added], [item.object_id for item in change.removed]


# --- what the schema asks ---


def fill_defaults(write: Write, schema: ClassSchema) -> None:
    """Give a new object its default values, and refuse it without its required ones (RestWrite).

    A key that is deleted takes its default too; one that is null or "" does not.

    Raises:
        ValidationError: 142 ``f is required``.
    """
    for key in schema.demanding:
        field = schema.fields[key]
        if field.default is not MISSING and key not in write.changed:
            write.changed[key] = field.default
            write.echo[key] = field.default
            if key in write.removed:
                write.removed.remove(key)
        elif field.required and write.value(key) in _UNSET and not _exempt(write, key):
            raise ValidationError(f"{key} is required")


def still_required(write: Write, schema: ClassSchema) -> None:
    """Refuse an update that empties a required key.

    Raises:
        ValidationError: 142 ``f is required``.
    """
    for key in schema.demanding:
        touched = key in write.changed or key in write.removed
        if not touched or not schema.fields[key].required:
            continue
        if write.value(key) in _UNSET and not _exempt(write, key):
            raise ValidationError(f"{key} is required")


def _exempt(write: Write, key: str) -> bool:
    """A user's password is not stored under its key; the rules of ``_User`` check that there is one."""
    return write.class_name == "_User" and key in ("password", "username", "email")


def check_values(write: Write, schema: ClassSchema) -> None:
    """Hold the new values to the enumerations of their fields. Raises ``ValidationError`` (142)."""
    changed = write.changed
    for key in schema.enumerated:
        if key in changed:
            value, field = changed[key], schema.fields[key]
            if type(value) is not str or value not in field.enum:
                check_enum(key, field, value)


# --- what is answered ---


DELETED: Final[Value] = {"__op": "Delete"}
"""How an answer says that a hook removed a key which its author has set."""


def learned_from(write: Write) -> dict[str, Value | Missing]:
    """The values of a write that its author cannot know: results of operations, defaults, what hooks changed."""
    learned: dict[str, Value | Missing] = dict(write.echo)
    if write.plain and not write.hook_keys:
        return learned
    for key, operation in write.operations.items():
        root = key.partition(".")[0]
        if root != "ACL" and (root != key or isinstance(operation, _ANSWERED)):
            learned[root] = write.value(root)
    for key in write.hook_keys:
        if key not in write.relations:
            root = key.partition(".")[0]
            learned[root] = write.acl if root == "ACL" else write.value(root)
    return learned


def echo_of(write: Write) -> dict[str, Value]:
    """What REST answers beyond objectId and dates (DatabaseController.sanitizeDatabaseResult)."""
    echo: dict[str, Value] = {}
    for key, operation in write.operations.items():
        if isinstance(operation, _ANSWERED):
            _expand(echo, key.split("."), write.value(key.partition(".")[0]))
    changed: dict[str, Value | Missing] = dict(write.echo)
    for key in write.hook_keys:
        if key not in write.relations:
            root = key.partition(".")[0]
            value = write.acl if root == "ACL" else write.value(root)
            changed[root] = DELETED if value is MISSING and root not in write.echo else value
    echo.update({key: value for key, value in changed.items() if value is not MISSING})
    echo.update(write.after)
    return echo


def _expand(echo: dict[str, Value], path: list[str], value: Value | Missing) -> None:
    """Put the value that ``path`` leads to at that path, the whole array where the path goes into one."""
    root = path[0]
    if value is MISSING:
        return
    if len(path) == 1 or isinstance(value, list):
        echo[root] = value
        return
    branch: Any = echo.setdefault(root, {})
    for part in path[1:-1]:
        value = value.get(part, MISSING) if isinstance(value, dict) else MISSING
        branch = branch.setdefault(part, {})
    found = value.get(path[-1], MISSING) if isinstance(value, dict) else MISSING
    if found is not MISSING:
        branch[path[-1]] = found
