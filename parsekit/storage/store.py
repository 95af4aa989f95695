"""``Store``: one open database as the engine sees it. The only door to SQL for the layers above.

Reading: ``run`` takes a query's shape and values and gives rows. It is optimistic: after the statement it asks SQLite
whether anybody committed since this connection last looked, and only then whether that changed the catalog, the roles
or the ACLs; if so it raises ``StaleCatalog`` and the caller asks again. Writing: ``write`` gives a transaction whose
failure leaves neither rows nor caches changed.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, final

import apsw

from parsekit import attrs
from parsekit._lazily import Part
from parsekit.errors import EngineError, StorageError
from parsekit.query.dialect import Dialect
from parsekit.query.plan import Shape, plan_of
from parsekit.schema import ClassSchema
from parsekit.storage import catalog as catalogs
from parsekit.storage import functions
from parsekit.storage.acl_store import NO_ACL, Access, AclStore
from parsekit.storage.catalog import Catalog
from parsekit.storage.database import Database, Synchronous, storage_error
from parsekit.storage.kept_plans import KeptPlans, write_plans
from parsekit.storage.plan_cache import NeedsResults, PlanCache
from parsekit.values import Value

if TYPE_CHECKING:
    from pathlib import Path

    from parsekit.acl.roles import Role
    from parsekit.storage.binding import Compiled
    from parsekit.storage.explain import StatementPlan
    from parsekit.storage.grouping import Grouping
    from parsekit.storage.layout import ClassLayout
    from parsekit.storage.writer import Writer

__all__ = ["NeedsResults", "Rows", "StaleCatalog", "Store", "TransactionPart"]


class TransactionPart(Protocol):
    """Something outside of the database that follows the outcome of its transactions."""

    def mark(self) -> Any:
        """Where it stands when a savepoint begins."""

    def rewind(self, mark: Any) -> None:
        """Go back to ``mark``: the savepoint was rolled back."""

    def committed(self) -> None:
        """The transaction is on the disk; the writer lock is still held."""


class StaleCatalog(Exception):  # noqa: N818 - a signal to ask again, not an error that a caller sees
    """The catalog, the roles or the ACLs changed under a read or write; what was planned must be planned anew."""


@final
class Rows:
    """The rows of a statement, taken some at a time. ``reading`` is what each time is done in."""

    __slots__ = ("_reading", "_rows")

    def __init__(
        self,
        rows: Iterable[tuple[Any, ...]],
        reading: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        self._rows = iter(rows)
        self._reading = reading

    def take(self, count: int) -> list[tuple[Any, ...]]:
        """The next rows, at most ``count``; none at the end."""
        with self._reading():
            return list(islice(self._rows, count))


@final
class _Transaction:
    """``Store.write()``: the writer's connection inside, and the outcome at the end."""

    __slots__ = ("_outset", "_store")

    def __init__(self, store: Store) -> None:
        self._store = store

    def __enter__(self) -> apsw.Connection:
        self._outset = self._store.begin()
        return self._store.database.writer

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._store.commit(self._outset)
        else:
            self._store.roll_back(self._outset, error)


def _local_tables() -> tuple[str, ...]:
    from parsekit.storage.ddl import INTERNAL_TABLES, LOCAL_TABLES

    return INTERNAL_TABLES + LOCAL_TABLES


class Store:
    """An open database with its catalog, ACL dictionary and compiled statements.

    ``schemaless``: the file of a local datastore; it is refused where another kind of file is wanted, and the reverse.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        synchronous: Synchronous = "NORMAL",
        busy_timeout_s: float = 10.0,
        read_only: bool = False,
        plan_cache: bool = True,
        query_time_limit_s: float = 30.0,
        schemaless: bool = False,
    ) -> None:
        self.database = Database(
            path,
            synchronous=synchronous,
            busy_timeout_s=busy_timeout_s,
            read_only=read_only,
            register=functions.register,
            tables=_local_tables if schemaless else None,
        )
        if catalogs.is_schemaless(self.database.writer) != schemaless:
            self.database.close()
            kind = "no local datastore" if schemaless else "a local datastore"
            raise StorageError(
                f"{self.database.place}: it is {kind}; give the engine's file to parsekit.open(path), the local "
                "datastore's to local_datastore=..."
            )
        self.database.on_commit = self._after_commit
        self.database.on_rollback = self._after_rollback
        self.parts_lock = threading.RLock()
        self.acls = AclStore()
        self._plan_cache_enabled = plan_cache
        self._keeps_plans = not schemaless
        self._query_time_limit_s = query_time_limit_s
        self._versions = threading.local()
        self._reload_lock = threading.Lock()
        self._on_reload: list[Callable[[], None]] = []
        self.pending: PlanCache | None = None
        """What the transaction under way, of whichever thread, has made of the catalog, the roles or the ACLs."""
        self.outbox: TransactionPart | None = None
        self._writer_saw = -1
        self._chore: Callable[[apsw.Connection], None] | None = None
        self._chore_every = 0
        self._commits = 0
        self._outset: Any = None
        self._committed = self._plans_for(catalogs.load(self.database.writer))
        self._committed.kept = self._keeping()

    @Part
    def writer(self) -> Writer:
        """Rows in and out."""
        from parsekit.storage.writer import Writer

        writer = Writer()
        writer.text = self.statement_text
        return writer

    @property
    def plans(self) -> PlanCache:
        """The compiled statements of the catalog that this thread sees: inside ``write()`` the uncommitted one."""
        pending = self.pending
        return pending if pending is not None and self.database.in_write else self._committed

    @property
    def catalog(self) -> Catalog:
        """The catalog that this thread sees."""
        return self.plans.catalog

    @property
    def has_uncommitted(self) -> bool:
        """Whether this thread's transaction has changed the catalog, the roles or the ACLs so far."""
        return self.pending is not None and self.database.in_write

    def _plans_for(self, catalog: Catalog) -> PlanCache:
        return PlanCache(catalog, Dialect.SERVER, enabled=self._plan_cache_enabled)

    def _keeping(self) -> KeptPlans | None:
        """What the file keeps of the statements of a new catalog; those of a local datastore follow its data, too."""
        keeps = self._plan_cache_enabled and self._keeps_plans and self.database.is_kept
        return KeptPlans(self.database.reader) if keeps else None

    def statement_text(self, key: tuple[str, ...], make: Callable[[], str]) -> str:
        """The text of a statement that changes data: kept in the file, or made and to be kept."""
        kept = None if self.pending is not None else self._committed.kept
        return make() if kept is None else kept.text(key, self._committed.catalog.generation, make)

    def _publish(self, plans: PlanCache) -> None:
        if plans.catalog.layouts is not self._committed.catalog.layouts:
            self._forget_writes()
        if plans.kept is None:
            plans.kept = self._keeping()
        self._committed = plans
        for callback in self._on_reload:
            callback()

    def _forget_writes(self) -> None:
        if "writer" in vars(self):
            self.writer.forget()

    def on_reload(self, callback: Callable[[], None]) -> None:
        """Call back whenever the catalog, the roles or the ACLs have changed."""
        self._on_reload.append(callback)

    def close(self) -> None:
        """Close the database; what was compiled since it was opened is kept in it."""
        kept = self._committed.kept
        if kept is not None and kept.fresh and not self.database.read_only and not self.database.in_write:
            with contextlib.suppress(EngineError), self.database.exclusive() as connection:
                write_plans(connection, kept.fresh)
        self.database.close()

    # -- reading -------------------------------------------------------------------------------

    def run(
        self,
        shape: Shape,
        values: list[Value],
        principals: frozenset[str] | None,
        skip: int = 0,
    ) -> tuple[Compiled, list[tuple[Any, ...]]]:
        """The rows of a query. ``principals`` ``None`` means that no ACL applies (master).

        Raises:
            StaleCatalog: ask again.
            TimeoutExceededError: 124, conditions that run in Python took longer than the time limit.
            StorageError: SQLite refused.
        """
        compiled = self.plans.statement(shape)
        return compiled, self.run_compiled(compiled, values, principals, skip)

    def run_compiled(
        self,
        compiled: Compiled,
        values: list[Value],
        principals: frozenset[str] | None,
        skip: int = 0,
    ) -> list[tuple[Any, ...]]:
        """The rows of a statement that ``run`` or ``plans`` gave. Raises as ``run`` does."""
        database = self.database
        connection = database.reader()
        readable = None
        if principals is not None:
            readable = self.acls.map_for(connection, principals, "read", in_write=database.in_write)
        try:
            bindings = compiled.binder(values, readable, skip)
            if compiled.residual:  # conditions in Python can take any time
                from parsekit.storage.time_limit import time_limit

                with time_limit(connection, self._query_time_limit_s):
                    rows = connection.execute(compiled.sql, bindings).fetchall()
            else:
                rows = connection.execute(compiled.sql, bindings).fetchall()
        except apsw.SQLError as error:
            self._check(connection)  # another process may have dropped what the plan names
            raise storage_error(database.place, error) from error
        except apsw.Error as error:
            raise storage_error(database.place, error) from error
        if connection.data_version() != getattr(self._versions, "seen", None):
            self._check(connection)
        return rows

    def run_for_one(
        self, compiled: Compiled, object_id: str, principals: frozenset[str] | None
    ) -> list[tuple[Any, ...]]:
        """``run_compiled`` of a statement that finds one row by its id; who has just written reads where it wrote."""
        database = self.database
        connection = None if compiled.residual else database.borrow_writer()
        if connection is None:
            return self.run_compiled(compiled, [object_id], principals)
        try:
            readable = None
            if principals is not None:
                readable = self.acls.map_for(connection, principals, "read", in_write=False)
            rows = connection.execute(compiled.sql, compiled.binder([object_id], readable, 0)).fetchall()
            if connection.data_version() == self._writer_saw:
                return rows
        except apsw.Error as error:
            raise storage_error(database.place, error) from error
        finally:
            database.give_back()
        return self.run_compiled(
            compiled, [object_id], principals
        )  # another process has committed: look what

    def run_grouped(
        self, shape: Shape, values: list[Value], grouping: Grouping
    ) -> list[tuple[Value, list[Value]]]:
        """Each group's key and terms over what a query finds. Master only: no ACL is looked at.

        Raises:
            StaleCatalog: ask again.
            NeedsResults: the query has a part that SQL cannot nest.
            StorageError: SQLite refused, such as a sum beyond 64 bits.
        """
        from parsekit.storage.grouping import decode_group

        compiled = self.plans.grouped(shape, grouping)
        layout = self.catalog.layouts[str(shape[0])]
        # SAFETY: the engine lets only a master group; the shape carries no ACL test to bind.
        rows = self.run_compiled(compiled, values, None)
        return [decode_group(layout, grouping, row) for row in rows]

    def run_totals(self, layout: ClassLayout, grouping: Grouping) -> list[tuple[Value, list[Value]]] | None:
        """Each group's key and terms over a whole class, where totals are kept of them; ``None`` where not.

        Master only: no ACL is looked at. Raises as ``run`` does.
        """
        from parsekit.storage.totals import groups_text, kept_groups, kept_totals

        for totals in kept_totals(layout):
            summed = {column.key for column in totals.sums}
            fits = grouping.key in (None, totals.group.key) and all(
                term.key in summed if term.function == "sum" else term.key is None for term in grouping.terms
            )
            if fits:
                # SAFETY: the engine lets only a master group.
                text = self.statement_text(("groups", totals.table), partial(groups_text, totals))
                return kept_groups(totals, grouping, self._run_text(text, ()))
        return None

    def count_totals(
        self, layout: ClassLayout, where: Mapping[str, str], principals: frozenset[str] | None
    ) -> int | None:
        """How many objects of a class (of one group) the principals may read, where totals are kept; else ``None``."""
        from parsekit.storage.totals import count_text, kept_totals

        for totals in kept_totals(layout):
            if not all(key == totals.group.key and totals.group.field.type == "String" for key in where):
                continue
            bindings: list[Any] = list(where.values())
            if principals is not None:
                in_write = self.database.in_write
                bindings.append(
                    self.acls.map_for(self.database.reader(), principals, "read", in_write=in_write)
                )
            of_group, readable = bool(where), principals is not None
            text = self.statement_text(
                ("count", totals.table, str(of_group), str(readable)),
                partial(count_text, totals.table, of_group=of_group, readable=readable),
            )
            return int(self._run_text(text, tuple(bindings))[0][0])
        return None

    def _run_text(self, text: str, bindings: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        connection = self.database.reader()
        try:
            rows = connection.execute(text, bindings).fetchall()
        except apsw.SQLError as error:
            self._check(connection)  # another process may have dropped what the text names
            raise storage_error(self.database.place, error) from error
        except apsw.Error as error:
            raise storage_error(self.database.place, error) from error
        if connection.data_version() != getattr(self._versions, "seen", None):
            self._check(connection)
        return rows

    def explain(
        self, shape: Shape, values: list[Value], principals: frozenset[str] | None, skip: int
    ) -> tuple[Compiled, tuple[Any, ...], StatementPlan, bool]:
        """The statement of a query, what would be bound, SQLite's plan for it, and whether it was cached."""
        from parsekit.storage.explain import explain_statement

        misses = self.plans.misses
        compiled = self.plans.statement(shape)
        connection = self.database.reader()
        readable = None
        if principals is not None:
            in_write = self.database.in_write
            readable = self.acls.map_for(connection, principals, "read", in_write=in_write)
        bindings = compiled.binder(values, readable, skip)
        plan = plan_of(shape)
        layout = self.catalog.layouts[plan.class_name]
        statement = explain_statement(connection, compiled, bindings, layout, plan)
        return compiled, bindings, statement, misses == self.plans.misses

    @contextlib.contextmanager
    def stream(
        self, shape: Shape, values: list[Value], principals: frozenset[str] | None, skip: int
    ) -> Iterator[tuple[Compiled, Rows]]:
        """As ``run``, batch by batch on a connection of its own: constant memory, one state of the database.

        Inside ``write()`` the rows are read at once, because the connection that sees them is the one that writes.
        """
        if self.database.in_write:
            compiled, rows = self.run(shape, values, principals, skip)
            yield compiled, Rows(rows)
            return
        compiled = self.plans.statement(shape)
        with self.database.extra_reader() as connection:
            reading = partial(self.database.reading_from, connection)
            readable = None
            with reading():
                if principals is not None:
                    readable = self.acls.map_for(connection, principals, "read", in_write=False)
                found = connection.execute(compiled.sql, compiled.binder(values, readable, skip))
            yield compiled, Rows(found, reading)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Several reads that see one state of the database."""
        with self.database.snapshot():
            yield

    def acl_json(self, number: int) -> Value:
        """The ACL of a number as JSON, ``None`` for none."""
        return self.acls.entry(self.database.reader(), number)

    def acl_texts(self, numbers: Iterable[int]) -> dict[int, str | None]:
        """ACLs as JSON text by their numbers, ``None`` for none."""
        connection, text = self.database.reader(), self.acls.text
        return {number: text(connection, number) for number in numbers}

    def role_names(self, user_id: str) -> frozenset[str]:
        """The names of the roles of a user."""
        if self.catalog.layout("_Role") is None:
            return frozenset()
        from parsekit.storage.roles import role_names_of

        return role_names_of(self.database.reader(), user_id)

    def count_without_acl(self, class_name: str) -> int:
        """How many objects of a class are public for want of an ACL."""
        from parsekit.storage.statements import count_by_acl

        layout = self.catalog.layouts[class_name]
        return int(self.database.reader().execute(count_by_acl(layout.table), (NO_ACL,)).get)

    def roles(self) -> list[Role]:
        """Every role with its direct members."""
        from parsekit.storage.roles import all_roles

        return [] if self.catalog.layout("_Role") is None else all_roles(self.database.reader())

    def data_version(self) -> int | None:
        """A number that changes for this thread with every commit of anybody; ``None`` inside ``write()``."""
        if self.database.in_write:
            return None
        # the PRAGMA looks at the file, where Connection.data_version() only knows of what was read
        return int(self.database.reader().execute("PRAGMA data_version").get)

    def check_fresh(self) -> None:
        """Raise ``StaleCatalog`` when another process changed the catalog, the roles or the ACLs."""
        connection = self.database.reader()
        self._versions.seen = None
        self._check(connection)

    def _check(self, connection: apsw.Connection) -> None:
        generation = catalogs.read_generation(connection)
        self._versions.seen = connection.data_version()
        if generation != self._committed.catalog.generation and not self.database.in_write:
            self._reload(connection)
            raise StaleCatalog

    def _reload(self, connection: apsw.Connection) -> None:
        with self._reload_lock:
            fresh = catalogs.load(connection)
            if fresh.generation != self._committed.catalog.generation:
                self.acls.forget()
                self._publish(self._plans_for(fresh))

    # -- writing -------------------------------------------------------------------------------

    def _catch_up(self, connection: apsw.Connection) -> None:
        """Another process committed since the last write here: look whether that changed what is cached."""
        if catalogs.read_generation(connection) != self.catalog.generation:
            self.acls.forget()  # it cannot change again before this transaction is done
            self._publish(self._plans_for(catalogs.load(connection)))
        self._writer_saw = connection.data_version()

    def write(self) -> _Transaction:
        """A write transaction, nested ones as savepoints. Catalog, caches and ``outbox`` follow its outcome."""
        return _Transaction(self)

    def begin(self) -> tuple[PlanCache | None, Any]:
        """Begin a transaction or a savepoint; what ``commit`` and ``roll_back`` need to know of it."""
        connection = self.database.begin()
        before, outbox = self.pending, self.outbox
        mark = None if outbox is None else outbox.mark()
        try:
            if before is None and connection.data_version() != self._writer_saw:
                self._catch_up(connection)
            if self._chore is not None and self._commits >= self._chore_every:
                self._chore(connection)
                self._commits = 0
        except BaseException as error:
            self.roll_back((before, mark), error)
            raise
        return before, mark

    def commit(self, outset: tuple[PlanCache | None, Any]) -> None:
        """End what ``begin`` began."""
        database = self.database
        self._outset = outset[1] if database.depth == 1 else None
        database.commit()

    def roll_back(self, outset: tuple[PlanCache | None, Any], error: BaseException) -> None:
        """Take back what ``begin`` began."""
        self.acls.forget()
        self.pending, mark = outset
        if self.outbox is not None:
            self.outbox.rewind(mark)
        self.database.roll_back(error)

    def every(self, commits: int, chore: Callable[[apsw.Connection], None]) -> None:
        """Run ``chore`` at the beginning of a transaction once in so many of them."""
        self._chore, self._chore_every = chore, commits

    def _after_commit(self) -> None:
        self._commits += 1
        self._outset = None
        # this number counts commits of the connection itself too; what another process does next will change it again
        self._writer_saw = self.database.writer.data_version()
        self.acls.committed()
        if self.outbox is not None:
            self.outbox.committed()
        pending, self.pending = self.pending, None
        if pending is not None:
            self._publish(pending)

    def _after_rollback(self) -> None:
        """The commit itself may have failed, when the block in ``write`` has ended well."""
        self.acls.forget()
        self.pending = None
        if self.outbox is not None and self._outset is not None:
            self.outbox.rewind(self._outset)
        self._outset = None

    def _change(self, catalog: Catalog) -> None:
        """Let the rest of this transaction, and everybody after its commit, see ``catalog``."""
        self.pending = self._plans_for(catalog)

    def put_class(self, connection: apsw.Connection, item: ClassSchema) -> None:
        """Create the class or change it to ``item``. Inside ``write()``."""
        self._change(catalogs.put_class(connection, self.catalog, item))

    def drop_class(self, connection: apsw.Connection, class_name: str) -> None:
        """Drop the class with its rows. Inside ``write()``."""
        self._change(catalogs.drop_class(connection, self.catalog, class_name))

    def mark_null_keys(self, connection: apsw.Connection, class_name: str, keys: Sequence[str]) -> None:
        """Remember keys that hold an explicit null. Inside ``write()``."""
        self._change(catalogs.mark_null_keys(connection, self.catalog, class_name, keys))

    def object_ids(self, connection: apsw.Connection, class_name: str) -> list[str]:
        """The objectIds of a class in insertion order."""
        from parsekit.storage.statements import all_ids

        layout = self.catalog.layouts[class_name]
        return [identity for (identity,) in connection.execute(all_ids(layout.table))]

    def bump(self, connection: apsw.Connection) -> None:
        """Roles changed: everybody must compute them anew. Inside ``write()``."""
        generation = catalogs.bump_generation(connection)
        old = self.plans
        self.pending = old.for_same_layouts(attrs.evolve(old.catalog, generation=generation))

    def acl_number(self, connection: apsw.Connection, text: str | None) -> int:
        """The number of an ACL, numbering it when new. Inside ``write()``."""
        number, new = self.acls.number_of(connection, text)
        if new:
            generation = catalogs.bump_generation(connection)
            old = self.plans
            fresh = attrs.evolve(old.catalog, generation=generation)
            self.pending = old.for_same_layouts(fresh)
        return number

    def write_map(
        self, connection: apsw.Connection, principals: frozenset[str] | None, access: Access
    ) -> bytes | None:
        """The byte map for a write under ``principals``; ``None`` for master."""
        if principals is None:
            return None
        return self.acls.map_for(connection, principals, access, in_write=True)
