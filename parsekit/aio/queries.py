"""Awaited verbs of queries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from parsekit.aio.running import Running
from parsekit.query.builder import PFQuery

if TYPE_CHECKING:
    from parsekit.query.compare import DialectComparison
    from parsekit.values import Value

__all__ = ["QueryVerbs"]

T = TypeVar("T")


class QueryVerbs(Running):
    """What can be asked. Each verb answers and raises as the method of ``PFQuery`` of the same name."""

    async def find(self, query: PFQuery[T]) -> list[T]:
        """The objects that match, in order."""
        asked = query.copy()
        return await self.run(asked.find)

    async def first(self, query: PFQuery[T]) -> T:
        """The first object. ``ObjectNotFoundError`` (101) when there is none."""
        asked = query.copy()
        return await self.run(asked.first)

    async def get(self, query: PFQuery[T], object_id: str) -> T:
        """The object with this id. ``ObjectNotFoundError`` (101) when there is none to be seen."""
        asked = query.copy()
        return await self.run(lambda: asked.get(object_id))

    async def count(self, query: PFQuery[Any]) -> int:
        """How many objects match, whatever limit and skip."""
        asked = query.copy()
        return await self.run(asked.count)

    async def each(self, query: PFQuery[T], *, batch_size: int = 500) -> AsyncIterator[T]:
        """The objects one by one in constant memory, in one state of the database.

        Leaving the loop early ends the query with the generator (``aclosing``).
        """
        asked = query.copy()
        objects: Iterator[T] = await self.run(lambda: asked.each(batch_size=batch_size))
        try:
            while batch := await self.run(lambda: list(islice(objects, batch_size))):
                for obj in batch:
                    yield obj
        finally:
            close = getattr(objects, "close", None)
            if close is not None:
                close()

    async def distinct(self, query: PFQuery[Any], key: str) -> list[Value]:
        """The distinct values of a key."""
        asked = query.copy()
        return await self.run(lambda: asked.distinct(key))

    async def aggregate(
        self, query: PFQuery[Any], pipeline: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Value]]:
        """The rows of an aggregation pipeline."""
        asked = query.copy()
        return await self.run(lambda: asked.aggregate(pipeline))

    async def explain(self, query: PFQuery[Any]) -> Any:
        """How the query would run, stage by stage."""
        asked = query.copy()
        return await self.run(asked.explain)

    async def compare_dialects(self, query: PFQuery[Any]) -> DialectComparison:
        """On which objects Parse Server and the iOS local datastore disagree."""
        asked = query.copy()
        return await self.run(asked.compare_dialects)
