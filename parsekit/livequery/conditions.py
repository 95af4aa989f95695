"""What is known of a query's conditions before any object is tested: their normal form, and what they depend on.

``settled`` gives equal queries one form, so that they share a group: relative times become the instants that they mean
at the subscription, conjunctions are flattened and put in a canonical order. ``dependencies`` names the classes whose
changes can change the result besides the objects of the class itself.

Which matcher tests an object is the query's dialect: the engine's own (``Dialect.SERVER``), which agrees with what a
find returns, or the one of Parse's live query server (``Dialect.LIVE_MATCHER``), which does not always.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Final

from parsekit import attrs
from parsekit.codec import JSON, decode_value
from parsekit.errors import ParseError
from parsekit.query.ast import (
    And,
    Constraint,
    KeyOfQuery,
    Node,
    Nor,
    Or,
    RelatedTo,
    RelativeTime,
    constraints_of,
)
from parsekit.query.dialect import Dialect
from parsekit.query.matcher import Lookup, Predicate, compile_predicate
from parsekit.query.relative_time import resolve_relative_time
from parsekit.query.state import QueryState
from parsekit.query.where import decode_live_where
from parsekit.values import Value

__all__ = ["RelationTarget", "dependencies", "live_predicate", "matches_live", "settled"]

RelationTarget = Callable[[str, str], str | None]
"""The class that a key of a class leads to as a relation or pointer; ``None`` when it does not."""

_COMMUTATIVE: Final = (And, Or, Nor)


def live_predicate(where: Node, rules: Dialect, lookup: Lookup | None = None) -> Predicate:
    """The test of objects for a live query. Raises as ``compile_predicate``."""
    predicate = compile_predicate(where, rules, lookup)
    if not rules.refused_is_no_match:
        return predicate

    def forgiving(fields: Mapping[str, Value]) -> bool:
        try:
            return predicate(fields)
        except ParseError:
            return False

    return forgiving


def matches_live(object_json: Mapping[str, JSON], where: Mapping[str, JSON]) -> bool:
    """Whether Parse's own live query matcher lets an object pass a ``where``, both in REST JSON.

    >>> matches_live({"className": "Deal", "stage": "won"}, {"amount": {"$gt": 5}})
    True
    """
    fields = {key: decode_value(value) for key, value in object_json.items() if key != "ACL"}
    return live_predicate(decode_live_where(where), Dialect.LIVE_MATCHER)(fields)


def settled(node: Node, now: datetime) -> Node:
    """The conditions with relative times resolved, conjunctions flat, and members in canonical order."""
    if isinstance(node, Constraint):
        return attrs.evolve(node, argument=_settled_argument(node.argument, now))
    if not isinstance(node, _COMMUTATIVE):
        return node
    children: list[Node] = []
    for child in node.children:
        child = settled(child, now)
        if isinstance(child, And) and isinstance(node, And):
            children.extend(child.children)
        else:
            children.append(child)
    if len(children) == 1 and not isinstance(node, Nor):
        return children[0]
    # a refusal of a later condition cannot surface under the server's rules, so order means nothing
    return attrs.evolve(node, children=tuple(sorted(children, key=repr)))


def _settled_argument(argument: object, now: datetime) -> object:
    if isinstance(argument, RelativeTime):
        return resolve_relative_time(argument, now)
    if isinstance(argument, QueryState):
        return attrs.evolve(argument, where=settled(argument.where, now))
    if isinstance(argument, KeyOfQuery):
        query = attrs.evolve(argument.query, where=settled(argument.query.where, now))
        return KeyOfQuery(query, argument.key)
    return argument


def dependencies(
    state: QueryState, relation_of: RelationTarget, pointer_of: RelationTarget
) -> frozenset[str]:
    """The classes that decide, besides each object by itself, whether it is in the result; empty for most queries.

    The class itself is among them when the members of its relations are asked for. Under ``LIVE_MATCHER`` conditions
    on other objects never hold, so nothing else decides.
    """
    if state.dialect is not None and "$inQuery" in state.dialect.unsupported_operators:
        return frozenset()
    return frozenset(_depended(state, relation_of, pointer_of))


def _depended(state: QueryState, relation_of: RelationTarget, pointer_of: RelationTarget) -> Iterator[str]:
    for leaf in constraints_of(state.where):
        argument = leaf.argument
        if isinstance(argument, RelatedTo):
            yield argument.owner.class_name
        elif relation_of(state.class_name, leaf.key.partition(".")[0]) is not None:
            yield state.class_name
        query = argument.query if isinstance(argument, KeyOfQuery) else argument
        if isinstance(query, QueryState):
            asked = query.class_name
            if query.redirect_key is not None:
                target = relation_of(asked, query.redirect_key) or pointer_of(asked, query.redirect_key)
                asked = target or asked
            yield asked
            yield from _depended(attrs.evolve(query, class_name=asked), relation_of, pointer_of)
