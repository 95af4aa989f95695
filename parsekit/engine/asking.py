"""What one reading of one class is done with: who asks, what they may see of it, how it is stored."""

from __future__ import annotations

from typing import Final, final

import attrs

from parsekit.acl.clp import Operation
from parsekit.acl.policy import Access
from parsekit.engine.views import PrincipalView, Reading
from parsekit.query.state import QueryState
from parsekit.storage.layout import ClassLayout

__all__ = ["Asking", "selected_columns", "with_all_includes"]

_ALWAYS_RETURNED: Final = frozenset({"objectId", "createdAt", "updatedAt"})


@final
class Asking:
    """Who asks (``view``), as which ``operation``, what that allows (``reading``), and the layout of the class."""

    __slots__ = ("layout", "operation", "reading", "view")

    def __init__(
        self, view: PrincipalView, operation: Operation, reading: Reading, layout: ClassLayout
    ) -> None:
        self.view = view
        self.operation = operation
        self.reading = reading
        self.layout = layout


def with_all_includes(state: QueryState, layout: ClassLayout) -> QueryState:
    """``*`` spelled out: every Pointer and Array; what is included is also selected (RestQuery.handleIncludeAll)."""
    if "*" not in state.include:
        return state
    pointers = [key for key, field in layout.schema.fields.items() if field.type in ("Pointer", "Array")]
    include = dict.fromkeys([*pointers, *(path for path in state.include if path != "*")])
    keys = None if state.keys is None else tuple(dict.fromkeys([*state.keys, *pointers]))
    return attrs.evolve(state, include=tuple(include), keys=keys)


def selected_columns(state: QueryState, access: Access, layout: ClassLayout) -> frozenset[str] | None:
    """The keys to read: those asked for, those that always come, and those that decide what is hidden."""
    if state.keys is None and not state.exclude_keys:
        return None
    asked = layout.columns.keys() if state.keys is None else {key.partition(".")[0] for key in state.keys}
    excluded = {key for key in state.exclude_keys if "." not in key}
    return frozenset((asked - excluded) | _ALWAYS_RETURNED | access.deciding_fields)
