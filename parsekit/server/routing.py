"""The table of routes: method and path pattern -> function.

A pattern's variable parts are in braces: ``/classes/{class_name}/{object_id}``. Route modules fill a ``Router`` of
their own; the dispatcher joins them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, final

import attrs

from parsekit.server.requests import Call, Response

__all__ = ["Route", "Router"]

Route: TypeAlias = Callable[[Call], Response]


@final
@attrs.frozen(slots=True)
class _Entry:
    method: str
    parts: tuple[str, ...]
    route: Route
    public: bool


@final
class Router:
    """Routes by method and path; the first that matches wins, so that fixed paths go before variable ones."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, int], list[_Entry]] = {}

    def add(self, method: str, pattern: str, route: Route, *, public: bool = False) -> None:
        """Answer ``method pattern`` with ``route``; a ``public`` one needs no keys."""
        parts = tuple(pattern.strip("/").split("/"))
        self._entries.setdefault((method, len(parts)), []).append(_Entry(method, parts, route, public))

    def include(self, other: Router) -> None:
        """Add the routes of another router after one's own."""
        for place, entries in other._entries.items():
            self._entries.setdefault(place, []).extend(entries)

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str], bool] | None:
        """The route for a path below the mount, the variable parts, and whether it needs no keys."""
        parts = path.strip("/").split("/")
        for entry in self._entries.get((method, len(parts)), ()):
            captures = _captures(entry.parts, parts)
            if captures is not None:
                return entry.route, captures, entry.public
        return None


def _captures(pattern: tuple[str, ...], parts: list[str]) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for wanted, part in zip(pattern, parts, strict=True):
        if wanted.startswith("{"):
            found[wanted[1:-1]] = part
        elif wanted != part:
            return None
    return found
