"""Operations on a dotted key: ``"obj.a.b"`` changes part of an Object, ``"arr.0"`` one element of an Array.

As MongoDB has it: missing objects on the way are made, an array takes a number for a key and is filled up
with nulls, nothing is made for an operation that leaves the key missing, and anything else on the way is an
error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from parsekit.errors import TypeMismatchError
from parsekit.operations.apply import apply
from parsekit.operations.kinds import Operation
from parsekit.operations.rules import SERVER_RULES, OperationRules
from parsekit.values import MISSING, Missing, Value

__all__ = ["apply_path"]

_MAX_PADDING: Final = 1_500_000
"""MongoDB's bound on how many nulls an assignment beyond an array's end may make."""


def apply_path(
    operation: Operation, root: Value | Missing, path: Sequence[str], rules: OperationRules = SERVER_RULES
) -> Value | Missing:
    """The value of a key after ``operation`` on what ``path`` leads to inside it.

    An empty path is the key itself.

    Raises:
        TypeMismatchError: 111, the path leads through something that is neither an object nor an array, or
            the operation
            does not go with what is there.
    """
    if not path:
        return apply(operation, root, rules)
    step, rest = path[0], path[1:]
    if isinstance(root, list | tuple):
        return _in_array(operation, root, step, rest, rules)
    if root is not MISSING and not isinstance(root, dict):
        raise TypeMismatchError(f'key path: "{step}" is asked of a value that is no object and no array')
    inner = {} if root is MISSING else root
    value = apply_path(operation, inner.get(step, MISSING), rest, rules)
    if value is MISSING:
        return root if step not in inner else {key: item for key, item in inner.items() if key != step}
    return {**inner, step: value}


def _in_array(
    operation: Operation, elements: Sequence[Value], step: str, rest: Sequence[str], rules: OperationRules
) -> list[Value]:
    if not (step.isascii() and step.isdigit()):
        raise TypeMismatchError(f'key path: "{step}" is asked of an array, whose keys are numbers')
    index = int(step)
    answer = list(elements)
    value = apply_path(operation, answer[index] if index < len(answer) else MISSING, rest, rules)
    if value is MISSING:
        if index < len(answer):
            answer[index] = None  # $unset leaves a hole, so that the other elements keep their places
        return answer
    if index - len(answer) > _MAX_PADDING:
        raise TypeMismatchError(f'key path: "{step}" is too far beyond the end of the array')
    answer.extend([None] * (index + 1 - len(answer)))
    answer[index] = value
    return answer
