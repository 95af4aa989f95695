"""The accumulators of ``$group``: what a group of documents comes to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias, cast

from parsekit.codec import JSON
from parsekit.errors import InvalidQueryError
from parsekit.query.aggregate.expressions import Document, Expression, compile_expression
from parsekit.values import MISSING, Missing, Value, order_key

__all__ = ["Accumulator", "MakeAccumulator", "accumulator"]


class Accumulator(Protocol):
    """Takes values one by one and knows the result at any time."""

    def take(self, value: Value | Missing) -> None:
        """Count a document's value in."""

    def result(self) -> Value:
        """What the values taken so far come to."""


MakeAccumulator: TypeAlias = Callable[[], Accumulator]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class _Sum:
    """What is no number counts as nothing."""

    def __init__(self) -> None:
        self.total: int | float = 0

    def take(self, value: Value | Missing) -> None:
        if _is_number(value):
            self.total += cast("float", value)

    def result(self) -> Value:
        return self.total


class _Average(_Sum):
    """Null where there was no number."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def take(self, value: Value | Missing) -> None:
        if _is_number(value):
            self.total += cast("float", value)
            self.count += 1

    def result(self) -> Value:
        return self.total / self.count if self.count else None


class _Extreme:
    """Null and missing do not take part."""

    def __init__(self, greatest: bool) -> None:
        self._greatest = greatest
        self._best: Value = None

    def take(self, value: Value | Missing) -> None:
        if value is None or value is MISSING:
            return
        if self._best is None or (order_key(value) > order_key(self._best)) is self._greatest:
            self._best = value

    def result(self) -> Value:
        return self._best


class _First:
    def __init__(self) -> None:
        self.value: Value | Missing = MISSING
        self.seen = False

    def take(self, value: Value | Missing) -> None:
        if not self.seen:
            self.value, self.seen = value, True

    def result(self) -> Value:
        return None if self.value is MISSING else self.value


class _Last(_First):
    def take(self, value: Value | Missing) -> None:
        self.value = value


class _Push:
    def __init__(self) -> None:
        self.values: list[Value] = []

    def take(self, value: Value | Missing) -> None:
        if value is not MISSING:
            self.values.append(value)

    def result(self) -> Value:
        return self.values


class _AddToSet(_Push):
    def __init__(self) -> None:
        super().__init__()
        self._seen: set[Any] = set()

    def take(self, value: Value | Missing) -> None:
        key = order_key(value)
        if value is not MISSING and key not in self._seen:
            self._seen.add(key)
            self.values.append(value)


_KINDS: Final[dict[str, MakeAccumulator]] = {
    "$sum": _Sum,
    "$avg": _Average,
    "$min": lambda: _Extreme(False),
    "$max": lambda: _Extreme(True),
    "$first": _First,
    "$last": _Last,
    "$push": _Push,
    "$addToSet": _AddToSet,
}


def _one(_document: Document) -> Value:
    return 1


def accumulator(key: str, specification: JSON) -> tuple[MakeAccumulator, Expression]:
    """The accumulator of a ``$group`` field, and the expression whose values it takes.

    Raises:
        InvalidQueryError: 102, not an accumulator.
    """
    if not isinstance(specification, dict) or len(specification) != 1:
        raise InvalidQueryError(f"The field '{key}' must be an accumulator object")
    ((name, argument),) = specification.items()
    if name == "$count":
        return _Sum, _one
    kind = _KINDS.get(name)
    if kind is None:
        raise InvalidQueryError(f"unknown group operator '{name}'")
    return kind, compile_expression(argument)
