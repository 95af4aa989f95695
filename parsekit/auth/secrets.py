"""A user's secrets: what is kept of a password, of failed logins, and of tokens sent by mail.

They live in one JSON text beside the user's row (``storage.users``), which no query can name. ``repr`` shows
none. Times are milliseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from typing import Any, Final, final

from parsekit import attrs
from parsekit.codec import dumps, loads

__all__ = ["UserSecrets"]


@final
@attrs.define(slots=True, kw_only=True, repr=False)
class UserSecrets:
    """The secrets of one user. ``password`` and ``history`` are hashes, the newest of the history last."""

    password: str | None = None
    history: list[str] = attrs.Factory(list)
    changed_at: int | None = None
    failed_logins: int = 0
    locked_until: int | None = None
    reset_token: str | None = None
    reset_expires: int | None = None
    verify_token: str | None = None
    verify_expires: int | None = None

    @staticmethod
    def from_text(text: str | None) -> UserSecrets:
        """The secrets as stored; none for ``None``."""
        if text is None:
            return UserSecrets()
        entry: dict[str, Any] = loads(text)
        return UserSecrets(**{key: value for key, value in entry.items() if key in _NAMES})

    def to_text(self) -> str:
        """The form in which they are stored, without what is empty."""
        entry = {name: getattr(self, name) for name in _NAMES}
        return dumps({name: value for name, value in entry.items() if value})

    def __repr__(self) -> str:
        return "<UserSecrets>"


_NAMES: Final = tuple(field.name for field in attrs.fields(UserSecrets))
