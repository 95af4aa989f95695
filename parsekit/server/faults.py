"""Errors as answers: ``{code, error}`` with the HTTP statuses of Parse Server (parse_server.md section 9).

Where Parse Server answers what a client sent with 500 (code 1: a negative skip, a pattern that is none, a transaction
that failed), the code is the same and the status 400: the SDKs repeat whatever is answered with 500, up to five times.
An answer never says more than Parse's own text: hints and tracebacks stay in the process.
"""

from __future__ import annotations

import html
from typing import Final

from parsekit.acl.system import PERMISSION_DENIED
from parsekit.cloud.webhooks import WebhookError
from parsekit.codec import JSON
from parsekit.errors import NotOfferedError, ParseError, SchemaError, StorageError
from parsekit.server.requests import Response

__all__ = ["HttpError", "answer_for", "error_body", "no_route", "unauthorized"]

_STATUS: Final = {101: 404}
_INTERNAL: Final = "Internal server error."


class HttpError(Exception):
    """An answer without one of Parse's codes, such as a request without keys."""

    def __init__(self, status: int, body: JSON, *, detail: str | None = None) -> None:
        super().__init__(str(body))
        self.response = Response(status, body)
        self.detail = detail
        """What the answer says where errors are not sanitized."""


def unauthorized() -> HttpError:
    """403, no or wrong keys."""
    return HttpError(403, {"error": "unauthorized"})


def no_route(method: str, path: str) -> Response:
    """404 as Express words it, which is what Parse Server's clients meet."""
    text = html.escape(f"Cannot {method} {path}", quote=False)
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n</head>\n'
    )
    return Response(
        404,
        f"{page}<body>\n<pre>{text}</pre>\n</body>\n</html>\n",
        {"Content-Type": "text/html; charset=utf-8"},
    )


def error_body(error: ParseError, *, sanitized: bool = True) -> dict[str, JSON]:
    """The ``{code, error}`` of a refusal; what exactly was refused, where it is not ``sanitized``."""
    if not sanitized and error.message == PERMISSION_DENIED and error.hint is not None:
        return {"code": error.code, "error": error.hint}
    # a webhook's error is whatever the webhook says it is
    return {"code": error.code, "error": error.payload if isinstance(error, WebhookError) else error.message}


def answer_for(error: Exception, *, sanitized: bool = True) -> Response | None:
    """The answer for an error that a route may raise, ``None`` for a fault of parsekit's own.

    ``sanitized`` is ``enableSanitizedErrorResponse``: permissions refuse without telling what.
    """
    if isinstance(error, HttpError):
        full = None if sanitized else error.detail
        return error.response if full is None else Response(error.response.status, {"error": full})
    if isinstance(error, ParseError):
        return Response(_STATUS.get(error.code, 400), error_body(error, sanitized=sanitized))
    if isinstance(error, SchemaError):
        return Response(400, {"code": 255, "error": "; ".join(error.problems)})
    if isinstance(error, NotOfferedError):
        return Response(400, {"code": 108, "error": str(error)})
    if isinstance(error, StorageError):
        return Response(500, {"code": 1, "error": _INTERNAL})
    return None
