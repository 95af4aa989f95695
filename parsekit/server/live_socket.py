"""The WebSocket of a LiveQuery client: frames in, frames out. Needs the extra ``server``.

The picture: two tasks per connection. The *reader* takes one frame after another and has it carried out in the pool;
the *writer* is the only one who sends. A committing thread wakes the writer of each subscription that it concerns,
which then takes a bounded number of events, subscription by subscription, and waits until they are sent: a client that
does not read fills its own queues and nobody else's, and is told so when they overflow.

What the messages mean is ``live``'s affair.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

from starlette.websockets import WebSocket, WebSocketDisconnect

from parsekit.errors import EngineClosedError, ParseError
from parsekit.livequery.protocol import (
    Answer,
    Connect,
    ProtocolProblem,
    Subscribe,
    Unsubscribe,
    Unsubscribed,
    parse_request,
    to_text,
)
from parsekit.server.live import Followed, LiveClient, problem, unknown_client, unknown_subscription

if TYPE_CHECKING:
    from parsekit.server.app import App
    from parsekit.server.service import Service

__all__ = ["LiveSocket"]

_LOG: Final = logging.getLogger("parsekit.server")
_MOST_SUBSCRIPTIONS: Final = 1_000
_MOST_ANSWERS: Final = 1_000
_TOO_MANY: Final = f"a connection may have {_MOST_SUBSCRIPTIONS} subscriptions"
_FAULTS: Final = "Internal server error."
T = TypeVar("T")


@final
class LiveSocket:
    """One connection."""

    def __init__(self, app: App, socket: WebSocket) -> None:
        self._app = app
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self._client: LiveClient | None = None
        self._followed: dict[int, Followed] = {}
        self._answers: deque[str] = deque()
        self._ready: deque[Followed] = deque()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def is_connected(self) -> bool:
        """Whether the client has sent ``connect``, and is there."""
        return self._client is not None

    @property
    def subscriptions(self) -> int:
        """How many queries the client follows."""
        return len(self._followed)

    async def serve(self) -> None:
        """Speak with the client until it is gone."""
        await self._socket.accept()
        await self._app.report("ws_connect", None)
        writer = asyncio.create_task(self._write())
        try:
            await self._read()
        except WebSocketDisconnect:
            pass
        finally:
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await writer
            followed, self._followed = list(self._followed.values()), {}
            if followed:
                self._app.aside(_closing(followed))
            client, self._client = self._client, None
            await self._app.report("ws_disconnect", client)

    # -- in ------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        while True:
            await self._room.wait()
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            frame = message.get("text")
            if frame is None:
                frame = message.get("bytes") or b""
            try:
                await self._carry_out(frame)
            except ParseError as error:
                self._say(problem(error))
            except EngineClosedError:
                return
            except Exception:  # noqa: BLE001 - a fault of parsekit's own: the log has it, the client learns nothing
                _LOG.exception("live query: unexpected error")
                self._say(problem(RuntimeError(_FAULTS)))

    async def _carry_out(self, frame: str | bytes) -> None:
        message = parse_request(frame)
        if isinstance(message, Connect):
            await self._connect(message)
        elif self._client is None:
            self._say(unknown_client(message.request_id))
        elif isinstance(message, Subscribe):
            await self._subscribe(message, self._client)
        else:
            await self._unsubscribe(message, self._client)

    async def _connect(self, message: Connect) -> None:
        address = self._socket.client
        host = "" if address is None else address.host
        client = await self._in_thread(lambda service: LiveClient(message, service, host))
        gone, self._followed = list(self._followed.values()), {}
        if gone:
            self._app.aside(_closing(gone))
        self._client = client
        self._say(client.connected)
        await self._app.report("connect", client)

    async def _subscribe(self, message: Subscribe, client: LiveClient) -> None:
        number = message.request_id
        before = self._followed.pop(number, None)
        if before is not None:
            self._app.aside(_closing([before]))
        if len(self._followed) >= _MOST_SUBSCRIPTIONS:
            raise ProtocolProblem(_TOO_MANY, code=140, request_id=number)
        try:
            followed = await self._in_thread(lambda service: client.follow(message, service))
            answer = await self._in_thread(lambda _: client.subscribed(followed))
        except EngineClosedError:
            raise
        except ParseError as error:
            self._say(problem(error, number))
            return
        except Exception:  # noqa: BLE001 - as in _read, with the number of what failed
            _LOG.exception("live query: unexpected error")
            self._say(problem(RuntimeError(_FAULTS), number))
            return
        self._followed[number] = followed
        self._say(answer)
        self._listen(followed)
        await self._app.report("subscribe", client)

    async def _unsubscribe(self, message: Unsubscribe, client: LiveClient) -> None:
        followed = self._followed.pop(message.request_id, None)
        if followed is None:
            self._say(unknown_subscription(client.client_id, message.request_id))
            return
        await self._in_thread(lambda _: followed.subscription.close())
        self._say(
            Unsubscribed(
                client_id=client.client_id,
                request_id=message.request_id,
                installation_id=client.installation_id,
            )
        )
        await self._app.report("unsubscribe", client)

    async def _in_thread(self, do: Callable[[Service], T]) -> T:
        return await self._app.in_thread(do)

    # -- out -----------------------------------------------------------------------------------------

    def _say(self, answer: Answer) -> None:
        self._answers.append(to_text(answer))
        if len(self._answers) >= _MOST_ANSWERS:
            self._room.clear()  # whoever asks without reading the answers is not read any more
        self._wake.set()

    def _listen(self, followed: Followed) -> None:
        """Have the writer woken by what the subscription will have to tell."""
        loop = self._loop

        def tell() -> None:
            if not followed.is_ready:
                followed.is_ready = True
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(self._mark, followed)

        followed.subscription.on_ready(tell)

    def _mark(self, followed: Followed) -> None:
        self._ready.append(followed)
        self._wake.set()

    async def _write(self) -> None:
        try:
            await self._send_for_ever()
        finally:
            self._room.set()  # nobody is left who would make room: let the reader find that the socket is closed

    async def _send_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._answers or self._ready:
                while self._answers:
                    await self._socket.send_text(self._answers.popleft())
                self._room.set()
                if self._ready:
                    await self._tell(self._ready.popleft())

    async def _tell(self, followed: Followed) -> None:
        """Send the next events of a subscription; it takes its turn again when there are more."""
        client, number = self._client, followed.message.request_id
        if client is None or self._followed.get(number) is not followed:
            return
        followed.is_ready = False  # before it is asked, so that nothing that comes meanwhile is overlooked
        try:
            frames, outlook = await self._app.in_thread(lambda _: client.take(followed))
        except EngineClosedError:
            return
        except Exception:  # noqa: BLE001 - as in _read
            _LOG.exception("live query: unexpected error")
            frames, outlook = [to_text(problem(RuntimeError(_FAULTS), number))], "more"
        for frame in frames:
            if self._followed.get(number) is not followed:
                return  # it was unsubscribed from or replaced meanwhile
            await self._socket.send_text(frame)
        if outlook == "over" and self._followed.get(number) is followed:
            del self._followed[number]
        elif outlook == "more" and not followed.is_ready:
            followed.is_ready = True
            self._ready.append(followed)

    # -- another engine ------------------------------------------------------------------------------

    def renew(self) -> None:
        """Follow the same queries on the engine that is in the place of the former one. Called in any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._renew)

    def _renew(self) -> None:
        client = self._client
        if client is None:
            return
        for number, old in list(self._followed.items()):
            task = self._loop.create_task(self._follow_again(number, old, client))
            self._app.keep(task)

    async def _follow_again(self, number: int, old: Followed, client: LiveClient) -> None:
        try:
            followed = await self._in_thread(lambda service: client.follow(old.message, service))
        except ParseError as error:
            if self._followed.get(number) is old:
                del self._followed[number]
                self._say(problem(error, number))
            return
        if self._followed.get(number) is not old:
            self._app.aside(_closing([followed]))
            return
        self._followed[number] = followed
        self._listen(followed)


def _closing(followed: list[Followed]) -> Callable[[], Any]:
    def close() -> None:
        for item in followed:
            item.subscription.close()

    return close
