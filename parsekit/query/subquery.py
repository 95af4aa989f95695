"""Conditions that need other objects: ``$inQuery $notInQuery $select $dontSelect $relatedTo`` and relation
fields.

What they need of the store is ``Lookup``, bound to one class and one principal: a sub-query runs under the
same principal as the query around it. Each answer is fetched once, when the first object is tested, and kept
as long as the predicate; so a predicate belongs to one snapshot of the data.

Not said here: the tests of values (``comparison``), running a query (``evaluate``, ``storage``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from parsekit.codec import format_date
from parsekit.query.ast import Constraint, KeyOfQuery, RelatedTo
from parsekit.query.collation import dictionary_view, equality
from parsekit.query.comparison import in_test, negate
from parsekit.query.dialect import Dialect
from parsekit.query.paths import Test, walk_dictionaries
from parsekit.values import MISSING, Missing, Pointer, RelationReference, Value

if TYPE_CHECKING:
    from parsekit.query.state import QueryState

__all__ = [
    "Lookup",
    "ObjectTest",
    "in_query_test",
    "related_test",
    "relation_field_test",
    "select_test",
    "wire_value",
]

ObjectTest = Callable[[Mapping[str, Value]], bool]


class Lookup(Protocol):
    """What a predicate asks of the store, under one principal and for objects of one class."""

    def find(self, query: QueryState) -> Sequence[Mapping[str, Value]]:
        """The results of a sub-query, paged as the dialect says, each with ``objectId`` and ``className``."""
        ...

    def related_ids(self, owner: Pointer, key: str) -> Collection[str]:
        """The objectIds of the members of the relation ``key`` of ``owner``."""
        ...

    def owner_ids(self, key: str, members: Sequence[str]) -> Collection[str]:
        """The objectIds of the queried class whose relation ``key`` has one of ``members`` (objectIds)."""
        ...

    def is_relation(self, key: str) -> bool:
        """Whether ``key`` of the queried class is a Relation."""
        ...

    def readable(self, acl: Mapping[str, Value] | None) -> bool:
        """Whether the principal may read an object with this ACL (``None``: it has none)."""
        ...

    def writable(self, acl: Mapping[str, Value] | None) -> bool:
        """Whether the principal may write an object with this ACL (``None``: it has none)."""
        ...

    def now(self) -> datetime:
        """The instant of the query, for relative times."""
        ...


def _lazily(make: Callable[[], Test]) -> Test:
    made: list[Test] = []

    def test(value: Value | Missing) -> bool:
        if not made:
            made.append(make())
        return made[0](value)

    return test


def in_query_test(
    query: QueryState, lookup: Lookup, rules: Dialect, path: Sequence[str], key: str, *, negated: bool
) -> Test:
    """``$inQuery``: a pointer to a result of ``query`` (``$notInQuery``: none; a missing key matches)."""

    def make() -> Test:
        pointers = [
            Pointer(result.get("className", query.class_name), result["objectId"])
            for result in lookup.find(query)
            if result.get("objectId") is not None
        ]
        test = in_test(pointers, rules, path, key)
        return negate(test) if negated else test

    return _lazily(make)


def wire_value(result: Mapping[str, Value], key: str) -> Value:
    """The value under a dotted key of a REST answer, ``None`` without one (RestQuery.transformSelect)."""
    first, *rest = key.split(".")
    value = result.get(first, MISSING)
    if first in ("createdAt", "updatedAt") and isinstance(value, datetime):
        value = format_date(value)
    for component in rest:
        if isinstance(value, list) and component.isdigit() and int(component) < len(value):
            value = value[int(component)]
        else:
            view = dictionary_view(value)
            value = MISSING if view is None else view.get(component, MISSING)
    return None if value is MISSING else value


def select_test(
    argument: KeyOfQuery, lookup: Lookup, rules: Dialect, path: Sequence[str], key: str, *, negated: bool
) -> Test:
    """``$select``: equal to the value of a key of a result (``$dontSelect``: to none)."""

    def make() -> Test:
        results = lookup.find(argument.query)
        if rules.select_reads_wire:
            test = in_test([wire_value(result, argument.key) for result in results], rules, path, key)
        else:
            test = _select_values(results, argument.key, rules, path, key)
        return negate(test) if negated else test

    return _lazily(make)


def _select_values(
    results: Sequence[Mapping[str, Value]], other_key: str, rules: Dialect, path: Sequence[str], key: str
) -> Test:
    """The result's value is the stored side: its elements count, those of the tested value do not (D38)."""
    same = equality(rules)
    first, *rest = other_key.split(".")
    candidates: list[Value] = []
    for result in results:
        value = walk_dictionaries(result.get(first, MISSING), rest, first)
        candidates.extend(value if isinstance(value, list) else () if value is MISSING else (value,))

    def test(value: Value | Missing) -> bool:
        found = walk_dictionaries(value, path, key) if path else value
        return found is not MISSING and any(same(candidate, found) for candidate in candidates)

    return test


def related_test(argument: RelatedTo, lookup: Lookup) -> ObjectTest:
    """``$relatedTo``: the object is a member of the owner's relation."""
    ids: list[Collection[str]] = []

    def test(candidate: Mapping[str, Value]) -> bool:
        if not ids:
            ids.append(lookup.related_ids(argument.owner, argument.key))
        return candidate.get("objectId") in ids[0]

    return test


def relation_field_test(constraint: Constraint, lookup: Lookup, plain: Test, rules: Dialect) -> ObjectTest:
    """A constraint on a Relation field: the object owns a relation with one of the given members.

    Only equality with a pointer, ``$in``, ``$inQuery`` and their negations can hold; every other constraint
    on a relation matches nothing (DatabaseController.reduceInRelation). Where classes have no schema, objects
    whose value is no relation are tested as usual, by ``plain``.
    """
    owners: list[Collection[str]] = []
    negated = constraint.op in ("$ne", "$nin", "$notInQuery")
    if constraint.op == "$ne" and not _is_truthy(constraint.argument):
        negated = False  # reduceInRelation tells operators by the truth of their arguments

    def owns(candidate: Mapping[str, Value]) -> bool:
        if not owners:
            members = _relation_members(constraint, lookup)
            owners.append(lookup.owner_ids(constraint.key, members) if members else ())
        return (candidate.get("objectId") in owners[0]) != negated

    if rules.typed_fields_as_stored:
        return owns

    def test(candidate: Mapping[str, Value]) -> bool:
        value = candidate.get(constraint.key, MISSING)
        return owns(candidate) if isinstance(value, RelationReference) else plain(value)

    return test


def _is_truthy(argument: Value) -> bool:
    return bool(argument) or isinstance(argument, list | dict | Pointer)


def _relation_members(constraint: Constraint, lookup: Lookup) -> list[str]:
    argument = constraint.argument
    match constraint.op:
        case "$inQuery" | "$notInQuery":
            return [result["objectId"] for result in lookup.find(argument)]
        case "$in" | "$nin":
            return [member.object_id for member in argument if isinstance(member, Pointer)]
        case "$eq" | "$ne" if isinstance(argument, Pointer):
            return [argument.object_id]
    return []
