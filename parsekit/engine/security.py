"""``check --security``: what a careful person would want to know of a database, as findings.

Nothing is changed and nothing is read out: findings name classes, fields, roles and numbers, never objects,
names of users or hashes. Each finding says what to do about it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, final

from parsekit import attrs
from parsekit._context import CURRENT
from parsekit.acl.acl import PUBLIC
from parsekit.acl.clp import effective_permissions
from parsekit.acl.principal import Principal
from parsekit.acl.protected import protected_groups
from parsekit.acl.roles import Role, circles
from parsekit.auth.passwords import scheme_of
from parsekit.auth.secrets import UserSecrets
from parsekit.query.ast import ALWAYS
from parsekit.query.state import QueryState
from parsekit.schema import SYSTEM_CLASSES, ClassSchema
from parsekit.storage.users import secret_texts

if TYPE_CHECKING:
    from parsekit.engine.core import ParseEngine

__all__ = ["Finding", "Severity", "check_security"]

Severity: TypeAlias = Literal["high", "medium", "low"]
_WRITES: Final = ("create", "update", "delete", "addField")
_SHOWING: Final = ("afterFind", "afterEvent")
"""Hooks whose objects go to the caller."""


@final
@attrs.frozen(slots=True)
class Finding:
    """One thing to look at. ``place`` is a class, a field or a role."""

    severity: Severity
    place: str
    problem: str
    advice: str

    def __str__(self) -> str:
        return f"[{self.severity}] {self.place}: {self.problem}; {self.advice}"


def check_security(engine: ParseEngine) -> tuple[Finding, ...]:
    """Everything found, the most severe first."""
    found = [
        *_classes(engine),
        *_options(engine),
        *_principal(),
        *_roles(engine.store.roles()),
        *_passwords(engine),
    ]
    order = {"high": 0, "medium": 1, "low": 2}
    return tuple(sorted(found, key=lambda finding: (order[finding.severity], finding.place)))


def _classes(engine: ParseEngine) -> Iterator[Finding]:
    for item in engine.schema:
        if item.name not in SYSTEM_CLASSES:
            yield from _open_operations(item)
            yield from _objects_without_acl(engine, item)
        yield from _exposed_fields(engine, item)


def _open_operations(item: ClassSchema) -> Iterator[Finding]:
    permissions = effective_permissions(item)
    if permissions is None:
        advice = "state class-level permissions, requiresAuthentication at least"
        yield Finding("high", item.name, "states no permissions: anybody may do everything", advice)
        return
    public = [op for op in _WRITES if _is_public(permissions, op)]
    if public:
        problem = f"anybody may {', '.join(public)}"
        yield Finding("high", item.name, problem, "restrict these operations to users or roles")
    elif _is_public(permissions, "find"):
        problem = "anybody may list the objects that their ACLs make public"
        yield Finding("low", item.name, problem, "require authentication unless this is meant")


def _is_public(permissions: Mapping[str, object], operation: str) -> bool:
    stated = permissions.get(operation)
    return isinstance(stated, Mapping) and stated.get(PUBLIC) is True


def _objects_without_acl(engine: ParseEngine, item: ClassSchema) -> Iterator[Finding]:
    # SAFETY: only numbers of objects are given out, to whoever opens the database file.
    total = engine.reads.count(QueryState(item.name, ALWAYS), Principal.master())
    public = engine.store.count_without_acl(item.name)
    if public:
        advice = (
            "give new objects an ACL: declare ownership on the class, or a default ACL in its permissions"
        )
        yield Finding("medium", item.name, f"{public} of {total} objects have no ACL", advice)


def _exposed_fields(engine: ParseEngine, item: ClassSchema) -> Iterator[Finding]:
    """Ways around ``protectedFields``: a value that must be unique cannot be hidden, and hooks are given everything."""
    protected = frozenset[str]().union(
        *protected_groups(item, item.name, engine.options.protection.fields).values()
    )
    for index in item.indexes:
        for key, _ in index.keys:
            if key in protected and index.unique and key not in ("email", "username"):
                problem = f"the unique index {index.name} on a protected field tells whether a value exists"
                yield Finding("medium", f"{item.name}.{key}", problem, "make the index plain")
    stated = frozenset[str]().union(*protected_groups(item, item.name, {}).values())
    fields = ", ".join(sorted(stated))
    for trigger in _SHOWING:
        if stated and engine.cloud.has(trigger, item.name):
            problem = f"the {trigger} hook decides what is sent, protected fields ({fields}) included"
            yield Finding(
                "low", item.name, problem, "look at what the hook reads as master and puts into objects"
            )


def _principal() -> Iterator[Finding]:
    binding = CURRENT.get()
    # SAFETY: looks at who asks, and does nothing in their name.
    if binding is not None and binding.principal.bypasses_permissions:
        problem = f"this check runs under the {binding.principal.kind}, to whom no permission applies"
        advice = "leave a program's principal anonymous or its user; enter acting_as_master() for one block at a time"
        yield Finding("low", "principal", problem, advice)


def _options(engine: ParseEngine) -> Iterator[Finding]:
    options = engine.options
    if options.allow_client_class_creation:
        advice = "open production databases with allow_client_class_creation=False"
        yield Finding("medium", "options", "clients may create classes", advice)
    if not options.enforce_private_users:
        advice = "leave enforce_private_users on"
        yield Finding("medium", "options", "new users are readable by everybody", advice)
    if not options.auth.revoke_session_on_password_reset:
        advice = "leave revoke_session_on_password_reset on"
        yield Finding("medium", "options", "sessions survive a change of password", advice)


def _roles(roles: list[Role]) -> Iterator[Finding]:
    for circle in circles(roles):
        names = ", ".join(sorted(role.name for role in circle))
        problem = f"is in a circle of roles ({names}): all of them have the same members"
        for role in circle:
            yield Finding("medium", f"role {role.name}", problem, "take one of the roles out")


def _passwords(engine: ParseEngine) -> Iterator[Finding]:
    layout = engine.store.catalog.layout("_User")
    if layout is None:
        return
    schemes: Counter[str] = Counter()
    for text in secret_texts(engine.store.database.reader(), layout):
        stored = UserSecrets.from_text(text).password
        if stored is not None and engine.accounts.passwords.is_outdated(stored):
            schemes[scheme_of(stored)] += 1
    for scheme, count in schemes.items():
        problem = f"{count} passwords are hashed with {scheme} or at another cost than today's"
        advice = "they are renewed at the users' next login; ask those who do not come to reset theirs"
        yield Finding("high" if scheme == "unknown" else "low", "_User", problem, advice)
