"""``$match``: MongoDB's conditions on documents -> a predicate by the engine's only matcher.

A pipeline's conditions are MongoDB's and not Parse's: a pointer is compared with a bare objectId, a Date with text
(MongoStorageAdapter._parseAggregateArgs). They are rewritten into the JSON of a ``where``, decoded like one, and
aimed at a document's ``_id``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from parsekit import attrs
from parsekit.codec import JSON, format_date
from parsekit.errors import InvalidQueryError
from parsekit.query.ast import And, Constraint, Node, Nor, Or
from parsekit.query.dialect import Dialect
from parsekit.query.keys import MASTER_KEYS
from parsekit.query.matcher import Predicate, compile_predicate
from parsekit.query.where import decode_where
from parsekit.schema import Field

__all__ = ["match_predicate", "match_tree"]

_LOGICAL: Final = ("$and", "$or", "$nor")
_NAMES: Final = {"_id": "objectId", "_created_at": "createdAt", "_updated_at": "updatedAt"}


def match_predicate(conditions: JSON, fields: Mapping[str, Field]) -> Predicate:
    """The test of a document.

    Raises:
        ParseError: as ``decode_where``.
    """
    return compile_predicate(_aimed(match_tree(conditions, fields)), Dialect.SERVER)


def match_tree(conditions: JSON, fields: Mapping[str, Field]) -> Node:
    """The conditions as a constraint tree on objects."""
    if not isinstance(conditions, dict):
        raise InvalidQueryError("the match filter must be an expression in an object")
    return decode_where(_rewritten(conditions, fields), special_keys=MASTER_KEYS)


def _rewritten(conditions: Mapping[str, JSON], fields: Mapping[str, Field]) -> dict[str, JSON]:
    answer: dict[str, JSON] = {}
    for key, value in conditions.items():
        if key in _LOGICAL and isinstance(value, list):
            answer[key] = [_rewritten(part, fields) if isinstance(part, dict) else part for part in value]
            continue
        name = _NAMES.get(key, key.removeprefix("_p_"))
        field = fields.get(name)
        if field is not None and field.type == "Pointer":
            value = _pointer(value, field)
        elif field is not None and field.type == "Date":
            value = _date(value)
        answer[name] = value
    return answer


def _pointer(value: JSON, field: Field) -> JSON:
    if isinstance(value, str) and field.target is not None:
        object_id = value.removeprefix(f"{field.target}$")
        return {"__type": "Pointer", "className": field.target, "objectId": object_id}
    return value


def _date(value: Any) -> JSON:
    """Text where a Date is meant becomes one, at any depth of the operators around it."""
    if isinstance(value, str):
        return {"__type": "Date", "iso": value}
    if isinstance(value, list):
        return [_date(item) for item in value]
    if isinstance(value, dict):
        if "__type" in value:
            return value
        if set(value) == {"$date"}:
            return _date(value["$date"])
        return {key: _date(item) for key, item in value.items()}
    return value if not hasattr(value, "tzinfo") else {"__type": "Date", "iso": format_date(value)}


def _aimed(node: Node) -> Node:
    """The tree with ``objectId`` under the name that it has in a document."""
    if isinstance(node, Constraint):
        return attrs.evolve(node, key="_id") if node.key == "objectId" else node
    if isinstance(node, And | Or | Nor):
        return attrs.evolve(node, children=tuple(map(_aimed, node.children)))
    return node
