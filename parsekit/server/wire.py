"""How requests come off a socket and answers go onto it, under uvicorn and ``httptools``.

``HttpProtocol`` is uvicorn's protocol, but for two things. uvicorn writes the head of an answer and its body one after
the other, and uvloop hands each to the kernel at once: two packets, and a client that is woken twice; here they are
one. And the head of a request is bounded, in size and in time, because a connection holds it until it is complete.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Final, cast, final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

__all__ = ["HttpProtocol"]


@final
class _Whole:
    """The transport of one answer: keeps its head back until its body comes, which the application sends at once."""

    __slots__ = ("_cycle", "_head", "_transport", "_was_begun")

    def __init__(self, transport: asyncio.Transport, cycle: RequestResponseCycle) -> None:
        self._transport = transport
        self._cycle = cycle
        self._head: bytes | None = None
        self._was_begun = False

    def write(self, data: bytes) -> None:
        """Send ``data``; the head of the answer with what is sent next."""
        if self._head is not None:
            head, self._head = self._head, None
            self._transport.writelines((head, data) if data else (head,))
        elif self._is_head_next():
            self._was_begun, self._head = True, data
        else:
            self._transport.write(data)

    def _is_head_next(self) -> bool:
        """Whether the head of an answer is written now, and a body after it. Before it comes "100 Continue"."""
        cycle = self._cycle
        return not self._was_begun and cycle.response_started and cycle.scope["method"] != "HEAD"

    def close(self) -> None:
        """Close the connection, once what was written is sent."""
        if self._head is not None:
            self.write(b"")
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
)


@final
class HttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 on one connection."""

    head_bytes: ClassVar[int] = 65_536
    """How large the head of a request may be."""

    head_timeout_s: ClassVar[float] = 30.0
    """How long the head of a request may take to come."""

    _is_in_head = False
    _began = (
        False  # whether the head began with what was read last, which may hold the end of a body before it
    )
    _bytes = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        super().connection_lost(exc)
        self._end_wait()

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self._began = False
        super().data_received(data)
        if not self._is_in_head:
            return
        if self._timer is None:
            self._wait()
        if not self._began:
            self._bytes += len(data)
            if self._bytes > self.head_bytes and not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._is_in_head = self._began = True
        self._bytes = 0

    def on_headers_complete(self) -> None:
        """The head of a request is complete."""
        super().on_headers_complete()
        self._is_in_head = False
        if self._timer is not None:
            self._end_wait()

    def _wait(self) -> None:
        self._timer = self.loop.call_later(self.head_timeout_s, self._give_up)

    def _end_wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.transport = cast(asyncio.Transport, _Whole(cycle.transport, cycle))
        super()._start_asgi_task(cycle, app)
