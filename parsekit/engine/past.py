"""``engine.as_of(sequence)``: queries answered as of a position of the journal.

The rows of a class as they are now, with the journal undone on them in memory back to that position; conditions,
order and paging are the matcher's (``query.evaluate``), as everywhere. It costs one pass over the class and over the
entries since, so it is for looking back, not for serving.

Permissions: class-level ones, roles and hidden fields are those of now, the ACL and the pointers of an object have to
let the principal read it both then and now (of a deleted object: when it was deleted). So nothing shows that could not
be read then, nor what was locked up since. The classes are those of now; fields that were dropped in between make the
position unreachable.

An object that was deleted since stands where its ``createdAt`` puts it among those that are there. Members of relations
are those of then. Not offered: includes.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, final

from parsekit import attrs
from parsekit.acl.acl import readers, writers
from parsekit.acl.guard import check_query_fields, check_relation_key, guard_query
from parsekit.acl.policy import Access, visible
from parsekit.acl.principal import Principal
from parsekit.engine.history import may_read
from parsekit.errors import EngineError, NotOfferedError, ObjectNotFoundError, ParseError
from parsekit.object import PFObject
from parsekit.object_state import NO_FIELDS, ResultContext, ResultShape
from parsekit.query.ast import Constraint, RelatedTo
from parsekit.query.builder import PFQuery
from parsekit.query.compare import sub_results
from parsekit.query.dialect import Dialect
from parsekit.query.evaluate import count_objects, find_objects
from parsekit.query.state import QueryState
from parsekit.query.where import NO_LIMIT, check_against_schema
from parsekit.storage import journal
from parsekit.storage.journal_reach import Reach, reach
from parsekit.storage.layout import ACL_COLUMN, ClassLayout, join_table
from parsekit.storage.replay import undo, undo_members
from parsekit.storage.rows import members_by_owner, row_positions, whole_rows
from parsekit.storage.store import StaleCatalog
from parsekit.values import Pointer, RelationReference, Value

if TYPE_CHECKING:
    from parsekit.engine.core import ParseEngine

__all__ = ["PastView"]

_ALWAYS = frozenset({"objectId", "createdAt", "updatedAt"})
Fields = dict[str, Value]


@final
class PastView:
    """The database as of one position of the journal, for one principal.

    Classes are read when they are first asked for and kept, so a view costs memory while it is held.
    """

    def __init__(self, engine: ParseEngine, sequence: int, principal: Principal) -> None:
        known = reach(engine.store.database.reader())
        if not known.oldest_state <= sequence <= known.last:
            raise EngineError(
                f"as_of({sequence}): the journal reaches from {known.oldest_state} to {known.last}; "
                "ask for a position in between, or keep more with journal_limits"
            )
        self.sequence = sequence
        self.engine = engine
        self.principal = principal
        self.now = engine.options.clock()
        self._objects: dict[str, list[tuple[Fields, Fields]]] = {}
        self._members: dict[tuple[str, str], dict[str, set[str]]] = {}

    # -- verbs -----------------------------------------------------------------------------------

    def find(self, query: PFQuery[Any] | QueryState) -> list[Any]:
        """The objects that match, as they were.

        Raises:
            ParseError: as Parse refuses the query; 119 or 101 when permissions do.
            EngineError: the journal does not tell of the class as of then.
            NotOfferedError: the query includes objects.
        """
        state = query if isinstance(query, QueryState) else query.state()
        guarded, lookup, access = self._prepared(state, "find")
        limit = state.limit
        if limit is None:
            limit = self.engine.options.default_limit
        paged = attrs.evolve(guarded, limit=NO_LIMIT if limit < 0 else limit, dialect=Dialect.SERVER)
        found = find_objects(lookup.candidates(state.class_name), paged, lookup)
        kind = getattr(query, "_object_class", None) or self.engine.class_for(state.class_name)
        return [self._presented(fields, state, access, kind) for fields in found]

    def count(self, query: PFQuery[Any] | QueryState) -> int:
        """How many objects matched, whatever limit and skip. Raises as ``find``."""
        state = query if isinstance(query, QueryState) else query.state()
        guarded, lookup, _ = self._prepared(state, "count")
        asked = attrs.evolve(guarded, dialect=Dialect.SERVER)
        return count_objects(lookup.candidates(state.class_name), asked, lookup)

    def get(self, class_name: str, object_id: str) -> Any:
        """One object, as it was.

        Raises:
            ObjectNotFoundError: 101, it was not there, or may not be read.
            EngineError: the journal does not tell of the class as of then.
        """
        state = QueryState(class_name, Constraint("objectId", "$eq", object_id), limit=1)
        guarded, lookup, access = self._prepared(state, "get")
        found = find_objects(
            lookup.candidates(class_name), attrs.evolve(guarded, dialect=Dialect.SERVER), lookup
        )
        if not found:
            raise ObjectNotFoundError()
        return self._presented(found[0], state, access, self.engine.class_for(class_name))

    # -- permissions -----------------------------------------------------------------------------

    def _prepared(self, state: QueryState, operation: Any) -> tuple[QueryState, _PastLookup, Access]:
        if state.include:
            raise NotOfferedError("as_of: includes are not offered; get() the objects that pointers lead to")
        view = self.engine.view(self.principal)
        access = view.reading(state.class_name, operation).access
        check_query_fields(state, access, self.principal)
        schema = self.engine.schema.get(state.class_name)
        fields = {} if schema is None else schema.fields
        check_against_schema(state.where, lambda key: fields[key].type if key in fields else None)

        def access_of(query: QueryState) -> Access:
            return view.reading(query.class_name, operation if query is state else "find").access

        guarded = guard_query(state, self.principal, access_of, self._may_traverse)
        return guarded, _PastLookup(self, state.class_name), access

    def _may_traverse(self, related: RelatedTo) -> bool:
        """Whether the principal may read the relation's owner, then and now."""
        owner, view = related.owner, self.engine.view(self.principal)
        schema = self.engine.schema.get(owner.class_name)
        check_relation_key(
            schema, related, self.principal, view.role_names, protected_defaults=view.protection.fields
        )
        try:
            self.get(owner.class_name, owner.object_id)
        except ParseError:
            return False
        return True

    def _presented(
        self, fields: Mapping[str, Value], state: QueryState, access: Access, kind: type[PFObject]
    ) -> Any:
        shown = visible(fields, access, self.principal)
        complete = state.keys is None and not state.exclude_keys
        if not complete:
            asked = shown.keys() if state.keys is None else {key.partition(".")[0] for key in state.keys}
            wanted = ((asked - set(state.exclude_keys)) | _ALWAYS) & shown.keys()
            shown = {key: shown[key] for key in wanted}
        shape = ResultShape(state.class_name, NO_FIELDS, engine=self.engine, classes=self.engine.class_for)
        obj = kind.from_fields(ResultContext(shape, complete), str(fields["objectId"]), shown)
        if obj.local_state is not None:
            obj.local_state.complete = complete
        return obj

    # -- the rows of a class, then ---------------------------------------------------------------

    def candidates(self, class_name: str) -> list[Fields]:
        """The objects of a class as they were, in insertion order, without those locked up since."""
        pairs = self._objects.get(class_name)
        if pairs is None:
            pairs = self._objects[class_name] = self._rebuilt(class_name)
        access = self.engine.view(self.principal).reading(class_name, "find").access
        # SAFETY: the ACL test among the conditions sees the ACL of then; this one sees that of now.
        allowed = may_read(access, self.engine.view(self.principal))
        return [then for then, latest in pairs if allowed(latest)]

    def _rebuilt(self, class_name: str) -> list[tuple[Fields, Fields]]:
        """Each object that was there: its fields then, and those of now or of when it was deleted."""
        store = self.engine.store
        with store.database.snapshot() as connection:
            with contextlib.suppress(StaleCatalog):  # it is read anew before this is raised
                store.check_fresh()
            self._check_reach(class_name, reach(connection))
            layout = store.catalog.layout(class_name)
            present = {} if layout is None else self._present(connection, layout)
            past: dict[str, Fields | None] = dict(present)
            latest: dict[str, Fields] = dict(present)
            for entry in journal.entries_back_to(connection, class_name, self.sequence):
                earlier = undo(past.get(entry.object_id), entry)
                past[entry.object_id] = earlier
                if entry.kind == "delete" and earlier is not None:
                    latest.setdefault(entry.object_id, earlier)
        for fields in past.values():
            if fields is not None and layout is not None:
                fields.update({key: RelationReference(target) for key, target in layout.relations.items()})
        return _in_order(present, past, latest)

    def members(self, class_name: str, key: str) -> Mapping[str, set[str]]:
        """The members of a relation as they were: by owner, their objectIds."""
        known = self._members.get((class_name, key))
        if known is None:
            known = self._members[class_name, key] = self._rebuilt_members(class_name, key)
        return known

    def _rebuilt_members(self, class_name: str, key: str) -> dict[str, set[str]]:
        layout = self.engine.store.catalog.layout(class_name)
        if layout is None or key not in layout.relations:
            return {}
        with self.engine.store.database.snapshot() as connection:
            self._check_reach(class_name, reach(connection))
            members = members_by_owner(connection, join_table(class_name, key))
            for entry in journal.entries_back_to(connection, class_name, self.sequence):
                undo_members(members, entry, key)
        return members

    def _check_reach(self, class_name: str, known: Reach) -> None:
        """Refuse what the journal does not tell (any more)."""
        self._check_drops(class_name, known.dropped)
        if known.oldest_state > self.sequence:
            raise EngineError(
                f"as_of({self.sequence}): the journal was pruned and reaches back to {known.oldest_state} now"
            )

    def _check_drops(self, class_name: str, dropped: Mapping[tuple[str, str], int]) -> None:
        for (name, key), sequence in dropped.items():
            if name == class_name and sequence > self.sequence:
                what = f"the field {key} of {name}" if key else f"the class {name}"
                raise EngineError(
                    f"as_of({self.sequence}): {what} was dropped at {sequence} and its values are gone; "
                    f"ask for {sequence} or later"
                )

    def _present(self, connection: Any, layout: ClassLayout) -> dict[str, Fields]:
        places = row_positions(layout)
        acls = self.engine.store.acls
        found: dict[str, Fields] = {}
        for row in whole_rows(connection, layout):
            fields = layout.fields_of_row(places, row)
            acl = acls.entry(connection, row[places[ACL_COLUMN]])
            if acl is not None:
                fields["ACL"] = acl
            found[str(fields["objectId"])] = fields
        return found


def _in_order(
    present: Mapping[str, Fields], past: Mapping[str, Fields | None], latest: Mapping[str, Fields]
) -> list[tuple[Fields, Fields]]:
    """Objects in insertion order, deleted ones by when they were created."""
    kept: list[tuple[Fields, Fields]] = []
    moments: list[datetime] = []
    for identity in present:
        fields = past[identity]
        if fields is not None:
            kept.append((fields, latest[identity]))
            moments.append(max(moments[-1], fields["createdAt"]) if moments else fields["createdAt"])
    gone = [
        (identity, fields)
        for identity, fields in past.items()
        if fields is not None and identity not in present
    ]
    for identity, fields in sorted(gone, key=lambda item: item[1]["createdAt"]):
        place = bisect_right(moments, fields["createdAt"])
        moments.insert(place, fields["createdAt"])
        kept.insert(place, (fields, latest[identity]))
    return kept


@final
@attrs.frozen(slots=True)
class _PastLookup:
    """A ``query.subquery.Lookup`` over the same past, for objects of one class."""

    past: PastView
    class_name: str

    def candidates(self, class_name: str) -> list[Mapping[str, Value]]:
        """The objects of a class, each with its ``className``."""
        return [{**fields, "className": class_name} for fields in self.past.candidates(class_name)]

    def find(self, query: QueryState) -> Sequence[Mapping[str, Value]]:
        class_name = query.class_name
        if query.redirect_key is not None:
            schema = self.past.engine.schema.get(class_name)
            field = None if schema is None else schema.fields.get(query.redirect_key)
            class_name = class_name if field is None or field.target is None else field.target
        inner = attrs.evolve(self, class_name=class_name)
        asked = attrs.evolve(query, class_name=class_name, redirect_key=None)
        return sub_results(self.candidates(class_name), asked, Dialect.SERVER, inner)

    def related_ids(self, owner: Pointer, key: str) -> Collection[str]:
        return self.past.members(owner.class_name, key).get(owner.object_id, ())

    def owner_ids(self, key: str, members: Sequence[str]) -> Collection[str]:
        wanted = set(members)
        held = self.past.members(self.class_name, key)
        return [owner for owner, ids in held.items() if not wanted.isdisjoint(ids)]

    def is_relation(self, key: str) -> bool:
        schema = self.past.engine.schema.get(self.class_name)
        field = None if schema is None else schema.fields.get(key)
        return field is not None and field.type == "Relation"

    def readable(self, acl: Mapping[str, Value] | None) -> bool:
        return self._permits(acl, readers)

    def writable(self, acl: Mapping[str, Value] | None) -> bool:
        return self._permits(acl, writers)

    def _permits(self, acl: Mapping[str, Value] | None, granted: Callable[[Any], frozenset[str]]) -> bool:
        ids = self.past.engine.view(self.past.principal).ids
        # SAFETY: without ids no ACL applies; only masters are without.
        return acl is None or ids is None or not granted(acl).isdisjoint(ids)

    def now(self) -> datetime:
        return self.past.now
