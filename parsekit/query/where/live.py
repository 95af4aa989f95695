"""``where`` JSON as Parse's own live query matcher takes it (QueryTools.js), for ``Dialect.LIVE_MATCHER``.

It reads the JSON as it tests an object, so nothing is refused: what it does not know never holds, and some of what
is malformed always does (an empty constraint, an unknown shape under ``$geoWithin``). What it throws on never holds;
where that shows in testing only, the predicate raises ``InvalidQueryError`` and ``matches_live`` says no.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, cast

from parsekit.codec import JSON
from parsekit.errors import ParseError
from parsekit.query.ast import ALWAYS, NEVER, And, Constraint, Node, Nor, Op, Or, RegexPattern
from parsekit.query.where.arguments import READERS, atom
from parsekit.values import Value

__all__ = ["decode_live_where"]

_QUALIFIERS: Final = frozenset({"$options", "$maxDistance"})
_BOUNDS: Final = frozenset({"$ne", "$lt", "$lte", "$gt", "$gte"})
_FINAL: Final = frozenset({"$nearSphere", "$within", "$containedBy", "$geoWithin", "$geoIntersects"})
_LISTS: Final = frozenset({"$in", "$nin", "$containedBy"})


def decode_live_where(where: Mapping[str, JSON]) -> Node:
    """The tree of a ``where``, to be tested under ``Dialect.LIVE_MATCHER``. Raises nothing."""
    children = tuple(node for key, value in where.items() for node in _conditions(key, value))
    if not children:
        return ALWAYS
    return children[0] if len(children) == 1 else And(children)


def _conditions(key: str, value: JSON) -> Iterator[Node]:
    if value is None or key == "$relatedTo":
        yield NEVER
    elif key in ("$or", "$and", "$nor"):
        yield _logical(key, value)
    elif isinstance(value, list):
        yield NEVER if value else ALWAYS  # its indexes are unknown operators
    elif not isinstance(value, dict):
        yield Constraint(key, "$in", (value,))  # a direct value is looked for inside of arrays
    elif value.get("__type") == "File":
        yield NEVER  # what is decoded of it does not equal the JSON of the object
    elif value.get("__type"):
        yield Constraint(key, "$eq", atom(value))
    else:
        yield from _operators(key, value)


def _logical(key: str, value: JSON) -> Node:
    if not isinstance(value, list):
        return ALWAYS if key == "$and" else NEVER
    parts = tuple(decode_live_where(part if isinstance(part, dict) else {}) for part in value)
    if key == "$or":
        return Or(parts)
    return And(parts) if key == "$and" else Nor(parts)


def _operators(key: str, operators: dict[str, JSON]) -> Iterator[Node]:
    for op, value in operators.items():
        if op in _QUALIFIERS or (op == "$exists" and not isinstance(value, bool)):
            continue
        try:
            yield _operator(key, op, value, operators)
        except ParseError:
            yield NEVER
        if op in _FINAL:
            return  # it answers for the whole constraint


def _operator(key: str, op: str, value: JSON, operators: dict[str, JSON]) -> Node:
    name = cast("Op", op)
    if op == "$eq":  # beside other operators a value is compared whole, as under $ne
        return Nor((Constraint(key, "$ne", atom(value)),))
    if op in _BOUNDS:
        return Constraint(key, name, atom(value))
    if op in _LISTS:
        return Constraint(key, name, tuple(map(atom, value))) if isinstance(value, list) else NEVER
    if op == "$all":
        return _all(key, value)
    if op == "$regex":
        options = operators.get("$options") or ""
        if not isinstance(value, str) or not isinstance(options, str):
            return NEVER
        return Constraint(key, name, RegexPattern(value, options))
    if op == "$nearSphere":
        bound = {name: operators[name] for name in ("$maxDistance",) if operators.get(name)}
        return Constraint(key, name, READERS[op](op, {op: value, **bound}))
    if op == "$geoWithin":
        return _area(key, value)
    if op in ("$within", "$geoIntersects", "$exists"):
        return Constraint(key, name, READERS[op](op, operators))
    return NEVER


def _all(key: str, value: JSON) -> Node:
    if not isinstance(value, list | str):
        return NEVER
    members: list[Value] = [
        RegexPattern("") if isinstance(member, dict) else member for member in value
    ]  # an object is never identical to another
    return Constraint(key, "$all", tuple(members))


def _area(key: str, value: JSON) -> Node:
    """Only a list of points, and a center as a pair; other shapes make the matcher throw, or are no shapes at all."""
    if not isinstance(value, dict):
        return NEVER
    polygon, cap = value.get("$polygon"), value.get("$centerSphere")
    if isinstance(polygon, dict) or (isinstance(cap, list) and cap and not isinstance(cap[0], list)):
        return NEVER
    if not polygon and not cap:
        return ALWAYS
    return Constraint(key, "$geoWithin", READERS["$geoWithin"]("$geoWithin", {"$geoWithin": value}))
