"""What a user proves with a mail: that an address is the user's, and the right to set a new password.

A token is 25 random characters, kept among the user's secrets until it is used or replaced, and sent after
the transaction that made it. Both flows answer the same whether or not there is such a user, where Parse
does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

from parsekit.acl.principal import Principal
from parsekit.auth.mail import MailAdapter, MailKind, mail_for
from parsekit.auth.sessions import operations_of
from parsekit.errors import (
    EmailAddressError,
    EmailMissingError,
    EmailNotFoundError,
    InternalServerError,
    InvalidValueError,
    ObjectNotFoundError,
    OtherCauseError,
)
from parsekit.query.ast import And, Constraint, Or
from parsekit.query.state import QueryState
from parsekit.storage.users import users_with_secret, write_secret
from parsekit.values import Value, date_to_ms

if TYPE_CHECKING:
    from parsekit.auth.accounts import Accounts
    from parsekit.auth.secrets import UserSecrets
    from parsekit.engine.write import Write

__all__ = ["NO_MAIL", "MailTokens"]

NO_MAIL: Final = (
    "An appName, publicServerURL, and emailAdapter are required for password reset and email verification "
    "functionality."
)
_BAD_RESET: Final = "Failed to reset password: username / email / token is invalid"


@final
class MailTokens:
    """The token flows of one engine."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._options = accounts.options

    # -- verification of addresses ---------------------------------------------------------------------

    def on_new_address(self, write: Write, secrets: UserSecrets) -> None:
        """A write sets an address: it counts as unverified, and mail goes out after the commit."""
        if not self._options.verify_user_emails:
            return
        self._new_verification(secrets)
        # SAFETY: a master may state that the address is verified; for everyone else the key is refused
        # before.
        write.changed.setdefault("emailVerified", False)
        email, username = str(write.changed["email"]), write.value("username")
        name = username if isinstance(username, str) else None
        self._send_later("verify_email", write.object_id, email, name, str(secrets.verify_token))

    def _new_verification(self, secrets: UserSecrets) -> None:
        secrets.verify_token = self._accounts.random_name()
        validity = self._options.email_verify_token_validity_duration
        secrets.verify_expires = None if validity is None else self._now_ms() + int(validity * 1000)

    def request_verification(self, email: Value) -> None:
        """Send the mail once more.

        Nothing happens for an address that is nobody's or is verified already, unless
        ``email_verify_success_on_invalid_email`` is off.

        Raises:
            EmailMissingError, EmailAddressError, EmailNotFoundError: 204, 125, 205.
            OtherCauseError: -1, the address is verified already. InternalServerError: 1, there is nobody
                to send it.
        """
        address = self._address(email)
        found = self._users(Constraint("email", "$eq", address))
        verified = bool(found) and bool(found[0].get("emailVerified"))
        if found and not verified:
            self._send_again(found[0])
        # SAFETY: only where the application wants it does the answer say whether there is such a user.
        elif not self._options.email_verify_success_on_invalid_email:
            if verified:
                raise OtherCauseError(f"Email {address} is already verified.")
            raise EmailNotFoundError(f"No user found with email {address}")

    def resend(self, *, username: str | None, token: str | None) -> None:
        """Send the mail once more to the user of a name or of an earlier token, as the page of a link asks.

        Raises:
            ObjectNotFoundError: 101, there is no such user, or the address is verified.
        """
        accounts = self._accounts
        self._adapter()
        user = None
        if token:
            reader = accounts.engine.store.database.reader()
            holders = users_with_secret(reader, accounts.layout, "verify_token", token)
            user = accounts.user(holders[0]) if holders else None
        elif username:
            found = self._users(Constraint("username", "$eq", username))
            user = found[0] if found else None
        if user is None or user.get("emailVerified") or (username and user.get("username") != username):
            raise ObjectNotFoundError()
        self._send_again(user)

    def _send_again(self, user: Any) -> None:
        accounts = self._accounts
        with accounts.engine.store.write() as connection:
            secrets = accounts.secrets_of(connection, user.object_id)
            if not self._reusable(secrets):
                self._new_verification(secrets)
                write_secret(connection, accounts.layout, user.object_id, secrets.to_text())
            token = str(secrets.verify_token)
            self._send_later(
                "verify_email", user.object_id, str(user.get("email")), user.get("username"), token
            )
        accounts.engine.after_commit()

    def _reusable(self, secrets: UserSecrets) -> bool:
        lasts = secrets.verify_expires is not None and secrets.verify_expires > self._now_ms()
        return self._options.email_verify_token_reuse_if_valid and secrets.verify_token is not None and lasts

    def verify_email(self, token: str) -> None:
        """Use a token: the user's address is verified from now on.

        Raises:
            OtherCauseError: -1, the token is unknown, used or expired.
        """
        accounts = self._accounts
        with accounts.engine.store.write() as connection:
            found = users_with_secret(connection, accounts.layout, "verify_token", token) if token else []
            secrets = accounts.secrets_of(connection, found[0]) if found else None
            expires = None if secrets is None else secrets.verify_expires
            if secrets is None or (expires is not None and expires < self._now_ms()):
                raise OtherCauseError("Invalid or expired verification link.", hint="ask for another mail")
            secrets.verify_token = secrets.verify_expires = None
            write_secret(connection, accounts.layout, found[0], secrets.to_text())
            # SAFETY: the token proves that the user reads that mailbox; clients cannot set the field.
            view = accounts.engine.view(Principal.master())
            operations = operations_of({"emailVerified": True})
            accounts.engine.writes.update(connection, "_User", found[0], operations, view)
        accounts.engine.after_commit()

    # -- passwords -------------------------------------------------------------------------------------

    def request_password_reset(
        self, email: Value, *, expired_token: Value = None, principal: Principal | None = None
    ) -> None:
        """Send a mail with which the user of this address (or of it as a username) may set a password.

        A user whose token has expired may be named by it instead.

        Nothing happens for an unknown address, unless ``reset_password_success_on_invalid_email`` is off.

        Raises:
            EmailMissingError, EmailAddressError, EmailNotFoundError: 204, 125, 205.
            InternalServerError: 1, there is nobody to send it.
        """
        if expired_token:
            email = self._address_of(expired_token) or email
        address = self._address(email)
        no_email = Constraint("email", "$exists", False)
        by_name = And((Constraint("username", "$eq", address), no_email))
        found = self._users(Or((Constraint("email", "$eq", address), by_name)))
        policy = self._options.password_policy
        if not found:
            if policy.reset_password_success_on_invalid_email:
                return
            raise EmailNotFoundError("A user with that email does not exist.")
        user, accounts, now = found[0], self._accounts, self._now_ms()
        hooks = accounts.engine.hooks
        hooks.around_session("beforePasswordResetRequest", user, principal or Principal.anonymous())
        with accounts.engine.store.write() as connection:
            secrets = accounts.secrets_of(connection, user.object_id)
            lasts = secrets.reset_expires is not None and secrets.reset_expires > now
            if not (policy.reset_token_reuse_if_valid and secrets.reset_token is not None and lasts):
                secrets.reset_token = accounts.random_name()
                validity = policy.reset_token_validity_duration
                secrets.reset_expires = None if validity is None else now + int(validity * 1000)
                write_secret(connection, accounts.layout, user.object_id, secrets.to_text())
            token = str(secrets.reset_token)
            self._send_later("reset_password", user.object_id, address, user.get("username"), token)
        accounts.engine.after_commit()

    def _address_of(self, token: Value) -> str | None:
        """The address of the user with a reset token that has expired."""
        if not isinstance(token, str):
            raise InvalidValueError("token must be a string")
        accounts = self._accounts
        reader = accounts.engine.store.database.reader()
        for user_id in users_with_secret(reader, accounts.layout, "reset_token", token):
            expires = accounts.secrets_of(reader, user_id).reset_expires
            if expires is not None and expires < self._now_ms():
                email = accounts.user(user_id).get("email")
                return email if isinstance(email, str) else None
        return None

    def check_reset_token(self, token: str) -> None:
        """Whether a token can be used now.

        Raises:
            OtherCauseError: -1, it is unknown, used or expired.
        """
        accounts = self._accounts
        reader = accounts.engine.store.database.reader()
        found = users_with_secret(reader, accounts.layout, "reset_token", token) if token else []
        if not found:
            raise OtherCauseError(_BAD_RESET)
        expires = accounts.secrets_of(reader, found[0]).reset_expires
        if expires is not None and expires < self._now_ms():
            raise OtherCauseError("The password reset link has expired")

    def reset_password(self, token: str, new_password: str) -> None:
        """Use a token: set the password and end the user's sessions.

        Raises:
            OtherCauseError: -1, the token is unknown, used or expired. ValidationError: 142, the
                password policy.
        """
        accounts = self._accounts
        with accounts.preparing(password=new_password), accounts.engine.store.write() as connection:
            found = users_with_secret(connection, accounts.layout, "reset_token", token) if token else []
            if not found:
                raise OtherCauseError(_BAD_RESET)
            expires = accounts.secrets_of(connection, found[0]).reset_expires
            if expires is not None and expires < self._now_ms():
                raise OtherCauseError("The password reset link has expired")
            # SAFETY: the token proves the user; as master no new session begins.
            view = accounts.engine.view(Principal.master())
            operations = operations_of({"password": new_password})
            accounts.engine.writes.update(connection, "_User", found[0], operations, view)
            secrets = accounts.secrets_of(connection, found[0])
            accounts.guard.unlock(secrets)
            write_secret(connection, accounts.layout, found[0], secrets.to_text())
        accounts.engine.after_commit()

    # -- the parts ---------------------------------------------------------------------------------------

    def _adapter(self) -> MailAdapter:
        adapter = self._options.email_adapter
        if adapter is None:
            raise InternalServerError(
                NO_MAIL, hint="open the engine with auth=AuthOptions(email_adapter=...)"
            )
        return adapter

    def _address(self, email: Value) -> str:
        self._adapter()
        if not email:
            raise EmailMissingError("you must provide an email")
        if not isinstance(email, str):
            raise EmailAddressError("you must provide a valid email string")
        return email

    def _users(self, where: Any) -> list[Any]:
        # SAFETY: users are private to each other; who asks for a mail is not logged in.
        return self._accounts.engine.reads.find(QueryState("_User", where, limit=1), Principal.master(), None)

    def _send_later(self, kind: MailKind, user_id: str, to: str, username: str | None, token: str) -> None:
        adapter, options = self._adapter(), self._options
        mail = mail_for(
            kind,
            to=to,
            token=token,
            user_id=user_id,
            username=username,
            app_name=options.app_name,
            app_id=options.app_id,
            public_server_url=options.public_server_url,
            frame_url=options.custom_pages.get("parseFrameURL"),
        )
        self._accounts.engine.outbox.call_later(lambda: adapter.send(mail))

    def _now_ms(self) -> int:
        return date_to_ms(self._accounts.now())
