"""Live queries of an engine: where committed changes meet subscriptions.

The picture: the engine hands over the changes of each transaction after its commit, in commit order. They are matched
in the thread that committed them (``livequery.dispatcher``) and put into the queues of those whom they concern; what
subscribers do with them happens in the subscribers' threads. ``position`` is the journal number up to which everything
was matched: nothing at or below it is matched twice, and a gap above it (commits of another process) is read from the
journal first. So every subscriber hears of each change once and in order, whoever made it.

What matches is decided below (``query.matcher``, ``acl.policy``); this module only knows when.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, final

from parsekit import attrs
from parsekit._context import Binding, current_binding
from parsekit.acl.guard import check_keys, check_query_fields, read_operation
from parsekit.engine.live_events import LiveEvents
from parsekit.engine.live_reading import LiveReader, fields_of
from parsekit.engine.live_watch import FileWatch
from parsekit.errors import EngineError, NotOfferedError
from parsekit.livequery.conditions import dependencies, settled
from parsekit.livequery.dispatcher import Dispatcher
from parsekit.livequery.events import Event, Fields, Occurrence
from parsekit.livequery.explain import Arrival, explain_arrival
from parsekit.livequery.groups import SimpleKey, Subscriber, simple_key
from parsekit.livequery.images import Transition, change_transition, journal_transitions
from parsekit.livequery.observed import ObservedGroups, ObservedList
from parsekit.livequery.resume import replayed
from parsekit.livequery.subscription import DEFAULT_CAPACITY, Subscription
from parsekit.object import PFObject
from parsekit.query.dialect import Dialect
from parsekit.query.where import check_against_schema
from parsekit.storage import journal
from parsekit.storage.store import StaleCatalog
from parsekit.values import RelationReference, Value

if TYPE_CHECKING:
    from parsekit.acl.clp import Operation
    from parsekit.acl.policy import Access
    from parsekit.engine.core import ParseEngine
    from parsekit.engine.write import Change
    from parsekit.query.ast import Node
    from parsekit.query.state import QueryState
    from parsekit.storage.journal import JournalEntry

__all__ = ["LiveQueries"]

_NOTHING: Final[frozenset[str]] = frozenset()
_UNGROUPABLE: Final = frozenset({"Array", "Object", "Relation", "GeoPoint", "Polygon", "File"})


@final
@attrs.define(slots=True, eq=False)
class _Checked:
    """A query that may be subscribed to: its settled conditions and what is known of them."""

    where: Node
    operation: Operation
    access: Access
    depends: frozenset[str]
    simple: SimpleKey | None = None


@final
class LiveQueries:
    """The subscriptions of an engine. One per engine, idle until somebody subscribes."""

    def __init__(self, engine: ParseEngine, *, shared: bool) -> None:
        self._engine = engine
        self._shared = shared
        self._lock = threading.RLock()
        self._reader = LiveReader(engine)
        self.dispatcher = self._dispatcher = Dispatcher(self._reader)
        """Everybody who listens; for benchmarks and tests to look at."""
        self._schema: object = None
        self._events = LiveEvents(engine)
        self._listening = False
        self._watch: FileWatch | None = None
        self._closed = False
        self._held = False
        self.position = 0
        """The journal number up to which changes have been matched."""

    # -- subscribing -------------------------------------------------------------------------------

    def subscribe(
        self,
        state: QueryState,
        binding: Binding,
        kind: type[Any] | None = None,
        *,
        watch: Sequence[str] = (),
        resume_from: int | None = None,
        capacity: int = DEFAULT_CAPACITY,
    ) -> Subscription[Any]:
        """Follow a query under a principal; see ``PFQuery.subscribe``."""
        if state.from_local:
            local = self._engine.local_datastore.live
            return local.subscribe(
                state, binding, kind, watch=watch, resume_from=resume_from, capacity=capacity
            )
        state = self._engine.hooks.before_subscribe(state, binding.principal, len(self._dispatcher))
        with self._lock:
            checked = self._check(state, binding, tuple(watch), (Dialect.SERVER, Dialect.LIVE_MATCHER))
            subscription: Subscription[Any] = Subscription(
                self, binding, state, kind=kind, watch=tuple(watch), capacity=capacity
            )
            self._listen()
            if resume_from is None and not checked.depends:
                self._advance()
                subscription.begin(self.position)
                self._join(subscription, checked)
                return subscription
            with self._still():
                subscription.begin(self.position)
                if resume_from is not None and resume_from != self.position:
                    self._resume(subscription, checked, resume_from)
                self._join(subscription, checked)
        return subscription

    def observe(
        self, state: QueryState, binding: Binding, kind: type[Any] | None = None
    ) -> ObservedList[Any]:
        """Follow the ordered, limited result of a query; see ``PFQuery.observe``."""
        if state.from_local:
            return self._engine.local_datastore.live.observe(state, binding, kind)

        def find() -> tuple[list[Any], int]:
            if self._engine.store.database.in_write:
                raise EngineError("observe: inside a transaction; take what changed when it has ended")
            with self._lock, self._still():
                return self._engine.find_objects(state, binding.principal, kind), self.position

        observed: ObservedList[Any] = ObservedList(binding, state, self.leave, find, fields_of)
        with self._lock:
            checked = self._check(state, binding)
            self._listen()
            with self._still():
                observed.begin()
                self._join(observed, checked)
        return observed

    def observe_groups(
        self, state: QueryState, binding: Binding, group_by: str, sum_of: str | None
    ) -> ObservedGroups:
        """Follow count and sum per value of a key; see ``PFQuery.observe_aggregate``."""
        if state.from_local:
            return self._engine.local_datastore.live.observe_groups(state, binding, group_by, sum_of)
        described = self._engine.schema.get(state.class_name)
        field = None if described is None else described.fields.get(group_by)
        if "." in group_by or (field is not None and field.type in _UNGROUPABLE):
            raise EngineError(
                f'observe_aggregate: "{group_by}" holds no single values; group by a scalar key'
            )
        groups = ObservedGroups(binding, state, self.leave, group_by, sum_of)
        with self._lock:
            checked = self._check(state, binding)
            check_keys(checked.access, [group_by] if sum_of is None else [group_by, sum_of], "group by")
            self._listen()
            with self._still():
                whole = attrs.evolve(state, keys=None, exclude_keys=())
                for obj in self._reader.find(whole, binding.principal):
                    groups.put(str(obj.object_id), fields_of(obj))
                groups.begin(self.position)
                self._join(groups, checked)
        return groups

    def _check(
        self,
        state: QueryState,
        binding: Binding,
        watch: tuple[str, ...] = (),
        dialects: tuple[Dialect, ...] = (Dialect.SERVER,),
    ) -> _Checked:
        """Whether the query may be followed. Raises as a find would."""
        engine = self._engine
        if self._closed:
            raise EngineError("subscribe: the engine has been closed; open it again")
        if not engine.options.journal:
            raise EngineError("subscribe: events come from the journal; open the engine with journal=True")
        if engine.store.database.in_write:
            raise EngineError("subscribe: inside a transaction; subscribe before it begins or after it ends")
        rules = state.dialect or Dialect.SERVER
        if rules not in dialects:
            raise NotOfferedError(
                f"subscribe: only what the server stores can be followed, under {' or '.join(d.name for d in dialects)}"
            )
        operation = read_operation(state)
        reading = engine.view(binding.principal).reading(state.class_name, operation)
        access = reading.access
        simple = simple_key(state.where)
        if (
            simple is not None
            and not (reading.unusable or state.order)
            and self._is_plain(state.class_name, simple)
        ):
            return _Checked(state.where, operation, access, _NOTHING, simple)
        if rules == Dialect.SERVER:
            described = engine.schema.get(state.class_name)
            fields = {} if described is None else described.fields
            check_against_schema(state.where, lambda key: fields[key].type if key in fields else None)
        check_query_fields(state, access, binding.principal)
        check_keys(access, watch, "watch")
        where = settled(state.where, engine.options.clock())
        depends = dependencies(attrs.evolve(state, where=where), self._relation_target, self._target)
        return _Checked(where, operation, access, depends)

    def _is_plain(self, class_name: str, simple: SimpleKey) -> bool:
        """Whether comparisons with scalars, which no type of a field refuses, are of no relation."""
        layout = self._engine.store.catalog.layout(class_name)
        relations = None if layout is None else layout.relations
        return not relations or all(key.partition(".")[0] not in relations for key, *_ in simple)

    def _target(self, class_name: str, key: str) -> str | None:
        described = self._engine.schema.get(class_name)
        field = None if described is None else described.fields.get(key)
        return None if field is None else field.target

    def _relation_target(self, class_name: str, key: str) -> str | None:
        described = self._engine.schema.get(class_name)
        field = None if described is None else described.fields.get(key)
        return field.target or "" if field is not None and field.type == "Relation" else None

    def _join(self, subscriber: Subscriber, checked: _Checked) -> None:
        """Deliver to ``subscriber`` what is committed after ``position``."""
        self._dispatcher.add(subscriber, checked.where, checked.operation, checked.depends, checked.simple)

    def _listen(self) -> None:
        if self._listening:
            return
        self._listening = True
        self._schema = self._engine.schema
        self.position = self._engine.outbox.last_sequence = self._last_sequence()
        self._engine.on_changes(self._committed)
        if self._shared:
            self._reader.images(
                "_User", [""]
            )  # what a first statement costs is paid here, not by the first event
            self._watch = FileWatch(self._engine.store, self._foreign)

    # -- what was committed --------------------------------------------------------------------------

    def _committed(self, changes: Sequence[Change]) -> None:
        """The changes of one transaction of this process."""
        with self._lock:
            fresh = [change for change in changes if change.sequence > self.position]
            if (
                not fresh or self._held
            ):  # what a hook writes while a result is read is read from the journal later
                return
            last = fresh[-1].sequence
            if not len(self._dispatcher):
                self.position = last
                return
            if fresh[0].sequence > self.position + 1:
                self._read_journal(fresh[0].sequence - 1)
            transitions = [change_transition(change, self._relations(change.class_name)) for change in fresh]
            known = [transition for transition in transitions if transition is not None]
            if len(known) < len(transitions):
                self._read_journal(last)
            else:
                self._process(known, last)

    def _relations(self, class_name: str) -> dict[str, Value]:
        layout = self._engine.store.catalog.layout(class_name)
        relations = {} if layout is None else layout.relations
        return {key: RelationReference(target) for key, target in relations.items()}

    def _foreign(self) -> None:
        """Somebody committed; the changes of this process that were not handed over yet are taken along."""
        with self._lock:
            if not self._closed:
                self._advance()

    def _advance(self) -> None:
        """Match everything that is committed by now, up to ``position``."""
        if self._shared or self._engine.outbox.last_sequence != self.position:
            self._match_until(self._last_sequence())
        # else nobody else writes, and all of ours was matched

    def _match_until(self, last: int) -> None:
        if last > self.position:
            if len(self._dispatcher):
                self._read_journal(last)
            else:
                self.position = last

    @contextlib.contextmanager
    def _still(self) -> Iterator[None]:
        """One state of the database to read from, up to which all is matched, however fast others commit."""
        if self._held:
            yield
            return
        self._held = True
        try:
            with self._engine.store.snapshot():
                self._match_until(self._last_sequence())
                yield
        finally:
            self._held = False
            self._advance()

    def _last_sequence(self) -> int:
        return journal.last_sequence(self._engine.store.database.reader())

    def _read_journal(self, until: int) -> None:
        with contextlib.suppress(StaleCatalog):  # raised when something was stale, and is now fresh
            self._engine.store.check_fresh()
        transitions = self._transitions(self.position, until)
        self._process(transitions, until)

    def _transitions(self, after: int, until: int) -> list[Transition]:
        """The changes of the journal positions after ``after``, with their images."""
        store = self._engine.store
        with store.snapshot():  # others may commit without a pause
            entries = list(journal.entries(store.database.reader(), after))
            rows = self._rows(entries)
        wanted = [entry for entry in entries if entry.sequence <= until]
        return journal_transitions(wanted, rows, entries[len(wanted) :])

    def _rows(self, entries: Sequence[JournalEntry]) -> dict[tuple[str, str], Fields]:
        """The objects of the entries as they are now."""
        by_class: dict[str, set[str]] = {}
        for entry in entries:
            by_class.setdefault(entry.class_name, set()).add(entry.object_id)
        return {
            (class_name, fields["objectId"]): fields
            for class_name, ids in by_class.items()
            for fields in self._reader.images(class_name, ids)
        }

    def _process(self, transitions: Sequence[Transition], position: int) -> None:
        schema = self._engine.schema
        stale = schema is not self._schema or any(item.class_name == "_Role" for item in transitions)
        self._schema = schema
        self._dispatcher.process(transitions, position, rights_stale=stale)
        self.position = position

    # -- resuming ------------------------------------------------------------------------------------

    def _resume(self, subscription: Subscription[Any], checked: _Checked, resume_from: int) -> None:
        """Deliver what happened after ``resume_from``, or the result to begin anew with."""
        gap = self._gap(subscription, checked, resume_from)
        if gap is None:
            transitions = self._transitions(resume_from, self.position)
            rights = self._reader.rights(
                subscription.principal, subscription.state.class_name, checked.operation
            )
            subscription.begin(resume_from)
            replayed(transitions, subscription, checked.where, rights)
        else:
            subscription.resume_gap = gap
            subscription.fresh_result = self._engine.find_objects(
                subscription.state, subscription.principal, subscription.kind
            )

    def _gap(self, subscription: Subscription[Any], checked: _Checked, resume_from: int) -> str | None:
        """Why the events after ``resume_from`` cannot be told, ``None`` when they can."""
        if resume_from > self.position:
            return f"the journal ends at sequence number {self.position}, before {resume_from}"
        connection = self._engine.store.database.reader()
        first = next(iter(journal.entries(connection, 0, 1)), None)
        if first is not None and first.sequence > resume_from + 1:
            return f"the journal reaches back to sequence number {first.sequence}, not to {resume_from}"
        if checked.depends:
            return "the query depends on other objects, whose past the journal does not tell"
        if subscription.principal.user_id is not None:
            changed = {entry.class_name for entry in journal.entries(connection, resume_from)}
            if "_Role" in changed:
                return "roles have changed since, and with them what could be seen"
        return None

    # -- what subscriptions ask ------------------------------------------------------------------------

    def event_of(self, subscription: Subscription[Any], occurrence: Occurrence) -> Event | None:
        """The event with objects of its own, includes attached; ``None`` when a hook drops it."""
        return self._events.event_of(subscription, occurrence, len(self._dispatcher))

    def leave(self, subscriber: Any) -> None:
        """Nothing more is to be delivered to the subscriber."""
        with self._lock:
            self._dispatcher.remove(subscriber)

    def explain(self, subscription: Subscription[Any], obj: PFObject) -> Arrival:
        """Whether the object is in the subscription's result, and if not why."""
        state = subscription.state
        if obj.class_name != state.class_name or obj.object_id is None:
            reason = f"the subscription is to {state.class_name}, the object is a {obj.class_name}"
            return Arrival(False, ("the object was never saved" if obj.object_id is None else reason,))
        caller = current_binding().principal
        self._engine.reads.get(obj.class_name, obj.object_id, caller, PFObject, None)  # 101 if not to be seen
        fields = self._reader.images(obj.class_name, [obj.object_id])
        where = settled(state.where, self._engine.options.clock())
        rights = self._reader.rights(subscription.principal, state.class_name, read_operation(state))
        lookup = self._reader.lookup(state.class_name, subscription.principal)
        rules = state.dialect or Dialect.SERVER
        reasons = [
            reason for item in fields for reason in explain_arrival(item, where, rules, rights, lookup)
        ]
        if subscription.is_closed:
            reasons.insert(0, "the subscription is closed")
        notes = []
        if subscription.watch:
            notes.append(
                f"creates and updates arrive only when one of {', '.join(subscription.watch)} changes"
            )
        return Arrival(not reasons, tuple(reasons), tuple(notes))

    def close(self) -> None:
        """End every subscription: iterators finish, handler threads end."""
        watch = self._watch
        if watch is not None:
            watch.stop()
        with self._lock:
            self._closed = True
            for subscriber in self._dispatcher.subscriptions:
                self._dispatcher.remove(subscriber)
                subscriber.shut()
