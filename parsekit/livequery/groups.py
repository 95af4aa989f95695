"""Who listens to what: ``Group``, equal conditions on one class, with an ``Audience`` per rights.

Subscriptions with equal conditions share a group, whose predicate is evaluated once per image whatever the number of
its subscribers. Within a group those with the same rights share an audience.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, final

from parsekit.livequery.events import Occurrence
from parsekit.livequery.rights import Rights
from parsekit.livequery.showing import Projection
from parsekit.query.ast import And, Constraint, Node
from parsekit.query.dialect import Dialect
from parsekit.query.matcher import Predicate, compile_predicate
from parsekit.values import Pointer, Value

if TYPE_CHECKING:
    from parsekit.acl.principal import Principal
    from parsekit.query.state import QueryState

__all__ = ["Audience", "Group", "SimpleKey", "Subscriber", "simple_key"]


class Subscriber(Protocol):
    """Whoever events are delivered to. Called under the dispatcher's lock, so it returns at once."""

    state: QueryState
    watch: tuple[str, ...]
    projection: Projection | None

    @property
    def principal(self) -> Principal:
        """Under whom it listens."""

    def deliver(self, occurrence: Occurrence) -> bool:
        """Take an event; ``False`` to be delivered nothing more."""

    def fail(self, error: Exception) -> None:
        """Nothing more will come, because of ``error``."""

    def shut(self) -> None:
        """Nothing more will come."""


@final
class Audience:
    """The subscriptions of one principal in a group. ``previous`` are the rights before the changes at hand.

    ``place`` is the group, or the query with conditions on other objects (``dependents``). ``is_plain``: nobody in it
    watches or selects keys, so that all have the same events.
    """

    __slots__ = ("is_plain", "place", "previous", "rights", "subscriptions")

    def __init__(self, rights: Rights, place: Any) -> None:
        self.place = place
        self.rights = rights
        self.previous = rights
        self.subscriptions: list[Subscriber] = []
        self.is_plain = True


@final
class Group:
    """Equal conditions on one class, and who subscribed to them."""

    __slots__ = ("audiences", "class_name", "key", "predicate", "rules", "where")

    def __init__(self, key: Hashable, class_name: str, where: Node, rules: Dialect) -> None:
        self.key = key
        self.class_name = class_name
        self.where = where
        self.rules = rules
        self.predicate: Predicate = self._compiling
        self.audiences: dict[Rights, Audience] = {}

    def compile(self) -> None:
        """Make the predicate now. Raises ``ParseError`` when the conditions do not compile."""
        self.predicate = compile_predicate(self.where, self.rules)

    def _compiling(self, fields: Mapping[str, Value]) -> bool:
        self.compile()
        return self.predicate(fields)


SimpleKey: TypeAlias = frozenset[tuple[str, str, type, Any]]
"""Key, operator, class and value of each of some comparisons with scalars, all of which hold."""

_SIMPLE: Final = frozenset({"$eq", "$ne", "$lt", "$lte", "$gt", "$gte"})
_SCALARS: Final = frozenset({str, int, float, bool, datetime, Pointer})


def simple_key(where: Node) -> SimpleKey | None:
    """What tells simple conditions (comparisons with scalars, all of which hold) from others; ``None`` for the rest.

    Equal for equal conditions in any order; 1 and True are different.
    """
    leaves = where.children if where.__class__ is And else (where,)
    parts = []
    for leaf in leaves:
        if leaf.__class__ is not Constraint or leaf.op not in _SIMPLE:
            return None
        argument = leaf.argument
        kind = argument.__class__
        if kind not in _SCALARS:
            return None
        parts.append((leaf.key, leaf.op, kind, argument))
    return frozenset(parts)
