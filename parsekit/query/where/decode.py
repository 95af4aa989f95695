"""``where`` JSON <-> constraint trees, for Parse REST.

``decode_where`` refuses what Parse Server refuses without looking at a schema, with its codes and texts and
in its order: sub-queries first (RestQuery), then names and logical operators
(DatabaseController.validateQuery), then each constraint (MongoTransform.transformConstraint). What needs a
field's type is refused by ``field_types``.

The tree says what was written: lists under ``$in`` are not flattened and polygons not closed, since that is
for the dialect to say. Three rules of Parse Server do shape it:

* ``{"__type": ..., "$exists": true}`` is an equality beside the operators (RestQuery.replaceEquality);
* ``$in``, ``$inQuery`` and ``$select`` in one constraint are united, not intersected, because RestQuery
  appends the results of the sub-query to the list (ios_sdk D37);
* a malformed typed value is no error but matches nothing: it stays a dict, and a pointer's missing parts are
  the text ``undefined`` (recorded q-5331).

Not here: parameters beside ``where`` (``request``), what needs a schema (``field_types``), the local
datastore's reading (``local``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, cast, final

from parsekit import attrs
from parsekit.codec import JSON, loads
from parsekit.errors import (
    CommandUnavailableError,
    InternalServerError,
    InvalidJsonError,
    InvalidQueryError,
    KeyNameError,
)
from parsekit.query.ast import (
    ALWAYS,
    DEEPEST_JSON,
    And,
    Constant,
    Constraint,
    KeyOfQuery,
    Node,
    Nor,
    Op,
    Or,
    RelatedTo,
)
from parsekit.query.keys import CLIENT_KEYS, check_key, decode_order, js_number, js_text, split_names
from parsekit.query.state import QueryState
from parsekit.query.where.arguments import RAW_KEYS, READERS, atom, equal_to, truthy
from parsekit.query.where.geo_json import DISTANCE_OPERATORS
from parsekit.values import Pointer, Value

__all__ = ["QueryLimits", "decode_subquery", "decode_where"]


@final
@attrs.frozen(slots=True)
class QueryLimits:
    """How big a query may be; going beyond is 102. Parse Server's ``requestComplexity`` names some of them.

    ``query_depth`` counts ``$or``, ``$and`` and ``$nor`` inside each other, ``subquery_depth`` queries inside
    queries, ``json_depth`` any nesting, ``list_items`` the members of one list.
    """

    query_depth: int = 50
    subquery_depth: int = 10
    json_depth: int = DEEPEST_JSON
    list_items: int = 100_000
    allow_regex: bool = True


_LOGICAL: Final[dict[str, type[And] | type[Or] | type[Nor]]] = {"$or": Or, "$and": And, "$nor": Nor}
_SUBQUERIES: Final = ("$select", "$dontSelect", "$inQuery", "$notInQuery")
_UNITED: Final = ("$in", "$inQuery", "$select")
_PARSE_ONLY: Final = frozenset({"$containedBy", "$text"})
"""Operators that MongoTransform writes in other words, but not under ``RAW_KEYS``."""

_REGEX_OPTIONS: Final = frozenset("imxsu")


def decode_where(
    where: JSON, *, special_keys: frozenset[str] = CLIENT_KEYS, limits: QueryLimits | None = None
) -> Node:
    """The tree of a ``where``, given as JSON or as its text. ``{}`` is ``ALWAYS``.

    ``special_keys`` are the internal names that conditions may use: ``keys.CLIENT_KEYS`` or
    ``keys.MASTER_KEYS``.

    Raises:
        InvalidQueryError: 102, such as ``Bad $or format``, ``improper usage of $inQuery``, ``Cannot query on
            ACL.``
        KeyNameError: 105 ``Invalid key name: k``.
        InvalidJsonError: 107, such as ``bad constraint: $x``, ``bad $in value``, text that is not JSON.
        InternalServerError: 1, what Parse Server leaves to MongoDB to refuse.
    """
    if isinstance(where, str):
        where = _parsed(where)
    if not isinstance(where, dict):
        raise InvalidJsonError("where parameter is not valid JSON")
    return _Decoder(special_keys, limits or QueryLimits(), 0).query(where)


def _parsed(text: str) -> JSON:
    try:
        return loads(text)
    except InvalidJsonError as error:
        raise InvalidJsonError("where parameter is not valid JSON", hint=error.hint) from None


def _database_refusal(hint: str) -> InternalServerError:
    return InternalServerError("An internal server error occurred", hint=hint)


@attrs.frozen(slots=True)
class _Decoder:
    """One query's conditions; a sub-query has a decoder of its own."""

    special_keys: frozenset[str]
    limits: QueryLimits
    subquery_depth: int
    subqueries: dict[int, QueryState | KeyOfQuery] = attrs.field(factory=dict, init=False)
    """``id`` of a sub-query's JSON -> its decoded form. The JSON lives as long as the decoder."""

    def query(self, where: dict[str, JSON]) -> Node:
        if self.subquery_depth > self.limits.subquery_depth:
            depth = self.limits.subquery_depth
            raise InvalidQueryError(f"Subquery nesting depth exceeds maximum allowed depth of {depth}")
        _check_size(where, self.limits, 0, 0)
        for op, value in sorted(_subqueries(where), key=_by_operator):
            self.subqueries[id(value)] = self.subquery(op, value)
        self.validate(where, True)
        return self.branch({key: _split_equality(value) for key, value in where.items()})

    def subquery(self, op: str, value: JSON) -> QueryState | KeyOfQuery:
        inner = value.get("query") if op in ("$select", "$dontSelect") and isinstance(value, dict) else value
        if (
            not isinstance(inner, dict)
            or not isinstance(inner.get("className"), str)
            or not inner["className"]
        ):
            raise InvalidQueryError(f"improper usage of {op}")
        where = inner.get("where")
        if inner is value:
            if not isinstance(where, dict):
                raise InvalidQueryError(f"improper usage of {op}")
            return decode_subquery(inner, self.inner(where))
        # iOS leaves out an empty where here, and RestQuery lets it pass.
        key = value.get("key")
        if len(value) != 2 or not isinstance(key, str) or not key or not isinstance(where, dict | None):
            raise InvalidQueryError(f"improper usage of {op}")
        return KeyOfQuery(decode_subquery(inner, self.inner(where or {})), key)

    def inner(self, where: dict[str, JSON]) -> Node:
        return _Decoder(self.special_keys, self.limits, self.subquery_depth + 1).query(where)

    def validate(self, query: dict[str, JSON], relation_allowed: bool) -> None:
        if truthy(query.get("ACL")):
            raise InvalidQueryError("Cannot query on ACL.")
        first = next((op for op in _LOGICAL if op in query), None)
        for op in _LOGICAL:
            if op in query:
                for part in _parts(op, query[op]):
                    self.validate(part, relation_allowed and op == first)
        for key, value in query.items():
            if isinstance(value, dict) and "$regex" in value:
                _check_regex(value, self.limits)
            if key in _LOGICAL:
                continue
            # RestQuery looks for $relatedTo only where there is no logical operator beside it; elsewhere its
            # name is as wrong as any.
            if key == "$relatedTo" and relation_allowed and first is None and truthy(value):
                continue
            check_key(key, self.special_keys)

    def branch(self, query: dict[str, JSON]) -> Node:
        children: dict[str, list[Node]] = {}
        for key, value in query.items():
            children[_place(key, value)] = list(self.part(key, value))
        return _all([node for nodes in children.values() for node in nodes])

    def part(self, key: str, value: JSON) -> Iterator[Node]:
        """What one entry of a query asks."""
        if key in _LOGICAL:
            yield _LOGICAL[key](tuple(self.branch(part) for part in _parts(key, value)))
        elif key == "$relatedTo":
            yield Constraint("", "$relatedTo", _related(value))
        elif key == "ACL":
            # Only a falsy value comes this far. No document has a field of that name, so that null matches all.
            yield Constant(value is None)
        else:
            yield from self.conditions(key, value)

    def conditions(self, key: str, value: JSON) -> Iterator[Node]:
        if not isinstance(value, dict):
            yield Constraint(key, "$eq", equal_to(key, value))
            return
        operators = {name: argument for name, argument in value.items() if name.startswith("$")}
        if len(operators) < len(value) or not operators:
            # Below the top, operators beside a direct value are dropped: MongoTransform takes the value
            # whole.
            direct = {name: argument for name, argument in value.items() if name not in operators}
            yield Constraint(key, "$eq", atom(direct))
            return
        yield from self.operators(key, operators)

    def operators(self, key: str, operators: dict[str, JSON]) -> Iterator[Node]:
        if key in RAW_KEYS and not _PARSE_ONLY.isdisjoint(operators):
            raise _database_refusal(f"{key} is compared by MongoDB itself, which has no such operator")
        found: dict[str, Constraint] = {}
        # In MongoTransform's order, which decides what is complained of first.
        for op in sorted(operators, reverse=True):
            argument = self.argument(op, operators)
            if argument is not None:
                found[op] = Constraint(key, cast("Op", op), argument.value)
        if not found:
            yield Constraint(key, "$eq", {})  # an empty $geoWithin leaves an empty document to compare with
            return
        contained = found.pop("$containedBy", None)
        united = tuple(found[op] for op in _UNITED if op in found)
        nodes: list[Node] = [Or(united)] if len(united) > 1 else []
        nodes += [found[op] for op in operators if op in found and not (len(united) > 1 and op in _UNITED)]
        if contained is None:
            yield from nodes
        elif not nodes:
            yield contained
        else:
            # MongoTransform writes {$nor: [{key: {$elemMatch: {$nin: [...]}, and the rest}}]}: all of it is negated
            yield Nor((And((*nodes, Nor((contained,)))),))

    def argument(self, op: str, operators: dict[str, JSON]) -> _Argument | None:
        value = operators[op]
        if op in _SUBQUERIES:
            if not truthy(value):
                if op in ("$select", "$dontSelect"):
                    raise CommandUnavailableError(f"the {op} constraint is not supported yet")
                raise InvalidJsonError(f"bad constraint: {op}")
            return _Argument(self.subqueries[id(value)])
        if op in DISTANCE_OPERATORS:
            if "$nearSphere" not in operators:
                raise _database_refusal(f"{op} needs a $nearSphere beside it")
            return None
        if op == "$options":
            if "$regex" not in operators:
                raise _database_refusal("$options needs a $regex beside it")
            return None
        reader = READERS.get(op)
        if reader is None:
            raise InvalidJsonError(f"bad constraint: {op}")
        argument = reader(op, operators)
        return None if op == "$geoWithin" and argument is None else _Argument(argument)


def _place(key: str, value: JSON) -> str:
    """Where MongoTransform puts an entry: ``$containedBy`` makes it a ``$nor``, of which a query has one, the last."""
    contained = isinstance(value, dict) and "$containedBy" in value and all(name[:1] == "$" for name in value)
    return "$nor" if contained and key not in _LOGICAL else key


@attrs.frozen(slots=True)
class _Argument:
    value: Value


def _all(children: list[Node]) -> Node:
    if not children:
        return ALWAYS
    return children[0] if len(children) == 1 else And(tuple(children))


def _split_equality(value: JSON) -> JSON:
    if not isinstance(value, dict):
        return value
    direct = {key: part for key, part in value.items() if not key.startswith("$")}
    if not direct or len(direct) == len(value):
        return value
    return {"$eq": direct, **{key: part for key, part in value.items() if key.startswith("$")}}


def _check_size(value: JSON, limits: QueryLimits, depth: int, logical: int) -> None:
    if logical > limits.query_depth:
        depth = limits.query_depth
        raise InvalidQueryError(f"Query condition nesting depth exceeds maximum allowed depth of {depth}")
    if depth > limits.json_depth:
        raise InvalidQueryError(f"where: nested more than {limits.json_depth} levels deep")
    if isinstance(value, list):
        if len(value) > limits.list_items:
            raise InvalidQueryError(f"where: a list has more than {limits.list_items} items")
        for item in value:
            if isinstance(item, list | dict):
                _check_size(item, limits, depth + 1, logical)
    elif isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, list | dict):
                _check_size(item, limits, depth + 1, logical + (key in _LOGICAL))


def _subqueries(value: JSON) -> Iterator[tuple[str, JSON]]:
    """Every sub-query at any depth with its operator; those inside a sub-query are its own."""
    if isinstance(value, list):
        for item in value:
            if isinstance(item, list | dict):
                yield from _subqueries(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in _SUBQUERIES:
                if truthy(item):
                    yield key, item
            elif isinstance(item, list | dict):
                yield from _subqueries(item)


def _by_operator(found: tuple[str, JSON]) -> int:
    """RestQuery runs all ``$select`` first, then all ``$dontSelect``, ...; the first to fail decides."""
    return _SUBQUERIES.index(found[0])


def _parts(op: str, value: JSON) -> list[dict[str, JSON]]:
    least = "an array of at least 1 value" if op == "$nor" else "an array value"
    if not isinstance(value, list) or not value or None in value:
        # Parse Server answers an empty $or, or one with a null in it, with an error 1.
        raise InvalidQueryError(f"Bad {op} format - use {least}.")
    return [part if isinstance(part, dict) else _keyless(part) for part in value]


def _keyless(part: JSON) -> dict[str, JSON]:
    """A part that is no object.

    To JavaScript a number has no keys and so makes no condition (recorded x-04360); a text or an array has
    the keys 0, 1, ...
    """
    if isinstance(part, str | list) and part:
        raise KeyNameError("Invalid key name: 0")
    return {}


def _check_regex(constraint: dict[str, JSON], limits: QueryLimits) -> None:
    if not limits.allow_regex:
        raise InvalidQueryError("$regex operator is not allowed")
    if not isinstance(constraint["$regex"], str):
        raise InvalidQueryError("$regex value must be a string")
    if "$options" in constraint:
        options = constraint["$options"]
        if not isinstance(options, str):
            raise InvalidQueryError("$options value must be a string")
        if not options or not _REGEX_OPTIONS.issuperset(options):
            raise InvalidQueryError(f"Bad $options value for query: {options}")


def _related(value: JSON) -> RelatedTo:
    owner = value.get("object") if isinstance(value, dict) else None
    if not isinstance(owner, dict):
        raise _database_refusal("$relatedTo needs an object (a Pointer) and a key")
    # A missing part names no relation, and no relation has no members (recorded q-5306).
    parts = [owner.get("className"), owner.get("objectId"), value.get("key")]
    class_name, object_id, key = (part if isinstance(part, str) else "undefined" for part in parts)
    return RelatedTo(Pointer(class_name, object_id), key)


def decode_subquery(json: dict[str, JSON], where: Node) -> QueryState:
    """The state of the query inside ``$inQuery`` or ``$select``, given its decoded conditions.

    Order, skip and limit are kept for the dialect that heeds them (``Dialect.subquery_pages``).
    """
    order, redirect = json.get("order"), json.get("redirectClassNameForKey")
    keys = json.get("keys")
    limit, skip = js_number(json.get("limit", -1)), js_number(json.get("skip", 0))
    return QueryState(
        json["className"],
        where,
        order=decode_order(order) if isinstance(order, str) and order else (),
        limit=int(limit) if limit >= 0 else None,
        skip=int(skip) if skip > 0 else 0,
        keys=None if keys is None else split_names(js_text(keys)),
        include=split_names(js_text(json.get("include") or "")),
        ignore_acls=json.get("ignoreACLs") is True,
        redirect_key=js_text(redirect) if redirect else None,
    )
