"""Auth adapters: who vouches for a user of another service.

An adapter is asked when ``authData`` of its provider comes in: to set the link up, to log in with it, to
change it. It accepts by returning, and refuses by raising a ``ParseError``. Policies are Parse Server's: a
``solo`` provider suffices for a login whatever else a user has, an ``additional`` one (a second factor) has
to be sent along.

``anonymous`` is built in. ``TokenTableAdapter`` is for tests and for a service of one's own with few
accounts.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Literal, TypeAlias, final

from parsekit import attrs
from parsekit.errors import ObjectNotFoundError
from parsekit.values import Value

__all__ = [
    "AnonymousAdapter",
    "AuthAdapter",
    "AuthData",
    "AuthOutcome",
    "AuthPolicy",
    "AuthStep",
    "TokenTableAdapter",
]

AuthData: TypeAlias = Mapping[str, Value]
"""What a client says of an account: ``id``, and whatever proves that it is the client's."""
AuthPolicy: TypeAlias = Literal["default", "solo", "additional"]
AuthStep: TypeAlias = Literal["set_up", "login", "update"]


@final
@attrs.frozen(slots=True)
class AuthOutcome:
    """What an adapter makes of accepted data: what to store in its place (``None``: as it came), what to
    answer.
    """

    save: Mapping[str, Value] | None = attrs.field(default=None, repr=False)
    response: Mapping[str, Value] | None = attrs.field(default=None, repr=False)
    do_not_save: bool = False


class AuthAdapter:
    """One provider. Subclasses say in ``validate`` what they accept."""

    policy: AuthPolicy = "default"

    def validate(self, auth_data: AuthData, step: AuthStep, user_id: str | None) -> AuthOutcome | None:
        """Accept or refuse. ``user_id`` is the user whose account is changed or logged in to, ``None`` for a
        new one.

        Raises:
            ParseError: refused; Parse's adapters raise 101.
        """
        raise NotImplementedError

    def challenge(self, challenge_data: Value, auth_data: AuthData | None, user_id: str | None) -> Value:  # noqa: ARG002
        """The answer to ``POST /challenge``; ``None`` where the provider has nothing to ask."""
        return None


@final
class AnonymousAdapter(AuthAdapter):
    """Accepts anybody: the id that a device drew is the proof."""

    def validate(self, auth_data: AuthData, step: AuthStep, user_id: str | None) -> AuthOutcome | None:  # noqa: ARG002
        """Accept."""
        return None


@final
class TokenTableAdapter(AuthAdapter):
    """Accepts ``{"id": ..., "access_token": ...}`` where the table says so."""

    def __init__(self, tokens: Mapping[str, str], *, policy: AuthPolicy = "default") -> None:
        self._tokens = dict(tokens)
        self.policy = policy

    def validate(self, auth_data: AuthData, step: AuthStep, user_id: str | None) -> AuthOutcome | None:  # noqa: ARG002
        """Accept an id with its token.

        Raises:
            ObjectNotFoundError: 101.
        """
        identity, token = auth_data.get("id"), auth_data.get("access_token")
        known = self._tokens.get(identity) if isinstance(identity, str) else None
        given = token if isinstance(token, str) else ""
        # compared even where there is no such id, so that both refusals take the same time
        if not hmac.compare_digest(given.encode(), (known or "").encode()) or known is None:
            raise ObjectNotFoundError("Auth data is invalid for this user.")
        return None
