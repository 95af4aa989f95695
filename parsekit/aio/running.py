"""``Running``: how an asynchronous engine carries out a synchronous call, under its task's principal.

Which thread: whatever writes takes its turn on the event loop and runs in the one writer thread; inside
``transaction()`` everything of the task does, so that it sees what it wrote. All else runs in the pool.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable
from contextvars import Context, ContextVar, copy_context
from typing import TYPE_CHECKING, Any, Final, TypeVar

from parsekit import attrs
from parsekit._context import CURRENT, Binding
from parsekit.aio.refusing import RefusingEngine
from parsekit.aio.workers import Workers
from parsekit.errors import EngineError

if TYPE_CHECKING:
    from parsekit.acl.principal import Principal
    from parsekit.engine.core import ParseEngine

__all__ = ["Running"]

T = TypeVar("T")


@attrs.define(slots=True, eq=False)
class _Transaction:
    """A transaction of a task; tasks that it started, and that outlive it, find it closed."""

    engine: Any
    is_open: bool = True


class _Block:
    """A synchronous transaction, entered and left by separate calls."""

    def __init__(self, manager: contextlib.AbstractContextManager[None]) -> None:
        self._manager = manager
        self.is_entered = False

    def enter(self) -> None:
        self._manager.__enter__()
        self.is_entered = True

    def leave(self, error: BaseException | None) -> None:
        """Commit, or roll back because of an error, which the caller raises on."""
        if error is None:
            self._manager.__exit__(None, None, None)
            return
        try:
            self._manager.__exit__(type(error), error, error.__traceback__)
        except BaseException as raised:
            if raised is not error:
                raise


_TRANSACTION: Final[ContextVar[_Transaction | None]] = ContextVar("parsekit_aio_transaction", default=None)


class Running:
    """What the verbs of ``AsyncParseEngine`` share."""

    def __init__(self, open_engine: Callable[[], ParseEngine], readers: int) -> None:
        self._open_engine = open_engine
        self._readers = readers
        self._engine: ParseEngine | None = None
        self._refusing: RefusingEngine | None = None
        self._workers: Workers | None = None
        self._turn = asyncio.Lock()

    @property
    def sync(self) -> ParseEngine:
        """The synchronous engine underneath, for threads of your own; blocking in a task.

        Raises:
            EngineError: it is not open.
        """
        if self._engine is None:
            raise EngineError(
                "aio: the engine is not open; enter it with `async with parsekit.aio.open(path) as engine:`"
            )
        return self._engine

    def binding(self, principal: Principal, user: Any = None) -> Binding:
        """What a task is bound to: its principal, and an engine that refuses to block."""
        return Binding(self._refusing, principal, user)

    async def run(self, action: Callable[[], T], *, write: bool = False) -> T:
        """What synchronous code gives or raises, run in a thread, under this task's principal and context.

        ``write`` puts it into the writer thread and has other writers wait for it. Use the engine's verbs in it as in
        synchronous code: ``await engine.run(lambda: PFQuery("Deal").count())``.

        Raises:
            EngineError: the engine is not open, or this task does not run under it.
            CancelledError: the task was cancelled; what SQLite was doing was interrupted and rolled back.
        """
        if self._inside():
            return await self._carried(action, on_writer=True)
        if not write:
            return await self._carried(action, on_writer=False)
        async with self._turn:
            return await self._carried(action, on_writer=True)

    def _inside(self) -> bool:
        transaction = _TRANSACTION.get()
        return transaction is not None and transaction.is_open and transaction.engine is self

    def _bound(self, context: Context, action: Callable[[], T]) -> Callable[[], T]:
        """The action under the synchronous engine and the principal that ``context`` has."""
        engine = self.sync
        binding = context.get(CURRENT)
        if binding is None or binding.engine is not self._refusing:
            raise EngineError(
                "aio: this task does not run under the engine; enter it with `async with`, or `with "
                "engine.acting_as(user):` in the task"
            )
        bound = attrs.evolve(binding, engine=engine)

        def run() -> T:
            CURRENT.set(bound)
            return action()

        return run

    async def _carried(self, action: Callable[[], T], *, on_writer: bool) -> T:
        context = copy_context()
        run = self._bound(context, action)
        assert self._workers is not None
        try:
            interrupts = self.sync.store.database.interrupts
            return await self._workers.run(run, context, interrupts, on_writer=on_writer)
        finally:
            self._follow(context)

    def _follow(self, context: Context) -> None:
        """Take over who is logged in now."""
        there, here = context.get(CURRENT), CURRENT.get()
        if there is None or here is None or there.engine is not self._engine:
            return
        if there.principal != here.principal or there.user is not here.user:
            CURRENT.set(self.binding(there.principal, there.user))

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """All or nothing: what this task saves and deletes in the block commits together, or none of it does.

        Other tasks' writes wait meanwhile, their reads do not. May be nested. A cancelled block is rolled back.
        """
        async with contextlib.AsyncExitStack() as stack:
            if not self._inside():
                await stack.enter_async_context(self._turn)
                transaction = _Transaction(self)
                token = _TRANSACTION.set(transaction)
                stack.callback(_TRANSACTION.reset, token)
                stack.callback(setattr, transaction, "is_open", False)
            block = _Block(self.sync.transaction())
            try:
                await self._finished(block.enter)  # whoever is cancelled meanwhile has entered all the same
                yield
            except BaseException as error:
                if block.is_entered:
                    await self._finished(functools.partial(block.leave, error))
                raise
            await self._finished(functools.partial(block.leave, None))

    async def _finished(self, action: Callable[[], T]) -> T:
        context = copy_context()
        assert self._workers is not None
        return await self._workers.finish(self._bound(context, action), context)
