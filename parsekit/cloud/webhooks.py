"""Cloud code that runs elsewhere: a hook or function that is a URL (parse_server.md C16).

What the hook is called with goes there as JSON by POST, with the webhook key; the answer is ``{"success": ...}`` or
``{"error": ...}``. Which webhooks there are is kept by ``engine.webhooks``; when a hook runs is said by
``engine.hooks``. Only ``http.client`` is needed, and redirects are not followed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final, final
from urllib.parse import urlsplit

from parsekit import attrs
from parsekit.cloud.requests import (
    ConfigRequest,
    FileRequest,
    FindRequest,
    FunctionRequest,
    LiveEventRequest,
    SaveRequest,
    SubscribeRequest,
)
from parsekit.codec import JSON, dumps, encode_value, loads
from parsekit.errors import InvalidJsonError, ParseError, ScriptError, parse_error
from parsekit.object import PFObject
from parsekit.query.builder import PFQuery
from parsekit.query.keys import MASTER_KEYS
from parsekit.query.where import decode_query
from parsekit.values import MISSING

__all__ = ["OUTSIDE", "Webhook", "WebhookError", "json_of", "query_of"]

OUTSIDE: Final[ContextVar[Callable[[], contextlib.AbstractContextManager[None]]]] = ContextVar(
    "parsekit_outside", default=contextlib.nullcontext
)
"""What is entered around each wait for another machine, set by whoever has only so many threads."""

_KEPT_HERE: Final = frozenset({"authorization", "x-parse-maintenance-key", "x-parse-master-key"})
"""Headers of a client that carry a master key, which no other service needs to know."""
_SHOWN: Final = 100
_LONGEST_ANSWER: Final = 64 * 1024 * 1024


@final
class WebhookError(ScriptError):
    """141: a webhook answered with an error. ``payload`` is that error as it came, text or JSON."""

    def __init__(self, payload: JSON) -> None:
        text = payload.get("message") if isinstance(payload, dict) else payload
        self.payload: JSON = payload if text is None else text
        super().__init__(self.payload if isinstance(self.payload, str) else dumps(self.payload))

    def __reduce__(self) -> tuple[object, ...]:
        return (WebhookError, (self.payload,))


@final
@attrs.frozen(slots=True)
class Webhook:
    """Calls a URL. Calling it gives the ``success`` of the answer."""

    url: str
    key: str | None = attrs.field(default=None, repr=False)
    timeout_s: float = 30.0

    def __call__(self, request: Any) -> JSON:
        """Call with a request of cloud code. Raises what ``send`` raises."""
        return self.send(body_of(request))

    def send(self, body: Mapping[str, JSON]) -> JSON:
        """Call with a JSON body.

        Raises:
            ParseError: with the code of the error that is the answer, where it names one.
        WebhookError: 141, the answer is another error, or no answer of a webhook.
            ScriptError: 141, nobody answers at the URL.
        """
        headers = {"Content-Type": "application/json"}
        if self.key is not None:
            headers["X-Parse-Webhook-Key"] = self.key
        import http.client  # it takes longer to import than to open a database, and few have webhooks

        try:
            with OUTSIDE.get()():
                status, text = _post(self.url, dumps(body).encode(), headers, self.timeout_s)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ScriptError("Script failed. Unknown error.", hint=f"{self.url}: {error}") from error
        if not 200 <= status < 400:
            raise ScriptError("Script failed. Unknown error.", hint=f"{self.url} answered {status}")
        if not text:
            return None
        try:
            answer = loads(text)
        except InvalidJsonError:
            part = text.decode(errors="replace")[:_SHOWN]
            raise WebhookError({"error": "Malformed response", "code": -1, "partialResponse": part}) from None
        if not isinstance(answer, dict):
            return None
        if answer.get("error"):
            raise _error(answer["error"])
        return answer.get("success")


def _error(payload: JSON) -> ParseError:
    """An error of a webhook: ``{"code", "message"}`` is Parse's own, as a hook of this process would raise it."""
    code = payload.get("code") if isinstance(payload, dict) else None
    if isinstance(payload, dict) and isinstance(code, int) and payload.keys() <= {"code", "message"}:
        message = payload.get("message", "")
        if isinstance(message, str):
            return parse_error(code, message)
    return WebhookError(payload)


def _post(url: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> tuple[int, bytes]:
    import http.client
    import ssl

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an address of http or https")
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=timeout_s, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body, dict(headers))
        response = connection.getresponse()
        return response.status, response.read(_LONGEST_ANSWER)
    finally:
        connection.close()


# --- requests as JSON ---


def body_of(request: Any) -> dict[str, JSON]:
    """What cloud code is called with, as JSON."""
    body: dict[str, JSON] = {
        "triggerName": request.trigger_name,
        "master": request.master,
        "context": json_of(request.context),
        "headers": {name: text for name, text in request.headers.items() if name not in _KEPT_HERE},
    }
    if request.ip is not None:
        body["ip"] = request.ip
    if request.installation_id is not None:
        body["installationId"] = request.installation_id
    user = request.user
    if user is not None:
        body["user"] = _object(user)
    return {**body, **_particular(request)}


def _particular(request: Any) -> dict[str, JSON]:
    match request:
        case SaveRequest() | LiveEventRequest():
            return _objects(request)
        case FindRequest():
            body: dict[str, JSON] = {"query": request.query.to_json(), "isGet": request.is_get}
            if request.trigger_name == "afterFind":
                return {**body, "objects": [_object(obj) for obj in request.objects]}
            return {**body, "count": request.count}
        case ConfigRequest():
            body = {"object": {"params": json_of(request.params)}}
            if request.original is not None:
                body["original"] = {"params": json_of(request.original)}
            return body
        case FunctionRequest():
            return {"functionName": request.function_name, "params": json_of(request.params)}
        case FileRequest():
            file = {"name": request.file.name, "metadata": request.file.metadata, "tags": request.file.tags}
            return {"file": json_of(file), "fileSize": request.file_size}
        case SubscribeRequest():
            return {**_subscribing(request), **_live(request)}
        case _:
            return {}


def _subscribing(request: SubscribeRequest) -> dict[str, JSON]:
    if request.query is None:
        return {"event": "connect"}
    return {"op": "subscribe", "query": request.query.to_json()}


def _live(request: SubscribeRequest | LiveEventRequest) -> dict[str, JSON]:
    """What hooks of live queries are told of the client and of the server."""
    principal = request.caller.principal
    return {
        "clients": request.clients,
        "subscriptions": request.subscriptions,
        "useMasterKey": request.master,
        "sessionToken": principal.session_token,
    }


def _objects(request: SaveRequest | LiveEventRequest) -> dict[str, JSON]:
    body: dict[str, JSON] = {"object": _object(request.object)}
    if request.original is not None:
        body["original"] = _object(request.original)
    if isinstance(request, LiveEventRequest):
        body.update(event=request.event, sendEvent=request.send_event, **_live(request))
    return body


def query_of(answer: Any, class_name: str) -> PFQuery[Any] | None:
    """The query that a webhook before a find or a subscription answers: REST parameters, ``where`` among them."""
    if not isinstance(answer, Mapping) or "where" not in answer:
        return None
    asked = {key: value for key, value in answer.items() if key != "className" and value is not None}
    return PFQuery.from_state(decode_query(class_name, asked, special_keys=MASTER_KEYS).state)


def _object(obj: PFObject) -> dict[str, JSON]:
    """An object with its pending changes. A password is only ever pending, and a hook may look at it."""
    entry = {**obj.to_fields_json(), "className": obj.class_name}
    password = obj.raw("password") if obj.class_name == "_User" else MISSING
    if isinstance(password, str):
        entry["password"] = password
    return entry


def json_of(value: Any) -> JSON:
    """A value of cloud code as JSON, objects in it as Parse encodes them."""
    if isinstance(value, PFObject):
        return value.to_json()
    if isinstance(value, list | tuple):
        return [json_of(item) for item in value]
    if isinstance(value, Mapping):
        return {key: json_of(item) for key, item in value.items()}
    return encode_value(value)
