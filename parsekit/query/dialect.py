"""The meanings of a constraint tree, as named rules.

Parse Server on MongoDB and the iOS SDK's local datastore answer some queries differently. Every difference is
one attribute of ``Dialect``; operators consult the attribute and never ask which dialect it is. The matcher of
Parse's own live query server answers some queries differently again: a third set of values.

Sources: ``ios_sdk`` D1-D50 (the list of differences), ``parse_server`` Q1-Q27, MongoTransform.js for what
reaches MongoDB, QueryTools.js for live queries, and the recorded answers under ``tests/conformance``.

Not said here: what an operator does (``matcher`` and its families), how REST JSON becomes a tree (``where``).
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias, final

from parsekit import attrs

__all__ = ["BoxRule", "Dialect", "MemberRule", "PathRule", "RangeRule", "RegexFlavor", "StringOrder"]

RegexFlavor: TypeAlias = Literal["pcre", "icu", "javascript"]
StringOrder: TypeAlias = Literal["code-point", "canonical-utf16"]
PathRule: TypeAlias = Literal["fan-out", "dictionaries", "properties"]
BoxRule: TypeAlias = Literal["planar", "checked", "open"]
RangeRule: TypeAlias = Literal["kinds", "javascript"]
MemberRule: TypeAlias = Literal["equal", "identical"]


@final
@attrs.frozen(kw_only=True, cache_hash=True)
class Dialect:
    """One meaning of every operator, as named rules; ``Dialect.SERVER`` and ``Dialect.IOS_LOCAL`` are
    those of queries, ``Dialect.LIVE_MATCHER`` is how Parse's live query server tests objects.

    Instances are immutable and compare by value, so a dialect can be part of a cache key.
    """

    SERVER: ClassVar[Dialect]
    IOS_LOCAL: ClassVar[Dialect]
    LIVE_MATCHER: ClassVar[Dialect]

    name: str
    """How messages and ``explain()`` call the dialect."""

    null_equals_missing: bool
    """An absent key equals null: in equality, ``$in``, ``$gte``/``$lte`` of null (D1-D3)."""

    null_equals_null: bool = True
    """Asking for null finds a stored null; otherwise a key that equals null is never found (QueryTools.js)."""

    ranges: RangeRule = "kinds"
    """Range operators compare values of one kind; or as JavaScript does, where a value fails only when the opposite
    comparison holds, so that missing and incomparable values pass (QueryTools.js)."""

    members: MemberRule = "equal"
    """``$in``, ``$all`` and ``$containedBy`` ask for equal members; or for identical ones, which two dates, points or
    objects never are (QueryTools.js)."""

    ne_is_whole: bool = False
    """``$ne`` compares an array as a whole; otherwise it is the negation of ``$eq``, which looks inside."""

    null_exists: bool
    """A stored null counts as present for ``$exists`` (D4)."""

    bool_is_number: bool
    """``true`` equals and orders as 1, ``false`` as 0 (D5)."""

    mismatch_raises: bool
    """A comparison, regex or geo test on a value of another type fails the query with 102; otherwise it does
    not match (D6-D8)."""

    key_order_matters: bool
    """Two objects are equal only with their keys in the same order (D44)."""

    array_matches_whole: bool
    """A stored array is tested as a whole as well as element by element; otherwise by elements only."""

    in_flattens: bool
    """Arrays among the members of ``$in`` and ``$nin`` are replaced by their elements, one level (D43)."""

    all_needs_array: bool
    """``$all`` fails with 102 on anything but an array, a missing key included; otherwise a scalar counts as
    an array of one (D11, D12)."""

    empty_all_matches: bool
    """``$all: []`` matches every array; otherwise nothing (D13)."""

    contained_by_needs_array: bool
    """``$containedBy`` fails with 102 on null and scalars; otherwise they match (D14)."""

    row_dates_are_text: bool = False
    """``createdAt`` and ``updatedAt`` are compared as the texts that REST gives; otherwise as dates."""

    paths: PathRule
    """How a dotted key walks: ``fan-out`` through arrays, as MongoDB does; through ``dictionaries`` only, anything
    else failing with 102 (D15-D17, ios_sdk 3.2); or along the ``properties`` of JSON values, indexes of arrays
    among them, anything else being missing."""

    typed_fields_as_stored: bool
    """A top-level Pointer is the string ``Class$id``, a GeoPoint the array [longitude, latitude], a File its
    name, a Relation absent, because that is what MongoDB holds (MongoTransform)."""

    regex_flavor: RegexFlavor
    """Which engine's patterns ``$regex`` speaks (D10)."""

    regex_options: str
    """The option letters that ``$options`` may hold."""

    invalid_regex_raises: bool
    """A pattern that does not compile fails the query; otherwise it matches nothing (D9)."""

    empty_regex_matches: bool
    """The empty pattern matches every string; otherwise nothing (D9)."""

    regex_reads_all: bool = False
    """``$regex`` searches the text that JavaScript makes of any value, a missing one included; otherwise strings."""

    regex_time_limit_s: float = 0.25
    """How long one search may take before it fails with 124."""

    string_order: StringOrder
    """How strings order: by code point, or canonically equivalent ones alike and by UTF-16 units (D42)."""

    box_rule: BoxRule
    """A box with swapped corners is put right (``planar``), or refused with 102 together with boxes that
    cross the dateline or span more than 180 degrees (``checked``, D19); in an ``open`` box, whose edges are outside,
    swapped corners leave nothing."""

    missing_is_origin: bool
    """A missing point lies at (0, 0) for ``$within`` (D18)."""

    near_tests_type: bool
    """``$nearSphere`` without a distance tests that the value is a point; otherwise any value but null
    passes."""

    unsupported_operators: frozenset[str]
    """Operators that fail with 102 when an object is tested (D21)."""

    refused_is_no_match: bool = False
    """An object that a condition refuses does not match a live query, and a change of it from or to what is refused
    is not told; otherwise the refusal ends the subscription."""

    unsupported_raises: bool = True
    """Testing an unsupported operator fails with 102; otherwise it never holds."""

    missing_first: bool
    """Missing values come first in ascending order and last in descending order; otherwise the reverse
    (D23)."""

    unordered_values_raise: bool
    """Ordering by null, mixed types, arrays, objects or points is refused; on iOS it ends the process (D24,
    D25). Otherwise values of all kinds have an order."""

    ties_follow_order: bool
    """Ties fall in insertion order in the direction of the first order key; otherwise always in insertion
    order (L2)."""

    simple_order_keys: bool
    """Order keys must be plain names; a dotted key is refused (D26)."""

    near_beats_order: bool
    """A top-level ``$nearSphere`` sorts before the order keys; otherwise only when there are none (D20)."""

    default_limit: int | None
    """How many objects a query without a limit returns; ``None`` for all (D27)."""

    subquery_pages: bool
    """A sub-query's order, skip and limit count; otherwise only its class and conditions do (D37)."""

    select_reads_wire: bool
    """``$select`` compares what a REST answer holds: a missing key as null, a creation date as text, an array
    by its elements; otherwise the values themselves, where missing never matches (D38,
    RestQuery.transformSelect)."""

    roles_grant: bool
    """Roles named in an ACL count (D33)."""

    projects: bool
    """``keys`` and ``excludeKeys`` take effect (D30)."""

    include_may_fail: bool
    """An include that cannot be resolved fails the whole find (120, 121); otherwise its key disappears
    (D32)."""


Dialect.SERVER = Dialect(
    name="SERVER",
    null_equals_missing=True,
    null_exists=True,
    bool_is_number=False,
    mismatch_raises=False,
    key_order_matters=True,
    array_matches_whole=True,
    in_flattens=True,
    all_needs_array=False,
    empty_all_matches=False,
    contained_by_needs_array=False,
    paths="fan-out",
    typed_fields_as_stored=True,
    regex_flavor="pcre",
    regex_options="imsxu",
    invalid_regex_raises=True,
    empty_regex_matches=True,
    string_order="code-point",
    box_rule="planar",
    missing_is_origin=False,
    near_tests_type=True,
    unsupported_operators=frozenset(),
    missing_first=True,
    unordered_values_raise=False,
    ties_follow_order=True,
    simple_order_keys=False,
    near_beats_order=False,
    default_limit=100,
    subquery_pages=False,
    select_reads_wire=True,
    roles_grant=True,
    projects=True,
    include_may_fail=False,
)

Dialect.IOS_LOCAL = Dialect(
    name="IOS_LOCAL",
    null_equals_missing=False,
    null_exists=False,
    bool_is_number=True,
    mismatch_raises=True,
    key_order_matters=False,
    array_matches_whole=False,
    in_flattens=False,
    all_needs_array=True,
    empty_all_matches=True,
    contained_by_needs_array=True,
    paths="dictionaries",
    typed_fields_as_stored=False,
    regex_flavor="icu",
    regex_options="imxs",
    invalid_regex_raises=False,
    empty_regex_matches=False,
    string_order="canonical-utf16",
    box_rule="checked",
    missing_is_origin=True,
    near_tests_type=False,
    unsupported_operators=frozenset({"$geoWithin", "$geoIntersects", "$text"}),
    missing_first=False,
    unordered_values_raise=True,
    ties_follow_order=False,
    simple_order_keys=True,
    near_beats_order=True,
    default_limit=None,
    subquery_pages=True,
    select_reads_wire=False,
    roles_grant=False,
    projects=False,
    include_may_fail=True,
)

Dialect.LIVE_MATCHER = attrs.evolve(
    Dialect.SERVER,
    name="LIVE_MATCHER",
    null_equals_missing=False,
    null_equals_null=False,
    ranges="javascript",
    members="identical",
    ne_is_whole=True,
    row_dates_are_text=True,
    key_order_matters=False,
    array_matches_whole=False,
    in_flattens=False,
    empty_all_matches=True,
    paths="properties",
    typed_fields_as_stored=False,
    regex_flavor="javascript",
    regex_options="dgimsuvy",
    invalid_regex_raises=False,
    regex_reads_all=True,
    box_rule="open",
    unsupported_operators=frozenset(
        {"$inQuery", "$notInQuery", "$select", "$dontSelect", "$relatedTo", "$text"}
    ),
    refused_is_no_match=True,
    unsupported_raises=False,
)
