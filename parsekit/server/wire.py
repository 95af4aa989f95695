"""How answers go onto a socket, under uvicorn and ``httptools``.

uvicorn writes the head of an answer and its body one after the other, and uvloop hands each to the kernel at once: two
packets, and a client that is woken twice. ``HttpProtocol`` is uvicorn's protocol that sends them as one.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast, final

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
        elif self._was_begun or not self._cycle.response_started:  # more of the body, or "100 Continue"
            self._transport.write(data)
        else:
            self._was_begun, self._head = True, data

    def close(self) -> None:
        """Close the connection, once what was written is sent."""
        if self._head is not None:
            self.write(b"")
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


@final
class HttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 on one connection."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.transport = cast(asyncio.Transport, _Whole(cycle.transport, cycle))
        super()._start_asgi_task(cycle, app)
