"""What of a local query goes to SQL, and what is matched object by object in row order.

Under IOS_LOCAL an object that cannot be tested fails the query, so a condition may be looked up only where nothing it
looks at can fail. That is told from the layout, which is a census of what each key holds (``query.failing``).
Sub-queries that cannot fail run first, their results in their place; relations give their known members.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, final

from parsekit import attrs
from parsekit.localstore.lookup import LocalLookup, ids_of, number_of
from parsekit.query.ast import (
    NEVER,
    AclTest,
    And,
    Constraint,
    KeyOfQuery,
    Node,
    Nor,
    Or,
    RelatedTo,
    RelativeTime,
)
from parsekit.query.dialect import Dialect
from parsekit.query.failing import Failures
from parsekit.query.ordering import is_simple_order_key
from parsekit.query.paths import real_key
from parsekit.query.plan import Shape, Verb, shape_of
from parsekit.query.relative_time import resolve_relative_time
from parsekit.query.state import QueryState
from parsekit.storage.layout import ClassLayout
from parsekit.storage.local_graph import LocalGraph
from parsekit.values import MISSING, Kind, Pointer, Value

if TYPE_CHECKING:
    from parsekit.acl.principal import Principal
    from parsekit.localstore.datastore import LocalDatastore

__all__ = ["Division", "divide"]

_NOT_STORED = frozenset({"ACL", "className"})


@final
@attrs.frozen(slots=True, eq=False)
class Division:
    """A query of a class that is stored here: ``sure`` cannot fail, ``rest`` is matched in row order.

    ``visible`` is what permissions add, ``ids`` what ACLs may call the principal (``None``: no ACL counts), ``members``
    the nodes of the pin that is asked (``None``: all), ``first`` the sub-queries that were run.
    """

    state: QueryState
    rules: Dialect
    layout: ClassLayout
    lookup: LocalLookup
    ids: frozenset[str] | None
    visible: Node | None
    sure: Node
    rest: Node | None
    sorts: bool
    members: frozenset[int] | None
    first: tuple[str, ...]

    @property
    def in_sql(self) -> bool:
        """Whether one statement answers the query."""
        return self.rest is None and not self.sorts and self.members is None

    def shape(self, verb: Verb) -> tuple[Shape, list[Value]]:
        """The shape of what goes to SQL: the whole query, or what is matched further."""
        state, limit = attrs.evolve(self.state, where=self.sure), self.state.limit
        if not self.in_sql:
            state, limit = attrs.evolve(state, order=(), skip=0), None
        elif limit is None:
            limit = self.rules.default_limit
        return shape_of(state, verb, self.visible, guarded=True, limit=limit, rules=self.rules)


def divide(
    datastore: LocalDatastore, state: QueryState, principal: Principal, rules: Dialect
) -> Division | None:
    """How a query is answered, sub-queries that cannot fail run; ``None`` where nothing of the class is stored."""
    state = _in_its_class(datastore, state)
    layout = datastore.store.catalog.layout(state.class_name)
    members = None if state.pin is None else _members(datastore, state.pin)
    if layout is None or members == frozenset():
        return None
    lookup = LocalLookup(datastore, layout, principal, rules, state.ignore_acls)
    # a relation that is left after the others were resolved is one whose owner is unknown
    failures = Failures(rules, lambda key: _kinds(layout, lookup, key), relation_fails=lambda _: True)
    prepared = _Prepared(datastore, lookup, failures)
    where = prepared.node(state.where)
    sure, rest = failures.divide(where)
    order = tuple(
        attrs.evolve(item, key=real_key(item.key)) if is_simple_order_key(item) else item
        for item in state.order
    )
    # SAFETY: ignore_acls is the SDK's, on local queries alone: a device's owner may look at all that it keeps
    ids = None if state.ignore_acls else ids_of(datastore, principal, rules)
    return Division(
        attrs.evolve(state, where=where, order=order),
        rules,
        layout,
        lookup,
        ids,
        None if ids is None else _visible(state.class_name, principal),
        sure,
        rest,
        failures.order(order),
        members,
        tuple(prepared.first),
    )


def _visible(class_name: str, principal: Principal) -> Node:
    """What the principal may see: what its ACL says, and itself (ios_sdk.md 3.6)."""
    readable = AclTest("read")
    if class_name != "_User" or principal.user_id is None:
        return readable
    return Or((Constraint("objectId", "$eq", principal.user_id), readable))


def _members(datastore: LocalDatastore, name: str) -> frozenset[int]:
    graph = LocalGraph(datastore.store.database.reader())
    pin = graph.pin(name)
    return frozenset() if pin is None else frozenset(graph.members(pin))


def _in_its_class(datastore: LocalDatastore, state: QueryState) -> QueryState:
    """A query that a relation or pointer redirects, in the class that this leads to as far as is known."""
    if state.redirect_key is None:
        return state
    graph = LocalGraph(datastore.store.database.reader())
    target = graph.target_of(state.class_name, state.redirect_key)
    return attrs.evolve(state, class_name=target or state.class_name, redirect_key=None)


def _kinds(layout: ClassLayout, lookup: LocalLookup, key: str) -> frozenset[Kind] | None:
    """What objects hold under a key; ``None`` for what SQL cannot look up: ACLs, and relations by their members."""
    if key in _NOT_STORED or lookup.is_relation(key):
        return None
    return layout.kinds_of(key)


@final
class _Prepared:
    """The conditions of one query with everything settled beforehand that can be."""

    def __init__(self, datastore: LocalDatastore, lookup: LocalLookup, failures: Failures) -> None:
        self._datastore = datastore
        self._lookup = lookup
        self._failures = failures
        self.first: list[str] = []

    def node(self, node: Node) -> Node:
        """The tree with real keys, absolute times, and results in the place of what cannot fail."""
        if isinstance(node, And | Or | Nor):
            return attrs.evolve(node, children=tuple(map(self.node, node.children)))
        if not isinstance(node, Constraint):
            return node
        root, dot, rest = node.key.partition(".")
        node = attrs.evolve(node, key=f"{real_key(root)}{dot}{rest}")
        argument = node.argument
        if isinstance(argument, RelativeTime):
            return attrs.evolve(node, argument=resolve_relative_time(argument, self._lookup.now()))
        if isinstance(argument, RelatedTo):
            return self._related(node, argument)
        if isinstance(argument, QueryState):
            return self._in_query(node, argument)
        if isinstance(argument, KeyOfQuery):
            return self._select(node, argument)
        return node

    def _related(self, node: Constraint, argument: RelatedTo) -> Node:
        graph = LocalGraph(self._datastore.store.database.reader())
        number = number_of(graph, argument.owner)
        known = None if number is None else graph.node(number)
        if known is None or not (known.stored or known.pending):
            return node if self._lookup.rules.mismatch_raises else NEVER
        members = graph.members_of(known.number, argument.key)
        return Constraint("objectId", "$in", tuple(identity for _, identity in members))

    def _inner(self, query: QueryState) -> Division | None:
        asked = self._lookup.asked(query)
        return divide(self._datastore, asked, self._lookup.inner_principal, self._lookup.rules)

    def _in_query(self, node: Constraint, query: QueryState) -> Node:
        if query.include or self._lookup.is_relation(node.key):
            return node
        inner = self._inner(query)
        if inner is not None and not inner.in_sql:
            return node
        self.first.append(f"{node.key} {node.op}")
        found = [] if inner is None else self._datastore.reading.rows(inner)
        pointers = tuple(
            Pointer(row["className"], row["objectId"]) for row in found if row.get("objectId") is not None
        )
        return Constraint(node.key, "$nin" if node.op == "$notInQuery" else "$in", pointers)

    def _select(self, node: Constraint, argument: KeyOfQuery) -> Node:
        """``$select`` of a scalar key is ``$in``; an array is compared as a whole, which only the matcher does."""
        kinds = None if "." in node.key else self._failures.kinds(node.key)
        plain = kinds is not None and "array" not in kinds and "." not in argument.key
        if not plain or argument.query.include or self._lookup.rules.select_reads_wire:
            return node
        inner = self._inner(argument.query)
        if inner is not None and not inner.in_sql:
            return node
        self.first.append(f"{node.key} {node.op}")
        rows = [] if inner is None else self._datastore.reading.rows(inner)
        found = tuple(_elements(row.get(argument.key, MISSING) for row in rows))
        return Constraint(node.key, "$nin" if node.op == "$dontSelect" else "$in", found)


def _elements(values: Iterator[Value]) -> Iterator[Value]:
    for value in values:
        if isinstance(value, list):
            yield from value
        elif value is not MISSING:
            yield value
