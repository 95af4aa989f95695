"""The schema as a value: classes, fields, indexes, class-level permissions. Immutable; no I/O.

``Schema`` describes what a database holds; ``schema_json`` reads and writes its JSON form. Class-level permissions
ride along as plain data that ``parsekit.acl`` interprets. How a field is stored is ``parsekit.storage``'s affair.

A Pointer field has zero (any class), one, or several target classes. Parse's own REST API knows only the
one-class form; schema files and the Python API know all three.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, final, get_args

import attrs

from parsekit.errors import (
    ClassNameError,
    KeyNameError,
    SchemaError,
    SchemaOperationError,
    TypeMismatchError,
    did_you_mean,
    parse_error,
)
from parsekit.values import MISSING, Missing, Value, equal, kind_of

if TYPE_CHECKING:
    from parsekit.schema_diff import SchemaChange

__all__ = [
    "DEFAULT_FIELDS",
    "FIELD_TYPES",
    "OPEN_PERMISSIONS",
    "SYSTEM_CLASSES",
    "VOLATILE_CLASSES",
    "ClassSchema",
    "Field",
    "FieldType",
    "Index",
    "Ownership",
    "Permissions",
    "Schema",
    "check_enum",
    "check_field",
    "default_fields",
    "default_indexes",
    "field_for_value",
    "fits",
    "is_class_name",
    "is_field_name",
]

FieldType: TypeAlias = Literal[
    "String", "Number", "Boolean", "Date", "Object", "Array", "GeoPoint", "Polygon", "File", "Bytes", "Pointer",
    "Relation", "ACL", "Mixed",
]  # fmt: skip
"""``Mixed`` holds values of several types; no schema can ask for it, the local datastore finds out."""

FIELD_TYPES: Final[tuple[FieldType, ...]] = tuple(name for name in get_args(FieldType) if name != "Mixed")

Permissions: TypeAlias = Mapping[str, Value]
"""Class-level permissions in Parse's JSON form: operation -> entities, plus the special keys of a CLP."""

OPEN_PERMISSIONS: Final[Permissions] = MappingProxyType(
    {
        "ACL": {"*": {"read": True, "write": True}},
        **{op: {"*": True} for op in ("find", "get", "count", "create", "update", "delete", "addField")},
        "protectedFields": {"*": []},
    }
)
"""What a class has that never stated its permissions."""

_CLASS_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_JOIN_NAME: Final = re.compile(r"_Join:[A-Za-z0-9_]+:[A-Za-z0-9_]+\Z")
_FIELD_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_RESERVED_FIELDS: Final = frozenset({"length", "className"})


@final
@attrs.frozen(slots=True)
class Field:
    """A field of a class.

    ``targets`` are the classes that a Pointer or Relation leads to (a Pointer without targets leads to any).
    ``default`` is used on create when the key is absent. ``enum`` lists the only values accepted, empty for any.
    ``description`` is for people: the data dictionary shows it. ``says_optional`` tells that the declaration has
    ``required: false``, which is shown again and means nothing more.
    """

    type: FieldType
    targets: tuple[str, ...] = ()
    required: bool = False
    default: Value | Missing = MISSING
    enum: tuple[Value, ...] = ()
    description: str = ""
    says_optional: bool = attrs.field(default=False, eq=False)

    @property
    def target(self) -> str | None:
        """The only target class, ``None`` when there is none or are several."""
        return self.targets[0] if len(self.targets) == 1 else None

    def describe(self) -> str:
        """The type as Parse writes it in messages: ``String``, ``Pointer<Company>``."""
        return f"{self.type}<{'|'.join(self.targets)}>" if self.targets else self.type

    def accepts(self, other: Field) -> bool:
        """Whether a value whose inferred field is ``other`` fits this field."""
        if self.type != other.type:
            return False
        if self.type == "Pointer" and not self.targets:
            return True
        return not other.targets or set(other.targets) <= set(self.targets)


@final
@attrs.frozen(slots=True)
class Index:
    """An index: ``keys`` are (field key, descending) pairs in order; a key may be a dotted path into an Object.

    ``kind`` ``text`` serves ``$text`` on its one key; ``geo`` says only that there is a GeoPoint, which always has one;
    ``totals`` keeps how many objects there are per value of its first key, and the sums of its other keys, up to date
    with every write, so that a board and a count need not look at the objects.
    """

    name: str
    keys: tuple[tuple[str, bool], ...]
    unique: bool = False
    kind: Literal["plain", "text", "geo", "totals"] = "plain"


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(names)


@final
@attrs.frozen(slots=True)
class Ownership:
    """Whom the ACL of a new object names: who may read it, who may write it.

    An entry is a field of the class that refers to users (a Pointer to ``_User``, an Array), ``role:Name``,
    ``currentUser`` for the creator, or ``*``. ``"assignedTo|currentUser"`` is the first of several that means
    anybody: the creator of an object that is assigned to nobody. Rights through a field follow it
    (``acl.ownership``).
    """

    read: tuple[str, ...] = attrs.field(converter=_names, default=())
    write: tuple[str, ...] = attrs.field(converter=_names, default=())

    @staticmethod
    def of(*entries: str, readers: Iterable[str] = ()) -> Ownership:
        """``entries`` may read and write, ``readers`` may read."""
        return Ownership((*entries, *readers), entries)


def _string(required: bool = False) -> Field:
    return Field("String", required=required)


_POINTER_TO_USER: Final = Field("Pointer", ("_User",))
_COMMON: Final[dict[str, Field]] = {
    "objectId": _string(),
    "createdAt": Field("Date"),
    "updatedAt": Field("Date"),
    "ACL": Field("ACL"),
}


def _system(strings: str = "", **others: Field) -> Mapping[str, Field]:
    return MappingProxyType({**{name: _string() for name in strings.split()}, **others})


DEFAULT_FIELDS: Final[Mapping[str, Mapping[str, Field]]] = MappingProxyType(
    {
        "_User": _system("username password email", emailVerified=Field("Boolean"), authData=Field("Object")),
        "_Role": _system("name", users=Field("Relation", ("_User",)), roles=Field("Relation", ("_Role",))),
        "_Session": _system(
            "installationId sessionToken",
            user=_POINTER_TO_USER,
            expiresAt=Field("Date"),
            createdWith=Field("Object"),
            restricted=Field("Boolean"),
        ),
        "_Installation": _system(
            "installationId deviceToken deviceType pushType GCMSenderId timeZone localeIdentifier appVersion "
            "appName appIdentifier parseVersion",
            channels=Field("Array"),
            badge=Field("Number"),
        ),
        "_Product": _system(
            "productIdentifier downloadName title subtitle",
            download=Field("File"),
            icon=Field("File"),
            order=Field("Number"),
        ),
        "_PushStatus": _system(
            "pushTime source query payload title status pushHash expiry",
            numSent=Field("Number"),
            numFailed=Field("Number"),
            errorMessage=Field("Object"),
            sentPerType=Field("Object"),
            failedPerType=Field("Object"),
            count=Field("Number"),
        ),
        "_JobStatus": _system(
            "jobName source status message", params=Field("Object"), finishedAt=Field("Date")
        ),
        "_JobSchedule": _system(
            "jobName description params startAfter",
            daysOfWeek=Field("Array"),
            timeOfDay=_string(),
            lastRun=Field("Number"),
            repeatMinutes=Field("Number"),
        ),
        "_Hooks": _system("functionName className triggerName url"),
        "_GlobalConfig": _system(params=Field("Object"), masterKeyOnly=Field("Object")),
        "_GraphQLConfig": _system(config=Field("Object")),
        "_Audience": _system("name query", lastUsed=Field("Date"), timesUsed=Field("Number")),
        "_Idempotency": _system("reqId", expire=Field("Date")),
    }
)
"""System class -> its own default fields (parse_server.md S5)."""

SYSTEM_CLASSES: Final = frozenset(DEFAULT_FIELDS)

VOLATILE_CLASSES: Final = frozenset({
    "_JobStatus", "_PushStatus", "_Hooks", "_GlobalConfig", "_GraphQLConfig", "_JobSchedule", "_Audience",
    "_Idempotency",
})  # fmt: skip
"""Classes whose fields are the server's alone: a write adds none to them (SchemaController.volatileClasses)."""


def default_fields(class_name: str) -> dict[str, Field]:
    """The fields that every class has plus those of a system class."""
    return {**_COMMON, **DEFAULT_FIELDS.get(class_name, {})}


_DEFAULT_INDEXES: Final[dict[str, tuple[Index, ...]]] = {
    "_User": (
        Index("username_1", (("username", False),), unique=True),
        Index("email_1", (("email", False),), unique=True),
    ),
    "_Role": (Index("name_1", (("name", False),), unique=True),),
    "_Session": (
        Index("sessionToken_1", (("sessionToken", False),), unique=True),
        Index("user_1", (("user", False),)),
    ),
}


def default_indexes(class_name: str) -> tuple[Index, ...]:
    """The indexes that a system class always has."""
    return _DEFAULT_INDEXES.get(class_name, ())


def is_class_name(name: str) -> bool:
    """Whether Parse lets a class have this name."""
    return name in SYSTEM_CLASSES or bool(_CLASS_NAME.match(name) or _JOIN_NAME.match(name))


def is_field_name(name: str) -> bool:
    """Whether Parse lets a field have this name."""
    return bool(_FIELD_NAME.match(name)) and name not in _RESERVED_FIELDS


def _proxy(fields: Mapping[str, Field]) -> Mapping[str, Field]:
    return fields if isinstance(fields, MappingProxyType) else MappingProxyType(dict(fields))


@final
@attrs.frozen(slots=True)
class ClassSchema:
    """A class: its fields (default ones included), indexes and class-level permissions.

    ``permissions`` is ``None`` when the class never stated any, which means open to everyone. ``ownership`` is what
    new objects get as their ACL, ``None`` for none.
    """

    name: str
    fields: Mapping[str, Field] = attrs.field(converter=_proxy)
    indexes: tuple[Index, ...] = ()
    permissions: Permissions | None = None
    ownership: Ownership | None = None
    demanding: tuple[str, ...] = attrs.field(init=False, eq=False, repr=False)
    """The keys that are required or have a default, so that a write need not look for them."""
    enumerated: tuple[str, ...] = attrs.field(init=False, eq=False, repr=False)
    """The keys that accept enumerated values only."""

    @demanding.default
    def _demanding(self) -> tuple[str, ...]:
        return tuple(key for key, f in self.fields.items() if f.required or f.default is not MISSING)

    @enumerated.default
    def _enumerated(self) -> tuple[str, ...]:
        return tuple(key for key, f in self.fields.items() if f.enum)

    @staticmethod
    def new(
        name: str,
        fields: Mapping[str, Field] | None = None,
        *,
        indexes: Iterable[Index] = (),
        permissions: Permissions | None = None,
        ownership: Ownership | None = None,
    ) -> ClassSchema:
        """A class with the default fields of its name added.

        Raises:
            ClassNameError: 103, the name is not allowed.
            KeyNameError: 105, a field name is not allowed.
        """
        if not is_class_name(name):
            raise ClassNameError(
                f"Invalid classname: {name}, classnames can only have alphanumeric characters and _, "
                "and must start with an alpha character "
            )
        defaults = default_fields(name)
        for key in fields or ():
            if key not in defaults and not is_field_name(key):
                raise KeyNameError(f"invalid field name: {key}")
        merged = {index.name: index for index in (*default_indexes(name), *indexes)}
        return ClassSchema(
            name, {**defaults, **(fields or {})}, tuple(merged.values()), permissions, ownership
        )

    def with_fields(self, fields: Mapping[str, Field]) -> ClassSchema:
        """The class with ``fields`` added or replaced."""
        return attrs.evolve(self, fields={**self.fields, **fields})

    def without_fields(self, keys: Iterable[str]) -> ClassSchema:
        """The class without the fields ``keys`` and without the indexes that mention them."""
        gone = set(keys)
        return attrs.evolve(
            self,
            fields={key: field for key, field in self.fields.items() if key not in gone},
            indexes=tuple(i for i in self.indexes if not any(key.split(".")[0] in gone for key, _ in i.keys)),
        )

    @property
    def own_fields(self) -> dict[str, Field]:
        """The fields beyond the default ones of the class, and default ones whose options were changed."""
        defaults = default_fields(self.name)
        return {key: field for key, field in self.fields.items() if defaults.get(key) != field}

    def require_field(self, key: str) -> Field:
        """The field ``key``. ``SchemaOperationError`` with a suggestion when there is none."""
        field = self.fields.get(key)
        if field is None:
            raise SchemaOperationError(
                f'class {self.name}: there is no field "{key}"{did_you_mean(key, self.fields)}'
            )
        return field


def _class_proxy(classes: Mapping[str, ClassSchema] | Iterable[ClassSchema]) -> Mapping[str, ClassSchema]:
    if isinstance(classes, MappingProxyType):
        return classes
    if isinstance(classes, Mapping):
        return MappingProxyType(dict(classes))
    return MappingProxyType({item.name: item for item in classes})


@final
@attrs.frozen(slots=True)
class Schema:
    """An immutable set of classes by name.

    ``Schema([ClassSchema.new("Note", {"title": Field("String")})])``; combine with ``extended_with``.
    """

    classes: Mapping[str, ClassSchema] = attrs.field(converter=_class_proxy, default=MappingProxyType({}))

    def __contains__(self, class_name: object) -> bool:
        return class_name in self.classes

    def __iter__(self) -> Iterator[ClassSchema]:
        return iter(self.classes.values())

    def get(self, class_name: str) -> ClassSchema | None:
        """The class, or ``None``."""
        return self.classes.get(class_name)

    def with_class(self, item: ClassSchema) -> Schema:
        """The schema with ``item`` added or replaced."""
        return Schema({**self.classes, item.name: item})

    def without_class(self, class_name: str) -> Schema:
        """The schema without the class."""
        return Schema({name: item for name, item in self.classes.items() if name != class_name})

    def diff(self, other: Schema) -> tuple[SchemaChange, ...]:
        """What turns this schema into ``other``: see ``schema_diff``."""
        from parsekit.schema_diff import diff

        return diff(self, other)

    def extended_with(self, other: Schema) -> Schema:
        """Both schemas together; of a class in both, the fields and indexes of both.

        ``other`` may narrow a field (targets of an untargeted pointer, required, default, enum) and may state
        permissions; it may not change a type.

        Raises:
            SchemaError: every field whose type differs, with its path.
        """
        problems: list[str] = []
        classes = dict(self.classes)
        for item in other:
            mine = classes.get(item.name)
            classes[item.name] = item if mine is None else _extend_class(mine, item, problems)
        if problems:
            raise SchemaError(problems)
        return Schema(classes)


def _extend_class(mine: ClassSchema, other: ClassSchema, problems: list[str]) -> ClassSchema:
    fields = dict(mine.fields)
    for key, field in other.fields.items():
        old = fields.get(key)
        if old is None:
            fields[key] = field
        elif old.type != field.type:
            problems.append(
                f"{mine.name}.{key}: the field is {old.describe()} and cannot become {field.describe()}; "
                "choose another name or the same type"
            )
        elif default_fields(mine.name).get(key) != field:
            fields[key] = _narrow(old, field)
    indexes = {index.name: index for index in (*mine.indexes, *other.indexes)}
    permissions = mine.permissions if other.permissions is None else other.permissions
    ownership = mine.ownership if other.ownership is None else other.ownership
    return ClassSchema(mine.name, fields, tuple(indexes.values()), permissions, ownership)


def _narrow(old: Field, new: Field) -> Field:
    return Field(
        old.type,
        new.targets or old.targets,
        old.required or new.required,
        old.default if new.default is MISSING else new.default,
        new.enum or old.enum,
        new.description or old.description,
    )


_TYPE_OF_KIND: Final[dict[str, FieldType]] = {
    "number": "Number", "string": "String", "object": "Object", "array": "Array", "bytes": "Bytes",
    "boolean": "Boolean", "date": "Date", "pointer": "Pointer", "geopoint": "GeoPoint", "polygon": "Polygon",
    "file": "File", "relation": "Relation",
}  # fmt: skip


def field_for_value(value: Value) -> Field | None:
    """The field that a first write of ``value`` defines; ``None`` for null, which defines none."""
    kind = kind_of(value)
    if kind in ("null", "missing"):
        return None
    if kind == "pointer":
        return Field("Pointer", (value.class_name,))
    if kind == "relation":
        return Field("Relation", (value.class_name,))
    return Field(_TYPE_OF_KIND[kind])


def check_field(class_name: str, key: str, field: Field, value: Value) -> None:
    """Refuse a value that does not fit its field.

    Raises:
        TypeMismatchError: 111 with Parse's text.
        ValidationError: 142, the value is not one of the field's enumerated values.
    """
    found = field_for_value(value)
    if found is None:
        return
    if not field.accepts(found):
        raise TypeMismatchError(
            f"schema mismatch for {class_name}.{key}; expected {field.describe()} but got {found.describe()}"
        )
    check_enum(key, field, value)


def check_enum(key: str, field: Field, value: Value) -> None:
    """Refuse a value that is not among the enumerated ones of its field; null is.

    Raises:
        ValidationError: 142.
    """
    if field.enum and value is not None and not any(equal(value, allowed) for allowed in field.enum):
        allowed_text = ", ".join(str(item) for item in field.enum)
        raise parse_error(142, f"{key} must be one of: {allowed_text}")


def fits(field: Field, value: Value) -> bool:
    """Whether a field accepts a value, null included. ``check_field`` says the same with its reason."""
    kind = kind_of(value)
    if kind == "null" or _TYPE_OF_KIND.get(kind) == field.type:
        return kind not in ("pointer", "relation") or not field.targets or value.class_name in field.targets
    return False


def field_type(name: str) -> FieldType | None:
    """``name`` as a field type, ``None`` when Parse has no such type."""
    return next((known for known in FIELD_TYPES if known == name), None)
