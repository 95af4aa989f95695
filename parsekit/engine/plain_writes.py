"""The writes that nearly all writes are: values that fit, into fields that are there, under no rule but the schema's.

``PlainWrites`` writes what ``storage.plain_rows`` made of operations, row and journal entry; ``PlainSaves`` saves one
object that way, in a transaction of its own. Whatever else a write may be (a new field, a null, an operation on what
is there, a hook, an ownership, a pointer permission, an object to be saved first, a refusal) goes the long way through
``saving`` and ``write``, with the same result: this is their short cut, and decides nothing that they do not decide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, final

from parsekit.acl.acl import canonical_acl
from parsekit.acl.ownership import acl_of_new_object
from parsekit.engine.write_parts import Change, LateChange
from parsekit.errors import ParseError
from parsekit.object import PFObject
from parsekit.storage import journal
from parsekit.storage.layout import ClassLayout, Stored
from parsekit.storage.plain_rows import PlainValues
from parsekit.values import MISSING, Pointer, Value, date_to_ms

if TYPE_CHECKING:
    from parsekit.acl.principal import Principal
    from parsekit.engine.core import ParseEngine
    from parsekit.engine.views import PrincipalView
    from parsekit.storage.database import Connection
    from parsekit.storage.store import Store

__all__ = ["PlainSaves", "PlainWrites"]


@final
class PlainWrites:
    """Writes plain values inside ``Store.write()``, the permission being settled."""

    def __init__(self, store: Store, *, publish: Callable[[LateChange], None], keep_journal: bool) -> None:
        self._store = store
        self._publish = publish
        self._keep_journal = keep_journal

    def create(
        self,
        connection: Connection,
        layout: ClassLayout,
        values: PlainValues,
        principal: Principal,
        object_id: str,
        now: datetime,
    ) -> Value:
        """Create an object. The ACL that its class gave it, ``None`` for none."""
        writer, at_ms = self._store.writer, date_to_ms(now)
        acl, number = self._acl_of(connection, layout, values, principal)
        cells = writer.plain_rows(layout).row(values, object_id, at_ms, number)
        writer.insert_row(connection, layout, cells)
        class_name, sequence = layout.schema.name, 0
        if self._keep_journal:
            sequence = journal.append_members(connection, at_ms, class_name, object_id, None, values.members)
        self._publish(partial(_creation, sequence, class_name, object_id, values.changed, acl, now))
        return acl if values.acl is MISSING else None

    def create_many(
        self,
        connection: Connection,
        layout: ClassLayout,
        drafts: Sequence[tuple[str, PlainValues]],
        principal: Principal,
        now: datetime,
    ) -> list[Value]:
        """Create objects by (objectId, values); the caller takes back what is written should this raise.

        The ACLs that their class gave them, ``None`` for none.
        """
        writer, at_ms = self._store.writer, date_to_ms(now)
        rows = writer.plain_rows(layout)
        acls: list[Value] = []
        cells: list[list[Stored]] = []
        for object_id, values in drafts:
            acl, number = self._acl_of(connection, layout, values, principal)
            acls.append(acl)
            cells.append(rows.row(values, object_id, at_ms, number))
        writer.insert_rows(connection, layout, cells)
        class_name, first = layout.schema.name, 0
        if self._keep_journal:
            members = ((object_id, values.members) for object_id, values in drafts)
            first = journal.append_created_members(connection, class_name, at_ms, members)
        for place, ((object_id, values), acl) in enumerate(zip(drafts, acls, strict=True)):
            sequence = first + place if first else 0
            self._publish(partial(_creation, sequence, class_name, object_id, values.changed, acl, now))
        return [acl if values.acl is MISSING else None for acl, (_, values) in zip(acls, drafts, strict=True)]

    def _acl_of(
        self, connection: Connection, layout: ClassLayout, values: PlainValues, principal: Principal
    ) -> tuple[Value, int]:
        """The ACL of a new object, ``None`` for none, and its number."""
        acl = values.acl
        if acl is MISSING:
            acl = acl_of_new_object(layout.schema, values.changed, principal)
        if acl is None:
            return None, 0
        text = canonical_acl(acl)
        values.members.append(f'"ACL":{text}')
        return acl, self._store.acl_number(connection, text)

    def update(
        self,
        connection: Connection,
        layout: ClassLayout,
        values: PlainValues,
        object_id: str,
        row: tuple[Any, ...],
        now: datetime,
    ) -> None:
        """Update the object of ``row``, as ``Writer.read_row`` gave it; it holds no explicit nulls."""
        store, changed = self._store, values.changed
        writer, at_ms = store.writer, date_to_ms(now)
        rows = writer.plain_rows(layout)
        cells = rows.update(values, at_ms)
        writer.update_row(connection, layout, row[0], cells, list(cells.values()))
        class_name, sequence = layout.schema.name, 0
        keys = (*changed, "updatedAt")
        if self._keep_journal:
            before = rows.former(keys, row)
            sequence = journal.append_members(
                connection, at_ms, class_name, object_id, before, values.members
            )

        def change() -> Change:
            old = writer.stored_object(layout, row)
            former = {key: old.fields[key] for key in keys if key in old.fields}
            acl = store.acls.entry(connection, old.acl)
            original = old.fields if acl is None else {**old.fields, "ACL": acl}
            after = {**changed, "updatedAt": now}
            return Change(sequence, class_name, object_id, "update", former, after, original)

        self._publish(change)


def _creation(
    sequence: int, class_name: str, object_id: str, changed: dict[str, Value], acl: Value, now: datetime
) -> Change:
    after = {**changed, "objectId": object_id, "createdAt": now, "updatedAt": now}
    if acl is not None:
        after["ACL"] = acl
    return Change(sequence, class_name, object_id, "create", None, after)


@final
class PlainSaves:
    """Saves one object the short way. One per engine."""

    def __init__(self, engine: ParseEngine) -> None:
        self._engine = engine
        self._store = engine.store
        self._writes = engine.writes.plain
        self._clock = engine.options.clock
        self._new_id = engine.options.new_id

    def save(self, obj: PFObject, principal: Principal) -> bool:
        """Save an object; ``False``, and nothing is done, for one that has to go the long way.

        Raises:
            DuplicateValueError: 137, a value that must be unique is there already.
            StorageError: SQLite refused.
        """
        store, state, shape = self._store, obj.local_state, obj.context.shape
        layout = store.catalog.layouts.get(shape.class_name)
        if state is None or layout is None or state.watcher is not None or store.database.in_write:
            return False
        if (shape.engine is not None and shape.engine is not self._engine) or not self._is_plain(layout):
            return False
        rows = store.writer.plain_rows(layout)
        values = rows.of(state.operations, _pointer_of)
        if values is None:
            return False
        object_id = obj.object_id
        creating = object_id is None or state.new
        if not (rows.creates(values) if creating else values.changed and values.acl is MISSING):
            return False
        operations = obj.begin_save()
        outset = store.begin()
        try:
            connection, view = store.database.writer, self._engine.view(principal)
            done: tuple[datetime, str | None, Value] | None = None
            if store.catalog.layouts.get(layout.class_name) is layout:  # else another process has changed it
                if creating:
                    done = self._create(connection, layout, values, view, object_id)
                else:
                    done = self._update(connection, layout, values, view, str(object_id))
        except BaseException as error:
            store.roll_back(outset, error)
            raise
        store.commit(outset)
        if done is None:
            return False
        obj.saved_plainly(operations, *done)
        self._engine.after_commit()
        return True

    def _is_plain(self, layout: ClassLayout) -> bool:
        """Whether nothing but the schema has a say in what is saved of a class."""
        engine, name = self._engine, layout.class_name
        if engine.local is not None or name in engine.rules or name in engine.writes.redirects:
            return False
        cloud = engine.cloud
        return cloud.is_empty or not (cloud.has("beforeSave", name) or cloud.has("afterSave", name))

    def _create(
        self,
        connection: Connection,
        layout: ClassLayout,
        values: PlainValues,
        view: PrincipalView,
        given: str | None,
    ) -> tuple[datetime, str, Value] | None:
        try:
            view.access(layout.class_name, "create", "create")
        except ParseError:
            return None
        now, object_id = self._clock(), given or self._new_id()
        acl = self._writes.create(connection, layout, values, view.principal, object_id, now)
        return now, object_id, acl

    def _update(
        self,
        connection: Connection,
        layout: ClassLayout,
        values: PlainValues,
        view: PrincipalView,
        object_id: str,
    ) -> tuple[datetime, None, None] | None:
        if layout.schema.ownership is not None:
            return None
        try:
            access = view.access(layout.class_name, "update")
        except ParseError:
            return None
        if access.conjunct is not None:
            return None
        write_map = self._store.write_map(connection, view.ids, "write")
        row = self._store.writer.read_row(connection, layout, object_id, write_map)
        if row is None or row[-1] is not None:
            return None
        now = self._clock()
        self._writes.update(connection, layout, values, object_id, row, now)
        return now, None, None


def _pointer_of(value: Value) -> Pointer | None:
    return value.stored_pointer() if isinstance(value, PFObject) else None
