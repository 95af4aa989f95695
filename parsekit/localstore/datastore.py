"""``LocalDatastore``: pinned objects, their graph, and what keeps them up to date.

``engine.local_datastore`` beside an engine, or opened alone when there is none to reach. Pins are as on iOS
(ios_sdk.md 3.7, 3.8): pinning an object stores it with everything that it refers to and of which there is data; an
object is kept while a pin reaches it through the values of stored objects, and dropped with the last such way. Saving,
fetching or deleting an object that is kept updates it; so does changing one, whose pending operations are written as
they are made and survive a restart.

Not said here: what is written (``keeping``), how queries are answered (``reading``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, final

from parsekit import attrs
from parsekit._context import CURRENT, Binding
from parsekit.acl.principal import Principal
from parsekit.errors import CacheMissError, SchemaError
from parsekit.localstore.alone import Alone
from parsekit.localstore.keeping import PINS_CHANGED, Keeping, Unfinished
from parsekit.localstore.objects import LocalObjects
from parsekit.localstore.records import values_of
from parsekit.object import PFObject
from parsekit.object_state import LocalState
from parsekit.query.dialect import Dialect
from parsekit.schema import ClassSchema, Index
from parsekit.storage import journal
from parsekit.storage.database import Synchronous
from parsekit.storage.local_graph import LocalGraph
from parsekit.storage.store import Store
from parsekit.values import Pointer, Value, date_to_ms

if TYPE_CHECKING:
    import contextvars

    from parsekit.storage.database import Connection

__all__ = ["DEFAULT_PIN", "Kept", "LocalDatastore", "Pin", "Surroundings"]

DEFAULT_PIN: Final = "_default"
_PRUNE_EVERY: Final = 1_000
_LIMITS: Final = journal.JournalLimits()


def _now() -> datetime:
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _plain_class(_class_name: str) -> type[PFObject]:
    return PFObject


@final
@attrs.frozen(slots=True)
class Surroundings:
    """What a local datastore asks of the engine beside it; without one, nothing.

    ``described`` is the engine's schema of a class, by which a class here begins; ``members`` are the members of a
    relation that the engine knows, ``None`` when it cannot be asked.
    """

    class_for: Callable[[str], type[PFObject]] = _plain_class
    described: Callable[[str], ClassSchema | None] = attrs.field(default=lambda _name: None)
    members: Callable[[PFObject, str], Sequence[Pointer] | None] = attrs.field(
        default=lambda _obj, _key: None
    )


@final
@attrs.frozen(slots=True)
class Pin:
    """One pin: its name, how many objects were pinned under it, and how many objects it keeps in all."""

    name: str
    roots: int
    objects: int


@final
@attrs.frozen(slots=True)
class Kept:
    """One reason why an object is kept: ``path`` leads from an object pinned under ``pin`` to it, both included.

    An element of the path is (class, objectId), the objectId ``None`` for an object that was never saved.
    """

    pin: str
    path: tuple[tuple[str, str | None], ...]

    def __str__(self) -> str:
        steps = " -> ".join(f"{name} {identity or '(unsaved)'}" for name, identity in self.path)
        return f'pin "{self.pin}": {steps}'


@final
class LocalDatastore:
    """A file of pinned objects. Enter it alone with ``with``, or use it through the engine that opened it.

    Queries reach it with ``from_local_datastore()`` and ``from_pin()`` and are answered under ``dialect`` unless they
    name another one (``query.under(Dialect.SERVER)``).
    """

    def __init__(
        self,
        path: str | Path = ":memory:",
        *,
        dialect: Dialect = Dialect.IOS_LOCAL,
        synchronous: Synchronous = "NORMAL",
        busy_timeout_s: float = 10.0,
        clock: Callable[[], datetime] = _now,
        surroundings: Surroundings | None = None,
        owner: Any = None,
    ) -> None:
        """Open (or create) a local datastore.

        Raises:
            StorageError: the file is none of a local datastore, or is locked.
        """
        self.dialect = dialect
        self.clock = clock
        self.owner = owner
        self.surroundings = surroundings or Surroundings()
        self.store = Store(path, synchronous=synchronous, busy_timeout_s=busy_timeout_s, schemaless=True)
        self.unfinished = Unfinished()
        self.store.outbox = self.unfinished
        self.store.every(_PRUNE_EVERY, self._prune)
        self.objects = LocalObjects(self)
        from parsekit.localstore.live import LocalLive
        from parsekit.localstore.reading import Reading

        self.reading = Reading(self)
        self.live = LocalLive(self)
        self._tokens: list[contextvars.Token[Binding | None]] = []

    def _prune(self, connection: Connection) -> None:
        journal.prune(connection, date_to_ms(self.clock()), _LIMITS)

    # -- entering and closing ----------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._tokens.append(CURRENT.set(Binding(Alone(self), Principal.anonymous())))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        CURRENT.reset(self._tokens.pop())
        if not self._tokens:
            self.close()

    def close(self) -> None:
        """Close the file. Objects stay readable; what is changed on them afterwards is kept in memory alone."""
        self.live.close()
        self.store.close()
        for number in list(self.objects.live):
            self.objects.release(number)

    @contextlib.contextmanager
    def acting_as(self, user: PFObject | Principal) -> Iterator[Self]:
        """Run a block under a user, for a datastore that was opened alone."""
        principal = (
            user if isinstance(user, Principal) else Principal.user(user.__parse_pointer__().object_id)
        )
        token = CURRENT.set(Binding(Alone(self), principal, None if user is principal else user))
        try:
            yield self
        finally:
            CURRENT.reset(token)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: every pin, unpin and change in the block is written together, or none is. May be nested."""
        with self.store.write():
            yield
        self._told()

    @contextlib.contextmanager
    def _keeping(self) -> Iterator[Keeping]:
        with self.store.write() as connection:
            yield Keeping(self, connection)
        self._told()

    @contextlib.contextmanager
    def _pinning(self) -> Iterator[Keeping]:
        with self._keeping() as keeping:
            yield keeping
            self.unfinished.changes.append(PINS_CHANGED)

    def _told(self) -> None:
        if not self.store.database.in_write and self.unfinished.ready:
            self.live.deliver(self.unfinished.ready)

    # -- pins --------------------------------------------------------------------------------------

    def pin_all(self, objects: Iterable[PFObject], name: str | None = None) -> None:
        """Pin objects, and with them all that they refer to and of which there is data, under a name or by default.

        Whatever is stored already is brought up to date. It costs what these objects are, however many are pinned.
        """
        given = list(objects)
        if not given:
            return
        with self._pinning() as keeping:
            numbers = keeping.keep(given)
            keeping.graph.add_roots(keeping.graph.pin_or_new(name or DEFAULT_PIN), numbers)

    def unpin_all(self, objects: Iterable[PFObject], name: str | None = None) -> None:
        """Take objects from a pin. What no pin reaches any more is dropped; objects that are not in it are left out."""
        given = list(objects)
        if not given:
            return
        with self._pinning() as keeping:
            pin = keeping.graph.pin(name or DEFAULT_PIN)
            numbers = [number for obj in given if (number := self._number(keeping.graph, obj)) is not None]
            if pin is not None and numbers:
                keeping.drop(keeping.graph.remove_roots(pin, numbers))

    def unpin_all_objects(self, name: str | None = None) -> None:
        """Take everything from one pin; without a name from the default pin only, as on iOS (``clear`` takes all)."""
        with self._pinning() as keeping:
            pin = keeping.graph.pin(name or DEFAULT_PIN)
            if pin is not None:
                keeping.drop(keeping.graph.remove_pin(pin))

    def clear(self) -> None:
        """Drop every pin and every object. What was never saved is lost."""
        with self._pinning() as keeping:
            for pin in self.pins():
                number = keeping.graph.pin(pin.name)
                if number is not None:
                    keeping.drop(keeping.graph.remove_pin(number))

    def pins(self) -> list[Pin]:
        """Every pin, the oldest first."""
        graph = LocalGraph(self.store.database.reader())
        return [Pin(*row) for row in graph.pin_names()]

    def pinned(self, name: str | None = None) -> list[PFObject]:
        """The objects that were pinned under a name, in the order in which they came; not what they refer to."""
        graph = LocalGraph(self.store.database.reader())
        pin = graph.pin(name or DEFAULT_PIN)
        found: list[PFObject] = []
        for number in [] if pin is None else graph.roots(pin):
            node = graph.node(number)
            obj = None if node is None else self._object(graph, node.number)
            if obj is not None:
                found.append(obj)
        return found

    def why(self, obj: PFObject) -> list[Kept]:
        """What keeps an object here: for each pin that reaches it a shortest way to it; empty when nothing does."""
        graph = LocalGraph(self.store.database.reader())
        number = self._number(graph, obj)
        if number is None:
            return []
        reasons: list[Kept] = []
        for pin in graph.pins_of(number):
            steps = graph.path(pin, number)
            reasons.append(
                Kept(graph.pin_name(pin), tuple((step.class_name, step.object_id) for step in steps))
            )
        return reasons

    def contains(self, obj: PFObject) -> bool:
        """Whether there is data of an object here."""
        graph = LocalGraph(self.store.database.reader())
        number = self._number(graph, obj)
        node = None if number is None else graph.node(number)
        return node is not None and node.stored

    def _number(self, graph: LocalGraph, obj: PFObject) -> int | None:
        state = obj.local_state
        if state is not None and state.watcher is self and state.node:
            return state.node
        if obj.object_id is None:
            return None
        node = graph.find(obj.class_name, obj.object_id)
        return None if node is None else node.number

    def number_of(self, obj: PFObject) -> int | None:
        """The node of an object, ``None`` when no pin reaches it."""
        return self._number(LocalGraph(self.store.database.reader()), obj)

    def image(self, obj: PFObject) -> tuple[int, dict[str, Value]]:
        """The node of an object that was found here, and what queries see of it now."""
        state = obj.local_state
        if state is None:
            row = obj._state
            assert isinstance(row, tuple)
            fields = {key: obj.raw(key) for key in obj.keys()}  # noqa: SIM118 - its keys, not those of a dict
            return int(row[obj.context.shape.nulls_at + 1]), {**fields, "updatedAt": obj.updated_at}
        return state.node, values_of(state)

    def _object(self, graph: LocalGraph, number: int) -> PFObject | None:
        node = graph.node(number)
        if node is None:
            return None
        found = self.objects.object(number, node.class_name)
        if found is None and node.object_id is not None:  # pinned by its id alone
            return self.class_for(node.class_name)._stub(node.class_name, node.object_id, self.owner)
        return found

    # -- one object --------------------------------------------------------------------------------

    def fetch(self, obj: PFObject) -> None:
        """Give an object what is stored of it; its own pending operations stay on top.

        Raises:
            CacheMissError: 120, there is nothing of it here.
        """
        graph = LocalGraph(self.store.database.reader())
        number = self._number(graph, obj)
        node = None if number is None else graph.node(number)
        state = None if number is None else self.objects.state(number)
        if node is None or state is None or not node.stored:
            if obj.object_id is None:
                raise CacheMissError(
                    "Attempted to fetch an object offline which was never saved to the offline cache.",
                    hint="pin it first",
                )
            raise CacheMissError("This object is not available in the offline cache.")
        own = obj.local_state
        if own is state:
            return
        pending = [] if own is None else own.operations.items()
        obj._state = state
        for key, operation in pending:
            obj.perform(key, operation)

    def ensure_index(self, class_name: str, *keys: str) -> None:
        """Keep an index on keys of a class (``-key`` for descending), for queries that ask or order by them.

        Raises:
            SchemaError: nothing of the class is stored yet, or a key is unknown.
        """
        with self.store.write() as connection:
            layout = self.store.catalog.layout(class_name)
            known = {} if layout is None else layout.schema.fields
            missing = [key for key in keys if key.removeprefix("-").partition(".")[0] not in known]
            if layout is None or missing:
                raise SchemaError([f"{class_name}: nothing is stored under {', '.join(missing) or 'it'} yet"])
            parts = tuple((key.removeprefix("-"), key.startswith("-")) for key in keys)
            name = "_".join(f"{key}_{-1 if down else 1}" for key, down in parts)
            if any(index.name == name for index in layout.schema.indexes):
                return
            indexes = (*layout.schema.indexes, Index(name, parts))
            self.store.put_class(connection, attrs.evolve(layout.schema, indexes=indexes))

    # -- what follows the engine's saves -----------------------------------------------------------

    def saved(self, objects: Sequence[PFObject]) -> None:
        """The engine has saved or fetched objects: those that are kept are brought up to date."""
        graph = LocalGraph(self.store.database.reader())
        if all(self._number(graph, obj) is None for obj in objects):
            return
        with self._keeping() as keeping:
            left, before = list(objects), -1
            while len(left) != before:  # writing one can lead to another, in whichever order they were saved
                before = len(left)
                left = [obj for obj in left if not self._saved(keeping, obj)]

    def _saved(self, keeping: Keeping, obj: PFObject) -> bool:
        """Whether the object is known here; what is kept of it is written."""
        number = self._number(keeping.graph, obj)
        node = None if number is None else keeping.graph.node(number)
        if number is None or node is None or obj.object_id is None:
            return False
        first = node.object_id is None
        if first:
            keeping.identify(number, obj.object_id, obj.class_name)
        elif not node.stored:
            number = keeping.promoted(node)
        keeping.refresh(number, obj)
        if first:
            keeping.rewrite_sources(number)
        return True

    def deleted(self, pointers: Sequence[Pointer]) -> None:
        """The engine has deleted objects: they go from here too."""
        graph = LocalGraph(self.store.database.reader())
        if all(graph.find(item.class_name, item.object_id) is None for item in pointers):
            return
        with self._keeping() as keeping:
            for item in pointers:
                node = keeping.graph.find(item.class_name, item.object_id)
                if node is not None:
                    keeping.delete(node.number)

    # -- what objects that are kept tell (``object_state.Watcher``) ----------------------------------

    def state_of(self, obj: PFObject, fresh: LocalState) -> LocalState:
        """The shared state of an object that was found here, for its first change."""
        row = fresh.row
        if row is None:
            return fresh
        return self.objects.state(row[obj.context.shape.nulls_at + 1]) or fresh

    def changed(self, obj: PFObject) -> None:
        """Write the pending operations of an object that is kept."""
        state = obj.local_state
        if state is None or not state.node:
            return
        with self._keeping() as keeping:
            keeping.rewrite(state, obj)

    def class_for(self, class_name: str) -> type[PFObject]:
        """The typed class of a Parse class."""
        return self.surroundings.class_for(class_name)
