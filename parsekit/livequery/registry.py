"""The index over subscriptions: which queries a changed object may concern, without looking at the others.

Subscriptions with equal conditions on a class form a ``Group``, whose predicate is evaluated once per image whatever
the number of its subscribers. Groups are found in two steps::

    signature      the keys that a group asks for by equality, ("stage", "owner"); few per class
      values       a hash table from the tuple of values to a bucket; $in gives several entries
        bucket     groups without a range in a list; those with one sorted by their bound, found by bisection

What is found is a superset: the generated predicate (``query.matcher``) alone decides. So the index may only leave out
groups that cannot match, and a value that equality meets in several forms (an array and its elements, a pointer and the
text that MongoDB holds) is looked up in the form or forms that decide.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import product
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, final

from parsekit.livequery.events import Occurrence
from parsekit.livequery.rights import Rights
from parsekit.livequery.showing import Projection
from parsekit.query.ast import And, Constraint, Node
from parsekit.query.dialect import Dialect
from parsekit.query.matcher import Predicate, compile_predicate
from parsekit.query.paths import stored_form
from parsekit.values import MISSING, Missing, Pointer, Value

if TYPE_CHECKING:
    from parsekit.acl.principal import Principal
    from parsekit.query.state import QueryState

__all__ = ["Audience", "ClassIndex", "Group", "Subscriber"]

_SCALARS: Final = (str, int, float, bool, datetime, Pointer)
_MOST_ENTRIES: Final = 64
"""A query that would stand in more places than this is indexed by fewer of its keys."""
_ABOVE: Final = {"$gt": True, "$gte": True, "$lt": False, "$lte": False}
_KINDS: Final[dict[type, str]] = {int: "number", float: "number", str: "string", datetime: "date"}

Signature: TypeAlias = tuple[str, ...]
RangeKey: TypeAlias = tuple[str, bool, str]
"""The key, whether values above the bound match, and the kind of the bound."""


class Subscriber(Protocol):
    """Whoever events are delivered to. Called under the dispatcher's lock, so it returns at once."""

    state: QueryState
    watch: tuple[str, ...]
    projection: Projection | None

    @property
    def principal(self) -> Principal:
        """Under whom it listens."""

    def deliver(self, occurrence: Occurrence) -> bool:
        """Take an event; ``False`` to be delivered nothing more."""

    def fail(self, error: Exception) -> None:
        """Nothing more will come, because of ``error``."""

    def shut(self) -> None:
        """Nothing more will come."""


@final
class Audience:
    """The subscriptions of one principal in a group. ``previous`` are the rights before the changes at hand."""

    __slots__ = ("previous", "rights", "subscriptions")

    def __init__(self, rights: Rights) -> None:
        self.rights = rights
        self.previous = rights
        self.subscriptions: list[Subscriber] = []


@final
class Group:
    """Equal conditions on one class, and who subscribed to them."""

    __slots__ = ("audiences", "class_name", "predicate", "rules", "text", "where")

    def __init__(self, text: str, class_name: str, where: Node, rules: Dialect) -> None:
        self.text = text
        self.class_name = class_name
        self.where = where
        self.rules = rules
        self.predicate: Predicate = compile_predicate(where, rules)
        self.audiences: dict[Any, Audience] = {}


@final
class _Range:
    """Groups that ask for values on one side of a bound, sorted by it."""

    __slots__ = ("above", "entries")

    def __init__(self, above: bool) -> None:
        self.above = above
        self.entries: list[tuple[Any, Group]] = []

    def add(self, bound: Any, group: Group) -> None:
        insort(self.entries, (bound, group), key=itemgetter(0))

    def remove(self, bound: Any, group: Group) -> None:
        at = bisect_left(self.entries, bound, key=itemgetter(0))
        while self.entries[at][1] is not group:
            at += 1
        del self.entries[at]

    def find(self, value: Any) -> list[tuple[Any, Group]]:
        entries = self.entries
        if self.above:
            return entries[: bisect_right(entries, value, key=itemgetter(0))]
        return entries[bisect_left(entries, value, key=itemgetter(0)) :]


@final
class _Bucket:
    """The groups of one tuple of values."""

    __slots__ = ("plain", "ranges")

    def __init__(self) -> None:
        self.plain: dict[Group, None] = {}
        self.ranges: dict[RangeKey, _Range] = {}

    def __bool__(self) -> bool:
        return bool(self.plain or self.ranges)

    def collect(self, fields: Mapping[str, Value], found: dict[Group, None]) -> None:
        found.update(self.plain)
        for (key, above, kind), span in self.ranges.items():
            value = fields.get(key, MISSING)
            if _KINDS.get(value.__class__) == kind:
                entries = span.find(value)
            elif value is MISSING or value is None or value.__class__ in _KINDS:
                continue
            else:  # an array, or a value that is stored in another form
                entries = _spread(span, above, kind, value)
            for _, group in entries:
                found[group] = None


def _spread(span: _Range, above: bool, kind: str, value: Value) -> list[tuple[Any, Group]]:
    """The groups of a range that one of the forms of ``value`` may meet."""
    forms = [form for form in _forms(value) if _KINDS.get(form.__class__) == kind]
    return span.find(max(forms) if above else min(forms)) if forms else []


def _forms(value: Value | Missing) -> list[Any]:
    """The scalars as which equality may meet a field's value: itself, its elements, what MongoDB holds for it."""
    if value.__class__ is str or value.__class__ is int:
        return [value]
    stored = stored_form(value)
    elements = stored if isinstance(stored, list) else [stored]
    return [form for form in map(stored_form, elements) if isinstance(form, _SCALARS)]


@final
class _Place:
    """Where a group stands in the index."""

    __slots__ = ("bound", "range_key", "signature", "values")

    def __init__(self, where: Node, rules: Dialect) -> None:
        leaves = where.children if isinstance(where, And) else (where,)
        if (
            rules.ranges != "kinds"
        ):  # what JavaScript compares differently is found by texts and numbers alone
            leaves = tuple(leaf for leaf in leaves if _is_plain_equality(leaf))
        chosen = _equalities(leaf for leaf in leaves if isinstance(leaf, Constraint))
        self.signature: Signature = tuple(sorted(chosen))
        self.values = list(product(*(chosen[key] for key in self.signature)))
        self.range_key: RangeKey | None = None
        self.bound: Any = None
        for leaf in leaves:
            if isinstance(leaf, Constraint) and leaf.op in _ABOVE and _is_indexable(leaf.key):
                kind = _KINDS.get(type(leaf.argument))
                if kind is not None:
                    self.range_key, self.bound = (leaf.key, _ABOVE[leaf.op], kind), leaf.argument
                    break


def _is_plain_equality(leaf: Node) -> bool:
    """Whether only values that are equal, or arrays with an equal element, can pass under any rules."""
    if not isinstance(leaf, Constraint) or leaf.op not in ("$eq", "$in"):
        return False
    members = leaf.argument if leaf.op == "$in" else (leaf.argument,)
    return all(type(member) in (str, int, float) for member in members)


def _is_indexable(key: str) -> bool:
    return "." not in key and not key.startswith("_") and key != "className"


def _equalities(leaves: Iterable[Constraint]) -> dict[str, list[Value]]:
    chosen: dict[str, list[Value]] = {}
    entries = 1
    for leaf in leaves:
        if leaf.key in chosen or not _is_indexable(leaf.key):
            continue
        if leaf.op == "$eq" and isinstance(leaf.argument, _SCALARS):
            chosen[leaf.key] = [stored_form(leaf.argument)]
        elif leaf.op == "$in" and all(isinstance(member, _SCALARS) for member in leaf.argument):
            members = list(dict.fromkeys(map(stored_form, leaf.argument)))
            if members and entries * len(members) <= _MOST_ENTRIES:
                entries *= len(members)
                chosen[leaf.key] = members
    return chosen


@final
class ClassIndex:
    """The groups of one class, found by what they ask for."""

    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}
        self._places: dict[Group, _Place] = {}
        self._tables: dict[Signature, dict[tuple[Any, ...], _Bucket]] = {}

    def __iter__(self) -> Iterator[Group]:
        return iter(self._groups.values())

    def __len__(self) -> int:
        return len(self._groups)

    def group(self, class_name: str, where: Node, rules: Dialect = Dialect.SERVER) -> Group:
        """The group of the (settled) conditions, made and indexed when it is the first of its kind."""
        # not the tree itself: it may hold what does not hash, and 1 equals True there
        text = f"{rules.name} {where!r}"
        group = self._groups.get(text)
        if group is None:
            group = self._groups[text] = Group(text, class_name, where, rules)
            place = self._places[group] = _Place(where, rules)
            table = self._tables.setdefault(place.signature, {})
            for values in place.values:
                bucket = table.setdefault(values, _Bucket())
                if place.range_key is None:
                    bucket.plain[group] = None
                else:
                    span = bucket.ranges.setdefault(place.range_key, _Range(place.range_key[1]))
                    span.add(place.bound, group)
        return group

    def discard(self, group: Group) -> None:
        """Forget a group: nobody subscribes to it any more."""
        del self._groups[group.text]
        place = self._places.pop(group)
        table = self._tables[place.signature]
        for values in place.values:
            bucket = table[values]
            if place.range_key is None:
                del bucket.plain[group]
            else:
                span = bucket.ranges[place.range_key]
                span.remove(place.bound, group)
                if not span.entries:
                    del bucket.ranges[place.range_key]
            if not bucket:
                del table[values]
        if not table:
            del self._tables[place.signature]

    def candidates(self, *images: Mapping[str, Value] | None) -> dict[Group, None]:
        """The groups that one of the images may match, each once."""
        found: dict[Group, None] = {}
        for fields in images:
            if fields is not None:
                for signature, table in self._tables.items():
                    self._collect(signature, table, fields, found)
        return found

    def _collect(
        self,
        signature: Signature,
        table: dict[tuple[Any, ...], _Bucket],
        fields: Mapping[str, Value],
        found: dict[Group, None],
    ) -> None:
        if not signature:
            table[()].collect(fields, found)
            return
        forms = [_forms(fields.get(key, MISSING)) for key in signature]
        for values in product(*forms):
            bucket = table.get(values)
            if bucket is not None:
                bucket.collect(fields, found)
