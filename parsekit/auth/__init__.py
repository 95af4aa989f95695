"""Users who come and go: passwords, sessions, accounts of other services, tokens sent by mail.

``engine.accounts`` carries out the flows, ``AuthOptions`` says how; ``PFUser`` is what applications call.
What a user may do once logged in is said in ``acl``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from parsekit._lazily import names_from

if TYPE_CHECKING:
    from parsekit.auth.accounts import Accounts
    from parsekit.auth.adapters import (
        AnonymousAdapter,
        AuthAdapter,
        AuthData,
        AuthOutcome,
        AuthPolicy,
        AuthStep,
        TokenTableAdapter,
    )
    from parsekit.auth.mail import Mail, MailAdapter, RecordingMailAdapter
    from parsekit.auth.options import AccountLockout, AuthOptions, PasswordCost, PasswordPolicy
    from parsekit.auth.signed_in import SignedIn

__all__ = [
    "AccountLockout",
    "Accounts",
    "AnonymousAdapter",
    "AuthAdapter",
    "AuthData",
    "AuthOptions",
    "AuthOutcome",
    "AuthPolicy",
    "AuthStep",
    "Mail",
    "MailAdapter",
    "PasswordCost",
    "PasswordPolicy",
    "RecordingMailAdapter",
    "SignedIn",
    "TokenTableAdapter",
]

if not TYPE_CHECKING:
    __getattr__ = names_from(
        __name__,
        {
            "accounts": ("Accounts",),
            "adapters": (
                "AnonymousAdapter",
                "AuthAdapter",
                "AuthData",
                "AuthOutcome",
                "AuthPolicy",
                "AuthStep",
                "TokenTableAdapter",
            ),
            "mail": (
                "Mail",
                "MailAdapter",
                "RecordingMailAdapter",
            ),
            "options": (
                "AccountLockout",
                "AuthOptions",
                "PasswordCost",
                "PasswordPolicy",
            ),
            "signed_in": ("SignedIn",),
        },
    )
