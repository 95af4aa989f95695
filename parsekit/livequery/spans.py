"""Groups that ask for a range of one key's values, found by a value.

``Bounds`` holds those with one bound, sorted, so that the matching ones are a slice. ``Grid`` holds those with two: an
interval stands in the few cells that it meets of a grid whose cells are some times narrower than itself, so that a
value is looked up once per width in use, and compared with the bounds of the intervals near it.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias, final

from parsekit import attrs
from parsekit.livequery.groups import Group

__all__ = ["Bounds", "Grid", "Interval", "is_number_exact"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FINER: Final = 2
"""Cells are this power of two narrower than the intervals in them, so that most of what stands in a cell fills it."""
_MOST_CELLS: Final = 6
_EXACT_INT: Final = 1 << 53
_MILLISECOND: Final = timedelta(milliseconds=1)

Cell: TypeAlias = tuple[int, int]
"""The power of two that is the cells' width, and which of them."""


@final
class Bounds:
    """Groups that ask for values on one side of a bound, by ``$gt``, ``$gte``, ``$lt`` or ``$lte``, sorted by it."""

    __slots__ = ("_above", "_bisect", "_bounds", "_groups")

    def __init__(self, op: str) -> None:
        self._above = op in ("$gt", "$gte")
        # above: the bounds less than (for $gte: at most) the value; below: from the first that is greater on
        self._bisect = bisect_left if op in ("$gt", "$lte") else bisect_right
        self._bounds: list[Any] = []
        self._groups: list[Group] = []

    def __bool__(self) -> bool:
        return bool(self._bounds)

    def add(self, bound: Any, group: Group) -> None:
        """Let ``find`` find a group."""
        at = bisect_right(self._bounds, bound)
        self._bounds.insert(at, bound)
        self._groups.insert(at, group)

    def remove(self, bound: Any, group: Group) -> None:
        """Forget a group."""
        at = bisect_left(self._bounds, bound)
        while self._groups[at] is not group:
            at += 1
        del self._bounds[at], self._groups[at]

    def find(self, value: Any) -> Collection[Group]:
        """The groups whose bound ``value`` meets."""
        at = self._bisect(self._bounds, value)
        return self._groups[:at] if self._above else self._groups[at:]

    def split(self, old: Any, new: Any) -> tuple[Collection[Group], Collection[Group], Collection[Group]]:
        """The groups whose bound both values meet, those that only ``old`` meets, and those that only ``new`` does."""
        first, second = self._bisect(self._bounds, old), self._bisect(self._bounds, new)
        low, high = min(first, second), max(first, second)
        both = self._groups[:low] if self._above else self._groups[high:]
        between = self._groups[low:high]
        if (first > second) == self._above:
            return both, between, ()
        return both, (), between

    def all(self) -> Collection[Group]:
        """Every group."""
        return self._groups


@final
@attrs.frozen(slots=True)
class Interval:
    """An interval of numbers or dates and the cells it stands in. ``with_low`` and ``with_high``: the ends belong."""

    low: float
    high: float
    with_low: bool
    with_high: bool
    cells: tuple[Cell, ...]

    @staticmethod
    def between(low: Any, high: Any, *, with_low: bool, with_high: bool) -> Interval | None:
        """The interval of two bounds; ``None`` when it is no finite one, or its ends are no exact floats."""
        try:
            first, last = _number(low), _number(high)
            span = last - first
            if not (span >= 0 and math.isfinite(span)):
                return None
            width = math.frexp(span)[1] - _FINER if span else 0
            cells = range(_scaled(first, width), _scaled(last, width) + 1)
        except OverflowError:
            return None
        if len(cells) > _MOST_CELLS or not (is_number_exact(low) and is_number_exact(high)):
            return None
        return Interval(first, last, with_low, with_high, tuple((width, cell) for cell in cells))


def _number(value: Any) -> float:
    return (value - _EPOCH) / _MILLISECOND if isinstance(value, datetime) else float(value)


def is_number_exact(value: Any) -> bool:
    """Whether a number is the same as a float, as dates always are (in milliseconds)."""
    return value.__class__ is not int or -_EXACT_INT <= value <= _EXACT_INT


def _scaled(value: float, width: int) -> int:
    return math.floor(math.ldexp(value, -width))


@final
class _Cell:
    """The intervals that meet one cell and include the same of their ends; their bounds lie side by side in memory."""

    __slots__ = ("groups", "highs", "lows")

    def __init__(self) -> None:
        self.lows = array("d")
        self.highs = array("d")
        self.groups: list[Group] = []

    def remove(self, group: Group) -> None:
        at = self.groups.index(group)
        for column in (self.lows, self.highs, self.groups):
            del column[at]

    def holding(self, value: float, with_low: bool, with_high: bool) -> list[tuple[float, float, Group]]:
        rows = zip(self.lows, self.highs, self.groups, strict=True)
        if with_low:
            if with_high:
                return [row for row in rows if row[0] <= value <= row[1]]
            return [row for row in rows if row[0] <= value < row[1]]
        if with_high:
            return [row for row in rows if row[0] < value <= row[1]]
        return [row for row in rows if row[0] < value < row[1]]


Ends: TypeAlias = tuple[bool, bool]


@final
class Grid:
    """Groups that ask for values between two bounds."""

    __slots__ = ("_all", "_cells", "_widths")

    def __init__(self) -> None:
        # how often each stands here: a disjunction may ask for several intervals
        self._all: dict[Group, int] = {}
        self._cells: dict[tuple[Cell, Ends], _Cell] = {}
        self._widths: dict[tuple[int, Ends], int] = {}

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, interval: Interval, group: Group) -> None:
        """Let ``find`` find a group."""
        self._all[group] = self._all.get(group, 0) + 1
        ends = interval.with_low, interval.with_high
        for cell in interval.cells:
            members = self._cells.setdefault((cell, ends), _Cell())
            members.lows.append(interval.low)
            members.highs.append(interval.high)
            members.groups.append(group)
            self._widths[cell[0], ends] = self._widths.get((cell[0], ends), 0) + 1

    def remove(self, interval: Interval, group: Group) -> None:
        """Forget a group."""
        self._all[group] -= 1
        if not self._all[group]:
            del self._all[group]
        ends = interval.with_low, interval.with_high
        for cell in interval.cells:
            members = self._cells[cell, ends]
            members.remove(group)
            if not members.groups:
                del self._cells[cell, ends]
            self._widths[cell[0], ends] -= 1
            if not self._widths[cell[0], ends]:
                del self._widths[cell[0], ends]

    def find(self, value: Any) -> Collection[Group]:
        """The groups in whose interval ``value`` is, each once."""
        return [group for rows, _ in self._holding(value) for _, _, group in rows]

    def split(self, old: Any, new: Any) -> tuple[Collection[Group], Collection[Group], Collection[Group]]:
        """The groups that hold both values, those that hold only ``old``, and those that hold only ``new``."""
        both: list[Group] = []
        left: list[Group] = []
        number = _number(new)
        for rows, ends in self._holding(old):
            for low, high, group in rows:
                (both if _between(low, number, high, ends) else left).append(group)
        number = _number(old)
        entered = [
            group
            for rows, ends in self._holding(new)
            for low, high, group in rows
            if not _between(low, number, high, ends)
        ]
        return both, left, entered

    def _holding(self, value: Any) -> Iterator[tuple[list[tuple[float, float, Group]], Ends]]:
        number = _number(value)
        for width, ends in self._widths:
            try:
                members = self._cells.get(((width, _scaled(number, width)), ends))
            except OverflowError:
                continue  # beyond every interval of this width
            if members is not None:
                yield members.holding(number, *ends), ends

    def all(self) -> Collection[Group]:
        """Every group."""
        return self._all


def _between(low: float, value: float, high: float, ends: Ends) -> bool:
    if ends[0] and value == low:
        return value < high or (ends[1] and value == high)
    return low < value < high or (ends[1] and low < value == high)
