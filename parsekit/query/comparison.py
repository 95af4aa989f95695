"""Equality, order, membership, existence: ``$eq $ne $lt $lte $gt $gte $in $nin $all $containedBy $exists``.

Each operator is a test of one value (an *element test*) and a way to lift it over what a key reaches
(``paths``): ``$eq`` and the range operators ask for any value, ``$ne`` and ``$nin`` are the negation of
``$eq`` and ``$in``, ``$all`` asks for a value per member, ``$containedBy`` looks at whole arrays.

Range operators compare within one kind: under ``mismatch_raises`` another kind fails the query with 102,
otherwise it does not match (MongoDB's type bracketing).

A field that holds a Pointer is the string ``Class$id`` in MongoDB, and Parse writes a bare id given to an
operator as ``TargetClass$id``. So an operator's string is compared with the id, and an equality's string
never matches (recorded families ``mismatch``, ``pointer-wrong-class``).

Not said here: which values a path reaches (``paths``), how two values order (``collation``).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final

from parsekit.errors import InvalidQueryError
from parsekit.query.ast import RegexPattern
from parsekit.query.collation import NUMBERS, canonical_utf16, collation_bytes, equality, plain
from parsekit.query.dialect import Dialect
from parsekit.query.javascript import fails_range, identity_test, walk_properties
from parsekit.query.keys import js_text
from parsekit.query.paths import Test, any_value, fan_out, stored_form, walk_dictionaries
from parsekit.query.regex import compile_regex
from parsekit.values import (
    MISSING,
    FileReference,
    Missing,
    PFGeoPoint,
    PFPolygon,
    Pointer,
    RelationReference,
    Value,
)

__all__ = [
    "COMPARISONS",
    "all_test",
    "comparison_test",
    "contained_by_test",
    "equal_test",
    "exists_test",
    "in_test",
    "negate",
    "not_equal_test",
]

COMPARISONS: Final[dict[str, Callable[[Value, Value], bool]]] = {
    "$lt": operator.lt,
    "$lte": operator.le,
    "$gt": operator.gt,
    "$gte": operator.ge,
}

_HASHABLE: Final = (str, int, float, bool, datetime, bytes, Pointer, PFGeoPoint, FileReference)
_NUMBERS_AND_BOOL: Final = frozenset({int, float, bool})


def negate(test: Test) -> Test:
    """The complement of a test."""
    return lambda value: not test(value)


def _field_test(element: Test, *, bare_ids: bool) -> Test:
    """The element test for a typed value that is the field itself (rule ``typed_fields_as_stored``)."""

    def test(value: Value | Missing) -> bool:
        match value:
            case RelationReference():
                return element(MISSING)
            case PFGeoPoint():
                return element(value) or element(value.longitude) or element(value.latitude)
            case FileReference():
                return element(value) or element(value.name)
            case Pointer():
                return element(value) or (bare_ids and element(value.object_id))
        return element(value)

    return test


def _stored_test(element: Test) -> Test:
    """As ``_field_test`` for members in the form they have inside an Array, as ``$all`` writes them.

    So a Pointer among the members of ``$all`` is found in an Array and never equals a Pointer field.
    """

    def test(value: Value | Missing) -> bool:
        stored = stored_form(value)
        return any(map(element, stored)) if isinstance(stored, list) else element(stored)

    return test


def _lift(element: Test, rules: Dialect, path: Sequence[str], key: str, *, bare_ids: bool = True) -> Test:
    field = _field_test(element, bare_ids=bare_ids) if rules.typed_fields_as_stored else None
    return any_value(element, path, rules, key, field=field)


def _equal_element(argument: Value, rules: Dialect) -> Test:
    if argument is None:
        if rules.null_equals_missing:
            return lambda value: value is None or value is MISSING
        if not rules.null_equals_null:
            return _never
        return lambda value: value is None
    same = equality(rules)
    return lambda value: same(value, argument)


def equal_test(argument: Value, rules: Dialect, path: Sequence[str], key: str, *, bare_ids: bool) -> Test:
    """``$eq``: some value equals ``argument``.

    Raises (on testing): ``InvalidQueryError`` for a stored null against an object, under ``ne_is_whole``.
    """
    element = _equal_element(plain(argument), rules)
    if rules.ne_is_whole and argument is not None:
        return any_value(_checking_keys(element, plain(argument)), path, rules, key)
    return _lift(element, rules, path, key, bare_ids=bare_ids)


def _checking_keys(element: Test, argument: Value) -> Test:
    def test(value: Value | Missing) -> bool:
        if value is None:
            _check_keys("$eq", value, argument)
        return element(value)

    return test


def not_equal_test(argument: Value, rules: Dialect, path: Sequence[str], key: str) -> Test:
    """``$ne``: no value equals ``argument``; under ``ne_is_whole`` the value as a whole does not.

    Raises (on testing): ``InvalidQueryError`` for null against an object, under ``ne_is_whole`` (QueryTools.js).
    """
    if not rules.ne_is_whole:
        return negate(equal_test(argument, rules, path, key, bare_ids=True))
    same, wanted = equality(rules), plain(argument)

    def test(value: Value | Missing) -> bool:
        found = walk_properties(value, path)
        if found is MISSING:
            return True
        _check_keys("$ne", found, wanted)
        return not same(found, wanted)

    return test


def _check_keys(op: str, found: Value, wanted: Value) -> None:
    """Refuse null against an object: QueryTools.js asks both for their keys, unless one is a date or an array."""
    scalar = str | int | float | None
    if (found is None and not isinstance(wanted, scalar)) or (
        wanted is None and not isinstance(found, scalar | list | datetime)
    ):
        raise InvalidQueryError(f"{op}: null has no keys to compare with those of an object")


def _kinds_of(argument: Value, rules: Dialect) -> frozenset[type] | None:
    kind = type(argument)
    if kind in _NUMBERS_AND_BOOL:
        if rules.bool_is_number:
            return _NUMBERS_AND_BOOL
        return frozenset({bool}) if kind is bool else NUMBERS
    return frozenset({kind}) if kind in (str, datetime) else None


def _never(_: Value | Missing) -> bool:
    return False


def _strict_element(op: str, argument: Value, rules: Dialect) -> Test:
    """A range operator under ``mismatch_raises``: null and missing never match, other kinds fail."""
    compare = COMPARISONS[op]
    kinds = _kinds_of(argument, rules) or frozenset()
    place: Callable[[Value], Value] = lambda value: value  # noqa: E731
    if rules.string_order == "canonical-utf16" and type(argument) is str:
        place = canonical_utf16
    bound = place(argument)

    def test(value: Value | Missing) -> bool:
        kind = value.__class__
        if kind in kinds:
            return compare(place(value), bound)
        if value is None or value is MISSING:
            return False
        raise InvalidQueryError(
            f"{op}: a {kind.__name__} cannot be compared with a {type(argument).__name__}",
            hint="the local datastore fails the whole query; give the key one type in all objects",
        )

    return test


def _bracketed_element(op: str, argument: Value, rules: Dialect) -> Test:
    """A range operator that compares within the argument's kind."""
    compare = COMPARISONS[op]
    if argument is None:
        return _equal_element(None, rules) if op in ("$lte", "$gte") else _never
    kinds = _kinds_of(argument, rules)
    if kinds is not None:
        return lambda value: value.__class__ in kinds and compare(value, argument)
    bound = collation_bytes(argument)

    def test(value: Value | Missing) -> bool:
        place = collation_bytes(value)
        return place[0] == bound[0] and compare(place, bound)

    return test


def comparison_test(op: str, argument: Value, rules: Dialect, path: Sequence[str], key: str) -> Test:
    """``$lt $lte $gt $gte``: some value of the argument's kind stands in that relation to it.

    Raises (on testing): ``InvalidQueryError`` for a value of another kind, under ``mismatch_raises``.
    """
    argument = plain(argument)
    if rules.ranges == "javascript":
        fails = fails_range(op, argument)
        return lambda value: not fails(walk_properties(value, path))
    if rules.mismatch_raises:
        return any_value(_strict_element(op, argument, rules), path, rules, key)
    element = _bracketed_element(op, argument, rules)
    if rules.typed_fields_as_stored and isinstance(
        argument, Pointer | PFGeoPoint | FileReference | PFPolygon
    ):
        return _as_stored(op, argument, element, rules) if not path else any_value(element, path, rules, key)
    return _lift(element, rules, path, key)


def _as_stored(op: str, argument: Value, element: Test, rules: Dialect) -> Test:
    """A range operator with a typed argument: a field is compared with the text or pair that MongoTransform makes,
    the elements of an Array with the object that they hold."""
    stored = _bracketed_element(op, stored_form(argument), rules)

    def test(value: Value | Missing) -> bool:
        if isinstance(value, list):
            return any(map(element, value)) or element(value)
        return stored(stored_form(value))

    return test


def _flattened(members: Iterable[Value], rules: Dialect) -> list[Value]:
    flat: list[Value] = []
    for member in members:
        member = member if isinstance(member, RegexPattern) else plain(member)
        if rules.in_flattens and isinstance(member, list):
            flat.extend(member)
        else:
            flat.append(member)
    return flat


def _member_element(members: Iterable[Value], rules: Dialect) -> Test:
    """Whether one value equals a member: by hash per type where possible, one by one for the rest."""
    by_type: dict[type, set[Value]] = {kind: set() for kind in _HASHABLE}
    numbers = by_type[int] = by_type[float]
    if rules.bool_is_number:
        by_type[bool] = numbers
    rest: list[Test] = []
    has_null = False
    for member in members:
        if member is None:
            has_null = True
        elif type(member) in by_type:
            by_type[type(member)].add(member)
        else:
            rest.append(_member_test(member, rules))
    has_missing = has_null and rules.null_equals_missing

    def test(value: Value | Missing) -> bool:
        known = by_type.get(value.__class__)
        if known is not None and value in known:
            return True
        if value is None:
            return has_null
        if value is MISSING:
            return has_missing
        return any(check(value) for check in rest)

    return test


def _member_test(member: Value, rules: Dialect) -> Test:
    if isinstance(member, RegexPattern):
        search = compile_regex(member, rules)
        return lambda value: value.__class__ is str and search(value)
    return _equal_element(member, rules)


def in_test(members: Iterable[Value], rules: Dialect, path: Sequence[str], key: str) -> Test:
    """``$in``: some value equals a member. Null among the members is missing too, where the rules say so."""
    if rules.members == "identical":
        return any_value(identity_test(tuple(members)), path, rules, key)
    flat = _flattened(members, rules)
    element = _member_element(flat, rules)
    if path or not rules.typed_fields_as_stored or not any(isinstance(m, PFGeoPoint) for m in flat):
        return _lift(element, rules, path, key)
    # MongoTransform flattens the pair that a GeoPoint becomes, so that one equal coordinate is enough.
    pairs: list[Value] = [
        number for m in flat if isinstance(m, PFGeoPoint) for number in (m.longitude, m.latitude)
    ]
    spread = _field_test(_member_element([*flat, *pairs], rules), bare_ids=True)
    return any_value(element, path, rules, key, field=spread)


def all_test(members: Iterable[Value], rules: Dialect, path: Sequence[str], key: str) -> Test:
    """``$all``: for every member there is an equal value (or one that matches a ``RegexPattern``).

    Raises (on testing): ``InvalidQueryError`` where the value is no array, under ``all_needs_array``.
    """
    if rules.members == "identical":
        return _identical_all_test(tuple(members), path)
    elements = [_member_test(m if isinstance(m, RegexPattern) else plain(m), rules) for m in members]
    field = _stored_test if rules.typed_fields_as_stored else None
    tests = [any_value(e, path, rules, key, field=field(e) if field else None) for e in elements]
    if not tests and not rules.empty_all_matches:
        return _never
    if not rules.all_needs_array:
        return lambda value: all(test(value) for test in tests)

    def test_array(value: Value | Missing) -> bool:
        found = walk_dictionaries(value, path, key) if path else value
        if found.__class__ is not list:
            raise InvalidQueryError(
                "Value type not supported for $all queries",
                hint="under IOS_LOCAL every object of the class needs an array under the key",
            )
        return all(test(value) for test in tests)

    return test_array


def _identical_all_test(members: tuple[Value, ...], path: Sequence[str]) -> Test:
    """``$all`` by ``indexOf``: identical elements of an array, or parts of a text; patterns are found in neither."""

    def test(value: Value | Missing) -> bool:
        found = walk_properties(value, path)
        if isinstance(found, list):
            has = identity_test(found)
            return all(not isinstance(member, RegexPattern | Pointer) and has(member) for member in members)
        return bool(found) and isinstance(found, str) and all(js_text(m) in found for m in members)

    return test


def contained_by_test(members: Iterable[Value], rules: Dialect, path: Sequence[str], key: str) -> Test:
    """``$containedBy``: no array holds an element that is not a member. A missing key matches.

    An element that is itself an array is one of the members, or has one of them (recorded x-02004).

    Raises (on testing): ``InvalidQueryError`` for null and scalars, under ``contained_by_needs_array``.
    """
    if rules.members == "identical":
        is_member = any_value(identity_test(tuple(members)), (), rules)
        return lambda value: _contained_in_array(walk_properties(value, path), is_member)
    member = any_value(_member_element([plain(m) for m in members], rules), (), rules)
    if rules.contained_by_needs_array:
        return lambda value: _contained(walk_dictionaries(value, path, key) if path else value, member)

    def test(value: Value | Missing) -> bool:
        arrays = fan_out(value, path, spread=False) if path else (value,)
        return all(all(map(member, found)) for found in arrays if found.__class__ is list)

    return test


def _contained_in_array(value: Value | Missing, member: Test) -> bool:
    if not isinstance(value, list):
        raise InvalidQueryError("$containedBy: the value is not iterable")
    return all(map(member, value))


def _contained(value: Value | Missing, member: Test) -> bool:
    if value is MISSING:
        return True
    if not isinstance(value, list | dict):
        raise InvalidQueryError(
            f"$containedBy: expected an array, got {type(value).__name__}",
            hint="under IOS_LOCAL the key must hold an array or be absent",
        )
    return all(map(member, value))  # a dictionary gives its keys, as Foundation enumerates it


def exists_test(wanted: bool, rules: Dialect, path: Sequence[str], key: str) -> Test:
    """``$exists``: the key is present; a stored null counts as present under ``null_exists``."""
    null_counts = rules.null_exists

    def present(value: Value | Missing) -> bool:
        return value is not MISSING and (null_counts or value is not None)

    if rules.paths == "properties" and path:
        found: Test = lambda value: present(walk_properties(value, path))  # noqa: E731
    elif rules.paths == "dictionaries":
        found = (lambda value: present(walk_dictionaries(value, path, key))) if path else present
    elif path:
        found = lambda value: any(map(present, fan_out(value, path, spread=False)))  # noqa: E731
    else:
        hidden = RelationReference if rules.typed_fields_as_stored else None
        found = lambda value: present(value) and value.__class__ is not hidden  # noqa: E731
    return found if wanted else negate(found)
