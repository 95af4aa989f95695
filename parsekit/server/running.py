"""Running the application under uvicorn, until it is told to stop. Needs the extra ``server``."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, Literal, final

import uvicorn

from parsekit.errors import EngineError

if TYPE_CHECKING:
    from parsekit.server.app import App

__all__ = ["run"]

_SHUTDOWN_S: Final = 10
_BACKLOG: Final = 2048
_PING_S: Final = 10.0
"""How often a WebSocket is pinged, and how long it may take to answer (W17)."""
_FRAME_BYTES: Final = 1024 * 1024
_ENDING: Final = (signal.SIGINT, signal.SIGTERM)


@final
class _Server(uvicorn.Server):
    """A uvicorn server that says when it listens, and returns when a signal has ended it."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn would raise the signal a second time, which ends the process before the database is closed
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in _ENDING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def run(app: App, host: str, port: int, ready: Callable[[str], Any]) -> None:
    """Serve until SIGINT or SIGTERM; requests under way are answered first.

    ``ready`` is called with the address (``http://127.0.0.1:1337``) as soon as it can be reached.

    Raises:
        EngineError: the address cannot be listened on.
    """
    with _listening(host, port) as listening:
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            proxy_headers=False,  # SAFETY: who a client is decides on masterKeyIps; trustProxy says whom to believe
            server_header=False,
            http=_protocol(),
            ws="websockets-sansio",
            ws_ping_interval=_PING_S,
            ws_ping_timeout=_PING_S,
            ws_max_size=_FRAME_BYTES,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=_SHUTDOWN_S,
        )
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listening.getsockname()[1]}"
        _Server(config, lambda: ready(address)).run(sockets=[listening])


def _protocol() -> type[asyncio.Protocol] | Literal["auto"]:
    """Ours where ``httptools`` is there, else what uvicorn has."""
    try:
        from parsekit.server.wire import HttpProtocol
    except ModuleNotFoundError:
        return "auto"
    return HttpProtocol


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        raise EngineError(
            f"{host}:{port}: cannot be listened on ({error}). Fix: choose another host or port"
        ) from error
