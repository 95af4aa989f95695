"""Lazy schema: the first write defines the class and the types of its fields (parse_server.md S2).

A key that the class does not have becomes a field of the type of its first value, if the principal may add fields;
a value that does not fit an existing field is refused with 111. Nothing here writes an object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

import apsw

from parsekit.acl.clp import WriteKind
from parsekit.acl.policy import Access
from parsekit.acl.system import check_class_exists
from parsekit.errors import InvalidJsonError, KeyNameError, TypeMismatchError
from parsekit.operations import AddRelation, Delete, RelationChange, RemoveRelation, relation_change
from parsekit.query.dialect import Dialect
from parsekit.query.matcher import compile_predicate
from parsekit.schema import ClassSchema, Field, field_for_value, is_class_name, is_field_name
from parsekit.storage.layout import ClassLayout
from parsekit.storage.store import Store
from parsekit.values import Value

if TYPE_CHECKING:
    from parsekit.engine.write import Write

__all__ = ["Inference"]

_RELATIONS: Final = (AddRelation, RemoveRelation, RelationChange)


@final
class Inference:
    """Makes the schema fit a write, or refuses it."""

    def __init__(self, store: Store, *, allow_class_creation: bool) -> None:
        self._store = store
        self.allow_class_creation = allow_class_creation

    def ensure(self, connection: apsw.Connection, write: Write) -> ClassLayout:
        """The layout of the class with every field that ``write`` needs; created where there is none.

        Raises:
            OperationForbiddenError: 119, no right to create the class or to add a field.
            TypeMismatchError: 111, a value of another type than its field's.
            KeyNameError: 105, a field name is not allowed.
        """
        layout = self._store.catalog.layout(write.class_name)
        if layout is None:
            layout = self._create_class(connection, write)
        missing = self._missing_fields(layout.schema, write)
        if missing:
            self._may_add(write, layout)
            self._store.put_class(connection, layout.schema.with_fields(missing))
        return self._store.catalog.layouts[write.class_name]

    def _create_class(self, connection: apsw.Connection, write: Write) -> ClassLayout:
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

    def _missing_fields(self, schema: ClassSchema, write: Write) -> dict[str, Field]:
        missing: dict[str, Field] = {}
        for key, value in write.changed.items():
            self._consider(schema, key, field_for_value(value), missing)
        for key, operation in write.operations.items():
            if isinstance(operation, _RELATIONS):
                for class_name in _targets(operation):
                    self._consider(schema, key, Field("Relation", (class_name,)), missing)
            elif isinstance(operation, Delete) and key not in schema.fields:
                write.removed[:] = [name for name in write.removed if name != key]
        for key in [key for key in write.changed if key not in schema.fields and key not in missing]:
            if write.changed[key] is None:
                del write.changed[key]  # null defines no type, and a key without a field holds nothing
        return missing

    def _consider(
        self, schema: ClassSchema, key: str, found: Field | None, missing: dict[str, Field]
    ) -> None:
        field = schema.fields.get(key) or missing.get(key)
        if field is not None:
            if found is not None and not field.accepts(found):
                raise TypeMismatchError(
                    f"schema mismatch for {schema.name}.{key}; expected {field.describe()} but got {found.describe()}"
                )
            return
        if not is_field_name(key):
            raise KeyNameError(f"Invalid field name: {key}.")
        if found is not None:
            missing[key] = found

    def _may_add(self, write: Write, layout: ClassLayout) -> None:
        during: WriteKind = "create" if write.creating else "update"
        access: Access = write.view.access(write.class_name, "addField", during)
        if access.conjunct is not None and write.old is not None:
            fields: dict[str, Value] = write.old
            if not compile_predicate(access.conjunct, Dialect.SERVER)(fields):
                from parsekit.acl.system import forbidden

                raise forbidden(f"Permission denied for action addField on class {write.class_name}.")


def _targets(operation: AddRelation | RemoveRelation | RelationChange) -> set[str]:
    change = relation_change(operation)
    return {item.class_name for item in (*change.added, *change.removed)}
