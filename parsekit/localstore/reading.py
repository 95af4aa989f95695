"""Queries on the local datastore: rows by SQL as far as nothing can fail, the rest in row order, includes attached.

Permissions are conditions of the query: the ACL, of which the current user's own object is exempt; class-level
permissions are the server's alone (ios_sdk.md 3.6). What goes to SQL is decided in ``division``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

from parsekit import attrs
from parsekit.errors import CacheMissError, NestedKeyError, ObjectNotFoundError
from parsekit.explanation import Explanation, explained, nothing_to_explain
from parsekit.localstore.division import Division, divide
from parsekit.localstore.lookup import number_of
from parsekit.localstore.objects import Found
from parsekit.object_including import attach_includes
from parsekit.query.ast import And, Constraint, constraints_of, describe
from parsekit.query.dialect import Dialect
from parsekit.query.evaluate import page
from parsekit.query.keys import INCLUDE_ALL
from parsekit.query.matcher import compile_predicate
from parsekit.query.ordering import sort_objects
from parsekit.query.paths import real_key
from parsekit.query.state import QueryState
from parsekit.storage.local_graph import LocalGraph
from parsekit.storage.local_rows import Row, read_row
from parsekit.storage.store import StaleCatalog
from parsekit.values import MISSING, Missing, Pointer, Value

if TYPE_CHECKING:
    from parsekit.acl.principal import Principal
    from parsekit.localstore.datastore import LocalDatastore
    from parsekit.object import PFObject

__all__ = ["Reading"]

T = TypeVar("T")

_NO_LIMIT: Final = 2**62
_ATTEMPTS: Final = 20


@final
class Reading:
    """Answers the queries of one local datastore."""

    def __init__(self, datastore: LocalDatastore) -> None:
        self._datastore = datastore
        self._store = datastore.store

    # -- verbs -----------------------------------------------------------------------------------

    def find(self, state: QueryState, principal: Principal, kind: type[Any] | None = None) -> list[Any]:
        """The objects of a query, included ones attached.

        Raises:
            InvalidQueryError: 102, an object cannot be tested or ordered.
            CacheMissError: 120, under IOS_LOCAL, an include leads to what is not stored here.
            NestedKeyError: 121, under IOS_LOCAL, an include leads through what is no object.
        """

        def attempt() -> list[Any]:
            with self._store.snapshot():
                division = self._divide(state, principal)
                return [] if division is None else self._objects(division, kind)

        return self._retry(attempt)

    def stream(self, state: QueryState, principal: Principal, kind: type[Any] | None) -> Iterator[Any]:
        """The objects of a query one by one; no default limit applies."""
        limit = _NO_LIMIT if state.limit is None else state.limit
        return iter(self.find(attrs.evolve(state, limit=limit), principal, kind))

    def get(
        self, state: QueryState, object_id: str, principal: Principal, kind: type[Any] | None = None
    ) -> Any:
        """One object by id; conditions of the query are left aside.

        Raises:
            ObjectNotFoundError: 101, there is none here, or none that the principal may see.
        """
        where = Constraint("objectId", "$eq", object_id)
        found = self.find(attrs.evolve(state, where=where, order=(), limit=1, skip=0), principal, kind)
        if not found:
            raise ObjectNotFoundError("No results matched the query.")
        return found[0]

    def count(self, state: QueryState, principal: Principal) -> int:
        """How many objects match, whatever order, limit and skip. Raises as ``find`` does, but for orders."""
        whole = attrs.evolve(state, order=(), skip=0, limit=_NO_LIMIT)

        def attempt() -> int:
            with self._store.snapshot():
                division = self._divide(whole, principal)
                if division is None:
                    return 0
                if division.in_sql and not (state.include and division.rules.include_may_fail):
                    shape, values = attrs.evolve(division, state=attrs.evolve(whole, limit=None)).shape(
                        "count"
                    )
                    return int(self._store.run(shape, values, division.ids)[1][0][0])
                rows = self.rows(division)
                if division.rules.include_may_fail:
                    self._check_includes(rows, state)
                return len(rows)

        return self._retry(attempt)

    def explain(self, state: QueryState, principal: Principal) -> Explanation:
        """How the query would run; sub-queries that must run first are run.

        Raises:
            ClassNameError: 103, nothing of the class is stored here.
        """
        with self._store.snapshot():
            division = self._divide(state, principal)
            if division is None:
                raise nothing_to_explain(state.class_name, self._store.catalog.schema.classes)
            shape, values = division.shape("find")
            found = self._store.explain(shape, values, division.ids, division.state.skip)
            return explained(
                attrs.evolve(division.state, dialect=division.rules),
                principal,
                division.visible,
                shape,
                found,
                first=division.first,
                in_row_order=_in_row_order(division),
            )

    def _retry(self, attempt: Callable[[], T]) -> T:
        for _ in range(_ATTEMPTS):
            try:
                return attempt()
            except StaleCatalog:  # another process changed the layout
                continue
        return attempt()

    def rules(self, state: QueryState) -> Dialect:
        """The dialect that a query is answered under."""
        return state.dialect or self._datastore.dialect

    def _divide(self, state: QueryState, principal: Principal) -> Division | None:
        return divide(self._datastore, state, principal, self.rules(state))

    # -- rows ------------------------------------------------------------------------------------

    def _rows(self, division: Division) -> list[Row]:
        """The rows of the results."""
        shape, values = division.shape("find")
        _, rows = self._store.run(shape, values, division.ids, division.state.skip)
        if self._store.catalog.layout(division.layout.class_name) is not division.layout:
            raise StaleCatalog  # what was said not to fail was said of another layout
        if division.in_sql:
            return rows
        objects, layout = self._datastore.objects, division.layout
        rows.sort(key=lambda row: objects.number(layout, row))
        if division.members is not None:
            rows = [row for row in rows if objects.number(layout, row) in division.members]
        keys = _looked_at(division)
        found = [objects.tested(layout, row, keys) for row in rows]
        if division.rest is not None:
            predicate = compile_predicate(division.rest, division.rules, division.lookup)
            found = list(filter(predicate, found))
        state, rules = division.state, division.rules
        found = page(sort_objects(found, state.order, state.where, rules), state, rules)
        return [item.row for item in found]

    def rows(self, division: Division) -> list[Found]:
        """The results as the matcher sees them."""
        return [self._datastore.objects.fields(division.layout, row) for row in self._rows(division)]

    def matching(self, state: QueryState, principal: Principal, rules: Dialect) -> list[Found]:
        """The results of a sub-query, as the matcher sees them."""
        division = divide(self._datastore, state, principal, rules)
        rows = [] if division is None else self.rows(division)
        if state.include and rules.include_may_fail:
            self._check_includes(rows, state)
        return rows

    # -- objects ---------------------------------------------------------------------------------

    def _objects(self, division: Division, kind: type[Any] | None) -> list[Any]:
        state, rules = division.state, division.rules
        rows = self._rows(division)
        if state.include and rules.include_may_fail:
            fields = self._datastore.objects.fields
            self._check_includes([fields(division.layout, row) for row in rows], state)
        objects = self._datastore.objects.hydrate(division.layout, rows, kind)
        if state.include:
            paths = state.include if rules.projects else tuple(path for path in state.include if path != "*")
            self._attach(objects, attrs.evolve(state, include=paths, keys=None, exclude_keys=()))
        if rules.projects and (state.keys is not None or state.exclude_keys):
            return [self._datastore.objects.projected(obj, state) for obj in objects]
        return objects

    def _attach(self, objects: list[PFObject], state: QueryState) -> None:
        if "*" in state.include or INCLUDE_ALL in state.include:
            layout = self._store.catalog.layouts[state.class_name]
            fields = layout.schema.fields.items()
            pointers = [key for key, field in fields if field.type in ("Pointer", "Array", "Mixed")]
            rest = [path for path in state.include if path not in ("*", INCLUDE_ALL)]
            state = attrs.evolve(state, include=tuple(dict.fromkeys([*pointers, *rest])))
        if state.include:
            attach_includes(objects, state, lambda query, _ids: self.by_ids(query))

    def by_ids(self, query: QueryState) -> list[PFObject]:
        """Objects by their ids, whoever asks: an include is not tested for its ACL (ios_sdk.md 3.5)."""
        layout = self._store.catalog.layout(query.class_name)
        if layout is None:
            return []
        connection = self._store.database.reader()
        graph = LocalGraph(connection)
        assert isinstance(query.where, Constraint)
        rows = []
        for identity in query.where.argument:
            number = number_of(graph, Pointer(query.class_name, identity))
            row = None if number is None else read_row(connection, layout, number)
            if row is not None:
                rows.append(row)
        return self._datastore.objects.hydrate(layout, rows, None)

    # -- includes that fail ------------------------------------------------------------------------

    def _check_includes(self, rows: Sequence[Mapping[str, Value]], state: QueryState) -> None:
        for path in state.include:  # `*` is a key like any other there (D31)
            first, *rest = path.split(".")
            for row in rows:
                self._check_include(row.get(first, MISSING), rest)

    def _check_include(self, value: Value | Missing, rest: Sequence[str]) -> None:
        """Refuse an include that leads nowhere, as the SDK does (ios_sdk.md 3.5)."""
        if value is None or value is MISSING:
            return
        if isinstance(value, list):
            for item in value:
                self._check_include(item, rest)
        elif isinstance(value, Pointer):
            fields = self._stored(value)
            if fields is None:
                raise CacheMissError("This object is not available in the offline cache.")
            if rest:
                self._check_include(fields.get(rest[0], MISSING), rest[1:])
        elif isinstance(value, dict) and rest:
            self._check_include(value.get(rest[0], MISSING), rest[1:])
        elif rest:
            raise NestedKeyError("include is invalid")
        else:
            raise NestedKeyError("include is invalid for non-ParseObjects")

    def _stored(self, pointer: Pointer) -> Mapping[str, Value] | None:
        layout = self._store.catalog.layout(pointer.class_name)
        connection = self._store.database.reader()
        number = number_of(LocalGraph(connection), pointer)
        row = None if layout is None or number is None else read_row(connection, layout, number)
        return None if layout is None or row is None else self._datastore.objects.fields(layout, row)


def _looked_at(division: Division) -> frozenset[str]:
    """The keys that are tested or ordered by."""
    tested = [leaf.key for leaf in constraints_of(division.state.where)]
    ordered = [item.key for item in division.state.order]
    return frozenset(real_key(key.partition(".")[0]) for key in (*tested, *ordered))


def _in_row_order(division: Division) -> tuple[str, ...]:
    """What is done object by object after the statement, in words."""
    parts = division.rest.children if isinstance(division.rest, And) else (division.rest,)
    done = [describe(part) for part in parts if part is not None]
    if division.members is not None:
        done.insert(0, f"the pin {division.state.pin}")
    keys = ", ".join(f"{'-' if item.descending else ''}{item.key}" for item in division.state.order)
    return (*done, f"order by {keys}") if keys and not division.in_sql else tuple(done)
