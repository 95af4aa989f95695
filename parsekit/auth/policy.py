"""The password policy: what a new password has to be, how long it lasts, and what failed logins lead to.

Pure but for hash verification: everything here looks at a user's secrets and the clock, and either changes
the secrets or raises what Parse raises. Nothing here is stored.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, final

from parsekit.errors import ObjectNotFoundError, ValidationError

if TYPE_CHECKING:
    from parsekit.auth.options import AccountLockout, PasswordPolicy
    from parsekit.auth.passwords import Passwords
    from parsekit.auth.secrets import UserSecrets

__all__ = ["LoginGuard", "check_age", "check_history", "check_requirements", "remember_password"]

_DAY_MS: Final = 86_400_000
_MINUTE_MS: Final = 60_000


def check_requirements(policy: PasswordPolicy, password: str, username: str | None) -> None:
    """Refuse a password that the policy does not allow.

    Raises:
        ValidationError: 142.
    """
    pattern, callback = policy.validator_pattern, policy.validator_callback
    unfit = pattern is not None and re.search(pattern, password) is None
    if unfit or (callback is not None and not callback(password)):
        raise ValidationError(policy.validation_error)
    if policy.do_not_allow_username and username and username in password:
        raise ValidationError("Password cannot contain your username.")


def check_history(policy: PasswordPolicy, passwords: Passwords, password: str, secrets: UserSecrets) -> None:
    """Refuse one of the last passwords, the present one among them.

    Raises:
        ValidationError: 142.
    """
    most = policy.max_password_history
    if not most:
        return
    known = secrets.history[-(most - 1) :] if most > 1 else []
    if secrets.password is not None:
        known = [*known, secrets.password]
    if any(passwords.verify(password, stored) for stored in known):
        raise ValidationError(f"New password should not be the same as last {most} passwords.")


def remember_password(policy: PasswordPolicy, secrets: UserSecrets, hashed: str, now_ms: int) -> None:
    """Take in a new hash; the old one goes into the history as far as the policy wants one."""
    kept = policy.max_password_history - 1
    if secrets.password is not None and kept > 0:
        secrets.history = [*secrets.history, secrets.password][-kept:]
    elif kept <= 0:
        secrets.history = []
    secrets.password = hashed
    secrets.changed_at = now_ms


def check_age(policy: PasswordPolicy, secrets: UserSecrets, now_ms: int) -> None:
    """Refuse a login with a password that is too old; one of unknown age begins to age now.

    Raises:
        ObjectNotFoundError: 101.
    """
    if policy.max_password_age is None:
        return
    if secrets.changed_at is None:
        secrets.changed_at = now_ms
    elif secrets.changed_at + policy.max_password_age * _DAY_MS < now_ms:
        raise ObjectNotFoundError("Your password has expired. Please reset your password.")


@final
class LoginGuard:
    """Counts failed logins and locks accounts (AccountLockout). Without a policy it does nothing."""

    def __init__(self, policy: AccountLockout | None) -> None:
        self._policy = policy

    def attempt(self, secrets: UserSecrets, now_ms: int, *, right: bool) -> ObjectNotFoundError | None:
        """Take note of an attempt in ``secrets``; the error of an account that is locked.

        An account that is locked stays so for its time, whatever the password: the attempt is not counted.
        """
        policy = self._policy
        if policy is None:
            return None
        if secrets.locked_until is not None and secrets.locked_until > now_ms:
            minutes = f"{policy.duration:g}"
            return ObjectNotFoundError(
                "Your account is locked due to multiple failed login attempts. "
                f"Please try again after {minutes} minute(s)"
            )
        if right:
            secrets.failed_logins, secrets.locked_until = 0, None
            return None
        secrets.failed_logins += 1
        if secrets.failed_logins >= policy.threshold:
            secrets.locked_until = now_ms + int(policy.duration * _MINUTE_MS)
        return None

    def unlock(self, secrets: UserSecrets) -> None:
        """After a password reset, where the policy says so."""
        if self._policy is not None and self._policy.unlock_on_password_reset:
            secrets.failed_logins, secrets.locked_until = 0, None
