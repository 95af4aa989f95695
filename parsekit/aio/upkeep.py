"""Awaited verbs of history, upkeep, import and export."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parsekit.aio.past import AsyncPastView
from parsekit.aio.running import Running

if TYPE_CHECKING:
    from parsekit.acl.clp import Operation
    from parsekit.acl.explain import AccessExplanation
    from parsekit.acl.principal import Principal
    from parsekit.engine.history import HistoryEntry
    from parsekit.engine.security import Finding as SecurityFinding
    from parsekit.engine.upkeep import Compaction, Copy, Finding
    from parsekit.interchange import Form, ImportReport, Record, Unreadable
    from parsekit.object import PFObject
    from parsekit.query.builder import PFQuery

__all__ = ["UpkeepVerbs"]


class UpkeepVerbs(Running):
    """Each verb answers and raises as the method of ``ParseEngine`` or function of ``interchange`` of the same name."""

    async def history(self, obj: PFObject | str, object_id: str | None = None) -> list[HistoryEntry]:
        """The changes of an object that the journal keeps, the oldest first."""
        engine = self.sync
        return await self.run(lambda: engine.history(obj, object_id))

    async def as_of(self, sequence: int) -> AsyncPastView:
        """The database as of a position of the journal, for the principal of this task."""
        engine = self.sync
        return AsyncPastView(self, await self.run(lambda: engine.as_of(sequence)))

    async def last_sequence(self) -> int:
        """The newest position of the journal, 0 before the first change."""
        engine = self.sync
        return await self.run(lambda: engine.last_sequence)

    async def check(self) -> list[Finding]:
        """Everything that is wrong with the database."""
        return await self.run(self.sync.check)

    async def check_security(self) -> tuple[SecurityFinding, ...]:
        """What a careful person would want to know of who may do what here."""
        return await self.run(self.sync.check_security)

    async def backup(self, target: str | Path, *, overwrite: bool = False) -> Copy:
        """Copy the database to a file while it is in use."""
        engine = self.sync
        return await self.run(lambda: engine.backup(target, overwrite=overwrite))

    async def compact(self) -> Compaction:
        """Prune the journal and write the file anew."""
        return await self.run(self.sync.compact, write=True)

    async def explain_access(
        self, obj: PFObject, principal: PFObject | Principal, operation: Operation
    ) -> AccessExplanation:
        """Whether and why ``principal`` may do ``operation`` with ``obj``."""
        engine = self.sync
        return await self.run(lambda: engine.explain_access(obj, principal, operation))

    async def import_file(self, path: str | Path, **options: Any) -> ImportReport:
        """Import a file; options as of ``interchange.import_file``."""
        from parsekit.interchange import import_file

        engine = self.sync
        return await self.run(lambda: import_file(engine, path, **options), write=True)

    async def import_objects(self, records: Iterable[Record | Unreadable], **options: Any) -> ImportReport:
        """Import objects in REST form; options as of ``interchange.import_objects``."""
        from parsekit.interchange import import_objects

        engine = self.sync
        return await self.run(lambda: import_objects(engine, records, **options), write=True)

    async def export_file(
        self,
        path: str | Path | None,
        queries: Sequence[PFQuery[Any]],
        *,
        form: Form | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> dict[str, int]:
        """Write the objects of queries to a file; how many of each class."""
        from parsekit.interchange import export_file

        engine, asked = self.sync, [query.copy() for query in queries]
        return await self.run(lambda: export_file(engine, path, asked, form=form, progress=progress))
