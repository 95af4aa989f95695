"""``authData``: which user an account of another service belongs to, and what adapters say of it.

A user's ``authData`` maps providers to what their adapters let be stored. An account, that is a provider and
an ``id``, belongs to one user at most (208). A provider sent as null is unlinked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, final

from parsekit.auth.adapters import AnonymousAdapter, AuthAdapter, AuthData, AuthStep
from parsekit.auth.preparation import ValidatedAuthData
from parsekit.errors import AccountLinkedError, OtherCauseError, UnsupportedServiceError, parse_error
from parsekit.storage import users as storage
from parsekit.values import Value

if TYPE_CHECKING:
    from parsekit.auth.options import AuthOptions
    from parsekit.engine.core import ParseEngine
    from parsekit.storage.database import Connection

__all__ = ["AuthDataRules", "account_ids", "is_usable", "merged"]

_UNSUPPORTED: Final = "This authentication method is unsupported."


def account_ids(auth_data: Value) -> dict[str, str | int]:
    """The accounts that ``authData`` names: provider -> id. Whatever is no account is left out."""
    if not isinstance(auth_data, Mapping):
        return {}
    found: dict[str, str | int] = {}
    for provider, entry in auth_data.items():
        identity = entry.get("id") if isinstance(entry, Mapping) else None
        if identity and isinstance(identity, str | int) and not isinstance(identity, bool):
            found[str(provider)] = identity
    return found


def is_usable(auth_data: Value) -> bool:
    """Whether somebody can be recognized by it, so that a sign-up needs no username and password."""
    return bool(account_ids(auth_data))


def merged(old: Value, change: Mapping[str, AuthData | None]) -> dict[str, Value]:
    """A user's ``authData`` after ``change``: provider by provider, null unlinks."""
    after: dict[str, Value] = dict(old) if isinstance(old, Mapping) else {}
    for provider, entry in change.items():
        if entry is None:
            after.pop(provider, None)
        else:
            after[provider] = dict(entry)
    return after


@final
class AuthDataRules:
    """Finds users by account, and asks the adapters. One per engine."""

    def __init__(self, engine: ParseEngine, options: AuthOptions) -> None:
        self._engine = engine
        self._adapters: dict[str, AuthAdapter] = dict(options.auth)
        if options.enable_anonymous_users:
            self._adapters.setdefault("anonymous", AnonymousAdapter())
        self._indexed: set[str] = set()

    def adapter(self, provider: str) -> AuthAdapter:
        """The adapter of a provider.

        Raises:
            UnsupportedServiceError: 252, there is none.
        """
        found = self._adapters.get(provider)
        if found is None:
            known = ", ".join(sorted(self._adapters)) or "none"
            raise UnsupportedServiceError(
                _UNSUPPORTED, hint=f"no adapter for {provider!r}; there are: {known}"
            )
        return found

    # -- whose account is it -------------------------------------------------------------------------

    def users_of(self, auth_data: Value) -> list[str]:
        """The ids of the users to whom one of these accounts belongs.

        Raises:
            ParseError: 162, an account's id is no text.
        """
        for provider, entry in auth_data.items() if isinstance(auth_data, Mapping) else ():
            identity = entry.get("id") if isinstance(entry, Mapping) else None
            if provider in self._adapters and identity and not isinstance(identity, str):
                raise parse_error(162, f"Invalid authData id for provider '{provider}'.")
        layout = self._engine.store.catalog.layouts["_User"]
        connection = self._engine.store.database.reader()
        found: dict[str, None] = {}
        for provider, identity in account_ids(auth_data).items():
            if provider in self._adapters:
                found.update(
                    dict.fromkeys(storage.users_with_auth_id(connection, layout, provider, identity))
                )
        return list(found)

    def require_free(self, auth_data: Value, user_id: str | None) -> None:
        """Refuse an account that belongs to somebody else.

        Raises:
            AccountLinkedError: 208.
        """
        if any(owner != user_id for owner in self.users_of(auth_data)):
            raise AccountLinkedError("this auth is already used")

    def index(self, connection: Connection, providers: Iterable[str]) -> None:
        """Make users of these providers quick to find. Inside ``Store.write()``."""
        layout = self._engine.store.catalog.layouts["_User"]
        for provider in providers:
            if provider in self._adapters and provider not in self._indexed:
                storage.index_auth_provider(connection, layout, provider)
                self._indexed.add(provider)

    # -- what the adapters say -----------------------------------------------------------------------

    def validate(
        self, auth_data: Value, step: AuthStep, user_id: str | None, stored: Value = None
    ) -> ValidatedAuthData:
        """Ask the adapter of each provider that is sent, in alphabetical order.

        An entry that is stored already is not asked about again while a user is updated.

        Raises:
            UnsupportedServiceError: 252, no adapter, or not ``authData`` at all.
            ParseError: what an adapter raises.
        """
        if not isinstance(auth_data, Mapping) or not auth_data:
            raise UnsupportedServiceError(_UNSUPPORTED)
        known: Mapping[str, Any] = stored if isinstance(stored, Mapping) else {}
        kept: dict[str, AuthData | None] = {}
        response: dict[str, Mapping[str, object]] = {}
        for provider in sorted(auth_data):
            entry = auth_data[provider]
            if entry is None:
                kept[provider] = None
                continue
            adapter = self.adapter(provider)
            if not isinstance(entry, Mapping):
                raise UnsupportedServiceError(_UNSUPPORTED)
            if step == "update" and known.get(provider) == entry:
                continue
            this_step: AuthStep = "set_up" if step == "update" and provider not in known else step
            outcome = adapter.validate(entry, this_step, user_id)
            if outcome is None or not outcome.do_not_save:
                kept[provider] = entry if outcome is None or outcome.save is None else outcome.save
            if outcome is not None and outcome.response:
                response[provider] = outcome.response
        return ValidatedAuthData(dict(auth_data), kept, response)

    def check_login_providers(self, stored: Value, given: Value) -> None:
        """Refuse a login without the second factor that the user has set up.

        Raises:
            OtherCauseError: -1 ``Missing additional authData x``.
        """
        mine: Mapping[str, Any] = stored if isinstance(stored, Mapping) else {}
        sent: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
        policies = {name: self._adapters[name].policy for name in mine if name in self._adapters}
        if any(policy == "solo" and sent.get(name) for name, policy in policies.items()):
            return
        additional = [name for name, policy in policies.items() if policy == "additional"]
        if additional and not any(sent.get(name) for name in additional):
            raise OtherCauseError(f"Missing additional authData {','.join(additional)}")
