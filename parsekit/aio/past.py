"""``AsyncPastView``: the database as of a position of the journal, awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from parsekit.aio.running import Running
    from parsekit.engine.past import PastView
    from parsekit.query.builder import PFQuery

__all__ = ["AsyncPastView"]


@final
class AsyncPastView:
    """What ``engine.as_of`` gives; each verb answers and raises as that of ``PastView``."""

    def __init__(self, running: Running, view: PastView) -> None:
        self._running = running
        self._view = view

    async def find(self, query: PFQuery[Any]) -> list[Any]:
        """The objects that matched then."""
        asked = query.copy()
        return await self._running.run(lambda: self._view.find(asked))

    async def get(self, class_name: str, object_id: str) -> Any:
        """One object as it was. ``ObjectNotFoundError`` (101) when there was none to be seen."""
        return await self._running.run(lambda: self._view.get(class_name, object_id))

    async def count(self, query: PFQuery[Any]) -> int:
        """How many objects matched then."""
        asked = query.copy()
        return await self._running.run(lambda: self._view.count(asked))
