"""The stages of a pipeline, one function each: documents in, documents out.

Names follow MongoDB's documents: ``_id`` is the objectId. Parse Server translates ``objectId``, ``createdAt`` and
pointer fields in ``$match``, ``$project`` and ``$group``, but not in ``$sort``, where only ``_id``, ``_created_at`` and
``_p_field`` name them (recorded s-052: a sort by ``objectId`` sorts nothing).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, final

from parsekit import attrs
from parsekit.codec import JSON
from parsekit.errors import InvalidQueryError
from parsekit.query.aggregate.accumulators import Accumulator, accumulator
from parsekit.query.aggregate.expressions import Document, Expression, compile_expression, lookup
from parsekit.query.aggregate.match import match_predicate
from parsekit.query.aggregate.request import Stage
from parsekit.query.ast import ALWAYS
from parsekit.query.dialect import Dialect
from parsekit.query.ordering import sort_objects
from parsekit.query.state import OrderKey
from parsekit.schema import Field
from parsekit.values import MISSING, Missing, Value, order_key

__all__ = ["run_pipeline", "values_of"]

_PARSE_NAMES: Final = {"objectId": "_id"}
_RAW_NAMES: Final = {"_created_at": "createdAt", "_updated_at": "updatedAt"}


@final
@attrs.define(slots=True)
class _Flow:
    """The documents between two stages, and the class's fields as long as documents are objects of it."""

    documents: list[Document]
    fields: Mapping[str, Field]


def run_pipeline(
    documents: Iterable[Document], pipeline: Sequence[Stage], fields: Mapping[str, Field]
) -> list[Document]:
    """The documents that come out of a pipeline; ``fields`` are those of the class that goes in.

    Raises:
        InvalidQueryError: 102, a stage or expression that is wrong or not offered.
        ParseError: as ``decode_where`` for a ``$match``.
    """
    flow = _Flow(list(documents), fields)
    for name, argument in pipeline:
        stage = _STAGES.get(name)
        if stage is None:
            raise InvalidQueryError(f"unregistered pipeline operator {name}.")
        flow = stage(flow, argument)
    return flow.documents


def values_of(documents: Iterable[Mapping[str, Value]], key: str) -> list[Value]:
    """The distinct values of a dotted key in order of appearance: arrays count by element, null not at all."""
    found: dict[Any, Value] = {}
    path = key.split(".")
    for document in documents:
        value = lookup(document, path)
        for item in value if isinstance(value, list) else [value]:
            if item is not None and item is not MISSING:
                found.setdefault(order_key(item), item)
    return list(found.values())


# --- stages that let documents through ---


def _match(flow: _Flow, argument: JSON) -> _Flow:
    return _Flow(list(filter(match_predicate(argument, flow.fields), flow.documents)), flow.fields)


def _limit(flow: _Flow, argument: JSON) -> _Flow:
    if not isinstance(argument, int) or isinstance(argument, bool) or argument <= 0:
        raise InvalidQueryError("the limit must be positive")
    return _Flow(flow.documents[:argument], flow.fields)


def _skip(flow: _Flow, argument: JSON) -> _Flow:
    if not isinstance(argument, int) or isinstance(argument, bool) or argument < 0:
        raise InvalidQueryError("Argument to $skip cannot be negative")
    return _Flow(flow.documents[argument:], flow.fields)


def _sort(flow: _Flow, argument: JSON) -> _Flow:
    if not isinstance(argument, dict) or not argument:
        raise InvalidQueryError("$sort stage must have at least one sort key")
    order: list[OrderKey] = []
    for key, direction in argument.items():
        if direction not in (1, -1):
            raise InvalidQueryError("$sort key ordering must be 1 (for ascending) or -1 (for descending)")
        name = _sort_name(key, flow.fields)
        if name is not None:
            order.append(OrderKey(name, direction == -1))
    if not order:
        return flow
    return _Flow(sort_objects(flow.documents, tuple(order), ALWAYS, Dialect.SERVER), flow.fields)


def _sort_name(key: str, fields: Mapping[str, Field]) -> str | None:
    """The key that a sort means, ``None`` for one that no document has under that name."""
    if not fields:
        return key
    if key in ("createdAt", "updatedAt") or (key in fields and fields[key].type == "Pointer"):
        return None
    return _RAW_NAMES.get(key, key.removeprefix("_p_"))


# --- stages that make documents ---


def _group(flow: _Flow, argument: JSON) -> _Flow:
    if not isinstance(argument, dict):
        raise InvalidQueryError("a group's fields must be specified in an object")
    identity = compile_expression(argument["_id"])
    parts = {key: accumulator(key, item) for key, item in argument.items() if key != "_id"}
    groups: dict[Any, tuple[Value, list[tuple[Accumulator, Expression]]]] = {}
    for document in flow.documents:
        value = identity(document)
        place = order_key(value)
        group = groups.get(place)
        if group is None:
            group = groups[place] = (value, [(make(), expression) for make, expression in parts.values()])
        for running, expression in group[1]:
            running.take(expression(document))
    names = list(parts)
    made = [
        {
            "_id": None if value is MISSING else value,
            **{name: running.result() for name, (running, _) in zip(names, group, strict=True)},
        }
        for value, group in groups.values()
    ]
    return _Flow(made, {})


def _project(flow: _Flow, argument: JSON) -> _Flow:
    if not isinstance(argument, dict) or not argument:
        raise InvalidQueryError(
            "Invalid $project :: caused by :: projection specification must have at least one field"
        )
    kept: list[str] = []
    dropped: list[str] = []
    computed: dict[str, Expression] = {}
    for key, item in argument.items():
        name = _PARSE_NAMES.get(key) or _RAW_NAMES.get(key) or str(key)
        if isinstance(item, bool | int | float):
            (kept if item else dropped).append(name)
        else:
            computed[name] = compile_expression(item)
    if not kept and not computed:
        return _Flow([_without(document, dropped) for document in flow.documents], flow.fields)
    if [name for name in dropped if name != "_id"]:
        raise InvalidQueryError(
            "Invalid $project :: caused by :: Cannot do exclusion in inclusion projection"
        )
    if "_id" not in dropped:
        kept.insert(0, "_id")
    return _Flow([_projected(document, kept, computed) for document in flow.documents], flow.fields)


def _projected(document: Document, kept: Sequence[str], computed: Mapping[str, Expression]) -> Document:
    made: Document = {}
    for name in kept:
        if "." not in name:
            if name in document:
                made[name] = document[name]
            continue
        value = lookup(document, name.split("."))
        if value is not MISSING:
            _put(made, name.split("."), value)
    for name, expression in computed.items():
        value = expression(document)
        if value is not MISSING:
            _put(made, name.split("."), value)
    return made


def _put(document: Document, path: Sequence[str], value: Value) -> None:
    for part in path[:-1]:
        document = document.setdefault(part, {})
    document[path[-1]] = value


def _without(document: Document, names: Iterable[str]) -> Document:
    made = dict(document)
    for name in names:
        root, *path = name.split(".")
        if not path:
            made.pop(root, None)
        elif root in made:
            made[root] = _removed(made[root], path)
    return made


def _removed(value: Value, path: Sequence[str]) -> Value:
    if isinstance(value, list):
        return [_removed(item, path) for item in value]
    if not isinstance(value, dict) or path[0] not in value:
        return value
    if len(path) == 1:
        return {key: item for key, item in value.items() if key != path[0]}
    return {**value, path[0]: _removed(value[path[0]], path[1:])}


def _add_fields(flow: _Flow, argument: JSON) -> _Flow:
    if not isinstance(argument, dict):
        raise InvalidQueryError("$addFields specification stage must be an object")
    parts = {key: compile_expression(item) for key, item in argument.items()}
    made = []
    for document in flow.documents:
        copy = dict(document)
        for key, part in parts.items():
            value = part(document)
            if value is not MISSING:
                _put(copy, key.split("."), value)
        made.append(copy)
    return _Flow(made, flow.fields)


def _unset(flow: _Flow, argument: JSON) -> _Flow:
    names = [argument] if isinstance(argument, str) else argument
    if not isinstance(names, list):
        raise InvalidQueryError("$unset specification must be a string or an array")
    return _Flow([_without(document, names) for document in flow.documents], flow.fields)


def _unwind(flow: _Flow, argument: JSON) -> _Flow:
    given = argument.get("path") if isinstance(argument, dict) else argument
    keep = isinstance(argument, dict) and argument.get("preserveNullAndEmptyArrays") is True
    place = argument.get("includeArrayIndex") if isinstance(argument, dict) else None
    if not isinstance(given, str) or not given.startswith("$"):
        raise InvalidQueryError("path option to $unwind stage should be prefixed with a '$'")
    path = given.removeprefix("$").split(".")
    made: list[Document] = []
    for document in flow.documents:
        value = lookup(document, path)
        items: list[Value | Missing] = value if isinstance(value, list) else [value]
        if value is None or value is MISSING or value == []:
            if keep:
                made.append(document)
            continue
        for index, item in enumerate(items):
            copy = _replaced(document, path, item)
            if place is not None:
                copy[place] = index if isinstance(value, list) else None
            made.append(copy)
    return _Flow(made, flow.fields)


def _replaced(document: Document, path: Sequence[str], value: Value) -> Document:
    if len(path) == 1:
        return {**document, path[0]: value}
    return {**document, path[0]: _replaced(document[path[0]], path[1:], value)}


def _count(flow: _Flow, argument: JSON) -> _Flow:
    if not isinstance(argument, str) or not argument or argument.startswith("$"):
        raise InvalidQueryError("the count field must be a non-empty string without $")
    return _Flow([{argument: len(flow.documents)}] if flow.documents else [], {})


def _sort_by_count(flow: _Flow, argument: JSON) -> _Flow:
    grouped = _group(flow, {"_id": argument, "count": {"$sum": 1}})
    return _sort(grouped, {"count": -1})


def _replace_root(flow: _Flow, argument: JSON) -> _Flow:
    expression = argument.get("newRoot") if isinstance(argument, dict) and "newRoot" in argument else argument
    root = compile_expression(expression)
    made: list[Document] = []
    for document in flow.documents:
        new = root(document)
        if not isinstance(new, dict):
            raise InvalidQueryError("'newRoot' expression must evaluate to an object")
        made.append(dict(new))
    return _Flow(made, {})


_STAGES: Final[dict[str, Callable[[_Flow, JSON], _Flow]]] = {
    "$match": _match,
    "$group": _group,
    "$project": _project,
    "$sort": _sort,
    "$limit": _limit,
    "$skip": _skip,
    "$addFields": _add_fields,
    "$set": _add_fields,
    "$unset": _unset,
    "$unwind": _unwind,
    "$count": _count,
    "$sortByCount": _sort_by_count,
    "$replaceRoot": _replace_root,
    "$replaceWith": _replace_root,
}
