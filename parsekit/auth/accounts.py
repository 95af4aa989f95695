"""Sign-up, log-in, log-out: what happens before somebody is anybody. ``engine.accounts``.

Each flow reads and verifies outside of a transaction and then writes in one. Whoever calls gets objects and
tokens back; making the user the principal of the current context is ``PFUser``'s affair, headers and
statuses are REST's. Codes and texts are those of Parse Server (parse_server.md section 5).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, final

from parsekit.acl.principal import Principal
from parsekit.auth.account_log_in import log_in_with_account, store_auth_data
from parsekit.auth.auth_data import AuthDataRules, is_usable
from parsekit.auth.challenge import carry_out
from parsekit.auth.mail_tokens import MailTokens
from parsekit.auth.options import AuthOptions
from parsekit.auth.passwords import Passwords
from parsekit.auth.policy import LoginGuard, check_age
from parsekit.auth.preparation import PREPARED, Prepared, ValidatedAuthData
from parsekit.auth.secrets import UserSecrets
from parsekit.auth.session_rules import RoleRules, SessionRules
from parsekit.auth.sessions import Sessions, created_with
from parsekit.auth.signed_in import SignedIn
from parsekit.auth.user_rules import UserRules, random_name
from parsekit.errors import (
    EmailNotFoundError,
    InvalidSessionTokenError,
    InvalidValueError,
    ObjectNotFoundError,
    ParseError,
    PasswordMissingError,
    UsernameMissingError,
)
from parsekit.operations import OperationSet, Set
from parsekit.storage.layout import ClassLayout
from parsekit.storage.users import LoginCandidate, login_candidates, read_secret, write_secret
from parsekit.values import MISSING, Missing, Value, date_to_ms

if TYPE_CHECKING:
    from parsekit.engine.core import ParseEngine
    from parsekit.engine.write import ClassRules, Write
    from parsekit.storage.database import Connection
    from parsekit.user import PFUser

__all__ = ["Accounts", "SignedIn"]

_WRONG: Final = "Invalid username/password."

_NO_CONTEXT: Final[Mapping[str, Value]] = MappingProxyType({})


@final
class Accounts:
    """The users of an engine, as far as they come and go."""

    def __init__(self, engine: ParseEngine, options: AuthOptions, *, enforce_private_users: bool) -> None:
        self.engine = engine
        self.options = options
        self.enforce_private_users = enforce_private_users
        self.passwords = Passwords(options.password_cost, options.random_bytes)
        self.guard = LoginGuard(options.account_lockout)
        self.sessions = Sessions(engine, options)
        self.auth_data = AuthDataRules(engine, options)
        self.mail_tokens = MailTokens(self)

    def rules(self) -> dict[str, ClassRules]:
        """What system classes add to writes."""
        return {
            "_User": UserRules(self),
            "_Session": SessionRules(self.sessions),
            "_Role": RoleRules(self.engine),
        }

    # -- for the flows and rules of this package -----------------------------------------------------------

    def now(self) -> datetime:
        """The engine's time."""
        return self.engine.options.clock()

    @property
    def layout(self) -> ClassLayout:
        """Where users are stored."""
        return self.engine.store.catalog.layouts["_User"]

    def random_name(self) -> str:
        """25 random letters and digits."""
        return random_name(self)

    def secrets_of(self, connection: Connection, user_id: str) -> UserSecrets:
        """A user's secrets."""
        return UserSecrets.from_text(read_secret(connection, self.layout, user_id))

    @contextlib.contextmanager
    def preparing(
        self,
        *,
        password: Value | Missing = MISSING,
        auth_data: ValidatedAuthData | None = None,
        installation_id: str | None = None,
    ) -> Iterator[None]:
        """Do what takes long for a write of a user before its transaction (``preparation``)."""
        text = password if isinstance(password, str) else None
        hashed = None if text is None else self.passwords.hash(text)
        token = PREPARED.set(Prepared(installation_id, text, hashed, auth_data))
        try:
            yield
        finally:
            PREPARED.reset(token)

    # -- signing up ----------------------------------------------------------------------------------------

    def sign_up(
        self,
        operations: OperationSet,
        principal: Principal,
        *,
        object_id: str | None = None,
        created_at: datetime | None = None,
        updated_at: datetime | None = None,
        context: Mapping[str, Value] | None = None,
    ) -> SignedIn:
        """Create a user and begin a session; log in instead where ``authData`` is of a user who is there.

        Raises:
            ParseError: 125, 142, 200, 201, 202, 203, 208, 252, and whatever a write may raise.
        """
        auth_data = _value(operations, "authData")
        validated: ValidatedAuthData | None = None
        if is_usable(auth_data):
            owners = self.auth_data.users_of(auth_data)
            if owners:
                return log_in_with_account(self, owners, auth_data, principal)
            validated = self.auth_data.validate(auth_data, "set_up", None)
        password = _value(operations, "password")
        installation = principal.installation_id
        engine = self.engine
        providers = ",".join(validated.stored) if validated is not None else ""

        def carry_out() -> tuple[Write, str | None]:
            with engine.store.write() as connection:
                write = engine.writes.create(
                    connection,
                    "_User",
                    operations,
                    engine.view(principal),
                    object_id=object_id,
                    created_at=created_at,
                    updated_at=updated_at,
                    context=context or {},
                )
                return write, self._first_session(connection, write.object_id, providers, installation)

        with self.preparing(password=password, auth_data=validated, installation_id=installation):
            write, token = engine.carried_out(carry_out)
            engine.after_commit()
        if token is None and self.options.prevent_signup_with_unverified_email:
            raise EmailNotFoundError("User email is not verified.", hint="the user is there, and has mail")
        echo = engine.direct.echo_of(write)
        return SignedIn(self.user(write.object_id, token), token, created=True, echo=echo)

    @property
    def _waits_for_verification(self) -> bool:
        """Whether a user who signs up has no session before the address is verified."""
        return self.options.verify_user_emails and self.options.prevent_login_with_unverified_email

    def _first_session(
        self, connection: Connection, user_id: str, providers: str, installation_id: str | None
    ) -> str | None:
        if not providers and self._waits_for_verification:
            return None
        origin = created_with("login", providers) if providers else created_with("signup", "password")
        return self.sessions.create(connection, user_id, origin, installation_id)

    # -- logging in ----------------------------------------------------------------------------------------

    def log_in(
        self,
        username: Value,
        password: Value,
        *,
        email: Value = None,
        auth_data: Value = None,
        principal: Principal | None = None,
        context: Mapping[str, Value] = _NO_CONTEXT,
    ) -> SignedIn:
        """Verify a password and begin a session. ``username`` may be the email address.

        Raises:
            UsernameMissingError, PasswordMissingError: 200, 201.
            ObjectNotFoundError: 101, wrong, locked out or expired. EmailNotFoundError: 205, not verified.
        """
        principal = principal or Principal.anonymous()
        user_id = self._authenticated(username, password, email, principal)
        stored = self.user(user_id).get("authData")
        self.auth_data.check_login_providers(stored, auth_data)
        validated = None
        if auth_data:
            validated = self.auth_data.validate(auth_data, "login", user_id, stored)
        engine = self.engine

        def carry_out() -> str:
            with engine.store.write() as connection:
                self._check_age(connection, user_id)
                if validated is not None:
                    store_auth_data(self, connection, user_id, stored, validated)
                engine.hooks.around_session("beforeLogin", self.user(user_id), principal, context)
                origin = created_with("login", "password")
                return self.sessions.create(connection, user_id, origin, principal.installation_id)

        token = engine.carried_out(carry_out)
        engine.after_commit()
        echo = {} if validated is None else {"authDataResponse": dict(validated.response)}
        user = self.user(user_id, token)
        engine.hooks.around_session("afterLogin", user, principal, context)
        return SignedIn(user, token, echo=echo)

    def verify_password(
        self,
        username: Value,
        password: Value,
        *,
        email: Value = None,
        principal: Principal | None = None,
        ignore_email_verification: bool = False,
    ) -> PFUser:
        """The user whose password this is. No session begins. Raises as ``log_in`` does."""
        asking = principal or Principal.anonymous()
        ignoring = ignore_email_verification and asking.bypasses_permissions
        user_id = self._authenticated(username, password, email, asking, ignore_verification=ignoring)
        return self.user(user_id)

    def _check_age(self, connection: Connection, user_id: str) -> None:
        secrets = self.secrets_of(connection, user_id)
        before = secrets.changed_at
        check_age(self.options.password_policy, secrets, date_to_ms(self.now()))
        if secrets.changed_at != before:
            write_secret(connection, self.layout, user_id, secrets.to_text())

    def _authenticated(
        self,
        username: Value,
        password: Value,
        email: Value,
        principal: Principal,
        *,
        ignore_verification: bool = False,
    ) -> str:
        """The id of the user, when the password is right and the user may log in."""
        if not username and not email:
            raise UsernameMissingError("username/email is required.")
        if not password:
            raise PasswordMissingError("password is required.")
        if not all(isinstance(value, str) for value in (password, username or "", email or "")):
            raise ObjectNotFoundError(_WRONG)
        self.passwords.prepare()
        candidate = self._candidate(username or None, email or None)
        secrets = UserSecrets.from_text(None if candidate is None else candidate.secret)
        right = self.passwords.verify(str(password), secrets.password)
        if candidate is None:
            raise ObjectNotFoundError(_WRONG)
        refusal = self._count_attempt(candidate, secrets, str(password), right=right)
        if refusal is not None or not right:
            raise refusal or ObjectNotFoundError(_WRONG)
        # SAFETY: a master may log in a user whom an empty ACL locks out (A7).
        if not principal.bypasses_permissions and self.engine.store.acl_json(candidate.acl) == {}:
            raise ObjectNotFoundError(_WRONG)
        if not ignore_verification:
            self._require_verified(candidate.object_id)
        return candidate.object_id

    def _candidate(self, username: str | None, email: str | None) -> LoginCandidate | None:
        if username is not None:  # which may be an address
            kind = "email" if email is None and "@" in username else "username"
            username = self.options.lowered(kind, username)
        if email is not None:
            email = self.options.lowered("email", email)
        found = login_candidates(self.engine.store.database.reader(), self.layout, username, email)
        if len(found) > 1:  # one user's address is another one's name: the name counts
            found = [candidate for candidate in found if candidate.username == username]
        return found[0] if found else None

    def _count_attempt(
        self, candidate: LoginCandidate, secrets: UserSecrets, password: str, *, right: bool
    ) -> ParseError | None:
        """Count the attempt, and replace a hash that is outdated, when there is something to write."""
        outdated = right and secrets.password is not None and self.passwords.is_outdated(secrets.password)
        if self.options.account_lockout is None and not outdated:
            return None
        fresh = self.passwords.hash(password) if outdated else None
        with self.engine.store.write() as connection:
            current = self.secrets_of(connection, candidate.object_id)
            refusal = self.guard.attempt(current, date_to_ms(self.now()), right=right)
            if refusal is None and fresh is not None and current.password == secrets.password:
                current.password = fresh
            write_secret(connection, self.layout, candidate.object_id, current.to_text())
        return refusal

    def _require_verified(self, user_id: str) -> None:
        if not self._waits_for_verification:
            return
        if not self.user(user_id).get("emailVerified"):
            raise EmailNotFoundError("User email is not verified.")

    def log_in_as(self, user_id: Value, principal: Principal) -> SignedIn:
        """Begin a session for a user without a password; masters only.

        Raises:
            OperationForbiddenError: 119. InvalidValueError: 162. ObjectNotFoundError: 101 ``user not found``.
        """
        # SAFETY: this is what lets one become any user, so it is the master's alone, and a writing one's.
        if principal.kind not in ("master", "maintenance"):
            from parsekit.acl.system import forbidden

            raise forbidden("master key is required")
        if not user_id:
            raise InvalidValueError("userId must not be empty, null, or undefined")
        try:
            user = self.user(str(user_id))
        except ObjectNotFoundError:
            raise ObjectNotFoundError("user not found") from None
        with self.engine.store.write() as connection:
            origin = created_with("login", "masterkey")
            token = self.sessions.create(connection, str(user.object_id), origin, principal.installation_id)
        self.engine.after_commit()
        return SignedIn(self.user(str(user_id), token), token)

    def challenge(
        self,
        challenge_data: Value,
        *,
        username: Value = None,
        email: Value = None,
        password: Value = None,
        auth_data: Value = None,
    ) -> dict[str, Value]:
        """What the adapters ask of a user (``auth.challenge`` says what is refused)."""
        return carry_out(
            self, challenge_data, username=username, email=email, password=password, auth_data=auth_data
        )

    def upgrade_session(self, principal: Principal) -> Any:
        """A new session for a user who is logged in, as a ``PFSession`` (L21)."""
        engine, origin = self.engine, created_with("upgrade")
        with engine.store.write() as connection:
            token = self.sessions.create(
                connection, str(principal.user_id), origin, principal.installation_id
            )
        engine.after_commit()
        return self.sessions.find(token)

    # -- sessions --------------------------------------------------------------------------------------------

    def user_of(self, token: str | None) -> PFUser:
        """The user of a session, with its token.

        Raises:
            InvalidSessionTokenError: 209.
        """
        if not token:
            raise InvalidSessionTokenError()
        principal = self.sessions.principal_for(token)
        return self.user(str(principal.user_id), token)

    def log_out(self, token: str | None) -> None:
        """End a session; nothing happens without one."""
        if token:
            self.sessions.end(token)

    def user(self, user_id: str, token: str | None = None) -> PFUser:
        """A user with all fields, for whoever proved to be that user; ``ObjectNotFoundError`` (101) for none."""
        # SAFETY: users see all of their own object; it is given to whoever proved to be that user.
        user: Any = self.engine.reads.get("_User", user_id, Principal.master(), None, None)
        if token is not None:
            user.take_session(token)
        return user  # type: ignore[no-any-return]


def _value(operations: OperationSet, key: str) -> Value:
    operation = operations.get(key)
    return operation.value if isinstance(operation, Set) else None
