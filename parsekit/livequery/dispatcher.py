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
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, final

from parsekit import attrs
from parsekit.errors import ParseError
from parsekit.livequery.conditions import live_predicate
from parsekit.livequery.dependents import Dependent
from parsekit.livequery.events import Fields, Occurrence, kind_of_event
from parsekit.livequery.groups import Audience, Group, SimpleKey, Subscriber
from parsekit.livequery.images import Transition
from parsekit.livequery.registry import ClassIndex
from parsekit.livequery.rights import Rights
from parsekit.livequery.showing import Showing, Told
from parsekit.livequery.viewers import NOBODY, Viewers
from parsekit.query.ast import ALWAYS
from parsekit.query.dialect import Dialect

if TYPE_CHECKING:
    from parsekit.acl.clp import Operation
    from parsekit.acl.principal import Principal
    from parsekit.query.ast import Node
    from parsekit.query.matcher import Lookup
    from parsekit.query.state import QueryState

__all__ = ["Dispatcher", "Reader"]

_Asking: TypeAlias = "tuple[str, Operation, Principal]"
"""Who asks for what of a class."""

_VERDICTS: Final[dict[str, tuple[bool, bool]]] = {
    "both": (True, True),
    "before": (True, False),
    "after": (False, True),
}


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
class Dispatcher:
    """Everybody who subscribed, and how changes reach them. One per engine."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._indexes: dict[str, ClassIndex] = {}
        self._dependents: dict[str, dict[str, Dependent]] = {}
        self._depending: dict[str, dict[Dependent, None]] = {}
        self._rights: dict[_Asking, Rights] = {}
        self._holders: dict[Rights, dict[Audience, None]] = {}
        self._keys: dict[Rights, _Asking] = {}
        self._viewers: dict[str, Viewers] = {}
        self._audiences: dict[Subscriber, Audience] = {}
        self._buffer: dict[Subscriber, list[Occurrence]] | None = None
        self._dead: list[Subscriber] = []

    def __len__(self) -> int:
        return len(self._audiences)

    # -- who listens -----------------------------------------------------------------------------

    def add(
        self,
        subscription: Subscriber,
        where: Node,
        operation: Operation,
        depends: frozenset[str],
        simple: SimpleKey | None = None,
    ) -> None:
        """Deliver to ``subscription`` from now on; ``where`` are its settled conditions.

        ``simple`` is ``simple_key(where)`` where that is known.

        Raises:
            ParseError: the conditions do not compile, or a sub-query is refused.
        """
        state, principal = subscription.state, subscription.principal
        class_name = state.class_name
        key = (class_name, operation, principal)
        known = self._rights.get(key)
        rights = self._reader.rights(principal, class_name, operation) if known is None else known
        if depends:
            audience = self._dependent(state, where, rights, depends).audience
        else:
            index = self._indexes.get(class_name)
            if index is None:
                index = self._indexes[class_name] = ClassIndex()
            group = index.group(class_name, where, state.dialect or Dialect.SERVER, simple)
            found = group.audiences.get(rights)
            audience = group.audiences[rights] = Audience(rights, group) if found is None else found
        if known is None:
            self._rights[key], self._keys[rights] = rights, key
            self._holders[rights] = {}
            self._viewers.setdefault(class_name, Viewers()).add(rights)
        self._holders[rights][audience] = None
        audience.subscriptions.append(subscription)
        if subscription.watch or subscription.projection is not None:
            audience.is_plain = False
        self._audiences[subscription] = audience

    def _dependent(
        self, state: QueryState, where: Node, rights: Rights, depends: frozenset[str]
    ) -> Dependent:
        of_class = self._dependents.setdefault(state.class_name, {})
        text = repr((where, rights.principal))
        found = of_class.get(text)
        if found is None:
            found = Dependent(text, state.class_name, where, depends, rights)
            found.members = self._reader.matching_ids(found.state, rights.principal)
            found.compile(self._reader.lookup(state.class_name, rights.principal))
            of_class[text] = found
            for name in depends:
                self._depending.setdefault(name, {})[found] = None
        return found

    def remove(self, subscription: Subscriber) -> None:
        """Deliver nothing more to ``subscription``."""
        audience = self._audiences.pop(subscription, None)
        if audience is None:
            return
        place: Group | Dependent = audience.place
        audience.subscriptions.remove(subscription)
        if audience.subscriptions:
            return
        rights = audience.rights
        holders = self._holders[rights]
        del holders[audience]
        if not holders:
            del self._holders[rights]
            del self._rights[self._keys.pop(rights)]
            self._viewers[place.class_name].discard(rights)
        class_name = place.class_name
        if isinstance(place, Dependent):
            del self._dependents[class_name][place.text]
            for name in place.depends:
                del self._depending[name][place]
            return
        del place.audiences[rights]
        if not place.audiences:
            self._indexes[class_name].discard(place)

    def index_of(self, class_name: str) -> ClassIndex:
        """The index over the subscriptions to a class that somebody has subscribed to."""
        return self._indexes[class_name]

    @property
    def subscriptions(self) -> list[Subscriber]:
        """Everybody."""
        return list(self._audiences)

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
            showing = Showing(transition, first=first, final=final)
            self._dispatch(showing, transition.class_name, first=first, same_rights=not renewed)
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
            class_name, operation, principal = key
            new = self._reader.rights(principal, class_name, operation)
            if new.same_as(old):
                continue
            self._rights[key] = new
            self._keys[new] = self._keys.pop(old)
            self._holders[new] = self._holders.pop(old)
            self._viewers[class_name].discard(old)
            self._viewers[class_name].add(new)
            for audience in self._holders[new]:
                place: Group | Dependent = audience.place
                audience.previous, audience.rights = old, new
                if isinstance(place, Group):
                    place.audiences[new] = place.audiences.pop(old)
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

    def _dispatch(self, showing: Showing, class_name: str, *, first: bool, same_rights: bool) -> None:
        index = self._indexes.get(class_name)
        if index is not None:
            for groups, sight in index.candidates(showing.before, showing.after):
                verdict = _VERDICTS.get(sight)
                if verdict is not None and same_rights:
                    self._match(groups, showing, *verdict)
                    continue
                for group in groups:
                    was, holds = verdict or self._tested(group, showing, steady=sight == "steady")
                    if not (was or holds):
                        continue
                    if same_rights:
                        self._match((group,), showing, was, holds)
                    else:
                        self._match_each(group, showing, was, holds, first=first)
        for dependent in self._dependents.get(class_name, {}).values():
            self._match_dependent(dependent, showing, first=first)

    def _tested(self, group: Group, showing: Showing, *, steady: bool) -> tuple[bool, bool]:
        """Whether the group's conditions held before the change and hold after it."""
        before, after, predicate = showing.before, showing.after, group.predicate
        try:
            holds = after is not None and predicate(after)
            return holds if steady else before is not None and predicate(before), holds
        except ParseError as error:
            if not group.rules.refused_is_no_match:
                self._fail(group.audiences.values(), error)
            return False, False

    def _match(self, groups: Iterable[Group], showing: Showing, was: bool, holds: bool) -> None:
        """Tell those who saw the object or see it, of groups that ask for it, under rights that stay the same."""
        viewers = self._viewers.get(showing.class_name)
        if viewers is None:
            return
        saw = showing.viewers_before(viewers) if was else NOBODY
        sees = showing.viewers_after(viewers) if holds else NOBODY
        known = sees if saw is sees else saw | sees
        told = Told(showing, saw, sees)
        steady = self._buffer is None
        for group in groups:
            audiences = group.audiences
            # where the class has fewer who know of the object than the group has members, these are looked up instead
            common = audiences if len(audiences) <= len(known) else [one for one in known if one in audiences]
            for rights in common:
                occurrence = told[rights] if rights in known else None
                if occurrence is None:
                    continue
                audience = audiences[rights]
                if not (steady and audience.is_plain):
                    self._tell(audience, showing, rights in saw, rights in sees, rights)
                    continue
                for subscription in audience.subscriptions:
                    if not subscription.deliver(occurrence):
                        self._dead.append(subscription)

    def _match_each(self, group: Group, showing: Showing, was: bool, holds: bool, *, first: bool) -> None:
        """As ``_match`` where somebody's rights are changing: the first change of an object is seen with the old."""
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
        new = audience.rights
        whole = showing.whole(kind, old, new)
        for subscription in audience.subscriptions:
            watch, projection = subscription.watch, subscription.projection
            if watch and kind in ("update", "create") and not showing.touches(watch):
                continue
            occurrence = whole if projection is None else showing.occurrence(kind, old, new, projection)
            if self._buffer is not None:
                self._buffer.setdefault(subscription, []).append(occurrence)
            elif not subscription.deliver(occurrence):
                self._dead.append(subscription)

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

    def _flush(self) -> None:
        buffer, self._buffer = self._buffer, None
        for subscription, occurrences in (buffer or {}).items():
            for place, occurrence in enumerate(occurrences):
                following = occurrences[place + 1].sequence if place + 1 < len(occurrences) else -1
                if following == occurrence.sequence:
                    # more of the same number follow: it is not done with before the last of them
                    occurrence = attrs.evolve(occurrence, resume_from=occurrence.sequence - 1)
                if not subscription.deliver(occurrence):
                    self._dead.append(subscription)
                    break
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
