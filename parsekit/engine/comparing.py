"""``query.compare_dialects()``: the engine's objects, under both dialects.

The objects are those of the class that the principal may read, taken in one go as plain mappings, so the
answer is that of one moment and costs one pass over the class and memory for it. Roles are the one thing
that decides about reading in one dialect only: under rules without them the principal is known by its own
id alone.

Not said here: how answers are compared (``query.compare``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, final

from parsekit import attrs
from parsekit.acl.acl import readers, writers
from parsekit.acl.principal import Principal, principal_ids
from parsekit.engine.live_reading import fields_of
from parsekit.object import PFObject
from parsekit.query.ast import AclTest, And, Constraint, RelatedTo
from parsekit.query.compare import DialectComparison, compare, sub_results
from parsekit.query.dialect import Dialect
from parsekit.query.state import QueryState
from parsekit.values import Pointer, Value

if TYPE_CHECKING:
    from parsekit.engine.core import ParseEngine

__all__ = ["DialectLookup", "ReadableObjects", "compare_dialects", "row_of"]

_BATCH = 500
Row = dict[str, Value]


def compare_dialects(engine: ParseEngine, state: QueryState, principal: Principal) -> DialectComparison:
    """How the two dialects answer ``state`` over the objects that ``principal`` may read.

    Raises:
        ParseError: what the server refuses before it looks at an object.
    """
    # Asked for its refusals only: permissions, protected fields, types of arguments.
    engine.find_objects(attrs.evolve(state, limit=1, skip=0, keys=("objectId",), include=()), principal)
    objects = ReadableObjects(engine, principal)
    asked = attrs.evolve(
        state, where=And((AclTest("read"), state.where)), keys=None, exclude_keys=(), include=()
    )
    server = attrs.evolve(Dialect.SERVER, default_limit=engine.options.default_limit)
    return compare(
        objects.of(state.class_name),
        asked,
        lambda rules: DialectLookup(objects, state.class_name, rules),
        server=server,
    )


@final
class ReadableObjects:
    """The readable objects of the classes that a query touches, each class read once."""

    def __init__(self, engine: ParseEngine, principal: Principal) -> None:
        self.engine = engine
        self.principal = principal
        self.now = engine.options.clock()
        self._rows: dict[str, list[Row]] = {}

    def of(self, class_name: str) -> list[Row]:
        """The objects of a class in insertion order."""
        rows = self._rows.get(class_name)
        if rows is None:
            found = self.engine.reads.stream(QueryState(class_name), self.principal, PFObject, _BATCH)
            rows = self._rows[class_name] = [row_of(obj) for obj in found]
        return rows

    def ids(self, class_name: str, where: Constraint) -> list[str]:
        """The objectIds that the server finds for one condition."""
        query = QueryState(class_name, where, keys=("objectId",))
        return [obj.object_id for obj in self.engine.reads.stream(query, self.principal, PFObject, _BATCH)]

    def relation_target(self, class_name: str, key: str) -> str | None:
        """The class that a Relation field leads to; ``None`` for any other field."""
        described = self.engine.schema.get(class_name)
        field = None if described is None else described.fields.get(key)
        return field.target if field is not None and field.type == "Relation" else None


def row_of(obj: PFObject) -> Row:
    """A stored object as conditions see it."""
    row: Row = {"className": obj.class_name, **fields_of(obj)}
    for key in ("createdAt", "updatedAt"):
        if row[key] is None:
            del row[key]
    return row


@final
@attrs.frozen(slots=True)
class DialectLookup:
    """A ``query.subquery.Lookup`` over those objects, under one set of rules; ``results``, where given, answers
    sub-queries."""

    objects: ReadableObjects
    class_name: str
    rules: Dialect
    results: Callable[[QueryState, Principal, Dialect], Sequence[Mapping[str, Value]]] | None = None

    def find(self, query: QueryState) -> Sequence[Mapping[str, Value]]:
        """The results of a sub-query, paged as the dialect says."""
        if self.results is not None:
            return self.results(query, self.objects.principal, self.rules)
        class_name = query.class_name
        if query.redirect_key is not None:
            described = self.objects.engine.schema.get(class_name)
            field = None if described is None else described.fields.get(query.redirect_key)
            class_name = class_name if field is None or field.target is None else field.target
        where = query.where if query.ignore_acls else And((AclTest("read"), query.where))
        inner = attrs.evolve(self, class_name=class_name)
        asked = attrs.evolve(query, class_name=class_name, where=where)
        return sub_results(self.objects.of(class_name), asked, self.rules, inner)

    def related_ids(self, owner: Pointer, key: str) -> Collection[str]:
        """The members of a relation."""
        return self.objects.ids(self.class_name, Constraint("", "$relatedTo", RelatedTo(owner, key)))

    def owner_ids(self, key: str, members: Sequence[str]) -> Collection[str]:
        """The owners of relations with one of the members."""
        target = self.objects.relation_target(self.class_name, key) or ""
        pointers = tuple(Pointer(target, member) for member in members)
        return self.objects.ids(self.class_name, Constraint(key, "$in", pointers))

    def is_relation(self, key: str) -> bool:
        """Whether a key of the class is a Relation."""
        return self.objects.relation_target(self.class_name, key) is not None

    def readable(self, acl: Mapping[str, Value] | None) -> bool:
        """Whether the principal may read an object with this ACL."""
        return self._permits(acl, readers)

    def writable(self, acl: Mapping[str, Value] | None) -> bool:
        """Whether the principal may write an object with this ACL."""
        return self._permits(acl, writers)

    def _permits(self, acl: Mapping[str, Value] | None, granted: Any) -> bool:
        principal = self.objects.principal
        # With roles, all objects here are readable: they were read under the principal and its roles.
        if acl is None or self.rules.roles_grant or principal.bypasses_permissions:
            return True
        return not granted(acl).isdisjoint(principal_ids(principal))

    def now(self) -> datetime:
        """The instant of the query."""
        return self.objects.now
