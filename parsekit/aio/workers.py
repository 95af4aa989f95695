"""The threads that an asynchronous engine runs calls in, and how a cancelled call is ended.

The picture: reads run in a small pool; whatever writes runs in one thread, so that tasks wait for their turn on the
event loop and not in threads. A call takes the context of its task along (``contextvars``). When the task is
cancelled, SQLite is told to interrupt the statement that the call is running, again and again until the call has
ended; a transaction that was interrupted is rolled back by the engine as after any other error. The task goes on only
then, so nothing of a cancelled call is still under way.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context
from typing import Any, Final, TypeVar, final

__all__ = ["Interrupt", "Workers"]

T = TypeVar("T")
Interrupt = Callable[[], None]
"""Ends the statement that one thread is running. Called from another."""

_PAUSE_S: Final = 0.005
"""How long a call that is to end is left alone between two interrupts."""


@final
class _Call:
    """One call in its thread, which can be interrupted while it runs and not afterwards."""

    def __init__(
        self, context: Context, action: Callable[[], Any], interrupts: Callable[[], Interrupt]
    ) -> None:
        self._context = context
        self._action = action
        self._interrupts = interrupts
        self._lock = threading.Lock()
        self._interrupt: Interrupt | None = None

    def __call__(self) -> Any:
        self._interrupt = self._interrupts()
        try:
            return self._context.run(self._action)
        finally:
            with self._lock:  # the thread's next statement is somebody else's
                self._interrupt = None

    def interrupt(self) -> None:
        """End what runs now; nothing when the call has not begun or has ended."""
        with self._lock:
            if self._interrupt is not None:
                self._interrupt()


@final
class Workers:
    """The threads of one engine."""

    def __init__(self, readers: int) -> None:
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="parsekit-reader")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="parsekit-writer")

    async def run(
        self,
        action: Callable[[], T],
        context: Context,
        interrupts: Callable[[], Interrupt],
        *,
        on_writer: bool,
    ) -> T:
        """What ``action`` gives or raises, in another thread and in ``context``.

        ``interrupts``, called in that thread, gives what interrupts it. Raises ``CancelledError`` when the task is
        cancelled, once the action has ended.
        """
        call = _Call(context, action, interrupts)
        future: Future[T] = (self._writer if on_writer else self._readers).submit(call)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            while not future.done():
                call.interrupt()
                with contextlib.suppress(asyncio.CancelledError):  # it is being cancelled already
                    await asyncio.sleep(_PAUSE_S)
            raise

    async def finish(self, action: Callable[[], T], context: Context) -> T:
        """What ``action`` gives or raises, in the writer thread, to its end even if the task is cancelled meanwhile."""
        future: Future[T] = self._writer.submit(context.run, action)
        cancelled: asyncio.CancelledError | None = None
        waiting = asyncio.wrap_future(future)
        while not waiting.done():
            try:
                await asyncio.shield(waiting)
            except asyncio.CancelledError as error:
                cancelled = error
            except Exception:  # noqa: BLE001 - it is the future's, and raised below
                break
        result = future.result()
        if cancelled is not None:
            raise cancelled
        return result

    def close(self) -> None:
        """End the threads; calls under way end first."""
        self._readers.shutdown()
        self._writer.shutdown()
