"""The parameters of ``/aggregate`` -> a pipeline or a key to be distinct by (AggregateRouter)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias, final

from parsekit import attrs
from parsekit.codec import JSON, nesting_exceeds
from parsekit.errors import InvalidQueryError
from parsekit.query.ast import ALWAYS, DEEPEST_JSON, Node
from parsekit.query.keys import MASTER_KEYS, js_text
from parsekit.query.where import decode_where

__all__ = ["AggregateRequest", "Stage", "check_pipeline", "decode_request"]

Stage: TypeAlias = tuple[str, JSON]
"""A stage's name with its ``$``, and its argument."""

_BESIDE: Final = frozenset(
    {"distinct", "where", "hint", "explain", "comment", "readPreference", "rawValues", "rawFieldNames"}
)


@final
@attrs.frozen(slots=True)
class AggregateRequest:
    """What ``/aggregate`` is asked: ``distinct`` values under the conditions ``where``, or a pipeline.

    Beside a pipeline ``where`` does not count, as on the server.
    """

    pipeline: tuple[Stage, ...]
    distinct: str | None = None
    where: Node = ALWAYS


def decode_request(parameters: Mapping[str, JSON]) -> AggregateRequest:
    """The request that parameters make.

    Raises:
        InvalidQueryError: 102, a stage without ``$``, with several keys, or a ``$group`` without ``_id``.
        ParseError: as ``decode_where``.
    """
    distinct = parameters.get("distinct")
    where = parameters.get("where")
    if distinct:
        if "pipeline" not in parameters:
            check_pipeline({key: value for key, value in parameters.items() if key not in _BESIDE})
        tree = ALWAYS if where is None else decode_where(where, special_keys=MASTER_KEYS)
        return AggregateRequest((), js_text(distinct), tree)
    given = parameters.get("pipeline")
    if given is None:
        given = {key: value for key, value in parameters.items() if key not in _BESIDE}
    return AggregateRequest(check_pipeline(given))


def check_pipeline(pipeline: JSON) -> tuple[Stage, ...]:
    """The stages of a pipeline, given as a list or as one object of stages.

    Raises:
        InvalidQueryError: 102 with Parse's text.
    """
    if isinstance(pipeline, Mapping):
        pipeline = [{key: value} for key, value in pipeline.items()]
    if nesting_exceeds(pipeline, DEEPEST_JSON):
        raise InvalidQueryError(f"pipeline: nested more than {DEEPEST_JSON} levels deep")
    if not isinstance(pipeline, Sequence) or isinstance(pipeline, str):
        raise InvalidQueryError("pipeline: expected a list of stages")
    return tuple(_stage(entry) for entry in pipeline if entry not in ({"distinct": None}, {"where": None}))


def _stage(entry: JSON) -> Stage:
    if not isinstance(entry, Mapping) or len(entry) != 1:
        names = ", ".join(entry) if isinstance(entry, Mapping) else ""
        raise InvalidQueryError(f"Pipeline stages should only have one key but found {names}.")
    ((name, argument),) = entry.items()
    if not name.startswith("$"):
        raise InvalidQueryError(f"Invalid aggregate stage '{name}'.")
    if name == "$group" and isinstance(argument, Mapping):
        if "objectId" in argument:
            raise InvalidQueryError("Cannot use objectId in aggregation. Use _id instead.")
        if "_id" not in argument:
            raise InvalidQueryError("Invalid parameter for query: group. Missing key _id")
    return name, argument
