"""Permissions of a whole query: the fields it may use, and the limits of each class that it touches.

A query reaches other classes through sub-queries and relations, and each of them asks the policy anew,
under the same principal. The guarded query is an ordinary query; nothing is filtered after it has run.

Includes are not part of a query's conditions. Whoever fetches them asks ``authorize`` for a ``get`` on
their class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, final

from parsekit import attrs
from parsekit.acl.policy import Access
from parsekit.acl.principal import Principal
from parsekit.acl.protected import (
    DEFAULT_PROTECTED_FIELDS,
    ProtectedFields,
    hidden_from,
    protected_groups,
)
from parsekit.acl.system import forbidden
from parsekit.query.ast import NEVER, And, Constraint, KeyOfQuery, Node, Nor, Or, RelatedTo, constraints_of
from parsekit.query.state import QueryState
from parsekit.schema import ClassSchema

__all__ = [
    "check_keys",
    "check_query_fields",
    "check_relation_key",
    "check_selected_key",
    "guard_query",
    "read_operation",
]


def read_operation(state: QueryState) -> Literal["get", "find"]:
    """``get`` for a query for one objectId and nothing else, ``find`` for any other.

    Class-level permissions take such a find for a get (DatabaseController.find); a count is a ``count``
    always.
    """
    where = state.where
    if not isinstance(where, Constraint) or (where.key, where.op) != ("objectId", "$eq"):
        return "find"
    return "get" if isinstance(where.argument, str) else "find"


def check_keys(access: Access, keys: Iterable[str], verb: str = "query") -> None:
    """Refuse keys (dotted ones too) whose field is hidden from the principal: for ``watch``, ``distinct``,
    ``$select``.

    Raises:
        OperationForbiddenError: 119.
    """
    unusable = access.unusable_fields
    if not unusable:
        return
    for key in keys:
        if key in unusable or key.split(".", 1)[0] in unusable:
            raise forbidden(f"This user is not allowed to {verb} {key} on class {access.class_name}")


def check_query_fields(state: QueryState, access: Access, principal: Principal) -> None:
    """Refuse a query that tests or sorts by a field hidden from the principal (parse_server.md Q30).

    Otherwise its answers would give the field away. That an object's owner would see the field does not
    matter here, except that users who ask for their own ``_User`` object by objectId may use all of its
    fields. Sub-queries are checked with their own access (``guard_query``).

    Raises:
        OperationForbiddenError: 119.
    """
    if _asks_for_self(state.where, access, principal):
        return
    check_keys(access, (constraint.key for constraint in constraints_of(state.where)))
    check_keys(access, (key.key for key in state.order), "sort by")


def check_selected_key(query: QueryState, key: str, access: Access, principal: Principal) -> None:
    """Refuse the ``key`` of a ``$select`` of ``query`` when its field is hidden from the principal.

    Raises:
        OperationForbiddenError: 119.
    """
    if not _asks_for_self(query.where, access, principal):
        check_keys(access, [key])


def _asks_for_self(where: Node, access: Access, principal: Principal) -> bool:
    """Whether only the principal's own ``_User`` object can be found: one of the and-ed conditions asks for
    it."""
    if access.class_name != "_User" or principal.user_id is None or not access.owner_exempt:
        return False
    if isinstance(where, And):
        return any(_asks_for_self(child, access, principal) for child in where.children)
    return where == Constraint("objectId", "$eq", principal.user_id)


def check_relation_key(
    owner_schema: ClassSchema | None,
    related: RelatedTo,
    principal: Principal,
    role_names: frozenset[str],
    *,
    protected_defaults: ProtectedFields = DEFAULT_PROTECTED_FIELDS,
) -> None:
    """Refuse ``$relatedTo`` through a relation that is hidden from the principal on the owner's class.

    Raises:
        OperationForbiddenError: 119.
    """
    # SAFETY: nothing is hidden from a master.
    if principal.bypasses_permissions:
        return
    class_name = related.owner.class_name
    groups = protected_groups(owner_schema, class_name, protected_defaults)
    hidden, _ = hidden_from(groups, principal, role_names)
    check_keys(Access(class_name, hidden_fields=hidden), [related.key])


def guard_query(
    state: QueryState,
    principal: Principal,
    access_of: Callable[[QueryState], Access],
    may_traverse: Callable[[RelatedTo], bool],
) -> QueryState:
    """``state`` with the limits of its class, and of the class of each sub-query, among its conditions.

    ``access_of`` authorizes the class that a query asks (where a ``redirect_key`` is set, the class it
    leads to). ``may_traverse`` tells whether the principal may read the owner of a relation:
    ``check_relation_key`` first, then a ``get`` of the owner; a refused or missing owner is ``False`` and
    its relation empty, so that nobody learns of members through an object that is not theirs to see
    (DatabaseController.authorizeRelatedToQuery).

    Raises:
        OperationForbiddenError: 119, a hidden field is used, here or in a sub-query.
        ParseError: whatever ``access_of`` and ``may_traverse`` raise.
    """
    return _Guard(principal, access_of, may_traverse).query(state)[0]


@final
@attrs.frozen(slots=True)
class _Guard:
    principal: Principal
    access_of: Callable[[QueryState], Access]
    may_traverse: Callable[[RelatedTo], bool]

    def query(self, state: QueryState) -> tuple[QueryState, Access]:
        access = self.access_of(state)
        check_query_fields(state, access, self.principal)
        return attrs.evolve(state, where=access.constrain(self.node(state.where))), access

    def node(self, node: Node) -> Node:
        if isinstance(node, Constraint):
            return self.constraint(node)
        if isinstance(node, And | Or | Nor):
            return attrs.evolve(node, children=tuple(map(self.node, node.children)))
        return node

    def constraint(self, node: Constraint) -> Node:
        argument = node.argument
        if isinstance(argument, QueryState):
            return attrs.evolve(node, argument=self.query(argument)[0])
        if isinstance(argument, KeyOfQuery):
            query, access = self.query(argument.query)
            check_selected_key(argument.query, argument.key, access, self.principal)
            return attrs.evolve(node, argument=KeyOfQuery(query, argument.key))
        if isinstance(argument, RelatedTo) and not self.may_traverse(argument):
            return NEVER
        return node
