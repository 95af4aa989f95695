"""``PFQuery``: the fluent builder. It mutates and returns itself; running a query never changes it.

The naming rule is mechanical: the first part of the iOS selector is the method, each further part a keyword.
``whereKey:equalTo:`` is ``where_key(k, equal_to=v)``. Keys are wire keys (``"expectedCloseDate"``). A terminal verb
(``find``, ``first``, ``get``, ``count``, ``each``, ...) freezes the builder into a ``QueryState`` and hands it to the
engine in force; there is no hidden I/O in ``len``, truth, iteration or ``repr``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Generic, Self, TypedDict, TypeVar, Unpack, cast

from parsekit._context import current_binding
from parsekit.errors import EngineError, InvalidQueryError, ObjectNotFoundError, did_you_mean
from parsekit.query.ast import (
    ALWAYS,
    And,
    Box,
    Constraint,
    KeyOfQuery,
    Near,
    Node,
    Nor,
    Op,
    Or,
    PolygonArea,
    RegexPattern,
    RelatedTo,
    TextSearch,
)
from parsekit.query.state import OrderKey, QueryState
from parsekit.values import (
    EARTH_RADIUS_KM,
    EARTH_RADIUS_MILES,
    PFGeoPoint,
    Pointer,
    Value,
    kind_of,
    to_utc,
)

__all__ = ["Constraints", "PFQuery"]

T = TypeVar("T")


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


_VALUE_OPS: Final[dict[str, Op]] = {
    "equal_to": "$eq",
    "not_equal_to": "$ne",
    "less_than": "$lt",
    "less_than_or_equal_to": "$lte",
    "greater_than": "$gt",
    "greater_than_or_equal_to": "$gte",
}
_LIST_OPS: Final[dict[str, Op]] = {
    "contained_in": "$in",
    "not_contained_in": "$nin",
    "contains_all": "$all",
    "contained_by": "$containedBy",
}
_COMPANIONS: Final[dict[str, tuple[str, ...]]] = {
    "modifiers": ("matches_regex",),
    "in_query": ("matches_key", "does_not_match_key"),
    "within_radians": ("near_geo_point",),
    "within_miles": ("near_geo_point",),
    "within_kilometers": ("near_geo_point",),
    "to_northeast": ("within_geo_box_from_southwest",),
}


class PFQuery(Generic[T]):
    """A query of one class, by name or by typed class.

    ``PFQuery("Deal").where_key("stage", equal_to="won").order_by_descending("amount").find()`` runs under the engine
    and the principal of the current context. Without ``limit`` a find returns at most 100 objects, as Parse does.
    """

    __slots__ = ("_conditions", "_extra", "_object_class", "_options", "class_name")

    def __init__(self, class_name: str | type[T], *, predicate: str | None = None) -> None:
        self._object_class: type[T] | None = None
        if isinstance(class_name, str):
            self.class_name = class_name
        else:
            self._object_class = class_name
            self.class_name = cast(Any, class_name).parse_class_name
        self._conditions: dict[tuple[str, str], Constraint] = {}
        self._extra: tuple[Node, ...] = ()
        self._options: dict[str, Any] = {}
        if predicate is not None:
            from parsekit.query.predicate import parse_predicate

            self._extra = (parse_predicate(predicate),)

    # -- combining -------------------------------------------------------------------------------

    @classmethod
    def or_(cls, *queries: PFQuery[T]) -> PFQuery[T]:
        """Objects that match one of the queries, all of the same class."""
        return _combined("$or", Or, queries)

    @classmethod
    def and_(cls, *queries: PFQuery[T]) -> PFQuery[T]:
        """Objects that match all of the queries."""
        return _combined("$and", And, queries)

    @classmethod
    def nor(cls, *queries: PFQuery[T]) -> PFQuery[T]:
        """Objects that match none of the queries."""
        return _combined("$nor", Nor, queries)

    def copy(self) -> Self:
        """An independent copy."""
        twin = copy.copy(self)
        twin._conditions = dict(self._conditions)
        twin._options = dict(self._options)
        return twin

    # -- constraints -----------------------------------------------------------------------------

    def where_key(self, key: str, **constraints: Unpack[Constraints]) -> Self:
        """Add conditions on ``key``. The same operator on the same key again replaces the earlier one, as in the SDK.

        Raises:
            TypeError: an operator that does not exist, or a companion keyword without its operator.
            ValueError: a value that Parse cannot hold.
        """
        if len(constraints) == 1:
            ((name, argument),) = constraints.items()
            op = _VALUE_OPS.get(name)
            if op is not None:
                self._conditions[key, op] = Constraint(key, op, _value(argument))
                return self
        for constraint in _constraints(key, dict(constraints)):
            self._conditions[key, constraint.op] = constraint
        return self

    def where_key_exists(self, key: str) -> Self:
        """The key holds a value (under SERVER an explicit null counts as one)."""
        self._conditions[key, "$exists"] = Constraint(key, "$exists", True)
        return self

    def where_key_does_not_exist(self, key: str) -> Self:
        """The key is missing."""
        self._conditions[key, "$exists"] = Constraint(key, "$exists", False)
        return self

    def where_related_to(self, owner: Any, *, from_key: str) -> Self:
        """Members of the relation ``from_key`` of ``owner`` (what ``PFRelation.query()`` asks)."""
        related = RelatedTo(_pointer(owner), from_key)
        self._conditions["", "$relatedTo"] = Constraint("", "$relatedTo", related)
        return self

    # -- order, page, projection -----------------------------------------------------------------

    def order_by_ascending(self, key: str) -> Self:
        """Order by ``key`` alone, smallest first; missing values come first under SERVER."""
        self._options["order"] = (OrderKey(key),)
        return self

    def order_by_descending(self, key: str) -> Self:
        """Order by ``key`` alone, greatest first."""
        self._options["order"] = (OrderKey(key, True),)
        return self

    def add_ascending_order(self, key: str) -> Self:
        """Order ties by ``key``, smallest first."""
        return self._append("order", OrderKey(key))

    def add_descending_order(self, key: str) -> Self:
        """Order ties by ``key``, greatest first."""
        return self._append("order", OrderKey(key, True))

    def limit(self, count: int) -> Self:
        """At most ``count`` objects; 0 gives none."""
        self._options["limit"] = _count("limit", count)
        return self

    def skip(self, count: int) -> Self:
        """Leave out the first ``count`` objects."""
        self._options["skip"] = _count("skip", count)
        return self

    def include_key(self, *keys: str) -> Self:
        """Fetch the objects that these pointers (or arrays of pointers) lead to; dotted paths go further."""
        return self._append("include", *keys)

    def include_all(self) -> Self:
        """Fetch what every pointer and array of pointers of the class leads to, one level."""
        return self._append("include", "*")

    def select_keys(self, *keys: str) -> Self:
        """Fetch only these keys (and objectId, createdAt, updatedAt, ACL); the objects are partial then."""
        return self._append("keys", *keys)

    def exclude_keys(self, *keys: str) -> Self:
        """Fetch everything but these keys."""
        return self._append("exclude_keys", *keys)

    def _append(self, option: str, *items: Any) -> Self:
        self._options[option] = (*(self._options.get(option) or ()), *items)
        return self

    def hint(self, index_name: str) -> Self:
        """Name the index to use. Accepted for Parse's sake; SQLite's planner decides."""
        self._options["hint"] = index_name
        return self

    def from_local_datastore(self) -> Self:
        """Ask the local datastore, all pinned objects of it."""
        self._options["from_local"] = True
        self._options["pin"] = None
        return self

    def from_pin(self, name: str | None = None) -> Self:
        """Ask the local datastore, one pin of it (``None``: the default pin)."""
        self._options["from_local"] = True
        self._options["pin"] = "_default" if name is None else name
        return self

    def ignore_acls(self) -> Self:
        """Leave ACLs out of account; for the local datastore only, as on iOS."""
        self._options["ignore_acls"] = True
        return self

    # -- freezing --------------------------------------------------------------------------------

    def state(self) -> QueryState:
        """The query as a frozen value."""
        leaves = (*self._conditions.values(), *self._extra)
        where: Node = ALWAYS if not leaves else leaves[0] if len(leaves) == 1 else And(leaves)
        return QueryState(self.class_name, where, **self._options)

    @classmethod
    def from_state(cls, state: QueryState) -> PFQuery[Any]:
        """A builder that freezes into ``state``."""
        query: PFQuery[Any] = PFQuery(state.class_name)
        query._extra = () if state.where == ALWAYS else (state.where,)
        names = ("order", "limit", "skip", "keys", "exclude_keys", "include", "hint", "comment", "dialect")
        default = QueryState(state.class_name)
        query._options = {
            name: getattr(state, name) for name in names if getattr(state, name) != getattr(default, name)
        }
        return query

    @classmethod
    def from_json(cls, class_name: str, parameters: Mapping[str, Any]) -> PFQuery[Any]:
        """The query of REST parameters: ``{"where": {...}, "order": "-amount", "limit": 10}``.

        Raises:
            InvalidQueryError, InvalidJsonError, KeyNameError: as Parse Server refuses them.
        """
        from parsekit.query.where import decode_query

        return cls.from_state(decode_query(class_name, parameters).state)

    def to_json(self) -> dict[str, Any]:
        """The REST parameters of the query."""
        from parsekit.query.where import encode_query

        return encode_query(self.state())

    # -- terminal verbs --------------------------------------------------------------------------

    def find(self) -> list[T]:
        """The objects that match, in order.

        Raises:
            ParseError: as Parse refuses the query; 119 or 101 when permissions do.
            EngineError: no engine is open here.
        """
        binding = current_binding()
        return cast("list[T]", binding.engine.find_objects(self.state(), binding.principal, self._object_class))

    def first(self) -> T:
        """The first object. ``ObjectNotFoundError`` (101) when there is none."""
        binding = current_binding()
        state = self.copy().limit(1).state()
        found = binding.engine.find_objects(state, binding.principal, self._object_class)
        if not found:
            raise ObjectNotFoundError("No results matched the query.")
        return cast(T, found[0])

    def get(self, object_id: str) -> T:
        """The object with this id; conditions of the query are left aside, as in the SDK.

        Raises:
            ObjectNotFoundError: 101, there is none, or none that the principal may see.
        """
        binding = current_binding()
        options = self._options
        return cast(
            T,
            binding.engine.get_object(
                self.class_name,
                object_id,
                binding.principal,
                self._object_class,
                QueryState(self.class_name, **options) if options else None,
            ),
        )

    def count(self) -> int:
        """How many objects match, whatever limit and skip."""
        binding = current_binding()
        return cast(int, binding.engine.count_objects(self.state(), binding.principal))

    def each(self, *, batch_size: int = 500) -> Iterator[T]:
        """Every object that matches, one by one in constant memory, as of the start; there is no default limit."""
        binding = current_binding()
        stream = binding.engine.stream_objects(self.state(), binding.principal, self._object_class, batch_size)
        return cast("Iterator[T]", stream)

    def distinct(self, key: str) -> list[Value]:
        """The distinct values of ``key`` among the objects that match. Master only, as in Parse."""
        binding = current_binding()
        return cast("list[Value]", binding.engine.distinct_values(self.state(), key, binding.principal))

    def aggregate(self, pipeline: Sequence[Mapping[str, Any]]) -> list[dict[str, Value]]:
        """The rows of an aggregation pipeline over the objects that match. Master only, as in Parse."""
        binding = current_binding()
        rows = binding.engine.aggregate_rows(self.state(), pipeline, binding.principal)
        return cast("list[dict[str, Value]]", rows)

    def explain(self) -> Any:
        """How the query would run, stage by stage, as data that prints readably."""
        binding = current_binding()
        return binding.engine.explain_query(self.state(), binding.principal)

    def __repr__(self) -> str:
        keys = ", ".join(f"{key} {op}" if key else op for key, op in self._conditions)
        return f"PFQuery({self.class_name!r}{': ' + keys if keys else ''})"

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[T]:
        raise EngineError("a PFQuery is not iterable; call .find() for a list or .each() for a stream")


def _combined(op: str, kind: type[Or | And | Nor], queries: tuple[PFQuery[T], ...]) -> PFQuery[T]:
    if not queries:
        raise InvalidQueryError(f"Can't create an `{op}` query from no subqueries.")
    names = {query.class_name for query in queries}
    if len(names) > 1:
        raise InvalidQueryError(
            "All sub queries of an `or` query should be on the same class.", hint=f"got {', '.join(sorted(names))}"
        )
    first = queries[0]
    combined: PFQuery[T] = PFQuery(first._object_class or first.class_name)
    combined._extra = (kind(tuple(query.state().where for query in queries)),)
    return combined


def _count(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}: expected a whole number, got {type(value).__name__}")
    if value < 0:
        raise ValueError(f"{name}: {value} is negative; leave it out for the default")
    return value


def _value(value: Any) -> Value:
    """A Python value as a query argument: objects become pointers, dates go to UTC."""
    if type(value) in (str, int, bool, float):
        return value
    if isinstance(value, datetime):
        return to_utc(value)
    if hasattr(value, "__parse_pointer__"):
        return _pointer(value)
    if isinstance(value, list | tuple):
        return [_value(item) for item in value]
    kind_of(value)
    return value


def _pointer(value: Any) -> Pointer:
    if isinstance(value, Pointer):
        return value
    return cast(Pointer, value.__parse_pointer__())


def _constraints(key: str, given: dict[str, Any]) -> Iterator[Constraint]:
    known = Constraints.__annotations__
    for name in given:
        if name not in known:
            raise TypeError(
                f'where_key("{key}"): there is no operator "{name}"{did_you_mean(name, known)}; '
                f"known are {', '.join(known)}"
            )
        owners = _COMPANIONS.get(name)
        if owners is not None and not any(owner in given for owner in owners):
            raise TypeError(f'where_key("{key}"): {name} needs {" or ".join(owners)} beside it')
    for name, argument in given.items():
        if name in _VALUE_OPS:
            yield Constraint(key, _VALUE_OPS[name], _value(argument))
        elif name in _LIST_OPS:
            yield Constraint(key, _LIST_OPS[name], _items(key, name, argument))
        elif name not in _COMPANIONS:
            yield _special(key, name, argument, given)


def _items(key: str, name: str, argument: Any) -> tuple[Value, ...]:
    if isinstance(argument, str | bytes) or not isinstance(argument, Iterable):
        raise TypeError(f'where_key("{key}", {name}=...): expected a list of values, got {type(argument).__name__}')
    return tuple(_value(item) for item in argument)


def quote_regex(text: str) -> str:
    """``text`` as a literal in a pattern, the way the SDKs quote it."""
    return "\\Q" + text.replace("\\E", "\\E\\\\E\\Q") + "\\E"


def _special(key: str, name: str, argument: Any, given: dict[str, Any]) -> Constraint:
    if name in ("contains_string", "has_prefix", "has_suffix"):
        quoted = quote_regex(argument)
        pattern = {"contains_string": quoted, "has_prefix": "^" + quoted, "has_suffix": quoted + "$"}[name]
        return Constraint(key, "$regex", RegexPattern(pattern))
    if name == "matches_regex":
        return Constraint(key, "$regex", RegexPattern(argument, given.get("modifiers", "")))
    if name == "matches_text":
        return Constraint(key, "$text", TextSearch(argument))
    if name == "matches_query":
        return Constraint(key, "$inQuery", argument.state())
    if name == "does_not_match_query":
        return Constraint(key, "$notInQuery", argument.state())
    if name in ("matches_key", "does_not_match_key"):
        if "in_query" not in given:
            raise TypeError(f'where_key("{key}"): {name} needs in_query beside it')
        op: Op = "$select" if name == "matches_key" else "$dontSelect"
        return Constraint(key, op, KeyOfQuery(given["in_query"].state(), argument))
    return _geo(key, name, argument, given)


def _geo(key: str, name: str, argument: Any, given: dict[str, Any]) -> Constraint:
    if name == "near_geo_point":
        radians = given.get("within_radians")
        if "within_miles" in given:
            radians = given["within_miles"] / EARTH_RADIUS_MILES
        if "within_kilometers" in given:
            radians = given["within_kilometers"] / EARTH_RADIUS_KM
        return Constraint(key, "$nearSphere", Near(argument, radians))
    if name == "within_geo_box_from_southwest":
        if "to_northeast" not in given:
            raise TypeError(f'where_key("{key}"): {name} needs to_northeast beside it')
        return Constraint(key, "$within", Box(argument, given["to_northeast"]))
    if name == "within_polygon":
        points = tuple(argument)
        if len(points) < 3:
            raise ValueError(f'where_key("{key}", within_polygon=...): a polygon needs at least 3 points')
        return Constraint(key, "$geoWithin", PolygonArea(points))
    assert name == "polygon_contains"
    return Constraint(key, "$geoIntersects", argument)
