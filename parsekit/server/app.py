"""``create_app(engine, ...)``: the ASGI application around the dispatcher.

The picture: the event loop reads requests and writes answers; what a request asks is done by the dispatcher in a pool
of threads, where the engine has one reader connection per thread. So neither a slow client nor a slow query holds up
others. The application adds nothing to what an answer says (law L9) but cross-origin headers, sizes, and the answer to
what is parsekit's own fault, which says nothing of it.

The application may be served as it is, or mounted in another one; it takes paths below ``options.mount``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

from parsekit.acl.principal import Principal
from parsekit.cloud.requests import LiveServerEvent, LiveServerRequest
from parsekit.errors import EngineClosedError, ParsekitError
from parsekit.server.faults import HttpError, no_route
from parsekit.server.http import (
    ClientGone,
    Header,
    Receive,
    Scope,
    Send,
    path_below,
    read_request,
    rendered,
    respond,
)
from parsekit.server.options import ServerOptions
from parsekit.server.requests import Request, Response
from parsekit.server.service import Service
from parsekit.server.workers import Workers

if TYPE_CHECKING:
    from parsekit.engine.core import ParseEngine
    from parsekit.server.live import LiveClient
    from parsekit.server.live_socket import LiveSocket

__all__ = ["App", "create_app"]

_LOG: Final = logging.getLogger("parsekit.server")
_THREADS: Final = 8
T = TypeVar("T")
_REPLACED_S: Final = 5.0
_MONITOR: Final = "onLiveQueryEvent"
_FAULT: Final = Response(500, {"code": 1, "message": "Internal server error."})


def create_app(engine: ParseEngine, options: ServerOptions | None = None, /, **given: Any) -> App:
    """An ASGI application that serves ``engine``: REST and LiveQuery, below ``mount`` (``/parse``).

    ``create_app(engine, app_id="A", master_key="K", rest_key="R")`` names the fields of ``ServerOptions``; an object of
    them may be given instead. The engine stays the caller's: closing it is the caller's affair too.
    """
    return App(Service(engine, options or ServerOptions(**given)))


@final
class App:
    """The ASGI application of ``create_app``. ``service`` is what requests are answered with from now on."""

    def __init__(self, service: Service, before: Callable[[Request], Response | None] | None = None) -> None:
        """``before`` is asked before the dispatcher, and answers what is its own."""
        self.service = service
        self._before = before
        self._workers = Workers(_THREADS, "parsekit-request")
        self._sockets: set[LiveSocket] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, service: Service) -> None:
        """Answer with another service from now on."""
        old, self.service = self.service, service
        old.replaced.set()
        for socket in list(self._sockets):
            socket.renew()

    def entered(self) -> Service:
        """The service, kept open until its ``end()``."""
        while True:
            service = self.service
            if service.begin():
                return service
            service.replaced.wait(_REPLACED_S)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI has it."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._live(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def close(self) -> None:
        """End the threads, once what they are doing is done."""
        self._workers.close()

    # -- live queries ----------------------------------------------------------------------------

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.websockets import WebSocket

        from parsekit.server.live_socket import LiveSocket

        socket = LiveSocket(self, WebSocket(scope, receive, send))
        self._sockets.add(socket)
        try:
            await socket.serve()
        finally:
            self._sockets.discard(socket)

    async def report(self, event: LiveServerEvent, client: LiveClient | None) -> None:
        """Call the ``onLiveQueryEvent`` hook, if there is one, with what a client has done."""
        if not self.service.engine.cloud.has(_MONITOR, "@Connect"):
            return
        sockets = list(self._sockets)
        clients = sum(socket.is_connected for socket in sockets)
        subscriptions = sum(socket.subscriptions for socket in sockets)

        def tell(service: Service) -> None:
            hooks = service.engine.hooks
            caller = hooks.caller(Principal.anonymous() if client is None else client.caller(service))
            request = LiveServerRequest(
                caller=caller,
                trigger_name=_MONITOR,
                event=event,
                clients=clients,
                subscriptions=subscriptions,
            )
            try:
                service.engine.cloud.run(_MONITOR, "@Connect", request)
            except ParsekitError:
                _LOG.exception("%s failed at %s", _MONITOR, event)

        with contextlib.suppress(EngineClosedError, RuntimeError):  # everything ends, and this with it
            await self.in_thread(tell)

    async def in_thread(self, do: Callable[[Service], T]) -> T:
        """What ``do`` gives, which is called in a thread of the pool with the service, whose engine stays open."""
        return await self._workers.do(self._done, do)

    def _done(self, do: Callable[[Service], T]) -> T:
        service = self.entered()
        try:
            return do(service)
        finally:
            service.end()

    def aside(self, do: Callable[[], Any]) -> None:
        """Have something done in a thread of the pool that nobody waits for."""
        with contextlib.suppress(RuntimeError):  # the threads have ended, and everything with them
            self._workers.aside(_called, do)

    def keep(self, task: asyncio.Task[None]) -> None:
        """Keep a task until it is done."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- REST ------------------------------------------------------------------------------------

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        headers = self.service.cors(_origin(scope))
        if method == "OPTIONS":
            await respond(send, 200, b"OK", [*headers, (b"content-type", b"text/plain; charset=utf-8")])
            return
        try:
            status, body, own = await self._answer(scope, receive)
        except ClientGone:
            return
        await respond(send, status, body, [*headers, *own], bodiless=method == "HEAD")

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes, list[Header]]:
        options = self.service.options
        path = path_below(scope, options.mount)
        if path is None:
            return _rendered(no_route(scope["method"], scope["path"]))
        try:
            request = await read_request(scope, receive, path, options)
        except HttpError as error:
            return _rendered(error.response)
        return await self._workers.do(self._handled, request)

    def _handled(self, request: Request) -> tuple[int, bytes, list[Header]]:
        """The answer to a request; in a thread of the pool."""
        try:
            if self._before is not None and (answer := self._before(request)) is not None:
                return _rendered(answer)
            service = self.entered()
            try:
                return _rendered(service.dispatcher.handle(request))
            finally:
                service.end()
        except Exception:  # noqa: BLE001 - a fault of parsekit's own: the log has it, the client learns nothing
            _LOG.exception("%s %s: unexpected error", request.method, request.path)
            return _rendered(_FAULT)


def _called(do: Callable[[], object]) -> None:
    do()


def _rendered(response: Response) -> tuple[int, bytes, list[Header]]:
    body, headers = rendered(response)
    return response.status, body, headers


def _origin(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"origin":
            return str(value.decode("latin-1"))
    return None
