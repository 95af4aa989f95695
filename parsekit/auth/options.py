"""The options of users and sessions, under the names that Parse Server gives them, in Python's spelling.

Where Parse Server measures in seconds, minutes or days, so do these; each says which. What the options do is
said where it is done: ``passwords``, ``policy``, ``sessions``, ``mail_tokens``, ``auth_data``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, final

import attrs

from parsekit.auth.adapters import AuthAdapter
from parsekit.auth.mail import MailAdapter
from parsekit.errors import EngineError

__all__ = ["AccountLockout", "AuthOptions", "PasswordCost", "PasswordPolicy"]

_MOST_HISTORY: Final = 20
_NO_ADAPTERS: Final[Mapping[str, AuthAdapter]] = MappingProxyType({})
_NO_PAGES: Final[Mapping[str, str]] = MappingProxyType({})


@final
@attrs.frozen(slots=True, kw_only=True)
class PasswordCost:
    """What hashing a password costs: argon2id's parameters, and scrypt's where argon2 is not installed.

    The defaults are argon2-cffi's (RFC 9106, low memory). Tests make them small.
    """

    time_cost: int = 3
    memory_kib: int = 65_536
    parallelism: int = 4
    scrypt_log_n: int = 15


@final
@attrs.frozen(slots=True, kw_only=True)
class PasswordPolicy:
    """``passwordPolicy``. Violations are ``ValidationError`` (142) with ``validation_error`` as text.

    ``validator_pattern`` is a regular expression that has to be found in the password. ``max_password_age``
    is in days, ``reset_token_validity_duration`` in seconds, ``max_password_history`` counts passwords (20
    at most).
    """

    validator_pattern: str | None = None
    validator_callback: Callable[[str], bool] | None = None
    validation_error: str = "Password does not meet the Password Policy requirements."
    do_not_allow_username: bool = False
    max_password_age: float | None = None
    max_password_history: int = attrs.field(default=0)
    reset_token_validity_duration: float | None = None
    reset_token_reuse_if_valid: bool = False
    reset_password_success_on_invalid_email: bool = True

    @max_password_history.validator
    def _at_most_twenty(self, attribute: object, value: int) -> None:  # noqa: ARG002
        if not 0 <= value <= _MOST_HISTORY:
            raise EngineError(
                f"PasswordPolicy.max_password_history: {value} is not between 0 and {_MOST_HISTORY}"
            )


@final
@attrs.frozen(slots=True, kw_only=True)
class AccountLockout:
    """``accountLockout``: after ``threshold`` wrong passwords the account is locked for ``duration``
    minutes.
    """

    duration: float
    threshold: int
    unlock_on_password_reset: bool = False


@final
@attrs.frozen(slots=True, kw_only=True)
class AuthOptions:
    """``parsekit.open(path, auth=AuthOptions(...))``.

    ``session_length`` and ``email_verify_token_validity_duration`` are in seconds. ``auth`` maps a
    provider's name to its adapter; ``anonymous`` is there unless ``enable_anonymous_users`` is false.
    ``random_bytes`` is the only source of tokens and salts.
    """

    session_length: float = 31_536_000
    expire_inactive_sessions: bool = True
    extend_session_on_use: bool = False
    revoke_session_on_password_reset: bool = True
    enable_anonymous_users: bool = True
    convert_username_to_lowercase: bool = False
    convert_email_to_lowercase: bool = False
    auth: Mapping[str, AuthAdapter] = attrs.field(default=_NO_ADAPTERS)
    password_policy: PasswordPolicy = attrs.field(factory=PasswordPolicy)
    password_cost: PasswordCost = attrs.field(factory=PasswordCost)
    account_lockout: AccountLockout | None = None
    verify_user_emails: bool = False
    prevent_login_with_unverified_email: bool = False
    prevent_signup_with_unverified_email: bool = False
    email_verify_token_validity_duration: float | None = None
    email_verify_token_reuse_if_valid: bool = False
    email_verify_success_on_invalid_email: bool = True
    email_adapter: MailAdapter | None = None
    app_name: str = "parsekit"
    app_id: str | None = None
    """What links in mails name the application by; ``None`` for its name."""
    public_server_url: str | None = None
    custom_pages: Mapping[str, str] = attrs.field(default=_NO_PAGES)
    """``customPages``: ``parseFrameURL`` is a page of the application's own that frames those of links in mails."""
    random_bytes: Callable[[int], bytes] = attrs.field(default=secrets.token_bytes, repr=False)

    def lowered(self, key: str, value: str) -> str:
        """A username or an email address as it is stored and looked for."""
        by_key = {
            "username": self.convert_username_to_lowercase,
            "email": self.convert_email_to_lowercase,
        }
        return value.lower() if by_key[key] else value
