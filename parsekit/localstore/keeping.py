"""What a change writes: objects into their rows, what they refer to into the graph, all of it into the journal.

A ``Keeping`` lives as long as one transaction. ``keep`` walks from the given objects to everything of which there is
data, as a pin does on iOS; ``refresh`` and ``rewrite`` write one object alone, as a save does there. Whatever no pin
reaches any more afterwards is dropped.

``Unfinished`` holds what has to wait for the commit, or be taken back in memory when there is none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, final

from parsekit import attrs
from parsekit.acl.acl import canonical_acl
from parsekit.errors import EngineError
from parsekit.localstore.records import (
    extra_text,
    knows_something,
    local_id,
    merge_into,
    node_of,
    operations_text,
    plain,
    read_extra,
    secrets_of,
    settle,
    values_of,
)
from parsekit.object import PFObject
from parsekit.object_state import LocalState
from parsekit.operations import AddRelation, RelationChange, RemoveRelation, relation_change
from parsekit.storage import journal
from parsekit.storage.layout import LOCAL_COLUMN
from parsekit.storage.local_graph import LocalGraph, Node
from parsekit.storage.local_rows import delete_row, ensure_layout, put_row, read_row
from parsekit.values import MISSING, Missing, Pointer, RelationReference, Value, equal

if TYPE_CHECKING:
    from parsekit.localstore.datastore import LocalDatastore
    from parsekit.storage.database import Connection

__all__ = ["PINS_CHANGED", "Keeping", "LocalChange", "Unfinished"]

_RELATIONS = (AddRelation, RemoveRelation, RelationChange)


@final
@attrs.frozen(slots=True, eq=False)
class LocalChange:
    """What queries see of one object before (``None``: not there) and after (``None``: gone) a change."""

    sequence: int
    class_name: str
    number: int
    before: dict[str, Value] | None
    after: dict[str, Value] | None


PINS_CHANGED: Final = LocalChange(0, "_Pin", 0, None, None)
"""Says that pins reach other objects now, which those who follow one pin have to know."""


@final
class Unfinished:
    """The changes of transactions under way, and how to take them back; the changes that are committed and not told."""

    def __init__(self) -> None:
        self.changes: list[LocalChange] = []
        self.undo: list[Callable[[], None]] = []
        self.ready: deque[tuple[LocalChange, ...]] = deque()

    def mark(self) -> tuple[int, int]:
        """Where a savepoint begins."""
        return len(self.changes), len(self.undo)

    def rewind(self, mark: tuple[int, int]) -> None:
        """Forget what came after ``mark`` and take it back in memory."""
        del self.changes[mark[0] :]
        while len(self.undo) > mark[1]:
            self.undo.pop()()

    def committed(self) -> None:
        """The transaction is on the disk."""
        if self.changes:
            self.ready.append(tuple(self.changes))
            self.changes.clear()
        self.undo.clear()


@final
class Keeping:
    """One transaction's writing."""

    def __init__(self, datastore: LocalDatastore, connection: Connection) -> None:
        self._datastore = datastore
        self._store = datastore.store
        self._objects = datastore.objects
        self._connection = connection
        self._unfinished = datastore.unfinished
        self.graph = LocalGraph(connection)
        self._queue: deque[tuple[PFObject, int]] = deque()
        self._numbers: dict[tuple[str, str], int] = {}
        self._fresh: set[int] = set()
        self._done: set[int] = set()

    # -- whole graphs ----------------------------------------------------------------------------

    def keep(self, objects: Sequence[PFObject]) -> list[int]:
        """Write objects and everything that they reach of which there is data; the nodes of ``objects``."""
        numbers = [self._number(obj) for obj in objects]
        self._queue.extend(zip(objects, numbers, strict=True))
        self._drain()
        return numbers

    def _drain(self) -> None:
        while self._queue:
            obj, number = self._queue.popleft()
            if number in self._done and obj.local_state is self._objects.live.get(number):
                continue
            self._done.add(number)
            state = self._adopt(obj, number)
            self._write(state, number, obj)

    def _number(self, obj: PFObject) -> int:
        state = obj.local_state
        if state is not None and state.watcher is not None and state.node:
            if state.watcher is not self._datastore:
                raise EngineError(
                    f"{obj.class_name} {obj.object_id or '(new)'}: another local datastore keeps it; "
                    "unpin it there first"
                )
            return state.node
        identity = obj.object_id
        if identity is None:
            return self._add(obj.class_name, None, state)
        return self._saved_number(
            obj.class_name, identity, has_data=obj.is_data_available or not _is_bare(obj)
        )

    def _saved_number(self, class_name: str, object_id: str, *, has_data: bool = False) -> int:
        """The node of a saved object. One that gets its first row now is numbered anew, as the last to come."""
        place = (class_name, object_id)
        number = self._numbers.get(place)
        if number is not None and (not has_data or number in self._fresh):
            return number
        node = self.graph.find(class_name, object_id)
        if node is None:
            number = self._add(class_name, object_id, None)
        elif has_data and not node.stored and node.number not in self._fresh:
            number = self.promoted(node)
        else:
            number = node.number
        self._numbers[place] = number
        return number

    def _add(self, class_name: str, object_id: str | None, state: LocalState | None) -> int:
        number = self.graph.add(class_name, object_id)
        self._fresh.add(number)
        if state is not None:  # an unsaved object is known by its state alone
            self._track(state, number)
        return number

    def promoted(self, node: Node) -> int:
        """Number anew a node that gets its first row now, so that it comes last in the order of its class."""
        number = self.graph.add(node.class_name, None)
        self.graph.replace(node.number, number)
        self.graph.identify(number, node.object_id)
        self.graph.set_stored(number, False, node.pending)
        self._fresh.add(number)
        state = self._objects.live.pop(node.number, None)
        if state is not None:
            self._track(state, number)
        return number

    def _track(self, state: LocalState, number: int) -> None:
        before = state.node, state.watcher

        def untrack() -> None:
            self._objects.live.pop(number, None)
            state.node, state.watcher = before
            if before[1] is not None:
                self._objects.live[before[0]] = state

        self._unfinished.undo.append(untrack)
        self._objects.track(state, number)

    def _adopt(self, obj: PFObject, number: int) -> LocalState:
        """Let the object share the state of its node, which learns what the object knows."""
        kept = self._objects.state(number)
        state = settle(obj)
        if kept is None or kept is state:
            if state.node != number or state.watcher is None:
                self._track(state, number)
            return state
        before = kept.copy()

        def part() -> None:
            obj._state = state
            kept.become(before)

        self._unfinished.undo.append(part)
        merge_into(kept, state)
        obj._state = kept
        return kept

    # -- one object ------------------------------------------------------------------------------

    def rewrite(self, state: LocalState, obj: PFObject) -> None:
        """Write an object whose pending operations have changed; unsaved objects that it refers to now come along."""
        self._unrelate(state, obj.class_name)
        self._write(state, state.node, obj, deep=False)
        self._drain()

    def refresh(self, number: int, obj: PFObject) -> None:
        """Write what the server has said of an object, which may be another one than those that are kept of it."""
        kept = self._objects.state(number)
        state = settle(obj)
        if kept is None or kept is state:
            if state.watcher is None or state.node != number:
                self._track(state, number)
            kept = state
        elif state.node == number:  # it was fetched: all that was there before is in it
            before = kept.copy()
            self._unfinished.undo.append(lambda: kept.become(before))
            kept.become(state)
            obj._state = kept
        else:
            before = kept.copy()
            self._unfinished.undo.append(lambda: kept.become(before))
            said = state.copy()
            said.operations.clear()
            merge_into(kept, said)
        self._write(kept, number, obj, deep=False)
        self._drain()

    def identify(self, number: int, object_id: str, class_name: str) -> None:
        """An object was saved for the first time: its node gets the objectId, and what refers to it is written anew."""
        other = self.graph.find(class_name, object_id)
        if other is not None and other.number != number:
            if other.stored:
                self._remove_row(other)
            self._objects.release(other.number)
            self.graph.replace(other.number, number)
        self.graph.identify(number, object_id)

    def rewrite_sources(self, number: int) -> None:
        """Write anew whatever refers to an object."""
        for source in self.graph.sources(number):
            node = self.graph.node(source)
            found = None if node is None else self._objects.object(source, node.class_name)
            if found is not None and found.local_state is not None and source != number:
                self._write(found.local_state, source, found, deep=False)

    def _write(self, state: LocalState, number: int, obj: PFObject, *, deep: bool = True) -> None:
        class_name = obj.class_name
        targets: set[int] = set()
        included = _included(obj) if deep else {}

        def refer(item: Any) -> Pointer:
            if isinstance(item, PFObject):
                pointer, child = self._referred(item, deep=deep)
            else:
                pointer, child = item, self._pointed(item, included)
            targets.add(child)
            return pointer

        if knows_something(state):
            secrets = secrets_of(class_name)
            fields = plain(values_of(state, secrets), refer)
            self._put(number, class_name, fields, extra_text(state, refer, secrets))
        else:
            self.graph.set_stored(number, False, operations_text(state.operations, refer))
        self._relate(state, number, obj, deep=deep)
        self.drop(self.graph.set_targets(number, targets))

    def _referred(self, item: PFObject, *, deep: bool) -> tuple[Pointer, int]:
        number = self._number(item)
        if item.object_id is None:
            if number in self._fresh and number not in self._done:
                self._queue.append((item, number))
            return Pointer(item.class_name, local_id(number)), number
        if deep and not _is_bare(item):
            self._queue.append((item, number))
        return item.__parse_pointer__(), number

    def _pointed(self, pointer: Pointer, included: Mapping[Pointer, PFObject]) -> int:
        number = node_of(pointer)
        if number is not None:
            return number
        came = included.get(pointer)
        number = self._saved_number(pointer.class_name, pointer.object_id, has_data=came is not None)
        if came is not None:
            self._queue.append((came, number))
        return number

    def _put(self, number: int, class_name: str, fields: dict[str, Value], extra: str | None) -> None:
        store, connection = self._store, self._connection
        layout = ensure_layout(
            store, connection, class_name, fields, self._datastore.surroundings.described(class_name)
        )
        old = read_row(connection, layout, number)
        before = None if old is None else dict(self._objects.fields(layout, old))
        acl = store.acl_number(connection, canonical_acl(fields.get("ACL")))
        put_row(connection, layout, number, fields, acl, extra, exists=old is not None)
        if old is None:
            self.graph.set_stored(number, True)
        row = read_row(connection, layout, number)
        assert row is not None
        after = dict(self._objects.fields(layout, row))
        if before is None or _changed_keys(before, after):
            self._record(class_name, number, before, after)

    def _relate(self, state: LocalState, number: int, obj: PFObject, *, deep: bool) -> None:
        """Note whom the object's relations lead to, as far as that is known."""
        for key, value in {**state.server, **state.estimated}.items():
            if not isinstance(value, RelationReference):
                continue
            known = self._datastore.surroundings.members(obj, key) if deep else None
            if known is not None:
                self.graph.forget_relation(number, key)
                self.graph.relate(number, key, [(member.class_name, member.object_id) for member in known])
        for key, operation in state.operations.items():
            if isinstance(operation, _RELATIONS):
                change = relation_change(operation)
                self.graph.relate(number, key, [(m.class_name, m.object_id) for m in change.added])
                self.graph.unrelate(number, key, [(m.class_name, m.object_id) for m in change.removed])

    def _unrelate(self, state: LocalState, class_name: str) -> None:
        """Take back what operations on relations did here that are not pending any more: they were reverted."""
        layout = self._store.catalog.layout(class_name)
        row = None if layout is None else read_row(self._connection, layout, state.node)
        text = None if layout is None or row is None else row[self._objects.positions(layout)[LOCAL_COLUMN]]
        if text is None:
            return
        for key, operation in read_extra(text, lambda value: value).operations:
            if isinstance(operation, _RELATIONS) and key not in state.operations:
                change = relation_change(operation)
                self.graph.unrelate(state.node, key, [(m.class_name, m.object_id) for m in change.added])
                self.graph.relate(state.node, key, [(m.class_name, m.object_id) for m in change.removed])

    # -- what goes -------------------------------------------------------------------------------

    def drop(self, numbers: Iterable[int]) -> None:
        """Forget nodes that no pin reaches."""
        for number in numbers:
            node = self.graph.node(number)
            if node is None:
                continue
            if node.stored:
                self._remove_row(node)
            self._release(number)
            self.graph.remove(number)

    def delete(self, number: int) -> None:
        """The object is gone: unpin it everywhere and take its data away."""
        node = self.graph.node(number)
        if node is None:
            return
        gone = self.graph.unroot(number)
        if node.stored:
            self._remove_row(node)
            self.graph.set_stored(number, False)
        self._release(number)
        gone += self.graph.set_targets(number, ())
        self.drop(dict.fromkeys(gone))

    def _release(self, number: int) -> None:
        state = self._objects.release(number)
        if state is not None:
            self._unfinished.undo.append(lambda: self._objects.track(state, number))

    def _remove_row(self, node: Node) -> None:
        layout = self._store.catalog.layouts[node.class_name]
        row = read_row(self._connection, layout, node.number)
        if row is None:
            return
        delete_row(self._connection, layout, node.number)
        self._record(node.class_name, node.number, dict(self._objects.fields(layout, row)), None)

    # -- the journal -----------------------------------------------------------------------------

    def _record(
        self, class_name: str, number: int, before: dict[str, Value] | None, after: dict[str, Value] | None
    ) -> None:
        identity = (after or before or {}).get("objectId") or local_id(number)
        kind: journal.ChangeKind = "create" if before is None else "delete" if after is None else "update"
        old, new = before, after
        if before is not None and after is not None:
            keys = _changed_keys(before, after)
            old = {key: before[key] for key in keys if key in before}
            new = {key: after[key] for key in keys if key in after}
        at = self._datastore.clock()
        sequence = journal.append(self._connection, at, class_name, identity, kind, old, new)
        self._unfinished.changes.append(LocalChange(sequence, class_name, number, before, after))


def _changed_keys(before: Mapping[str, Value], after: Mapping[str, Value]) -> set[str]:
    keys = {**before, **after}
    return {key for key in keys if not _same(before.get(key, MISSING), after.get(key, MISSING))}


def _same(old: Value | Missing, new: Value | Missing) -> bool:
    # what == takes for equal may still be true and 1
    return bool(old == new) and equal(old, new)


def _is_bare(obj: PFObject) -> bool:
    """Whether an object is its id and nothing else."""
    if obj.is_data_available:
        return False
    state = obj.local_state
    if state is None:
        return not (obj.context.fields.keys() - {"objectId", "createdAt", "updatedAt"})
    if state.server or state.operations or state.new:
        return False
    return state.row is None


def _included(obj: PFObject) -> dict[Pointer, PFObject]:
    """The objects that came with an object's includes."""
    found: dict[Pointer, PFObject] = {}
    for included in (obj.context.included or {}).values():
        for class_name, objects in included.items():
            found.update({Pointer(class_name, object_id): each for object_id, each in objects.items()})
    return found
