"""The rules of single system classes: who may touch them at all, and what a write to them may say.

These hold beside class-level permissions, never instead of them (Parse Server:
SharedRest.enforceRoleSecurity, RestWrite, rest). The messages are Parse's; where the server replaces its
text by "Permission denied", that is the message here too and Parse's own text is the hint.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from parsekit.acl.acl import PFACL, PUBLIC
from parsekit.acl.clp import Operation
from parsekit.acl.principal import Principal
from parsekit.acl.protected import refers_to
from parsekit.errors import (
    InvalidSessionTokenError,
    KeyNameError,
    ObjectNotFoundError,
    OperationForbiddenError,
    ParseError,
    SessionMissingError,
)
from parsekit.schema import SYSTEM_CLASSES, ClassSchema
from parsekit.values import Value

__all__ = [
    "MASTER_ONLY_CLASSES",
    "PERMISSION_DENIED",
    "check_class_exists",
    "check_session_write",
    "check_user_write",
    "default_user_acl",
    "forbidden",
    "missing_object",
    "system_refusal",
    "user_acl_on_create",
    "user_acl_on_update",
]

PERMISSION_DENIED: Final = "Permission denied"

MASTER_ONLY_CLASSES: Final = frozenset({
    "_SCHEMA", "_JobStatus", "_PushStatus", "_Hooks", "_GlobalConfig", "_GraphQLConfig", "_JobSchedule",
    "_Audience", "_Idempotency",
})  # fmt: skip

_WRITES: Final = frozenset({"create", "update", "delete", "addField"})
_METHODS: Final[dict[Operation, str]] = {"count": "find", "addField": "update"}
_SESSION_KEYS: Final = ("installationId", "sessionToken", "expiresAt", "createdWith")
_RIGHTS: Final = {"read": True, "write": True}


def forbidden(detail: str) -> OperationForbiddenError:
    """119 as the server words it: the plain text as message, what exactly was refused as hint."""
    return OperationForbiddenError(PERMISSION_DENIED, hint=detail)


def system_refusal(class_name: str, operation: Operation, principal: Principal) -> ParseError | None:
    """The error of an operation that the class or the kind of principal rules out, whatever permissions
    say."""
    method = _METHODS.get(operation, operation)
    if principal.kind == "read_only_master" and operation in _WRITES:
        return forbidden(f"read-only masterKey isn't allowed to perform the {method} operation.")
    # SAFETY: masters pass; the classes below are kept from everyone else.
    if principal.bypasses_permissions:
        return None
    if class_name == "_Installation" and method in ("find", "delete"):
        return forbidden(
            f"Clients aren't allowed to perform the {method} operation on the installation collection."
        )
    if class_name in MASTER_ONLY_CLASSES or class_name.startswith("_Join:"):
        return forbidden(
            f"Clients aren't allowed to perform the {method} operation on the {class_name} collection."
        )
    return _anonymous_refusal(class_name, operation) if principal.user_id is None else None


def _anonymous_refusal(class_name: str, operation: Operation) -> ParseError | None:
    if class_name == "_Session":
        if operation in ("create", "update"):
            return InvalidSessionTokenError("Session token required.")
        return InvalidSessionTokenError(PERMISSION_DENIED, hint="Invalid session token")
    if class_name == "_User" and operation == "update":
        return SessionMissingError(
            PERMISSION_DENIED, hint="Cannot modify a user without that user's session."
        )
    if class_name == "_User" and operation == "delete":
        return SessionMissingError("Insufficient auth to delete user")
    return None


def missing_object(class_name: str, operation: Operation, principal: Principal) -> ParseError:
    """The error of an operation that found no object that it may touch.

    A client learns of a user that it cannot write that its authority does not suffice: 206 instead of 101
    (rest.handleSessionMissingError), whether or not there is such a user.
    """
    # SAFETY: a master is told the truth, that there is no such user.
    if class_name == "_User" and operation in ("update", "delete") and not principal.bypasses_permissions:
        return SessionMissingError(PERMISSION_DENIED, hint="Insufficient auth.")
    if class_name == "_Session" and operation == "delete":
        return ObjectNotFoundError("Object not found for delete.")
    return ObjectNotFoundError()


def check_class_exists(
    class_schema: ClassSchema | None,
    class_name: str,
    principal: Principal,
    *,
    allow_client_class_creation: bool,
) -> None:
    """Refuse clients a class that does not exist, where they may not make one (parse_server.md Q29).

    Raises:
        OperationForbiddenError: 119.
    """
    if class_schema is not None or allow_client_class_creation or class_name in SYSTEM_CLASSES:
        return
    # SAFETY: a master may make classes.
    if not principal.bypasses_permissions:
        raise forbidden(f"This user is not allowed to access non-existent class: {class_name}")


# --- users ---


def default_user_acl(user_id: str, enforce_private_users: bool = True) -> dict[str, dict[str, bool]]:
    """The ACL of a new user who sends none: the user's own, and readable by all where users are not
    private."""
    acl: dict[str, dict[str, bool]] = {} if enforce_private_users else {PUBLIC: {"read": True}}
    return {**acl, user_id: dict(_RIGHTS)}


def user_acl_on_create(
    acl: PFACL | Mapping[str, Value] | None, user_id: str, enforce_private_users: bool = True
) -> dict[str, dict[str, bool]]:
    """The ACL under which a new user is stored: the one sent or the default, with the user's own rights.

    Raises:
        AclError: 123, not an ACL.
    """
    if acl is None:
        return default_user_acl(user_id, enforce_private_users)
    return _with_own_rights(acl, user_id)


def user_acl_on_update(
    acl: PFACL | Mapping[str, Value], user_id: str, principal: Principal
) -> dict[str, dict[str, bool]]:
    """The ACL that an update of a user stores: users cannot lock themselves out, a master may lock them.

    Deleting the ACL is an update to ``{}``.

    Raises:
        AclError: 123, not an ACL.
    """
    # SAFETY: A5 lets a master set any ACL, the empty one included.
    if principal.bypasses_permissions:
        return _as_json(acl)
    return _with_own_rights(acl, user_id)


def _as_json(acl: PFACL | Mapping[str, Value]) -> dict[str, dict[str, bool]]:
    return acl.to_json() if isinstance(acl, PFACL) else PFACL.from_json(acl).to_json()


def _with_own_rights(acl: PFACL | Mapping[str, Value], user_id: str) -> dict[str, dict[str, bool]]:
    return {**_as_json(acl), user_id: dict(_RIGHTS)}


def check_user_write(fields: Mapping[str, Value], principal: Principal) -> None:
    """Refuse what a client may not set on a user.

    Raises:
        OperationForbiddenError: 119, ``emailVerified``.
    """
    # SAFETY: only a master decides that an address is verified.
    if "emailVerified" in fields and not principal.bypasses_permissions:
        raise forbidden("Clients aren't allowed to manually update email verification.")


def check_session_write(fields: Mapping[str, Value], principal: Principal, *, creating: bool) -> None:
    """Refuse what nobody, or no client, may set on a session (parse_server.md L20).

    A client that makes a session does not choose these keys either; they are ignored then, not refused.

    Raises:
        KeyNameError: 105 with Parse's text.
    """
    if "ACL" in fields:
        raise KeyNameError("Cannot set ACL on a Session.")
    if creating:
        return
    # SAFETY: a master may move a session to another user and set its end, but not its token.
    master = principal.bypasses_permissions
    if "user" in fields and not master and not refers_to(fields["user"], principal.user_id or ""):
        raise KeyNameError("Invalid key name: user")
    for key in _SESSION_KEYS[:2] if master else _SESSION_KEYS:
        if key in fields:
            raise KeyNameError(f"Invalid key name: {key}")
