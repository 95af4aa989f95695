"""Awaited live queries: events with ``async for``, observed lists and totals likewise.

The thread that commits a change rings a bell on the event loop; what there is to take is then taken in a thread of the
engine, where includes are read and hooks run. A subscription begins when it is entered or first iterated.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, Self, TypeVar, final

from parsekit.aio.running import Running
from parsekit.errors import EngineError

if TYPE_CHECKING:
    from parsekit.livequery.diffs import ListDiff
    from parsekit.livequery.events import Event
    from parsekit.livequery.explain import Arrival
    from parsekit.livequery.observed import GroupTotal, ObservedGroups, ObservedList
    from parsekit.livequery.subscription import Subscription
    from parsekit.object import PFObject
    from parsekit.query.builder import PFQuery

__all__ = ["AsyncObserved", "AsyncSubscription", "LiveVerbs"]


class _Followable(Protocol):
    @property
    def is_closed(self) -> bool: ...

    def on_ready(self, tell: Callable[[], object]) -> None: ...

    def next(self, timeout: float | None = None) -> Any: ...

    def close(self) -> None: ...


T = TypeVar("T", bound=_Followable)
S = TypeVar("S")
_MOST_AT_ONCE: Final = 64


class _Followed(Generic[T]):
    """What both have in common: beginning, waiting for the bell, closing. ``T`` is what is followed."""

    def __init__(self, running: Running, begin: Callable[[], T]) -> None:
        self._running = running
        self._begin = begin
        self._bell = asyncio.Event()
        self._followed: T | None = None

    @property
    def followed(self) -> T:
        """The synchronous subscription or observed result underneath. Raises ``EngineError`` before it has begun."""
        if self._followed is None:
            raise EngineError(
                "aio: the subscription has not begun; enter it with `async with`, or iterate it"
            )
        return self._followed

    async def _start(self) -> T:
        if self._followed is None:
            self._followed = await self._running.run(self._begin)
            loop = asyncio.get_running_loop()
            self._followed.on_ready(lambda: _ring(loop, self._bell))
        return self._followed

    async def _wait(self, timeout: float | None) -> None:
        """Wait for the bell for ``timeout`` seconds; one that rings from here on is for the next wait."""
        if timeout is None:
            await self._bell.wait()
            return
        try:
            async with asyncio.timeout(timeout):
                await self._bell.wait()
        except TimeoutError:
            return

    async def close(self) -> None:
        """Stop following."""
        if self._followed is not None:
            await self._running.run(self._followed.close)

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _ring(loop: asyncio.AbstractEventLoop, bell: asyncio.Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(bell.set)


@final
class AsyncSubscription(_Followed["Subscription[Any]"]):
    """A live query of an asynchronous engine: ``async for event in engine.subscribe(query)``.

    Use it with ``async with`` to have it begin at a known moment and end for certain.
    """

    def __init__(self, running: Running, begin: Callable[[], Subscription[Any]]) -> None:
        super().__init__(running, begin)
        self._taken: deque[Event | BaseException] = deque()

    async def next(self, timeout: float | None = None) -> Event | None:
        """The next event; ``None`` when none came within ``timeout`` seconds, or the subscription is closed.

        Raises:
            SubscriptionLagged: the queue was full; after the events that were queued.
        """
        subscription = await self._start()
        while not self._taken:
            self._bell.clear()
            self._taken.extend(await self._running.run(lambda: _take(subscription)))
            if self._taken:
                break
            if subscription.is_closed or timeout == 0:
                return None
            await self._wait(timeout)
            timeout = None if timeout is None else 0
        item = self._taken.popleft()
        if isinstance(item, BaseException):
            raise item
        return item

    async def __aiter__(self) -> AsyncIterator[Event]:
        while (event := await self.next()) is not None:
            yield event

    async def explain(self, obj: PFObject) -> Arrival:
        """Why events of ``obj`` do not arrive here, or that they do."""
        return await self._running.run(lambda: self.followed.explain(obj))


def _take(subscription: Subscription[Any]) -> list[Event | BaseException]:
    """What is queued, in order; an error stands where it was raised."""
    taken: list[Event | BaseException] = []
    while len(taken) < _MOST_AT_ONCE:
        try:
            event = subscription.next(0)
        except Exception as error:  # noqa: BLE001 - a hook's, or the end; raised where its event would have been
            taken.append(error)
            continue
        if event is None:
            break
        taken.append(event)
    return taken


@final
class AsyncObserved(_Followed[T], Generic[T, S]):
    """An observed list or totals of an asynchronous engine; ``async for step in engine.observe(query)``.

    ``followed`` is the synchronous one underneath: its ``objects`` or ``groups`` are the state that was taken last.
    """

    async def next(self, timeout: float | None = None) -> S | None:
        """Wait for a change and take it; ``None`` after ``timeout`` seconds without one, or when closed."""
        observed = await self._start()
        while True:
            self._bell.clear()
            step: S | None = await self._running.run(lambda: observed.next(0))
            if step is not None or observed.is_closed or timeout == 0:
                return step
            await self._wait(timeout)
            timeout = None if timeout is None else 0

    async def __aiter__(self) -> AsyncIterator[S]:
        while (step := await self.next()) is not None:
            yield step


class LiveVerbs(Running):
    """Live queries. Each verb refuses as the method of ``PFQuery`` of the same name, once it begins."""

    def subscribe(
        self,
        query: PFQuery[Any],
        *,
        watch: Sequence[str] = (),
        resume_from: int | None = None,
        capacity: int = 1_000,
    ) -> AsyncSubscription:
        """Follow the objects that match, under the principal of the task that begins it."""
        asked = query.copy()
        return AsyncSubscription(
            self, lambda: asked.subscribe(watch=watch, resume_from=resume_from, capacity=capacity)
        )

    def observe(self, query: PFQuery[Any]) -> AsyncObserved[ObservedList[Any], ListDiff]:
        """The ordered, limited result, kept current, with the smallest difference for each step of changes."""
        return AsyncObserved(self, query.copy().observe)

    def observe_aggregate(
        self, query: PFQuery[Any], *, group_by: str, sum_of: str | None = None
    ) -> AsyncObserved[ObservedGroups, dict[Any, GroupTotal]]:
        """How many objects match per value of a key, and a sum over them, kept current."""
        asked = query.copy()
        return AsyncObserved(self, lambda: asked.observe_aggregate(group_by=group_by, sum_of=sum_of))
