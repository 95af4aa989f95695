"""Sessions: tokens made, found, renewed and revoked.

A session is a row of ``_Session``; its token is ``r:`` and 32 hexadecimal digits. ``principal_for`` is asked
with every request, so answers are remembered, per thread, until the database changes in any way: SQLite's
data version tells of commits of this process and of others alike, and a revoked session is refused from the
next call on.

Sessions are written through the write path like any object, under master. Who may do what with a session of
one's own through ``_Session`` itself is said in ``session_rules``.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, final

from parsekit import attrs
from parsekit.acl.principal import Principal
from parsekit.errors import InvalidSessionTokenError
from parsekit.operations import OperationSet, Set
from parsekit.query.ast import And, Constraint, Node
from parsekit.query.state import QueryState
from parsekit.values import Pointer, Value

if TYPE_CHECKING:
    from parsekit.auth.options import AuthOptions
    from parsekit.engine.core import ParseEngine
    from parsekit.storage.database import Connection

__all__ = ["Sessions", "created_with", "operations_of"]

_TOKEN_BYTES: Final = 16
_MOST_REMEMBERED: Final = 10_000


def created_with(action: str, provider: str | None = None) -> dict[str, Value]:
    """The ``createdWith`` of a session (parse_server.md L17)."""
    return {"action": action} if provider is None else {"action": action, "authProvider": provider}


def operations_of(fields: Mapping[str, Value]) -> OperationSet:
    """The operations that set ``fields``."""
    operations = OperationSet()
    for key, value in fields.items():
        operations.perform(key, Set(value))
    return operations


@final
@attrs.frozen(slots=True)
class _Known:
    """What is remembered of a token."""

    user_id: str
    session_id: str
    expires_at: datetime | None
    updated_at: datetime


@final
class Sessions:
    """The sessions of an engine's users."""

    def __init__(self, engine: ParseEngine, options: AuthOptions) -> None:
        self._engine = engine
        self._options = options
        self._length = timedelta(seconds=options.session_length)
        self._mine = threading.local()

    # -- tokens ------------------------------------------------------------------------------------

    def new_token(self) -> str:
        """A session token that nobody has."""
        return f"r:{self._options.random_bytes(_TOKEN_BYTES).hex()}"

    def end_of_new(self) -> datetime | None:
        """When a session that begins now expires; ``None`` for never."""
        return self._engine.options.clock() + self._length if self._options.expire_inactive_sessions else None

    # -- making and ending ---------------------------------------------------------------------------

    def create(
        self,
        connection: Connection,
        user_id: str,
        origin: Mapping[str, Value],
        installation_id: str | None,
    ) -> str:
        """Begin a session and give its token. Inside ``Store.write()``."""
        token, end = self.new_token(), self.end_of_new()
        fields: dict[str, Value] = {
            "sessionToken": token,
            "user": Pointer("_User", user_id),
            "createdWith": dict(origin),
        }
        if end is not None:
            fields["expiresAt"] = end
        if installation_id:
            fields["installationId"] = installation_id
        # SAFETY: sessions are made for users who proved who they are, and no client may write these fields.
        view = self._engine.view(Principal.master())
        self._engine.writes.create(connection, "_Session", operations_of(fields), view)
        return token

    def revoke(
        self,
        connection: Connection,
        user_id: str,
        *,
        installation_id: str | None = None,
        except_token: str | None = None,
    ) -> None:
        """End a user's sessions, all or those of one installation. Inside ``Store.write()``."""
        conditions: list[Node] = [Constraint("user", "$eq", Pointer("_User", user_id))]
        if installation_id is not None:
            conditions.append(Constraint("installationId", "$eq", installation_id))
        if except_token is not None:
            conditions.append(Constraint("sessionToken", "$ne", except_token))
        # SAFETY: a user's sessions end with the password or the user, whoever changes these.
        master = Principal.master()
        found = self._engine.reads.find(
            QueryState("_Session", And(tuple(conditions)), limit=-1), master, None
        )
        view = self._engine.view(master)
        for session in found:
            self._engine.writes.delete(connection, "_Session", str(session.object_id), view)

    def end(self, token: str) -> None:
        """Log a session out. An unknown token is none to log out."""
        session = self.find(token)
        if session is None:
            return
        # SAFETY: whoever has the token may end its session.
        with self._engine.store.write() as connection:
            view = self._engine.view(Principal.master())
            self._engine.writes.delete(connection, "_Session", str(session.object_id), view)
        self._engine.after_commit()
        self._engine.hooks.around_session("afterLogout", session, Principal.anonymous())

    # -- finding -------------------------------------------------------------------------------------

    def find(self, token: str) -> Any | None:
        """The session of a token as a ``PFSession``, expired or not."""
        state = QueryState("_Session", Constraint("sessionToken", "$eq", token), limit=1)
        # SAFETY: the token is the proof; a session is looked up before anybody's rights are known.
        found = self._engine.reads.find(state, Principal.master(), None)
        return found[0] if found else None

    def principal_for(self, token: str, installation_id: str | None = None) -> Principal:
        """Under whom a request with this token runs.

        Raises:
            InvalidSessionTokenError: 209, unknown, expired, or of a user who is gone.
            InternalServerError: 1, the user's objectId reads as a role.
        """
        known = self._known(token)
        now = self._engine.options.clock()
        if known.expires_at is not None and known.expires_at < now:
            raise InvalidSessionTokenError("Session token is expired.")
        if self._options.extend_session_on_use and known.updated_at <= now - self._length / 2:
            self._renew(known)
        return Principal.user(known.user_id, session_token=token, installation_id=installation_id)

    def _known(self, token: str) -> _Known:
        version = self._engine.store.data_version()
        if version is None:
            return self._look_up(token)  # what a transaction sees before its end is not to be remembered
        mine = self._mine.__dict__
        remembered: dict[str, _Known] = mine.get("known", {})
        if mine.get("version") != version or len(remembered) >= _MOST_REMEMBERED:
            remembered = mine["known"] = {}
            mine["version"] = version
        known = remembered.get(token)
        if known is None:
            known = remembered[token] = self._look_up(token)
        return known

    def _look_up(self, token: str) -> _Known:
        session = self.find(token)
        user = None if session is None else session.get("user")
        if session is None or user is None or not self._exists(user.object_id):
            raise InvalidSessionTokenError()
        return _Known(user.object_id, session.object_id, session.get("expiresAt"), session.updated_at)

    def _exists(self, user_id: str) -> bool:
        state = QueryState("_User", Constraint("objectId", "$eq", user_id), limit=1)
        # SAFETY: only whether there is such a user; nothing of the user is given out.
        return self._engine.reads.count(state, Principal.master()) > 0

    def _renew(self, known: _Known) -> None:
        if self._engine.options.read_only:
            return
        operations = operations_of({"expiresAt": self.end_of_new()})
        # SAFETY: no client may move the end of a session; using it does.
        self._engine.direct.update("_Session", known.session_id, operations, Principal.master())
