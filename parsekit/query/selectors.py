"""The constraints that the SDK's ``whereKey:...`` selectors make, with the SDK's checks of their arguments.

``Constraints`` lists the keywords of ``PFQuery.where_key``; ``keyword_constraints`` turns those of one call
into leaves. ``PFQuery`` and the NSPredicate pipeline (``predicate``) both build their leaves here, so that
a check holds for both.

Not said here: what replaces what (``builder``), what a leaf means (``matcher``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from parsekit.codec import nesting_exceeds
from parsekit.errors import InvalidQueryError, did_you_mean
from parsekit.query.ast import (
    DEEPEST_JSON,
    Box,
    Constraint,
    KeyOfQuery,
    Near,
    Op,
    PolygonArea,
    RegexPattern,
    TextSearch,
)
from parsekit.query.refusals import ArgumentRefusedError
from parsekit.values import (
    EARTH_RADIUS_KM,
    EARTH_RADIUS_MILES,
    FileReference,
    PFGeoPoint,
    PFPolygon,
    Pointer,
    Value,
    kind_of,
    to_utc,
)

if TYPE_CHECKING:
    from parsekit.query.builder import PFQuery

__all__ = [
    "PLAIN_TYPES",
    "VALUE_OPERATORS",
    "Constraints",
    "keyword_constraints",
    "list_constraint",
    "pointer_to",
    "prefix_constraint",
    "query_value",
    "quote_regex",
    "value_constraint",
]


if TYPE_CHECKING:
    from typing import TypedDict
else:

    class TypedDict:
        """What only a type checker needs; typing's own compiles each annotation when the class is made."""

        def __init_subclass__(cls, *, total: bool = True) -> None:
            """Nothing."""


class Constraints(TypedDict, total=False):
    """The keywords of ``where_key``; several in one call are and-ed."""

    equal_to: Value
    not_equal_to: Value
    less_than: Value
    less_than_or_equal_to: Value
    greater_than: Value
    greater_than_or_equal_to: Value
    contained_in: Iterable[Value]
    not_contained_in: Iterable[Value]
    contains_all: Iterable[Value]
    contained_by: Iterable[Value]
    contains_string: str
    has_prefix: str
    has_suffix: str
    matches_regex: str
    modifiers: str
    matches_text: str
    matches_query: PFQuery[Any]
    does_not_match_query: PFQuery[Any]
    matches_key: str
    does_not_match_key: str
    in_query: PFQuery[Any]
    near_geo_point: PFGeoPoint
    within_radians: float
    within_miles: float
    within_kilometers: float
    within_geo_box_from_southwest: PFGeoPoint
    to_northeast: PFGeoPoint
    within_polygon: Sequence[PFGeoPoint]
    polygon_contains: PFGeoPoint


VALUE_OPERATORS: Final[dict[str, Op]] = {
    "equal_to": "$eq",
    "not_equal_to": "$ne",
    "less_than": "$lt",
    "less_than_or_equal_to": "$lte",
    "greater_than": "$gt",
    "greater_than_or_equal_to": "$gte",
}
PLAIN_TYPES: Final = frozenset({str, int, float, bool})
"""Types that every operator of ``VALUE_OPERATORS`` takes as they are (NSString and NSNumber)."""

_LIST_OPERATORS: Final[dict[str, Op]] = {
    "contained_in": "$in",
    "not_contained_in": "$nin",
    "contains_all": "$all",
    "contained_by": "$containedBy",
}
_SUBQUERY_OPERATORS: Final[dict[str, Op]] = {
    "matches_query": "$inQuery",
    "does_not_match_query": "$notInQuery",
}
_KEY_OPERATORS: Final[dict[str, Op]] = {"matches_key": "$select", "does_not_match_key": "$dontSelect"}
_COMPANIONS: Final[dict[str, tuple[str, ...]]] = {
    "modifiers": ("matches_regex",),
    "in_query": ("matches_key", "does_not_match_key"),
    "within_radians": ("near_geo_point",),
    "within_miles": ("near_geo_point",),
    "within_kilometers": ("near_geo_point",),
    "to_northeast": ("within_geo_box_from_southwest",),
}
_REQUIRED: Final = {
    "matches_key": "in_query",
    "does_not_match_key": "in_query",
    "within_geo_box_from_southwest": "to_northeast",
}
_RADIANS_PER_UNIT: Final = {
    "within_radians": 1.0,
    "within_miles": EARTH_RADIUS_MILES,
    "within_kilometers": EARTH_RADIUS_KM,
}
_OBJC_CLASSES: Final[tuple[tuple[type, str], ...]] = (
    (str, "NSString"),
    (int, "NSNumber"),
    (float, "NSNumber"),
    (bytes, "NSData"),
    (datetime, "NSDate"),
    (list, "NSArray"),
    (tuple, "NSArray"),
    (Set, "NSSet"),
    (Mapping, "NSDictionary"),
    (PFPolygon, "PFPolygon"),
    (FileReference, "PFFileObject"),
    (type(None), "(null)"),
)


def _objc_class(value: object) -> str:
    if hasattr(value, "__parse_pointer__") or isinstance(value, Pointer):
        return "PFObject"
    return next((name for kind, name in _OBJC_CLASSES if isinstance(value, kind)), type(value).__name__)


def pointer_to(value: Any) -> Pointer:
    """The pointer to an object. Raises ``InvalidPointerError`` (-1) for one that was never saved."""
    return value if isinstance(value, Pointer) else cast(Pointer, value.__parse_pointer__())


def query_value(value: Any) -> Value:
    """A Python value as a query argument: objects become pointers, dates go to UTC.

    Raises:
        TypeError: Parse has no such value.
        ValueError: a date without a time zone.
    """
    if type(value) in PLAIN_TYPES:
        return value
    if isinstance(value, datetime):
        return to_utc(value)
    if hasattr(value, "__parse_pointer__"):
        return pointer_to(value)
    if hasattr(value, "__parse_value__"):
        return value.__parse_value__()
    if isinstance(value, list | tuple | dict):
        return _container(value)
    kind_of(value)
    return value


def _container(value: Any) -> Any:
    if nesting_exceeds(value, DEEPEST_JSON):
        raise InvalidQueryError(f"where: nested more than {DEEPEST_JSON} levels deep")
    if isinstance(value, dict):
        return {key: query_value(item) for key, item in value.items()}
    return [query_value(item) for item in value]


def value_constraint(key: str, op: Op, argument: Any) -> Constraint:
    """The leaf of ``whereKey:equalTo:``, ``whereKey:lessThan:`` and their kin.

    Raises:
        ArgumentRefusedError: the SDK does not compare, or not order, values of this type (ios_sdk 1.2).
    """
    if type(argument) in PLAIN_TYPES:
        return Constraint(key, op, argument)
    if op in ("$eq", "$ne"):
        comparable = argument is None or isinstance(
            argument, str | int | float | datetime | Pointer | PFGeoPoint
        )
        if not comparable and not hasattr(argument, "__parse_pointer__"):
            raise ArgumentRefusedError(
                f"Cannot do a comparison query for type: {_objc_class(argument)}",
                hint=f'where_key("{key}"): contains_all and contained_in take lists; '
                f"PFQuery.from_json takes whole arrays and objects as the server does",
            )
    elif not isinstance(argument, str | int | float | datetime):
        raise ArgumentRefusedError(
            f"Cannot do a query that requires ordering for type: {_objc_class(argument)}",
            hint=f'where_key("{key}"): give a text, a number or a date',
        )
    return Constraint(key, op, query_value(argument))


def list_constraint(key: str, op: Op, argument: Any) -> Constraint:
    """The leaf of ``whereKey:containedIn:`` and the other operators that take a list.

    Raises:
        ArgumentRefusedError: no list.
    """
    if isinstance(argument, str | bytes | Mapping) or not isinstance(argument, Iterable):
        raise ArgumentRefusedError(
            f"bad {op} value",
            hint=f'where_key("{key}"): a list of values is needed, not {_objc_class(argument)}',
        )
    return Constraint(key, op, tuple(query_value(item) for item in argument))


def quote_regex(text: str) -> str:
    r"""``text`` as a literal in a pattern, the way the SDKs quote it.

    >>> quote_regex("a.b")
    '\\Qa.b\\E'
    """
    return "\\Q" + text.replace("\\E", "\\E\\\\E\\Q") + "\\E"


def _text(key: str, name: str, argument: Any) -> str:
    if not isinstance(argument, str):
        raise ArgumentRefusedError(
            f'where_key("{key}"): {name} takes a text, not {_objc_class(argument)}',
            hint="on iOS another type ends the app with an unrecognized selector",
        )
    return argument


def prefix_constraint(key: str, prefix: Any) -> Constraint:
    """The leaf of ``whereKey:hasPrefix:``."""
    return Constraint(key, "$regex", RegexPattern("^" + quote_regex(_text(key, "has_prefix", prefix))))


def _contains_string(key: str, text: Any, _: dict[str, Any]) -> Constraint:
    return Constraint(key, "$regex", RegexPattern(quote_regex(_text(key, "contains_string", text))))


def _suffix(key: str, text: Any, _: dict[str, Any]) -> Constraint:
    return Constraint(key, "$regex", RegexPattern(quote_regex(_text(key, "has_suffix", text)) + "$"))


def _regex(key: str, pattern: Any, given: dict[str, Any]) -> Constraint:
    modifiers = _text(key, "modifiers", given.get("modifiers") or "")
    return Constraint(key, "$regex", RegexPattern(_text(key, "matches_regex", pattern), modifiers))


def _text_search(key: str, text: Any, _: dict[str, Any]) -> Constraint:
    return Constraint(key, "$text", TextSearch(_text(key, "matches_text", text)))


def _point(key: str, name: str, value: Any) -> PFGeoPoint:
    if not isinstance(value, PFGeoPoint):
        raise ArgumentRefusedError(f'where_key("{key}"): {name} takes a PFGeoPoint, not {_objc_class(value)}')
    return value


def _near(key: str, point: Any, given: dict[str, Any]) -> Constraint:
    units = [name for name in _RADIANS_PER_UNIT if name in given]
    if len(units) > 1:
        raise ArgumentRefusedError(f'where_key("{key}"): give one of {", ".join(units)}')
    radians = None
    for name in units:
        distance = given[name]
        if isinstance(distance, bool) or not isinstance(distance, int | float) or not distance >= 0:
            raise ArgumentRefusedError(f'where_key("{key}"): {name} takes a number of at least 0')
        radians = distance / _RADIANS_PER_UNIT[name]
    return Constraint(key, "$nearSphere", Near(_point(key, "near_geo_point", point), radians))


def _box(key: str, southwest: Any, given: dict[str, Any]) -> Constraint:
    corners = [
        _point(key, name, corner)
        for name, corner in (
            ("within_geo_box_from_southwest", southwest),
            ("to_northeast", given["to_northeast"]),
        )
    ]
    return Constraint(key, "$within", Box(*corners))


def _polygon(key: str, points: Any, _: dict[str, Any]) -> Constraint:
    ring = tuple(_point(key, "within_polygon", point) for point in points)
    if len(ring) < 3:
        raise ArgumentRefusedError(
            "bad $geoWithin value; $polygon should contain at least 3 GeoPoints",
            hint=f'where_key("{key}", within_polygon=...): {len(ring)} given',
        )
    return Constraint(key, "$geoWithin", PolygonArea(ring))


def _contains_point(key: str, point: Any, _: dict[str, Any]) -> Constraint:
    return Constraint(key, "$geoIntersects", _point(key, "polygon_contains", point))


def _frozen(key: str, name: str, query: Any) -> Any:
    if not hasattr(query, "class_name") or not callable(getattr(query, "state", None)):
        raise ArgumentRefusedError(f'where_key("{key}"): {name} takes a PFQuery, not {_objc_class(query)}')
    return query.state()


_SPECIAL: Final[dict[str, Callable[[str, Any, dict[str, Any]], Constraint]]] = {
    "contains_string": _contains_string,
    "has_prefix": lambda key, prefix, _: prefix_constraint(key, prefix),
    "has_suffix": _suffix,
    "matches_regex": _regex,
    "matches_text": _text_search,
    "near_geo_point": _near,
    "within_geo_box_from_southwest": _box,
    "within_polygon": _polygon,
    "polygon_contains": _contains_point,
}


def _check_names(key: str, given: Mapping[str, Any]) -> None:
    known = Constraints.__annotations__
    if not given:
        raise TypeError(
            f'where_key("{key}"): no condition given; for instance where_key("{key}", equal_to=...)'
        )
    for name in given:
        if name not in known:
            raise TypeError(
                f'where_key("{key}"): there is no operator "{name}"{did_you_mean(name, known)}; '
                f"known are {', '.join(known)}"
            )
        owners = _COMPANIONS.get(name)
        if owners is not None and not any(owner in given for owner in owners):
            raise TypeError(f'where_key("{key}"): {name} needs {" or ".join(owners)} beside it')
        needed = _REQUIRED.get(name)
        if needed is not None and needed not in given:
            raise TypeError(f'where_key("{key}"): {name} needs {needed} beside it')


def keyword_constraints(key: str, given: dict[str, Any]) -> Iterator[Constraint]:
    """The leaves of one ``where_key`` call.

    Raises:
        TypeError: an operator that does not exist, or a keyword without the one that it belongs to.
        ArgumentRefusedError: an argument that the SDK does not take.
    """
    _check_names(key, given)
    for name, argument in given.items():
        if name in VALUE_OPERATORS:
            yield value_constraint(key, VALUE_OPERATORS[name], argument)
        elif name in _LIST_OPERATORS:
            yield list_constraint(key, _LIST_OPERATORS[name], argument)
        elif name in _SUBQUERY_OPERATORS:
            yield Constraint(key, _SUBQUERY_OPERATORS[name], _frozen(key, name, argument))
        elif name in _KEY_OPERATORS:
            query = _frozen(key, "in_query", given["in_query"])
            yield Constraint(key, _KEY_OPERATORS[name], KeyOfQuery(query, argument))
        elif name in _SPECIAL:
            yield _SPECIAL[name](key, argument, given)
