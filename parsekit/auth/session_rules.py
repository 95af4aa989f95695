"""The rules of ``_Session`` and ``_Role`` inside a write (parse_server.md L19, L20, A4).

A client that creates a session gets another one of its own, with whatever fields it adds; token, user, end
and origin are set here. A session that begins for a user and an installation ends the others of both. Every
change of roles tells all connections to compute anew who has which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from parsekit.acl.roles import check_role_create, check_role_update
from parsekit.acl.system import check_session_write
from parsekit.auth.sessions import created_with
from parsekit.errors import InvalidSessionTokenError
from parsekit.operations import Delete, OperationSet, Set
from parsekit.values import Pointer, Value

if TYPE_CHECKING:
    from parsekit.auth.sessions import Sessions
    from parsekit.engine.core import ParseEngine
    from parsekit.engine.write import Write
    from parsekit.storage.database import Connection

__all__ = ["RoleRules", "SessionRules"]

_SET_BY_SERVER: Final = frozenset({"user", "sessionToken", "expiresAt", "createdWith", "ACL"})


def _values(write: Write) -> dict[str, Value]:
    items = write.operations.items()
    return {key: operation.value if isinstance(operation, Set) else None for key, operation in items}


@final
class SessionRules:
    """What ``_Session`` adds to a write."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def before_schema(self, write: Write, connection: Connection) -> None:  # noqa: ARG002
        """Refuse what a client may not set on its session; make the new session of a client.

        Raises:
            KeyNameError: 105. InvalidSessionTokenError: 209, nobody is logged in.
        """
        principal = write.view.principal
        check_session_write(_values(write), principal, creating=write.creating)
        # SAFETY: a master states what a session is; the engine makes its own sessions that way.
        if not write.creating or principal.bypasses_permissions:
            return
        if principal.user_id is None:
            raise InvalidSessionTokenError("Session token required.")
        fields: dict[str, Value] = {
            "sessionToken": self._sessions.new_token(),
            "user": Pointer("_User", principal.user_id),
            "createdWith": created_with("create"),
        }
        end = self._sessions.end_of_new()
        if end is not None:
            fields["expiresAt"] = end
        fields.update({key: value for key, value in _values(write).items() if key not in _SET_BY_SERVER})
        operations = OperationSet()
        for key, value in fields.items():
            operations.perform(key, Set(value))
        write.operations = operations
        write.echo.update(fields)

    def before_refusal(self, write: Write, connection: Connection) -> None:  # noqa: ARG002
        """Refuse keys that may not be set, whosever session it is."""
        check_session_write(_values(write), write.view.principal, creating=write.creating)

    def check_values(self, write: Write, connection: Connection) -> None:
        """Nothing more."""

    def before_write(self, write: Write, connection: Connection) -> None:
        """Nothing more."""

    def after_write(self, write: Write, connection: Connection) -> None:
        """End the other sessions of the same user on the same installation (L18)."""
        user, installation = write.value("user"), write.value("installationId")
        if write.creating and isinstance(user, Pointer) and isinstance(installation, str) and installation:
            token = write.value("sessionToken")
            self._sessions.revoke(
                connection,
                user.object_id,
                installation_id=installation,
                except_token=token if isinstance(token, str) else None,
            )

    def after_delete(self, write: Write, connection: Connection) -> None:
        """Nothing more: the database's version tells everybody to look again."""


@final
class RoleRules:
    """What ``_Role`` adds to a write."""

    def __init__(self, engine: ParseEngine) -> None:
        self._engine = engine

    def before_schema(self, write: Write, connection: Connection) -> None:  # noqa: ARG002
        """Refuse a role without name or ACL.

        Raises:
            TypeMismatchError: 111.
        """
        if write.creating:
            check_role_create(_values(write))
        else:
            check_role_update([key for key, op in write.operations.items() if isinstance(op, Delete)])

    def before_refusal(self, write: Write, connection: Connection) -> None:
        """As ``before_schema``."""
        self.before_schema(write, connection)

    def check_values(self, write: Write, connection: Connection) -> None:
        """Nothing more."""

    def before_write(self, write: Write, connection: Connection) -> None:
        """Nothing more: the name is kept unique by its index."""

    def after_write(self, write: Write, connection: Connection) -> None:
        """Tell everybody, when members or the name changed."""
        if write.relations or "name" in write.changed or write.moved_to is not None:
            self._engine.store.bump(connection)

    def after_delete(self, write: Write, connection: Connection) -> None:  # noqa: ARG002
        """Tell everybody."""
        self._engine.store.bump(connection)
