"""Subscriptions and observed lists on what is kept, local changes included.

The picture: a change of the local datastore is told after its commit, in the thread that made it. Each *follower* keeps
the set of objects that its query holds; a change of an object of its class is put to the predicate, and the set says
what that means (``events.kind_of_event``). A query that asks other objects too (sub-queries, relations, roles, a pin)
is read anew with each change. An object that cannot be tested ends the subscription with the error that a find gives.

Objects in events are copies: what was so at that moment, whatever becomes of the object.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, final

from parsekit import attrs
from parsekit.errors import EngineError, NotOfferedError, ParseError
from parsekit.livequery.events import Event, Fields, Occurrence, kind_of_event
from parsekit.livequery.explain import Arrival
from parsekit.livequery.observed import ObservedGroups, ObservedList
from parsekit.livequery.subscription import DEFAULT_CAPACITY, Subscription
from parsekit.localstore.division import Division, divide
from parsekit.localstore.keeping import LocalChange
from parsekit.localstore.records import local_id
from parsekit.object_including import attach_includes
from parsekit.object_state import NO_FIELDS, ResultContext, ResultShape
from parsekit.query.ast import And, KeyOfQuery, RelatedTo, constraints_of
from parsekit.query.matcher import Predicate, compile_predicate
from parsekit.query.state import QueryState
from parsekit.storage import journal
from parsekit.values import Value

if TYPE_CHECKING:
    from parsekit._context import Binding
    from parsekit.acl.principal import Principal
    from parsekit.localstore.datastore import LocalDatastore
    from parsekit.object import PFObject

__all__ = ["LocalLive"]

_ALL: Final = 2**62
_Members = dict[int, Fields]


@final
class _Follower:
    """A subscriber, its query without order and page, and the objects that it holds by node."""

    def __init__(self, datastore: LocalDatastore, subscriber: Any, principal: Principal) -> None:
        self._datastore = datastore
        self.subscriber = subscriber
        self.principal = principal
        self.state: QueryState = attrs.evolve(
            subscriber.state, order=(), skip=0, limit=_ALL, keys=None, exclude_keys=(), include=()
        )
        self.members: _Members = {}
        self._predicate: Predicate | None = None
        self._layout: Any = None
        self.depends = self._depends()

    def _depends(self) -> bool:
        """Whether other objects than the one that changes decide about it."""
        rules = self._datastore.reading.rules(self.state)
        asks = any(
            isinstance(leaf.argument, QueryState | KeyOfQuery | RelatedTo)
            for leaf in constraints_of(self.state.where)
        )
        return asks or rules.roles_grant or self.state.pin is not None or self.state.redirect_key is not None

    def _divide(self) -> Division | None:
        rules = self._datastore.reading.rules(self.state)
        return divide(self._datastore, self.state, self.principal, rules)

    def read(self) -> _Members:
        """What the query holds now."""
        division = self._divide()
        if division is None:
            return {}
        objects, layout = self._datastore.objects, division.layout
        return {objects.number(layout, row.row): dict(row) for row in self._datastore.reading.rows(division)}

    def holds(self, fields: Fields) -> bool:
        """Whether the query, which depends on nothing else, holds an object."""
        layout = self._datastore.store.catalog.layout(self.state.class_name)
        if self._predicate is None or layout is not self._layout:
            division = self._divide()
            assert division is not None  # there is an object of the class
            where = (
                division.state.where
                if division.visible is None
                else And((division.visible, division.state.where))
            )
            self._predicate = compile_predicate(where, division.rules, division.lookup)
            self._layout = layout
        return self._predicate(fields)


@final
class LocalLive:
    """The subscriptions to one local datastore. Offers what ``PFQuery`` asks of an engine's live queries."""

    def __init__(self, datastore: LocalDatastore) -> None:
        self._datastore = datastore
        self._lock = threading.RLock()
        self._followers: dict[Any, _Follower] = {}
        self._closed = False

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
        """Follow a query under a principal.

        Raises:
            ParseError: as a find refuses the query.
            NotOfferedError: it is to resume; subscribe and ask the query instead, nothing here is far away.
        """
        if resume_from is not None:
            raise NotOfferedError("subscribe: a local subscription does not resume; subscribe, then find")
        subscription: Subscription[Any] = Subscription(
            self, binding, state, kind=kind, watch=tuple(watch), capacity=capacity
        )
        with self._lock:
            self._join(subscription, binding)
            subscription.begin(self._position())
        return subscription

    def observe(
        self, state: QueryState, binding: Binding, kind: type[Any] | None = None
    ) -> ObservedList[Any]:
        """Follow the ordered, limited result of a query. Raises as ``subscribe``."""
        seen = _Seen(self._datastore, state, binding.principal, kind)

        def find() -> tuple[list[Any], int]:
            with self._lock:
                return seen.find(), self._position()

        observed: ObservedList[Any] = ObservedList(
            binding, state, self.leave, find, seen.contents, identity=seen.identity
        )
        with self._lock:
            self._join(observed, binding)
            observed.begin()
        return observed

    def observe_groups(
        self, state: QueryState, binding: Binding, group_by: str, sum_of: str | None
    ) -> ObservedGroups:
        """Follow count and sum per value of a key. Raises as ``subscribe``."""
        groups = ObservedGroups(binding, state, self.leave, group_by, sum_of)
        with self._lock:
            follower = self._join(groups, binding)
            for number, fields in follower.members.items():
                groups.put(local_id(number), fields)
            groups.begin(self._position())
        return groups

    def _join(self, subscriber: Any, binding: Binding) -> _Follower:
        if self._closed:
            raise EngineError("subscribe: the local datastore has been closed; open it again")
        if self._datastore.store.database.in_write:
            raise EngineError("subscribe: inside a transaction; subscribe before it begins or after it ends")
        follower = _Follower(self._datastore, subscriber, binding.principal)
        follower.members = follower.read()
        self._followers[subscriber] = follower
        return follower

    def _position(self) -> int:
        return journal.last_sequence(self._datastore.store.database.reader())

    # -- what was committed --------------------------------------------------------------------------

    def deliver(self, ready: deque[tuple[LocalChange, ...]]) -> None:
        """Tell everybody whom they concern of the changes of committed transactions, in commit order."""
        with self._lock:
            while ready:
                changes = ready.popleft()
                for follower in list(self._followers.values()):
                    try:
                        self._follow(follower, changes)
                    except ParseError as error:
                        follower.subscriber.fail(error)
                        self._followers.pop(follower.subscriber, None)

    def _follow(self, follower: _Follower, changes: Sequence[LocalChange]) -> None:
        if follower.depends:
            self._reread(follower, changes)
            return
        for change in changes:
            if change.class_name != follower.state.class_name:
                continue
            holds = change.after is not None and follower.holds(change.after)
            self._tell(follower, change, holds)

    def _reread(self, follower: _Follower, changes: Sequence[LocalChange]) -> None:
        """Ask anew, and tell of every object that changed, came or went."""
        fresh = follower.read()
        by_number = {change.number: change for change in changes}
        last = max(change.sequence for change in changes) or self._position()
        for number in dict.fromkeys([*follower.members, *fresh]):
            change = by_number.get(number)
            old, new = follower.members.get(number), fresh.get(number)
            if change is None and (old is None) == (new is None):
                continue
            if change is None:
                known = old if new is None else new
                change = LocalChange(last, follower.state.class_name, number, known, known)
            self._tell(follower, change, number in fresh)

    def _tell(self, follower: _Follower, change: LocalChange, holds: bool) -> None:
        number, subscriber = change.number, follower.subscriber
        was = number in follower.members
        original = follower.members.get(number)
        fields = change.before if change.after is None else change.after
        kind = kind_of_event(was, holds, change.before, change.after)
        if holds and change.after is not None:
            follower.members[number] = change.after
        else:
            follower.members.pop(number, None)
        if kind is None or fields is None:
            return
        if subscriber.watch and kind in ("update", "create") and not _touches(change, subscriber.watch):
            return
        occurrence = Occurrence(
            kind, change.class_name, local_id(number), change.sequence, change.sequence, fields, original
        )
        if not subscriber.deliver(occurrence):
            self._followers.pop(subscriber, None)

    # -- what a subscriber takes -----------------------------------------------------------------------

    def event_of(self, subscription: Subscription[Any], occurrence: Occurrence) -> Event:
        """The event with objects of its own, includes attached."""
        original = occurrence.original
        return Event(
            occurrence.kind,
            self._copy(subscription, occurrence.class_name, occurrence.fields),
            None if original is None else self._copy(subscription, occurrence.class_name, original),
            occurrence.sequence,
            occurrence.resume_from,
        )

    def _copy(self, subscription: Subscription[Any], class_name: str, fields: Fields) -> PFObject:
        datastore = self._datastore
        shape = ResultShape(class_name, NO_FIELDS, engine=datastore.owner, classes=datastore.class_for)
        kind = subscription.kind or datastore.class_for(class_name)
        values = {
            key: datastore.objects.resolved(value) for key, value in fields.items() if key != "className"
        }
        obj: PFObject = kind.from_fields(ResultContext(shape, True), fields.get("objectId"), values)
        state = obj.local_state
        assert state is not None
        state.new = False  # a copy is nobody's object to save
        if subscription.state.include:
            # an include that leads nowhere leaves a pointer: the event itself is the subscriber's
            with contextlib.suppress(ParseError):
                attach_includes(
                    [obj], subscription.state, lambda query, _ids: datastore.reading.by_ids(query)
                )
        return obj

    def leave(self, subscriber: Any) -> None:
        """Nothing more is to be delivered to the subscriber."""
        with self._lock:
            self._followers.pop(subscriber, None)

    def explain(self, subscription: Subscription[Any], obj: PFObject) -> Arrival:
        """Whether the object is in the subscription's result, and if not why."""
        with self._lock:
            follower = self._followers.get(subscription)
            number = self._datastore.number_of(obj)
            if follower is None:
                return Arrival(False, ("the subscription is closed",))
            if number is None or not self._datastore.contains(obj):
                return Arrival(False, ("the object is not kept in the local datastore; pin it",))
            if number in follower.members:
                return Arrival(True, ())
            return Arrival(False, ("the object does not match, or its ACL hides it from the subscriber",))

    def close(self) -> None:
        """End every subscription."""
        with self._lock:
            self._closed = True
            for subscriber in list(self._followers):
                subscriber.shut()
            self._followers.clear()


def _touches(change: LocalChange, keys: Sequence[str]) -> bool:
    before, after = change.before or {}, change.after or {}
    return any(before.get(key) != after.get(key) for key in keys)


@final
class _Seen:
    """The lists that an observer saw, with what was in their objects then: objects that are kept change in place."""

    def __init__(
        self, datastore: LocalDatastore, state: QueryState, principal: Principal, kind: type[Any] | None
    ) -> None:
        self._datastore = datastore
        self._asked = state, principal, kind
        self._older: dict[int, tuple[Any, int, dict[str, Value]]] = {}
        self._newer: dict[int, tuple[Any, int, dict[str, Value]]] = {}

    def find(self) -> list[Any]:
        """The result now."""
        found = self._datastore.reading.find(*self._asked)
        self._older, self._newer = self._newer, {id(obj): (obj, *self._datastore.image(obj)) for obj in found}
        return found

    def contents(self, obj: Any) -> dict[str, Value]:
        """What was in an object when it was found."""
        return self._entry(obj)[2]

    def identity(self, obj: Any) -> int:
        """What makes objects of two lists the same."""
        return self._entry(obj)[1]

    def _entry(self, obj: Any) -> tuple[Any, int, dict[str, Value]]:
        return self._newer.get(id(obj)) or self._older[id(obj)]
