"""The read path: authorize -> shape -> statement -> rows -> objects -> includes.

A cached find is: the principal's view, the query's shape, one dictionary look-up, one statement. Queries with
sub-queries, relations, relative times or whole-object arguments take the long way once more around: ``prepare`` checks
them against the schema, guards each part and runs what SQL cannot express, then they go the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

import attrs

from parsekit.acl.clp import Operation
from parsekit.acl.guard import check_query_fields, check_relation_key, guard_query
from parsekit.acl.policy import Access, hidden_fields_of
from parsekit.engine.explaining import Explanation
from parsekit.engine.views import PrincipalView, Reading, Views
from parsekit.errors import ClassNameError, ObjectNotFoundError, ParseError, did_you_mean
from parsekit.object import PFObject, hydrate
from parsekit.object_state import CONTAINER, PLAIN, POINTER, FieldEntry, ResultContext, ResultShape
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
from parsekit.query.keys import include_paths
from parsekit.query.plan import NotSimple, Shape, Verb, shape_of
from parsekit.query.relative_time import resolve
from parsekit.query.state import QueryState
from parsekit.query.where import check_against_schema
from parsekit.storage.layout import ACL_COLUMN, NULLS_COLUMN, ClassLayout
from parsekit.storage.store import NeedsResults, StaleCatalog, Store
from parsekit.values import MISSING, Missing, Pointer, Value

if TYPE_CHECKING:
    from parsekit.acl.principal import Principal
    from parsekit.storage.compiler import Compiled

__all__ = ["ReadPath"]

T = TypeVar("T")

_ATTEMPTS: Final = 20
_ALWAYS_RETURNED: Final = frozenset({"objectId", "createdAt", "updatedAt"})
_CONTAINERS: Final = frozenset({"Array", "Object", "File"})


@final
class _Prepared:
    """A get by id that was done before: its statement, and the shape of its row."""

    __slots__ = ("compiled", "shape")

    def __init__(self, compiled: Compiled, shape: ResultShape) -> None:
        self.compiled = compiled
        self.shape = shape


@final
class ReadPath:
    """Answers queries. One per engine."""

    def __init__(
        self,
        store: Store,
        views: Views,
        classes: Callable[[str], type[PFObject]],
        clock: Callable[[], datetime],
        default_limit: int,
        engine: Any,
    ) -> None:
        self._store = store
        self._views = views
        self._classes = classes
        self._clock = clock
        self._default_limit = default_limit
        self._engine = engine
        self._shapes: dict[Compiled, ResultShape] = {}
        store.on_reload(self._shapes.clear)

    # -- verbs -----------------------------------------------------------------------------------

    def find(self, state: QueryState, principal: Principal, kind: type[PFObject] | None) -> list[Any]:
        """The objects of a query, included ones attached."""
        try:
            return self._find(state, principal, kind, "find")
        except StaleCatalog:
            return self._retry(lambda: self._find(state, principal, kind, "find"))

    def get(
        self, class_name: str, object_id: str, principal: Principal, kind: type[PFObject] | None, state: QueryState | None
    ) -> Any:
        """One object by id. ``ObjectNotFoundError`` when there is none that the principal may see."""
        if state is None:
            prepared = self._views.of(principal).prepared.get(class_name)
            if prepared is not None:
                try:
                    return self._get_prepared(prepared, object_id, principal, kind)
                except StaleCatalog:
                    pass
        where = Constraint("objectId", "$eq", object_id)
        by_id = (
            QueryState(class_name, where, limit=1)
            if state is None
            else attrs.evolve(state, where=where, order=(), limit=1, skip=0, from_local=False)
        )
        found = self._retry(lambda: self._find(by_id, principal, kind, "get"))
        if state is None and not self._store.database.in_write:
            self._prepare_get(by_id, principal)
        if not found:
            raise ObjectNotFoundError()
        return found[0]

    def _get_prepared(
        self, prepared: _Prepared, object_id: str, principal: Principal, kind: type[PFObject] | None
    ) -> Any:
        rows = self._store.run_compiled(prepared.compiled, [object_id], self._views.of(principal).ids)
        if not rows:
            raise ObjectNotFoundError()
        shape = prepared.shape
        obj = object.__new__(self._classes(shape.class_name) if kind is None else kind)
        obj._state, obj._context = rows[0], ResultContext(shape, True)
        return obj

    def _prepare_get(self, by_id: QueryState, principal: Principal) -> None:
        """Remember the statement of a plain get, where nothing of it depends on the object that it finds."""
        view = self._views.of(principal)
        reading = view.reading(by_id.class_name, "get")
        layout = self._store.catalog.layout(by_id.class_name)
        if layout is None or reading.per_object:
            return
        shape, _ = self._shape(by_id, "find", view, "get", reading, layout, None)
        compiled = self._store.plans.statement(shape)
        view.prepared[by_id.class_name] = _Prepared(compiled, self._result_shape(compiled, layout))

    def count(self, state: QueryState, principal: Principal) -> int:
        """How many objects match, whatever limit and skip."""
        return self._retry(lambda: self._count(state, principal))

    def stream(
        self, state: QueryState, principal: Principal, kind: type[PFObject] | None, batch_size: int
    ) -> Iterator[Any]:
        """The objects of a query one by one, as of now, in constant memory."""
        layout = self._layout(state.class_name)
        view = self._views.of(principal)
        reading = view.reading(state.class_name, "find")
        if layout is None:
            return
        shape, values = self._shape(state, "find", view, "find", reading, layout, state.limit)
        with self._store.stream(shape, values, view.ids, state.skip) as (compiled, rows):
            iterator = iter(rows)
            while batch := list(islice(iterator, batch_size)):
                yield from self._objects(state, compiled, batch, layout, view, reading, kind)

    def explain(self, state: QueryState, principal: Principal) -> Explanation:
        """How the query would run; sub-queries that must run first are run."""
        return self._retry(lambda: self._explain(state, principal))

    def _explain(self, state: QueryState, principal: Principal) -> Explanation:
        view = self._views.of(principal)
        reading = view.reading(state.class_name, "find")
        layout = self._layout(state.class_name)
        if layout is None:
            raise ClassNameError(
                f"Class {state.class_name} does not exist.",
                hint="there is nothing to explain" + did_you_mean(state.class_name, self._store.catalog.schema.classes),
            )
        state = _include_all(state, layout)
        limit = self._default_limit if state.limit is None else state.limit
        conjunct = reading.conjunct
        guarded = state if conjunct is None else attrs.evolve(state, where=And((state.where, conjunct)))
        first: tuple[str, ...] = ()
        shape, values = self._shape(state, "find", view, "find", reading, layout, limit)
        try:
            found = self._store.explain(shape, values, view.ids, state.skip)
        except NeedsResults:
            first = tuple(f"{leaf.key} {leaf.op}" for leaf in constraints_of(state.where) if _is_subquery(leaf))
            guarded = self._prepare(state, view, "find", layout, run_all=True)
            shape, values = self._bare_shape(guarded, "find", reading, layout, limit)
            found = self._store.explain(shape, values, view.ids, state.skip)
        compiled, bindings, statement, cached = found
        return Explanation(
            class_name=state.class_name,
            dialect="SERVER",
            principal=principal.kind if principal.user_id is None else f"user {principal.user_id}",
            where=guarded.where,
            shape=shape,
            cached=cached,
            sql=compiled.sql,
            bindings=tuple(type(item).__name__ for item in bindings),
            sqlite=statement.steps,
            scans=statement.scans,
            sorts=statement.sorts,
            in_python=(*compiled.residual, *compiled.notes),
            first=first,
            includes=include_paths(state),
            advice=statement.advice,
        )

    def _retry(self, attempt: Callable[[], T]) -> T:
        for _ in range(_ATTEMPTS):
            try:
                return attempt()
            except StaleCatalog:
                continue
        return attempt()

    # -- one attempt -----------------------------------------------------------------------------

    def _layout(self, class_name: str) -> ClassLayout | None:
        layout = self._store.catalog.layout(class_name)
        if layout is None:
            self._store.check_fresh()  # another process may have made it
        return layout

    def _find(
        self, state: QueryState, principal: Principal, kind: type[PFObject] | None, operation: Operation
    ) -> list[Any]:
        class_name = state.class_name
        view = self._views.of(principal)
        reading = view.reading(class_name, operation)
        layout = self._layout(class_name)
        if layout is None:
            self._engine.check_class_exists(class_name, principal)
            return []
        limit = self._default_limit if state.limit is None else state.limit
        if not state.include and not state.exclude_keys and state.keys is None:
            compiled, rows = self._run(state, "find", view, operation, reading, layout, limit)
            return self._objects(state, compiled, rows, layout, view, reading, kind)
        state = _include_all(state, layout)
        with self._store.snapshot():
            compiled, rows = self._run(state, "find", view, operation, reading, layout, limit)
            return self._objects(state, compiled, rows, layout, view, reading, kind)

    def _count(self, state: QueryState, principal: Principal) -> int:
        view = self._views.of(principal)
        reading = view.reading(state.class_name, "count")
        layout = self._layout(state.class_name)
        if layout is None:
            self._engine.check_class_exists(state.class_name, principal)
            return 0
        bare = attrs.evolve(state, order=(), limit=None, skip=0, keys=None, exclude_keys=(), include=())
        _, rows = self._run(bare, "count", view, "count", reading, layout, None)
        return int(rows[0][0])

    def _run(
        self,
        state: QueryState,
        verb: Verb,
        view: PrincipalView,
        operation: Operation,
        reading: Reading,
        layout: ClassLayout,
        limit: int | None,
    ) -> tuple[Compiled, list[tuple[Any, ...]]]:
        shape, values = self._shape(state, verb, view, operation, reading, layout, limit)
        try:
            return self._store.run(shape, values, view.ids, state.skip)
        except NeedsResults:
            prepared = self._prepare(state, view, operation, layout, run_all=True)
            shape, values = self._bare_shape(prepared, verb, reading, layout, limit)
            return self._store.run(shape, values, view.ids, state.skip)

    def _shape(
        self,
        state: QueryState,
        verb: Verb,
        view: PrincipalView,
        operation: Operation,
        reading: Reading,
        layout: ClassLayout,
        limit: int | None,
    ) -> tuple[Shape, list[Value]]:
        if reading.unusable:
            check_query_fields(state, reading.access, view.principal)
        columns = None
        if state.keys is not None or state.exclude_keys:
            columns = _columns(state, reading.access, layout)
        try:
            return shape_of(
                state, verb, reading.conjunct, limit=limit, columns=columns, hidden=reading.hidden
            )
        except NotSimple:
            prepared = self._prepare(state, view, operation, layout, run_all=False)
            return self._bare_shape(prepared, verb, reading, layout, limit)

    def _bare_shape(
        self, state: QueryState, verb: Verb, reading: Reading, layout: ClassLayout, limit: int | None
    ) -> tuple[Shape, list[Value]]:
        columns = _columns(state, reading.access, layout)
        return shape_of(state, verb, guarded=True, limit=limit, columns=columns, hidden=reading.hidden)

    # -- the long way: checked, guarded, sub-results filled in -------------------------------------

    def _prepare(
        self, state: QueryState, view: PrincipalView, operation: Operation, layout: ClassLayout, *, run_all: bool
    ) -> QueryState:
        """The query with its permissions among its conditions, every part of it checked."""
        fields = layout.schema.fields
        check_against_schema(state.where, lambda key: fields[key].type if key in fields else None)

        def access_of(query: QueryState) -> Access:
            return view.reading(query.class_name, operation if query is state else "find").access

        where = self._now(state.where)
        state = attrs.evolve(state, where=where)
        guarded = guard_query(state, view.principal, access_of, lambda related: self._may_traverse(related, view))
        return attrs.evolve(guarded, where=self._filled(guarded.where, view, run_all=run_all))

    def _now(self, node: Node) -> Node:
        """The tree with relative times made absolute, and sub-queries sent to the class that they redirect to."""
        if isinstance(node, And | Or | Nor):
            return attrs.evolve(node, children=tuple(map(self._now, node.children)))
        if not isinstance(node, Constraint):
            return node
        argument = node.argument
        if isinstance(argument, RelativeTime):
            return attrs.evolve(node, argument=resolve(argument.text, self._clock()))
        if isinstance(argument, QueryState):
            return attrs.evolve(node, argument=self._redirected(argument))
        if isinstance(argument, KeyOfQuery):
            return attrs.evolve(node, argument=KeyOfQuery(self._redirected(argument.query), argument.key))
        return node

    def _redirected(self, query: QueryState) -> QueryState:
        query = attrs.evolve(query, where=self._now(query.where))
        layout = self._store.catalog.layout(query.class_name)
        if query.redirect_key is None or layout is None:
            return query
        field = layout.schema.fields.get(query.redirect_key)
        target = None if field is None else field.target
        return query if target is None else attrs.evolve(query, class_name=target, redirect_key=None)

    def _may_traverse(self, related: RelatedTo, view: PrincipalView) -> bool:
        """Whether the principal may read the owner of the relation; nobody learns of members through others' objects."""
        owner = related.owner
        schema = self._store.catalog.schema.get(owner.class_name)
        check_relation_key(schema, related, view.principal, view.role_names)
        try:
            self.get(owner.class_name, owner.object_id, view.principal, None, None)
        except ParseError:
            return False
        return True

    def _filled(self, node: Node, view: PrincipalView, *, run_all: bool) -> Node:
        """The tree with the results of sub-queries in their place, where SQL cannot nest them."""
        if isinstance(node, And | Or | Nor):
            children = tuple(self._filled(child, view, run_all=run_all) for child in node.children)
            return attrs.evolve(node, children=children)
        if not isinstance(node, Constraint):
            return node
        argument = node.argument
        if isinstance(argument, KeyOfQuery):
            values = self._values_of(argument, view)
            return Constraint(node.key, "$in" if node.op == "$select" else "$nin", tuple(values))
        if isinstance(argument, QueryState):
            inner = attrs.evolve(argument, where=self._filled(argument.where, view, run_all=run_all))
            if self._store.catalog.layout(inner.class_name) is None:
                return Constraint(node.key, "$in" if node.op == "$inQuery" else "$nin", ())
            if not run_all:
                return attrs.evolve(node, argument=inner)
            pointers = tuple(Pointer(inner.class_name, identity) for identity in self._ids_of(inner, view))
            return Constraint(node.key, "$in" if node.op == "$inQuery" else "$nin", pointers)
        return node

    def _ids_of(self, guarded: QueryState, view: PrincipalView) -> list[str]:
        bare = QueryState(guarded.class_name, guarded.where)
        shape, values = shape_of(bare, "ids", guarded=True)
        try:
            _, rows = self._store.run(shape, values, view.ids)
        except NeedsResults:
            filled = attrs.evolve(bare, where=self._filled(bare.where, view, run_all=True))
            shape, values = shape_of(filled, "ids", guarded=True)
            _, rows = self._store.run(shape, values, view.ids)
        return [row[0] for row in rows]

    def _values_of(self, argument: KeyOfQuery, view: PrincipalView) -> list[Value]:
        """The values of a ``$select``: a key that a result lacks counts as null (RestQuery.transformSelect)."""
        query = argument.query
        layout = self._store.catalog.layout(query.class_name)
        if layout is None:
            return []
        guarded = QueryState(query.class_name, self._filled(query.where, view, run_all=True))
        shape, values = shape_of(guarded, "find", guarded=True)
        compiled, rows = self._store.run(shape, values, view.ids)
        context = ResultContext(self._result_shape(compiled, layout), True)
        root, *path = argument.key.split(".")
        found: list[Value] = []
        for row in rows:
            value = context.read(root, row)
            for part in path:
                value = value.get(part, MISSING) if isinstance(value, dict) else MISSING
            found.append(None if value is MISSING else value)
        return found

    # -- rows to objects -------------------------------------------------------------------------

    def _result_shape(self, compiled: Compiled, layout: ClassLayout) -> ResultShape:
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
                engine=self._engine,
                classes=self._classes,
            )
        return shape

    def _objects(
        self,
        state: QueryState,
        compiled: Compiled,
        rows: Sequence[tuple[Any, ...]],
        layout: ClassLayout,
        view: PrincipalView,
        reading: Reading,
        kind: type[PFObject] | None,
    ) -> list[Any]:
        complete = state.keys is None and not state.exclude_keys
        context = ResultContext(self._result_shape(compiled, layout), complete)
        objects = hydrate(self._classes(layout.class_name) if kind is None else kind, rows, context)
        if state.include or state.keys is not None or state.exclude_keys:
            self._include(objects, state, layout, view)
        if reading.per_object:
            self._strip(objects, reading.access, view)
        return objects

    def _strip(self, objects: Iterable[PFObject], access: Access, view: PrincipalView) -> None:
        """Take from each object what the principal does not see of it."""
        for obj in objects:
            fields = {key: obj.raw(key) for key in access.deciding_fields}
            hidden = hidden_fields_of(
                {key: value for key, value in fields.items() if value is not MISSING}, access, view.principal
            )
            obj.hide(hidden)

    def _include(
        self, objects: list[PFObject], state: QueryState, layout: ClassLayout, view: PrincipalView
    ) -> None:
        paths = include_paths(state)
        tree: dict[str, Any] = {}
        for path in paths:
            branch = tree
            for part in path.split("."):
                branch = branch.setdefault(part, {})
        if tree:
            self._include_tree(objects, tree, "", "", state, view)

    def _include_tree(
        self,
        objects: list[PFObject],
        tree: dict[str, Any],
        prefix: str,
        path: str,
        state: QueryState,
        view: PrincipalView,
    ) -> None:
        if not objects:
            return
        for name, branch in tree.items():
            key, full = f"{prefix}{name}", f"{path}{name}"
            wanted: dict[str, dict[str, None]] = {}
            nested = False
            for obj in objects:
                nested = _collect(_raw_path(obj, key), wanted) or nested
            if wanted:
                fetched = self._fetch_included(wanted, full, state, view)
                for context in {id(obj.context): obj.context for obj in objects}.values():
                    context.include(key, fetched)
                self._include_tree(list(fetched.values()), branch, "", f"{full}.", state, view)
            if nested and branch:
                self._include_tree(objects, branch, f"{key}.", f"{full}.", state, view)

    def _fetch_included(
        self, wanted: dict[str, dict[str, None]], path: str, state: QueryState, view: PrincipalView
    ) -> dict[Pointer, PFObject]:
        """One statement per class; each class's own permissions apply (``get`` for one id, ``find`` for several)."""
        found: dict[Pointer, PFObject] = {}
        keys, exclude_keys = _below(state.keys, path), _below(state.exclude_keys, path)
        for class_name, ids in wanted.items():
            layout = self._layout(class_name)
            operation: Operation = "get" if len(ids) == 1 else "find"
            reading = Reading(view.access(class_name, operation).as_included())
            if layout is None:
                continue
            query = QueryState(
                class_name,
                Constraint("objectId", "$in", tuple(ids)),
                keys=keys or None,
                exclude_keys=exclude_keys,
            )
            compiled, rows = self._run(query, "find", view, operation, reading, layout, None)
            bare = attrs.evolve(query, keys=None, exclude_keys=())
            context_complete = not keys and not exclude_keys
            objects = self._objects(bare, compiled, rows, layout, view, reading, None)
            if objects and not context_complete:
                objects[0].context.complete = False
            found.update({Pointer(class_name, str(obj.object_id)): obj for obj in objects})
        return found


def _include_all(state: QueryState, layout: ClassLayout) -> QueryState:
    """``*`` spelled out: every Pointer and Array; what is included is also selected (RestQuery.handleIncludeAll)."""
    if "*" not in state.include:
        return state
    pointers = [key for key, field in layout.schema.fields.items() if field.type in ("Pointer", "Array")]
    include = dict.fromkeys([*pointers, *(path for path in state.include if path != "*")])
    keys = None if state.keys is None else tuple(dict.fromkeys([*state.keys, *pointers]))
    return attrs.evolve(state, include=tuple(include), keys=keys)


def _columns(state: QueryState, access: Access, layout: ClassLayout) -> frozenset[str] | None:
    """The keys to read: those asked for, those that always come, and those that decide what is hidden."""
    if state.keys is None and not state.exclude_keys:
        return None
    asked = layout.columns.keys() if state.keys is None else {key.partition(".")[0] for key in state.keys}
    excluded = {key for key in state.exclude_keys if "." not in key}
    return frozenset((asked - excluded) | _ALWAYS_RETURNED | access.deciding_fields)


def _is_subquery(leaf: Constraint) -> bool:
    return isinstance(leaf.argument, QueryState | KeyOfQuery)


def _below(keys: Iterable[str] | None, path: str) -> tuple[str, ...]:
    start = f"{path}."
    return tuple(key[len(start) :] for key in keys or () if key.startswith(start))


def _raw_path(obj: PFObject, key: str) -> Value | Missing:
    root, *rest = key.split(".")
    value = obj.raw(root)
    for part in rest:
        if isinstance(value, list):
            value = [item.get(part) for item in value if isinstance(item, dict)]
        else:
            value = value.get(part, MISSING) if isinstance(value, dict) else MISSING
    return value


def _collect(value: Value | Missing, wanted: dict[str, dict[str, None]]) -> bool:
    """Add the pointers in ``value`` to ``wanted``; whether there are dicts to look into further."""
    if isinstance(value, Pointer):
        wanted.setdefault(value.class_name, {})[value.object_id] = None
        return False
    if isinstance(value, list):
        return any([_collect(item, wanted) for item in value])
    return isinstance(value, dict)


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
    return fields
