"""The refusals of a query that need the types of fields (MongoTransform), apart from reading the query.

An object or array is compared whole only in an Array field or under a dotted key. Elsewhere, Object fields
included, Parse Server on MongoDB refuses it (recorded q-0323, q-0328), unless it is a typed value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from parsekit.codec import dumps, encode_value
from parsekit.errors import InvalidJsonError
from parsekit.query.ast import Constraint, Node, RelativeTime, constraints_of
from parsekit.query.keys import js_text
from parsekit.query.where.arguments import RAW_KEYS
from parsekit.values import RelationReference, Value

__all__ = ["check_against_schema"]

_ATOM_TYPES: Final = frozenset({"Pointer", "Date", "Bytes", "GeoPoint", "Polygon", "File"})
_LISTS: Final = frozenset({"$in", "$nin", "$containedBy"})
_SCALARS: Final = frozenset({"$eq", "$ne", "$lt", "$lte", "$gt", "$gte"})


def check_against_schema(node: Node, field_type: Callable[[str], str | None]) -> None:
    """Refuses conditions that the fields' types do not allow. Sub-queries are not entered.

    ``field_type`` gives the type of a field (``"Array"``, ``"Date"``, ...) and ``None`` for an unknown one.

    Raises:
        InvalidJsonError: 107 ``You cannot use {v} as a query parameter.``, ``bad atom: {v}``, ``$relativeTime
            can only be
            used with Date field``.
    """
    for constraint in constraints_of(node):
        if "." not in constraint.key and constraint.key not in RAW_KEYS:
            _check(constraint, field_type(constraint.key))


def _check(constraint: Constraint, kind: str | None) -> None:
    argument = constraint.argument
    if isinstance(argument, RelativeTime):
        if kind not in (None, "Date"):
            raise InvalidJsonError("$relativeTime can only be used with Date field")
        return
    if kind in ("Array", "Relation"):  # a relation's constraint is gone before MongoTransform sees it
        return
    for value in _atoms(constraint):
        if _is_whole(value):
            raise InvalidJsonError(_refusal(constraint.op, value))


def _atoms(constraint: Constraint) -> Iterator[Value]:
    if constraint.op in _SCALARS:
        # ``{}`` alone is what an empty constraint leaves behind; it is no mistake (recorded q-5273).
        if constraint.op != "$eq" or constraint.argument != {}:
            yield constraint.argument
    elif constraint.op in _LISTS:
        for item in constraint.argument:
            if isinstance(item, list | tuple) and constraint.op != "$containedBy":
                yield from item
            else:
                yield item


def _is_whole(value: Value) -> bool:
    if isinstance(value, dict):
        return value.get("__type") not in _ATOM_TYPES
    return isinstance(value, list | tuple | RelationReference)


def _refusal(op: str, value: Value) -> str:
    if op == "$eq":
        return f"You cannot use {js_text(encode_value(value))} as a query parameter."
    return f"bad atom: {dumps(encode_value(value))}"
