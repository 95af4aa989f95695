"""Constraint trees and query states -> Parse REST JSON.

``decode_where(encode_where(node))`` means the same as ``node`` to Parse Server. Conditions share one object
where they can; a second condition on the same key and operator, or one that Parse would read differently
beside its neighbor, goes into ``$and``. What REST cannot say (the local datastore, pins, the dialect) is left
out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from parsekit.codec import JSON, encode_value
from parsekit.query.ast import And, Constant, Constraint, KeyOfQuery, Node, Nor, Or, RelativeTime
from parsekit.query.keys import INCLUDE_ALL, encode_order
from parsekit.query.state import QueryState
from parsekit.query.where.geo_json import encode_area, encode_box, encode_near

__all__ = ["encode_query", "encode_where"]

_LOGICAL: Final[dict[type, str]] = {Or: "$or", And: "$and", Nor: "$nor"}
_UNITED: Final = frozenset({"$in", "$inQuery", "$select"})
"""Parse Server unites these when they stand in one constraint; see ``decode``."""
_ALONE: Final = frozenset({"$containedBy", "$text"})
"""MongoTransform does not take these for what they are when other operators stand beside them."""


def encode_where(node: Node) -> dict[str, JSON]:
    """The ``where`` of a tree; ``ALWAYS`` is ``{}``.

    Raises:
        TypeError: the tree holds a permission test, which has no JSON form.
    """
    if isinstance(node, And):
        parts = [encode_where(child) for child in node.children]
        return _merged(parts)
    if isinstance(node, Or | Nor):
        if not node.children:
            return _constant(isinstance(node, Nor))
        return {_LOGICAL[type(node)]: [encode_where(child) for child in node.children]}
    if isinstance(node, Constant):
        return _constant(node.value)
    if isinstance(node, Constraint):
        return _constraint(node)
    raise TypeError(f"{type(node).__name__} is a permission test and has no JSON form")


def _constant(value: bool) -> dict[str, JSON]:
    return {} if value else {"objectId": {"$in": []}}


def _merged(parts: list[dict[str, JSON]]) -> dict[str, JSON]:
    answer: dict[str, JSON] = {}
    apart: list[dict[str, JSON]] = []
    for part in parts:
        if not _join(answer, part):
            apart.append(part)
    if not apart:
        return answer
    # Parse does not look for $relatedTo beside $and, so that nothing may stay outside.
    return {"$and": [answer, *apart]}


def _join(answer: dict[str, JSON], part: dict[str, JSON]) -> bool:
    """Puts ``part`` into ``answer`` and says so, or leaves it and says no."""
    together = {*answer, *part}
    if "$relatedTo" in together and not together.isdisjoint(_LOGICAL.values()):
        return False
    joined: dict[str, JSON] = {}
    for key, constraint in part.items():
        if key in answer:
            if key.startswith("$"):
                return False
            both = _joined(_operators(answer[key]), _operators(constraint))
            if both is None:
                return False
            constraint = both
        joined[key] = constraint
    answer.update(joined)
    return True


def _operators(constraint: JSON) -> dict[str, JSON]:
    if isinstance(constraint, dict) and constraint and all(key.startswith("$") for key in constraint):
        return constraint
    return {"$eq": constraint}


def _joined(first: dict[str, JSON], second: dict[str, JSON]) -> dict[str, JSON] | None:
    together = {*first, *second}
    apart = len(together & _UNITED) > 1 or together & _ALONE or not set(first).isdisjoint(second)
    return None if apart else {**first, **second}


def _constraint(node: Constraint) -> dict[str, JSON]:
    if node.op == "$relatedTo":
        owner, key = encode_value(node.argument.owner), node.argument.key
        return {"$relatedTo": {"object": owner, "key": key}}
    if node.op == "$eq":
        value = encode_value(node.argument)
        plain = isinstance(value, list) or (isinstance(value, dict) and value and "__type" not in value)
        return {node.key: {"$eq": value} if plain else value}
    writer = _WRITERS.get(node.op)
    return {node.key: {node.op: _value(node.argument)} if writer is None else writer(node.op, node.argument)}


def _value(value: Any) -> JSON:
    return {"$relativeTime": value.text} if isinstance(value, RelativeTime) else encode_value(value)


def _regex(op: str, pattern: Any) -> dict[str, JSON]:
    return {op: pattern.pattern, "$options": pattern.options} if pattern.options else {op: pattern.pattern}


def _required(op: str, values: Any) -> dict[str, JSON]:
    return {op: [{"$regex": v.pattern} if hasattr(v, "pattern") else encode_value(v) for v in values]}


def _text_search(op: str, search: Any) -> dict[str, JSON]:
    options = {
        "$term": search.term,
        "$language": search.language,
        "$caseSensitive": search.case_sensitive,
        "$diacriticSensitive": search.diacritic_sensitive,
    }
    return {op: {"$search": {name: value for name, value in options.items() if value is not None}}}


def _near(_: str, near: Any) -> dict[str, JSON]:
    return encode_near(near)


def _subquery(op: str, state: Any) -> dict[str, JSON]:
    return {op: _inner_query(state)}


def _inner_query(state: QueryState) -> dict[str, JSON]:
    json = {"className": state.class_name, "where": encode_where(state.where), **encode_query(state)}
    return {**json, "ignoreACLs": True} if state.ignore_acls else json


def _key_of_query(op: str, argument: KeyOfQuery) -> dict[str, JSON]:
    return {op: {"query": _inner_query(argument.query), "key": argument.key}}


_WRITERS: Final[dict[str, Callable[[str, Any], dict[str, JSON]]]] = {
    "$regex": _regex,
    "$all": _required,
    "$text": _text_search,
    "$nearSphere": _near,
    "$within": lambda op, box: {op: encode_box(box)},
    "$geoWithin": lambda op, area: {op: encode_area(area)},
    "$geoIntersects": lambda op, point: {op: {"$point": encode_value(point)}},
    "$inQuery": _subquery,
    "$notInQuery": _subquery,
    "$select": _key_of_query,
    "$dontSelect": _key_of_query,
}


def encode_query(state: QueryState) -> dict[str, JSON]:
    """The REST parameters of a find, those with their defaults left out."""
    where = encode_where(state.where)
    parameters: dict[str, JSON] = {
        "where": where or None,
        "order": encode_order(state.order) or None,
        "limit": state.limit,
        "skip": state.skip or None,
        "keys": None if state.keys is None else ",".join(state.keys),
        "excludeKeys": ",".join(state.exclude_keys) or None,
        "include": ",".join(path for path in state.include if path != INCLUDE_ALL) or None,
        "includeAll": True if INCLUDE_ALL in state.include else None,
        "redirectClassNameForKey": state.redirect_key,
        "hint": state.hint,
        "comment": state.comment,
    }
    return {name: value for name, value in parameters.items() if value is not None}
