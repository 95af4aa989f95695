"""Running migrations: each in a transaction of its own, remembered in it, with everything that its function does.

A dry run does all of it, back-fills included, in one transaction that is rolled back; so what it reports is what would
happen. Objects are saved as any others are, under a master: hooks are called, the journal has an entry each.

What a migration is, and which lists of them are refused, is said in ``parsekit.migrations``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, final

from parsekit.acl.principal import Principal
from parsekit.errors import ParsekitError, SchemaError
from parsekit.migrations import (
    AppliedMigration,
    Migration,
    MigrationError,
    MigrationReport,
    check_numbers,
    check_prefix,
)
from parsekit.object import PFObject
from parsekit.query.ast import Constraint
from parsekit.query.state import QueryState
from parsekit.schema import Schema, default_fields
from parsekit.schema_diff import SchemaChange, apply_changes
from parsekit.storage.migration_log import applied_migrations, record_migration

if TYPE_CHECKING:
    from parsekit.engine.core import ParseEngine
    from parsekit.storage.database import Connection

__all__ = ["applied", "migrate"]


class _RolledBack(Exception):  # noqa: N818 - a signal that ends a dry run, not an error that a caller sees
    pass


def applied(engine: ParseEngine) -> list[AppliedMigration]:
    """The migrations that the database has run."""
    return applied_migrations(engine.store.database.reader())


def migrate(engine: ParseEngine, migrations: Sequence[Migration], *, dry_run: bool) -> MigrationReport:
    """Run those of ``migrations`` that the database has not run yet.

    Raises:
        MigrationError: the list has gaps or is not in order, does not begin with what the database has run, or a
            migration failed; nothing of that one is kept, those before it are.
    """
    check_numbers(migrations)
    before = applied(engine)
    check_prefix(migrations, before)
    ran: list[AppliedMigration] = []
    if dry_run:
        try:
            with engine.store.write() as connection:
                _run_all(engine, connection, migrations, ran)
                raise _RolledBack
        except _RolledBack:
            return MigrationReport(tuple(ran), len(before), dry_run=True)
    for item in migrations[len(before) :]:
        with engine.store.write() as connection:
            _run_all(engine, connection, migrations[: item.number], ran)
        engine.after_commit()
    return MigrationReport(tuple(ran), len(before), dry_run=False)


def _run_all(
    engine: ParseEngine, connection: Connection, migrations: Sequence[Migration], ran: list[AppliedMigration]
) -> None:
    """Run what is missing of a list, as seen under the writer's lock: another process may have been faster."""
    done = applied_migrations(connection)
    check_prefix(migrations, done[: len(migrations)])
    for item in migrations[len(done) :]:
        ran.append(_run(engine, connection, item))


def _run(engine: ParseEngine, connection: Connection, item: Migration) -> AppliedMigration:
    step = _Step(engine, connection)
    try:
        # SAFETY: migrations change classes and all objects of them, which whoever opens the file may do.
        with engine.acting_as_master():
            step.change(*item.changes)
            if item.function is not None:
                item.function(step)
    except MigrationError as error:
        raise MigrationError(f"{item}: {error}") from error
    except SchemaError as error:
        raise MigrationError(f"{item}: {'; '.join(error.problems)}; nothing of it is kept") from error
    except ParsekitError as error:
        raise MigrationError(f"{item}: {error}; nothing of it is kept") from error
    now = engine.options.clock()
    told = AppliedMigration(item.number, item.name, item.fingerprint, now, tuple(step.told), step.objects)
    record_migration(connection, told)
    return told


@final
class _Step:
    """``migrations.Step`` on an engine."""

    def __init__(self, engine: ParseEngine, connection: Connection) -> None:
        self._engine = engine
        self._connection = connection
        self.told: list[str] = []
        self.objects = 0

    @property
    def schema(self) -> Schema:
        return self._engine.schema

    def change(self, *changes: SchemaChange) -> None:
        store = self._engine.store
        for change in changes:
            target = apply_changes(self.schema, [change])
            if change.kind == "drop field" and change.name in default_fields(change.class_name):
                raise MigrationError(f"{change}: every {change.class_name} has this field; leave it")
            if change.kind == "drop class":
                self._engine.schema_edits.purge(change.class_name)  # so that the journal tells of the objects
                store.drop_class(self._connection, change.class_name)
            else:
                item = target.get(change.class_name)
                assert item is not None
                store.put_class(self._connection, item)
            self.told.append(str(change))

    def backfill(
        self, class_name: str, function: Callable[[PFObject], object], *, batch_size: int = 500
    ) -> int:
        if class_name not in self.schema:
            raise MigrationError(f"back-fill of {class_name}: there is no such class")
        # SAFETY: as for the whole migration.
        master = Principal.master()
        ids = self._engine.store.object_ids(self._connection, class_name)
        count = 0
        for start in range(0, len(ids), batch_size):
            batch = tuple(ids[start : start + batch_size])
            query = QueryState(class_name, Constraint("objectId", "$in", batch), limit=len(batch))
            objects: list[Any] = self._engine.reads.find(query, master, None)
            for obj in objects:
                function(obj)
            changed = [obj for obj in objects if obj.dirty_keys]
            if changed:
                self._engine.save_objects(changed, master)
            count += len(changed)
        self.objects += count
        return count
