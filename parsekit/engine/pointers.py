"""Objects inside of operations -> pointers, which is what is written of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from parsekit import attrs
from parsekit.object import PFObject
from parsekit.operations import Operation, OperationSet, Sequence, Set
from parsekit.values import PFGeoPoint, PFPolygon, Pointer, Value

__all__ = ["LEAVES", "plain_operations", "state_identity"]

_NONE: Final[Mapping[int, Pointer]] = MappingProxyType({})
LEAVES: Final = frozenset(
    {str, int, float, bool, type(None), datetime, Pointer, bytes, PFGeoPoint, PFPolygon}
)
"""Types whose values hold no object."""


def state_identity(obj: PFObject) -> int:
    """What tells an object in memory from others: the local datastore lets several share one state."""
    return id(obj.local_state or obj)


def plain_operations(operations: OperationSet, fresh: Mapping[int, Pointer] = _NONE) -> OperationSet:
    """``operations`` with pointers in the place of objects; itself when there are none.

    ``fresh`` are the pointers of objects created a moment ago, by ``state_identity``.

    Raises:
        InvalidPointerError: an object in them has not been saved.
    """
    pointers: dict[str, Value] = {}
    for key, operation in operations.items():
        if type(operation) is Set:
            value = operation.value
            if type(value) not in LEAVES and key != "ACL" and _has_object(value):
                pointers[key] = _pointers(value, fresh)
        elif _holds_object(operation):
            return _each_with_pointers(operations, fresh)
    return operations.with_values(pointers) if pointers else operations


def _each_with_pointers(operations: OperationSet, fresh: Mapping[int, Pointer]) -> OperationSet:
    plain = OperationSet()
    for key, operation in operations.items():
        plain.perform(key, _with_pointers(operation, fresh))
    return plain


def _holds_object(operation: Operation) -> bool:
    if type(operation) is Set:
        return _has_object(operation.value)
    if type(operation) is Sequence:
        return any(map(_holds_object, operation.operations))
    return any(_has_object(getattr(operation, field.name)) for field in attrs.fields(type(operation)))


def _has_object(value: Any) -> bool:
    if isinstance(value, PFObject):
        return True
    if isinstance(value, list | tuple):
        return any(map(_has_object, value))
    return isinstance(value, dict) and any(map(_has_object, value.values()))


def _with_pointers(operation: Any, fresh: Mapping[int, Pointer]) -> Any:
    if type(operation) is Sequence:
        return Sequence(tuple(_with_pointers(part, fresh) for part in operation.operations))
    changes: dict[str, Any] = {}
    for field in attrs.fields(type(operation)):
        before = getattr(operation, field.name)
        if isinstance(before, PFObject | list | tuple | dict):
            changes[field.name] = _pointers(before, fresh)
    return attrs.evolve(operation, **changes) if changes else operation


def _pointers(value: Any, fresh: Mapping[int, Pointer]) -> Value:
    if isinstance(value, PFObject):
        return fresh.get(state_identity(value)) or value.__parse_pointer__()
    if isinstance(value, list):
        return [_pointers(item, fresh) for item in value]
    if isinstance(value, tuple):
        return tuple(_pointers(item, fresh) for item in value)
    if isinstance(value, dict):
        return {key: _pointers(item, fresh) for key, item in value.items()}
    return value
