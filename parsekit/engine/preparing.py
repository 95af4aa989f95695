"""The long way of a query: every part checked and guarded, and what SQL cannot nest run beforehand.

Queries with sub-queries, relations, relative times or whole-object arguments come here before they get a shape.
``prepare`` gives the same query with the principal's permissions among its conditions, in each of its parts; with
``fill`` the results of sub-queries stand in their place.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, final

from parsekit import attrs
from parsekit.acl.guard import check_relation_key, guard_query
from parsekit.acl.policy import Access
from parsekit.engine.asking import Asking
from parsekit.engine.views import PrincipalView
from parsekit.errors import ParseError
from parsekit.object_state import ResultContext, ResultShape
from parsekit.query.ast import (
    And,
    Constraint,
    KeyOfQuery,
    Node,
    Nor,
    Op,
    Or,
    RelatedTo,
    RelativeTime,
    constraints_of,
)
from parsekit.query.plan import shape_of
from parsekit.query.relative_time import resolve
from parsekit.query.state import QueryState
from parsekit.query.subquery import wire_value
from parsekit.query.where import check_against_schema
from parsekit.storage.store import NeedsResults, Store
from parsekit.values import Pointer, Value

if TYPE_CHECKING:
    from parsekit.acl.principal import Principal
    from parsekit.storage.binding import Compiled
    from parsekit.storage.layout import ClassLayout

__all__ = ["Preparation"]


@final
class Preparation:
    """Prepares queries for one engine.

    ``get`` reads an object by class and id under a principal; ``result_shape`` says how a statement's rows are read.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime],
        get: Callable[[str, str, Principal], object],
        result_shape: Callable[[Compiled, ClassLayout], ResultShape],
    ) -> None:
        self._store = store
        self._clock = clock
        self._get = get
        self._result_shape = result_shape

    def prepare(self, state: QueryState, asking: Asking, *, fill: bool) -> QueryState:
        """The query with its permissions among its conditions, every part of it checked.

        Raises:
            InvalidJsonError: 107, an argument that the field's type does not allow.
            OperationForbiddenError: 119, a hidden field is used, here or in a sub-query.
        """
        view = asking.view
        absolute = attrs.evolve(state, where=self._now(state.where))

        def access_of(query: QueryState) -> Access:
            return view.reading(query.class_name, asking.operation if query is absolute else "find").access

        guarded = guard_query(
            absolute, view.principal, access_of, lambda related: self.may_traverse(related, view)
        )
        self._check_types(state)
        return attrs.evolve(guarded, where=self._filled(guarded.where, view, state.class_name, fill=fill))

    def _check_types(self, query: QueryState) -> None:
        """Hold the arguments of a query and of its sub-queries, these first, to the types of their fields."""
        for leaf in constraints_of(query.where):
            inner = leaf.argument.query if isinstance(leaf.argument, KeyOfQuery) else leaf.argument
            if isinstance(inner, QueryState):
                self._check_types(self.redirected(inner))
        schema = self._store.catalog.schema.get(query.class_name)
        fields = {} if schema is None else schema.fields
        check_against_schema(query.where, lambda key: fields[key].type if key in fields else None)

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
            return attrs.evolve(node, argument=self._absolute(argument))
        if isinstance(argument, KeyOfQuery):
            return attrs.evolve(node, argument=KeyOfQuery(self._absolute(argument.query), argument.key))
        return node

    def _absolute(self, query: QueryState) -> QueryState:
        return self.redirected(attrs.evolve(query, where=self._now(query.where)))

    def redirected(self, query: QueryState) -> QueryState:
        """A sub-query sent to the class that its ``redirect_key`` leads to."""
        layout = None if query.redirect_key is None else self._store.catalog.layout(query.class_name)
        if query.redirect_key is None or layout is None:
            return query
        field = layout.schema.fields.get(query.redirect_key)
        target = None if field is None else field.target
        return query if target is None else attrs.evolve(query, class_name=target, redirect_key=None)

    def may_traverse(self, related: RelatedTo, view: PrincipalView) -> bool:
        """Whether the principal may read the relation's owner: nobody learns of members through others' objects."""
        owner = related.owner
        schema = self._store.catalog.schema.get(owner.class_name)
        check_relation_key(
            schema, related, view.principal, view.role_names, protected_defaults=view.protection.fields
        )
        try:
            self._get(owner.class_name, owner.object_id, view.principal)
        except ParseError:
            return False
        return True

    def _filled(self, node: Node, view: PrincipalView, class_name: str, *, fill: bool) -> Node:
        """The tree of a query of ``class_name`` with the results of sub-queries in their place, where SQL cannot
        nest them."""
        if isinstance(node, And | Or | Nor):
            return attrs.evolve(
                node,
                children=tuple(self._filled(child, view, class_name, fill=fill) for child in node.children),
            )
        if not isinstance(node, Constraint):
            return node
        argument = node.argument
        op: Op = "$in" if node.op in ("$select", "$inQuery") else "$nin"
        if isinstance(argument, KeyOfQuery):
            return self._selected(
                Constraint(node.key, op, tuple(self._values_of(argument, view))), class_name
            )
        if not isinstance(argument, QueryState):
            return node
        inner = attrs.evolve(
            argument, where=self._filled(argument.where, view, argument.class_name, fill=fill)
        )
        if self._store.catalog.layout(inner.class_name) is None:
            return Constraint(node.key, op, ())
        if not fill:
            return attrs.evolve(node, argument=inner)
        pointers = tuple(Pointer(inner.class_name, identity) for identity in self._ids_of(inner, view))
        return Constraint(node.key, op, pointers)

    def _selected(self, found: Constraint, class_name: str) -> Constraint:
        """The values of a ``$select`` are held to the field's type as if they had been sent."""
        schema = self._store.catalog.schema.get(class_name)
        fields = {} if schema is None else schema.fields
        check_against_schema(found, lambda key: fields[key].type if key in fields else None)
        return found

    def _ids_of(self, guarded: QueryState, view: PrincipalView) -> list[str]:
        bare = QueryState(guarded.class_name, guarded.where)
        shape, values = shape_of(bare, "ids", guarded=True)
        try:
            _, rows = self._store.run(shape, values, view.ids)
        except NeedsResults:
            filled = attrs.evolve(bare, where=self._filled(bare.where, view, bare.class_name, fill=True))
            shape, values = shape_of(filled, "ids", guarded=True)
            _, rows = self._store.run(shape, values, view.ids)
        return [row[0] for row in rows]

    def _values_of(self, argument: KeyOfQuery, view: PrincipalView) -> list[Value]:
        """The values of a ``$select``: a key that a result lacks counts as null (RestQuery.transformSelect)."""
        query = argument.query
        layout = self._store.catalog.layout(query.class_name)
        if layout is None:
            return []
        guarded = QueryState(query.class_name, self._filled(query.where, view, query.class_name, fill=True))
        shape, values = shape_of(guarded, "find", guarded=True)
        compiled, rows = self._store.run(shape, values, view.ids)
        context = ResultContext(self._result_shape(compiled, layout), True)
        root = argument.key.partition(".")[0]
        read = ((root, context.read(root, row)) for row in rows)
        return [wire_value({key: value}, argument.key) for key, value in read]
