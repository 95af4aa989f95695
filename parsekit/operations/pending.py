"""``OperationSet``: the pending operations of one object, one per key, merged as they come.

While a save is under way further operations may come. The save takes a ``snapshot``; what comes after it is
kept apart, so that ``remove_saved`` drops exactly what was sent, and a failed save needs nothing undone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, final

from parsekit.operations.kinds import Operation, Set
from parsekit.operations.merge import merge
from parsekit.operations.rules import SERVER_RULES, OperationRules
from parsekit.values import Value

__all__ = ["OperationSet"]

_NOTHING: Final[Mapping[str, tuple[Operation, ...]]] = MappingProxyType({})


@final
class OperationSet:
    """An ordered mapping of keys to operations; keys come in the order of their first operation."""

    __slots__ = ("_held", "_is_shared", "_snapshot", "_values", "rules")

    def __init__(self, rules: OperationRules = SERVER_RULES) -> None:
        self.rules: OperationRules = rules
        # Values that were merely put, after all that is held: nearly all operations are these, and most are never asked
        # for as operations. Those that are become held (``_parts``).
        self._values: dict[str, Value] = {}
        # Key -> the merged operation of each stretch between snapshots; seldom more than one.
        self._held: dict[str, tuple[Operation, ...]] = {}
        # The last snapshot; a stretch that is in there is closed.
        self._snapshot: OperationSet | None = None
        self._is_shared = False  # whether a snapshot has the same dicts, which are copied before they change

    def perform(self, key: str, operation: Operation) -> None:
        """Adds ``operation`` to what is pending on ``key``.

        Raises:
            ObjectiveCError: under ``SDK_RULES``, the SDK refuses the pair. Nothing has changed then.
        """
        parts = self._parts.get(key)
        if parts is None:
            first = operation if type(operation) is Set else merge(None, operation, self.rules)
            self._own_parts()[key] = (first,)
            return
        sealed = len(self._sealed.get(key, ()))
        merge(self._merged(parts), operation, self.rules)  # refuses before anything changes
        open_part = parts[sealed] if len(parts) > sealed else None
        self._own_parts()[key] = (*parts[:sealed], merge(open_part, operation, self.rules))

    def put(self, key: str, value: Value) -> None:
        """``perform`` of ``Set(value)``."""
        if self._is_shared or key in self._held:
            self.perform(key, Set(value))
        else:
            self._values[key] = value

    def values(self) -> Mapping[str, Value] | None:
        """The values by key where every operation is one ``Set``, else ``None``. Not to be changed."""
        if not self._held:
            return self._values
        values: dict[str, Value] = {}
        for key, parts in self._held.items():
            operation = parts[0]
            if type(operation) is not Set or len(parts) != 1:
                return None
            values[key] = operation.value
        return {**values, **self._values}

    @property
    def _parts(self) -> dict[str, tuple[Operation, ...]]:
        """All that is pending, as operations; to be changed through ``_own_parts``."""
        if self._values:
            held = dict(self._held)
            for key, value in self._values.items():
                held[key] = (Set(value),)
            self._held, self._values = held, {}
        return self._held

    @property
    def _sealed(self) -> Mapping[str, tuple[Operation, ...]]:
        return _NOTHING if self._snapshot is None else self._snapshot._parts

    def _own_parts(self) -> dict[str, tuple[Operation, ...]]:
        parts = self._parts
        if self._is_shared:
            parts = self._held = dict(parts)
            self._is_shared = False
        return parts

    def with_values(self, values: Mapping[str, Value]) -> OperationSet:
        """A copy in which the operations on the keys of ``values`` are ``Set`` to them."""
        copy = OperationSet(self.rules)
        copy._held = {**self._parts, **{key: (Set(value),) for key, value in values.items()}}
        return copy

    def snapshot(self) -> OperationSet:
        """A copy of what is pending now; ``remove_saved`` takes it when it has been saved."""
        copy = OperationSet(self.rules)
        copy._values, copy._held = self._values, self._held
        self._snapshot = copy
        self._is_shared = copy._is_shared = True
        return copy

    def remove_saved(self, saved: OperationSet) -> None:
        """Drops what the snapshot ``saved`` holds; later operations stay."""
        for key, parts in saved._parts.items():
            mine = self._parts.get(key, ())
            if mine[: len(parts)] != parts:
                continue
            self.discard(key)
            if len(mine) > len(parts):
                self._own_parts()[key] = mine[len(parts) :]

    def copy(self) -> OperationSet:
        """An equal set that changes on its own; snapshots taken of this one are none of the copy's."""
        copy = OperationSet(self.rules)
        copy._held = dict(self._parts)
        return copy

    def is_exactly(self, saved: OperationSet) -> bool:
        """Whether nothing came after the snapshot ``saved``, which was all there was."""
        if self._values is saved._values and self._held is saved._held:
            return True
        return self._parts == saved._parts

    def has_newer(self, key: str, saved: OperationSet) -> bool:
        """Whether ``key`` has operations that came after the snapshot ``saved``."""
        return len(self._parts.get(key, ())) > len(saved._parts.get(key, ()))

    def merge_with(self, newer: OperationSet) -> OperationSet:
        """A new set that does what this one does and then what ``newer`` does.

        Raises:
            ObjectiveCError: under ``SDK_RULES``, the SDK refuses a pair.
        """
        merged = OperationSet(self.rules)
        for operations in (self, newer):
            for key, operation in operations.items():
                merged.perform(key, operation)
        return merged

    def discard(self, key: str) -> None:
        """Forgets what is pending on ``key``."""
        self._own_parts().pop(key, None)
        if key in self._sealed:
            sealed = OperationSet(self.rules)
            sealed._held = {name: parts for name, parts in self._sealed.items() if name != key}
            self._snapshot = sealed

    def clear(self) -> None:
        """Forgets everything."""
        self._held, self._values = {}, {}
        self._snapshot = None
        self._is_shared = False

    def get(self, key: str) -> Operation | None:
        """The operation pending on ``key``, if there is one."""
        parts = self._parts.get(key)
        return None if parts is None else self._merged(parts)

    def items(self) -> list[tuple[str, Operation]]:
        """The keys with their operations."""
        return [
            (key, parts[0] if len(parts) == 1 else self._merged(parts)) for key, parts in self._parts.items()
        ]

    def _merged(self, parts: tuple[Operation, ...]) -> Operation:
        answer = parts[0]
        for part in parts[1:]:
            answer = merge(answer, part, self.rules)
        return answer

    def __getitem__(self, key: str) -> Operation:
        return self._merged(self._parts[key])

    def __contains__(self, key: object) -> bool:
        return key in self._held or key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter([*self._held, *self._values])

    def __len__(self) -> int:
        return len(self._held) + len(self._values)

    def __bool__(self) -> bool:
        return bool(self._held or self._values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, OperationSet):
            return NotImplemented
        return dict(self.items()) == dict(other.items())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"OperationSet({', '.join(self)})"
