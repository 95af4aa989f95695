"""``engine.history()``: what the journal tells of one object, to whom it may be told.

A master sees every entry that is kept, of deleted objects too. Anybody else has to be able to read the object now, and
sees of its past what could be read then: the ACL and the pointers of each moment decide, with the class-level
permissions and roles of today, and fields that are hidden today are left out. A field that was dropped is told of
under the name that it had.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, final

from parsekit import attrs
from parsekit.acl.acl import readers
from parsekit.acl.policy import Access, hidden_fields_of
from parsekit.acl.principal import Principal
from parsekit.errors import EngineError
from parsekit.object import PFObject
from parsekit.query.dialect import Dialect
from parsekit.query.matcher import compile_predicate
from parsekit.storage import journal
from parsekit.storage.journal import ChangeKind, JournalEntry
from parsekit.storage.replay import undo
from parsekit.values import MISSING, Value, date_from_ms

if TYPE_CHECKING:
    from parsekit.engine.core import ParseEngine
    from parsekit.engine.views import PrincipalView

__all__ = ["HistoryEntry", "fields_of", "history", "may_read"]

_NOTHING: Final[Mapping[str, Value]] = MappingProxyType({})


@final
@attrs.frozen(slots=True)
class HistoryEntry:
    """One change of an object: its place in the journal, when it happened, and the changed keys before and after.

    A key that an object did not have is in neither mapping. Of a relation, ``after`` has the members that came and
    went, for a master only.
    """

    sequence: int
    at: datetime
    class_name: str
    object_id: str
    kind: ChangeKind
    before: Mapping[str, Value] = attrs.field(repr=False)
    after: Mapping[str, Value] = attrs.field(repr=False)

    @property
    def changed_keys(self) -> tuple[str, ...]:
        """The keys that the change touched."""
        return tuple(sorted({*self.before, *self.after}))


def history(
    engine: ParseEngine, obj: PFObject | str, object_id: str | None, principal: Principal
) -> list[HistoryEntry]:
    """The changes of an object that are kept and that ``principal`` may see, the oldest first.

    Raises:
        ObjectNotFoundError: 101, the principal cannot read the object.
        EngineError: the object was never saved.
    """
    class_name = obj if isinstance(obj, str) else obj.class_name
    identity = object_id if isinstance(obj, str) else obj.object_id
    if identity is None:
        raise EngineError(f'{class_name}: history() needs an objectId, as in history("{class_name}", "...")')
    connection = engine.store.database.reader()
    # SAFETY: a master may know what was there, deleted objects included.
    if principal.bypasses_permissions:
        hidden = engine.view(principal).reading(class_name, "get").access.sealed_fields
        entries = journal.entries_of(connection, class_name, identity)
        return [_told(entry, hidden, earlier=True) for entry in entries]
    with engine.store.snapshot():
        engine.get_object(class_name, identity, principal)  # whoever cannot read it learns nothing
        # SAFETY: what may be told is decided on the whole object, and only what may be told goes out.
        now = fields_of(engine.reads.get(class_name, identity, Principal.master(), None, None))
        told = list(journal.entries_of(connection, class_name, identity))
    view = engine.view(principal)
    access = view.reading(class_name, "get").access
    layout = engine.store.catalog.layout(class_name)
    relations = frozenset() if layout is None else frozenset(layout.relations)
    return list(reversed(list(_readable_part(told, now, access, view, relations))))


def _readable_part(
    entries: list[JournalEntry],
    now: dict[str, Value],
    access: Access,
    view: PrincipalView,
    relations: frozenset[str],
) -> Iterator[HistoryEntry]:
    """From the newest back: what of each entry the principal could read at its time."""
    allowed = may_read(access, view)
    # SAFETY: who is in a relation is for the members' own ACLs to tell, not for their owner's.
    hidden = hidden_fields_of(now, access, view.principal) | relations
    state: dict[str, Value] | None = now
    for entry in reversed(entries):
        earlier = undo(state, entry)
        if state is not None and allowed(state):
            yield _told(entry, hidden, earlier=earlier is not None and allowed(earlier))
        state = earlier


def _told(entry: JournalEntry, hidden: frozenset[str], *, earlier: bool) -> HistoryEntry:
    return HistoryEntry(
        entry.sequence,
        date_from_ms(entry.at),
        entry.class_name,
        entry.object_id,
        entry.kind,
        _without(entry.before, hidden) if earlier else _NOTHING,
        _without(entry.after, hidden),
    )


def _without(fields: Mapping[str, Value] | None, hidden: frozenset[str]) -> Mapping[str, Value]:
    return MappingProxyType({key: value for key, value in (fields or {}).items() if key not in hidden})


def may_read(access: Access, view: PrincipalView) -> Any:
    """A test of an object's fields: whether the ACL in them, and class-level permissions, let the principal read it."""
    conjunct = None if access.conjunct is None else compile_predicate(access.conjunct, Dialect.SERVER)
    ids = view.ids

    def test(fields: Mapping[str, Value]) -> bool:
        acl = fields.get("ACL")
        # SAFETY: without ids no ACL applies; only masters are without.
        readable = ids is None or acl is None or not readers(acl).isdisjoint(ids)
        return readable and (conjunct is None or conjunct(fields))

    return test


def fields_of(obj: PFObject) -> dict[str, Value]:
    """An object's stored values by key, its ACL as JSON."""
    fields: dict[str, Value] = {"objectId": obj.object_id}
    for key, moment in (("createdAt", obj.created_at), ("updatedAt", obj.updated_at)):
        if moment is not None:
            fields[key] = moment
    for key in obj.keys():  # noqa: SIM118 - its keys, not those of a dict
        value = obj.raw(key)
        if value is not MISSING and key != "ACL":
            fields[key] = value
    acl = obj.acl
    if acl is not None:
        fields["ACL"] = acl.to_json()
    return fields
