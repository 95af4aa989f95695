"""The index over subscriptions: which queries a changed object concerns, without looking at the others.

Groups that ask alike stand in one ``_Table``: the same keys by equality (its signature), at most one more key by range,
and the same keys in all. A table holds a bucket per tuple of values; a bucket holds its groups in a list, sorted by
their bound, or on a grid of intervals::

    stage = ?, amount > ?     ("won",)   -> 10: group, 50: group, 900: group
                              ("lead",)  -> 20: group

``$in`` stands in several buckets, a disjunction in a place of each of its members.

Where a table's values are all that its groups ask, and the object's are of the same plain kinds, finding is matching.
In all other cases what is found is a superset, and the generated predicate (``query.matcher``) decides: the index may
only leave out groups that cannot match, and a value that equality meets in several forms (an array and its elements,
a pointer and the text that MongoDB holds) is looked up in the form or forms that decide.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import product
from typing import Any, Final, Literal, TypeAlias, final

from parsekit.livequery.groups import Group, SimpleKey, simple_key
from parsekit.livequery.places import ABOVE, BETWEEN, KINDS, ORDERED, SCALARS, Layout, Place, Placing, Span
from parsekit.livequery.spans import Bounds, Grid, is_number_exact
from parsekit.query.ast import Node
from parsekit.query.dialect import Dialect
from parsekit.query.paths import stored_form
from parsekit.values import MISSING, Missing, Pointer, Value

__all__ = ["ClassIndex", "Found", "Sight"]

_PLAIN: Final = frozenset({str, int, float, bool, datetime, Pointer})
Sight: TypeAlias = Literal["both", "before", "after", "steady", "unknown"]
"""Which images the groups match; ``steady``: to be tested, the same for both; ``unknown``: each to be tested."""

Found: TypeAlias = list[tuple[Collection[Group], Sight]]
"""Groups and what is known of them; no group comes twice."""


@final
class _Table:
    """The groups of one layout."""

    __slots__ = ("_buckets", "_kinds", "_span", "is_shared", "keys", "signature")

    def __init__(self, layout: Layout) -> None:
        self.signature, self._span, self.keys = layout.signature, layout.span, layout.keys
        self._kinds, self.is_shared = layout.kinds, layout.is_shared
        self._buckets: dict[tuple[Any, ...], Any] = {}

    def __bool__(self) -> bool:
        return bool(self._buckets)

    def add(self, place: Place, group: Group) -> None:
        for values in place.values:
            bucket = self._buckets.get(values)
            if bucket is None:
                bucket = self._buckets[values] = self._bucket()
            if self._span is None:
                bucket[group] = None
            else:
                bucket.add(place.bound, group)

    def _bucket(self) -> Any:
        if self._span is None:
            return {}
        return Grid() if self._span.op == BETWEEN else Bounds(self._span.op)

    def remove(self, place: Place, group: Group) -> None:
        for values in place.values:
            bucket = self._buckets[values]
            if self._span is None:
                del bucket[group]
            else:
                bucket.remove(place.bound, group)
            if not bucket:
                del self._buckets[values]

    def find(self, fields: Mapping[str, Value]) -> list[Collection[Group]]:
        """The groups that an image may match; one that stands in several of its buckets comes several times."""
        found = []
        for values in self._tuples(fields):
            bucket = self._buckets.get(values)
            if bucket is not None:
                groups = bucket if self._span is None else _in_span(bucket, self._span, fields)
                if groups:
                    found.append(groups)
        return found

    def _tuples(self, fields: Mapping[str, Value]) -> Iterable[tuple[Any, ...]]:
        signature = self.signature
        if not signature:
            return ((),)
        return product(*[_forms(fields.get(key, MISSING)) for key in signature])

    def is_exact(self, fields: Mapping[str, Value] | None) -> bool:
        """Whether what ``find_exactly`` finds for an image is what it matches."""
        if self._kinds is None:
            return False
        if fields is None:
            return True
        for key, kind in zip(self.signature, self._kinds, strict=True):
            if KINDS.get(fields.get(key, MISSING).__class__) != kind:
                return False
        span = self._span
        if span is None:
            return True
        value = fields.get(span.key, MISSING)
        return KINDS.get(value.__class__) == span.kind and (span.op != BETWEEN or is_number_exact(value))

    def _bucket_of(self, fields: Mapping[str, Value] | None) -> Any:
        if fields is None:
            return None
        return self._buckets.get(tuple([stored_form(fields[key]) for key in self.signature]))

    def find_exactly(
        self, before: Mapping[str, Value] | None, after: Mapping[str, Value] | None, steady: bool
    ) -> Found:
        """The groups that the images match. For images of which ``is_exact`` holds."""
        span, new = self._span, self._bucket_of(after)
        old = new if steady else self._bucket_of(before)
        if old is new:
            if new is None:
                return []
            if span is None:
                return [(new, "both")]
            assert before is not None
            assert after is not None
            if steady:
                return [(new.find(after[span.key]), "both")]
            both, left, entered = new.split(before[span.key], after[span.key])
            return [(both, "both"), (left, "before"), (entered, "after")]
        found: Found = []
        if old is not None and before is not None:
            found.append((old if span is None else old.find(before[span.key]), "before"))
        if new is not None and after is not None:
            found.append((new if span is None else new.find(after[span.key]), "after"))
        return found


def _in_span(bucket: Any, span: Span, fields: Mapping[str, Value]) -> Collection[Group]:
    value = fields.get(span.key, MISSING)
    kind = KINDS.get(value.__class__)
    groups: Collection[Group] = ()
    if kind == span.kind and (span.op != BETWEEN or is_number_exact(value)):
        groups = bucket.find(value)
    elif kind == span.kind:
        groups = bucket.all()
    elif kind not in ORDERED and value is not MISSING and value is not None:
        # an array, or a value that is stored in another form
        forms = [form for form in _forms(value) if KINDS.get(form.__class__) == span.kind]
        if forms and span.op == BETWEEN:
            groups = bucket.all()  # two elements may meet a bound each
        elif forms:
            groups = bucket.find(max(forms) if ABOVE[span.op] else min(forms))
    return groups


def _forms(value: Value | Missing) -> list[Any]:
    """The scalars as which equality may meet a field's value: itself, its elements, what MongoDB holds for it."""
    if value.__class__ is str or value.__class__ is int:
        return [value]
    stored = stored_form(value)
    elements = stored if isinstance(stored, list) else [stored]
    return [form for form in map(stored_form, elements) if isinstance(form, SCALARS)]


@final
class ClassIndex:
    """The groups of one class, found by what they ask for."""

    def __init__(self) -> None:
        self._groups: dict[Hashable, Group] = {}
        self._places: dict[Group, list[Place]] = {}
        self._placing = Placing()
        self._tables: dict[Layout, _Table] = {}
        self._keys: frozenset[str] | None = None

    def __iter__(self) -> Iterator[Group]:
        return iter(self._groups.values())

    def __len__(self) -> int:
        return len(self._groups)

    def group(
        self, class_name: str, where: Node, rules: Dialect = Dialect.SERVER, simple: SimpleKey | None = None
    ) -> Group:
        """The group of the (settled) conditions, made and indexed when it is the first of its kind.

        ``simple`` is ``simple_key(where)`` if that is known. Raises ``ParseError`` when the conditions do not compile.
        """
        if simple is None:
            simple = simple_key(where)
        # not the tree itself: it may hold what does not hash, and 1 equals True there
        key = (rules.name, repr(where) if simple is None else simple)
        group = self._groups.get(key)
        if group is None:
            group = Group(key, class_name, where, rules)
            if simple is None:
                group.compile()
            self._groups[key] = group
            places = self._places[group] = self._placing.places_of(where, rules)
            for place in places:
                table = self._tables.get(place.layout)
                if table is None:
                    table = self._tables[place.layout] = _Table(place.layout)
                    self._keys = None
                table.add(place, group)
        return group

    def discard(self, group: Group) -> None:
        """Forget a group: nobody subscribes to it any more."""
        del self._groups[group.key]
        for place in self._places.pop(group):
            table = self._tables[place.layout]
            table.remove(place, group)
            if not table:
                del self._tables[place.layout]
                self._keys = None

    @property
    def keys(self) -> frozenset[str]:
        """The keys that some group looks at."""
        if self._keys is None:
            self._keys = frozenset().union(*(table.keys for table in self._tables.values()))
        return self._keys

    def candidates(self, before: Mapping[str, Value] | None, after: Mapping[str, Value] | None) -> Found:
        """The groups that one of the images may match, each once."""
        images = [fields for fields in (before, after) if fields is not None]
        changed = self._changed(before, after) if len(images) == 2 else self.keys
        found: Found = []
        shared: dict[Group, None] = {}
        for table in self._tables.values():
            steady = len(images) == 2 and table.keys.isdisjoint(changed)
            if table.is_exact(after) and (steady or table.is_exact(before)):
                found += table.find_exactly(before, after, steady)
                continue
            groups = [part for fields in (images[-1:] if steady else images) for part in table.find(fields)]
            if table.is_shared:
                for part in groups:
                    shared.update(dict.fromkeys(part))
            elif groups:
                merged = groups[0] if len(groups) == 1 else {group: None for part in groups for group in part}
                found.append((merged, "steady" if steady else "unknown"))
        if shared:
            found.append((shared, "unknown"))
        return found

    def _changed(
        self, before: Mapping[str, Value] | None, after: Mapping[str, Value] | None
    ) -> frozenset[str]:
        """The keys of the groups under which the images differ, or may."""
        assert before is not None
        assert after is not None
        return frozenset(
            key
            for key in self.keys
            if (old := before.get(key, MISSING)) is not (new := after.get(key, MISSING))
            and not (old.__class__ is new.__class__ and old.__class__ in _PLAIN and old == new)
        )
