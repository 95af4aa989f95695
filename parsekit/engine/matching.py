"""Queries under another dialect than the server's: by the same plans and indexes where that is exact.

Under ``Dialect.IOS_LOCAL`` an object that cannot be tested fails the whole query, so an index, which never looks at
most objects, would answer where iOS does not. ``query.failing`` tells from the schema which conditions can fail. Those
before the first of them go to SQL; what they let pass is matched by the rest in row order, and ordered in Python where
an order can fail. Where nothing can, which is the common case, all of it is one statement.

Permissions are conjuncts here too; whether roles count in an ACL is a rule of the dialect. Sub-queries that cannot fail
run beforehand and their results stand in their place; the others run when the first object is tested, as on iOS.

Not said here: what the dialect means (``query.dialect``, ``query.matcher``), how it becomes SQL (``storage``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

from parsekit import attrs
from parsekit.acl.clp import Operation
from parsekit.acl.guard import read_operation
from parsekit.acl.principal import Principal, principal_ids
from parsekit.engine.asking import Asking
from parsekit.engine.comparing import DialectLookup, ReadableObjects, row_of
from parsekit.explanation import Explanation, explained, nothing_to_explain
from parsekit.object import PFObject
from parsekit.object_including import attach_includes
from parsekit.object_state import ResultContext
from parsekit.query.ast import (
    NEVER,
    And,
    Constraint,
    KeyOfQuery,
    Node,
    Nor,
    Or,
    RelatedTo,
    RelativeTime,
    constraints_of,
    describe,
)
from parsekit.query.dialect import Dialect
from parsekit.query.evaluate import page
from parsekit.query.failing import Failures
from parsekit.query.keys import INCLUDE_ALL
from parsekit.query.matcher import compile_predicate
from parsekit.query.ordering import is_simple_order_key, sort_objects
from parsekit.query.paths import real_key
from parsekit.query.plan import Shape, Verb, shape_of
from parsekit.query.relative_time import resolve_relative_time
from parsekit.query.state import QueryState
from parsekit.storage.store import StaleCatalog
from parsekit.values import MISSING, Kind, Pointer, Value

if TYPE_CHECKING:
    from parsekit.engine.core import ParseEngine
    from parsekit.engine.views import PrincipalView
    from parsekit.storage.binding import Compiled

__all__ = ["DialectReads", "Division"]

_SPOKEN = (Dialect.SERVER, Dialect.IOS_LOCAL)
"""The dialects that law L1 is tested for; under any other rules every object is matched."""

_ONLY_ID = frozenset({"objectId"})
_NOT_STORED = frozenset({"ACL", "className"})


@final
@attrs.frozen(slots=True)
class Division:
    """A query under another dialect: ``sure`` cannot fail, ``rest`` is matched in row order (``None``: nothing).

    ``sorts`` tells whether the order can fail, so that the results are ordered in Python.
    """

    state: QueryState
    rules: Dialect
    asking: Asking
    ids: frozenset[str] | None
    sure: Node
    rest: Node | None
    sorts: bool

    @property
    def in_sql(self) -> bool:
        """Whether one statement answers the query."""
        return self.rest is None and not self.sorts

    @property
    def in_row_order(self) -> tuple[str, ...]:
        """What is done object by object after the statement, in words."""
        parts = self.rest.children if isinstance(self.rest, And) else (self.rest,)
        tested = tuple(describe(part) for part in parts if part is not None)
        keys = ", ".join(f"{'-' if item.descending else ''}{item.key}" for item in self.state.order)
        return (*tested, f"order by {keys}") if keys and not self.in_sql else tested

    def shape(self, verb: Verb, columns: frozenset[str] | None = None) -> tuple[Shape, list[Value]]:
        """The shape of what goes to SQL: the whole query, or the objects that the rest is tested on, in row order."""
        state, limit = attrs.evolve(self.state, where=self.sure), self.state.limit
        if not self.in_sql:
            state, limit = attrs.evolve(state, order=(), skip=0), None
        elif self.rules.default_limit is not None and limit is None:
            limit = self.rules.default_limit
        reading = self.asking.reading
        return shape_of(
            state,
            verb,
            _conjunct(reading.conjunct),
            guarded=True,
            limit=limit,
            columns=columns,
            hidden=reading.hidden,
            rules=self.rules,
        )


def _conjunct(node: Node | None) -> Node | None:
    """Permissions in words that no dialect's rules touch: an array with a pointer among its elements equals it."""
    if isinstance(node, And | Or | Nor):
        return attrs.evolve(node, children=tuple(child for child in map(_conjunct, node.children) if child))
    if isinstance(node, Constraint) and node.op == "$all":
        return And(tuple(Constraint(node.key, "$eq", item) for item in node.argument))
    return node


@final
class DialectReads:
    """Answers queries under other dialects than the store's. One per engine."""

    def __init__(self, engine: ParseEngine) -> None:
        self._engine = engine
        self._store = engine.store
        self._reads = engine.reads

    def find(self, state: QueryState, principal: Principal, kind: type[PFObject] | None) -> list[Any]:
        """The objects of a query, included ones attached.

        Raises:
            InvalidQueryError: 102, an object cannot be tested or ordered; on iOS the query fails or the app crashes.
        """

        def attempt() -> list[Any]:
            with self._store.snapshot():
                division = self.divide(state, principal, read_operation(state))
                if division is None:
                    return []
                found = self._objects(division, kind)
                self._include(found, state, division.asking.view)
                return found

        return self._reads.retry(attempt)

    def count(self, state: QueryState, principal: Principal) -> int:
        """How many objects match. Raises as ``find`` does, but for orders."""

        def attempt() -> int:
            with self._store.snapshot():
                division = self.divide(attrs.evolve(state, order=(), skip=0, limit=None), principal, "count")
                if division is None:
                    return 0
                if division.in_sql:
                    return int(self._run(division, "count")[1][0][0])
                return len(self._objects(division, None))

        return self._reads.retry(attempt)

    def stream(
        self, state: QueryState, principal: Principal, kind: type[PFObject] | None, batch_size: int
    ) -> Iterator[Any]:
        """The objects of a query one by one; in constant memory where one statement answers it."""
        with self._store.snapshot():
            division = self._reads.retry(lambda: self.divide(state, principal, "find"))
        if division is None:
            return
        if not division.in_sql:
            yield from self.find(state, principal, kind)
            return
        shape, values = division.shape("find")
        with self._store.stream(shape, values, division.ids, state.skip) as (compiled, rows):
            while batch := rows.take(batch_size):
                found = self._hydrated(division, compiled, batch, kind)
                self._include(found, state, division.asking.view)
                yield from found

    def explain(self, state: QueryState, principal: Principal) -> Explanation:
        """How the query would run; sub-queries that cannot fail are run."""

        def attempt() -> Explanation:
            with self._store.snapshot():
                division = self.divide(state, principal, "find")
                if division is None:
                    raise nothing_to_explain(state.class_name, self._store.catalog.schema.classes)
                shape, values = division.shape("find")
                found = self._store.explain(shape, values, division.ids, state.skip)
                later = _sub_queries(division.state.where)
                return explained(
                    division.state,
                    principal,
                    division.asking.reading.conjunct,
                    shape,
                    found,
                    first=tuple(place for place in _sub_queries(state.where) if place not in later),
                    in_row_order=division.in_row_order,
                )

        return self._reads.retry(attempt)

    # -- dividing ----------------------------------------------------------------------------------

    def divide(
        self, state: QueryState, principal: Principal, operation: Operation, *, inner: bool = False
    ) -> Division | None:
        """What of a query goes to SQL and what is matched in row order; ``None`` for a class that does not exist.

        ``inner`` for a sub-query, whose ``ignore_acls`` counts. Sub-queries that cannot fail are run.
        """
        asking = self._reads.asking(state.class_name, principal, operation)
        if asking is None:
            return None
        rules = state.dialect or Dialect.SERVER
        failures = Failures(rules, lambda key: _kinds(asking, key) if rules in _SPOKEN else None)
        where = self._prepared(state.where, asking, rules, failures)
        sure, rest = failures.divide(where)
        order = tuple(
            attrs.evolve(item, key=real_key(item.key)) if is_simple_order_key(item) else item
            for item in state.order
        )
        ids = asking.view.ids
        if ids is not None and not rules.roles_grant and not (inner and state.ignore_acls):
            ids = principal_ids(principal)
        sorts = failures.order(order)
        return Division(attrs.evolve(state, where=where, order=order), rules, asking, ids, sure, rest, sorts)

    def _prepared(self, node: Node, asking: Asking, rules: Dialect, failures: Failures) -> Node:
        """The tree with relative times made absolute, results in place of sub-queries that cannot fail, real keys."""
        if isinstance(node, And | Or | Nor):
            children = (self._prepared(child, asking, rules, failures) for child in node.children)
            return attrs.evolve(node, children=tuple(children))
        if not isinstance(node, Constraint):
            return node
        root, dot, rest = node.key.partition(".")
        node = attrs.evolve(node, key=f"{real_key(root)}{dot}{rest}")
        argument = node.argument
        if isinstance(argument, RelativeTime):
            now = self._engine.options.clock()
            return attrs.evolve(node, argument=resolve_relative_time(argument, now))
        if isinstance(argument, RelatedTo):
            return node if self._reads.preparation.may_traverse(argument, asking.view) else NEVER
        if isinstance(argument, QueryState):
            return self._in_query(node, argument, asking.view.principal, rules)
        if isinstance(argument, KeyOfQuery):
            return self._select(node, argument, asking.view.principal, rules, failures)
        return node

    def _inner(self, query: QueryState, principal: Principal, rules: Dialect) -> Division | None:
        query = self._reads.preparation.redirected(attrs.evolve(query, dialect=rules, include=()))
        if not rules.subquery_pages:
            query = attrs.evolve(query, order=(), skip=0, limit=None)
        return self.divide(query, principal, "find", inner=True)

    def _in_query(self, node: Constraint, query: QueryState, principal: Principal, rules: Dialect) -> Node:
        division = self._inner(query, principal, rules)
        negative = node.op == "$notInQuery"
        if division is not None and not division.in_sql:
            return node
        found: tuple[Value, ...] = ()
        if division is not None:
            class_name = division.state.class_name
            found = tuple(Pointer(class_name, row[0]) for row in self._run(division, "ids")[1])
        return Constraint(node.key, "$nin" if negative else "$in", found)

    def _select(
        self, node: Constraint, argument: KeyOfQuery, principal: Principal, rules: Dialect, failures: Failures
    ) -> Node:
        """``$select`` of a scalar key is ``$in``; an array is compared as a whole, which only the matcher does."""
        kinds = None if "." in node.key else failures.kinds(node.key)
        division = self._inner(argument.query, principal, rules)
        key = argument.key
        plain = kinds is not None and "array" not in kinds and "." not in key and key not in _NOT_STORED
        if not plain or (division is not None and not division.in_sql):
            return node
        found: list[Value] = []
        if division is not None:
            reading = division.asking.reading
            if key in reading.unusable or key in reading.hidden:
                return node
            for value in self._values(division, key):
                found.extend(value if isinstance(value, list) else () if value is MISSING else (value,))
        return Constraint(node.key, "$nin" if node.op == "$dontSelect" else "$in", tuple(found))

    def _values(self, division: Division, key: str) -> Iterator[Any]:
        compiled, rows = self._run(division, "find", _ONLY_ID | {key})
        context = ResultContext(self._reads.result_shape(compiled, division.asking.layout), True)
        return (context.read(key, row) for row in rows)

    # -- running -----------------------------------------------------------------------------------

    def _run(
        self, division: Division, verb: Verb, columns: frozenset[str] | None = None
    ) -> tuple[Compiled, list[tuple[Any, ...]]]:
        shape, values = division.shape(verb, columns)
        found = self._store.run(shape, values, division.ids, division.state.skip)
        layout = division.asking.layout
        if self._store.catalog.layout(layout.class_name) is not layout:
            raise StaleCatalog  # what was said not to fail was said of another schema
        return found

    def _hydrated(
        self,
        division: Division,
        compiled: Compiled,
        rows: Sequence[tuple[Any, ...]],
        kind: type[PFObject] | None,
    ) -> list[PFObject]:
        whole = QueryState(division.state.class_name)
        return self._reads.objects(whole, compiled, rows, division.asking, kind)

    def _objects(self, division: Division, kind: type[PFObject] | None) -> list[PFObject]:
        compiled, rows = self._run(division, "find")
        found = self._hydrated(division, compiled, rows, kind)
        if division.in_sql:
            return found
        state, rules = division.state, division.rules
        by_id = {str(obj.object_id): obj for obj in found}
        candidates = list(map(row_of, found))
        if division.rest is not None:
            objects = ReadableObjects(self._engine, division.asking.view.principal)
            lookup = DialectLookup(objects, state.class_name, rules, self._sub_results)
            candidates = list(filter(compile_predicate(division.rest, rules, lookup), candidates))
        ordered = sort_objects(candidates, state.order, state.where, rules)
        return [by_id[str(row["objectId"])] for row in page(ordered, state, rules)]

    def _sub_results(
        self, query: QueryState, principal: Principal, rules: Dialect
    ) -> list[Mapping[str, Value]]:
        division = self._inner(query, principal, rules)
        return [] if division is None else list(map(row_of, self._objects(division, PFObject)))

    def _include(self, objects: list[PFObject], state: QueryState, view: PrincipalView) -> None:
        # iOS takes "*" for a key of that name
        paths = tuple(path for path in state.include if path not in ("*", INCLUDE_ALL))
        if paths:
            asked = QueryState(state.class_name, include=paths)
            attach_includes(objects, asked, lambda query, ids: self._reads.included(query, ids, view))


def _sub_queries(where: Node) -> tuple[str, ...]:
    """The conditions that ask other objects, in words."""
    leaves = constraints_of(where)
    return tuple(describe(leaf) for leaf in leaves if isinstance(leaf.argument, QueryState | KeyOfQuery))


def _kinds(asking: Asking, key: str) -> frozenset[Kind] | None:
    """What objects can hold under a key, ``None`` where SQL does not see what the principal sees."""
    reading = asking.reading
    if key == "ACL" or key in reading.unusable or key in reading.hidden:
        return None
    return asking.layout.kinds_of(key)
