"""Hooks around finds: of the class that is asked, of classes that are included, of classes that sub-queries ask.

As in Parse Server (RestQuery.js), each of them is a find of its own: ``before_find`` may change or replace its query,
``after_find`` its results, before the query around it goes on. An include of a single object is a get to its hook. A
count calls ``after_find`` with no objects; ``each()`` calls it once a batch. Aggregates and distinct values have a
``before_find`` only. What the engine reads for itself (sessions, originals, live queries) calls none.

Hooks are called outside of any snapshot, so that they see what they write themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, final

from parsekit import attrs
from parsekit.acl.guard import check_selected_key
from parsekit.cloud import CloudCode, FindRequest
from parsekit.cloud.requests import IN_PROCESS, ORIGIN
from parsekit.engine.live_reading import fields_of
from parsekit.errors import ObjectNotFoundError
from parsekit.object import PFObject
from parsekit.object_including import attach_includes
from parsekit.query.ast import And, Constraint, KeyOfQuery, Node, Nor, Op, Or
from parsekit.query.builder import PFQuery
from parsekit.query.state import QueryState
from parsekit.query.subquery import wire_value
from parsekit.values import Pointer, Value

if TYPE_CHECKING:
    from parsekit.acl.principal import Principal
    from parsekit.engine.core import ParseEngine
    from parsekit.engine.views import PrincipalView

__all__ = ["FindHooks"]

_ALL: Final = 2**62
_CHANGED_BY_HOOKS: Final = ("where", "limit", "skip", "order", "include", "keys", "excludeKeys")


@final
class FindHooks:
    """Answers queries with their hooks. One per engine."""

    def __init__(self, engine: ParseEngine, cloud: CloudCode) -> None:
        self._engine = engine
        self._cloud = cloud

    def find(self, state: QueryState, principal: Principal, kind: type[PFObject] | None) -> list[Any]:
        """The objects of a query."""
        asked = self.before_find(state, principal)
        return self._found(asked, principal, kind)

    def get(
        self, state: QueryState, object_id: str, principal: Principal, kind: type[PFObject] | None
    ) -> Any:
        """One object by id.

        Raises:
            ObjectNotFoundError: 101, there is none, or a hook let none through.
        """
        by_id = attrs.evolve(state, where=Constraint("objectId", "$eq", object_id))
        asked = self.before_find(by_id, principal, is_get=True)
        reads = self._engine.reads
        if asked.where == by_id.where:
            found = [reads.get(asked.class_name, object_id, principal, kind, asked, self)]
        else:
            answered = self._answered(attrs.evolve(asked, limit=1), principal)
            found = reads.find(answered, principal, kind, self)
        found = self.after_find(found, asked, principal)
        if not found:
            raise ObjectNotFoundError()
        return found[0]

    def count(self, state: QueryState, principal: Principal) -> int:
        """How many objects match."""
        asked = self.before_find(state, principal, count=True)
        number = self._engine.reads.count(self._answered(asked, principal), principal)
        self.after_find([], asked, principal)
        return number

    def stream(
        self, state: QueryState, principal: Principal, kind: type[PFObject] | None, batch_size: int
    ) -> Iterator[Any]:
        """The objects of a query one by one, the hook after it called with a batch at a time, once at least."""
        asked = self.before_find(state, principal)
        answered = self._answered(asked, principal)
        found = self._engine.reads.stream(answered, principal, kind, batch_size, self)
        batch = list(islice(found, batch_size))
        yield from self.after_find(batch, asked, principal)
        while batch := list(islice(found, batch_size)):
            yield from self.after_find(batch, asked, principal)

    def included(self, query: QueryState, ids: int, view: PrincipalView) -> list[PFObject]:
        """Objects that are included, by their ids: a find of their class with its hooks (a get of a single one)."""
        principal = view.principal
        asked = self.before_find(query, principal, is_get=ids == 1)
        found = self._engine.reads.included(self._answered(asked, principal), ids, view)
        if asked.include:
            below = QueryState(asked.class_name, include=asked.include)
            attach_includes(found, below, lambda inner, number: self.included(inner, number, view))
        return self.after_find(found, asked, principal)

    def before_find(
        self, state: QueryState, principal: Principal, *, is_get: bool = False, count: bool = False
    ) -> QueryState:
        """The query that the hook makes of ``state``."""
        if not self._cloud.has("beforeFind", state.class_name):
            return state
        query: PFQuery[Any] = PFQuery.from_state(state)
        request = FindRequest(
            caller=self._engine.hooks.caller(principal),
            trigger_name="beforeFind",
            context=_shared_context(),
            query=query,
            is_get=is_get,
            count=count,
        )
        with self._engine.acting_as(principal):
            returned = self._cloud.run("beforeFind", state.class_name, request)
        if self._engine.hooks.is_remote("beforeFind", state.class_name):
            return _changed_query(query, returned).state()
        chosen: PFQuery[Any] = returned if isinstance(returned, PFQuery) else request.query
        return chosen.state()

    def after_find(self, objects: list[Any], state: QueryState, principal: Principal) -> list[Any]:
        """The objects that the hook makes of ``objects``."""
        if not self._cloud.has("afterFind", state.class_name):
            return objects
        query: PFQuery[Any] = PFQuery.from_state(state)
        request = FindRequest(
            caller=self._engine.hooks.caller(principal),
            trigger_name="afterFind",
            context=_shared_context(),
            query=query,
            objects=objects,
        )
        with self._engine.acting_as(principal):
            returned = self._cloud.run("afterFind", state.class_name, request)
        if self._engine.hooks.is_remote("afterFind", state.class_name) and isinstance(returned, list):
            kept = [{"className": state.class_name, **item} for item in returned if isinstance(item, dict)]
            return [self._engine.class_for(str(item["className"])).from_json(item) for item in kept]
        return list(returned) if isinstance(returned, list | tuple) else request.objects

    # -- sub-queries ---------------------------------------------------------------------------------

    def _found(self, asked: QueryState, principal: Principal, kind: type[PFObject] | None) -> list[Any]:
        found = self._engine.reads.find(self._answered(asked, principal), principal, kind, self)
        return self.after_find(found, asked, principal)

    def limited(self, state: QueryState, principal: Principal, most: int) -> QueryState:
        """The query with results in place of its sub-queries, ``most`` of each (``subqueryLimit``)."""
        return attrs.evolve(state, where=self._answers(state.where, principal, most))

    def _answered(self, state: QueryState, principal: Principal, most: int | None = None) -> QueryState:
        """The query with results in place of the sub-queries whose classes have hooks, or all where ``most`` counts."""
        return attrs.evolve(state, where=self._answers(state.where, principal, most))

    def _answers(self, node: Node, principal: Principal, most: int | None = None) -> Node:
        if isinstance(node, And | Or | Nor):
            return attrs.evolve(
                node, children=tuple(self._answers(child, principal, most) for child in node.children)
            )
        if not isinstance(node, Constraint):
            return node
        argument = node.argument
        query = argument.query if isinstance(argument, KeyOfQuery) else argument
        if not isinstance(query, QueryState):
            return node
        query = self._engine.reads.preparation.redirected(query)
        key = argument.key if isinstance(argument, KeyOfQuery) else None
        hooks = ("beforeFind", "afterFind")
        if most is None and not any(self._cloud.has(trigger, query.class_name) for trigger in hooks):
            inner = self._answered(query, principal)
            return attrs.evolve(node, argument=inner if key is None else KeyOfQuery(inner, key))
        op: Op = "$in" if node.op in ("$inQuery", "$select") else "$nin"
        return Constraint(node.key, op, tuple(self._results(query, key, principal, most)))

    def _results(
        self, query: QueryState, key: str | None, principal: Principal, most: int | None
    ) -> list[Value]:
        """The pointers to a sub-query's results, or their values under ``key``. Of a sub-query no page counts."""
        if key is not None:
            access = self._engine.view(principal).reading(query.class_name, "find").access
            check_selected_key(query, key, access, principal)
        bare = attrs.evolve(query, order=(), limit=None, skip=0, keys=None, exclude_keys=(), include=())
        asked = self.before_find(bare, principal)
        if asked.limit is None:
            asked = attrs.evolve(asked, limit=_ALL if most is None else most)
        found = self._found(self._answered(asked, principal, most), principal, None)
        if key is not None:
            return [wire_value(fields_of(obj), key) for obj in found]
        return [Pointer(query.class_name, obj.object_id) for obj in found if obj.object_id is not None]


def _shared_context() -> MutableMapping[str, Value]:
    """What the hooks of one request's finds tell each other; a find that no request made has its own."""
    origin = ORIGIN.get()
    return {} if origin is IN_PROCESS else origin.context


def _changed_query(query: PFQuery[Any], answer: Any) -> PFQuery[Any]:
    """The query with the parameters that a webhook answers in the place of its own, as the hook of a process would
    change it; any other answer changes nothing.
    """
    changes = (
        {key: answer[key] for key in _CHANGED_BY_HOOKS if answer.get(key)} if isinstance(answer, dict) else {}
    )
    return PFQuery.from_json(query.class_name, {**query.to_json(), **changes}) if changes else query
