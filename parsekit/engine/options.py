"""``EngineOptions``: what an engine is opened with. What an option does is said where it is heeded."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias, final

from parsekit import attrs
from parsekit.acl.principal import Principal
from parsekit.acl.protected import DEFAULT_PROTECTED_FIELDS, ProtectedFields, Protection
from parsekit.codec.nesting import DEEPEST, STORED_LEVELS
from parsekit.query.dialect import Dialect
from parsekit.storage.database import Synchronous
from parsekit.values import EPOCH

if TYPE_CHECKING:
    from pathlib import Path

    from parsekit.auth import AuthOptions
    from parsekit.engine.installations import InstallationOptions
    from parsekit.engine.push import PushAdapter
    from parsekit.file import FileStore
    from parsekit.storage.journal import JournalLimits

__all__ = ["Analytics", "EngineOptions"]

Analytics: TypeAlias = Callable[[str, Mapping[str, Any], Principal], Mapping[str, Any] | None]


def _now() -> datetime:
    return EPOCH + timedelta(
        0, 0, 0, time.time_ns() // 1_000_000
    )  # whole milliseconds; by place, which is quicker


def _ids() -> Callable[[], str]:
    made: list[Callable[[], str]] = []

    def new_id() -> str:
        if not made:
            from parsekit.engine.identity import random_object_ids

            made.append(random_object_ids())
        return made[0]()

    return new_id


# What follows is made with its first use: a program that reads needs none of it.


@lru_cache(maxsize=1)
def _default_journal_limits() -> JournalLimits:
    from parsekit.storage.journal import JournalLimits

    return JournalLimits()


@lru_cache(maxsize=1)
def _default_auth() -> AuthOptions:
    from parsekit.auth.options import AuthOptions

    return AuthOptions()


@lru_cache(maxsize=1)
def _default_installation() -> InstallationOptions:
    from parsekit.engine.installations import InstallationOptions

    return InstallationOptions()


@final
@attrs.frozen(slots=True, kw_only=True)
class EngineOptions:
    """What an engine is opened with. The names that Parse Server has are meant as there.

    ``clock`` and ``new_id`` are the engine's only sources of time and of ids; tests inject their own.
    """

    synchronous: Synchronous = "NORMAL"
    busy_timeout_s: float = 10.0
    read_only: bool = False
    plan_cache: bool = True
    query_time_limit_s: float = 30.0
    journal: bool = True
    _journal_limits: JournalLimits | None = None
    default_limit: int = 100
    allow_client_class_creation: bool = True
    allow_custom_object_id: bool = True
    enforce_private_users: bool = True
    max_nesting: int = attrs.field(default=STORED_LEVELS)
    """How deep arrays and objects may lie inside each other in a stored value (MongoDB's bound); 200 at most."""
    protected_fields: ProtectedFields = DEFAULT_PROTECTED_FIELDS
    """What is protected beside what classes state; Parse Server's default is added, unless owners are not exempt."""
    protected_fields_owner_exempt: bool = True
    protected_fields_trigger_exempt: bool = False
    protected_fields_save_response_exempt: bool = True
    _auth: AuthOptions | None = None
    _installation: InstallationOptions | None = None
    clock: Callable[[], datetime] = _now
    new_id: Callable[[], str] = attrs.Factory(_ids)
    files: FileStore | None = None
    """Where the bytes of files are kept; ``None`` for the database itself."""
    analytics: Analytics | None = None
    """What is called with events that clients report: name, body, principal; what it gives is the answer."""
    push: PushAdapter | None = None
    """Who sends push notifications; ``None`` for nobody."""
    local_datastore: str | Path | None = None
    """The file of the local datastore (``":memory:"`` for none on the disk); ``None`` for no local datastore."""
    local_dialect: Dialect = Dialect.IOS_LOCAL
    """The dialect of queries to the local datastore that name none."""

    @max_nesting.validator
    def _kept_by_sqlite(self, _attribute: object, value: int) -> None:
        if not 1 <= value <= DEEPEST:
            raise ValueError(f"max_nesting: {value} is not from 1 to {DEEPEST}")

    @property
    def journal_limits(self) -> JournalLimits:
        """How much the journal keeps."""
        return self._journal_limits or _default_journal_limits()

    @property
    def auth(self) -> AuthOptions:
        """The options of users and sessions."""
        return self._auth or _default_auth()

    @property
    def installation(self) -> InstallationOptions:
        """What becomes of other installations with the same device token."""
        return self._installation or _default_installation()

    @property
    def protection(self) -> Protection:
        """The protected fields and their exemptions."""
        return Protection.joined(
            self.protected_fields,
            owner_exempt=self.protected_fields_owner_exempt,
            trigger_exempt=self.protected_fields_trigger_exempt,
            save_response_exempt=self.protected_fields_save_response_exempt,
        )
