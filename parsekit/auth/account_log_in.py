"""Logging in with an account of another service that a user is linked to already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parsekit import attrs
from parsekit.acl.principal import Principal
from parsekit.auth.auth_data import merged
from parsekit.auth.preparation import PREPARED, Prepared, ValidatedAuthData
from parsekit.auth.sessions import created_with, operations_of
from parsekit.auth.signed_in import SignedIn
from parsekit.errors import AccountLinkedError, ObjectNotFoundError
from parsekit.values import Value

if TYPE_CHECKING:
    from parsekit.auth.accounts import Accounts
    from parsekit.storage.database import Connection

__all__ = ["log_in_with_account", "store_auth_data"]


def log_in_with_account(
    accounts: Accounts, owners: list[str], auth_data: Value, principal: Principal
) -> SignedIn:
    """Begin a session for the one of ``owners`` to whom the accounts in ``auth_data`` belong.

    Raises:
        AccountLinkedError: 208, they are of several users, or of another one than is logged in.
        ObjectNotFoundError: 101, the user is locked out. ParseError: what an adapter raises.
    """
    user_id, engine = owners[0], accounts.engine
    # SAFETY: like the account's owner, a master may log in with it while another user is logged in.
    mine = principal.user_id in (None, user_id) or principal.bypasses_permissions
    user = accounts.user(user_id)
    stored = user.get("authData")
    # the adapters come before any refusal, so that nobody learns by guessing which accounts are linked
    validated = accounts.auth_data.validate(auth_data, "login", user_id, stored)
    if len(owners) > 1 or not mine:
        raise AccountLinkedError("this auth is already used")
    # SAFETY: a master may log in a user whom an empty ACL locks out (A7).
    if not principal.bypasses_permissions and user.acl is not None and user.acl.to_json() == {}:
        raise ObjectNotFoundError("Invalid username/password.", hint="the user is locked out")
    accounts.auth_data.check_login_providers(stored, auth_data)
    origin = created_with("login", ",".join(validated.given))

    def carry_out() -> str:
        with engine.store.write() as connection:
            engine.hooks.around_session("beforeLogin", user, principal)
            store_auth_data(accounts, connection, user_id, stored, validated)
            return accounts.sessions.create(connection, user_id, origin, principal.installation_id)

    token = engine.carried_out(carry_out)
    engine.after_commit()
    user = accounts.user(user_id, token)
    engine.hooks.around_session("afterLogin", user, principal)
    return SignedIn(user, token, echo={"authDataResponse": dict(validated.response)})


def store_auth_data(
    accounts: Accounts, connection: Connection, user_id: str, stored: Value, validated: ValidatedAuthData
) -> None:
    """Store what the adapters made of a login, when it is news. Inside ``Store.write()``."""
    if merged(stored, validated.stored) == (stored or {}):
        return
    given = dict(validated.stored)
    token = PREPARED.set(Prepared(auth_data=attrs.evolve(validated, given=given)))
    try:
        # SAFETY: the adapters have just accepted it for this user, who is not logged in yet.
        view = accounts.engine.view(Principal.master())
        operations = operations_of({"authData": given})
        accounts.engine.writes.update(connection, "_User", user_id, operations, view)
    finally:
        PREPARED.reset(token)
