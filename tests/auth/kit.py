"""What the tests of users share: cheap hashing, a clock that stands still, an engine with both."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import parsekit
from parsekit.auth import AuthOptions, PasswordCost

CHEAP = PasswordCost(time_cost=1, memory_kib=64, parallelism=1, scrypt_log_n=2)


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **duration: float) -> None:
        self.now += timedelta(**duration)


def auth_options(**options: Any) -> AuthOptions:
    return AuthOptions(password_cost=CHEAP, **options)


def open_engine(clock: Clock | None = None, path: str = ":memory:", **options: Any) -> parsekit.ParseEngine:
    """An engine whose users cost little; ``options`` are those of ``AuthOptions``."""
    return parsekit.open(path, auth=auth_options(**options), clock=clock or Clock())
