"""Threads that do what the event loop must not wait for, handed over as cheaply as possible.

A request in the engine costs some hundred microseconds, so the way into a thread and back counts. What is done
meanwhile is collected and brought back to the loop with one wake-up, however much it is; ``concurrent.futures`` takes
locks and wakes the loop for each.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeAlias, TypeVar, final

__all__ = ["Workers"]

T = TypeVar("T")
A = TypeVar("A")
_Job: TypeAlias = "tuple[Callable[[Any], Any], Any, asyncio.Future[Any] | None] | None"
_STOP: Final = None


@final
class _Worker:
    """A thread that has nothing to do, or what it shall do next."""

    __slots__ = ("called", "job")

    def __init__(self) -> None:
        self.job: _Job = _STOP
        self.called = threading.Lock()
        """Held while the thread has nothing to do; it waits for it."""
        self.called.acquire()


@final
class Workers:
    """A fixed number of threads, started with the first job.

    The thread that has been idle for the shortest time is called first: its database connection, and what it touches of
    the processor's caches, are still warm.
    """

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._lock = threading.Lock()
        self._jobs: deque[_Job] = deque()
        self._idle: list[_Worker] = []
        self._threads: list[threading.Thread] = []
        self._done: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._told = False
        self._closed = False

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
        with self._lock:
            if self._closed:
                raise RuntimeError("the workers have ended")
            if not self._threads:
                self._start()
            self._hand_over(job)

    def _hand_over(self, job: _Job) -> None:
        """Give a job to an idle thread, or keep it for the first that is. Under the lock."""
        if self._idle:
            worker = self._idle.pop()
            worker.job = job
            worker.called.release()
        else:
            self._jobs.append(job)

    def _start(self) -> None:
        for number in range(self._count):
            thread = threading.Thread(target=self._run, name=f"{self._name}-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _next(self, worker: _Worker) -> _Job:
        """The next job of a thread, as soon as there is one."""
        with self._lock:
            if self._jobs:
                return self._jobs.popleft()
            self._idle.append(worker)
        worker.called.acquire()
        job, worker.job = worker.job, _STOP
        return job

    def _run(self) -> None:
        worker, done = _Worker(), self._done
        while (job := self._next(worker)) is not _STOP:
            work, argument, future = job
            try:
                result, error = work(argument), None
            except BaseException as raised:  # noqa: BLE001 - whoever waits for it is told, whatever it is
                result, error = None, raised
            if future is None:
                continue
            done.append((future, result, error))
            if not self._told:
                self._told = True
                with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits
                    future.get_loop().call_soon_threadsafe(self._bring_back)
            del job, work, argument, future, result, error

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
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for _ in self._threads:
                self._hand_over(_STOP)
        for thread in self._threads:
            thread.join()
