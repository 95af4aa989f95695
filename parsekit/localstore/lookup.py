"""What a local query's predicate asks besides the object itself: sub-queries, relations, ACLs, the time.

Sub-queries run over the whole local datastore, under the same user; where the outer query leaves ACLs out of account
they run as nobody, unless they leave them out too (ios_sdk.md 3.3, 3.6). A relation has the members that are known.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, final

from parsekit import attrs
from parsekit.acl.acl import readers, writers
from parsekit.acl.principal import Principal, principal_ids
from parsekit.errors import InvalidQueryError
from parsekit.localstore.records import node_of
from parsekit.query.dialect import Dialect
from parsekit.query.state import QueryState
from parsekit.storage.layout import ClassLayout
from parsekit.storage.local_graph import LocalGraph
from parsekit.storage.local_rows import read_row, stored_rows
from parsekit.values import Pointer, RelationReference, Value

if TYPE_CHECKING:
    from parsekit.localstore.datastore import LocalDatastore

__all__ = ["LocalLookup", "ids_of", "number_of"]

_NO_LIMIT: Final = 2**62


def number_of(graph: LocalGraph, pointer: Pointer) -> int | None:
    """The node that a pointer leads to, saved or not; ``None`` when it is unknown here."""
    number = node_of(pointer)
    if number is not None:
        return number
    node = graph.find(pointer.class_name, pointer.object_id)
    return None if node is None else node.number


def ids_of(datastore: LocalDatastore, principal: Principal, rules: Dialect) -> frozenset[str] | None:
    """What ACLs may call the principal here: with the roles that are kept where the dialect lets roles count.

    ``None`` for a master.
    """
    if principal.bypasses_permissions:
        return None
    if not rules.roles_grant or principal.user_id is None:
        return principal_ids(principal)
    graph = LocalGraph(datastore.store.database.reader())
    layout = datastore.store.catalog.layout("_Role")
    if layout is None:
        return principal_ids(principal)
    held: dict[str, None] = {}
    wave = graph.role_members("users", "_User", principal.user_id)
    while wave:
        fresh = [identity for identity in wave if identity not in held]
        held.update(dict.fromkeys(fresh))
        wave = [above for identity in fresh for above in graph.role_members("roles", "_Role", identity)]
    return principal_ids(principal, _names(datastore, layout, graph, held))


def _names(
    datastore: LocalDatastore, layout: ClassLayout, graph: LocalGraph, roles: Collection[str]
) -> list[str]:
    names: list[str] = []
    for identity in roles:
        number = number_of(graph, Pointer("_Role", identity))
        row = None if number is None else read_row(datastore.store.database.reader(), layout, number)
        name = None if row is None else datastore.objects.fields(layout, row).get("name")
        if isinstance(name, str):
            names.append(name)
    return names


@final
@attrs.define(slots=True)
class LocalLookup:
    """A ``query.subquery.Lookup`` over a local datastore, for one query."""

    datastore: LocalDatastore
    layout: ClassLayout
    principal: Principal
    rules: Dialect
    ignores_acls: bool
    _ids: Any = attrs.field(default=False, init=False)
    _relations: dict[str, bool] = attrs.field(factory=dict, init=False)

    def _graph(self) -> LocalGraph:
        return LocalGraph(self.datastore.store.database.reader())

    @property
    def inner_principal(self) -> Principal:
        """Under whom sub-queries run."""
        return Principal.anonymous() if self.ignores_acls else self.principal

    def asked(self, query: QueryState) -> QueryState:
        """A sub-query as it is asked: over everything that is stored, paged where the dialect pages sub-queries."""
        paged = self.rules.subquery_pages
        return attrs.evolve(
            query,
            dialect=self.rules,
            pin=None,
            order=query.order if paged else (),
            skip=query.skip if paged else 0,
            limit=query.limit if paged and query.limit is not None else _NO_LIMIT,
        )

    def find(self, query: QueryState) -> Sequence[Mapping[str, Value]]:
        """The results of a sub-query."""
        return self.datastore.reading.matching(self.asked(query), self.inner_principal, self.rules)

    def related_ids(self, owner: Pointer, key: str) -> Collection[str]:
        """The known members of a relation."""
        graph = self._graph()
        number = number_of(graph, owner)
        node = None if number is None else graph.node(number)
        if node is None or not (node.stored or node.pending):
            if not self.rules.mismatch_raises:
                return ()
            raise InvalidQueryError(f'Key "{key}" has no data.  Call fetchIfNeeded before getting its value.')
        return {identity for _, identity in graph.members_of(node.number, key)}

    def owner_ids(self, key: str, members: Sequence[str]) -> Collection[str]:
        """The objects of the class whose relation ``key`` is known to have one of ``members``."""
        return self._graph().owners_of(self.layout.class_name, key, members)

    def is_relation(self, key: str) -> bool:
        """Whether some object of the class holds a relation under ``key``."""
        known = self._relations.get(key)
        if known is None:
            column = self.layout.columns.get(key)
            known = column is not None and column.field.type == "Mixed" and self._holds_relation(key)
            self._relations[key] = known
        return known

    def _holds_relation(self, key: str) -> bool:
        datastore = self.datastore
        rows = stored_rows(datastore.store.database.reader(), self.layout, None)
        return any(
            isinstance(datastore.objects.fields(self.layout, row).get(key), RelationReference) for row in rows
        )

    def readable(self, acl: Mapping[str, Value] | None) -> bool:
        """Whether the principal may read an object with this ACL."""
        return self._permits(acl, readers)

    def writable(self, acl: Mapping[str, Value] | None) -> bool:
        """Whether the principal may write an object with this ACL."""
        return self._permits(acl, writers)

    def _permits(self, acl: Mapping[str, Value] | None, granted: Any) -> bool:
        if self._ids is False:
            self._ids = ids_of(self.datastore, self.principal, self.rules)
        # SAFETY: only masters are without ids
        return acl is None or self._ids is None or not granted(acl).isdisjoint(self._ids)

    def now(self) -> datetime:
        """The instant of the query."""
        return self.datastore.clock()
