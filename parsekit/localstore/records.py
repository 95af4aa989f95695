"""An object's state <-> what a row keeps of it beside its columns.

The columns of a row hold what queries see: the values with pending operations applied. Beside them stands, for an
object that has something pending or is not whole, one JSON text::

    {"new": true,                                   never saved
     "operations": {key: {"op": "Increment", "amount": 1}},
     "server": {key: value before the operations},  of the keys that have operations
     "keys": [...]}                                 the keys that a partial object knows

A pointer to an object without an objectId is written with a *local id* in its place: ``local:`` and the number of the
object's node.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from parsekit import attrs
from parsekit.codec import decode_interior, encode_interior
from parsekit.object import PFObject
from parsekit.object_state import SYSTEM_KEYS, LocalState
from parsekit.operations import (
    Add,
    AddRelation,
    AddUnique,
    Delete,
    Increment,
    Operation,
    OperationSet,
    RelationChange,
    Remove,
    RemoveRelation,
    Sequence,
    Set,
    SetOnInsert,
    apply,
)
from parsekit.values import MISSING, Missing, Pointer, Value

__all__ = [
    "LOCAL_ID",
    "Extra",
    "extra_text",
    "knows_something",
    "local_id",
    "merge_into",
    "node_of",
    "operations_text",
    "plain",
    "read_extra",
    "read_operations",
    "recompute",
    "secrets_of",
    "settle",
    "values_of",
]

LOCAL_ID: Final = "local:"
Refer = Callable[[Any], Pointer]
"""Gives the pointer that is written for an object or a pointer."""

_KINDS: Final[dict[str, Any]] = {
    kind.__name__: kind
    for kind in (
        Add, AddRelation, AddUnique, Delete, Increment, RelationChange, Remove, RemoveRelation, Sequence, Set,
        SetOnInsert,
    )
}  # fmt: skip
_NO_SECRETS: Final[frozenset[str]] = frozenset()
_PASSWORD: Final = frozenset({"password"})
_WHOLE: Final = frozenset({"value", "amount"})


def local_id(number: int) -> str:
    """What stands for the objectId of an object that has none."""
    return f"{LOCAL_ID}{number}"


def node_of(pointer: Pointer) -> int | None:
    """The node that a local id names; ``None`` for the objectId of a saved object."""
    if not pointer.object_id.startswith(LOCAL_ID):
        return None
    return int(pointer.object_id.removeprefix(LOCAL_ID))


def plain(value: Any, refer: Refer) -> Any:
    """``value`` with pointers in the place of objects; ``refer`` hears of every one of them."""
    if isinstance(value, PFObject | Pointer):
        return refer(value)
    if isinstance(value, list | tuple):
        return [plain(item, refer) for item in value]
    if isinstance(value, dict):
        return {key: plain(item, refer) for key, item in value.items()}
    return value


# -- operations ----------------------------------------------------------------------------------------


def _form(operation: Operation, refer: Refer) -> dict[str, Value]:
    form: dict[str, Value] = {"op": type(operation).__name__}
    if isinstance(operation, Sequence):
        form["operations"] = [_form(part, refer) for part in operation.operations]
        return form
    for field in attrs.fields(type(operation)):
        form[field.name] = plain(getattr(operation, field.name), refer)
    return form


def _operation(form: Mapping[str, Value], resolve: Callable[[Any], Any]) -> Operation:
    kind = _KINDS[form["op"]]
    if kind is Sequence:
        return Sequence(tuple(_operation(part, resolve) for part in form["operations"]))
    parts = {
        name: resolve(value) if name in _WHOLE else tuple(resolve(value))
        for name, value in form.items()
        if name != "op"
    }
    return kind(**parts)  # type: ignore[no-any-return]


def operations_text(operations: OperationSet, refer: Refer) -> str | None:
    """Pending operations as text, ``None`` for none."""
    if not operations:
        return None
    return encode_interior({key: _form(operation, refer) for key, operation in operations.items()})


def read_operations(text: str, resolve: Callable[[Any], Any]) -> list[tuple[str, Operation]]:
    """What ``operations_text`` wrote; ``resolve`` puts objects in the place of local ids."""
    return [(key, _operation(form, resolve)) for key, form in decode_interior(text).items()]


# -- what stands beside the columns --------------------------------------------------------------------


@attrs.frozen(slots=True)
class Extra:
    """What a row's text says: never saved or not, operations, values before them, known keys of a partial object."""

    new: bool
    operations: list[tuple[str, Operation]]
    server: Mapping[str, Value]
    keys: frozenset[str] | None


def extra_text(state: LocalState, refer: Refer, secrets: frozenset[str]) -> str | None:
    """What is to be kept beside the columns, ``None`` for an object that is whole and has nothing pending.

    Of ``secrets`` nothing is kept.
    """
    entry: dict[str, Value] = {}
    if state.new:
        entry["new"] = True
    pending = {key: operation for key, operation in state.operations.items() if key not in secrets}
    if pending:
        before = {key: state.server[key] for key in pending if key in state.server}
        entry["operations"] = {key: _form(op, refer) for key, op in pending.items()}
        entry["server"] = {key: plain(value, refer) for key, value in before.items() if value is not MISSING}
    if not state.complete:
        entry["keys"] = sorted(state.server)
    return encode_interior(entry) if entry else None


def read_extra(text: str, resolve: Callable[[Any], Any]) -> Extra:
    """What ``extra_text`` wrote."""
    entry = decode_interior(text)
    operations = [(key, _operation(form, resolve)) for key, form in entry.get("operations", {}).items()]
    server = {key: resolve(value) for key, value in entry.get("server", {}).items()}
    keys = entry.get("keys")
    return Extra(entry.get("new", False), operations, server, None if keys is None else frozenset(keys))


# -- states --------------------------------------------------------------------------------------------


def settle(obj: PFObject) -> LocalState:
    """The object's state, made independent of the row that it was read from, so that it can be shared.

    Of an object that is not whole, ``server`` then holds every key that it knows, ``MISSING`` for one without a value.
    """
    state = obj._local()
    if state.row is None:
        return state
    context, row = obj.context, state.row
    server: dict[str, Value | Missing] = {key: context.read(key, row) for key in context.fields}
    server.update({key: context.read(key, row) for key in context.shape.relations})
    shape = context.shape
    if shape.acl_at >= 0 and shape.acl_of is not None:
        entry = shape.acl_of(row[shape.acl_at])
        server["ACL"] = MISSING if entry is None else entry
    identity, created, updated = obj.object_id, obj.created_at, obj.updated_at
    for key in SYSTEM_KEYS:
        server.pop(key, None)
    if state.complete:
        server = {key: value for key, value in server.items() if value is not MISSING}
    state.server = {**server, **state.server}
    state.object_id, state.created_at, state.updated_at = identity, created, updated
    state.row = None
    return state


def secrets_of(class_name: str) -> frozenset[str]:
    """The keys of a class that are never written to a device."""
    return _PASSWORD if class_name == "_User" else _NO_SECRETS


def values_of(state: LocalState, secrets: frozenset[str] = _NO_SECRETS) -> dict[str, Value]:
    """What queries see of a settled state: values with what is pending, the ACL as JSON, id and dates."""
    values = {**state.server, **state.estimated}
    left_out = SYSTEM_KEYS | secrets
    found = {key: value for key, value in values.items() if value is not MISSING and key not in left_out}
    if found.get("ACL", MISSING) is None:
        del found["ACL"]
    if state.object_id is not None:
        found["objectId"] = state.object_id
    if state.created_at is not None:
        found["createdAt"] = state.created_at
    if state.updated_at is not None:
        found["updatedAt"] = state.updated_at
    return found


def knows_something(state: LocalState) -> bool:
    """Whether there is more to an object than its id and what is pending."""
    return state.complete or state.new or bool(state.server.keys() - {"ACL"})


def recompute(state: LocalState) -> None:
    """Apply what is pending to what the server said, anew."""
    state.estimated = {
        key: apply(operation, state.server.get(key, MISSING)) for key, operation in state.operations.items()
    }


def merge_into(kept: LocalState, other: LocalState) -> None:
    """Let ``kept`` learn what another state of the same object knows: the newer server data, and what is pending.

    Both are settled. Data as old as what is kept counts as newer (ios_sdk.md 3.7).
    """
    known = other.complete or bool(other.server)
    newer = kept.updated_at is None or (other.updated_at is not None and other.updated_at >= kept.updated_at)
    if known and newer:
        whole = other.complete or other.new
        kept.server = dict(other.server) if whole else {**kept.server, **other.server}
        kept.complete = kept.complete or other.complete
        kept.created_at, kept.updated_at = other.created_at or kept.created_at, other.updated_at
    elif known and not kept.complete:
        if other.complete:
            kept.server, kept.complete = {**other.server, **kept.server}, True
        else:
            kept.server = {**other.server, **kept.server}
    for key, operation in other.operations.items():
        kept.operations.perform(key, operation)
    kept.object_id = kept.object_id or other.object_id
    kept.new = kept.new and other.new
    recompute(kept)
