"""Field operations <-> JSON: ``{"__op": "Increment", "amount": 1}`` and its kin.

What MongoTransform refuses about an operation's shape is refused here, with its codes and texts. A value
without ``__op`` is a ``Set``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from parsekit.codec.decoding import decode_value
from parsekit.codec.encoding import encode_value
from parsekit.codec.text import JSON
from parsekit.errors import CommandUnavailableError, InvalidJsonError
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
    Set,
    SetOnInsert,
    merge,
)
from parsekit.values import Pointer, Value

__all__ = ["decode_operation", "encode_operation"]

ValueDecoder = Callable[[JSON], Value]


def decode_operation(json: JSON, value_decoder: ValueDecoder = decode_value) -> Operation:
    """The operation that ``json``, the value of a key in the body of a write, stands for.

    Raises:
        InvalidJsonError: 107, such as ``incrementing must provide a number``.
        CommandUnavailableError: 108 ``The X operator is not supported yet.``
        ParseError: as ``value_decoder`` refuses a value.
    """
    name = json.get("__op") if isinstance(json, dict) else None
    if not name:
        return Set(value_decoder(json))
    reader = _READERS.get(name) if isinstance(name, str) else None
    if reader is None:
        raise CommandUnavailableError(f"The {name} operator is not supported yet.")
    return reader(json, value_decoder)


def _increment(json: dict[str, JSON], _: ValueDecoder) -> Operation:
    amount = json.get("amount")
    if isinstance(amount, bool) or not isinstance(amount, int | float):
        raise InvalidJsonError("incrementing must provide a number")
    return Increment(amount)


def _objects(json: dict[str, JSON], verb: str) -> list[JSON]:
    objects = json.get("objects")
    if not isinstance(objects, list):
        raise InvalidJsonError(f"objects to {verb} must be an array")
    return objects


def _elements(json: dict[str, JSON], verb: str, decoder: ValueDecoder) -> list[Value]:
    # Decoded as parts of an array: inside one, Parse Server does not check typed values.
    return list(decoder(_objects(json, verb)))


def _pointers(json: dict[str, JSON], verb: str, decoder: ValueDecoder) -> list[Pointer]:
    pointers = [decoder(item) for item in _objects(json, verb)]
    if not pointers or not all(isinstance(item, Pointer) for item in pointers):
        raise InvalidJsonError(f"objects to {verb} must be an array of pointers")
    return pointers


def _batch(json: dict[str, JSON], decoder: ValueDecoder) -> Operation:
    parts = json.get("ops")
    operations = [decode_operation(part, decoder) for part in parts] if isinstance(parts, list) else []
    merged: Operation | None = None
    for operation in operations:
        if not isinstance(operation, AddRelation | RemoveRelation | RelationChange):
            raise CommandUnavailableError(
                "The Batch operator is not supported yet.",
                hint="Batch: only operations on relations can be batched",
            )
        merged = merge(merged, operation)
    if merged is None:
        raise InvalidJsonError("Batch: ops must be an array of operations on a relation")
    return merged


_READERS: Final[dict[str, Callable[[dict[str, JSON], ValueDecoder], Operation]]] = {
    "Delete": lambda json, decoder: Delete(),  # noqa: ARG005
    "Increment": _increment,
    "Add": lambda json, decoder: Add(_elements(json, "add", decoder)),
    "AddUnique": lambda json, decoder: AddUnique(_elements(json, "add", decoder)),
    "Remove": lambda json, decoder: Remove(_elements(json, "remove", decoder)),
    "AddRelation": lambda json, decoder: AddRelation(_pointers(json, "add", decoder)),
    "RemoveRelation": lambda json, decoder: RemoveRelation(_pointers(json, "remove", decoder)),
    "Batch": _batch,
    "SetOnInsert": lambda json, decoder: SetOnInsert(decoder(json.get("amount"))),
}


def encode_operation(operation: Operation) -> JSON:
    """The JSON of an operation.

    Raises:
        TypeError: a ``Sequence``, for which REST has no form; its parts have to be sent one after another.
    """
    match operation:
        case Set():
            return encode_value(operation.value)
        case Delete():
            return {"__op": "Delete"}
        case Increment():
            return {"__op": "Increment", "amount": encode_value(operation.amount)}
        case SetOnInsert():
            return {"__op": "SetOnInsert", "amount": encode_value(operation.value)}
        case RelationChange():
            parts = (AddRelation(operation.added), RemoveRelation(operation.removed))
            return {"__op": "Batch", "ops": [encode_operation(part) for part in parts if part.objects]}
        case Add() | AddUnique() | Remove() | AddRelation() | RemoveRelation():
            return {"__op": type(operation).__name__, "objects": encode_value(operation.objects)}
        case _:
            raise TypeError("a sequence of operations has no JSON form; send its parts one after another")
