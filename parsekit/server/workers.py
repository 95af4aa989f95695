"""Threads that do what the event loop must not wait for, handed over as cheaply as possible.

A request in the engine costs some hundred microseconds, so the way into a thread and back counts. What is done
meanwhile is collected and brought back to the loop with one wake-up, however much it is; ``concurrent.futures`` takes
locks and wakes the loop for each.

A thread that waits for another machine (``cloud.webhooks.OUTSIDE``) does not count: another one takes its place
meanwhile. Else as many webhooks as there are threads could wait for each other, each for the answer to what it asks of
this server.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any, Final, TypeAlias, TypeVar, final

from parsekit.cloud.webhooks import OUTSIDE

__all__ = ["Workers"]

T = TypeVar("T")
A = TypeVar("A")
_Job: TypeAlias = "tuple[Callable[[Any], Any], Any, asyncio.Future[Any] | None] | None"
_STOP: Final = None
_MOST: Final = 512
"""The most threads, those that wait outside among them."""


@final
class Workers:
    """``count`` threads that work, started with the first job, and those that wait for other machines."""

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._done: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._told = False
        self._closed = False
        self._counting = threading.Lock()
        self._outside = 0

    def do(self, work: Callable[[A], T], argument: A) -> asyncio.Future[T]:
        """Have ``work(argument)`` done; what comes of it arrives in the running loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._put((work, argument, future))
        return future

    def aside(self, work: Callable[[A], object], argument: A) -> None:
        """Have ``work(argument)`` done, which nobody waits for."""
        self._put((work, argument, None))

    def _put(self, job: _Job) -> None:
        if self._closed:
            raise RuntimeError("the workers have ended")
        if not self._threads:
            self._start()
        self._jobs.put(job)

    def _start(self) -> None:
        with self._counting:
            while len(self._threads) < self._count:
                self._start_one()

    def _start_one(self) -> None:
        number = len(self._threads)
        thread = threading.Thread(target=self._run, name=f"{self._name}-{number}", daemon=True)
        self._threads.append(thread)
        thread.start()

    @contextlib.contextmanager
    def _stepping_outside(self) -> Iterator[None]:
        """What a thread of the pool does while it waits for another machine; another thread works meanwhile."""
        with self._counting:
            self._outside += 1
            if (
                not self._closed
                and len(self._threads) - self._outside < self._count
                and len(self._threads) < _MOST
            ):
                self._start_one()
        try:
            yield
        finally:
            with self._counting:
                self._outside -= 1

    def _leaves(self) -> bool:
        """Whether this thread took the place of one that has come back since, and ends."""
        if len(self._threads) <= self._count:
            return False
        with self._counting:
            if self._closed or len(self._threads) - self._outside <= self._count:
                return False
            self._threads.remove(threading.current_thread())
            return True

    def _run(self) -> None:
        OUTSIDE.set(self._stepping_outside)
        jobs, done = self._jobs, self._done
        while (job := jobs.get()) is not _STOP:
            work, argument, future = job
            try:
                result, error = work(argument), None
            except BaseException as raised:  # noqa: BLE001 - whoever waits for it is told, whatever it is
                result, error = None, raised
            if future is not None:
                done.append((future, result, error))
                if not self._told:
                    self._told = True
                    with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits
                        future.get_loop().call_soon_threadsafe(self._bring_back)
            del job, work, argument, future, result, error
            if self._leaves():
                return

    def _bring_back(self) -> None:
        self._told = False  # before the queue is looked at, so that nothing that comes meanwhile stays there
        done = self._done
        while done:
            future, result, error = done.popleft()
            if future.cancelled():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

    def close(self) -> None:
        """End the threads, once all that was handed over is done."""
        with self._counting:
            if self._closed:
                return
            self._closed = True
            threads = list(self._threads)
        for _ in threads:
            self._jobs.put(_STOP)
        for thread in threads:
            thread.join()
