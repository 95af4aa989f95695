"""Typed classes: annotations of a ``PFObject`` subclass become attributes and a ``ClassSchema``.

``class Deal(PFObject, class_name="Deal"): title: str; amount: float | None = None; company: Company | None = None``.
A snake_case attribute is the camelCase key unless ``pf_field(key=...)`` says otherwise. ``None`` on an attribute is an
absent key, as ``nil`` is in Swift; ``obj[key] = None`` stores an explicit null. An annotation without ``| None`` makes
the field required; one with several typed classes makes a polymorphic pointer.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Final, TypeVar, Union, final

from parsekit.errors import SchemaError
from parsekit.schema import ClassSchema, Field, FieldType
from parsekit.values import MISSING, FileReference, Missing, PFGeoPoint, PFPolygon, Value

__all__ = ["PFField", "camel_case", "describe_class", "pf_field"]

T = TypeVar("T")

_TYPES: Final[dict[type, FieldType]] = {
    str: "String",
    bool: "Boolean",
    int: "Number",
    float: "Number",
    datetime: "Date",
    dict: "Object",
    list: "Array",
    bytes: "Bytes",
    PFGeoPoint: "GeoPoint",
    PFPolygon: "Polygon",
    FileReference: "File",
}


def camel_case(name: str) -> str:
    """``expected_close_date`` -> ``expectedCloseDate``."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


@final
class PFField:
    """The descriptor behind a typed attribute."""

    __slots__ = ("convert", "field", "key", "name")

    def __init__(self, name: str, key: str, field: Field, convert: type[Enum] | None) -> None:
        self.name = name
        self.key = key
        self.field = field
        self.convert = convert

    def __get__(self, obj: Any, owner: type | None = None) -> Any:
        if obj is None:
            return self
        value = obj.get(self.key)
        return value if self.convert is None or value is None else self.convert(value)

    def __set__(self, obj: Any, value: Any) -> None:
        if value is None:
            if self.key in obj:
                del obj[self.key]
        else:
            obj[self.key] = value.value if isinstance(value, Enum) else value


@final
class _Options:
    """What ``pf_field`` was given, until the class is complete."""

    __slots__ = ("default", "enum", "key", "required", "targets")

    def __init__(
        self,
        key: str | None,
        required: bool | None,
        default: Value | Missing,
        enum: tuple[Value, ...],
        targets: tuple[str, ...],
    ) -> None:
        self.key = key
        self.required = required
        self.default = default
        self.enum = enum
        self.targets = targets


def pf_field(
    *,
    key: str | None = None,
    required: bool | None = None,
    default: Any = MISSING,
    enum: tuple[Any, ...] = (),
    targets: tuple[str, ...] = (),
) -> Any:
    """Options of a typed attribute: its wire key, whether it is required, its default and its only values.

    ``targets`` names the classes of a pointer whose typed classes are not at hand.
    """
    return _Options(key, required, default, enum, targets)


def describe_class(cls: type, base: type, names: Mapping[str, Any]) -> ClassSchema:
    """Put a descriptor on ``cls`` for every annotation and give the schema they describe.

    ``names`` are the names around the class statement, for classes that are defined in a function.

    Raises:
        SchemaError: annotations that are no Parse types, all at once.
    """
    name: str = cls.parse_class_name  # type: ignore[attr-defined]
    fields: dict[str, Field] = {}
    problems: list[str] = []
    for parent in reversed(cls.__mro__):
        if not issubclass(parent, base) or parent is base:
            continue
        for attribute, annotation in _annotations(parent, cls, names).items():
            found = vars(parent).get(attribute, MISSING)
            if isinstance(found, PFField):
                fields[found.key] = found.field
                continue
            try:
                descriptor = _descriptor(attribute, annotation, found, base)
            except SchemaError as error:
                problems.extend(f"{cls.__name__}.{attribute}: {problem}" for problem in error.problems)
                continue
            setattr(parent, attribute, descriptor)
            fields[descriptor.key] = descriptor.field
    if problems:
        raise SchemaError(problems)
    return ClassSchema.new(name, fields)


def _annotations(parent: type, cls: type, names: Mapping[str, Any]) -> dict[str, Any]:
    own = vars(parent).get("__annotations__", {})
    module = vars(sys.modules.get(parent.__module__, types.ModuleType("none")))
    scope = {**module, **names, parent.__name__: parent, cls.__name__: cls}
    resolved: dict[str, Any] = {}
    for attribute, annotation in own.items():
        if attribute.startswith("_") or attribute.startswith("parse_"):
            continue
        if isinstance(annotation, str):
            try:
                annotation = eval(annotation, scope)
            except NameError as error:
                problem = (
                    f'{parent.__name__}.{attribute}: the annotation "{annotation}" names {error.name!r}, '
                )
                raise SchemaError(
                    [
                        problem
                        + "which is not defined before this class; move it up, or use pf_field(targets=...)"
                    ]
                ) from error
        if typing.get_origin(annotation) is not typing.ClassVar:
            resolved[attribute] = annotation
    return resolved


def _descriptor(attribute: str, annotation: Any, found: Any, base: type) -> PFField:
    options = found if isinstance(found, _Options) else _Options(None, None, MISSING, (), ())
    default = options.default
    if found is not MISSING and not isinstance(found, _Options) and found is not None:
        default = found.value if isinstance(found, Enum) else found
    members, optional = _members(annotation)
    kind, targets, enum = _field_type(members, base)
    required = (not optional and default is MISSING) if options.required is None else options.required
    values = options.enum or (tuple(item.value for item in enum) if enum is not None else ())
    field = Field(kind, options.targets or targets, required or options.required, default, values)
    return PFField(attribute, options.key or camel_case(attribute), field, enum)


def _members(annotation: Any) -> tuple[list[Any], bool]:
    if typing.get_origin(annotation) in (Union, types.UnionType):
        members = list(typing.get_args(annotation))
        return [item for item in members if item is not type(None)], type(None) in members
    return [annotation], False


def _field_type(members: list[Any], base: type) -> tuple[FieldType, tuple[str, ...], type[Enum] | None]:
    if all(isinstance(item, type) and issubclass(item, base) for item in members):
        names = tuple(item.parse_class_name for item in members if item is not base)
        return "Pointer", names, None
    if set(members) == {int, float}:
        return "Number", (), None
    if len(members) != 1:
        raise SchemaError(
            [f"{members} mixes types; Parse has one type a field, or several classes of a pointer"]
        )
    item = typing.get_origin(members[0]) or members[0]
    if isinstance(item, type) and issubclass(item, Enum):
        if not issubclass(item, str):
            raise SchemaError([f"{item.__name__} is not a StrEnum; use enum.StrEnum, Parse stores its text"])
        return "String", (), item
    if isinstance(item, type) and issubclass(item, Mapping):
        item = dict
    relation = getattr(item, "__parse_relation__", False)
    if relation:
        arguments = typing.get_args(members[0])
        return "Relation", tuple(argument.parse_class_name for argument in arguments), None
    kind = _TYPES.get(item)
    if kind is None:
        known = ", ".join(known.__name__ for known in _TYPES)
        raise SchemaError(
            [f"{item!r} is no Parse type; use one of {known}, a PFObject subclass, or X | None"]
        )
    return kind, (), None
