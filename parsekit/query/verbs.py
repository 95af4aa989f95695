"""What a query can be asked: ``find``, ``first``, ``get``, ``count``, ``each`` and the rest.

``PFQuery`` inherits these; how a query is put together is in ``builder``. Each verb freezes the query, asks
the engine of the current context under the principal in force, and leaves the query as it is.

Not here: any answer. The engine gives those (``engine.read``), except ``lint``, which needs no engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

from parsekit._context import CURRENT, current_binding
from parsekit.errors import NotOfferedError, ObjectNotFoundError
from parsekit.query.state import QueryState
from parsekit.values import Value

if TYPE_CHECKING:
    from parsekit.livequery.observed import ObservedGroups, ObservedList
    from parsekit.livequery.subscription import Subscription
    from parsekit.query.compare import DialectComparison
    from parsekit.query.lint import Finding
    from parsekit.schema import Schema

__all__ = ["QueryVerbs"]

T = TypeVar("T")


class QueryVerbs(Generic[T]):
    """The terminal verbs of ``PFQuery``."""

    __slots__ = ()

    class_name: str
    _object_class: type[T] | None
    _options: dict[str, Any]

    if TYPE_CHECKING:

        def state(self) -> QueryState:
            """The query as a frozen value."""

        def copy(self) -> Self:
            """An independent copy."""

        def limit(self, count: int) -> Self:
            """At most ``count`` objects."""

        def _asked(self) -> QueryState: ...

    def _refuse_local(self, verb: str) -> None:
        if self._options.get("from_local"):
            raise NotOfferedError(
                f"{verb}: the local datastore does not offer it; ask the engine, or find() and count"
            )

    def find(self) -> list[T]:
        """The objects that match, in order.

        Raises:
            ParseError: as Parse refuses the query; 119 or 101 when permissions do.
            EngineError: no engine is open here.
        """
        binding = CURRENT.get() or current_binding()
        found: list[T] = binding.engine.find_objects(self._asked(), binding.principal, self._object_class)
        return found

    def first(self) -> T:
        """The first object. ``ObjectNotFoundError`` (101) when there is none."""
        binding = current_binding()
        state = self.copy().limit(1)._asked()
        found = binding.engine.find_objects(state, binding.principal, self._object_class)
        if not found:
            raise ObjectNotFoundError("No results matched the query.")
        return cast(T, found[0])

    def get(self, object_id: str) -> T:
        """The object with this id; conditions of the query are left aside, as in the SDK.

        Raises:
            ObjectNotFoundError: 101, there is none, or none that the principal may see.
        """
        binding = CURRENT.get() or current_binding()
        options = self._options
        state = QueryState(self.class_name, **options) if options else None
        found: T = binding.engine.get_object(
            self.class_name, object_id, binding.principal, self._object_class, state
        )
        return found

    def count(self) -> int:
        """How many objects match, whatever limit and skip."""
        binding = current_binding()
        return cast(int, binding.engine.count_objects(self._asked(), binding.principal))

    def each(self, *, batch_size: int = 500) -> Iterator[T]:
        """Every object that matches, one by one in constant memory, as of the start.

        There is no default limit.
        """
        binding = current_binding()
        stream = binding.engine.stream_objects(
            self._asked(), binding.principal, self._object_class, batch_size
        )
        return cast("Iterator[T]", stream)

    def distinct(self, key: str) -> list[Value]:
        """The distinct values of ``key`` among the objects that match. Master only, as in Parse.

        Raises:
            NotOfferedError: the query is for the local datastore, here and in ``aggregate`` and ``compare_dialects``.
        """
        binding = current_binding()
        self._refuse_local("distinct")
        return cast("list[Value]", binding.engine.distinct_values(self._asked(), key, binding.principal))

    def aggregate(self, pipeline: Sequence[Mapping[str, Any]]) -> list[dict[str, Value]]:
        """The rows of an aggregation pipeline over the objects that match. Master only, as in Parse."""
        binding = current_binding()
        self._refuse_local("aggregate")
        rows = binding.engine.aggregate_rows(self._asked(), pipeline, binding.principal)
        return cast("list[dict[str, Value]]", rows)

    def subscribe(
        self, *, watch: Sequence[str] = (), resume_from: int | None = None, capacity: int = 1_000
    ) -> Subscription[T]:
        """Follow the objects that match, under the principal in force, from now on or from a journal position.

        Conditions, keys and includes count; order, limit and skip do not, as in Parse (``observe`` heeds them).

        Args:
            watch: an update or create is told only when one of these keys changes.
            resume_from: the ``resume_from`` of the last event that was handled; what was missed arrives first. Where
                the past cannot be told, ``resume_gap`` of the subscription says why and ``fresh_result`` is the result.
            capacity: how many events the queue holds; one more closes it with ``SubscriptionLagged``.

        Raises:
            ParseError: as a find refuses the query; 119 also for a watched key that is hidden.
            EngineError: no engine is open here, it keeps no journal, or a transaction is under way.
            NotOfferedError: the query is for the local datastore and is to resume.
        """
        binding = current_binding()
        subscription = binding.engine.live.subscribe(
            self._asked(),
            binding,
            self._object_class,
            watch=watch,
            resume_from=resume_from,
            capacity=capacity,
        )
        return cast("Subscription[T]", subscription)

    def observe(self) -> ObservedList[T]:
        """The ordered, limited result, kept current, with the smallest difference for each step of changes.

        Raises: as ``subscribe``.
        """
        binding = current_binding()
        observed = binding.engine.live.observe(self._asked(), binding, self._object_class)
        return cast("ObservedList[T]", observed)

    def observe_aggregate(self, *, group_by: str, sum_of: str | None = None) -> ObservedGroups:
        """How many objects match per value of ``group_by``, and the sum of ``sum_of`` over them, kept current.

        Order, limit and skip do not count. Raises: as ``subscribe``; 119 also for a key that is hidden.
        """
        binding = current_binding()
        groups = binding.engine.live.observe_groups(self._asked(), binding, group_by, sum_of)
        return cast("ObservedGroups", groups)

    def explain(self) -> Any:
        """How the query would run, stage by stage, as data that prints readably."""
        binding = current_binding()
        return binding.engine.explain_query(self._asked(), binding.principal)

    def lint(self, schema: Schema | None = None) -> list[Finding]:
        """What of this query Parse Server and the iOS local datastore can answer differently, told without
        data.

        With a schema (given, or that of the engine in force) keys hold what their fields' types allow;
        without one, a key is taken to hold values of any plain type.
        """
        from parsekit.query.lint import lint, types_of

        binding = CURRENT.get()
        known = binding.engine.schema if schema is None and binding is not None else schema
        return lint(self.state(), None if known is None else types_of(known))

    def compare_dialects(self) -> DialectComparison:
        """Run the query under both dialects and say on which objects they disagree, and by which rules.

        Raises:
            ParseError: as Parse refuses the query before it looks at an object; 119 when permissions do.
            EngineError: no engine is open here.
        """
        binding = current_binding()
        self._refuse_local("compare_dialects")
        return cast("DialectComparison", binding.engine.compare_dialects(self.state(), binding.principal))
