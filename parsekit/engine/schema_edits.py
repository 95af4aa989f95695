"""Changes of classes as the schemas API makes them: Parse's checks, codes and texts (SchemaController).

``ParseEngine.apply_schema`` is the declarative way, which only adds; here one class at a time is created, altered,
dropped or emptied from JSON. What a class may state about permissions is checked by ``acl.clp``, how it is stored by
``storage.catalog``. Callers have checked that a master asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, final

from parsekit import attrs
from parsekit.acl.clp import CUSTOM_USER_ID, GENERATED_USER_ID, validate_permissions
from parsekit.acl.principal import Principal
from parsekit.codec import JSON, decode_value
from parsekit.errors import (
    ClassNameError,
    InvalidJsonError,
    InvalidQueryError,
    KeyNameError,
    ParseError,
    SchemaError,
    SchemaOperationError,
    TypeMismatchError,
    parse_error,
)
from parsekit.query.state import QueryState
from parsekit.schema import (
    ClassSchema,
    Field,
    Index,
    Schema,
    default_fields,
    default_indexes,
    field_for_value,
    field_type,
    is_class_name,
    is_field_name,
)
from parsekit.values import MISSING, Missing

if TYPE_CHECKING:
    from parsekit.engine.core import ParseEngine

__all__ = ["SchemaEdits", "bad_class_name"]

_TARGETED: Final = ("Pointer", "Relation")
_HIDDEN_UNTIL_USED: Final = "_Session"
"""A class that exists from the start here and from the first session on Parse Server."""

_NOT_TO_DROP: Final = frozenset({"_GlobalConfig", "_GraphQLConfig", "_Hooks"})
"""What is no class to Parse's schema routes (SchemaController.systemClasses)."""


@final
class SchemaEdits:
    """Creates, alters, drops and empties single classes."""

    def __init__(self, engine: ParseEngine) -> None:
        self._engine = engine

    def listed(self) -> list[ClassSchema]:
        """The classes that ``GET /schemas`` shows."""
        # SAFETY: only whether there are sessions at all is asked, for a master.
        sessions = self._engine.count_objects(QueryState(_HIDDEN_UNTIL_USED), Principal.master())
        return [item for item in self._engine.schema if item.name != _HIDDEN_UNTIL_USED or sessions]

    def create(self, name: str, fields: JSON, permissions: JSON, indexes: JSON) -> ClassSchema:
        """Create a class.

        Raises:
            ClassNameError: 103, it exists, or its name is not allowed.
            ParseError: 102, 105, 107, 111, 135 or 136, a field, an index or the permissions are wrong.
        """
        with self._engine.store.write() as connection:
            if self._engine.schema.get(name) is not None:
                raise ClassNameError(f"Class {name} already exists.")
            if not is_class_name(name):
                raise bad_class_name(name)
            made = ClassSchema.new(name, _new_fields(name, _object(fields), {}))
            made = attrs.evolve(made, permissions=self._permissions(permissions, made))
            made = attrs.evolve(made, indexes=_indexes(made, indexes))
            self._engine.store.put_class(connection, made)
        return made

    def apply(self, wanted: Schema) -> None:
        """Add what the database lacks of ``wanted``; ``ParseEngine.apply_schema`` says more."""
        _check_permissions(wanted)
        engine = self._engine
        if engine.schema.covers(wanted):
            return
        with engine.store.write() as connection:
            target = engine.schema.extended_with(wanted)
            for item in target:
                if engine.schema.get(item.name) != item:
                    engine.store.put_class(connection, item)

    def alter(self, name: str, fields: JSON, permissions: JSON | Missing, indexes: JSON) -> ClassSchema:
        """Add, change the options of, and delete fields; set the permissions; add and delete indexes.

        ``permissions`` of ``None`` are those of a class that states none; ``MISSING`` leaves them as they are.

        Raises:
            ClassNameError: 103, there is no such class.
            SchemaOperationError: 255, a field that is there under another type, or one to delete that is not.
            ParseError: as ``create``.
        """
        with self._engine.store.write() as connection:
            old = self._engine.schema.get(name)
            if old is None:
                raise ClassNameError(f"Class {name} does not exist.")
            item = _altered(old, _object(fields))
            if permissions is not MISSING:
                item = attrs.evolve(item, permissions=self._permissions(permissions, item))
            item = attrs.evolve(item, indexes=_indexes(item, indexes))
            self._engine.store.put_class(connection, item)
        return item

    def _permissions(self, stated: JSON, item: ClassSchema) -> Mapping[str, Any] | None:
        custom = self._engine.options.allow_custom_object_id
        return validate_permissions(stated, item, user_id=CUSTOM_USER_ID if custom else GENERATED_USER_ID)

    def drop(self, name: str) -> None:
        """Drop an empty class; one that does not exist is dropped already.

        Raises:
            ClassNameError: 103, no class can have this name.
            SchemaOperationError: 255, there are objects in it.
        """
        if not is_class_name(name) or name in _NOT_TO_DROP:
            raise bad_class_name(name)
        engine = self._engine
        with engine.store.write() as connection:
            if engine.schema.get(name) is None:
                return
            # SAFETY: the class must be empty whoever may read it.
            count = engine.count_objects(QueryState(name), Principal.master())
            if count:
                raise SchemaOperationError(
                    f"Class {name} is not empty, contains {count} objects, cannot drop schema."
                )
            engine.store.drop_class(connection, name)

    def purge(self, name: str) -> None:
        """Delete every object of a class, without hooks; of one that does not exist, nothing."""
        engine = self._engine
        if engine.schema.get(name) is None:
            return
        with engine.store.write() as connection:
            # SAFETY: purging is a master's right, which the caller has checked.
            view = engine.view(Principal.master())
            for object_id in engine.store.object_ids(connection, name):
                engine.writes.purge(connection, name, object_id, view)
        engine.after_commit()


def _object(entry: JSON) -> Mapping[str, JSON]:
    return entry if isinstance(entry, dict) else {}


def bad_class_name(name: str) -> ClassNameError:
    """The refusal of a name that no class can have (SchemaController.invalidClassNameMessage)."""
    return ClassNameError(
        f"Invalid classname: {name}, classnames can only have alphanumeric characters and _, "
        "and must start with an alpha character "
    )


# --- fields ---


def _altered(old: ClassSchema, entries: Mapping[str, JSON]) -> ClassSchema:
    deleted = [key for key, entry in entries.items() if _is_delete(entry)]
    given = {key: entry for key, entry in entries.items() if key not in deleted}
    for key, entry in entries.items():
        known = old.fields.get(key)
        if known is not None and key not in deleted and _object(entry).get("type") != known.type:
            raise SchemaOperationError(f"Field {key} exists, cannot update.")
        if known is None and key in deleted:
            raise SchemaOperationError(f"Field {key} does not exist, cannot delete.")
    added = _new_fields(old.name, given, old.without_fields(deleted).fields)
    for key in deleted:
        if key in default_fields(old.name):
            raise parse_error(136, f"field {key} cannot be changed")
    for key, field in added.items():
        if key in old.fields and not old.fields[key].accepts(field):
            raise TypeMismatchError(
                f"schema mismatch for {old.name}.{key}; expected {old.fields[key].describe()} "
                f"but got {field.describe()}"
            )
    return old.without_fields(deleted).with_fields(added)


def _is_delete(entry: JSON) -> bool:
    return isinstance(entry, dict) and entry.get("__op") == "Delete"


def _new_fields(class_name: str, entries: Mapping[str, JSON], known: Mapping[str, Field]) -> dict[str, Field]:
    """The fields of a request (SchemaController.validateSchemaData). Options of fields in ``known`` may change."""
    fields: dict[str, Field] = {}
    for key, entry in entries.items():
        if key not in known:
            if not is_field_name(key):
                raise KeyNameError(f"invalid field name: {key}")
            if key in default_fields(class_name):
                raise parse_error(136, f"field {key} cannot be added")
        fields[key] = _field(class_name, key, entry)
    both = {**known, **fields}
    points = [key for key, field in both.items() if field.type == "GeoPoint"]
    if len(points) > 1:
        raise TypeMismatchError(
            "currently, only one GeoPoint field may exist in an object. "
            f"Adding {points[1]} when {points[0]} already exists."
        )
    return fields


def _field(class_name: str, key: str, entry: JSON) -> Field:
    described = _object(entry)
    kind = described.get("type")
    targets: tuple[str, ...] = ()
    if kind in _TARGETED:
        targets = (_target(kind, described.get("targetClass")),)
    elif not isinstance(kind, str):
        raise InvalidJsonError(
            "invalid JSON", hint=f'{class_name}.{key}: expected {{"type": "String"}} or the like'
        )
    known = field_type(kind)
    if known is None or known == "ACL":
        raise TypeMismatchError(f"invalid field type: {kind}")
    required = described.get("required")
    field = Field(known, targets, required=required if isinstance(required, bool) else None)
    return _with_default(class_name, key, field, described)


def _target(kind: str, target: JSON) -> str:
    if not target:
        raise parse_error(135, f"type {kind} needs a class name")
    if not isinstance(target, str):
        raise InvalidJsonError("invalid JSON", hint="targetClass: expected the name of a class")
    if not is_class_name(target):
        raise bad_class_name(target)
    return target


def _with_default(class_name: str, key: str, field: Field, entry: Mapping[str, JSON]) -> Field:
    given = entry.get("defaultValue")
    if given is None:
        if field.type == "Relation" and field.required:
            raise TypeMismatchError(f"The 'required' option is not applicable for {field.describe()}")
        return field
    if field.type == "Relation":
        raise TypeMismatchError(f"The 'default value' option is not applicable for {field.describe()}")
    value = decode_value(given)
    found = field_for_value(value)
    if found is not None and not field.accepts(found):
        raise TypeMismatchError(
            f"schema mismatch for {class_name}.{key} default value; expected {field.describe()} "
            f"but got {found.describe()}"
        )
    return attrs.evolve(field, default=value if found is not None else MISSING)


# --- indexes ---


def _indexes(item: ClassSchema, entries: JSON) -> tuple[Index, ...]:
    """The indexes after a request, which adds and deletes some (setIndexesWithSchemaFormat)."""
    indexes = {index.name: index for index in item.indexes}
    for name, entry in _object(entries).items():
        if name == "_id_":
            continue
        if _is_delete(entry):
            if name not in indexes:
                raise InvalidQueryError(f"Index {name} does not exist, cannot delete.")
            del indexes[name]
        elif name in indexes:
            raise InvalidQueryError(f"Index {name} exists, cannot update.")
        else:
            indexes[name] = _index(name, _object(entry), item)
    required = [index for index in default_indexes(item.name) if index.name not in indexes]
    return (*required, *indexes.values())


def _index(name: str, entry: Mapping[str, JSON], item: ClassSchema) -> Index:
    keys = {key: direction for key, direction in entry.items() if key != "$unique"}
    _known_keys(keys, item)
    return Index(
        name,
        tuple((key, direction == -1) for key, direction in keys.items()),
        unique=entry.get("$unique") is True,
    )


def _known_keys(keys: Iterable[str], item: ClassSchema) -> None:
    for key in keys:
        root = key.removeprefix("_p_").partition(".")[0]
        if root not in item.fields:
            raise InvalidQueryError(f"Field {key} does not exist, cannot add index.")


def _check_permissions(wanted: Schema) -> None:
    problems: list[str] = []
    for item in wanted:
        try:
            validate_permissions(item.permissions, item)
        except ParseError as error:
            problems.append(f"{item.name}.classLevelPermissions: {error}")
    if problems:
        raise SchemaError(problems)
