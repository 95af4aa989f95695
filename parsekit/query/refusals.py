"""What the iOS SDK refuses by raising an Objective-C exception, as Python errors.

An app ends there, so the error comes where the call is made and not when the query runs. The message is the
SDK's; the hint, ours, says what to write instead. ``exception`` is the name of the exception that an iOS
developer sees in the crash report.

Not here: what a server refuses when it is asked (``errors.ParseError`` with its codes).
"""

from __future__ import annotations

from parsekit.errors import EngineError

__all__ = ["ArgumentRefusedError", "PredicateRefusedError", "QueryRefusedError"]


class QueryRefusedError(EngineError, ValueError):
    """A query that the SDK refuses to build.

    ``message`` holds the SDK's words, ``hint`` what parsekit adds, ``exception`` the Objective-C exception.
    """

    exception: str = "NSInternalInconsistencyException"

    def __init__(self, message: str, *, hint: str | None = None, exception: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if exception is not None:
            self.exception = exception

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message} ({self.hint})"


class ArgumentRefusedError(QueryRefusedError, TypeError):
    """An argument that a selector does not take."""

    exception = "NSInvalidArgumentException"


class PredicateRefusedError(QueryRefusedError):
    """A predicate that does not parse, or that ``PFQuery`` cannot express."""
