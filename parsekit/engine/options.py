"""``EngineOptions``: what an engine is opened with. What an option does is said where it is heeded."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias, final

import attrs

from parsekit.acl.principal import Principal
from parsekit.acl.protected import DEFAULT_PROTECTED_FIELDS, ProtectedFields, Protection
from parsekit.auth import AuthOptions
from parsekit.codec import DEEPEST, STORED_LEVELS
from parsekit.engine.identity import random_object_ids
from parsekit.engine.installations import InstallationOptions
from parsekit.engine.push import PushAdapter
from parsekit.file import FileStore
from parsekit.query.dialect import Dialect
from parsekit.storage.database import Synchronous
from parsekit.storage.journal import JournalLimits
from parsekit.values import EPOCH

__all__ = ["Analytics", "EngineOptions"]

Analytics: TypeAlias = Callable[[str, Mapping[str, Any], Principal], Mapping[str, Any] | None]


def _now() -> datetime:
    return EPOCH + timedelta(
        0, 0, 0, time.time_ns() // 1_000_000
    )  # whole milliseconds; by place, which is quicker


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
    journal_limits: JournalLimits = attrs.Factory(JournalLimits)
    default_limit: int = 100
    allow_client_class_creation: bool = True
    allow_custom_object_id: bool = True
    enforce_private_users: bool = True
    max_nesting: int = attrs.field(
        default=STORED_LEVELS, validator=[attrs.validators.ge(1), attrs.validators.le(DEEPEST)]
    )
    """How deep arrays and objects may lie inside each other in a stored value (MongoDB's bound); 200 at most."""
    protected_fields: ProtectedFields = DEFAULT_PROTECTED_FIELDS
    """What is protected beside what classes state; Parse Server's default is added, unless owners are not exempt."""
    protected_fields_owner_exempt: bool = True
    protected_fields_trigger_exempt: bool = False
    protected_fields_save_response_exempt: bool = True
    auth: AuthOptions = attrs.Factory(AuthOptions)
    installation: InstallationOptions = attrs.Factory(InstallationOptions)
    clock: Callable[[], datetime] = _now
    new_id: Callable[[], str] = attrs.Factory(random_object_ids)
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

    @property
    def protection(self) -> Protection:
        """The protected fields and their exemptions."""
        return Protection.joined(
            self.protected_fields,
            owner_exempt=self.protected_fields_owner_exempt,
            trigger_exempt=self.protected_fields_trigger_exempt,
            save_response_exempt=self.protected_fields_save_response_exempt,
        )
