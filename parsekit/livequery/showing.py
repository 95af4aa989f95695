"""``Showing``: one change as it is shown to many: each question is answered once, however many ask it.

Who saw the object and who sees it is asked once per principal, what a subscriber sees of it once per lens and
projection, and equal events are one ``Occurrence``.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, TypeAlias, final

from parsekit.livequery.events import EventKind, Fields, Occurrence, kind_of_event
from parsekit.livequery.images import Transition
from parsekit.livequery.rights import Rights, readers_of
from parsekit.livequery.viewers import NOBODY, Seeing, Viewers
from parsekit.query.paths import fan_out
from parsekit.values import MISSING, Missing, Value

__all__ = ["Projection", "Showing", "Told", "projection_of"]

Projection: TypeAlias = tuple[frozenset[str] | None, frozenset[str]]
"""The keys to show (``None``: all) and those not to."""

_ALWAYS: Final = frozenset({"objectId", "createdAt", "updatedAt", "ACL"})


def projection_of(keys: tuple[str, ...] | None, exclude_keys: tuple[str, ...]) -> Projection | None:
    """What events show for a query's ``keys`` and ``excludeKeys``: whole fields (W8); ``None`` for all of them."""
    if keys is None and not exclude_keys:
        return None
    shown = None if keys is None else frozenset(key.partition(".")[0] for key in keys) | _ALWAYS
    return shown, frozenset(key for key in exclude_keys if "." not in key) - _ALWAYS


def _value_at(fields: Fields | None, key: str) -> list[Value | Missing]:
    if fields is None:
        return [MISSING]
    first, *path = key.split(".")
    return fan_out(fields.get(first, MISSING), path)


def _same_acl(before: Fields | None, after: Fields | None) -> bool:
    return before is not None and after is not None and before.get("ACL") is after.get("ACL")


@final
class Showing:
    """One change and the answers given about it so far."""

    __slots__ = (
        "_after_readers", "_before_readers", "_final", "_first", "_made", "_same_readers", "_saw", "_sees", "_shown",
        "_transition", "_updates", "_viewers_after", "_viewers_before",
    )  # fmt: skip

    def __init__(self, transition: Transition, *, first: bool = True, final: Fields | None = None) -> None:
        """``first``: no earlier change of the object is committed together with it; ``final``: what the object is after
        the last of several that are, so that nobody hears of a state that was hidden by the time of the commit."""
        self._transition = transition
        self._first = first
        self._final = None if final is None else (final, readers_of(final))
        self._before_readers = readers_of(transition.before)
        self._same_readers = _same_acl(transition.before, transition.after)
        self._after_readers = self._before_readers if self._same_readers else readers_of(transition.after)
        self._viewers_before: Seeing | None = None
        self._viewers_after: Seeing | None = None
        self._saw: dict[Rights, bool] = {}
        self._sees: dict[Rights, bool] = {}
        self._shown: dict[tuple[Hashable, Projection | None, bool], Fields] = {}
        self._updates: dict[Hashable, Occurrence] = {}
        self._made: dict[tuple[EventKind, bool, Hashable, Hashable, Projection | None], Occurrence] = {}

    @staticmethod
    def unchanged(class_name: str, fields: Fields, sequence: int) -> Showing:
        """An object that stayed as it is, while others or rights changed at ``sequence``."""
        return Showing(Transition(sequence, class_name, fields["objectId"], fields, fields))

    @property
    def class_name(self) -> str:
        """The class of the object."""
        return self._transition.class_name

    @property
    def object_id(self) -> str:
        """The objectId of the object."""
        return self._transition.object_id

    @property
    def before(self) -> Fields | None:
        """The object before."""
        return self._transition.before

    @property
    def after(self) -> Fields | None:
        """The object after."""
        return self._transition.after

    def saw(self, rights: Rights) -> bool:
        """Whether rights allow to see the object as it was."""
        known = self._saw.get(rights)
        if known is None:
            fields = self._transition.before
            known = fields is not None and rights.sees(fields, self._before_readers)
            if known and not self._first and self._final is not None:
                known = rights.sees(*self._final)
            self._saw[rights] = known
        return known

    def sees(self, rights: Rights) -> bool:
        """Whether rights allow to see the object as it is."""
        known = self._sees.get(rights)
        if known is None:
            fields = self._transition.after
            known = fields is not None and rights.sees(fields, self._after_readers)
            if known and self._final is not None:
                known = rights.sees(*self._final)
            self._sees[rights] = known
        return known

    def viewers_before(self, viewers: Viewers) -> Seeing:
        """Those who may see the object as it was, as ``saw`` says of each."""
        known = self._viewers_before
        if known is None:
            fields = self._transition.before
            known = NOBODY if fields is None else viewers.of(fields, self._before_readers)
            if known and not self._first and self._final is not None:
                known = known & viewers.of(*self._final)
            self._viewers_before = known
        return known

    def viewers_after(self, viewers: Viewers) -> Seeing:
        """Those who may see the object as it is, as ``sees`` says of each."""
        known = self._viewers_after
        if known is None and self._same_readers and self._final is None and viewers.by_acl_alone:
            known = self._viewers_after = self.viewers_before(viewers)
        if known is None:
            fields = self._transition.after
            known = NOBODY if fields is None else viewers.of(fields, self._after_readers)
            if known and self._final is not None:
                known = known & viewers.of(*self._final)
            self._viewers_after = known
        return known

    def shows_otherwise(self, old: Rights, new: Rights) -> bool:
        """Whether an object that both may see shows something else under the new rights."""
        if old.lens == new.lens:
            return False
        return self._view(old, None, before=True) != self._view(new, None, before=False)

    def touches(self, keys: tuple[str, ...]) -> bool:
        """Whether one of the (dotted) keys has another value now."""
        before, after = self._transition.before, self._transition.after
        return any(_value_at(before, key) != _value_at(after, key) for key in keys)

    def whole(self, kind: EventKind, old: Rights, new: Rights) -> Occurrence:
        """The event for who had the rights ``old`` and has ``new``, without a projection."""
        if old is not new or kind != "update":
            return self.occurrence(kind, old, new, None)
        made = self._updates.get(new.lens)
        if made is None:
            made = self._updates[new.lens] = self.occurrence(kind, old, new, None)
        return made

    def occurrence(
        self, kind: EventKind, old: Rights, new: Rights, projection: Projection | None
    ) -> Occurrence:
        """The event for who had the rights ``old`` and has ``new``."""
        if kind == "update" and old is new:  # who stays in the audience saw the object and sees it
            gone, known_before = False, True
        else:
            gone = kind in ("leave", "delete") and not self.sees(new)
            known_before = kind in ("update", "leave", "enter") and self.saw(old)
        key = (kind, gone, old.lens if gone else new.lens, old.lens if known_before else None, projection)
        made = self._made.get(key)
        if made is None:
            item = self._transition
            made = self._made[key] = Occurrence(
                kind,
                item.class_name,
                item.object_id,
                item.sequence,
                item.sequence,
                self._view(old if gone else new, projection, before=gone),
                self._view(old, projection, before=True) if known_before else None,
            )
        return made

    def _view(self, rights: Rights, projection: Projection | None, *, before: bool) -> Fields:
        key = (rights.lens, projection, before)
        shown = self._shown.get(key)
        if shown is None:
            fields = self._transition.before if before else self._transition.after
            shown = {} if fields is None else rights.shown(fields)
            if projection is not None:
                keep, drop = projection
                shown = {k: v for k, v in shown.items() if (keep is None or k in keep) and k not in drop}
            self._shown[key] = shown
        return shown


@final
class Told(dict[Rights, "Occurrence | None"]):
    """What each of those hears of a change whose rights stay the same: the event, ``None`` for nothing.

    Worked out when it is first asked for; ``saw`` and ``sees`` are those who saw and see the object in the result.
    """

    __slots__ = ("_kinds", "_saw", "_sees", "_showing")

    def __init__(self, showing: Showing, saw: Seeing, sees: Seeing) -> None:
        super().__init__()
        self._showing, self._saw, self._sees = showing, saw, sees
        before, after = showing.before, showing.after
        self._kinds = {
            (was, holds): kind_of_event(was, holds, before, after)
            for was in (False, True)
            for holds in (False, True)
        }

    def __missing__(self, rights: Rights) -> Occurrence | None:
        saw = rights in self._saw
        kind = self._kinds[saw, saw if self._saw is self._sees else rights in self._sees]
        made = self[rights] = None if kind is None else self._showing.whole(kind, rights, rights)
        return made
