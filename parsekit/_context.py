"""Which engine and which principal the current code runs under, and what the layers below ask of an engine.

``PFQuery.find()`` and ``PFObject.save()`` reach the engine through the context variable here; it is the only state
that outlives a call, and it is per thread and per task. ``EngineProtocol`` is what an engine must offer; one that
speaks REST to a remote Parse Server will offer the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol, final

import attrs

from parsekit.errors import EngineError

if TYPE_CHECKING:
    from parsekit.acl.principal import Principal
    from parsekit.object import PFObject
    from parsekit.query.state import QueryState
    from parsekit.values import Value

__all__ = ["CURRENT", "Binding", "EngineProtocol", "current_binding", "current_engine"]


class EngineProtocol(Protocol):
    """What ``PFQuery`` and ``PFObject`` ask of an engine, always under a principal."""

    def find_objects(self, state: QueryState, principal: Principal) -> list[Any]:
        """The objects of a query."""

    def count_objects(self, state: QueryState, principal: Principal) -> int:
        """How many objects match, whatever limit and skip."""

    def stream_objects(self, state: QueryState, principal: Principal) -> Iterator[Any]:
        """The objects of a query one by one in constant memory; no default limit."""

    def get_object(self, state: QueryState, object_id: str, principal: Principal) -> Any:
        """One object by id with the projection and includes of ``state``."""

    def explain_query(self, state: QueryState, principal: Principal) -> Any:
        """How the query would run."""

    def distinct_values(self, state: QueryState, key: str, principal: Principal) -> list[Value]:
        """The distinct values of a key."""

    def aggregate_rows(
        self, state: QueryState, pipeline: Sequence[dict[str, Any]], principal: Principal
    ) -> list[dict[str, Value]]:
        """The rows of an aggregation pipeline."""

    def save_objects(self, objects: Sequence[PFObject], principal: Principal) -> None:
        """Save objects and the unsaved objects they refer to."""

    def delete_objects(self, objects: Sequence[PFObject], principal: Principal) -> None:
        """Delete objects."""

    def fetch_objects(self, objects: Sequence[PFObject], principal: Principal, keys: Sequence[str]) -> None:
        """Bring objects up to date; ``keys`` are include paths."""


@final
@attrs.frozen(slots=True)
class Binding:
    """An engine and the principal under whom calls run."""

    engine: Any
    principal: Principal
    user: Any = attrs.field(default=None, eq=False, repr=False)
    """The principal's ``PFUser`` where it is at hand."""


CURRENT: Final[ContextVar[Binding | None]] = ContextVar("parsekit_binding", default=None)


def current_binding() -> Binding:
    """The binding in force.

    Raises:
        EngineError: no engine is open here.
    """
    binding = CURRENT.get()
    if binding is None:
        raise EngineError(
            "no engine is open in this thread or task; open one with `with parsekit.open(path) as engine:`, "
            "or enter an open one with `with engine.acting_as(user):`"
        )
    return binding


def current_engine() -> Any:
    """The engine in force. Raises ``EngineError`` when there is none."""
    return current_binding().engine
