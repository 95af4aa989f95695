"""Awaited verbs of the schema and of migrations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from parsekit.aio.running import Running
from parsekit.values import MISSING, Missing

if TYPE_CHECKING:
    from parsekit.codec import JSON
    from parsekit.migrations import AppliedMigration, Migration, MigrationReport
    from parsekit.schema import ClassSchema, Schema

__all__ = ["SchemaVerbs"]


class SchemaVerbs(Running):
    """Classes. Each verb raises as the method of ``ParseEngine`` or ``engine.schema_edits`` that it stands for."""

    async def apply_schema(self, wanted: Schema) -> None:
        """Add the classes, fields and indexes that the database lacks."""
        engine = self.sync
        await self.run(lambda: engine.apply_schema(wanted), write=True)

    async def create_class(
        self, name: str, fields: JSON = None, permissions: JSON = None, indexes: JSON = None
    ) -> ClassSchema:
        """Create a class, described in Parse's schema JSON."""
        edits = self.sync.schema_edits
        return await self.run(lambda: edits.create(name, fields, permissions, indexes), write=True)

    async def alter_class(
        self, name: str, fields: JSON = None, permissions: JSON | Missing = MISSING, indexes: JSON = None
    ) -> ClassSchema:
        """Add and delete fields and indexes, set the permissions."""
        edits = self.sync.schema_edits
        return await self.run(lambda: edits.alter(name, fields, permissions, indexes), write=True)

    async def drop_class(self, name: str) -> None:
        """Drop an empty class."""
        edits = self.sync.schema_edits
        await self.run(lambda: edits.drop(name), write=True)

    async def purge_class(self, name: str) -> None:
        """Delete all objects of a class."""
        edits = self.sync.schema_edits
        await self.run(lambda: edits.purge(name), write=True)

    async def migrate(self, migrations: Sequence[Migration], *, dry_run: bool = False) -> MigrationReport:
        """Run the migrations that this database has not run yet."""
        engine, given = self.sync, list(migrations)
        return await self.run(lambda: engine.migrate(given, dry_run=dry_run), write=True)

    async def migrations(self) -> list[AppliedMigration]:
        """The migrations that this database has run, in order."""
        return await self.run(self.sync.migrations)
