"""What one reading of one class is done with: who asks, what they may see of it, how it is stored."""

from __future__ import annotations

from typing import Final, final

from parsekit import attrs
from parsekit.acl.clp import Operation
from parsekit.acl.policy import Access
from parsekit.engine.views import PrincipalView, Reading
from parsekit.query.keys import INCLUDE_ALL
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
    """Every Pointer and Array spelled out, one level; what is included is also selected.

    Beside an include of ``*`` no other paths count, nor do those that dotted ``keys`` ask for; beside the option
    ``includeAll`` they do (RestQuery.handleIncludeAll).
    """
    if INCLUDE_ALL in state.include:
        besides = [path for path in state.include if path != INCLUDE_ALL]
    elif "*" in state.include:
        besides = ["*"]
    else:
        return state
    pointers = [key for key, field in layout.schema.fields.items() if field.type in ("Pointer", "Array")]
    keys = None if state.keys is None else tuple(dict.fromkeys([*state.keys, *pointers]))
    return attrs.evolve(state, include=tuple(dict.fromkeys([*pointers, *besides])), keys=keys)


def selected_columns(state: QueryState, access: Access, layout: ClassLayout) -> frozenset[str] | None:
    """The keys to read: those asked for, those that always come, and those that decide what is hidden."""
    if state.keys is None and not state.exclude_keys:
        return None
    # of keys asked for those are left out that are excluded word for word (RestQuery.handleExcludeKeys)
    named = layout.columns.keys() if state.keys is None else state.keys
    asked = {key.partition(".")[0] for key in named if key not in state.exclude_keys}
    return frozenset(asked | _ALWAYS_RETURNED | access.deciding_fields)
