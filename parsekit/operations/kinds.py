"""The operations themselves, as frozen data. What they do is said in ``apply`` and ``merge``.

Their values may be passwords or fields that somebody else must not see, so a ``repr`` has their types only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TypeAlias, final

import attrs

from parsekit.values import Pointer, Value

__all__ = [
    "Add",
    "AddRelation",
    "AddUnique",
    "Delete",
    "Increment",
    "Operation",
    "RelationChange",
    "RelationMembers",
    "Remove",
    "RemoveRelation",
    "Sequence",
    "Set",
    "SetOnInsert",
    "relation_change",
]


def _type_name(value: Value) -> str:
    return type(value).__name__


def _type_names(values: tuple[Value, ...]) -> str:
    return f"({', '.join(map(_type_name, values))})"


def _objects(objects: Iterable[Value]) -> tuple[Value, ...]:
    return tuple(objects)


def _pointers(pointers: Iterable[Pointer]) -> tuple[Pointer, ...]:
    return tuple(pointers)


def _members(pointers: Iterable[Pointer]) -> frozenset[Pointer]:
    return frozenset(pointers)


def _number(_instance: object, _attribute: object, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"Increment: the amount must be a number, not {type(value).__name__}")
    if not math.isfinite(value):
        raise ValueError("Increment: the amount must be a finite number")


@final
@attrs.frozen(slots=True)
class Set:
    """The key gets ``value``; ``None`` is an explicit null."""

    value: Value = attrs.field(repr=_type_name)


@final
@attrs.frozen(slots=True)
class Delete:
    """The key is removed."""


@final
@attrs.frozen(slots=True)
class Increment:
    """``amount`` is added to a number; a missing key counts as 0."""

    amount: int | float = attrs.field(default=1, validator=_number)


@final
@attrs.frozen(slots=True)
class Add:
    """``objects`` are appended to an array."""

    objects: tuple[Value, ...] = attrs.field(converter=_objects, repr=_type_names)


@final
@attrs.frozen(slots=True)
class AddUnique:
    """Those of ``objects`` that an array does not hold yet are appended to it."""

    objects: tuple[Value, ...] = attrs.field(converter=_objects, repr=_type_names)


@final
@attrs.frozen(slots=True)
class Remove:
    """All elements equal to one of ``objects`` leave an array."""

    objects: tuple[Value, ...] = attrs.field(converter=_objects, repr=_type_names)


@final
@attrs.frozen(slots=True)
class AddRelation:
    """``objects`` join a relation. They are of one class."""

    objects: tuple[Pointer, ...] = attrs.field(converter=_pointers)


@final
@attrs.frozen(slots=True)
class RemoveRelation:
    """``objects`` leave a relation. They are of one class."""

    objects: tuple[Pointer, ...] = attrs.field(converter=_pointers)


@final
@attrs.frozen(slots=True)
class RelationChange:
    """``added`` join a relation, then ``removed`` leave it; REST's ``Batch``."""

    added: tuple[Pointer, ...] = attrs.field(converter=_pointers)
    removed: tuple[Pointer, ...] = attrs.field(converter=_pointers)


@final
@attrs.frozen(slots=True)
class SetOnInsert:
    """The key gets ``value`` when the write creates the object, and stays as it is otherwise."""

    value: Value = attrs.field(repr=_type_name)


@final
@attrs.frozen(slots=True)
class Sequence:
    """``operations`` one after another, where no single one says the same. Never nested, two at least."""

    operations: tuple[Operation, ...]


Operation: TypeAlias = (
    Set
    | Delete
    | Increment
    | Add
    | AddUnique
    | Remove
    | AddRelation
    | RemoveRelation
    | RelationChange
    | SetOnInsert
    | Sequence
)


@final
@attrs.frozen(slots=True)
class RelationMembers:
    """A relation as a value with its members: what the SDK calls known objects.

    ``class_name`` is ``None`` while the relation has not met an object. The server's value of a relation is a
    ``RelationReference``, which has no members.
    """

    class_name: str | None = None
    members: frozenset[Pointer] = attrs.field(default=(), converter=_members)


def relation_change(operation: AddRelation | RemoveRelation | RelationChange) -> RelationChange:
    """Any operation on a relation as a ``RelationChange``."""
    if isinstance(operation, RelationChange):
        return operation
    if isinstance(operation, AddRelation):
        return RelationChange(operation.objects, ())
    return RelationChange((), operation.objects)
