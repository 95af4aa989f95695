"""What the server and the iOS SDK do differently with operations, as named rules.

The SDK's side is ios_sdk 4.1 and 4.2, read from PFFieldOperation.m and recorded in ``ios_offline.jsonl``.
Where the server raises a ``ParseError``, the SDK raises an Objective-C exception: ``ObjectiveCError`` carries
its name and text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, TypeAlias, final

from parsekit import attrs
from parsekit.errors import ParseError, ParsekitError, TypeMismatchError
from parsekit.values import Pointer, Value, equal, kind_of

__all__ = [
    "SDK_RULES",
    "SERVER_RULES",
    "ObjectiveCError",
    "OperationRules",
    "Refusal",
    "as_pointer",
    "holds",
    "same",
]

_INCONSISTENCY: Final = "NSInternalInconsistencyException"
_ARGUMENT: Final = "NSInvalidArgumentException"

Refusal: TypeAlias = Literal[
    "increment", "element", "relation", "relation class", "mixed relation", "after previous",
    "relation after previous", "relation after delete", "element after set", "remove after delete",
]  # fmt: skip


@final
class ObjectiveCError(ParsekitError):
    """An exception that the SDK raises: ``exception`` is its Objective-C name, ``message`` its text."""

    def __init__(self, exception: str, message: str) -> None:
        super().__init__(f"{exception}: {message}")
        self.exception: str = exception
        self.message: str = message


_AFTER_PREVIOUS: Final = (_INCONSISTENCY, "This operation is invalid after previous operation.")
_SDK_REFUSALS: Final[dict[Refusal, tuple[str, str]]] = {
    "increment": (_ARGUMENT, "You cannot increment a non-number."),
    "element": _AFTER_PREVIOUS,
    "relation": _AFTER_PREVIOUS,
    "relation class": (_ARGUMENT, "Related object object must be of class {}, but {} was passed in"),
    "mixed relation": (_ARGUMENT, "All objects in a relation must be of the same class."),
    "after previous": _AFTER_PREVIOUS,
    "relation after previous": (_INCONSISTENCY, "Operation is invalid after previous operation"),
    "relation after delete": (_INCONSISTENCY, "You can't modify a relation after deleting it"),
    "element after set": (_INCONSISTENCY, "Unable to add an item to a non-array."),
    "remove after delete": (_INCONSISTENCY, "Unable to remove items from a deleted array."),
}
_SERVER_REFUSALS: Final[dict[Refusal, str]] = {
    "increment": "Increment: the value is no number",
    "element": "the value is no array, and elements cannot be added to it or removed from it",
    "relation": "the value is no relation, and objects cannot join or leave it",
    "relation class": "the relation leads to {}, not to {}",
    "mixed relation": "all objects in a relation must be of the same class",
}


@final
@attrs.frozen(kw_only=True)
class OperationRules:
    """One way to apply and merge operations."""

    name: str

    keeps_sequences: bool
    """A pair that no single operation expresses is kept as a ``Sequence``; otherwise it is refused."""

    amount_decides_type: bool
    """An increment by an integer cuts the old value to an integer first; otherwise a float stays one."""

    remove_creates: bool
    """``Remove`` on a missing key puts the removed objects there (a fault); otherwise it stays missing."""

    objects_by_id: bool
    """``AddUnique`` replaces and ``Remove`` removes pointers of the same objectId, whatever their class."""

    loose_equality: bool
    """Booleans equal the numbers 0 and 1, and the order of an object's keys does not matter."""

    relations_have_members: bool
    """The value of a relation knows its members; otherwise only the class it leads to."""

    removal_cancels_addition: bool
    """An object whose joining is pending no longer joins when it is removed; otherwise it does both."""

    raises_objective_c: bool
    """Refusals are ``ObjectiveCError``; otherwise ``TypeMismatchError`` (111)."""

    def refusal(self, kind: Refusal, *names: str | None) -> ParsekitError:
        """The error that these rules raise for ``kind``; ``names`` fill its text."""
        if self.raises_objective_c:
            exception, text = _SDK_REFUSALS[kind]
            return ObjectiveCError(exception, text.format(*names))
        return TypeMismatchError(_SERVER_REFUSALS[kind].format(*names))


SERVER_RULES: Final = OperationRules(
    name="server",
    keeps_sequences=True,
    amount_decides_type=False,
    remove_creates=False,
    objects_by_id=False,
    loose_equality=False,
    relations_have_members=False,
    removal_cancels_addition=True,
    raises_objective_c=False,
)

SDK_RULES: Final = OperationRules(
    name="sdk",
    keeps_sequences=False,
    amount_decides_type=True,
    remove_creates=True,
    objects_by_id=True,
    loose_equality=True,
    relations_have_members=True,
    removal_cancels_addition=False,
    raises_objective_c=True,
)


def as_pointer(value: Value) -> Value:
    """The pointer of a saved object (anything with ``__parse_pointer__``); any other value as it is."""
    pointer = getattr(value, "__parse_pointer__", None)
    if pointer is None:
        return value
    try:
        return pointer()
    except ParseError:
        return value  # not saved yet: it equals only itself


def same(a: Value, b: Value, rules: OperationRules = SERVER_RULES) -> bool:
    """Whether two elements of an array are the same to ``AddUnique`` and ``Remove``: deeply equal."""
    if a is b:
        return True
    a, b = as_pointer(a), as_pointer(b)
    if hasattr(a, "__parse_pointer__") or hasattr(b, "__parse_pointer__"):
        return False
    return _loosely_equal(a, b) if rules.loose_equality else _strictly_equal(a, b)


def _strictly_equal(a: Value, b: Value) -> bool:
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return equal(a, b)


def _loosely_equal(a: Value, b: Value) -> bool:
    if isinstance(a, int | float) and isinstance(b, int | float):
        return a == b
    kind = kind_of(a)
    if kind != kind_of(b):
        return False
    if kind == "array":
        return len(a) == len(b) and all(same(x, y, SDK_RULES) for x, y in zip(a, b, strict=True))
    if kind == "object":
        return a.keys() == b.keys() and all(same(a[key], b[key], SDK_RULES) for key in a)
    return bool(a == b)


def holds(elements: Iterable[Value], value: Value, rules: OperationRules) -> bool:
    """Whether one of ``elements`` is ``value``; under ``objects_by_id`` a pointer is found by its id."""
    wanted = as_pointer(value)
    if rules.objects_by_id and isinstance(wanted, Pointer):
        return any(
            isinstance(found := as_pointer(element), Pointer) and found.object_id == wanted.object_id
            for element in elements
        )
    return any(same(element, value, rules) for element in elements)
