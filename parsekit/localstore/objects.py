"""Rows of the local datastore -> objects, and the one state that all objects of a row share.

As on iOS there is one truth about an object in memory: whoever pinned it, found it or changed it holds a ``PFObject``
of its own, but objects that can change share a ``LocalState`` by their node's number. A found object that nobody
changes stays a lazy row like any other result; its first change takes the shared state.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, final
from weakref import WeakValueDictionary

from parsekit.localstore.records import node_of, read_extra, read_operations, recompute
from parsekit.object import PFObject, hydrate
from parsekit.object_state import (
    CONTAINER,
    NO_FIELDS,
    PLAIN,
    POINTER,
    SYSTEM_KEYS,
    FieldEntry,
    LocalState,
    ResultContext,
    ResultShape,
)
from parsekit.query.state import QueryState
from parsekit.storage.layout import (
    ACL_COLUMN,
    LOCAL_COLUMN,
    NULLS_COLUMN,
    RID_COLUMN,
    ClassLayout,
    split_nulls,
)
from parsekit.storage.local_graph import LocalGraph
from parsekit.storage.local_rows import Row, local_columns, read_row
from parsekit.values import MISSING, Pointer, Value

if TYPE_CHECKING:
    from parsekit.localstore.datastore import LocalDatastore

__all__ = ["Found", "LocalObjects"]

_CONTAINERS = frozenset({"Array", "Object", "Mixed"})


@final
class Found(dict[str, Value]):
    """An object as the matcher sees it, and the row it stands in."""

    __slots__ = ("row",)

    row: Row


@final
class LocalObjects:
    """Makes objects of rows. One per local datastore."""

    def __init__(self, datastore: LocalDatastore) -> None:
        self._datastore = datastore
        self._shapes: dict[ClassLayout, ResultShape] = {}
        self._loose: dict[str, ResultShape] = {}
        self._positions: dict[ClassLayout, dict[str, int]] = {}
        self.live: WeakValueDictionary[int, LocalState] = WeakValueDictionary()
        """The shared states that somebody holds, by node."""

        datastore.store.on_reload(self._forget)

    def _forget(self) -> None:
        self._shapes, self._positions = {}, {}

    # -- rows ------------------------------------------------------------------------------------

    def positions(self, layout: ClassLayout) -> dict[str, int]:
        """Column name -> its place in a row."""
        found = self._positions.get(layout)
        if found is None:
            found = {name: place for place, name in enumerate(local_columns(layout))}
            self._positions[layout] = found
        return found

    def number(self, layout: ClassLayout, row: Row) -> int:
        """The node of a row."""
        return int(row[self.positions(layout)[RID_COLUMN]])

    def fields(self, layout: ClassLayout, row: Row) -> Found:
        """What queries see of a row."""
        positions = self.positions(layout)
        found = Found(layout.fields_of_row(positions, row))
        found["className"] = layout.class_name
        acl = self._datastore.store.acl_json(row[positions[ACL_COLUMN]])
        if acl is not None:
            found["ACL"] = acl
        found.row = row
        return found

    def tested(self, layout: ClassLayout, row: Row, keys: Collection[str]) -> Found:
        """What queries see of a row under some keys, and its id: all that a test of them looks at."""
        positions = self.positions(layout)
        nulls = split_nulls(row[positions[NULLS_COLUMN]])
        found = Found(dict.fromkeys(nulls))
        for key in keys:
            column = layout.columns.get(key)
            if column is None or not column.names:
                continue
            stored = row[positions[column.names[0]]]
            if stored is not None:
                if len(column.names) == 2:
                    stored = (stored, row[positions[column.names[1]]])
                found[key] = stored if column.decode is None else column.decode(stored)
        identity = row[positions["objectId"]]
        if identity is not None:
            found["objectId"] = identity
        if "ACL" in keys and row[positions[ACL_COLUMN]]:
            found["ACL"] = self._datastore.store.acl_json(row[positions[ACL_COLUMN]])
        found["className"] = layout.class_name
        found.row = row
        return found

    # -- objects ---------------------------------------------------------------------------------

    def shape(self, layout: ClassLayout) -> ResultShape:
        """How the rows of a class are read."""
        shape = self._shapes.get(layout)
        if shape is None:
            positions = self.positions(layout)
            shape = self._shapes[layout] = ResultShape(
                layout.class_name,
                _entries(positions, layout),
                acl_at=positions[ACL_COLUMN],
                nulls_at=positions[NULLS_COLUMN],
                acl_of=self._datastore.store.acl_json,
                engine=self._datastore.owner,
                classes=self._datastore.class_for,
                watcher=self._datastore,
            )
        return shape

    def loose(self, class_name: str) -> ResultContext:
        """What an object without a row of its own is read by."""
        shape = self._loose.get(class_name)
        if shape is None:
            shape = self._loose[class_name] = ResultShape(
                class_name,
                NO_FIELDS,
                engine=self._datastore.owner,
                classes=self._datastore.class_for,
                watcher=self._datastore,
            )
        return ResultContext(shape, False)

    def hydrate(self, layout: ClassLayout, rows: Sequence[Row], kind: type[Any] | None) -> list[Any]:
        """The objects of rows, in their order."""
        made = self._datastore.class_for(layout.class_name) if kind is None else kind
        context = ResultContext(self.shape(layout), True)
        extra_at = self.positions(layout)[LOCAL_COLUMN]
        if not self.live and all(row[extra_at] is None for row in rows):
            return hydrate(made, rows, context)
        loose = self.loose(layout.class_name)
        number_at = self.positions(layout)[RID_COLUMN]
        objects: list[Any] = []
        for row in rows:
            state = self.live.get(row[number_at])
            if state is None and row[extra_at] is None:
                objects += hydrate(made, [row], context)
            else:
                objects.append(self.facade(state or self._read(layout, row), made, loose))
        return objects

    def facade(self, state: LocalState, kind: type[Any], context: ResultContext) -> Any:
        """An object over a shared state."""
        obj = object.__new__(kind)
        obj._context, obj._state = context, state
        return obj

    def projected(self, obj: Any, state: QueryState) -> Any:
        """A copy of an object with the keys that ``state`` selects; changes of it are kept by nobody."""
        asked = None if state.keys is None else {key.partition(".")[0] for key in state.keys}
        values = {key: obj.raw(key) for key in obj.keys()}  # noqa: SIM118 - its keys, not those of a dict
        if obj.acl is not None:
            values["ACL"] = obj.acl.to_json()
        kept = {
            key: value
            for key, value in values.items()
            if key == "ACL" or ((asked is None or key in asked) and key not in state.exclude_keys)
        }
        kept.update(createdAt=obj.created_at, updatedAt=obj.updated_at)
        shape = ResultShape(
            obj.class_name, NO_FIELDS, engine=self._datastore.owner, classes=self._datastore.class_for
        )
        copy = type(obj).from_fields(ResultContext(shape, False), obj.object_id, kept)
        local = copy.local_state
        assert local is not None
        local.complete = local.new = False
        copy.context.included = obj.context.included
        return copy

    # -- states ----------------------------------------------------------------------------------

    def state(self, number: int) -> LocalState | None:
        """The shared state of a node: the one that is held, else read anew; ``None`` when nothing of it is kept."""
        held = self.live.get(number)
        if held is not None:
            return held
        connection = self._datastore.store.database.reader()
        node = LocalGraph(connection).node(number)
        if node is None:
            return None
        layout = self._datastore.store.catalog.layout(node.class_name)
        if node.stored and layout is not None:
            row = read_row(connection, layout, number)
            return None if row is None else self._read(layout, row)
        if node.pending is None:
            return None
        state = self._begin(number, complete=False)
        state.object_id = node.object_id
        for key, operation in read_operations(node.pending, self.resolved):
            state.operations.perform(key, operation)
        recompute(state)
        return state

    def track(self, state: LocalState, number: int) -> None:
        """Let ``state`` be the shared state of a node."""
        state.node, state.watcher = number, self._datastore
        self.live[number] = state

    def release(self, number: int) -> LocalState | None:
        """The node is gone: what shares its state goes on as objects that nobody keeps."""
        state = self.live.pop(number, None)
        if state is not None:
            state.node, state.watcher = 0, None
        return state

    def _begin(self, number: int, *, complete: bool) -> LocalState:
        state = LocalState(None, complete=complete)
        self.track(state, number)  # before anything is resolved: objects may refer to each other in a circle
        return state

    def _read(self, layout: ClassLayout, row: Row) -> LocalState:
        positions = self.positions(layout)
        fields: Mapping[str, Value] = self.fields(layout, row)
        state = self._begin(row[positions[RID_COLUMN]], complete=True)
        state.object_id = fields.get("objectId")
        state.created_at, state.updated_at = fields.get("createdAt"), fields.get("updatedAt")
        state.server = {key: value for key, value in fields.items() if key not in SYSTEM_KEYS}
        text = row[positions[LOCAL_COLUMN]]
        if text is None:
            return state
        extra = read_extra(text, self.resolved)
        for key, operation in extra.operations:
            state.server.pop(key, None)
            state.operations.perform(key, operation)
        state.server.update(extra.server)
        state.new = extra.new
        if extra.keys is not None:
            state.complete = False
            state.server = {key: state.server.get(key, MISSING) for key in extra.keys}
        recompute(state)
        return state

    def resolved(self, value: Any) -> Any:
        """``value`` with objects in the place of local ids."""
        if isinstance(value, Pointer):
            number = node_of(value)
            state = None if number is None else self.state(number)
            if state is None:
                return value
            kind = self._datastore.class_for(value.class_name)
            return self.facade(state, kind, self.loose(value.class_name))
        if isinstance(value, list | tuple):
            return [self.resolved(item) for item in value]
        if isinstance(value, dict):
            return {key: self.resolved(item) for key, item in value.items()}
        return value

    def object(self, number: int, class_name: str) -> PFObject | None:
        """The object of a node, ``None`` when nothing of it is kept."""
        state = self.state(number)
        if state is None:
            return None
        found: PFObject = self.facade(state, self._datastore.class_for(class_name), self.loose(class_name))
        return found


def _entries(positions: Mapping[str, int], layout: ClassLayout) -> dict[str, FieldEntry]:
    entries: dict[str, FieldEntry] = {}
    for column in layout.stored_columns():
        place = positions[column.names[0]]
        kind = column.field.type
        presented = (
            POINTER if kind == "Pointer" else CONTAINER if kind in _CONTAINERS or kind == "File" else PLAIN
        )
        at: Any = slice(place, place + 2) if len(column.names) == 2 else place
        entries[column.key] = (at, column.decode, presented)
    return entries
