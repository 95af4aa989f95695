"""What a write of a user needs that takes long: hashing a password, asking an auth adapter.

Both are done before the transaction, so that nobody waits for the writer meanwhile. ``PREPARED`` carries the
results to the rules of ``_User``, which run inside it; a write that comes without preparation is served
there and then.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Final, final

from parsekit import attrs
from parsekit.auth.adapters import AuthData

__all__ = ["PREPARED", "Prepared", "ValidatedAuthData", "prepared"]


@final
@attrs.frozen(slots=True, repr=False)
class ValidatedAuthData:
    """``authData`` that adapters have accepted: what came in, what to store, what to answer.

    In ``stored`` a provider that is ``None`` is to be unlinked.
    """

    given: Mapping[str, AuthData | None]
    stored: Mapping[str, AuthData | None]
    response: Mapping[str, Mapping[str, object]]


@final
@attrs.frozen(slots=True, repr=False)
class Prepared:
    """The results for one write. ``installation_id`` is that of the sender."""

    installation_id: str | None = None
    password: str | None = None
    hashed: str | None = None
    auth_data: ValidatedAuthData | None = None


PREPARED: Final[ContextVar[Prepared | None]] = ContextVar("parsekit_prepared", default=None)


def prepared() -> Prepared:
    """What is prepared for the write under way, if anything."""
    return PREPARED.get() or Prepared()
