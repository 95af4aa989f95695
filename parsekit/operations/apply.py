"""What an operation makes of a value. Nothing is changed in place: new values are made.

Under the server's rules this is what MongoDB's update operators do ($set, $unset, $inc, $push, $addToSet,
$pullAll).
"""

from __future__ import annotations

from collections.abc import Sequence as Elements

from parsekit.operations.kinds import (
    Add,
    AddRelation,
    AddUnique,
    Delete,
    Increment,
    Operation,
    RelationChange,
    RelationMembers,
    Remove,
    RemoveRelation,
    Sequence,
    Set,
    SetOnInsert,
    relation_change,
)
from parsekit.operations.rules import SERVER_RULES, OperationRules, as_pointer, holds, same
from parsekit.values import MISSING, Missing, Pointer, RelationReference, Value

__all__ = ["add_numbers", "apply", "distinct", "relation_class", "value_on_create", "with_unique"]

_MAX_INT = 2**63 - 1
_MIN_INT = -(2**63)


def apply(
    operation: Operation, old: Value | Missing, rules: OperationRules = SERVER_RULES
) -> Value | Missing:
    """The value of a key after ``operation``, ``old`` being its value before (``MISSING``: it has none).

    Raises:
        TypeMismatchError: 111, the operation does not go with the old value (under ``SERVER_RULES``).
        ObjectiveCError: the same under ``SDK_RULES``.
    """
    match operation:
        case Set():
            return operation.value
        case Delete():
            return MISSING
        case SetOnInsert():
            return old
        case Increment():
            return _incremented(old, operation.amount, rules)
        case Add():
            return [*_elements(old, rules), *operation.objects]
        case AddUnique():
            if old is MISSING:
                return distinct(operation.objects, rules)
            return with_unique(_elements(old, rules), operation.objects, rules)
        case Remove():
            if old is MISSING:
                return list(operation.objects) if rules.remove_creates else MISSING
            return [e for e in _elements(old, rules) if not _is_removed(e, operation.objects, rules)]
        case AddRelation() | RemoveRelation() | RelationChange():
            return _related(old, operation, rules)
        case Sequence():
            for part in operation.operations:
                old = apply(part, old, rules)
            return old


def value_on_create(operation: Operation) -> Value | Missing:
    """The value that ``operation`` gives a key of an object that a write creates.

    Parse Server flattens operations there (DatabaseController): ``Remove`` leaves an empty array,
    ``AddUnique`` does not look for doubles, and ``SetOnInsert`` takes effect.
    """
    match operation:
        case Increment():
            return operation.amount
        case SetOnInsert():
            return operation.value
        case Add() | AddUnique():
            return list(operation.objects)
        case Remove():
            return []
        case Sequence():
            value: Value | Missing = MISSING
            for part in operation.operations:
                fresh = value is MISSING or isinstance(part, SetOnInsert)
                value = value_on_create(part) if fresh else apply(part, value)
            return value
        case _:
            return apply(operation, MISSING)


def add_numbers(amount: int | float, old: int | float, rules: OperationRules) -> int | float:
    """``old`` and ``amount`` together; an integer beyond 64 bits becomes a float."""
    if rules.amount_decides_type:
        old = float(old) if isinstance(amount, float) else int(old)
    total = amount + old
    if isinstance(total, int) and not _MIN_INT <= total <= _MAX_INT:
        return float(total)
    return total


def _incremented(old: Value | Missing, amount: int | float, rules: OperationRules) -> int | float:
    if old is MISSING:
        return amount
    if not isinstance(old, int | float) or (isinstance(old, bool) and not rules.loose_equality):
        raise rules.refusal("increment")
    return add_numbers(amount, old, rules)


def _elements(old: Value | Missing, rules: OperationRules) -> Elements[Value]:
    if old is MISSING:
        return ()
    if not isinstance(old, list | tuple):
        raise rules.refusal("element")
    return old


def distinct(values: Elements[Value], rules: OperationRules) -> list[Value]:
    """``values`` without later doubles."""
    answer: list[Value] = []
    for value in values:
        if not any(same(found, value, rules) for found in answer):
            answer.append(value)
    return answer


def with_unique(elements: Elements[Value], added: Elements[Value], rules: OperationRules) -> list[Value]:
    """``elements`` and those of ``added`` that are not among them."""
    answer = list(elements)
    for value in added:
        if not holds(answer, value, rules):
            answer.append(value)
        elif rules.objects_by_id and isinstance(as_pointer(value), Pointer):
            answer[_position(answer, value)] = value
    return answer


def _position(elements: Elements[Value], value: Value) -> int:
    object_id = as_pointer(value).object_id
    ids = (getattr(as_pointer(element), "object_id", None) for element in elements)
    return next(index for index, found in enumerate(ids) if found == object_id)


def _is_removed(element: Value, removed: Elements[Value], rules: OperationRules) -> bool:
    return holds(removed, element, rules)


def relation_class(operation: RelationChange, rules: OperationRules) -> str | None:
    """The class of the objects of a relation change; ``None`` when it has none.

    Raises:
        ParsekitError: they are of several classes.
    """
    names = [pointer.class_name for pointer in (*operation.added, *operation.removed)]
    if len(set(names)) > 1:
        raise rules.refusal("mixed relation")
    return names[0] if names else None


def _related(
    old: Value | Missing, operation: AddRelation | RemoveRelation | RelationChange, rules: OperationRules
) -> Value:
    change = relation_change(operation)
    class_name = relation_class(change, rules)
    if old is not MISSING and not isinstance(old, RelationReference | RelationMembers):
        raise rules.refusal("relation")
    known = None if old is MISSING else old.class_name
    if known is not None and class_name is not None and known != class_name:
        raise rules.refusal("relation class", known, class_name)
    name = known or class_name
    if isinstance(old, RelationMembers) or rules.relations_have_members:
        members = old.members if isinstance(old, RelationMembers) else frozenset()
        return RelationMembers(name, (members | set(change.added)) - set(change.removed))
    return MISSING if name is None else RelationReference(name)
