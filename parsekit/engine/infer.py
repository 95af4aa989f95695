"""Lazy schema: the first write defines the class and the types of its fields (parse_server.md S2).

A key that the class does not have becomes a field of the type of its first value or operation, if the principal may
add fields; what does not fit an existing field is refused with 111. Values are not looked at here beyond their type,
and nothing here writes an object.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, final

from parsekit.acl.clp import WriteKind
from parsekit.acl.policy import Access
from parsekit.acl.system import check_class_exists, missing_object
from parsekit.errors import InvalidJsonError, KeyNameError, TypeMismatchError
from parsekit.operations import (
    Add,
    AddRelation,
    AddUnique,
    Delete,
    Increment,
    Operation,
    RelationChange,
    Remove,
    RemoveRelation,
    Sequence,
    Set,
    SetOnInsert,
    relation_change,
)
from parsekit.query.dialect import Dialect
from parsekit.query.matcher import compile_predicate
from parsekit.schema import (
    VOLATILE_CLASSES,
    ClassSchema,
    Field,
    field_for_value,
    fits,
    is_class_name,
    is_field_name,
)
from parsekit.storage.layout import ClassLayout
from parsekit.storage.store import Store
from parsekit.values import Value

if TYPE_CHECKING:
    from parsekit.engine.write import Write
    from parsekit.storage.database import Connection

__all__ = ["Inference"]

_RELATIONS: Final = (AddRelation, RemoveRelation, RelationChange)
_NUMBER: Final = Field("Number")
_ARRAY: Final = Field("Array")
_OBJECT: Final = Field("Object")


@final
class Inference:
    """Makes the schema fit a write, or refuses it."""

    def __init__(self, store: Store, *, allow_class_creation: bool) -> None:
        self._store = store
        self.allow_class_creation = allow_class_creation

    def ensure(self, connection: Connection, write: Write) -> ClassLayout:
        """The layout of the class with every field that ``write`` needs; created where there is none.

        Raises:
            OperationForbiddenError: 119, no right to create the class or to add a field.
            TypeMismatchError: 111, a value or an operation of another type than its field's.
            KeyNameError: 105, a field name is not allowed.
        """
        layout = self._store.catalog.layout(write.class_name)
        if layout is None:
            layout = self._create_class(connection, write)
        else:
            self._may_add(write, layout.schema)
        missing = _missing_fields(layout.schema, write)
        if not missing:
            return layout
        if write.class_name in VOLATILE_CLASSES:
            raise InvalidJsonError(f"Could not add field {next(iter(missing))}")
        self._store.put_class(connection, layout.schema.with_fields(missing))
        return self._store.catalog.layouts[write.class_name]

    def _create_class(self, connection: Connection, write: Write) -> ClassLayout:
        name = write.class_name
        check_class_exists(
            None, name, write.view.principal, allow_client_class_creation=self.allow_class_creation
        )
        if not is_class_name(name):
            raise InvalidJsonError(
                "schema class name does not revalidate",
                hint=f"{name!r}: start with a letter, then letters, digits and _",
            )
        self._store.put_class(connection, ClassSchema.new(name))
        return self._store.catalog.layouts[name]

    def _may_add(self, write: Write, schema: ClassSchema) -> None:
        """Check the right to add fields when the write names new keys (DatabaseController.canAddField).

        A key that is only deleted adds nothing; one set to null counts, as on the server.
        """
        fields = schema.fields
        for key, operation in write.operations.items():
            if (
                key not in fields
                and key.partition(".")[0] not in fields
                and not isinstance(operation, Delete)
            ):
                break
        else:
            return
        during: WriteKind = "create" if write.creating else "update"
        access: Access = write.view.access(write.class_name, "addField", during)
        if access.conjunct is not None and write.old:
            held: dict[str, Value] = write.old
            if not compile_predicate(access.conjunct, Dialect.SERVER)(held):
                raise missing_object(write.class_name, "update", write.view.principal)


def _missing_fields(schema: ClassSchema, write: Write) -> dict[str, Field]:
    missing: dict[str, Field] = {}
    fields = schema.fields
    for key, operation in write.operations.items():
        if type(operation) is Set and (known := fields.get(key)) is not None:
            value = operation.value
            if fits(known, value) and not (type(value) is dict and "__type" in value):
                continue
        if key == "ACL":
            continue
        root = key if "." not in key[1:] else key.partition(".")[0]
        typed = False
        for found in _types_of(key, operation):
            _consider(schema, root, found, missing)
            typed = True
        if not typed and not write.creating and root not in fields and not is_field_name(root):
            raise KeyNameError(f"Invalid field name for update: {key}")
    return missing


def _types_of(key: str, operation: Operation) -> Iterator[Field]:
    """The types that an operation asks of its field (SchemaController.getObjectType)."""
    match operation:
        case Delete():
            return
        case Set() | SetOnInsert():
            found = _type_of_value(operation.value)
            if found is None:
                return
        case Increment():
            found = _NUMBER
        case Add() | AddUnique() | Remove():
            found = _ARRAY
        case Sequence():
            for part in operation.operations:
                yield from _types_of(key, part)
            return
        case _:
            names = dict.fromkeys(item.class_name for item in _related(operation))
            yield from (Field("Relation", (name,)) for name in names)
            return
    if "." in key[1:]:
        # "arr.0" is an element of an Array, "obj.key" a part of an Object, whatever is there (enforceFieldExists)
        step = key.split(".")[1]
        found = _ARRAY if step.isascii() and (step.isdigit() or not step) else _OBJECT
    yield found


def _related(operation: Operation) -> list[Value]:
    assert isinstance(operation, _RELATIONS)
    change = relation_change(operation)
    return [*change.added, *change.removed]


def _type_of_value(value: Value) -> Field | None:
    if type(value) is dict and (kind := value.get("__type")):
        raise TypeMismatchError(f"This is not a valid {kind}")
    return field_for_value(value)


def _consider(schema: ClassSchema, key: str, found: Field, missing: dict[str, Field]) -> None:
    field = schema.fields.get(key) or missing.get(key)
    if field is not None:
        if not field.accepts(found):
            raise TypeMismatchError(
                f"schema mismatch for {schema.name}.{key}; expected {field.describe()} but got {found.describe()}"
            )
        return
    if not is_field_name(key):
        raise KeyNameError(f"Invalid field name: {key}.")
    if found.type == "GeoPoint":
        _only_point(schema, missing)
    missing[key] = found


def _only_point(schema: ClassSchema, missing: dict[str, Field]) -> None:
    """A class has one GeoPoint at most, because MongoDB answers ``$nearSphere`` with one index (S1)."""
    if any(field.type == "GeoPoint" for field in missing.values()):
        raise TypeMismatchError("there can only be one geopoint field in a class")
    if any(field.type == "GeoPoint" for field in schema.fields.values()):
        raise TypeMismatchError("MongoDB only supports one GeoPoint field in a class.")
