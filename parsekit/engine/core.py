"""``ParseEngine``: an open database, and the principal under whom calls run.

``with parsekit.open(path) as engine:`` enters the engine as the anonymous principal. ``acting_as(user)`` and
``acting_as_master()`` bind engine and principal for one block, in any thread or task. Everything else is delegated:
queries to ``read``, changes to ``write``.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, final

from parsekit._context import CURRENT, Binding, current_binding
from parsekit.acl.clp import Operation
from parsekit.acl.principal import Principal
from parsekit.acl.system import check_class_exists
from parsekit.auth import Accounts, SignedIn
from parsekit.cloud import CloudCode
from parsekit.engine.attachments import FilesInDatabase
from parsekit.engine.config import GlobalConfig
from parsekit.engine.direct import DirectWrites
from parsekit.engine.filing import Filing
from parsekit.engine.hooks import EngineHooks
from parsekit.engine.idempotency import Idempotency
from parsekit.engine.infer import Inference
from parsekit.engine.installations import InstallationRules
from parsekit.engine.jobs import Jobs
from parsekit.engine.options import EngineOptions
from parsekit.engine.outbox import Listener, Outbox
from parsekit.engine.pointers import plain_operations
from parsekit.engine.push import Push
from parsekit.engine.read import ReadPath
from parsekit.engine.remote import carried_out
from parsekit.engine.saving import Saving
from parsekit.engine.upkeep import Compaction, Copy, Finding, Upkeep
from parsekit.engine.views import PrincipalView, Views
from parsekit.engine.webhooks import Webhooks
from parsekit.engine.write import ClassRules, WritePath
from parsekit.errors import EngineError
from parsekit.explanation import Explanation
from parsekit.file import FileStore, PFFile
from parsekit.object import PFObject
from parsekit.operations import OperationSet
from parsekit.query.dialect import Dialect
from parsekit.query.state import QueryState
from parsekit.relation import PFRelation
from parsekit.schema import ClassSchema, Schema
from parsekit.storage.journal import last_sequence
from parsekit.storage.store import Store
from parsekit.user import PFRole, PFSession, PFUser
from parsekit.values import MISSING, FileReference, Value

if TYPE_CHECKING:
    from parsekit.acl.explain import AccessExplanation
    from parsekit.engine.access import FindExplanation
    from parsekit.engine.aggregation import Aggregation
    from parsekit.engine.bulk import Bulk
    from parsekit.engine.find_hooks import FindHooks
    from parsekit.engine.history import HistoryEntry
    from parsekit.engine.live import LiveQueries
    from parsekit.engine.matching import DialectReads
    from parsekit.engine.past import PastView
    from parsekit.engine.schema_edits import SchemaEdits
    from parsekit.engine.security import Finding as SecurityFinding
    from parsekit.localstore import LocalDatastore
    from parsekit.migrations import AppliedMigration, Migration, MigrationReport
    from parsekit.query.compare import DialectComparison

__all__ = ["ParseEngine", "open_engine", "principal_of"]

T = TypeVar("T")


def open_engine(
    path: str | Path = ":memory:",
    *,
    schema: Schema | None = None,
    classes: Iterable[type[PFObject]] = (),
    **options: Any,
) -> ParseEngine:
    """Open (or create) a database file, ``":memory:"`` for one that lives as long as the engine.

    Args:
        path: the file.
        schema: classes that the database shall have; missing ones and missing fields are added, nothing is removed.
        classes: typed classes to hydrate to; their schemas are applied like ``schema``.
        options: the fields of ``EngineOptions``.

    Raises:
        StorageError: it is not a parsekit database, is read-only, of a newer format, or locked.
        SchemaError: the database holds a field under another type.
    """
    return ParseEngine(path, schema=schema, classes=classes, options=EngineOptions(**options))


@final
class ParseEngine:
    """An open engine. Enter it with ``with``; close it with ``close()`` or the end of the block."""

    def __init__(
        self,
        path: str | Path,
        *,
        schema: Schema | None,
        classes: Iterable[type[PFObject]],
        options: EngineOptions,
    ) -> None:
        self.options = options
        self._classes: dict[str, type[PFObject]] = {"_User": PFUser, "_Role": PFRole, "_Session": PFSession}
        self._tokens: list[contextvars.Token[Binding | None]] = []
        self.local: LocalDatastore | None = None
        self.store = Store(
            path,
            synchronous=options.synchronous,
            busy_timeout_s=options.busy_timeout_s,
            read_only=options.read_only,
            plan_cache=options.plan_cache,
            query_time_limit_s=options.query_time_limit_s,
        )
        try:
            self.views = Views(self.store, self.store.role_names, options.protection)
            self.inference = Inference(self.store, allow_class_creation=options.allow_client_class_creation)
            self.reads = ReadPath(self, self.views)
            self.outbox = Outbox()
            self.store.outbox = self.outbox
            self.rules: dict[str, ClassRules] = {}
            self.writes = WritePath(
                self.store,
                clock=options.clock,
                new_id=options.new_id,
                rules=self.rules,
                publish=self.outbox.publish,
                keep_journal=options.journal,
                inference=self.inference,
                max_nesting=options.max_nesting,
            )
            self.accounts = Accounts(self, options.auth, enforce_private_users=options.enforce_private_users)
            self.rules.update(self.accounts.rules())
            self.writes.redirects["_Installation"] = InstallationRules(self)
            self.files: FileStore = options.files or FilesInDatabase(self.store)
            self.cloud = CloudCode()
            self.hooks = EngineHooks(self, self.cloud)
            self.writes.hooks = self.hooks
            self.filing = Filing(self)
            self.webhooks = Webhooks(self)
            self.config = GlobalConfig(self)
            self.push = Push(self)
            self.idempotency = Idempotency(self)
            self.jobs = Jobs(self)
            self._saving = Saving(self)
            self.direct = DirectWrites(self)
            self.upkeep = Upkeep(self)
            self._is_shared = str(path) != ":memory:"
            self._prepare(schema, classes)
            self._open_local()
        except BaseException:
            self.store.close()
            raise

    def _open_local(self) -> None:
        options = self.options
        if options.local_datastore is not None:
            from parsekit.engine.local import open_beside

            self.local = open_beside(self, options.local_datastore, options.local_dialect)

    def _prepare(self, schema: Schema | None, classes: Iterable[type[PFObject]]) -> None:
        wanted = schema or Schema()
        for kind in classes:
            self.register(kind)
            described = kind.parse_schema
            if described is not None:
                wanted = wanted.extended_with(Schema([described]))
        system = [ClassSchema.new(name) for name in ("_User", "_Role", "_Session")]
        self.apply_schema(Schema(system).extended_with(wanted))

    # -- parts that few programs use, imported with their first use ---------------------------------

    @cached_property
    def aggregation(self) -> Aggregation:
        """Aggregates and distinct values."""
        from parsekit.engine.aggregation import Aggregation

        return Aggregation(self)

    @cached_property
    def dialects(self) -> DialectReads:
        """Queries under another dialect than the store's own."""
        from parsekit.engine.matching import DialectReads

        return DialectReads(self)

    @cached_property
    def finds(self) -> FindHooks:
        """Queries with cloud code around them."""
        from parsekit.engine.find_hooks import FindHooks

        return FindHooks(self, self.cloud)

    @cached_property
    def live(self) -> LiveQueries:
        """Subscriptions."""
        from parsekit.engine.live import LiveQueries

        return LiveQueries(self, shared=self._is_shared)

    @cached_property
    def schema_edits(self) -> SchemaEdits:
        """Changes of classes, as the REST schemas API makes them."""
        from parsekit.engine.schema_edits import SchemaEdits

        return SchemaEdits(self)

    # -- entering and closing ----------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._tokens.append(CURRENT.set(Binding(self, Principal.anonymous())))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        CURRENT.reset(self._tokens.pop())
        if not self._tokens:
            self.close()

    def close(self) -> None:
        """Close the database. Objects that were read stay readable; everything else raises afterwards.

        Raises:
            EngineError: inside a transaction; nothing is closed then.
        """
        self.store.database.check_closable()
        if "live" in vars(self):
            self.live.close()
        if self.local is not None:
            self.local.close()
        self.store.close()

    @property
    def local_datastore(self) -> LocalDatastore:
        """The local datastore that was opened with the engine.

        Raises:
            EngineError: there is none.
        """
        if self.local is None:
            raise EngineError(
                'local datastore: this engine has none; open it with parsekit.open(path, local_datastore="device.db")'
            )
        return self.local

    @contextlib.contextmanager
    def acting_as(self, user: PFObject | Principal) -> Iterator[Self]:
        """Run a block under a user (or any ``Principal``), in this thread or task."""
        principal = principal_of(user)
        token = CURRENT.set(Binding(self, principal, None if user is principal else user))
        try:
            yield self
        finally:
            CURRENT.reset(token)

    @contextlib.contextmanager
    def acting_as_master(self) -> Iterator[Self]:
        """Run a block to which no permission applies."""
        # SAFETY: master is opt-in, for one block, and never the default.
        token = CURRENT.set(Binding(self, Principal.master()))
        try:
            yield self
        finally:
            CURRENT.reset(token)

    # -- classes and schema ------------------------------------------------------------------------

    def register(self, kind: type[PFObject]) -> None:
        """Hydrate objects of ``kind``'s class to ``kind`` from now on."""
        if not kind.parse_class_name:
            raise EngineError(f"{kind.__name__}: has no class name; declare it with class_name=...")
        self._classes[kind.parse_class_name] = kind

    def class_for(self, class_name: str) -> type[PFObject]:
        """The typed class of a Parse class, ``PFObject`` when none is registered."""
        return self._classes.get(class_name, PFObject)

    @property
    def schema(self) -> Schema:
        """The classes that the database holds now."""
        return self.store.catalog.schema

    def apply_schema(self, wanted: Schema) -> None:
        """Add the classes, fields and indexes of ``wanted`` that the database lacks; nothing is removed.

        Raises:
            SchemaError: fields that the database holds under another type, or permissions that are none; all of
                them, and nothing is changed.
        """
        self.schema_edits.apply(wanted)

    def check_class_exists(self, class_name: str, principal: Principal) -> None:
        """119 where clients may not create classes and ``class_name`` does not exist."""
        check_class_exists(
            self.schema.get(class_name),
            class_name,
            principal,
            allow_client_class_creation=self.options.allow_client_class_creation,
        )

    def principal_for_session(self, token: str, *, installation_id: str | None = None) -> Principal:
        """Under whom a request with this session token runs. ``InvalidSessionTokenError`` (209) when under nobody."""
        return self.accounts.sessions.principal_for(token, installation_id)

    def sign_up(self, user: PFUser, principal: Principal) -> SignedIn:
        """Create ``user`` from its pending operations; ``PFUser.sign_up`` also makes it the current user."""
        state = user.local_state
        pending = plain_operations(state.operations, {}) if state is not None else OperationSet()
        return self.accounts.sign_up(pending, principal)

    def view(self, principal: Principal) -> PrincipalView:
        """What ``principal`` may do, as of now."""
        return self.views.of(principal)

    # -- transactions ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: every save and delete in the block commits together, or none does. May be nested."""
        with self.store.write():
            yield
        self.after_commit()

    def carried_out(self, action: Callable[[], T]) -> T:
        """What ``action``, which writes, gives; webhooks that it needs are called outside of its transaction."""
        if self.cloud.is_empty:
            return action()
        return carried_out(action, in_write=self.store.database.in_write)

    def after_commit(self) -> None:
        """Tell listeners of what is committed by now and make the calls that waited for it. No-op in a transaction."""
        if not self.store.database.in_write:
            self.outbox.deliver()

    def on_changes(self, listener: Listener) -> None:
        """Call ``listener`` with the changes of each transaction, after its commit and in commit order."""
        self.outbox.listeners.append(listener)

    def migrate(self, migrations: Sequence[Migration], *, dry_run: bool = False) -> MigrationReport:
        """Run the migrations that this database has not run yet, each in a transaction of its own.

        A dry run does everything in one transaction, rolls it back, and tells what would happen.

        Raises:
            MigrationError: they are not numbered 1, 2, 3 in order, one was changed since it ran here, or one failed.
        """
        from parsekit.engine.migrating import migrate

        return migrate(self, migrations, dry_run=dry_run)

    def migrations(self) -> list[AppliedMigration]:
        """The migrations that this database has run, in order."""
        from parsekit.engine.migrating import applied

        return applied(self)

    # -- upkeep ------------------------------------------------------------------------------------

    def check(self) -> list[Finding]:
        """Everything that is wrong with the database; an empty list when nothing is. Reads all of it."""
        return self.upkeep.check()

    def check_security(self) -> tuple[SecurityFinding, ...]:
        """What a careful person would want to know of who may do what here, the most severe first. Names no object."""
        from parsekit.engine.security import check_security

        return check_security(self)

    def backup(self, target: str | Path, *, overwrite: bool = False) -> Copy:
        """Copy the database to a file while it is in use.

        Raises:
            EngineError: the file is there already and ``overwrite`` is not given.
            StorageError: SQLite refused; there is no copy then.
        """
        return self.upkeep.backup(target, overwrite=overwrite)

    def history(self, obj: PFObject | str, object_id: str | None = None) -> list[HistoryEntry]:
        """The changes of an object (or of a class name and an objectId) that the journal keeps, the oldest first.

        The current principal sees what it may read now and could read then; a master everything.

        Raises:
            ObjectNotFoundError: 101, the current principal cannot read the object.
        """
        from parsekit.engine.history import history

        return history(self, obj, object_id, current_binding().principal)

    def as_of(self, sequence: int) -> PastView:
        """The database as of a position of the journal, for the current principal: ``find``, ``get``, ``count``.

        Raises:
            EngineError: the journal does not reach back to it.
        """
        from parsekit.engine.past import PastView

        return PastView(self, sequence, current_binding().principal)

    @property
    def last_sequence(self) -> int:
        """The newest position of the journal, 0 before the first change."""
        return last_sequence(self.store.database.reader())

    def compact(self) -> Compaction:
        """Prune the journal and write the file anew without the space of what was deleted."""
        return self.upkeep.compact()

    # -- what PFQuery and PFObject ask ---------------------------------------------------------------

    def find_objects(
        self, state: QueryState, principal: Principal, kind: type[PFObject] | None = None
    ) -> list[Any]:
        """The objects of a query."""
        if state.from_local:
            return self.local_datastore.reading.find(state, principal, kind)
        if state.dialect is not None and _is_matched(state):
            return self.dialects.find(state, principal, kind)
        if self.cloud.is_empty:
            return self.reads.find(state, principal, kind)
        return self.finds.find(state, principal, kind)

    def get_object(
        self,
        class_name: str,
        object_id: str,
        principal: Principal,
        kind: type[PFObject] | None = None,
        state: QueryState | None = None,
    ) -> Any:
        """One object by id."""
        if state is not None and state.from_local:
            return self.local_datastore.reading.get(state, object_id, principal, kind)
        if self.cloud.is_empty:
            return self.reads.get(class_name, object_id, principal, kind, state)
        return self.finds.get(state or QueryState(class_name), object_id, principal, kind)

    def count_objects(self, state: QueryState, principal: Principal) -> int:
        """How many objects match."""
        if state.from_local:
            return self.local_datastore.reading.count(state, principal)
        if _is_matched(state):
            return self.dialects.count(state, principal)
        return (
            self.reads.count(state, principal) if self.cloud.is_empty else self.finds.count(state, principal)
        )

    def explain_query(self, state: QueryState, principal: Principal) -> Explanation:
        """How a query would run."""
        if state.from_local:
            return self.local_datastore.reading.explain(state, principal)
        if _is_matched(state):
            return self.dialects.explain(state, principal)
        return self.reads.explain(state, principal)

    def distinct_values(self, state: QueryState, key: str, principal: Principal) -> list[Value]:
        """The distinct values of a key among the objects of a query."""
        return self.aggregation.distinct(state, key, principal)

    def aggregate_rows(
        self, state: QueryState, pipeline: Sequence[Mapping[str, Any]], principal: Principal
    ) -> list[dict[str, Value]]:
        """The rows of an aggregation pipeline over the objects of a query."""
        return self.aggregation.rows(state, pipeline, principal)

    def compare_dialects(self, state: QueryState, principal: Principal) -> DialectComparison:
        """Where Parse Server and the iOS local datastore answer a query differently."""
        from parsekit.engine.comparing import compare_dialects

        return compare_dialects(self, state, principal)

    def explain_access(
        self, obj: PFObject, principal: PFObject | Principal, operation: Operation
    ) -> AccessExplanation:
        """Whether and why ``principal`` may do ``operation`` with ``obj``, step by step.

        Raises:
            ObjectNotFoundError: 101, the current principal cannot read the object.
        """
        from parsekit.engine.access import explain_object

        return explain_object(self, obj, principal_of(principal), operation, current_binding().principal)

    def explain_find(self, state: QueryState, principal: PFObject | Principal) -> FindExplanation:
        """How many objects a query hides from ``principal``, and through what; under a master only."""
        from parsekit.engine.access import explain_find

        return explain_find(self, state, principal_of(principal), current_binding().principal)

    def stream_objects(
        self, state: QueryState, principal: Principal, kind: type[PFObject] | None, batch_size: int
    ) -> Iterator[Any]:
        """The objects of a query one by one."""
        if state.from_local:
            return self.local_datastore.reading.stream(state, principal, kind)
        if _is_matched(state):
            return self.dialects.stream(state, principal, kind, batch_size)
        answers = self.reads if self.cloud.is_empty else self.finds
        return answers.stream(state, principal, kind, batch_size)

    def save_objects(self, objects: Sequence[PFObject], principal: Principal) -> None:
        """Save objects and the unsaved ones that they refer to."""
        password = next((obj.raw("password") for obj in objects if obj.class_name == "_User"), MISSING)
        if password is MISSING:
            self.carried_out(lambda: self._saving.save(objects, principal))
            return
        with self.accounts.preparing(password=password, installation_id=principal.installation_id):
            self.carried_out(lambda: self._saving.save(objects, principal))

    def delete_objects(self, objects: Sequence[PFObject], principal: Principal) -> None:
        """Delete objects."""
        self.carried_out(lambda: self._saving.delete(objects, principal))

    def fetch_objects(
        self, objects: Sequence[PFObject], principal: Principal, include: Iterable[str]
    ) -> None:
        """Bring objects up to date."""
        self._saving.fetch(objects, principal, tuple(include))

    def relation(self, owner: PFObject, key: str) -> PFRelation[Any]:
        """The relation ``key`` of an object."""
        return PFRelation(owner, key)

    def file(self, reference: FileReference) -> PFFile:
        """The file that an object refers to."""
        return PFFile.from_reference(reference)

    def bulk(self, principal: Principal) -> Bulk:
        """A writer of many new objects, for imports."""
        from parsekit.engine.bulk import Bulk

        return Bulk(self, principal)


def _is_matched(state: QueryState) -> bool:
    """Whether a query asks for another dialect than the store's own."""
    return state.dialect is not None and state.dialect != Dialect.SERVER


def principal_of(user: PFObject | Principal) -> Principal:
    """The principal that a user is; a principal is itself."""
    if isinstance(user, Principal):
        return user
    if user.class_name != "_User" or user.object_id is None:
        raise EngineError(f"acting_as: expected a saved user, got {user!r}")
    token = user.session_token if isinstance(user, PFUser) else None
    return Principal.user(user.object_id, session_token=token)
