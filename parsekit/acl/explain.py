"""Why somebody may or may not do something with one object, in words.

The explanation is the policy's own decision told step by step, not a second set of rules: roles from
``RoleGraph``, the class from ``policy.decide``, the ACL from ``AclEntries``, hidden fields from
``hidden_fields_of``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, final

from parsekit import attrs
from parsekit.acl.acl import PFACL, PUBLIC, AccessKind, AclEntries
from parsekit.acl.clp import Operation, WriteKind
from parsekit.acl.policy import Access, Decision, decide, hidden_fields_of
from parsekit.acl.principal import Principal, principal_ids
from parsekit.acl.protected import DEFAULT_PROTECTED_FIELDS, ProtectedFields, refers_to
from parsekit.acl.roles import Role, RoleGraph
from parsekit.acl.system import missing_object
from parsekit.codec import JSON
from parsekit.errors import ParseError
from parsekit.schema import ClassSchema
from parsekit.values import Value

__all__ = ["AccessExplanation", "explain_access", "explain_each"]

_ROLE_STEP: Final = "role: "
_BY_ROLE: Final = 'ACL: the entry "role:'


@final
@attrs.frozen(slots=True)
class AccessExplanation:
    """``allowed`` is the verdict, ``steps`` how it came about, in order, the verdict last.

    ``error`` is what a refused operation raises; ``None`` for a find or a count, which only lacks the object
    then. ``hidden_fields`` are those of the object that stay hidden when it is read.
    """

    class_name: str
    operation: Operation
    allowed: bool
    steps: tuple[str, ...]
    error: ParseError | None = None
    hidden_fields: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return "\n".join(self.steps)

    def without_roles(self) -> AccessExplanation:
        """The same without the names of roles, for whoever has no business to know which ones somebody has."""
        steps = []
        for step in self.steps:
            if step.startswith(_BY_ROLE):
                _, _, grants = step.rpartition('" ')
                steps.append(f"ACL: the entry of a role {grants}")
            elif not step.startswith(_ROLE_STEP):
                steps.append(step)
        return attrs.evolve(self, steps=tuple(steps))

    def to_json(self) -> dict[str, JSON]:
        """As the command line prints it."""
        return {
            "className": self.class_name,
            "operation": self.operation,
            "allowed": self.allowed,
            "steps": list(self.steps),
            "error": None if self.error is None else {"code": self.error.code, "error": self.error.message},
            "hiddenFields": sorted(self.hidden_fields),
        }


def explain_access(
    class_schema: ClassSchema | None,
    class_name: str,
    operation: Operation,
    principal: Principal,
    object_fields: Mapping[str, Value],
    *,
    roles: Iterable[Role] = (),
    during: WriteKind = "update",
    protected_defaults: ProtectedFields = DEFAULT_PROTECTED_FIELDS,
    owner_exempt: bool = True,
) -> AccessExplanation:
    """Whether ``principal`` may do ``operation`` with the object, and why.

    ``object_fields`` are all fields of the object as stored, its ACL (JSON or ``PFACL``) under the key
    ``ACL``; ``roles`` are all roles there are. For a ``create`` only the class counts.
    """
    told = explain_each(
        class_schema,
        class_name,
        operation,
        principal,
        (object_fields,),
        roles=roles,
        during=during,
        protected_defaults=protected_defaults,
        owner_exempt=owner_exempt,
    )
    return next(told)


def explain_each(
    class_schema: ClassSchema | None,
    class_name: str,
    operation: Operation,
    principal: Principal,
    objects: Iterable[Mapping[str, Value]],
    *,
    roles: Iterable[Role] = (),
    during: WriteKind = "update",
    protected_defaults: ProtectedFields = DEFAULT_PROTECTED_FIELDS,
    owner_exempt: bool = True,
) -> Iterator[AccessExplanation]:
    """``explain_access`` for each of many objects of a class; what does not depend on the object is found out once."""
    paths = {} if principal.user_id is None else RoleGraph(roles).paths_of(principal.user_id)
    decision = decide(
        class_schema,
        class_name,
        operation,
        principal,
        frozenset(paths),
        during=during,
        protected_defaults=protected_defaults,
        owner_exempt=owner_exempt,
    )
    common = (_who(principal), *_role_steps(paths), decision.step)
    access, ids = decision.outcome, principal_ids(principal, paths)
    for fields in objects:
        if isinstance(access, ParseError):
            steps = (*common, f"verdict: {operation} is refused with error {access.code}")
            yield AccessExplanation(class_name, operation, False, steps, access)
        else:
            yield _explained(access, decision, operation, principal, ids, fields, list(common))


def _explained(
    access: Access,
    decision: Decision,
    operation: Operation,
    principal: Principal,
    ids: frozenset[str],
    object_fields: Mapping[str, Value],
    steps: list[str],
) -> AccessExplanation:
    owned = _ownership_steps(decision, object_fields, principal, steps)
    granted = _acl_step(access, object_fields, ids, steps)
    allowed = owned and granted
    hidden = hidden_fields_of(object_fields, access, principal) & object_fields.keys()
    if allowed and hidden:
        steps.append(f"hidden fields: {', '.join(sorted(hidden))}")
    verdict = "allowed" if allowed else "refused; the object looks as if it were not there"
    steps.append(f"verdict: {operation} is {verdict}")
    silent = allowed or operation in ("find", "count")
    error = None if silent else missing_object(access.class_name, operation, principal)
    return AccessExplanation(access.class_name, operation, allowed, tuple(steps), error, hidden)


def _who(principal: Principal) -> str:
    return f"principal: user {principal.user_id}" if principal.user_id else f"principal: {principal.kind}"


def _role_steps(paths: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [f'{_ROLE_STEP}"{name}", {_how(path)}' for name, path in sorted(paths.items())]


def _how(path: tuple[str, ...]) -> str:
    if len(path) == 1:
        return "which lists the user"
    chain = ", which is listed by ".join(f'"{name}"' for name in path)
    return f"because the user is in {chain}"


def _ownership_steps(
    decision: Decision, object_fields: Mapping[str, Value], principal: Principal, steps: list[str]
) -> bool:
    owned = True
    for group in decision.owned_through:
        found = [
            key
            for key in group
            if principal.user_id is not None and refers_to(object_fields.get(key), principal.user_id)
        ]
        steps.append(
            f"pointer permission: {found[0]} refers to the user"
            if found
            else f"pointer permission: none of {', '.join(group)} refers to the user"
        )
        owned = owned and bool(found)
    return owned


def _acl_step(
    access: Access, object_fields: Mapping[str, Value], ids: frozenset[str], steps: list[str]
) -> bool:
    if access.acl is None:
        return True
    entries = _entries(object_fields)
    if entries.text is None:
        steps.append("ACL: the object has none, so it is public")
        return True
    granting = entries.principals(access.acl) & ids
    steps.append(f"ACL: {_entry(access.acl, granting)}")
    return bool(granting)


def _entries(object_fields: Mapping[str, Value]) -> AclEntries:
    acl = object_fields.get("ACL")
    return AclEntries.of(acl if acl is None or isinstance(acl, PFACL) else dict(acl))


def _entry(access: AccessKind, granting: frozenset[str]) -> str:
    if not granting:
        return f"no entry grants {access} to the principal"
    if PUBLIC in granting:
        return f"everyone has the right to {access}"
    return f'the entry "{min(granting)}" grants {access}'
