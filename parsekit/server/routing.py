"""The table of routes: method and path pattern -> function.

A pattern's variable parts are in braces: ``/classes/{class_name}/{object_id}``; ``{name...}`` at its end takes all
parts that are left. Fixed parts are met in any case, as in Express. Route modules fill a ``Router`` of their own; the
dispatcher joins them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, TypeAlias, final

from parsekit import attrs
from parsekit.server.requests import Call, Response

__all__ = ["Entry", "Found", "Kind", "Route", "Router"]

Route: TypeAlias = Callable[[Call], Response]
Kind: TypeAlias = Literal["api", "public", "upload", "raw"]
"""``api`` needs keys and takes JSON; a ``public`` route needs no keys; an ``upload`` takes bytes. ``raw`` is like
``api``, but like the other two it cannot be called in a batch."""


@final
@attrs.frozen(slots=True)
class Entry:
    """A line of the table."""

    method: str
    parts: tuple[str, ...]
    route: Route
    kind: Kind

    @property
    def pattern(self) -> str:
        """The path with its variable parts in braces."""
        return "/" + "/".join(self.parts)


@final
@attrs.frozen(slots=True)
class Found:
    """The route of a path, and the path's variable parts."""

    route: Route
    captures: Mapping[str, str]
    kind: Kind


@final
class Router:
    """Routes by method and path; the first that matches wins, so that fixed paths go before variable ones."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, int, str], list[Entry]] = {}
        self._open: list[Entry] = []

    def add(self, method: str, pattern: str, route: Route, *, kind: Kind = "api") -> None:
        """Answer ``method pattern`` with ``route``."""
        parts = tuple(pattern.strip("/").split("/"))
        entry = Entry(method, parts, route, kind)
        if parts[-1].endswith("...}"):
            self._open.append(entry)
        else:
            self._entries.setdefault((method, len(parts), parts[0].lower()), []).append(entry)

    def include(self, other: Router) -> None:
        """Add the routes of another router after one's own."""
        for place, entries in other._entries.items():
            self._entries.setdefault(place, []).extend(entries)
        self._open.extend(other._open)

    def __iter__(self) -> Iterator[Entry]:
        """Every line of the table."""
        for entries in self._entries.values():
            yield from entries
        yield from self._open

    def find(self, method: str, path: str) -> Found | None:
        """The route for a path below the mount."""
        parts = path.strip("/").split("/")
        for entry in self._entries.get((method, len(parts), parts[0].lower()), ()):
            captures = _captures(entry.parts, parts)
            if captures is not None:
                return Found(entry.route, captures, entry.kind)
        for entry in self._open:
            fixed = len(entry.parts) - 1
            if entry.method != method or len(parts) <= fixed:
                continue
            captures = _captures(entry.parts[:-1], parts[:fixed])
            if captures is not None:
                captures[entry.parts[-1][1:-4]] = "/".join(parts[fixed:])
                return Found(entry.route, captures, entry.kind)
        return None


def _captures(pattern: tuple[str, ...], parts: list[str]) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for wanted, part in zip(pattern, parts, strict=True):
        if wanted.startswith("{"):
            if not part:
                return None
            found[wanted[1:-1]] = part
        elif wanted != part and wanted.lower() != part.lower():
            return None
    return found
