"""What live matching asks of the store: rights, sub-queries, and the objects themselves, as of the newest commit.

Everything goes through the read path, so a live query and a find cannot mean different things. Hooks (``before_find``)
are for callers, not for these reads, and are not called.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, final

from parsekit import attrs
from parsekit.acl.acl import readers, writers
from parsekit.acl.clp import Operation
from parsekit.acl.guard import check_query_fields
from parsekit.acl.principal import Principal
from parsekit.errors import ParseError
from parsekit.livequery.events import Fields
from parsekit.livequery.rights import Rights
from parsekit.object import PFObject
from parsekit.query.ast import Constraint, Node, RelatedTo
from parsekit.query.state import QueryState
from parsekit.values import MISSING, Pointer, Value

if TYPE_CHECKING:
    from parsekit.engine.core import ParseEngine

__all__ = ["LiveReader", "fields_of"]

_ALL: Final = 2**62
_MOST_IDS: Final = 500


def fields_of(obj: PFObject) -> Fields:
    """A stored object as key -> value, its ACL as JSON."""
    fields: Fields = {"objectId": obj.object_id, "createdAt": obj.created_at, "updatedAt": obj.updated_at}
    for key in obj.keys():  # noqa: SIM118 - its keys, not those of a dict
        value = obj.raw(key)
        if key == "ACL":
            acl = obj.acl
            value = MISSING if acl is None else acl.to_json()
        if value is not MISSING:
            fields[key] = value
    return fields


@final
class LiveReader:
    """``livequery.dispatcher.Reader`` over an engine."""

    def __init__(self, engine: ParseEngine) -> None:
        self._engine = engine

    def rights(self, principal: Principal, class_name: str, operation: Operation) -> Rights:
        """The principal's rights; without access where the class refuses it."""
        view = self._engine.view(principal)
        try:
            access = view.reading(class_name, operation).access
        except ParseError:
            access = None
        return Rights(principal, view.ids, access)

    def check(self, class_name: str, where: Node, rights: Rights) -> None:
        """Refuse conditions on fields that are hidden from the principal. Raises ``ParseError`` (119)."""
        if rights.access is not None:
            check_query_fields(QueryState(class_name, where), rights.access, rights.principal)

    def lookup(self, class_name: str, principal: Principal) -> LiveLookup:
        """What predicates of the class ask of the store, under the principal."""
        return LiveLookup(self._engine, class_name, principal, self._engine.view(principal).ids)

    def find(self, state: QueryState, principal: Principal) -> list[PFObject]:
        """Every object of a query, whatever its limit, skip and order."""
        whole = attrs.evolve(state, limit=_ALL, skip=0, order=(), include=())
        found: list[PFObject] = self._engine.reads.find(whole, principal, PFObject)
        return found

    def matching(self, class_name: str, where: Node) -> list[Fields]:
        """Every object that meets the conditions, whoever may see it."""
        # SAFETY: the dispatcher asks each subscriber's rights of every one of them before it tells.
        return [fields_of(obj) for obj in self.find(QueryState(class_name, where), Principal.master())]

    def matching_ids(self, state: QueryState, principal: Principal) -> set[str]:
        """The objectIds of the result under the principal, without limit and skip."""
        found = self.find(attrs.evolve(state, keys=("objectId",), exclude_keys=()), principal)
        return {str(obj.object_id) for obj in found}

    def images(self, class_name: str, ids: Collection[str]) -> list[Fields]:
        """The objects with these ids, whoever may see them, in no order."""
        wanted = sorted(ids)
        found: list[Fields] = []
        for start in range(0, len(wanted), _MOST_IDS):
            part = tuple(wanted[start : start + _MOST_IDS])
            found += self.matching(class_name, Constraint("objectId", "$in", part))
        return found


@final
@attrs.frozen(slots=True)
class LiveLookup:
    """A ``query.subquery.Lookup`` that asks the engine, under one principal."""

    engine: ParseEngine
    class_name: str
    principal: Principal
    ids: frozenset[str] | None

    def _find(self, class_name: str, where: Node, keys: tuple[str, ...] | None) -> list[PFObject]:
        query = QueryState(class_name, where, limit=_ALL, keys=keys)
        found: list[PFObject] = self.engine.reads.find(query, self.principal, PFObject)
        return found

    def find(self, query: QueryState) -> Sequence[Mapping[str, Value]]:
        """The results of a sub-query under the principal."""
        class_name = query.class_name
        if query.redirect_key is not None:
            class_name = self._target(class_name, query.redirect_key) or class_name
        return [
            {**fields_of(obj), "className": class_name} for obj in self._find(class_name, query.where, None)
        ]

    def related_ids(self, owner: Pointer, key: str) -> Collection[str]:
        """The members of a relation, none where the principal may not read its owner."""
        where = Constraint("", "$relatedTo", RelatedTo(owner, key))
        return {str(obj.object_id) for obj in self._find(self.class_name, where, ("objectId",))}

    def owner_ids(self, key: str, members: Sequence[str]) -> Collection[str]:
        """The objects whose relation ``key`` has one of ``members``."""
        target = self._target(self.class_name, key) or ""
        where = Constraint(key, "$in", tuple(Pointer(target, member) for member in members))
        return {str(obj.object_id) for obj in self._find(self.class_name, where, ("objectId",))}

    def _target(self, class_name: str, key: str) -> str | None:
        described = self.engine.schema.get(class_name)
        field = None if described is None else described.fields.get(key)
        return None if field is None else field.target

    def is_relation(self, key: str) -> bool:
        """Whether ``key`` is a Relation of the class."""
        described = self.engine.schema.get(self.class_name)
        return described is not None and key in described.fields and described.fields[key].type == "Relation"

    def readable(self, acl: Mapping[str, Value] | None) -> bool:
        """Whether the principal may read an object with this ACL."""
        # SAFETY: only masters are without ids.
        return self.ids is None or not readers(acl).isdisjoint(self.ids)

    def writable(self, acl: Mapping[str, Value] | None) -> bool:
        """Whether the principal may write an object with this ACL."""
        # SAFETY: as above.
        return self.ids is None or not writers(acl).isdisjoint(self.ids)

    def now(self) -> datetime:
        """The instant of the query."""
        return self.engine.options.clock()
