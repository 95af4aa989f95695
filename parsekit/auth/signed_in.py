"""``SignedIn``: what a sign-up or a log-in gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, final

from parsekit import attrs
from parsekit.values import Value

if TYPE_CHECKING:
    from parsekit.user import PFUser

__all__ = ["SignedIn"]


@final
@attrs.frozen(slots=True)
class SignedIn:
    """A user who has just signed up or logged in, and the token of the session that began.

    ``token`` is ``None`` where the email address has to be verified first. ``created`` tells sign-up from
    log-in; ``echo`` is what the answer to either carries beyond the user and the token.
    """

    user: PFUser
    token: str | None = attrs.field(repr=False)
    created: bool = False
    echo: Mapping[str, Value] = attrs.field(factory=dict, repr=False)
