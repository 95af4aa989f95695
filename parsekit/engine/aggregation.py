"""Aggregates and distinct values, for a master (parse_server.md R4, R5).

The objects come from the read path, under the query's conditions; leading ``$match`` stages join those, so that SQL
and its indexes answer them. What the stages mean is said in ``query.aggregate``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

from parsekit import attrs
from parsekit.acl.system import forbidden
from parsekit.codec import JSON
from parsekit.errors import StorageError
from parsekit.object import PFObject
from parsekit.query.aggregate import (
    Stage,
    check_pipeline,
    parse_object,
    pointer_field,
    run_pipeline,
    values_of,
)
from parsekit.query.aggregate.pushdown import matched_first, plain_group
from parsekit.query.ast import ALWAYS
from parsekit.query.paths import stored_form
from parsekit.query.plan import NotSimple, shape_of
from parsekit.query.state import QueryState
from parsekit.schema import Field, default_fields
from parsekit.storage.grouping import Grouping, GroupTerm, can_group
from parsekit.storage.store import NeedsResults, StaleCatalog
from parsekit.values import MISSING, Value

if TYPE_CHECKING:
    from parsekit.acl.principal import Principal
    from parsekit.engine.core import ParseEngine

__all__ = ["Aggregation"]


@final
class Aggregation:
    """Runs pipelines over the objects of a query."""

    def __init__(self, engine: ParseEngine) -> None:
        self._engine = engine

    def rows(
        self, state: QueryState, pipeline: Mapping[str, JSON] | Sequence[JSON], principal: Principal
    ) -> list[dict[str, Value]]:
        """The results of a pipeline over what ``state`` finds, as values.

        Raises:
            OperationForbiddenError: 119, not a master.
            InvalidQueryError: 102, a wrong pipeline.
        """
        self._check(principal)
        stages = check_pipeline(pipeline)
        # a pipeline has no conditions that a hook could change; it may refuse
        self._engine.finds.before_find(state, principal)
        return self.run(state, stages, principal)

    def run(self, state: QueryState, stages: Sequence[Stage], principal: Principal) -> list[dict[str, Value]]:
        """``rows`` for checked stages."""
        fields = self._fields(state.class_name)
        state, rest = matched_first(state, stages, fields)
        documents = self._grouped(state, rest)
        if documents is None:
            documents = run_pipeline(self._documents(state, principal), rest, fields)
        else:
            documents = run_pipeline(documents, rest[1:], {})
        bare = pointer_field(stages, fields)
        return [parse_object(document, bare_pointer=bare) for document in documents]

    def _grouped(self, state: QueryState, stages: Sequence[Stage]) -> list[dict[str, Value]] | None:
        """The groups of a first ``$group`` where SQL can make them, ``None`` where it cannot."""
        asked = plain_group(stages)
        store = self._engine.store
        layout = store.catalog.layout(state.class_name)
        if asked is None or layout is None or state.limit is not None or state.skip:
            return None
        key, results = asked
        terms = tuple(GroupTerm(function, field) for function, field in results.values())
        grouping = Grouping(key, terms, is_last=len(stages) == 1)
        if not can_group(layout, grouping):
            return None
        try:
            groups = store.run_totals(layout, grouping) if state.where == ALWAYS else None
            if groups is None:
                shape, values = shape_of(attrs.evolve(state, order=(), keys=None, include=()), "count")
                groups = store.run_grouped(shape, values, grouping)
        except (NotSimple, NeedsResults, StaleCatalog, StorageError):
            return None  # the long way answers, or says what is wrong
        return [
            {"_id": stored_form(value), **dict(zip(results, terms, strict=True))} for value, terms in groups
        ]

    def distinct(self, state: QueryState, key: str, principal: Principal) -> list[Value]:
        """The distinct values of a key among what ``state`` finds.

        Raises:
            OperationForbiddenError: 119, not a master.
        """
        self._check(principal)
        if key == "objectId":
            key = "_id"
        state = self._engine.finds.before_find(state, principal)
        return values_of(self._documents(state, principal, key.partition(".")[0]), key)

    def _check(self, principal: Principal) -> None:
        # SAFETY: aggregates read past ACLs and protected fields, so only a master may ask.
        if not principal.bypasses_permissions:
            raise forbidden("unauthorized: master key is required")

    def _fields(self, class_name: str) -> Mapping[str, Field]:
        schema = self._engine.schema.get(class_name)
        return default_fields(class_name) if schema is None else schema.fields

    def _documents(
        self, state: QueryState, principal: Principal, key: str | None = None
    ) -> Iterator[dict[str, Value]]:
        bare = attrs.evolve(state, limit=-1 if state.limit is None else state.limit, include=())
        if key is not None and key != "_id":
            bare = attrs.evolve(bare, keys=(key,))
        found: Iterator[Any] = self._engine.reads.stream(bare, principal, PFObject, 1000)
        for obj in found:
            yield _document(obj)


def _document(obj: PFObject) -> dict[str, Value]:
    document: dict[str, Value] = {"_id": obj.object_id}
    for key in obj.keys():  # noqa: SIM118 - an object is no mapping
        if key not in ("ACL", "objectId"):
            value = obj.raw(key)
            if value is not MISSING:
                document[key] = value
    document["createdAt"], document["updatedAt"] = obj.created_at, obj.updated_at
    return document
