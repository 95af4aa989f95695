"""Awaited verbs of users and sessions, functions and jobs.

Those that log somebody in or out change the principal of the task that awaits them. They hash passwords and call
adapters, which takes long, and so do not hold up the writers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from parsekit._context import current_binding
from parsekit.aio.running import Running
from parsekit.user import PFSession, PFUser

if TYPE_CHECKING:
    from parsekit.acl.principal import Principal
    from parsekit.values import Value

__all__ = ["AccountVerbs"]


class AccountVerbs(Running):
    """Users, sessions, functions and jobs. Each verb raises as the method of ``PFUser`` of the same name."""

    async def sign_up(
        self, username: str, *, password: str, email: str | None = None, **fields: Any
    ) -> PFUser:
        """Create a user and make it the principal of this task."""
        kind: type[PFUser] = self.sync.class_for("_User")  # type: ignore[assignment]
        return await self.run(lambda: kind.sign_up(username, password=password, email=email, **fields))

    async def log_in(
        self, username: str, password: str, *, auth_data: Mapping[str, Any] | None = None
    ) -> PFUser:
        """Log in by username or email address."""
        return await self.run(lambda: PFUser.log_in(username, password, auth_data=auth_data))

    async def log_in_with(self, auth_type: str, auth_data: Mapping[str, Any]) -> PFUser:
        """Log in with an account of another service."""
        return await self.run(lambda: PFUser.log_in_with(auth_type, auth_data))

    async def log_in_anonymously(self) -> PFUser:
        """Log in as a new user without a name."""
        return await self.run(PFUser.log_in_anonymously)

    async def become(self, session_token: str) -> PFUser:
        """Log in with the token of a session."""
        return await self.run(lambda: PFUser.become(session_token))

    async def log_out(self) -> None:
        """End the current session; the task is anonymous from now on."""
        await self.run(PFUser.log_out)

    @property
    def current_user(self) -> PFUser | None:
        """The user of this task, ``None`` when nobody is logged in."""
        return PFUser.current()

    async def current_session(self) -> PFSession:
        """The session of this task."""
        return await self.run(PFSession.current)

    async def verify_password(self, username: str, password: str) -> PFUser:
        """The user whose password this is, without logging in."""
        return await self.run(lambda: PFUser.verify_password(username, password))

    async def request_password_reset(self, email: str) -> None:
        """Send the user of this address a mail to set a new password with."""
        await self.run(lambda: PFUser.request_password_reset(email))

    async def link_with(self, user: PFUser, auth_type: str, auth_data: Mapping[str, Any]) -> None:
        """Link an account of another service to a user and save."""
        await self.run(lambda: user.link_with(auth_type, auth_data))

    async def unlink_with(self, user: PFUser, auth_type: str) -> None:
        """Unlink an account and save."""
        await self.run(lambda: user.unlink_with(auth_type))

    async def principal_for_session(self, token: str, *, installation_id: str | None = None) -> Principal:
        """Under whom a request with this session token runs. Raises 209 when under nobody."""
        engine = self.sync
        return await self.run(lambda: engine.principal_for_session(token, installation_id=installation_id))

    async def call_function(
        self,
        name: str,
        params: Mapping[str, Value] | None = None,
        context: Mapping[str, Value] | None = None,
    ) -> Value:
        """What a cloud function answers.

        Raises:
            ScriptError: 141, there is no such function, or it failed. ValidationError: 142, its validator refused.
        """
        engine, principal = self.sync, current_binding().principal
        return await self.run(
            lambda: engine.hooks.call_function(name, params or {}, principal, context or {})
        )

    async def run_job(self, name: str, params: Mapping[str, Value] | None = None) -> str:
        """Run a job to its end; the objectId of its ``_JobStatus``.

        Raises:
            OperationForbiddenError: 119, not a master. ScriptError: 141, there is no such job.
        """
        engine, principal = self.sync, current_binding().principal
        return await self.run(lambda: engine.jobs.run(name, params or {}, principal))
