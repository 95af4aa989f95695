"""``where`` JSON as the iOS SDK's local datastore takes it.

There, JSON is what the query builder made, so nothing is refused on reading: an operator that the datastore
does not know fails the query with 102 when an object is tested against it, and not before (ios_sdk 3.3). Any
object that is no typed value is a set of operators, also ``{"foo": 1}``, and ``$eq`` is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, cast, final

from parsekit import attrs
from parsekit.codec import JSON, decode_value
from parsekit.errors import ParseError
from parsekit.query.ast import ALWAYS, And, Constraint, KeyOfQuery, Node, Op, Or, RelatedTo
from parsekit.query.where.arguments import READERS, atom
from parsekit.query.where.decode import decode_subquery

__all__ = ["UnsupportedOperator", "decode_local_where"]

_TYPES: Final = frozenset({"Pointer", "Date", "Bytes", "GeoPoint", "Polygon", "File", "Relation"})
_QUALIFIERS: Final = frozenset({"$options", "$maxDistance"})


@final
@attrs.frozen(slots=True)
class UnsupportedOperator:
    """The argument of a constraint whose operator, ``name``, the local datastore does not know."""

    name: str


def decode_local_where(where: dict[str, JSON]) -> Node:
    """The tree of a ``where``; under an unknown operator the argument is an ``UnsupportedOperator``."""
    children = tuple(_nodes(where))
    if not children:
        return ALWAYS
    return children[0] if len(children) == 1 else And(children)


def _nodes(where: dict[str, JSON]) -> Iterator[Node]:
    for key, value in where.items():
        if key == "$or":
            yield Or(tuple(decode_local_where(part) for part in value))
        elif key == "$and":
            yield And(tuple(decode_local_where(part) for part in value))
        elif key == "$relatedTo":
            yield Constraint("", "$relatedTo", RelatedTo(decode_value(value["object"]), value["key"]))
        elif isinstance(value, dict) and value.get("__type") not in _TYPES:
            yield from _operators(key, value)
        else:
            yield Constraint(key, "$eq", atom(value))


def _operators(key: str, operators: dict[str, JSON]) -> Iterator[Node]:
    for op, value in operators.items():
        if op in _QUALIFIERS:
            continue  # alone they hold for every object
        name = cast("Op", op)
        if op in ("$inQuery", "$notInQuery"):
            yield Constraint(key, name, decode_subquery(value, decode_local_where(value.get("where", {}))))
        elif op in ("$select", "$dontSelect"):
            inner = decode_subquery(value["query"], decode_local_where(value["query"].get("where", {})))
            yield Constraint(key, name, KeyOfQuery(inner, value["key"]))
        else:
            yield _plain(key, op, operators)


def _plain(key: str, op: str, operators: dict[str, JSON]) -> Constraint:
    reader = None if op == "$eq" else READERS.get(op)
    try:
        argument = UnsupportedOperator(op) if reader is None else reader(op, operators)
    except ParseError:
        argument = UnsupportedOperator(op)
    return Constraint(key, cast("Op", op), argument)
