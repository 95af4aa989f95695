"""The read path: authorize -> shape -> statement -> rows -> objects -> includes.

A cached find is: the principal's view, the query's shape, one dictionary look-up, one statement. Queries with
sub-queries, relations, relative times or whole-object arguments go the long way around once more (``preparing``), then
the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, final

from parsekit import attrs
from parsekit.acl.clp import Operation
from parsekit.acl.guard import check_query_fields, read_operation
from parsekit.acl.policy import Access, hidden_fields_of
from parsekit.acl.system import system_refusal
from parsekit.engine.asking import Asking, selected_columns, with_all_includes
from parsekit.engine.views import PrincipalView, Views
from parsekit.errors import ObjectNotFoundError, ParseError
from parsekit.object import PFObject, hydrate
from parsekit.object_state import CONTAINER, PLAIN, POINTER, FieldEntry, ResultContext, ResultShape
from parsekit.query.ast import ALWAYS, AclTest, And, Constraint, KeyOfQuery, Node, constraints_of
from parsekit.query.keys import SCORE
from parsekit.query.plan import NotSimple, Shape, Verb, outline_of, shape_of
from parsekit.query.state import QueryState
from parsekit.storage.layout import ACL_COLUMN, NULLS_COLUMN, ClassLayout
from parsekit.storage.store import NeedsResults, StaleCatalog
from parsekit.values import MISSING, Value

if TYPE_CHECKING:
    from parsekit.acl.principal import Principal
    from parsekit.engine.core import ParseEngine
    from parsekit.engine.find_hooks import FindHooks
    from parsekit.engine.preparing import Preparation
    from parsekit.explanation import Explanation
    from parsekit.storage.binding import Compiled

__all__ = ["ReadPath"]

T = TypeVar("T")
Rows: TypeAlias = Sequence[tuple[Any, ...]]

_ATTEMPTS: Final = 20
_CONTAINERS: Final = frozenset({"Array", "Object", "File"})


_MOST_FINDS: Final = 100
"""Of so many shapes of queries the read path remembers what they are for one principal."""


@final
class _Prepared:
    """A get by id or a find that was done before: its statement, the shape of its rows, what permissions bind."""

    __slots__ = ("bound", "compiled", "shape")

    def __init__(self, compiled: Compiled, shape: ResultShape, bound: Sequence[Value] = ()) -> None:
        self.compiled = compiled
        self.shape = shape
        self.bound = bound


@final
class ReadPath:
    """Answers queries. One per engine."""

    def __init__(self, engine: ParseEngine, views: Views) -> None:
        self._engine = engine
        self._store = engine.store
        self._views = views
        self._classes = engine.class_for
        self._default_limit = engine.options.default_limit
        self._shapes: dict[Compiled, ResultShape] = {}
        self._preparation: Preparation | None = None
        self._store.on_reload(self._shapes.clear)

    @property
    def preparation(self) -> Preparation:
        """What prepares queries that are not simple."""
        if self._preparation is None:
            from parsekit.engine.preparing import Preparation

            self._preparation = Preparation(
                self._store,
                self._engine.options.clock,
                lambda class_name, object_id, principal: self.get(
                    class_name, object_id, principal, None, None
                ),
                self.result_shape,
            )
        return self._preparation

    # -- verbs -----------------------------------------------------------------------------------

    def find(
        self,
        state: QueryState,
        principal: Principal,
        kind: type[PFObject] | None,
        hooks: FindHooks | None = None,
    ) -> list[Any]:
        """The objects of a query, included ones attached, through their hooks where ``hooks`` are given."""
        place: Shape | None = None
        if not state.include and state.keys is None and not state.exclude_keys:
            try:
                place, values = outline_of(state)
                view = self._views.of(principal)
                prepared = view.finds.get(place)
                if prepared is not None:
                    return self._find_prepared(prepared, values, state.skip, view, kind)
            except (NotSimple, StaleCatalog):
                place = None
        operation = read_operation(state)

        def made(asked: QueryState, compiled: Compiled, rows: Rows, asking: Asking) -> list[Any]:
            return self.objects(asked, compiled, rows, asking, kind, hooks)

        try:
            found = self.found(state, principal, operation, made, hooks)
        except StaleCatalog:
            return self.retry(lambda: self.found(state, principal, operation, made, hooks))
        if place is not None and not self._store.database.in_write:
            self._prepare_find(place, state, principal, operation)
        return found

    def get(
        self,
        class_name: str,
        object_id: str,
        principal: Principal,
        kind: type[PFObject] | None,
        state: QueryState | None,
        hooks: FindHooks | None = None,
    ) -> Any:
        """One object by id, with the projection and includes of ``state``.

        Raises:
            ObjectNotFoundError: 101, there is none, or none that the principal may see.
        """
        if state is None:
            view = self._views.of(principal)
            prepared = view.prepared.get(class_name)
            if prepared is not None:
                try:
                    rows = self._store.run_for_one(prepared.compiled, object_id, view.ids)
                except StaleCatalog:
                    pass
                else:
                    if not rows:
                        raise ObjectNotFoundError()
                    shape = prepared.shape
                    obj = object.__new__(self._classes(shape.class_name) if kind is None else kind)
                    obj._state, obj._context = rows[0], ResultContext(shape, True)
                    return obj

        def made(asked: QueryState, compiled: Compiled, rows: Rows, asking: Asking) -> list[Any]:
            return self.objects(asked, compiled, rows, asking, kind, hooks)

        return self.got(class_name, object_id, principal, state, made, hooks)

    def got(
        self,
        class_name: str,
        object_id: str,
        principal: Principal,
        state: QueryState | None,
        made: Callable[[QueryState, Compiled, Rows, Asking], list[T]],
        hooks: FindHooks | None = None,
    ) -> T:
        """What ``made`` makes of the row of one object. Raises as ``get`` does."""
        where = Constraint("objectId", "$eq", object_id)
        if state is None:
            by_id = QueryState(class_name, where, limit=1)
        else:
            by_id = attrs.evolve(state, where=where, order=(), limit=1, skip=0, from_local=False)
        found = self.retry(lambda: self.found(by_id, principal, "get", made, hooks))
        if state is None and not self._store.database.in_write:
            self._prepare_get(by_id, principal)
        if not found:
            raise ObjectNotFoundError()
        return found[0]

    def get_prepared_row(
        self, class_name: str, object_id: str, principal: Principal
    ) -> tuple[Compiled, tuple[Any, ...]] | None:
        """The row of an object, where a get of this kind was done before; ``None`` where ``get`` has to look.

        Raises:
            ObjectNotFoundError: 101, there is none, or none that the principal may see.
        """
        view = self._views.of(principal)
        prepared = view.prepared.get(class_name)
        if prepared is None:
            return None
        try:
            rows = self._store.run_compiled(prepared.compiled, [object_id], view.ids)
        except StaleCatalog:
            return None
        if not rows:
            raise ObjectNotFoundError()
        return prepared.compiled, rows[0]

    def count(self, state: QueryState, principal: Principal) -> int:
        """How many objects match, whatever limit and skip."""
        return self.retry(lambda: self._count(state, principal))

    def stream(
        self,
        state: QueryState,
        principal: Principal,
        kind: type[PFObject] | None,
        batch_size: int,
        hooks: FindHooks | None = None,
    ) -> Iterator[Any]:
        """The objects of a query one by one, as of now, in constant memory."""
        asking = self.asking(state.class_name, principal, "find")
        if asking is None:
            return
        state = with_all_includes(state, asking.layout)
        shape, values = self._stream_shape(state, asking)
        with self._store.stream(shape, values, asking.view.ids, state.skip) as (compiled, rows):
            while batch := rows.take(batch_size):
                yield from self.objects(state, compiled, batch, asking, kind, hooks)

    def _stream_shape(self, state: QueryState, asking: Asking) -> tuple[Shape, list[Value]]:
        try:
            shape, values = self._shape(state, "find", asking, state.limit)
            self._store.plans.statement(shape)
        except NotSimple:
            return self._prepared_shape(state, "find", asking, state.limit, fill=True)
        except NeedsResults:
            return self._prepared_shape(state, "find", asking, state.limit, fill=True)
        return shape, values

    def retry(self, attempt: Callable[[], T]) -> T:
        """What ``attempt`` gives, tried anew when the catalog changed under it."""
        for _ in range(_ATTEMPTS):
            try:
                return attempt()
            except StaleCatalog:
                continue
        return attempt()

    # -- one attempt -----------------------------------------------------------------------------

    def asking(self, class_name: str, principal: Principal, operation: Operation) -> Asking | None:
        """What the reading is done with; ``None`` for a class that does not exist."""
        view = self._views.of(principal)
        reading = view.reading(class_name, operation)
        layout = self._store.catalog.layout(class_name)
        if layout is None:
            self._store.check_fresh()  # another process may have made it
            self._engine.check_class_exists(class_name, principal)
            return None
        return Asking(view, operation, reading, layout)

    def found(
        self,
        state: QueryState,
        principal: Principal,
        operation: Operation,
        made: Callable[[QueryState, Compiled, Rows, Asking], list[T]],
        hooks: FindHooks | None = None,
    ) -> list[T]:
        """What ``made`` makes of the rows of a query, in one state of the database with them; tried once.

        Raises:
            StaleCatalog: ask again.
        """
        if state.limit == 0 and not any(map(_asks, constraints_of(state.where))):
            return self._nothing(state, principal, operation)
        asking = self.asking(state.class_name, principal, operation)
        if asking is None:
            return []
        limit = self._default_limit if state.limit is None else state.limit
        if not state.include and not state.exclude_keys and state.keys is None:
            compiled, rows = self._run(state, "find", asking, limit)
            return made(state, compiled, rows, asking)
        state = with_all_includes(state, asking.layout)
        with nullcontext() if hooks is not None else self._store.snapshot():
            compiled, rows = self._run(state, "find", asking, limit)
            return made(state, compiled, rows, asking)

    def _nothing(self, state: QueryState, principal: Principal, operation: Operation) -> list[T]:
        """The answer to a limit of 0: nothing is read, and no class-level permission asked for (RestQuery.runFind).

        Raises what is refused before: classes for masters only, classes that may not be made, fields that are hidden.
        """
        refusal = system_refusal(state.class_name, operation, principal)
        if refusal is not None:
            raise refusal
        if self._store.catalog.layout(state.class_name) is None:
            self._engine.check_class_exists(state.class_name, principal)
            return []
        try:
            access = self._views.of(principal).reading(state.class_name, operation).access
        except ParseError:
            return []
        check_query_fields(state, access, principal)
        return []

    def _count(self, state: QueryState, principal: Principal) -> int:
        asking = self.asking(state.class_name, principal, "count")
        if asking is None:
            return 0
        kept = self._count_kept(state.where, asking)
        if kept is not None:
            return kept
        _, rows = self._run(QueryState(state.class_name, state.where), "count", asking, None)
        return int(rows[0][0])

    def _count_kept(self, where: Node, asking: Asking) -> int | None:
        """The count of a class or of one group of it, where totals are kept and nothing but ACLs decides."""
        reading = asking.reading
        if not isinstance(reading.conjunct, AclTest | None) or reading.unusable:
            return None
        if not asking.layout.has_totals:
            return None
        if isinstance(where, And) and len(where.children) == 1:
            where = where.children[0]
        if where == ALWAYS:
            return self._store.count_totals(asking.layout, {}, asking.view.ids)
        if isinstance(where, Constraint) and where.op == "$eq" and type(where.argument) is str:
            return self._store.count_totals(asking.layout, {where.key: where.argument}, asking.view.ids)
        return None

    def _run(
        self, state: QueryState, verb: Verb, asking: Asking, limit: int | None
    ) -> tuple[Compiled, list[tuple[Any, ...]]]:
        ids = asking.view.ids
        fill = False
        try:
            shape, values = self._shape(state, verb, asking, limit)
            return self._store.run(shape, values, ids, state.skip)
        except NotSimple:
            pass
        except NeedsResults:
            fill = True
        with self._store.snapshot():  # sub-queries and query see one state of the database
            try:
                shape, values = self._prepared_shape(state, verb, asking, limit, fill=fill)
                return self._store.run(shape, values, ids, state.skip)
            except NeedsResults:
                shape, values = self._prepared_shape(state, verb, asking, limit, fill=True)
                return self._store.run(shape, values, ids, state.skip)

    def _shape(
        self, state: QueryState, verb: Verb, asking: Asking, limit: int | None
    ) -> tuple[Shape, list[Value]]:
        reading = asking.reading
        if reading.unusable:
            check_query_fields(state, reading.access, asking.view.principal)
        columns = None
        if state.keys is not None or state.exclude_keys:
            columns = selected_columns(state, reading.access, asking.layout)
        return shape_of(state, verb, reading.conjunct, limit=limit, columns=columns, hidden=reading.hidden)

    def _prepared_shape(
        self, state: QueryState, verb: Verb, asking: Asking, limit: int | None, *, fill: bool
    ) -> tuple[Shape, list[Value]]:
        prepared = self.preparation.prepare(state, asking, fill=fill)
        reading = asking.reading
        columns = selected_columns(state, reading.access, asking.layout)
        return shape_of(prepared, verb, guarded=True, limit=limit, columns=columns, hidden=reading.hidden)

    # -- what was done before -----------------------------------------------------------------------

    def _find_prepared(
        self,
        prepared: _Prepared,
        values: list[Value],
        skip: int,
        view: PrincipalView,
        kind: type[PFObject] | None,
    ) -> list[Any]:
        if prepared.bound:
            values += prepared.bound
        rows = self._store.run_compiled(prepared.compiled, values, view.ids, skip)
        shape = prepared.shape
        found: list[Any] = hydrate(
            self._classes(shape.class_name) if kind is None else kind, rows, ResultContext(shape, True)
        )
        return found

    def _prepare_find(
        self, place: Shape, state: QueryState, principal: Principal, operation: Operation
    ) -> None:
        """Remember the statement of a find of whole objects, where nothing depends on values or on what it finds."""
        if state.limit == 0 or not self._store.plans.is_enabled:
            return
        asking = self.asking(state.class_name, principal, operation)
        if asking is None or asking.reading.per_object or not self._nests_plainly(state.where, asking.view):
            return
        limit = self._default_limit if state.limit is None else state.limit
        try:
            shape, values = self._shape(state, "find", asking, limit)
        except NotSimple:
            shape, values = self._prepared_shape(state, "find", asking, limit, fill=False)
        try:
            compiled = self._store.plans.statement(shape)
        except NeedsResults:
            return
        # what permissions bind comes behind the query's own values
        own = outline_of(state)[1]
        if len(values) < len(own) or any(a is not b for a, b in zip(own, values, strict=False)):
            return
        finds = asking.view.finds
        if len(finds) >= _MOST_FINDS:
            finds.clear()
        finds[place] = _Prepared(compiled, self.result_shape(compiled, asking.layout), values[len(own) :])

    def _nests_plainly(self, where: Node, view: PrincipalView) -> bool:
        """Whether permissions bind no values in the sub-queries of a query, and make nothing unusable there."""
        for leaf in constraints_of(where):
            inner = leaf.argument
            if not isinstance(inner, QueryState):
                continue
            reading = view.reading(inner.class_name, "find")
            if reading.unusable or not isinstance(reading.conjunct, AclTest | None):
                return False
            if not self._nests_plainly(inner.where, view):
                return False
        return True

    def _prepare_get(self, by_id: QueryState, principal: Principal) -> None:
        """Remember the statement of a plain get, where nothing of it depends on the object that it finds."""
        asking = self.asking(by_id.class_name, principal, "get")
        # pointer permissions put a value of their own into the statement, beside the id
        if asking is None or asking.reading.per_object or asking.reading.access.conjunct is not None:
            return
        try:
            shape, _ = self._shape(by_id, "find", asking, None)
            compiled = self._store.plans.statement(shape)
        except NeedsResults:
            return
        prepared = _Prepared(compiled, self.result_shape(compiled, asking.layout))
        asking.view.prepared[by_id.class_name] = prepared

    # -- rows to objects -------------------------------------------------------------------------

    def result_shape(self, compiled: Compiled, layout: ClassLayout) -> ResultShape:
        """How the rows of a statement are read."""
        shape = self._shapes.get(compiled)
        if shape is None:
            positions = {name: place for place, name in enumerate(compiled.columns)}
            shape = self._shapes[compiled] = ResultShape(
                layout.class_name,
                _field_entries(positions, layout),
                acl_at=positions[ACL_COLUMN],
                nulls_at=positions.get(NULLS_COLUMN, -1),
                acl_of=self._store.acl_json,
                relations=layout.relations,
                targets=layout.targets,
                engine=self._engine,
                classes=self._classes,
            )
        return shape

    def objects(
        self,
        state: QueryState,
        compiled: Compiled,
        rows: Sequence[tuple[Any, ...]],
        asking: Asking,
        kind: type[PFObject] | None,
        hooks: FindHooks | None = None,
    ) -> list[Any]:
        """The objects of a statement's rows: what is hidden taken away, what ``state`` includes attached."""
        partial = state.keys is not None or bool(state.exclude_keys)
        context = ResultContext(self.result_shape(compiled, asking.layout), not partial)
        objects = hydrate(self._classes(state.class_name) if kind is None else kind, rows, context)
        if asking.reading.per_object:
            # before anything is included: a refusal by the class of a hidden pointer would tell that it is there
            _strip(objects, asking.reading.access, asking.view, _unasked(state, asking))
        if state.include or partial:
            from parsekit.object_including import attach_includes

            view, fetch = asking.view, self.included if hooks is None else hooks.included
            attach_includes(objects, state, lambda query, ids: fetch(query, ids, view))
        return objects

    def included(self, query: QueryState, ids: int, view: PrincipalView) -> list[PFObject]:
        """Objects by their ids under the permissions of their own class: ``get`` for one id, ``find`` for several."""
        asking = self.including(query.class_name, ids, view)
        if asking is None:
            return []
        compiled, rows = self.included_rows(query, asking)
        whole = QueryState(query.class_name)  # what is included of these comes with the outer paths
        objects: list[PFObject] = self.objects(whole, compiled, rows, asking, None)
        if objects and (query.keys is not None or query.exclude_keys):
            objects[0].context.complete = False
        return objects

    def including(self, class_name: str, ids: int, view: PrincipalView) -> Asking | None:
        """What objects that are included are read with; ``None`` for a class that does not exist."""
        layout = self._store.catalog.layout(class_name)
        operation: Operation = "get" if ids == 1 else "find"
        reading = view.including(class_name, operation)
        return None if layout is None else Asking(view, operation, reading, layout)

    def included_rows(self, query: QueryState, asking: Asking) -> tuple[Compiled, Rows]:
        """The rows of objects that are included."""
        return self._run(query, "find", asking, query.limit)

    # -- explain ---------------------------------------------------------------------------------

    def explain(self, state: QueryState, principal: Principal) -> Explanation:
        """How the query would run; sub-queries that must run first are run."""
        return self.retry(lambda: self._explain(state, principal))

    def _explain(self, state: QueryState, principal: Principal) -> Explanation:
        from parsekit.explanation import explained, nothing_to_explain

        asking = self.asking(state.class_name, principal, "find")
        if asking is None:
            raise nothing_to_explain(state.class_name, self._store.catalog.schema.classes)
        state = with_all_includes(state, asking.layout)
        limit = self._default_limit if state.limit is None else state.limit
        first: tuple[str, ...] = ()
        try:
            shape, values = self._shape(state, "find", asking, limit)
        except NotSimple:
            shape, values = self._prepared_shape(state, "find", asking, limit, fill=False)
        try:
            found = self._store.explain(shape, values, asking.view.ids, state.skip)
        except NeedsResults:
            first = tuple(f"{leaf.key} {leaf.op}" for leaf in constraints_of(state.where) if _asks(leaf))
            shape, values = self._prepared_shape(state, "find", asking, limit, fill=True)
            found = self._store.explain(shape, values, asking.view.ids, state.skip)
        return explained(state, principal, asking.reading.conjunct, shape, found, first=first)


def _unasked(state: QueryState, asking: Asking) -> frozenset[str]:
    """Keys that were read only because they decide what is hidden."""
    deciding = asking.reading.access.deciding_fields - {"objectId"}
    asked = selected_columns(state, Access(state.class_name), asking.layout)
    return frozenset() if asked is None else deciding - asked


def _strip(objects: Iterable[PFObject], access: Access, view: PrincipalView, unasked: frozenset[str]) -> None:
    """Take from each object what the principal does not see of it, and what nobody asked for."""
    for obj in objects:
        fields = {key: obj.raw(key) for key in access.deciding_fields}
        known = {key: value for key, value in fields.items() if value is not MISSING}
        obj.hide(hidden_fields_of(known, access, view.principal) | unasked)


def _asks(leaf: Constraint) -> bool:
    return isinstance(leaf.argument, QueryState | KeyOfQuery)


def _field_entries(positions: dict[str, int], layout: ClassLayout) -> dict[str, FieldEntry]:
    fields: dict[str, FieldEntry] = {}
    for column in layout.stored_columns():
        place = positions.get(column.names[0])
        if place is None:
            continue
        kind = column.field.type
        presented = POINTER if kind == "Pointer" else CONTAINER if kind in _CONTAINERS else PLAIN
        at: Any = slice(place, place + 2) if len(column.names) == 2 else place
        fields[column.key] = (at, column.decode, presented)
    if SCORE in positions:
        fields["score"] = (positions[SCORE], None, PLAIN)
    return fields
