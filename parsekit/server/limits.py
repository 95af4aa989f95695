"""How much one client may ask of a server: ``requestComplexity``, ``maxLimit``, ``rateLimit``, ``routeAllowList``.

The engine's own limits (``query.where.QueryLimits``: nesting, sizes of lists, time of patterns) hold besides, for
everybody. What is here holds for clients, and for masters only where it says so.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, final

from parsekit import attrs
from parsekit.acl.system import PERMISSION_DENIED, forbidden
from parsekit.errors import InvalidQueryError
from parsekit.query.state import QueryState
from parsekit.query.where.decode import QueryLimits
from parsekit.server.faults import HttpError
from parsekit.server.options import RateLimit, RequestComplexity
from parsekit.server.requests import Call

__all__ = ["RateLimits", "check_include", "check_route", "limited", "limited_inside", "query_limits"]

_LOOPBACK: Final = "127.0.0.1"
_MOST_COUNTS: Final = 100_000
_DEFAULTS: Final = QueryLimits()


# --- queries ---


def query_limits(call: Call) -> QueryLimits | None:
    """What conditions may be, ``None`` for the engine's own limits alone."""
    asked = call.options.request_complexity
    # SAFETY: the limits guard against clients; masters are not bound by them, as in Parse Server.
    if call.principal.bypasses_permissions or asked == _UNLIMITED:
        return None
    return _query_limits(asked)


_UNLIMITED: Final = RequestComplexity()


@lru_cache(maxsize=16)
def _query_limits(asked: RequestComplexity) -> QueryLimits:
    return attrs.evolve(
        _DEFAULTS,
        query_depth=_DEFAULTS.query_depth if asked.query_depth < 0 else asked.query_depth,
        subquery_depth=_DEFAULTS.subquery_depth if asked.subquery_depth < 0 else asked.subquery_depth,
        allow_regex=asked.allow_regex,
    )


def limited_inside(call: Call, state: QueryState) -> QueryState:
    """The query with its sub-queries held to ``subqueryLimit`` results each."""
    most = call.options.request_complexity.subquery_limit
    # SAFETY: as in query_limits.
    if most < 0 or call.principal.bypasses_permissions:
        return state
    return call.engine.finds.limited(state, call.principal, most)


def check_include(call: Call, state: QueryState) -> None:
    """Refuse includes that are too deep or too many.

    Raises:
        InvalidQueryError: 102.
    """
    asked = call.options.request_complexity
    # SAFETY: as in query_limits.
    if not state.include or asked == _UNLIMITED or call.principal.bypasses_permissions:
        return
    depth = max(path.count(".") + 1 for path in state.include)
    if 0 <= asked.include_depth < depth:
        raise InvalidQueryError(
            f"Include depth of {depth} exceeds maximum allowed depth of {asked.include_depth}"
        )
    count = len(state.include)
    if 0 <= asked.include_count < count:
        raise InvalidQueryError(
            f"Number of include fields ({count}) exceeds maximum allowed ({asked.include_count})"
        )


def limited(call: Call, state: QueryState) -> QueryState:
    """The query with its limit clamped to ``maxLimit``, silently and for masters too (P1)."""
    most = call.options.max_limit
    if most is None:
        return state
    limit = call.engine.options.default_limit if state.limit is None else state.limit
    return attrs.evolve(state, limit=min(limit, most))


# --- routes ---


def check_route(call: Call) -> None:
    """Refuse a client a route that ``routeAllowList`` does not name.

    Raises:
        OperationForbiddenError: 119.
    """
    allowed = call.options.route_allow_list
    # SAFETY: the list is for clients; masters and maintenance may call everything.
    if allowed is None or call.principal.bypasses_permissions:
        return
    path = call.path.strip("/")
    if not any(re.fullmatch(pattern, path) for pattern in allowed):
        raise forbidden(PERMISSION_DENIED)


# --- rates ---


@final
class RateLimits:
    """The counts of ``rateLimit``. Windows begin with the first request that falls into them."""

    def __init__(
        self, rules: Sequence[RateLimit], app_id: str, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._rules = [(rule, _path_pattern(rule.request_path)) for rule in rules]
        self._app_id = app_id
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._counts: list[dict[str, tuple[float, int]]] = [{} for _ in rules]

    def count(self, call: Call, client_host: str) -> None:
        """Count a request.

        Raises:
            HttpError: 429, there were too many of its kind.
        """
        for (rule, pattern), counts in zip(self._rules, self._counts, strict=True):
            if not _concerns(rule, call, client_host) or pattern.fullmatch(call.path) is None:
                continue
            if not self._take(rule, counts, self._zone(rule, call, client_host)):
                raise HttpError(429, {"code": 100, "error": rule.error_response_message})

    def _take(self, rule: RateLimit, counts: dict[str, tuple[float, int]], zone: str) -> bool:
        now = self._clock_s()
        with self._lock:
            end, used = counts.get(zone, (0.0, 0))
            if now >= end:
                if len(counts) >= _MOST_COUNTS:
                    self._forget(counts, now)
                end, used = now + rule.request_time_window / 1000, 0
            counts[zone] = (end, used + 1)
        return used < rule.request_count

    def _forget(self, counts: dict[str, tuple[float, int]], now: float) -> None:
        """Drop the windows that have ended, all of them where none has: memory is worth more than a count."""
        over = [zone for zone, (end, _) in counts.items() if now >= end] or list(counts)
        for zone in over:
            del counts[zone]

    def _zone(self, rule: RateLimit, call: Call, client_host: str) -> str:
        if rule.zone == "global":
            return self._app_id
        if rule.zone == "session" and call.session_token is not None:
            return call.session_token
        if rule.zone == "user" and call.principal.user_id is not None:
            return call.principal.user_id
        return client_host


def _concerns(rule: RateLimit, call: Call, client_host: str) -> bool:
    if client_host == _LOOPBACK and not rule.include_internal_requests:
        return False
    if rule.include_master_key:
        return True
    if rule.request_methods and call.method not in rule.request_methods:
        return False
    # SAFETY: masters are counted only where the rule says so.
    return not call.principal.bypasses_permissions


def _path_pattern(path: str) -> re.Pattern[str]:
    """A path such as ``/functions/*`` or ``/classes/:class`` as a regular expression."""
    if path.strip("/") == "*":
        return re.compile(".*", re.DOTALL)
    parts = []
    for part in path.strip("/").split("/"):
        if part.startswith("*") or part.endswith("*"):
            parts.append(".*" if part.startswith(("*", ":")) else re.escape(part.rstrip("*")) + ".*")
        elif part.startswith(":"):
            parts.append("[^/]+")
        else:
            parts.append(re.escape(part))
    return re.compile(f"/{'/'.join(parts)}/?", re.DOTALL)
