"""HTTP as ASGI carries it -> ``Request``, and ``Response`` -> ASGI messages. What a request means ``dispatch`` knows.

A body is read to its end before anything else is done with the request, so that a client that stalls holds nothing but
its own connection, and never more than the size that the options allow.
"""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

from parsekit.codec import JSON, dumps
from parsekit.server.faults import HttpError
from parsekit.server.options import ServerOptions
from parsekit.server.query_string import read_parameters
from parsekit.server.requests import Request, Response

__all__ = [
    "Receive",
    "Scope",
    "Send",
    "cors_headers",
    "path_below",
    "read_body",
    "read_request",
    "rendered",
    "respond",
]

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header: TypeAlias = tuple[bytes, bytes]

_METHODS: Final = b"GET,PUT,POST,DELETE,OPTIONS"
_ALLOWED_HEADERS: Final = (
    "X-Parse-Master-Key, X-Parse-REST-API-Key, X-Parse-Javascript-Key, X-Parse-Application-Id, "
    "X-Parse-Client-Version, X-Parse-Session-Token, X-Requested-With, X-Parse-Revocable-Session, "
    "X-Parse-Request-Id, Content-Type, Pragma, Cache-Control"
)
_EXPOSED_HEADERS: Final = b"X-Parse-Job-Status-Id, X-Parse-Push-Status-Id"
_JSON: Final = (b"content-type", b"application/json; charset=utf-8")
_TOO_LARGE: Final = HttpError(413, {"error": "request entity too large"})


class ClientGone(Exception):  # noqa: N818 - nobody is left to be told of it
    """The client closed the connection before its request was complete."""


def path_below(scope: Scope, mount: str) -> str | None:
    """The path below the mount, percent-encoded as it came; ``None`` for one that is not below it."""
    raw: bytes | None = scope.get("raw_path")
    path: str = scope["path"] if raw is None else raw.partition(b"?")[0].decode("latin-1")
    mount = mount.rstrip("/")
    for start in (mount, scope.get("root_path", "") + mount):
        if path.startswith(f"{start}/") or path == start:
            return path[len(start) :] or "/"
    return None


async def read_body(receive: Receive, most_bytes: int) -> bytes:
    """The whole body.

    Raises:
        HttpError: 413, it is larger than ``most_bytes``.
        ClientGone: the connection was closed before its end.
    """
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body"):
        if len(body) > most_bytes:
            raise _TOO_LARGE
        return body
    parts, size = [body], len(body)
    while message.get("more_body") or message["type"] != "http.request":
        if message["type"] != "http.request":
            raise ClientGone
        if size > most_bytes:
            raise _TOO_LARGE
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if size > most_bytes:
        raise _TOO_LARGE
    return b"".join(parts)


async def read_request(scope: Scope, receive: Receive, path: str, options: ServerOptions) -> Request:
    """The request of a scope. Raises as ``read_body``; 413 at once where the length says so; 415 for an encoding."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > options.max_upload_size:
        raise _TOO_LARGE
    body = await read_body(receive, options.max_upload_size)
    encoding = headers.get("content-encoding")
    if body and encoding is not None and encoding != "identity":
        body = _inflated(body, encoding, options.max_upload_size)
    query = scope.get("query_string", b"")
    params = read_parameters(query.decode("latin-1")) if query else {}
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    return Request(method, path, params, body, headers, _client_host(scope, headers, options))


def _client_host(scope: Scope, headers: dict[str, str], options: ServerOptions) -> str:
    forwarded = headers.get("x-forwarded-for") if options.trust_proxy else None
    if forwarded:
        return forwarded.partition(",")[0].strip()
    client = scope.get("client")
    return str(client[0]) if client else ""


def _inflated(body: bytes, encoding: str, most_bytes: int) -> bytes:
    """A compressed body, never more of it than is allowed."""
    windows = {"gzip": 31, "x-gzip": 31, "deflate": 47}
    window = windows.get(encoding.strip().lower())
    if window is None:
        raise HttpError(415, {"error": f'unsupported content encoding "{encoding}"'})
    decoder = zlib.decompressobj(window)
    try:
        text = decoder.decompress(body, most_bytes + 1)
    except zlib.error:
        raise HttpError(400, {"error": "the body is not what its content encoding says"}) from None
    if len(text) > most_bytes:
        raise _TOO_LARGE
    if not decoder.eof:
        raise HttpError(400, {"error": "the body ends before its content encoding does"})
    return text


def cors_headers(options: ServerOptions) -> Callable[[str | None], list[Header]]:
    """What every answer says to pages of other origins, by the request's ``Origin`` (middlewares.allowCrossDomain)."""
    allowed = ", ".join((_ALLOWED_HEADERS, *options.allow_headers)).encode("latin-1")
    fixed = [
        (b"access-control-allow-methods", _METHODS),
        (b"access-control-allow-headers", allowed),
        (b"access-control-expose-headers", _EXPOSED_HEADERS),
    ]
    origins = options.allow_origin or ("*",)

    def headers(origin: str | None) -> list[Header]:
        shown = origin if origin is not None and origin in origins else origins[0]
        return [(b"access-control-allow-origin", shown.encode("latin-1", "replace")), *fixed]

    return headers


def rendered(response: Response) -> tuple[bytes, list[Header]]:
    """The bytes of an answer, and the headers that belong to it."""
    own = [
        (
            name.lower().encode("latin-1"),
            value.encode("latin-1", "replace").replace(b"\r", b"").replace(b"\n", b""),
        )
        for name, value in response.headers.items()
    ]
    if response.text is not None:
        return response.text.encode(), [_JSON, *own]
    body = response.body
    if isinstance(body, bytes):
        return body, own
    if isinstance(body, str) and "Content-Type" in response.headers:
        return body.encode("utf-8", "replace"), own
    return _json_bytes(body), [_JSON, *own]


def _json_writer() -> Callable[[JSON], bytes]:
    """What writes an answer as JSON: ``orjson`` of the extra, else ``codec``, which is a tenth as fast."""

    def write(body: JSON) -> bytes:
        return dumps(body).encode()

    try:
        from orjson import JSONEncodeError
        from orjson import dumps as write_quickly
    except ModuleNotFoundError:
        return write

    def write_or_fall_back(body: JSON) -> bytes:
        try:
            return write_quickly(body)
        except JSONEncodeError:  # what it has no word for, such as a lone surrogate
            return write(body)

    return write_or_fall_back


_json_bytes: Final = _json_writer()


async def respond(
    send: Send, status: int, body: bytes, headers: list[Header], *, bodiless: bool = False
) -> None:
    """Send an answer; a ``bodiless`` one, to ``HEAD``, says how long it would have been."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": b"" if bodiless else body})
