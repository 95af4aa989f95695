"""What of a pipeline a database may do: the first ``$match`` stages join the query, a plain ``$group`` is data.

Both only where the answer is sure to be the same: conditions on whole keys with scalar arguments, groups by one field
with the simplest accumulators. Everything else stays in the pipeline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from parsekit import attrs
from parsekit.codec import JSON
from parsekit.query.aggregate.match import match_tree
from parsekit.query.aggregate.request import Stage
from parsekit.query.ast import ALWAYS, And, Constraint, Node, constraints_of
from parsekit.query.state import QueryState
from parsekit.schema import Field
from parsekit.values import kind_of

__all__ = ["PlainGroup", "matched_first", "plain_group"]

PlainGroup: TypeAlias = tuple[str | None, dict[str, tuple[str, str | None]]]
"""The field to group by, and of each result its function (count, sum, avg, min, max) and the field it is of."""

_OPERATORS: Final = frozenset({"$eq", "$ne", "$lt", "$lte", "$gt", "$gte", "$in", "$nin", "$exists"})
_SCALAR_KINDS: Final = frozenset({"null", "number", "string", "boolean", "date", "pointer"})
_SCALAR_FIELDS: Final = frozenset({"String", "Number", "Boolean", "Date", "Pointer"})
_FUNCTIONS: Final = {"$sum": "sum", "$avg": "avg", "$min": "min", "$max": "max"}
_RAW_NAMES: Final = {"_created_at": "createdAt", "_updated_at": "updatedAt", "_id": "objectId"}


def matched_first(
    state: QueryState, stages: Sequence[Stage], fields: Mapping[str, Field]
) -> tuple[QueryState, Sequence[Stage]]:
    """The query with the conditions of the first ``$match`` stages, and the stages that are left.

    Raises:
        ParseError: as ``decode_where`` refuses a condition.
    """
    if state.limit is not None or state.skip:
        return state, stages  # conditions after a limit are not conditions before it
    done = 0
    for name, argument in stages:
        tree = match_tree(argument, fields) if name == "$match" else None
        if tree is None or not all(_is_plain(constraint, fields) for constraint in constraints_of(tree)):
            break
        state = attrs.evolve(state, where=_both(state.where, tree))
        done += 1
    return state, stages[done:]


def _both(first: Node, second: Node) -> Node:
    return second if first == ALWAYS else first if second == ALWAYS else And((first, second))


def _is_plain(constraint: Constraint, fields: Mapping[str, Field]) -> bool:
    field = fields.get(constraint.key)
    if field is None or field.type not in _SCALAR_FIELDS or constraint.op not in _OPERATORS:
        return False
    argument = constraint.argument
    items = argument if isinstance(argument, tuple) else (argument,)
    return all(not hasattr(item, "where") and kind_of(item) in _SCALAR_KINDS for item in items)


def plain_group(stages: Sequence[Stage]) -> PlainGroup | None:
    """The first stage as data, where it is a ``$group`` of the simplest kind."""
    if not stages or stages[0][0] != "$group" or not isinstance(stages[0][1], dict):
        return None
    argument = dict(stages[0][1])
    identity = argument.pop("_id")
    key = None if identity is None else _field(identity)
    if identity is not None and key is None:
        return None
    terms: dict[str, tuple[str, str | None]] = {}
    for name, specification in argument.items():
        term = _term(specification)
        if term is None:
            return None
        terms[name] = term
    return key, terms


def _term(specification: JSON) -> tuple[str, str | None] | None:
    if not isinstance(specification, dict) or len(specification) != 1:
        return None
    ((operator, argument),) = specification.items()
    if operator == "$count" or (operator == "$sum" and argument == 1 and not isinstance(argument, bool)):
        return "count", None
    function, key = _FUNCTIONS.get(operator), _field(argument)
    return None if function is None or key is None else (function, key)


def _field(reference: JSON) -> str | None:
    """The field that ``"$name"`` means, ``None`` for any other expression."""
    if not isinstance(reference, str) or not reference.startswith("$") or reference.startswith("$$"):
        return None
    name = reference.removeprefix("$")
    if "." in name or name == "objectId":
        return None  # MongoDB knows the objectId as _id only
    return _RAW_NAMES.get(name, name.removeprefix("_p_"))
