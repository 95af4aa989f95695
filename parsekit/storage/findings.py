"""``Finding``: one thing that ``check`` found, as data."""

from __future__ import annotations

from typing import Literal, TypeAlias, final

from parsekit import attrs

__all__ = ["Finding", "Severity", "error", "warning"]

Severity: TypeAlias = Literal["error", "warning"]
"""An ``error`` is wrong now: an answer can be incomplete or a write fail. A ``warning`` does no harm yet."""


@final
@attrs.frozen(slots=True)
class Finding:
    """One thing that is not as it should be: where, what, and what to do about it."""

    severity: Severity
    place: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.place}: {self.what}. Fix: {self.fix}"

    def to_json(self) -> dict[str, str]:
        """As the command line prints it."""
        return {"severity": self.severity, "place": self.place, "what": self.what, "fix": self.fix}


def error(place: str, what: str, fix: str) -> Finding:
    """A finding that is wrong now."""
    return Finding("error", place, what, fix)


def warning(place: str, what: str, fix: str) -> Finding:
    """A finding that does no harm yet."""
    return Finding("warning", place, what, fix)
