"""The JSON form of a schema: Parse's own (``GET /schemas``) and schema files, both ways.

A document is ``{"classes": [...]}`` (the form of Back4app's templates), ``{"results": [...]}`` (Parse's answer), a
list of classes, or one class. Beyond Parse's keys a field may have ``targetClasses`` (a list), ``enum`` (a list) and
``description`` (a text for people).
All mistakes of a document are found in one reading and reported together, each with its path.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal

from parsekit.codec import decode_value, encode_value
from parsekit.errors import ParseError, SchemaError, did_you_mean
from parsekit.schema import (
    FIELD_TYPES,
    OPEN_PERMISSIONS,
    ClassSchema,
    Field,
    Index,
    Ownership,
    Schema,
    default_fields,
    field_for_value,
    field_type,
    is_class_name,
    is_field_name,
)
from parsekit.values import MISSING, Missing, Value

__all__ = [
    "class_from_json",
    "class_to_json",
    "field_to_json",
    "index_kind",
    "schema_from_json",
    "schema_to_json",
]

_CLASS_KEYS: Final = ("className", "fields", "indexes", "classLevelPermissions", "ownership")
_ACCESSES: Final = ("read", "write")
_DIRECTIONS: Final[dict[str, Value]] = {"text": "text", "geo": "2dsphere", "totals": "totals"}
_FIELD_KEYS: Final = (
    "type",
    "targetClass",
    "targetClasses",
    "required",
    "defaultValue",
    "enum",
    "description",
)


def schema_from_json(*documents: Value) -> Schema:
    """The schema of one or several JSON documents; later ones extend earlier ones.

    Raises:
        SchemaError: everything that is wrong, each problem with its path.
    """
    problems: list[str] = []
    schema = Schema()
    for number, document in enumerate(documents):
        place = "schema" if len(documents) == 1 else f"schema[{number}]"
        try:
            schema = schema.extended_with(_document(document, place, problems, schema))
        except SchemaError as error:
            problems.extend(error.problems)
    _check_targets(schema, problems)
    if problems:
        raise SchemaError(problems)
    return schema


def _document(document: Value, place: str, problems: list[str], before: Schema) -> Schema:
    entries: Value = document
    if isinstance(document, Mapping):
        key = next((k for k in ("classes", "results") if k in document), None)
        entries = [document] if key is None else document[key]
        place = place if key is None else f"{place}.{key}"
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        problems.append(f"{place}: expected a list of classes, got {type(entries).__name__}")
        return Schema()
    classes: dict[str, ClassSchema] = {}
    for number, entry in enumerate(entries):
        item = class_from_json(entry, f"{place}[{number}]", problems, before)
        if item is None:
            continue
        if item.name in classes:
            problems.append(f"{place}[{number}].className: {item.name} is described twice; merge the two")
        classes[item.name] = item
    return Schema(classes)


def class_from_json(
    entry: Value, place: str, problems: list[str], before: Schema | None = None
) -> ClassSchema | None:
    """One class; problems are appended to ``problems`` and ``None`` is returned when there is no class name.

    ``before`` is the schema that the class extends: an index may be on fields that are described there.
    """
    if not isinstance(entry, Mapping):
        problems.append(f"{place}: expected a class as an object, got {type(entry).__name__}")
        return None
    name = entry.get("className")
    if not isinstance(name, str) or not is_class_name(name):
        problems.append(
            f"{place}.className: {name!r} is not a class name; start with a letter, then letters, digits, _"
        )
        return None
    place = f"{place}({name})"
    _unknown_keys(entry, _CLASS_KEYS, place, problems)
    fields = _fields(name, entry.get("fields", {}), f"{place}.fields", problems)
    extended = None if before is None else before.get(name)
    known = {**default_fields(name), **({} if extended is None else extended.fields), **fields}
    indexes = _indexes(known, entry.get("indexes", {}), f"{place}.indexes", problems)
    permissions = entry.get("classLevelPermissions")
    if permissions is not None and not isinstance(permissions, Mapping):
        problems.append(
            f"{place}.classLevelPermissions: expected an object, got {type(permissions).__name__}"
        )
        permissions = None
    frozen = None if permissions is None else MappingProxyType(dict(permissions))
    ownership = None
    if "ownership" in entry:
        ownership = _ownership(entry["ownership"], known, f"{place}.ownership", problems)
    return ClassSchema.new(name, fields, indexes=indexes, permissions=frozen, ownership=ownership)


def _ownership(entry: Value, known: Mapping[str, Field], place: str, problems: list[str]) -> Ownership | None:
    if not isinstance(entry, Mapping):
        problems.append(f'{place}: expected an object such as {{"read": ["owner"], "write": ["owner"]}}')
        return None
    _unknown_keys(entry, _ACCESSES, place, problems)
    named: dict[str, tuple[str, ...]] = {}
    for access in _ACCESSES:
        names = entry.get(access, [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            problems.append(f"{place}.{access}: expected a list of fields, roles, currentUser or *")
            continue
        problems.extend(_ownership_problems(names, known, f"{place}.{access}"))
        named[access] = tuple(names)
    return Ownership(named.get("read", ()), named.get("write", ()))


def _ownership_problems(names: Iterable[str], known: Mapping[str, Field], place: str) -> Iterable[str]:
    for name in (part for entry in names for part in entry.split("|")):
        if name in ("*", "currentUser") or name.startswith("role:"):
            continue
        field = known.get(name)
        if field is None:
            yield f'{place}: there is no field "{name}"{did_you_mean(name, known)}; write roles as role:{name}'
        elif field.type != "Array" and (field.type != "Pointer" or "_User" not in field.targets):
            yield f'{place}: field "{name}" is {field.describe()}; name a Pointer<_User> or an Array of users'


def _unknown_keys(entry: Mapping[str, Value], known: Iterable[str], place: str, problems: list[str]) -> None:
    names = tuple(known)
    problems.extend(
        f'{place}: unknown key "{key}"{did_you_mean(str(key), names)}; known are {", ".join(names)}'
        for key in entry
        if key not in names
    )


def _fields(class_name: str, entries: Value, place: str, problems: list[str]) -> dict[str, Field]:
    if not isinstance(entries, Mapping):
        problems.append(f"{place}: expected an object of fields, got {type(entries).__name__}")
        return {}
    defaults = default_fields(class_name)
    fields: dict[str, Field] = {}
    for key, entry in entries.items():
        here = f"{place}.{key}"
        if key not in defaults and key != "password" and not is_field_name(str(key)):
            problems.append(f"{here}: not a field name; start with a letter, then letters, digits, _")
            continue
        field = _field(entry, here, problems)
        if field is None:
            continue
        if key in defaults and defaults[key].type != field.type:
            problems.append(
                f"{here}: a default field, always {defaults[key].describe()}; remove it or use that type"
            )
            continue
        fields[key] = field
    return fields


def _field(entry: Value, place: str, problems: list[str]) -> Field | None:
    if not isinstance(entry, Mapping):
        problems.append(
            f'{place}: expected an object such as {{"type": "String"}}, got {type(entry).__name__}'
        )
        return None
    _unknown_keys(entry, _FIELD_KEYS, place, problems)
    name = entry.get("type")
    kind = field_type(name) if isinstance(name, str) else None
    if kind is None:
        hint = did_you_mean(str(name), FIELD_TYPES)
        problems.append(
            f"{place}.type: {name!r} is not a field type{hint}; known are {', '.join(FIELD_TYPES)}"
        )
        return None
    before = len(problems)
    targets = _targets(kind, entry, place, problems)
    required = entry.get("required", False)
    if not isinstance(required, bool):
        problems.append(f"{place}.required: expected true or false, got {type(required).__name__}")
    default, enum = _default_and_enum(kind, entry, place, problems)
    if kind == "Relation" and (required is True or default is not MISSING):
        problems.append(f"{place}: a Relation can have neither required nor defaultValue; remove them")
    description = entry.get("description", "")
    if not isinstance(description, str):
        problems.append(f"{place}.description: expected text, got {type(description).__name__}")
    return (
        Field(kind, targets, required is True, default, enum, description, entry.get("required") is False)
        if len(problems) == before
        else None
    )


def _targets(kind: str, entry: Mapping[str, Value], place: str, problems: list[str]) -> tuple[str, ...]:
    given: Value = entry.get("targetClasses")
    one: Value = entry.get("targetClass")
    if given is None:
        given = [] if one is None else [one]
    if not isinstance(given, list) or not all(
        isinstance(name, str) and is_class_name(name) for name in given
    ):
        problems.append(f"{place}.targetClass: expected a class name, or a list of them in targetClasses")
        return ()
    if given and kind not in ("Pointer", "Relation"):
        problems.append(f"{place}.targetClass: only Pointer and Relation have one, this is {kind}; remove it")
    if kind == "Relation" and len(given) != 1:
        problems.append(f"{place}.targetClass: a Relation needs exactly one target class")
    return tuple(given)


def _default_and_enum(
    kind: str, entry: Mapping[str, Value], place: str, problems: list[str]
) -> tuple[Value | Missing, tuple[Value, ...]]:
    values: dict[str, Value] = {}
    for key in ("defaultValue", "enum"):
        if key not in entry:
            continue
        try:
            values[key] = decode_value(entry[key])
        except ParseError as error:
            problems.append(f"{place}.{key}: {error.message}")
    enum = values.get("enum", [])
    if not isinstance(enum, list):
        problems.append(f"{place}.enum: expected a list of values, got {type(enum).__name__}")
        enum = []
    default = values.get("defaultValue", MISSING)
    for key, value in [("enum", item) for item in enum] + [("defaultValue", default)]:
        found = None if value is MISSING else field_for_value(value)
        if found is not None and found.type != kind:
            problems.append(f"{place}.{key}: a {found.type} where the field is {kind}")
    return default, tuple(enum)


def _indexes(
    known: Mapping[str, Field], entries: Value, place: str, problems: list[str]
) -> tuple[Index, ...]:
    if not isinstance(entries, Mapping):
        problems.append(f"{place}: expected an object of indexes, got {type(entries).__name__}")
        return ()
    indexes: list[Index] = []
    for name, entry in entries.items():
        if name == "_id_":
            continue
        if not isinstance(entry, Mapping) or not entry:
            problems.append(f'{place}.{name}: expected an object such as {{"stage": 1, "amount": -1}}')
            continue
        keys = {key: direction for key, direction in entry.items() if key != "$unique"}
        for key, direction in keys.items():
            if direction not in (1, -1, "text", "2dsphere", "totals"):
                problems.append(
                    f'{place}.{name}.{key}: expected 1, -1, "text", "2dsphere" or "totals", got {direction!r}'
                )
        pairs = tuple((key, direction == -1) for key, direction in keys.items())
        indexes.append(
            Index(name, pairs, unique=entry.get("$unique") is True, kind=index_kind(keys.values()))
        )
        problems.extend(
            f'{place}.{name}: there is no field "{key}"{did_you_mean(key, known)}'
            for key in keys
            if key.split(".")[0] not in known
        )
    return tuple(indexes)


def index_kind(directions: Iterable[Value]) -> Literal["plain", "text", "geo", "totals"]:
    """What kind of index the directions of its keys make."""
    given = list(directions)
    if "totals" in given:
        return "totals"
    return "text" if "text" in given else "geo" if "2dsphere" in given else "plain"


def _check_targets(schema: Schema, problems: list[str]) -> None:
    known = set(schema.classes) | {"_User", "_Role", "_Session", "_Installation"}
    for item in schema:
        for key, field in item.fields.items():
            problems.extend(
                f'{item.name}.{key}: target class "{target}" is not in the schema{did_you_mean(target, known)}'
                for target in field.targets
                if target not in known
            )


def field_to_json(field: Field) -> dict[str, Value]:
    """A field in Parse's form; several targets as ``targetClasses``."""
    entry: dict[str, Value] = {"type": field.type}
    if len(field.targets) == 1:
        entry["targetClass"] = field.targets[0]
    elif field.targets:
        entry["targetClasses"] = list(field.targets)
    if field.required or field.says_optional:
        entry["required"] = field.required
    if field.default is not MISSING:
        entry["defaultValue"] = encode_value(field.default)
    if field.enum:
        entry["enum"] = [encode_value(item) for item in field.enum]
    if field.description:
        entry["description"] = field.description
    return entry


def class_to_json(item: ClassSchema) -> dict[str, Value]:
    """A class in the form of ``GET /schemas/<name>``, indexes and permissions included."""
    entry: dict[str, Value] = {
        "className": item.name,
        "fields": {key: field_to_json(field) for key, field in item.fields.items()},
        "classLevelPermissions": dict(item.permissions or OPEN_PERMISSIONS),
    }
    if item.ownership is not None:
        entry["ownership"] = {"read": list(item.ownership.read), "write": list(item.ownership.write)}
    if item.indexes:
        entry["indexes"] = {
            index.name: {
                **{
                    key: _DIRECTIONS.get(index.kind, -1 if descending else 1)
                    for key, descending in index.keys
                },
                **({"$unique": True} if index.unique else {}),
            }
            for index in item.indexes
        }
    return entry


def schema_to_json(schema: Schema) -> dict[str, Value]:
    """A document that ``schema_from_json`` reads back into an equal schema."""
    classes: list[Value] = []
    for item in schema:
        entry = class_to_json(item)
        if item.permissions is None:
            del entry["classLevelPermissions"]
        classes.append(entry)
    return {"classes": classes}
