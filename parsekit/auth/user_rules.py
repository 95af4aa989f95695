"""The rules of ``_User`` inside a write: what a user has to have, and what is never stored as it came.

``before_schema`` refuses what Parse refuses before it looks at types (RestWrite.validateAuthData);
``before_write`` turns the password into a hash, keeps names unique and sets the ACL; ``after_write`` stores
the secrets and ends sessions. The plain password is gone from the write before its row and its journal entry
are made.
"""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING, Final, final

from parsekit.acl.principal import is_reserved_user_id
from parsekit.acl.system import check_user_write, forbidden, user_acl_on_create, user_acl_on_update
from parsekit.auth.auth_data import is_usable, merged
from parsekit.auth.policy import check_history, check_requirements, remember_password
from parsekit.auth.preparation import prepared
from parsekit.auth.secrets import UserSecrets
from parsekit.auth.sessions import created_with
from parsekit.errors import (
    EmailAddressError,
    EmailTakenError,
    InvalidJsonError,
    PasswordMissingError,
    UsernameMissingError,
    UsernameTakenError,
)
from parsekit.operations import Delete, Set
from parsekit.storage.users import name_is_taken, read_secret, write_secret
from parsekit.values import MISSING, Missing, Value, date_to_ms

if TYPE_CHECKING:
    from parsekit.auth.accounts import Accounts
    from parsekit.engine.write import Write
    from parsekit.storage.database import Connection

__all__ = ["UserRules", "random_name"]

_EMAIL: Final = re.compile(r".+@.+")
_NAME_SIZE: Final = 25
_ALPHABET: Final = string.ascii_uppercase + string.ascii_lowercase + string.digits


def random_name(accounts: Accounts) -> str:
    """25 characters out of 62: the username of a user without one, and the tokens that mails carry."""
    drawn: list[str] = []
    while len(drawn) < _NAME_SIZE:
        # 248 = 4 * 62: a byte below it is an unbiased choice
        drawn += [_ALPHABET[byte % 62] for byte in accounts.options.random_bytes(_NAME_SIZE) if byte < 248]
    return "".join(drawn[:_NAME_SIZE])


@final
class UserRules:
    """What ``_User`` adds to a write."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    # -- before the schema is asked --------------------------------------------------------------------

    def before_schema(self, write: Write, connection: Connection) -> None:  # noqa: ARG002
        """Refuse a user whom nobody could log in as, and authData of somebody else.

        Raises:
            UsernameMissingError, PasswordMissingError: 200, 201. AccountLinkedError: 208.
            UnsupportedServiceError: 252. OperationForbiddenError: 119.
        """
        operations, principal = write.operations, write.view.principal
        check_user_write(dict.fromkeys(operations), principal)
        if isinstance(operations.get("username"), Delete):
            # MongoDB's answer (server_divergences.md): the operation itself is looked for among the usernames
            raise InvalidJsonError("You cannot use [object Object] as a query parameter.")
        auth_data = _given(write, "authData")
        if write.creating:
            if is_reserved_user_id(write.object_id):
                raise forbidden("Invalid object ID.")
            # SAFETY: an import brings users whose passwords are not known, or only their hashes.
            if principal.kind != "maintenance" and not is_usable(auth_data):
                _require_text(_given(write, "username"), UsernameMissingError("bad or missing username"))
                _require_text(_given(write, "password"), PasswordMissingError("password is required"))
        self._take_hash(write)
        if auth_data is not MISSING and auth_data != {}:
            self._validate_auth_data(write, auth_data)

    def before_refusal(self, write: Write, connection: Connection) -> None:
        """What ``before_schema`` refuses whosever user it is; an update may name a user who is not there."""
        if write.creating:
            self.before_schema(write, connection)
            return
        check_user_write(dict.fromkeys(write.operations), write.view.principal)

    def check_values(self, write: Write, connection: Connection) -> None:
        """Refuse names that are taken, and what is no address."""
        self._check_username(write, connection)
        self._check_email(write, connection)

    def _take_hash(self, write: Write) -> None:
        """An import may bring the hash in the place of the password, under the name of Parse's column."""
        operation = write.operations.get("_hashed_password")
        # SAFETY: internal fields are the maintenance key's alone; from others the key is refused as a field
        # name.
        if isinstance(operation, Set) and write.view.principal.kind == "maintenance":
            write.operations.discard("_hashed_password")
            write.private["hashed"] = operation.value

    def _validate_auth_data(self, write: Write, auth_data: Value) -> None:
        rules = self._accounts.auth_data
        user_id = None if write.creating else write.object_id
        validated = prepared().auth_data
        if validated is None or validated.given != auth_data:
            stored = None if write.old is None else write.old.get("authData")
            validated = rules.validate(auth_data, "set_up" if write.creating else "update", user_id, stored)
        rules.require_free(auth_data, user_id)
        write.private["auth_data"] = validated
        write.echo["authDataResponse"] = dict(validated.response)

    # -- before the row is written ---------------------------------------------------------------------

    def before_write(self, write: Write, connection: Connection) -> None:
        """Set the ACL, hash the password, keep username and email unique.

        Raises:
            UsernameTakenError, EmailTakenError: 202, 203. EmailAddressError: 125. ValidationError: 142.
        """
        self._set_acl(write)
        self._lower_names(write)
        secrets = (
            self._accounts.secrets_of(connection, write.object_id) if not write.creating else UserSecrets()
        )
        write.private["secrets"] = secrets
        self._set_auth_data(write, connection)
        self._set_password(write, secrets)
        self._set_username(write, connection)
        self._set_email(write, connection, secrets)

    def _lower_names(self, write: Write) -> None:
        for key in ("username", "email"):
            given = write.changed.get(key)
            if isinstance(given, str) and given != (lowered := self._accounts.options.lowered(key, given)):
                write.changed[key] = write.echo[key] = lowered

    def _set_acl(self, write: Write) -> None:
        private = self._accounts.enforce_private_users
        if write.creating:
            acl = None if write.acl is MISSING else write.acl
            # SAFETY: an import keeps the ACL that a user had, even one that locks the user out.
            if acl is None or write.view.principal.kind != "maintenance":
                write.acl = user_acl_on_create(acl, write.object_id, private)
        elif write.acl is not MISSING and write.acl is not None:
            write.acl = user_acl_on_update(write.acl, write.object_id, write.view.principal)

    def _set_auth_data(self, write: Write, connection: Connection) -> None:
        validated = write.private.get("auth_data")
        write.changed.pop("authData", None)
        if validated is None:
            return
        old = None if write.old is None else write.old.get("authData")
        after = merged(old, validated.stored)
        if after:
            write.changed["authData"] = after
        elif not write.creating:
            write.removed.append("authData")
        self._accounts.auth_data.index(connection, validated.stored)

    def _set_password(self, write: Write, secrets: UserSecrets) -> None:
        password: Value | Missing = write.changed.pop("password", MISSING)
        write.echo["password"] = MISSING  # a PFObject forgets what it sent
        if "password" in write.removed:
            write.removed.remove("password")
            password = None
        if "hashed" in write.private:
            secrets.password = str(write.private["hashed"])
        if password is MISSING:
            return
        if not isinstance(password, str):
            raise PasswordMissingError("password is required")
        accounts = self._accounts
        policy = accounts.options.password_policy
        username = write.value("username")
        check_requirements(policy, password, username if isinstance(username, str) else None)
        if not write.creating:
            check_history(policy, accounts.passwords, password, secrets)
        ready = prepared()
        hashed = ready.hashed if ready.password == password else None
        hashed = hashed or accounts.passwords.hash(password)
        remember_password(policy, secrets, hashed, date_to_ms(accounts.now()))
        write.private["new_password"] = True

    def _set_username(self, write: Write, connection: Connection) -> None:
        username = write.changed.get("username")
        if not username:
            # SAFETY: an import keeps a user without a name as it is.
            if write.creating and write.view.principal.kind != "maintenance":
                write.changed["username"] = write.echo["username"] = random_name(self._accounts)
            return
        self._check_username(write, connection)

    def _check_username(self, write: Write, connection: Connection) -> None:
        username = write.changed.get("username")
        if username and name_is_taken(
            connection, self._accounts.layout, "username", username, write.object_id
        ):
            raise UsernameTakenError("Account already exists for this username.")

    def _check_email(self, write: Write, connection: Connection) -> None:
        email = write.changed.get("email")
        if email is None:
            return
        if email and not _EMAIL.fullmatch(email):
            raise EmailAddressError("Email address format is invalid.")
        if name_is_taken(connection, self._accounts.layout, "email", email, write.object_id):
            raise EmailTakenError("Account already exists for this email address.")

    def _set_email(self, write: Write, connection: Connection, secrets: UserSecrets) -> None:
        email = write.changed.get("email")
        self._check_email(write, connection)
        if not write.creating and ("email" in write.changed or write.private.get("new_password")):
            secrets.reset_token = secrets.reset_expires = None  # RestWrite.deleteEmailResetTokenIfNeeded
        if email and set(account_providers(write)) <= {"anonymous"}:
            self._accounts.mail_tokens.on_new_address(write, secrets)

    # -- after the row is written ------------------------------------------------------------------------

    def after_write(self, write: Write, connection: Connection) -> None:
        """Store the secrets; after a change of password end the user's sessions and begin one for a client."""
        layout, secrets = self._accounts.layout, write.private["secrets"]
        text = secrets.to_text()
        if text != "{}" or read_secret(connection, layout, write.object_id) is not None:
            write_secret(connection, layout, write.object_id, text)
        if write.creating:
            return
        sessions = self._accounts.sessions
        providers = account_providers(write)
        # SAFETY: a master that links an account gets a session for the user (RestWrite.createSessionTokenIfNeeded).
        device = prepared().installation_id
        if (
            providers
            and device is not None
            and write.view.principal.kind == "master"
            and not write.private.get("new_password")
        ):
            origin = created_with("login", ",".join(providers))
            token = sessions.create(connection, write.object_id, origin, device)
            write.echo["sessionToken"] = token
        if not write.private.get("new_password"):
            return
        if self._accounts.options.revoke_session_on_password_reset:
            sessions.revoke(connection, write.object_id)
        # SAFETY: a master that sets somebody's password does not thereby become that user.
        if not write.view.principal.bypasses_permissions:
            origin = created_with("signup", "password")  # so RestWrite.createSessionToken words it
            installation = prepared().installation_id
            token = sessions.create(connection, write.object_id, origin, installation)
            write.echo["sessionToken"] = token

    def after_delete(self, write: Write, connection: Connection) -> None:
        """End the user's sessions."""
        self._accounts.sessions.revoke(connection, write.object_id)


def account_providers(write: Write) -> list[str]:
    """The providers that the write sets."""
    validated = write.private.get("auth_data")
    return (
        [] if validated is None else [name for name, entry in validated.stored.items() if entry is not None]
    )


def _given(write: Write, key: str) -> Value | Missing:
    operation = write.operations.get(key)
    return operation.value if isinstance(operation, Set) else MISSING


def _require_text(value: Value | Missing, error: UsernameMissingError | PasswordMissingError) -> None:
    if not isinstance(value, str) or not value:
        raise error
