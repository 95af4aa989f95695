"""What is told of and to an application beside its data: ``/events``, ``/scriptlog``, ``/security``.

The security report has the form of Parse Server's (version 1.0.0), which parse-dashboard shows; what is looked at is
``engine.security``'s, and the server's own options here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from parsekit.codec import JSON, format_date
from parsekit.engine.security import Finding, check_security
from parsekit.errors import InvalidJsonError
from parsekit.server.faults import HttpError
from parsekit.server.guards import require_master
from parsekit.server.options import ServerOptions
from parsekit.server.requests import Call, Response
from parsekit.server.routing import Router

__all__ = ["ROUTES"]

_SHORTEST_KEY: Final = 14
_KINDS: Final = (r"[A-Z]", r"[a-z]", r"\d", r"\W")
_KINDS_NEEDED: Final = 3


# --- events ---


def _event(call: Call) -> Response:
    name = call.captures.get("name", "AppOpened")
    told = None
    if call.engine.options.analytics is not None:
        told = call.engine.options.analytics(name, call.body, call.principal)
    return Response(200, dict(told or {}))


# --- the log ---


def _log(call: Call) -> Response:
    require_master(call)
    asked = call.asked
    size = asked.get("n") or asked.get("size") or 10
    try:
        number = int(str(size))
    except ValueError:
        raise InvalidJsonError("size is a number") from None
    level = asked.get("level")
    entries = call.engine.hooks.log.find(
        level=level if isinstance(level, str) else None,
        since=_moment(asked.get("from")),
        until=_moment(asked.get("until")),
        size=max(0, number),
        ascending=asked.get("order") == "asc",
    )
    rows: list[JSON] = [
        {"level": entry.level, "message": entry.message, "timestamp": format_date(entry.timestamp)}
        for entry in entries
    ]
    return Response(200, rows)


def _moment(given: JSON) -> datetime | None:
    if given is None:
        return None
    text = given.get("iso") if isinstance(given, dict) else given
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise InvalidJsonError("from and until are dates") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


# --- the security report ---


def _security(call: Call) -> Response:
    require_master(call)
    if not call.options.security.enable_check:
        raise HttpError(
            409, {"error": "Enable Parse Server option `security.enableCheck` to run security check."}
        )
    found = check_security(call.engine)
    groups: list[JSON] = [
        _group("Parse Server Configuration", [*_server_checks(call.options), *_checks(found, "options")]),
        _group("Database", list(_checks(found, None))),
    ]
    return Response(200, {"report": {"version": "1.0.0", "state": _state(groups), "groups": groups}})


def _group(name: str, checks: list[JSON]) -> JSON:
    return {"name": name, "state": _state(checks), "checks": checks}


def _state(parts: Sequence[JSON]) -> str:
    failed = any(isinstance(part, dict) and part["state"] == "fail" for part in parts)
    return "fail" if failed else "success"


def _check(title: str, warning: str, solution: str, *, passed: bool) -> JSON:
    if passed:
        return {"title": title, "state": "success"}
    return {"title": title, "state": "fail", "warning": warning, "solution": solution}


def _checks(found: Sequence[Finding], place: str | None) -> Iterator[JSON]:
    """A failed check for each finding: those of one place, or (``None``) those of the database."""
    for finding in found:
        if (finding.place == "options") == (place == "options"):
            problem, advice = finding.problem, finding.advice
            yield _check(f"{finding.place}: {finding.severity}", problem, advice, passed=False)


def _server_checks(options: ServerOptions) -> Iterator[JSON]:
    key = options.master_key
    kinds = sum(1 for kind in _KINDS if re.search(kind, key))
    yield _check(
        "Secure master key",
        "the master key is short, or of few kinds of characters",
        f"choose {_SHORTEST_KEY} characters or more of {_KINDS_NEEDED} kinds at least",
        passed=len(key) >= _SHORTEST_KEY and kinds >= _KINDS_NEEDED,
    )
    open_reading = options.read_only_master_key is not None and any(
        network.startswith(("0.0.0.0", "::/", "::0")) for network in options.read_only_master_key_ips
    )
    yield _check(
        "Read-only master key IP range restricted",
        "the read-only master key is accepted from everywhere",
        "name the networks that may use it in readOnlyMasterKeyIps",
        passed=not open_reading,
    )
    limits = options.request_complexity
    yield _check(
        "Request complexity limits enabled",
        "requests may be as deep and as large as clients like",
        "set the limits of requestComplexity",
        passed=-1 not in (limits.include_depth, limits.include_count, limits.subquery_depth,
                          limits.query_depth, limits.batch_request_limit),
    )  # fmt: skip


ROUTES: Final = Router()
ROUTES.add("POST", "/events/AppOpened", _event)
ROUTES.add("POST", "/events/{name}", _event)
ROUTES.add("GET", "/scriptlog", _log)
ROUTES.add("GET", "/security", _security)
