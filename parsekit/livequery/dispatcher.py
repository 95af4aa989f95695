"""The dispatcher: from changes to events, for everybody whom they concern and for nobody else.

``process`` takes the changes that were committed together and does, in this order:

1. rights: where roles or the schema changed, each principal's rights are asked for anew;
2. each change: the groups that its images match, then each audience by what it saw before and sees now. The *first*
   image of an object is looked at with the rights before the transaction, every later one with the rights after it,
   so that nobody who lost the right to see an object hears what became of it in the same transaction;
3. objects that did not change: whoever gained or lost rights hears of those that came into sight or went out of it,
   or show more or less than before (an update); and queries that depend on other classes (``dependents``) are read
   anew where those changed.

Law L5: after the events of journal position n, what they add up to is the query run at position n.

The dispatcher reads nothing itself: ``Reader`` is what it asks of the engine. It is called under one lock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, final

import attrs

from parsekit.errors import ParseError
from parsekit.livequery.conditions import live_predicate
from parsekit.livequery.dependents import Dependent
from parsekit.livequery.events import Fields, Occurrence, kind_of_event
from parsekit.livequery.images import Transition
from parsekit.livequery.registry import Audience, ClassIndex, Group, Subscriber
from parsekit.livequery.rights import Rights
from parsekit.livequery.showing import Showing
from parsekit.query.ast import ALWAYS
from parsekit.query.dialect import Dialect

if TYPE_CHECKING:
    from parsekit.acl.clp import Operation
    from parsekit.acl.principal import Principal
    from parsekit.query.ast import Node
    from parsekit.query.matcher import Lookup
    from parsekit.query.state import QueryState

__all__ = ["Dispatcher", "Reader"]


class Reader(Protocol):
    """What the dispatcher asks of the engine, as of the newest commit."""

    def rights(self, principal: Principal, class_name: str, operation: Operation) -> Rights:
        """The principal's rights; without access where the class refuses it."""

    def check(self, class_name: str, where: Node, rights: Rights) -> None:
        """Refuse conditions on fields that are hidden from the principal. Raises ``ParseError`` (119)."""

    def lookup(self, class_name: str, principal: Principal) -> Lookup:
        """What predicates of the class ask of the store."""

    def matching(self, class_name: str, where: Node) -> list[Fields]:
        """Every object that meets the conditions, whoever may see it."""

    def matching_ids(self, state: QueryState, principal: Principal) -> set[str]:
        """The objectIds of the result under the principal, without limit and skip."""

    def images(self, class_name: str, ids: Collection[str]) -> list[Fields]:
        """The objects with these ids, whoever may see them."""


@final
@attrs.frozen(slots=True)
class _RightsKey:
    principal: Principal
    class_name: str
    operation: Operation


@final
class Dispatcher:
    """Everybody who subscribed, and how changes reach them. One per engine."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._indexes: dict[str, ClassIndex] = {}
        self._dependents: dict[str, dict[str, Dependent]] = {}
        self._depending: dict[str, dict[Dependent, None]] = {}
        self._rights: dict[_RightsKey, Rights] = {}
        self._holders: dict[Rights, dict[Audience, Group | Dependent]] = {}
        self._keys: dict[Rights, _RightsKey] = {}
        self._places: dict[Subscriber, tuple[Audience, Group | Dependent]] = {}
        self._buffer: dict[Subscriber, list[Occurrence]] | None = None
        self._dead: list[Subscriber] = []

    def __len__(self) -> int:
        return len(self._places)

    # -- who listens -----------------------------------------------------------------------------

    def add(
        self, subscription: Subscriber, where: Node, operation: Operation, depends: frozenset[str]
    ) -> None:
        """Deliver to ``subscription`` from now on; ``where`` are its settled conditions.

        Raises:
            ParseError: the conditions do not compile, or a sub-query is refused.
        """
        class_name, principal = subscription.state.class_name, subscription.principal
        key = _RightsKey(principal, class_name, operation)
        rights = self._rights.get(key)
        if rights is None:
            rights = self._reader.rights(principal, class_name, operation)
        place: Group | Dependent
        if depends:
            place = self._dependent(subscription.state, where, rights, depends)
            audience = place.audience
        else:
            rules = subscription.state.dialect or Dialect.SERVER
            place = self._indexes.setdefault(class_name, ClassIndex()).group(class_name, where, rules)
            found = place.audiences.get(principal)
            audience = place.audiences[principal] = Audience(rights) if found is None else found
        self._rights[key], self._keys[rights] = rights, key
        self._holders.setdefault(rights, {})[audience] = place
        audience.subscriptions.append(subscription)
        self._places[subscription] = (audience, place)

    def _dependent(
        self, state: QueryState, where: Node, rights: Rights, depends: frozenset[str]
    ) -> Dependent:
        of_class = self._dependents.setdefault(state.class_name, {})
        text = repr((where, rights.principal))
        found = of_class.get(text)
        if found is None:
            found = Dependent(text, state.class_name, where, depends, Audience(rights))
            found.members = self._reader.matching_ids(found.state, rights.principal)
            found.compile(self._reader.lookup(state.class_name, rights.principal))
            of_class[text] = found
            for name in depends:
                self._depending.setdefault(name, {})[found] = None
        return found

    def remove(self, subscription: Subscriber) -> None:
        """Deliver nothing more to ``subscription``."""
        audience, place = self._places.pop(subscription, (None, None))
        if audience is None or place is None:
            return
        audience.subscriptions.remove(subscription)
        if audience.subscriptions:
            return
        rights = audience.rights
        holders = self._holders[rights]
        del holders[audience]
        if not holders:
            del self._holders[rights]
            del self._rights[self._keys.pop(rights)]
        class_name = place.class_name
        if isinstance(place, Dependent):
            del self._dependents[class_name][place.text]
            for name in place.depends:
                del self._depending[name][place]
            return
        del place.audiences[rights.principal]
        if not place.audiences:
            self._indexes[class_name].discard(place)

    def place_of(self, subscription: Subscriber) -> tuple[Audience, Group | Dependent] | None:
        """Where a subscription stands, ``None`` when it is closed."""
        return self._places.get(subscription)

    @property
    def subscriptions(self) -> list[Subscriber]:
        """Everybody."""
        return list(self._places)

    # -- what happened -----------------------------------------------------------------------------

    def process(self, transitions: Sequence[Transition], position: int, *, rights_stale: bool) -> None:
        """Deliver what follows from changes that were committed together; ``position`` is the last one's number."""
        renewed = self._renew() if rights_stale else {}
        changed = {transition.class_name for transition in transitions}
        dirty = self._dirty(changed, everything=rights_stale)
        self._buffer = {} if renewed or dirty else None
        for dependent in dirty:
            dependent.compile(self._reader.lookup(dependent.class_name, dependent.audience.rights.principal))
        touched: dict[str, set[str]] = {}
        finals = _finals(transitions) if len(transitions) > 1 else {}
        for transition in transitions:
            ids = touched.setdefault(transition.class_name, set())
            first = transition.object_id not in ids
            final = finals.get((transition.class_name, transition.object_id))
            self._dispatch(Showing(transition, first=first, final=final), transition.class_name, first=first)
            ids.add(transition.object_id)
        self._rescan(renewed, touched, position)
        for dependent in dirty:
            self._reread(dependent, touched.get(dependent.class_name, set()), position)
        for audience in renewed:
            audience.previous = audience.rights
        self._flush()

    def _renew(self) -> dict[Audience, Group | Dependent]:
        """Ask for all rights anew; the audiences whose rights are others now."""
        renewed: dict[Audience, Group | Dependent] = {}
        for key, old in list(self._rights.items()):
            new = self._reader.rights(key.principal, key.class_name, key.operation)
            if new.same_as(old):
                continue
            self._rights[key] = new
            self._keys[new] = self._keys.pop(old)
            self._holders[new] = self._holders.pop(old)
            for audience, place in self._holders[new].items():
                audience.previous, audience.rights = old, new
                renewed[audience] = place
                self._check(audience, place)
        return renewed

    def _check(self, audience: Audience, place: Group | Dependent) -> None:
        """A query on what has become hidden ends with the error that asking it would give."""
        try:
            self._reader.check(place.class_name, place.where, audience.rights)
        except ParseError as error:
            self._fail([audience], error)

    def _dirty(self, changed: set[str], *, everything: bool) -> list[Dependent]:
        if not self._depending:
            return []
        names = self._depending if everything else changed
        return list(dict.fromkeys(item for name in names for item in self._depending.get(name, ())))

    def _dispatch(self, showing: Showing, class_name: str, *, first: bool) -> None:
        index = self._indexes.get(class_name)
        if index is not None:
            for group in index.candidates(showing.before, showing.after):
                self._match(group, showing, first=first)
        for dependent in self._dependents.get(class_name, {}).values():
            self._match_dependent(dependent, showing, first=first)

    def _match(self, group: Group, showing: Showing, *, first: bool) -> None:
        before, after, predicate = showing.before, showing.after, group.predicate
        try:
            was = before is not None and predicate(before)
            holds = after is not None and predicate(after)
        except ParseError as error:
            if not group.rules.refused_is_no_match:
                self._fail(group.audiences.values(), error)
            return
        if not (was or holds):
            return
        for audience in group.audiences.values():
            new = audience.rights
            old = audience.previous if first else new
            saw = was and showing.saw(old)
            sees = holds and showing.sees(new)
            if saw or sees:
                self._tell(audience, showing, saw, sees, old)

    def _match_dependent(self, dependent: Dependent, showing: Showing, *, first: bool) -> None:
        audience, after = dependent.audience, showing.after
        was = showing.object_id in dependent.members
        try:
            holds = after is not None and showing.sees(audience.rights) and dependent.predicate(after)
        except ParseError as error:
            self._fail([audience], error)
            return
        (dependent.members.add if holds else dependent.members.discard)(showing.object_id)
        if was or holds:
            self._tell(audience, showing, was, holds, audience.previous if first else audience.rights)

    def _tell(self, audience: Audience, showing: Showing, was: bool, holds: bool, old: Rights) -> None:
        kind = kind_of_event(was, holds, showing.before, showing.after)
        if kind is None:
            return
        for subscription in audience.subscriptions:
            if (
                subscription.watch
                and kind in ("update", "create")
                and not showing.touches(subscription.watch)
            ):
                continue
            self._deliver(
                subscription, showing.occurrence(kind, old, audience.rights, subscription.projection)
            )

    # -- objects that did not change ----------------------------------------------------------------

    def _rescan(
        self, renewed: dict[Audience, Group | Dependent], touched: dict[str, set[str]], position: int
    ) -> None:
        """Those who gained or lost rights hear of the other objects that these were about."""
        groups = {place: None for place in renewed.values() if isinstance(place, Group)}
        for group in groups:
            skipped = touched.get(group.class_name, set())
            audiences = [audience for audience in group.audiences.values() if audience in renewed]
            for fields in self._matching(group):
                if fields["objectId"] in skipped:
                    continue
                showing = Showing.unchanged(group.class_name, fields, position)
                for audience in audiences:
                    saw, sees = showing.saw(audience.previous), showing.sees(audience.rights)
                    if saw != sees or (saw and showing.shows_otherwise(audience.previous, audience.rights)):
                        self._tell(audience, showing, saw, sees, audience.previous)

    def _matching(self, group: Group) -> Iterable[Fields]:
        """Every object that meets the conditions of a group, whoever may see it."""
        if group.rules == Dialect.SERVER:
            return self._reader.matching(group.class_name, group.where)
        return filter(
            live_predicate(group.where, group.rules), self._reader.matching(group.class_name, ALWAYS)
        )

    def _reread(self, dependent: Dependent, touched: set[str], position: int) -> None:
        """Read a dependent query anew and tell of the objects that came or went without having changed."""
        audience = dependent.audience
        try:
            fresh = self._reader.matching_ids(dependent.state, audience.rights.principal)
        except ParseError:
            fresh = set()  # the class refuses the principal now, so nothing is in the result
        reread = fresh ^ dependent.members
        if audience.previous.lens != audience.rights.lens:
            reread |= fresh
        different = reread - touched
        for fields in self._reader.images(dependent.class_name, different):
            showing = Showing.unchanged(dependent.class_name, fields, position)
            identity = showing.object_id
            was, holds = identity in dependent.members, identity in fresh
            (dependent.members.add if holds else dependent.members.discard)(identity)
            if was != holds or showing.shows_otherwise(audience.previous, audience.rights):
                self._tell(audience, showing, was, holds, audience.previous)

    # -- delivery ------------------------------------------------------------------------------------

    def _deliver(self, subscription: Subscriber, occurrence: Occurrence) -> None:
        if self._buffer is not None:
            self._buffer.setdefault(subscription, []).append(occurrence)
        elif not subscription.deliver(occurrence):
            self._dead.append(subscription)

    def _flush(self) -> None:
        buffer, self._buffer = self._buffer, None
        for subscription, occurrences in (buffer or {}).items():
            for place, occurrence in enumerate(occurrences):
                following = occurrences[place + 1].sequence if place + 1 < len(occurrences) else -1
                if following == occurrence.sequence:
                    # more of the same number follow: it is not done with before the last of them
                    occurrence = attrs.evolve(occurrence, resume_from=occurrence.sequence - 1)
                self._deliver(subscription, occurrence)
        for subscription in self._dead:
            self.remove(subscription)
        self._dead.clear()

    def _fail(self, audiences: Iterable[Audience], error: ParseError) -> None:
        for audience in audiences:
            for subscription in audience.subscriptions:
                subscription.fail(error)
                self._dead.append(subscription)


def _finals(transitions: Sequence[Transition]) -> dict[tuple[str, str], Fields | None]:
    """What the objects with several changes are after the last of them; before it, where that deletes them."""
    seen: set[tuple[str, str]] = set()
    finals: dict[tuple[str, str], Fields | None] = {}
    for item in transitions:
        place = (item.class_name, item.object_id)
        if place in seen:
            finals[place] = item.before if item.after is None else item.after
        seen.add(place)
    return finals
