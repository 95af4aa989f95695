"""Where conditions stand in the index over subscriptions: what of them can be looked up, and what is left to test.

Conditions that only compare keys with scalars are looked up whole, and equally built ones alike: what a *shape* (keys,
operators, kinds of values) leads to is worked out once and filled with values from then on.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import product
from typing import Any, Final, TypeAlias, final

from parsekit import attrs
from parsekit.livequery.spans import Interval
from parsekit.query.ast import And, Constraint, Node, Or, constraints_of
from parsekit.query.dialect import Dialect
from parsekit.query.paths import stored_form
from parsekit.values import Pointer, Value

__all__ = ["ABOVE", "BETWEEN", "KINDS", "ORDERED", "SCALARS", "Layout", "Place", "Placing", "Span"]

SCALARS: Final = (str, int, float, bool, datetime, Pointer)
_MOST_ENTRIES: Final = 64
"""A query that would stand in more places than this is indexed by fewer of its keys."""
BETWEEN: Final = "between"
ABOVE: Final = {"$gt": True, "$gte": True, "$lt": False, "$lte": False}
KINDS: Final[dict[type, str]] = {
    int: "number",
    float: "number",
    str: "string",
    datetime: "date",
    Pointer: "pointer",
}
_ALIASES: Final = {"_created_at": "createdAt", "_updated_at": "updatedAt"}
ORDERED: Final = frozenset({"number", "string", "date"})

Signature: TypeAlias = tuple[str, ...]
_Shape: TypeAlias = tuple[tuple[str, str, type], ...]


@final
@attrs.frozen(slots=True)
class Span:
    """The range that a table is about: values of ``kind`` under ``key``, by ``op`` or between two bounds."""

    key: str
    kind: str
    op: str


@final
@attrs.frozen(slots=True)
class Layout:
    """What the groups of a table have in common.

    ``kinds`` are the kinds of the values asked for by equality, where these and the range are all that is asked; an
    object whose values are of those kinds then matches exactly where it is found. ``is_shared``: the groups stand in
    several tables.
    """

    signature: Signature
    span: Span | None
    keys: frozenset[str]
    kinds: tuple[str, ...] | None = None
    is_shared: bool = False


@final
@attrs.frozen(slots=True)
class Place:
    """Where a group stands in one table: its values, and its bound or interval."""

    layout: Layout
    values: tuple[tuple[Any, ...], ...]
    bound: Any = None


@final
@attrs.frozen(slots=True)
class _Recipe:
    """How the leaves of a shape become a place: which give the values, and which the bound or the two bounds."""

    layout: Layout
    values: tuple[int, ...]
    bounds: tuple[int, ...]

    def place(self, leaves: tuple[Constraint, ...]) -> Place | None:
        values = (tuple([stored_form(leaves[at].argument) for at in self.values]),)
        if not self.bounds:
            return Place(self.layout, values)
        if len(self.bounds) == 1:
            return Place(self.layout, values, leaves[self.bounds[0]].argument)
        interval = _interval(*(leaves[at] for at in self.bounds))
        return None if interval is None else Place(self.layout, values, interval)


@final
class Placing:
    """Finds the places of conditions. One per index, so that equal layouts are one object."""

    def __init__(self) -> None:
        self._recipes: dict[_Shape, _Recipe] = {}

    def places_of(self, where: Node, rules: Dialect) -> list[Place]:
        """The places of conditions; one of an empty layout when nothing can be looked up."""
        leaves: Any = where.children if where.__class__ is And else (where,)
        if rules is not Dialect.SERVER or not all(leaf.__class__ is Constraint for leaf in leaves):
            return _general(where, rules, _keys_of(where))
        shape = tuple([(leaf.key, leaf.op, leaf.argument.__class__) for leaf in leaves])
        recipe = self._recipes.get(shape)
        place = None if recipe is None else recipe.place(leaves)
        if place is not None:
            return [place]
        places = _general(where, rules, _keys_of(where))
        if len(places) == 1 and places[0].layout.kinds is not None:
            self._recipes[shape] = _recipe(places[0].layout, leaves)
        return places


def _keys_of(where: Node) -> frozenset[str]:
    """The fields that conditions look at."""
    first = (leaf.key.partition(".")[0] for leaf in constraints_of(where))
    return frozenset([_ALIASES.get(key, key) for key in first])


def _recipe(layout: Layout, leaves: tuple[Constraint, ...]) -> _Recipe:
    span = layout.span
    at = {leaf.key: place for place, leaf in enumerate(leaves) if span is None or leaf.key != span.key}
    bounds = [place for place, leaf in enumerate(leaves) if span is not None and leaf.key == span.key]
    bounds.sort(key=lambda place: not ABOVE[leaves[place].op])
    return _Recipe(layout, tuple(at[key] for key in layout.signature), tuple(bounds))


def _interval(low: Constraint, high: Constraint) -> Interval | None:
    return Interval.between(
        low.argument, high.argument, with_low=low.op == "$gte", with_high=high.op == "$lte"
    )


def _general(where: Node, rules: Dialect, keys: frozenset[str]) -> list[Place]:
    """The places of some conditions; that of an empty signature when nothing of them can be looked up."""
    place = _place(where, rules, keys)
    if _narrows(place):
        return [place]
    for part in where.children if isinstance(where, And) else (where,):
        if isinstance(part, Or) and len(part.children) <= _MOST_ENTRIES:
            several = [_place(child, rules, keys) for child in part.children]
            if several and all(map(_narrows, several)):
                return _shared(several)
    return [place]


def _shared(places: list[Place]) -> list[Place]:
    """The places of a disjunction's members, in tables of their own; no table has the group at a bound twice."""
    values: dict[tuple[Layout, Any], dict[tuple[Any, ...], None]] = {}
    for place in places:
        layout = attrs.evolve(place.layout, kinds=None, is_shared=True)
        values.setdefault((layout, place.bound), {}).update(dict.fromkeys(place.values))
    return [Place(layout, tuple(found), bound) for (layout, bound), found in values.items()]


def _narrows(place: Place) -> bool:
    return bool(place.layout.signature) or place.layout.span is not None


def _place(where: Node, rules: Dialect, keys: frozenset[str]) -> Place:
    parts = where.children if isinstance(where, And) else (where,)
    leaves = [part for part in parts if isinstance(part, Constraint) and _is_indexable(part.key)]
    if rules.ranges != "kinds":  # what JavaScript compares differently is found by texts and numbers alone
        leaves = [leaf for leaf in leaves if _is_plain_equality(leaf)]
    chosen = _equalities(leaves)
    signature = tuple(sorted(chosen))
    values = tuple(product(*(chosen[key] for key in signature)))
    span, bound = _span([leaf for leaf in leaves if leaf.op in ABOVE])
    kinds = None
    asked = len(signature) + (0 if span is None else 2 if span.op == BETWEEN else 1)
    if rules == Dialect.SERVER and len(parts) == len(leaves) == asked:
        kinds = _kinds(signature, leaves, span)
    return Place(Layout(signature, span, keys, kinds), values, bound)


def _kinds(signature: Signature, leaves: list[Constraint], span: Span | None) -> tuple[str, ...] | None:
    """The kinds of the values asked for by equality, ``None`` where more is asked than a table can tell."""
    if span is not None and span.key in signature:
        return None
    kinds = {leaf.key: KINDS.get(type(leaf.argument)) for leaf in leaves if leaf.op == "$eq"}
    found = [kind for key in signature if (kind := kinds.get(key)) is not None]
    return tuple(found) if len(found) == len(signature) else None


def _is_plain_equality(leaf: Constraint) -> bool:
    """Whether only values that are equal, or arrays with an equal element, can pass under any rules."""
    if leaf.op not in ("$eq", "$in"):
        return False
    members = leaf.argument if leaf.op == "$in" else (leaf.argument,)
    return all(type(member) in (str, int, float) for member in members)


def _is_indexable(key: str) -> bool:
    return "." not in key and not key.startswith("_") and key != "className"


def _span(leaves: Iterable[Constraint]) -> tuple[Span | None, Any]:
    """The best range: one with two bounds, else the first one."""
    sides: dict[tuple[str, str], dict[bool, Constraint]] = {}
    for leaf in leaves:
        kind = KINDS.get(type(leaf.argument), "")
        if kind in ORDERED:
            sides.setdefault((leaf.key, kind), {}).setdefault(ABOVE[leaf.op], leaf)
    for (key, kind), bounds in sides.items():
        if len(bounds) == 2 and kind != "string":
            interval = _interval(bounds[True], bounds[False])
            if interval is not None:
                return Span(key, kind, BETWEEN), interval
    for (key, kind), bounds in sides.items():
        leaf = next(iter(bounds.values()))
        return Span(key, kind, leaf.op), leaf.argument
    return None, None


def _equalities(leaves: Iterable[Constraint]) -> dict[str, list[Value]]:
    chosen: dict[str, list[Value]] = {}
    entries = 1
    for leaf in leaves:
        if leaf.key in chosen:
            continue
        if leaf.op == "$eq" and isinstance(leaf.argument, SCALARS):
            chosen[leaf.key] = [stored_form(leaf.argument)]
        elif leaf.op == "$in" and all(isinstance(member, SCALARS) for member in leaf.argument):
            members = list(dict.fromkeys(map(stored_form, leaf.argument)))
            if members and entries * len(members) <= _MOST_ENTRIES:
                entries *= len(members)
                chosen[leaf.key] = members
    return chosen
