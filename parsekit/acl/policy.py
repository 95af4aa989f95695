"""The policy: one decision for every operation of every principal, as a condition that joins the query.

``authorize`` either refuses, with Parse's error, or answers an ``Access``: which right the object's ACL has
to grant, which condition has to hold beside the query's own, and which fields stay hidden. Queries, writes,
includes, sub-queries, live events and ``acl.explain`` all go through it; nothing else decides.

The engine's part is to use it without a gap: ``acl.guard.guard_query`` joins the accesses of a query and
its sub-queries to their conditions, ``visible`` strips the objects that leave the engine. The policy does
not know which roles a user has, nor whether an object exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, final

from parsekit import attrs
from parsekit.acl.acl import AccessKind
from parsekit.acl.clp import ClassVerdict, Operation, WriteKind, effective_permissions, evaluate
from parsekit.acl.principal import Principal, principal_ids
from parsekit.acl.protected import (
    DEFAULT_PROTECTED_FIELDS,
    OwnerGroup,
    ProtectedFields,
    hidden_from,
    protected_groups,
    refers_to,
)
from parsekit.acl.system import PERMISSION_DENIED, forbidden, system_refusal
from parsekit.errors import ObjectNotFoundError, ParseError
from parsekit.query.ast import NEVER, AclTest, And, Constraint, Node, Or
from parsekit.schema import ClassSchema, Field
from parsekit.values import Pointer, Value

__all__ = ["Access", "Decision", "authorize", "decide", "hidden_fields_of", "visible"]

_USER_CLASS: Final = "_User"
_SESSION_CLASS: Final = "_Session"
_REFERRING: Final = frozenset({"Pointer", "Array"})
_READS: Final = frozenset({"find", "get", "count"})
_SEALED_USER_FIELDS: Final = frozenset({"password", "sessionToken"})
_PRIVATE_USER_FIELDS: Final = frozenset({"authData"})
_NOTHING: Final[frozenset[str]] = frozenset()


@final
@attrs.frozen(slots=True)
class Access:
    """What an allowed operation is limited to. Equal for principals whom the same limits bind; hashable.

    ``acl`` is the right that an object's ACL has to grant: ``None`` for a master, and for a create, which
    meets no object yet. ``conjunct`` is the condition that class-level permissions add, ``NEVER`` where no
    object can pass.

    Fields hide in four degrees: ``hidden_fields`` from this principal, except that the ``hidden_by_owner``
    groups show some of them on objects that refer to it, and that users see all of their own ``_User``
    object; ``private_fields`` (``authData``) from everyone but that user and a master; ``sealed_fields``
    from everyone.
    """

    class_name: str
    acl: AccessKind | None = None
    conjunct: Node | None = None
    hidden_fields: frozenset[str] = _NOTHING
    hidden_by_owner: tuple[OwnerGroup, ...] = ()
    private_fields: frozenset[str] = _NOTHING
    sealed_fields: frozenset[str] = _NOTHING
    owner_exempt: bool = True

    def constrain(self, where: Node) -> Node:
        """``where`` with the ACL test and the conjunct beside it."""
        conjuncts: list[Node] = [where]
        if self.acl is not None:
            conjuncts.append(AclTest(self.acl))
        if self.conjunct is not None:
            conjuncts.append(self.conjunct)
        return where if len(conjuncts) == 1 else And(tuple(conjuncts))

    def as_included(self) -> Access:
        """The access to included objects, where ``authData`` shows in none, not even in the user's own."""
        return attrs.evolve(
            self, private_fields=_NOTHING, sealed_fields=self.sealed_fields | self.private_fields
        )

    @property
    def unusable_fields(self) -> frozenset[str]:
        """Fields that a query may neither test nor sort by. ``authData`` is one, although Parse Server 9.10
        lets clients probe it by a user's provider id (parse_server.md section 14)."""
        return self.hidden_fields | self.private_fields

    @property
    def shows_everything(self) -> bool:
        """Whether no field is hidden on any object, so that objects may go out as they are stored."""
        return not (self.hidden_fields or self.private_fields or self.sealed_fields)

    @property
    def deciding_fields(self) -> frozenset[str]:
        """Fields to fetch, asked for or not, because what is hidden depends on them: of whom an object is."""
        fields = {group.field for group in self.hidden_by_owner}
        if self.class_name == _USER_CLASS and self.unusable_fields:
            fields.add("objectId")
        return frozenset(fields)

    @property
    def never_shown(self) -> frozenset[str]:
        """Fields hidden on every object, which therefore need not be fetched at all; not those that decide."""
        if self.class_name == _USER_CLASS:
            return self.sealed_fields
        protected = (group.protected for group in self.hidden_by_owner)
        hidden = self.hidden_fields.intersection(*protected) | self.private_fields | self.sealed_fields
        return hidden - self.deciding_fields


@final
@attrs.frozen(slots=True)
class Decision:
    """What ``authorize`` answers or raises, and how it came about.

    ``step`` is for people. ``owned_through``: of each group of fields one has to refer to the user; the
    conjunct of the access says the same.
    """

    outcome: Access | ParseError
    step: str
    owned_through: tuple[tuple[str, ...], ...] = ()


def authorize(
    class_schema: ClassSchema | None,
    class_name: str,
    operation: Operation,
    principal: Principal,
    role_names: frozenset[str] = _NOTHING,
    *,
    during: WriteKind = "update",
    protected_defaults: ProtectedFields = DEFAULT_PROTECTED_FIELDS,
    owner_exempt: bool = True,
) -> Access:
    """Whether ``principal``, having the roles ``role_names`` (names alone), may do ``operation`` on the
    class.

    ``class_schema`` is ``None`` for a class that does not exist, which states no permissions. ``during``
    tells which write an ``addField`` is part of; a save that adds fields asks for both operations and is
    bound by both accesses.

    Raises:
        OperationForbiddenError: 119, the class does not allow it, or nobody but a master may.
        ObjectNotFoundError: 101, the class asks for a logged-in user, or pointer permissions for one on a
        ``get``. SessionMissingError: 206, a user is changed without a session. InvalidSessionTokenError:
        209, sessions are asked for without a session.
    """
    decision = decide(
        class_schema,
        class_name,
        operation,
        principal,
        role_names,
        during=during,
        protected_defaults=protected_defaults,
        owner_exempt=owner_exempt,
    )
    if isinstance(decision.outcome, Access):
        return decision.outcome
    raise decision.outcome


def decide(
    class_schema: ClassSchema | None,
    class_name: str,
    operation: Operation,
    principal: Principal,
    role_names: frozenset[str] = _NOTHING,
    *,
    during: WriteKind = "update",
    protected_defaults: ProtectedFields = DEFAULT_PROTECTED_FIELDS,
    owner_exempt: bool = True,
) -> Decision:
    """``authorize`` with its reasons, and with the error as a value."""
    refusal = system_refusal(class_name, operation, principal)
    if refusal is not None:
        return Decision(refusal, f"{class_name}: {refusal.hint or refusal.message}")
    # SAFETY: the bypass itself. Masters see all but a user's secrets, and maintenance those too.
    if principal.bypasses_permissions:
        sealed = class_name == _USER_CLASS and principal.kind != "maintenance"
        access = Access(class_name, sealed_fields=_SEALED_USER_FIELDS if sealed else _NOTHING)
        return Decision(access, f"{principal.kind}: no permission applies")
    verdict = evaluate(
        effective_permissions(class_schema),
        operation,
        principal_ids(principal, role_names),
        logged_in=principal.user_id is not None,
        during=during,
    )
    step = f"{class_name}: {verdict.reason}"
    error = _class_error(class_name, operation, verdict, principal)
    if error is not None:
        return Decision(error, step)
    owned_through = _owned_through(class_schema, class_name, operation, verdict)
    conjunct = _ownership(class_schema, owned_through, principal)
    groups = protected_groups(class_schema, class_name, protected_defaults)
    access = _client_access(class_name, operation, conjunct, *hidden_from(groups, principal, role_names))
    return Decision(attrs.evolve(access, owner_exempt=owner_exempt), step, owned_through)


def _client_access(
    class_name: str,
    operation: Operation,
    conjunct: Node | None,
    hidden: frozenset[str],
    by_owner: tuple[OwnerGroup, ...],
) -> Access:
    is_user_class = class_name == _USER_CLASS
    return Access(
        class_name,
        None if operation == "create" else "read" if operation in _READS else "write",
        conjunct,
        hidden,
        by_owner,
        _PRIVATE_USER_FIELDS if is_user_class else _NOTHING,
        _SEALED_USER_FIELDS if is_user_class else _NOTHING,
    )


def _class_error(
    class_name: str, operation: Operation, verdict: ClassVerdict, principal: Principal
) -> ParseError | None:
    if verdict.outcome == "needs_user":
        return ObjectNotFoundError(
            PERMISSION_DENIED, hint="Permission denied, user needs to be authenticated."
        )
    if verdict.outcome == "denied":
        return forbidden(f"Permission denied for action {operation} on class {class_name}.")
    if verdict.pointer_fields and operation == "get" and principal.user_id is None:
        # DatabaseController.find: a get fails where a find is empty. An include is a get and fails its query.
        return ObjectNotFoundError(hint=f"the class {class_name} shows an object only to users that it names")
    return None


def _owned_through(
    class_schema: ClassSchema | None, class_name: str, operation: Operation, verdict: ClassVerdict
) -> tuple[tuple[str, ...], ...]:
    """Groups of fields of each of which one has to refer to the user; nobody passes a group without fields.

    A field that the class no longer has, or not as one that can refer to a user, is left out, so that it lets
    nobody pass. (The server fails on it.)
    """
    groups = []
    if verdict.pointer_fields:
        fields: Mapping[str, Field] = {} if class_schema is None else class_schema.fields
        usable = (key for key in verdict.pointer_fields if key in fields and fields[key].type in _REFERRING)
        groups.append(tuple(usable))
    if class_name == _SESSION_CLASS and operation != "create":
        groups.append(("user",))
    return tuple(groups)


def _ownership(
    class_schema: ClassSchema | None, owned_through: tuple[tuple[str, ...], ...], principal: Principal
) -> Node | None:
    """The condition that ``owned_through`` holds; never, without a user."""
    if not owned_through:
        return None
    if principal.user_id is None or not all(owned_through):
        return NEVER
    user = Pointer(_USER_CLASS, principal.user_id)
    groups: list[Node] = []
    for keys in owned_through:
        tests = tuple(_refers(class_schema, key, user) for key in keys)
        groups.append(tests[0] if len(tests) == 1 else Or(tests))
    return groups[0] if len(groups) == 1 else And(tuple(groups))


def _refers(class_schema: ClassSchema | None, key: str, user: Pointer) -> Constraint:
    field = None if class_schema is None else class_schema.fields.get(key)
    if field is not None and field.type == "Array":
        return Constraint(key, "$all", (user,))
    return Constraint(key, "$eq", user)


# --- what leaves the engine ---


def hidden_fields_of(
    object_fields: Mapping[str, Value], access: Access, principal: Principal
) -> frozenset[str]:
    """What of one object the principal does not see. ``object_fields`` holds ``access.deciding_fields`` at
    least."""
    user_id = principal.user_id
    if user_id is None:
        return access.unusable_fields | access.sealed_fields
    is_self = access.class_name == _USER_CLASS and object_fields.get("objectId") == user_id
    if is_self and access.owner_exempt:
        return access.sealed_fields
    hidden = access.hidden_fields
    for group in access.hidden_by_owner:
        if refers_to(object_fields.get(group.field), user_id):
            hidden &= group.protected
    return hidden | access.sealed_fields | (_NOTHING if is_self else access.private_fields)


def visible(object_fields: Mapping[str, Value], access: Access, principal: Principal) -> dict[str, Value]:
    """The object without what ``principal`` does not see, as a new dict.

    Fields that were fetched only because they decide (``access.deciding_fields``) are not removed; that is
    the projection's affair.
    """
    hidden = hidden_fields_of(object_fields, access, principal)
    # SAFETY: internal keys (``_hashed_password``, ...) leave the engine under maintenance alone.
    internal = principal.kind != "maintenance"
    return {
        key: value
        for key, value in object_fields.items()
        if key not in hidden and not (internal and key.startswith("_"))
    }
