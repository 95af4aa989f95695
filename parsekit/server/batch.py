"""``/batch``: several requests in one, all under the same sender (batch.js).

Without ``transaction`` each request stands for itself and the answers come in order. With it all succeed or none:
Parse Server 9.10 then answers code 1 whatever failed (recorded s-048), and so does this, with 400 (``faults``).
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from parsekit import attrs
from parsekit.codec import JSON
from parsekit.errors import InvalidJsonError, ParsekitError
from parsekit.server.faults import HttpError, answer_for
from parsekit.server.options import ServerOptions
from parsekit.server.requests import Call, Response
from parsekit.server.routing import Router

__all__ = ["routes"]

Answer: TypeAlias = Callable[[Call], Response]
_METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE"})


class _Failed(Exception):  # noqa: N818 - ends a transaction, and never leaves this module
    """A request of a transaction failed."""


def routes(answer: Answer) -> Router:
    """The route of ``/batch``; ``answer`` answers one call."""
    router = Router()
    router.add("POST", "/batch", lambda call: _batch(call, answer))
    return router


def _batch(call: Call, answer: Answer) -> Response:
    requests = call.body.get("requests")
    if not isinstance(requests, list):
        raise InvalidJsonError("requests must be an array")
    limit = call.options.request_complexity.batch_request_limit
    # SAFETY: the limit guards against clients; a master is not bound by it (requestComplexity).
    if limit >= 0 and len(requests) > limit and not call.principal.bypasses_permissions:
        raise InvalidJsonError(
            f"Batch request contains {len(requests)} requests, which exceeds the limit of {limit}."
        )
    calls = [_sub_call(call, entry) for entry in requests]
    if call.body.get("transaction") is not True:
        return Response(200, [_one(sub, answer) for sub in calls])

    def carry_out() -> Response:
        with call.engine.transaction():
            return Response(200, [_all_or_none(sub, answer) for sub in calls])

    try:
        return call.engine.carried_out(carry_out)
    except _Failed:
        return Response(400, {"code": 1, "error": "Internal server error."})


def _sub_call(call: Call, entry: JSON) -> Call:
    path = entry.get("path") if isinstance(entry, dict) else None
    if not isinstance(path, str):
        raise InvalidJsonError("batch request path must be a string")
    below = _below_mount(call.options, path)
    if below.strip("/") == "batch":
        raise InvalidJsonError("nested batch requests are not allowed")
    method = entry.get("method")
    if method not in _METHODS:
        raise InvalidJsonError(f"cannot route {method} {below}")
    body = entry.get("body")
    return attrs.evolve(
        call,
        method=method,
        path=below,
        params={},
        query={},
        body=dict(body) if isinstance(body, dict) else {},
    )


def _below_mount(options: ServerOptions, path: str) -> str:
    """A path below the mount. Clients may know the mount under its public path (makeBatchRoutingPathFunction)."""
    mount = options.mount.rstrip("/")
    public = mount if options.public_url is None else urlsplit(options.public_url).path.rstrip("/")
    known = [prefix for prefix in (mount, public) if path.startswith(f"{prefix}/")]
    if not known:
        raise InvalidJsonError(f"cannot route batch path {path}")
    below, _, _query = path[max(map(len, known)) :].partition("?")
    return posixpath.normpath(f"/{below.lstrip('/')}")


def _one(call: Call, answer: Answer) -> JSON:
    try:
        response = answer(call)
    except (HttpError, ParsekitError) as error:
        failed = answer_for(error, sanitized=call.options.enable_sanitized_error_response)
        if failed is None:
            raise
        response = failed
    if response.status == 404 and isinstance(response.body, str):
        raise InvalidJsonError(f"cannot route {call.method} {call.path}")
    return {"success": response.body} if response.status < 400 else {"error": response.body}


def _all_or_none(call: Call, answer: Answer) -> JSON:
    result = _one(call, answer)
    if "error" in result:
        raise _Failed
    return result
