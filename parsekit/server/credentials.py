"""Who asks: the keys of a request, the credentials that the JS SDK tunnels through the body, the session.

Parse Server looks into the body for keys only where the headers name no application (middlewares.handleParseHeaders);
the keys that carry them (``_ApplicationId``, ``_method``, ...) never reach a class (parse_server.md T3).
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Final, final

from parsekit import attrs
from parsekit.acl.principal import Principal
from parsekit.codec import JSON, loads
from parsekit.errors import InvalidJsonError
from parsekit.server.addresses import is_among
from parsekit.server.faults import unauthorized
from parsekit.server.options import ServerOptions
from parsekit.server.requests import Request

__all__ = [
    "Credentials",
    "Upload",
    "key_principal",
    "read_credentials",
    "read_upload",
    "same_key",
    "sender",
]

_CLIENT_KEYS: Final = ("rest_key", "javascript_key", "client_key", "windows_key")
_HEADERS: Final = {
    "app_id": "x-parse-application-id",
    "session_token": "x-parse-session-token",
    "master_key": "x-parse-master-key",
    "maintenance_key": "x-parse-maintenance-key",
    "installation_id": "x-parse-installation-id",
    "client_key": "x-parse-client-key",
    "javascript_key": "x-parse-javascript-key",
    "windows_key": "x-parse-windows-key",
    "rest_key": "x-parse-rest-api-key",
    "client_version": "x-parse-client-version",
    "context": "x-parse-cloud-context",
}
_BODY: Final = {
    "session_token": "_SessionToken",
    "master_key": "_MasterKey",
    "maintenance_key": "_MaintenanceKey",
    "installation_id": "_InstallationId",
    "client_version": "_ClientVersion",
    "context": "_context",
}
_STRIPPED: Final = frozenset(
    {
        "_ApplicationId",
        "_JavaScriptKey",
        "_method",
        "_noBody",
        "_RevocableSession",
        "_ContentType",
        *_BODY.values(),
    }
)


@final
@attrs.frozen(slots=True)
class Credentials:
    """What a request says of its sender. ``principal`` is ``None`` for a client, whose session decides."""

    principal: Principal | None
    session_token: str | None
    installation_id: str | None
    context: Mapping[str, JSON]
    body: dict[str, JSON]


@final
@attrs.frozen(slots=True)
class Upload:
    """An upload taken apart. ``body`` is what its JSON says beside the bytes, empty where they came as they are."""

    request: Request
    body: dict[str, JSON]
    data: bytes = attrs.field(repr=False)


def read_upload(request: Request, options: ServerOptions) -> Upload:
    """The bytes of an upload: the body itself, or the ``base64`` of the JSON that the JS SDK sends.

    It is JSON exactly where the headers name no application (middlewares.handleParseHeaders).

    Raises:
        HttpError: 403, the headers name no application and the body is not JSON.
    """
    found = {"app_id": request.headers.get("x-parse-application-id")}
    found.update(_basic(request.headers.get("authorization"), options))
    if same_key(found["app_id"], options.app_id):
        return Upload(request, {}, request.body)
    try:
        body = loads(request.body)
    except InvalidJsonError:
        raise unauthorized() from None
    if not isinstance(body, dict) or not same_key(_text(body.get("_ApplicationId")), options.app_id):
        raise unauthorized()
    content_type = _text(body.get("_ContentType"))
    if content_type is not None:
        request = attrs.evolve(request, headers={**request.headers, "content-type": content_type})
    text = "".join((_text(body.get("base64")) or "").split()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        data = b""
    return Upload(request, body, data)


def read_credentials(request: Request, body: dict[str, JSON], options: ServerOptions) -> Credentials:
    """The credentials of a request and its body without them.

    Raises:
        HttpError: 403, no application, or no key that matches.
        InvalidJsonError: 107, the cloud context is no object.
    """
    found = {name: request.headers.get(header) for name, header in _HEADERS.items()}
    found.update(_basic(request.headers.get("authorization"), options))
    if not same_key(found["app_id"], options.app_id):
        if not same_key(_text(body.get("_ApplicationId")), options.app_id):
            raise unauthorized()
        found["javascript_key"] = _text(body.get("_JavaScriptKey"))
        for name, key in _BODY.items():
            if body.get(key):
                found[name] = _text(body[key]) if name != "context" else body[key]
    rest = {key: value for key, value in body.items() if key not in _STRIPPED}
    installation = found["installation_id"]
    principal = sender(found, options, request.client_host)
    return Credentials(
        principal, found["session_token"] or None, installation, _context(found["context"]), rest
    )


def key_principal(request: Request, options: ServerOptions) -> Principal | None:
    """Who the keys in the headers say it is, where a route needs none; ``None`` for a client."""
    found = {name: request.headers.get(header) for name, header in _HEADERS.items()}
    return _key_principal(found, options, request.client_host)


def sender(found: Mapping[str, str | None], options: ServerOptions, client_host: str) -> Principal | None:
    """Who sent these keys; ``None`` for a client, whose session decides.

    Raises:
        HttpError: 403, no key that matches, or a master key from where it may not be sent.
    """
    principal = _key_principal(found, options, client_host)
    if principal is None and not _client_key_matches(found, options):
        raise unauthorized()
    return principal


def _key_principal(
    found: Mapping[str, str | None], options: ServerOptions, client_host: str
) -> Principal | None:
    if same_key(found.get("maintenance_key"), options.maintenance_key):
        _check_host(client_host, options.maintenance_key_ips)
        # SAFETY: the maintenance key was sent, from where it may be.
        return Principal.maintenance()
    if same_key(found.get("master_key"), options.master_key):
        _check_host(client_host, options.master_key_ips)
        # SAFETY: the master key was sent, from where it may be.
        return Principal.master(installation_id=found.get("installation_id"))
    if same_key(found.get("master_key"), options.read_only_master_key):
        _check_host(client_host, options.read_only_master_key_ips)
        # SAFETY: the read-only master key was sent; every write is refused by acl.policy.
        return Principal.read_only_master()
    return None


def _check_host(client_host: str, allowed: tuple[str, ...]) -> None:
    # SAFETY: a master key that is sent from elsewhere is answered as a wrong one.
    if not is_among(client_host, allowed):
        raise unauthorized()


def _client_key_matches(found: Mapping[str, str | None], options: ServerOptions) -> bool:
    needed = False
    for name in _CLIENT_KEYS:
        key = getattr(options, name)
        if key is not None:
            needed = True
            if same_key(found.get(name), key):
                return True
    return not needed


def same_key(given: str | None, key: str | None) -> bool:
    """Whether a key was sent rightly, in a time that does not depend on how much of it is right."""
    return given is not None and key is not None and hmac.compare_digest(given.encode(), key.encode())


def _text(value: JSON) -> str | None:
    return value if isinstance(value, str) else None


def _basic(header: str | None, options: ServerOptions) -> dict[str, str | None]:
    """``Authorization: Basic`` of ``appId:masterKey`` or ``appId:javascript-key=K`` (parse_server.md T2)."""
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        app_id, _, key = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return {}
    start = "javascript-key="
    if key.startswith(start):
        return {"app_id": app_id, "javascript_key": key.removeprefix(start)}
    return {"app_id": app_id, "master_key": key} if same_key(app_id, options.app_id) else {}


def _context(given: JSON) -> dict[str, JSON]:
    if given is None:
        return {}
    try:
        context = loads(given) if isinstance(given, str) else given
    except InvalidJsonError:
        context = None
    if not isinstance(context, dict):
        raise InvalidJsonError("Invalid object for context.")
    return context
