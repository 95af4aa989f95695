"""Cloud code in Python: hooks around reads and writes, functions, jobs, and their validators (parse_server.md 6).

``engine.cloud`` is a ``CloudCode``; register with its decorators::

    @engine.cloud.before_save("Deal")
    def check(request):
        if request.object.get("amount", 0) < 0:
            raise ParseError("an amount is never negative", code=142)

A hook runs under the caller's principal and inside the caller's transaction; a nested save is a savepoint of it. An
after-hook runs when the transaction is committed, and what it raises is logged and reaches nobody. A ``ParseError``
of a hook reaches the caller as it is, anything else as ``ScriptError`` (141) with the error as its cause.

This package holds what is registered and how it is called; when a hook is called is the engine's affair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from parsekit._lazily import names_from

if TYPE_CHECKING:
    from parsekit.cloud.log import LogEntry, ScriptLog
    from parsekit.cloud.registry import CloudCode
    from parsekit.cloud.requests import (
        ConfigRequest,
        FileRequest,
        FindRequest,
        FunctionRequest,
        JobRequest,
        LiveEventRequest,
        LiveServerRequest,
        SaveRequest,
        SubscribeRequest,
    )
    from parsekit.cloud.validation import FieldRule, Validator

__all__ = [
    "CloudCode",
    "ConfigRequest",
    "FieldRule",
    "FileRequest",
    "FindRequest",
    "FunctionRequest",
    "JobRequest",
    "LiveEventRequest",
    "LiveServerRequest",
    "LogEntry",
    "SaveRequest",
    "ScriptLog",
    "SubscribeRequest",
    "Validator",
]

if not TYPE_CHECKING:
    __getattr__ = names_from(
        __name__,
        {
            "log": (
                "LogEntry",
                "ScriptLog",
            ),
            "registry": ("CloudCode",),
            "requests": (
                "ConfigRequest",
                "FileRequest",
                "FindRequest",
                "FunctionRequest",
                "JobRequest",
                "LiveEventRequest",
                "LiveServerRequest",
                "SaveRequest",
                "SubscribeRequest",
            ),
            "validation": (
                "FieldRule",
                "Validator",
            ),
        },
    )
