"""Two operations on one key as one operation.

Under the server's rules every pair merges (law L3); a pair that no single operation expresses stays a
``Sequence``. The SDK refuses such pairs, and some that could be expressed (ios_sdk 4.2).
"""

from __future__ import annotations

from parsekit.errors import TypeMismatchError
from parsekit.operations.apply import add_numbers, apply, distinct, relation_class, with_unique
from parsekit.operations.kinds import (
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
from parsekit.operations.rules import SERVER_RULES, OperationRules
from parsekit.values import MISSING, Pointer

__all__ = ["merge"]

_RELATIONS = (AddRelation, RemoveRelation, RelationChange)


def merge(
    previous: Operation | None, operation: Operation, rules: OperationRules = SERVER_RULES
) -> Operation:
    """The operation that does ``previous`` and then ``operation``. ``None``: there is no previous one.

    Under ``SERVER_RULES`` this never raises: operations that contradict each other become a ``Sequence``
    whose ``apply`` raises.

    Raises:
        ObjectiveCError: under ``SDK_RULES``, the SDK refuses the pair.
    """
    if isinstance(operation, Sequence):
        for part in operation.operations:
            previous = merge(previous, part, rules)
        return operation if previous is None else previous
    operation = _constructed(operation, rules)
    if previous is None:
        return operation
    if isinstance(operation, Set | Delete):
        return operation
    if isinstance(previous, Sequence):
        return _appended(previous, operation, rules)
    if isinstance(operation, SetOnInsert) or isinstance(previous, SetOnInsert):
        return Sequence((previous, operation))
    if isinstance(operation, _RELATIONS):
        return _merged_relation(previous, operation, rules)
    if isinstance(previous, Set):
        return _after_set(previous, operation, rules)
    if isinstance(previous, Delete):
        return _after_delete(previous, operation, rules)
    return _same_kind(previous, operation, rules) or _unexpressed(previous, operation, rules)


def _constructed(operation: Operation, rules: OperationRules) -> Operation:
    """What the SDK's constructors make of the operation: they drop doubles and refuse mixed relations."""
    if not rules.keeps_sequences:
        if isinstance(operation, AddUnique):
            return AddUnique(distinct(operation.objects, rules))
        if isinstance(operation, _RELATIONS):
            relation_class(relation_change(operation), rules)
    return operation


def _appended(previous: Sequence, operation: Operation, rules: OperationRules) -> Operation:
    *first, last = previous.operations
    tail = merge(last, operation, rules)
    return Sequence((*first, *(tail.operations if isinstance(tail, Sequence) else (tail,))))


def _unexpressed(previous: Operation, operation: Operation, rules: OperationRules) -> Operation:
    if rules.keeps_sequences:
        return Sequence((previous, operation))
    raise rules.refusal("after previous")


def _after_set(previous: Set, operation: Operation, rules: OperationRules) -> Operation:
    on_elements = isinstance(operation, Add | AddUnique | Remove)
    if on_elements and not rules.keeps_sequences and not isinstance(previous.value, list | tuple):
        raise rules.refusal("element after set")  # another text than when the operation is applied
    try:
        return Set(apply(operation, previous.value, rules))
    except TypeMismatchError:
        return Sequence((previous, operation))


def _after_delete(previous: Delete, operation: Operation, rules: OperationRules) -> Operation:
    if not rules.keeps_sequences and isinstance(operation, Remove):
        raise rules.refusal("remove after delete")
    value = apply(operation, MISSING, rules)
    return previous if value is MISSING else Set(value)


def _same_kind(previous: Operation, operation: Operation, rules: OperationRules) -> Operation | None:
    match previous, operation:
        case Increment(), Increment():
            return Increment(add_numbers(operation.amount, previous.amount, rules))
        case Add(), Add():
            return Add(previous.objects + operation.objects)
        case Remove(), Remove():
            return Remove(previous.objects + operation.objects)
        case AddUnique(), AddUnique():
            return AddUnique(with_unique(previous.objects, operation.objects, rules))
        case _:
            return None


def _merged_relation(
    previous: Operation, operation: AddRelation | RemoveRelation | RelationChange, rules: OperationRules
) -> Operation:
    if not isinstance(previous, _RELATIONS):
        if rules.keeps_sequences:
            return Sequence((previous, operation))
        after_delete = isinstance(previous, Delete)
        raise rules.refusal("relation after delete" if after_delete else "relation after previous")
    older, newer = relation_change(previous), relation_change(operation)
    names = _class_or_none(older), _class_or_none(newer)
    if None not in names and names[0] != names[1]:
        if rules.keeps_sequences:
            return Sequence((previous, operation))
        raise rules.refusal("relation class", *names)
    return _combined(older, newer, rules)


def _class_or_none(change: RelationChange) -> str | None:
    pointers = change.added or change.removed
    return pointers[0].class_name if pointers else None


def _combined(older: RelationChange, newer: RelationChange, rules: OperationRules) -> Operation:
    added = _union(older.added, newer.added)
    if rules.removal_cancels_addition:
        gone = set(newer.removed)
        added = tuple(pointer for pointer in added if pointer not in gone)
    back = set(newer.added)
    removed = _union(tuple(pointer for pointer in older.removed if pointer not in back), newer.removed)
    if not removed:
        return AddRelation(added)
    return RelationChange(added, removed) if added else RemoveRelation(removed)


def _union(first: tuple[Pointer, ...], second: tuple[Pointer, ...]) -> tuple[Pointer, ...]:
    return tuple(dict.fromkeys((*first, *second)))
