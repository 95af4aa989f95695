"""From a request to its answer: body -> credentials -> session -> route -> answer or error.

``Dispatcher`` is what the ASGI shell, the scenario replays and ``/batch`` share. It holds no state of its own beyond
the engine and the options, so calls may run in any thread.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final, final
from urllib.parse import parse_qs, unquote

from parsekit import attrs
from parsekit.acl.principal import Principal
from parsekit.cloud.requests import ORIGIN, Origin
from parsekit.codec import JSON, loads
from parsekit.engine.core import ParseEngine
from parsekit.engine.json_reads import JsonReads
from parsekit.errors import InvalidJsonError, ParsekitError
from parsekit.query.where.request import decode_url_parameters
from parsekit.server import (
    aggregates,
    batch,
    classes,
    features,
    files,
    functions,
    pages,
    playground,
    pushes,
    reports,
    schemas,
    settings,
    users,
    webhooks,
)
from parsekit.server.credentials import Credentials, read_credentials, read_upload
from parsekit.server.faults import HttpError, answer_for, no_route
from parsekit.server.limits import RateLimits, check_route
from parsekit.server.options import ServerOptions
from parsekit.server.requests import Call, Request, Response
from parsekit.server.routing import Found, Route, Router
from parsekit.server.scanning import check_keywords

__all__ = ["Dispatcher", "route_table"]

_TOKENLESS: Final = ("/login", "/sessions/me")
_MODULES: Final = (
    features, playground, files, pages, schemas, aggregates, functions, webhooks, settings, pushes, reports, users,
    classes,
)  # fmt: skip


def route_table(answer: Route) -> Router:
    """Every route; ``answer`` answers one request of a batch."""
    router = Router()
    for module in _MODULES:
        router.include(module.ROUTES)
    router.include(batch.routes(answer))
    return router


@final
class Dispatcher:
    """Answers REST requests on an engine."""

    def __init__(self, engine: ParseEngine, options: ServerOptions) -> None:
        self.engine = engine
        self.options = options
        engine.webhooks.serve(options.webhook_key)
        self._reads = JsonReads(engine, partial(files.file_url, options))
        engine.hooks.inspect = lambda value: check_keywords(value, options.request_keyword_denylist)
        self._rates = RateLimits(options.rate_limit, options.app_id)
        self.router = route_table(self._route_in_batch)

    def handle(self, request: Request) -> Response:
        """The answer to a request. Raises only for a fault of parsekit's own, which the shell turns into a 500."""
        try:
            return self._handle(request)
        except (HttpError, ParsekitError) as error:
            answer = answer_for(error, sanitized=self.options.enable_sanitized_error_response)
            if answer is None:
                raise
            return answer

    def _handle(self, request: Request) -> Response:
        found = self.router.find(request.method, request.path)
        kind = "api" if found is None else found.kind
        if kind == "public":
            return self._answer(self._call(request, request.method, None, found, request.body), found)
        if kind == "upload":
            sent = read_upload(request, self.options)
            sender = read_credentials(sent.request, sent.body, self.options)
            call = self._call(sent.request, request.method, sender, found, sent.data)
            if self.options.rate_limit:
                self._rates.count(call, request.client_host)
            return self._answer(call, found)
        body = _json_body(request)
        method = request.method
        tunneled = body.get("_method")
        if method == "POST" and isinstance(tunneled, str):
            method = tunneled.upper()
            found = self.router.find(method, request.path)
        sender = read_credentials(request, body, self.options)
        call = self._call(request, method, sender, found)
        if self.options.rate_limit:
            self._rates.count(call, request.client_host)
        if self.options.idempotency_options.paths:
            self._once(call)
        return self._answer(call, found)

    def _once(self, call: Call) -> None:
        """Refuse a write that was here before (``idempotencyOptions``).

        Raises:
            DuplicateRequestError: 159.
        """
        options, request_id = self.options.idempotency_options, call.headers.get("x-parse-request-id")
        if not request_id or call.method not in ("POST", "PUT"):
            return
        path = call.path.strip("/")
        if any(re.match(pattern, path) for pattern in options.paths):
            self.engine.idempotency.remember(request_id, options.ttl)

    def _call(
        self,
        request: Request,
        method: str,
        sender: Credentials | None,
        found: Found | None,
        data: bytes = b"",
    ) -> Call:
        if sender is None:
            sender = Credentials(None, None, None, {}, {})  # a route that needs no keys
        return Call(
            self.engine,
            self._reads,
            self.options,
            sender.principal or self._client(request.path, sender),
            method,
            request.path,
            decode_url_parameters(request.params) if request.params else {},
            sender.body,
            captures=_captured(found),
            session_token=sender.session_token,
            installation_id=sender.installation_id,
            context=sender.context,
            headers=request.headers,
            client_host=request.client_host,
            data=data,
            text=request.body,
            query=request.params,
        )

    def _client(self, path: str, credentials: Credentials) -> Principal:
        """The principal of a client: the user of its session, or nobody in particular.

        ``/login`` pays no heed to a stray session token (parse_server.md L2), and ``/sessions/me`` shows a session
        that has expired too.
        """
        token = credentials.session_token
        if token is None or path in _TOKENLESS:
            return Principal.anonymous(installation_id=credentials.installation_id)
        return self.engine.principal_for_session(token, installation_id=credentials.installation_id)

    def _route_in_batch(self, call: Call) -> Response:
        found = self.router.find(call.method, call.path)
        if found is not None and found.kind != "api":
            return no_route(call.method, call.path)
        return self.route(call)

    def route(self, call: Call) -> Response:
        """Answer a call whose sender is known. Raises the route's errors."""
        found = self.router.find(call.method, call.path)
        return self._answer(attrs.evolve(call, captures=_captured(found)), found)

    def _answer(self, call: Call, found: Found | None) -> Response:
        if found is None:
            return no_route(call.method, f"{self.options.mount}{call.path}")
        if found.kind == "api" and self.options.route_allow_list is not None:
            check_route(call)
        if self.engine.cloud.is_unused:
            return found.route(call)
        origin = Origin(call.headers, call.client_host, dict(call.context), call.installation_id)
        token = ORIGIN.set(origin)
        try:
            return found.route(call)
        finally:
            ORIGIN.reset(token)


def _captured(found: Found | None) -> dict[str, str]:
    return {} if found is None else {name: unquote(part) for name, part in found.captures.items()}


def _is_form(request: Request) -> bool:
    return (
        request.headers.get("content-type", "").partition(";")[0].strip()
        == "application/x-www-form-urlencoded"
    )


def _form(text: bytes) -> dict[str, JSON]:
    """The fields of a form, as Express's parser gives them: text, or a list where a name comes again."""
    fields = parse_qs(text.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[0] if len(values) == 1 else list(values) for name, values in fields.items()}


def _json_body(request: Request) -> dict[str, JSON]:
    """The body as a JSON object.

    A list counts as an object whose keys are 0, 1, ... , as in JavaScript; a form that says it is one counts as an
    object of texts. Anything else gives the answer of Express's parser, which has no code.
    """
    text = request.body.strip()
    if not text:
        return {}
    if _is_form(request) and not text.startswith((b"{", b"[")):
        return _form(text)
    try:
        body = loads(text)
    except InvalidJsonError as error:
        raise HttpError(400, {"error": error.hint or error.message}) from None
    if isinstance(body, list):
        return {str(place): item for place, item in enumerate(body)}
    if not isinstance(body, dict):
        raise HttpError(400, {"error": "the body is neither a JSON object nor a list"})
    return body
