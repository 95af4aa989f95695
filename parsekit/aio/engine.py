"""``AsyncParseEngine``: opening, entering and closing; the verbs are in modules of their own."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Iterator
from contextvars import copy_context
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, final

from parsekit._context import CURRENT, Binding
from parsekit.acl.principal import Principal
from parsekit.aio.accounts import AccountVerbs
from parsekit.aio.live import LiveVerbs
from parsekit.aio.objects import ObjectVerbs
from parsekit.aio.queries import QueryVerbs
from parsekit.aio.refusing import RefusingEngine
from parsekit.aio.schema import SchemaVerbs
from parsekit.aio.upkeep import UpkeepVerbs
from parsekit.aio.workers import Workers
from parsekit.engine.core import open_engine as open_sync
from parsekit.engine.core import principal_of

if TYPE_CHECKING:
    from contextvars import Token

    from parsekit.cloud import CloudCode
    from parsekit.object import PFObject
    from parsekit.schema import Schema

__all__ = ["AsyncParseEngine", "open_engine"]


def open_engine(
    path: str | Path = ":memory:",
    *,
    schema: Schema | None = None,
    classes: Iterable[type[PFObject]] = (),
    readers: int = 4,
    **options: Any,
) -> AsyncParseEngine:
    """An engine for ``async with``, which opens the file; arguments as of ``parsekit.open``.

    Args:
        path: the file, ``":memory:"`` for one that lives as long as the engine.
        schema: classes that the database shall have.
        classes: typed classes to hydrate to.
        readers: how many threads read.
        options: the fields of ``EngineOptions``.

    Raises (on entering): as ``parsekit.open``.
    """
    opening = functools.partial(open_sync, path, schema=schema, classes=tuple(classes), **options)
    return AsyncParseEngine(opening, readers)


@final
class AsyncParseEngine(QueryVerbs, ObjectVerbs, AccountVerbs, SchemaVerbs, UpkeepVerbs, LiveVerbs):
    """An engine whose verbs are awaited. Made by ``parsekit.aio.open``; it belongs to one event loop.

    Entering it binds the task to it as the anonymous principal; ``acting_as`` and ``acting_as_master`` bind a block of
    any task to it, ``log_in`` and kin make their user the principal of the task. A task that is started inherits the
    principal of the one that starts it.
    """

    _token: Token[Binding | None] | None = None

    async def open(self) -> Self:
        """Open the file without binding this task; ``close`` ends what this begins. ``async with`` does both."""
        workers = Workers(self._readers)
        try:
            self._engine = await workers.finish(self._open_engine, copy_context())
        except BaseException:
            workers.close()
            raise
        self._workers, self._refusing = workers, RefusingEngine(self._engine)
        return self

    async def close(self) -> None:
        """Close the database: subscriptions end, calls under way end first."""
        engine, workers = self._engine, self._workers
        if engine is None or workers is None:
            return
        try:
            await workers.finish(engine.close, copy_context())
        finally:
            workers.close()
            self._engine = self._workers = None

    async def __aenter__(self) -> Self:
        await self.open()
        self._token = CURRENT.set(self.binding(Principal.anonymous()))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            CURRENT.reset(self._token)
            self._token = None
        await self.close()

    @contextlib.contextmanager
    def acting_as(self, user: PFObject | Principal) -> Iterator[Self]:
        """Run a block of this task under a user (or any ``Principal``)."""
        principal = principal_of(user)
        token = CURRENT.set(self.binding(principal, None if user is principal else user))
        try:
            yield self
        finally:
            CURRENT.reset(token)

    @contextlib.contextmanager
    def acting_as_master(self) -> Iterator[Self]:
        """Run a block of this task to which no permission applies."""
        # SAFETY: master is opt-in, for one block, and never the default.
        token = CURRENT.set(self.binding(Principal.master()))
        try:
            yield self
        finally:
            CURRENT.reset(token)

    def register(self, kind: type[PFObject]) -> None:
        """Hydrate objects of ``kind``'s class to ``kind`` from now on."""
        self.sync.register(kind)

    @property
    def schema(self) -> Schema:
        """The classes that the database holds now."""
        return self.sync.schema

    @property
    def cloud(self) -> CloudCode:
        """Hooks, functions and jobs; they are ordinary functions and run in the engine's threads."""
        return self.sync.cloud
