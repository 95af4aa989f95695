"""What cloud code has to say: the last entries of its log, which a master reads (LogsRouter)."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Final, Literal, TypeAlias, final

from parsekit import attrs

__all__ = ["LogEntry", "LogLevel", "ScriptLog"]

LogLevel: TypeAlias = Literal["info", "error"]

_LOG: Final = logging.getLogger("parsekit.cloud")
_KEPT: Final = 1_000


@final
@attrs.frozen(slots=True)
class LogEntry:
    """One thing that was said."""

    level: LogLevel
    message: str
    timestamp: datetime


@final
class ScriptLog:
    """The log of an engine's cloud code. It keeps the last thousand entries, and tells Python's ``logging`` all."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._entries: deque[LogEntry] = deque(maxlen=_KEPT)

    def info(self, message: str) -> None:
        """Say something."""
        self._entries.append(LogEntry("info", message, self._clock()))
        _LOG.info("%s", message)

    def error(self, message: str) -> None:
        """Say that something went wrong."""
        self._entries.append(LogEntry("error", message, self._clock()))
        _LOG.error("%s", message)

    def find(
        self,
        *,
        level: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        size: int = 10,
        ascending: bool = False,
    ) -> list[LogEntry]:
        """At most ``size`` entries between two moments, the last one first unless ``ascending``."""
        found = [
            entry
            for entry in list(self._entries)
            if (level is None or entry.level == level)
            and (since is None or entry.timestamp >= since)
            and (until is None or entry.timestamp <= until)
        ]
        return (found if ascending else found[::-1])[:size]

    def clear(self) -> None:
        """Forget all entries."""
        self._entries.clear()
