"""``/challenge``: what a provider asks of a user before a login or an update (UsersRouter.handleChallenge).

A provider that sends a code, say, does so here. Who fails to identify with ``authData`` learns no more than
that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from parsekit.acl.principal import Principal
from parsekit.auth.auth_data import account_ids
from parsekit.errors import ObjectNotFoundError, OtherCauseError, ParseError
from parsekit.values import Value

if TYPE_CHECKING:
    from parsekit.auth.accounts import Accounts

__all__ = ["carry_out"]


def carry_out(
    accounts: Accounts,
    challenge_data: Value,
    *,
    username: Value,
    email: Value,
    password: Value,
    auth_data: Value,
) -> dict[str, Value]:
    """The answers of the providers named in ``challenge_data``.

    Raises:
        OtherCauseError: -1 with Parse's text, the request lacks something or has too much.
        ObjectNotFoundError: 101, nobody of that name, password or account.
    """
    user_id: str | None = None
    if username or email:
        if not password:
            raise OtherCauseError("You provided username or email, you need to also provide password.")
        asking = Principal.anonymous()
        user_id = accounts.verify_password(username, password, email=email, principal=asking).object_id
    if not challenge_data:
        raise OtherCauseError("Nothing to challenge.")
    if not isinstance(challenge_data, Mapping):
        raise OtherCauseError("challengeData should be an object.")
    if auth_data:
        user_id = _identified(accounts, auth_data, user_id)
    sent: Mapping[str, Any] = auth_data if isinstance(auth_data, Mapping) else {}
    answers: dict[str, Value] = {}
    for provider in sorted(challenge_data):
        answer = accounts.auth_data.adapter(provider).challenge(
            challenge_data[provider], sent.get(provider), user_id
        )
        if answer is not None:
            answers[provider] = answer
    return answers


def _identified(accounts: Accounts, auth_data: Value, user_id: str | None) -> str:
    if not isinstance(auth_data, Mapping):
        raise OtherCauseError("authData should be an object.")
    if user_id is not None:
        raise OtherCauseError(
            "You cannot provide username/email and authData, only use one identification method."
        )
    named = account_ids(auth_data)
    if len(named) > 1:
        raise OtherCauseError("You cannot provide more than one authData provider with an id.")
    owners = accounts.auth_data.users_of(auth_data)
    try:
        provider = next(iter(named))
        accounts.auth_data.validate({provider: auth_data[provider]}, "login", owners[0])
    except (ParseError, StopIteration, IndexError):
        # whatever was wrong: ids are not to be guessed here
        raise ObjectNotFoundError("User not found.") from None
    if len(owners) != 1:
        raise ObjectNotFoundError("User not found.")
    return owners[0]
