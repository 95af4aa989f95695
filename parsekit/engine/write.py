"""The write path: permission -> hooks -> schema -> operations on the current row -> journal, in one transaction.

Every write runs inside ``Store.write()``: the row is read for update under the principal's write ACL, operations are
applied to what is there now (so two writers' increments both count), the row and its journal entry are written, and
only after the commit does anybody hear of it. Whatever raises before the commit rolls everything back.

``Write`` is one object's change on its way; system classes (users, roles, sessions) add their rules to it through
``ClassRules``, cloud code through ``WriteHooks``. What an operation means is said in ``operations``, what operations
make of an object in ``effects``, who may do what in ``acl.policy``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, final

from parsekit.acl.acl import canonical_acl
from parsekit.acl.ownership import acl_of_new_object, transferred_acl
from parsekit.acl.policy import Access
from parsekit.acl.system import missing_object, system_refusal
from parsekit.codec import STORED_LEVELS
from parsekit.engine.effects import check_values, fill_defaults, still_required, take_plain, work_out
from parsekit.engine.infer import Inference
from parsekit.engine.plain_writes import PlainWrites
from parsekit.engine.views import PrincipalView
from parsekit.engine.write_parts import (
    NO_CONTEXT,
    Change,
    ClassRules,
    LateChange,
    Redirecting,
    Write,
    WriteHooks,
)
from parsekit.errors import ParseError, SessionMissingError, ValidationError
from parsekit.operations import OperationSet
from parsekit.query.dialect import Dialect
from parsekit.query.matcher import compile_predicate
from parsekit.schema import ClassSchema
from parsekit.storage import journal
from parsekit.storage.bulk import RepeatedValue, insert_rows
from parsekit.storage.layout import ClassLayout, join_table
from parsekit.storage.plain_rows import PlainValues, PointerOf
from parsekit.storage.store import Store
from parsekit.storage.writer import StoredObject
from parsekit.values import MISSING, Value

if TYPE_CHECKING:
    from parsekit.acl.clp import Operation
    from parsekit.storage.database import Connection

__all__ = ["Change", "ClassRules", "Write", "WriteHooks", "WritePath"]


@final
class WritePath:
    """Carries out writes. One per engine. ``hooks`` is ``None`` while no cloud code is registered."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        rules: Mapping[str, ClassRules],
        publish: Callable[[LateChange], None],
        keep_journal: bool,
        inference: Inference,
        max_nesting: int = STORED_LEVELS,
    ) -> None:
        self._store = store
        self._max_nesting = max_nesting
        self._clock = clock
        self._new_id = new_id
        self._rules = rules
        self._publish = publish
        self._keep_journal = keep_journal
        self._inference = inference
        self.plain = PlainWrites(store, publish=publish, keep_journal=keep_journal)
        self.hooks: WriteHooks | None = None
        self.redirects: dict[str, Redirecting] = {}

    # -- create ----------------------------------------------------------------------------------

    def create(
        self,
        connection: Connection,
        class_name: str,
        operations: OperationSet,
        view: PrincipalView,
        *,
        object_id: str | None = None,
        created_at: datetime | None = None,
        updated_at: datetime | None = None,
        context: Mapping[str, Value] = NO_CONTEXT,
    ) -> Write:
        """Create an object; call inside ``Store.write()``. What it answers is in the ``Write``.

        An installation that is there already is updated instead.
        """
        redirect = self.redirects.get(class_name)
        if redirect is not None:
            target, operations = redirect.redirect(operations, view, None)
            if target is not None:
                return self.update_plainly(connection, class_name, target, operations, view, context=context)
        now = created_at or self._clock()
        if updated_at is not None and updated_at < now:
            raise ValidationError("updatedAt cannot occur before createdAt")
        write = Write(class_name, object_id or self._new_id(), view, now, operations, context=context)
        write.id_given = object_id is not None
        write.max_nesting = self._max_nesting
        if created_at is not None:
            write.made_at = self._clock()
        try:
            view.access(class_name, "create", "create")
        except ParseError as refusal:
            raise self._first_problem(connection, write, "create", refusal) from None
        rules = self._rules.get(class_name)
        if rules is not None:
            rules.before_schema(write, connection)
        if self.hooks is not None:
            self.hooks.before_save(write)
        if rules is None and updated_at is None and self._create_plainly(connection, write):
            if self.hooks is not None:
                self.hooks.after_save(write)
            return write
        layout = self._take(connection, write)
        fill_defaults(write, layout.schema)
        check_values(write, layout.schema)
        if rules is not None:
            rules.before_write(write, connection)
        layout, fields, acl = self._row_of(connection, write, layout)
        if updated_at is not None:
            fields["updatedAt"] = updated_at
        self._store.writer.insert(connection, layout, fields, acl)
        if write.relations:
            self._relate(connection, write)
        self._record(connection, write, "create", None, fields)
        if rules is not None:
            rules.after_write(write, connection)
        write.written = True
        if self.hooks is not None:
            self.hooks.after_save(write)
        return write

    def _create_plainly(self, connection: Connection, write: Write) -> bool:
        """Create an object that sets values which fit, and nothing else; ``False``, and nothing is done, for another.

        As ``_take``, ``fill_defaults``, ``check_values`` and ``_row_of`` together, in one look at each value.
        """
        layout = self._store.catalog.layout(write.class_name)
        if layout is None:
            return False
        rows = self._store.writer.plain_rows(layout)
        values = rows.of(write.operations)
        if values is None or not rows.creates(values):
            return False
        write.changed, write.acl = values.changed, values.acl
        write.plain = write.written = True
        given = self.plain.create(
            connection, layout, values, write.view.principal, write.object_id, write.now
        )
        if given is not None:
            write.echo["ACL"] = given
        return True

    def _take(self, connection: Connection, write: Write) -> ClassLayout:
        """Work out the new values, the schema being extended where they need it."""
        layout = self._store.catalog.layout(write.class_name)
        if layout is None or not take_plain(write, layout.schema):
            layout = self._inference.ensure(connection, write)
            work_out(write, layout.schema)
        return layout

    def _row_of(
        self, connection: Connection, write: Write, layout: ClassLayout
    ) -> tuple[ClassLayout, dict[str, Value], int]:
        """The fields of a new object, its ACL among them, and the ACL's number."""
        fields = write.changed.copy()
        fields["objectId"] = write.object_id
        fields["createdAt"] = fields["updatedAt"] = write.now
        acl = write.acl
        if acl is MISSING:
            acl = _default_acl(write, layout.schema, fields)
        if None in fields.values():
            fields = {
                key: value for key, value in fields.items() if value is not None or layout.keeps_null(key)
            }
            layout = self._mark_nulls(connection, layout, fields)
        if acl is None:
            return layout, fields, 0
        fields["ACL"] = acl
        return layout, fields, self._store.acl_number(connection, canonical_acl(acl))

    # -- create many -------------------------------------------------------------------------------

    def can_create_many(self, class_name: str) -> bool:
        """Whether ``create_many`` may create objects of a class: nothing but the schema has a say in them."""
        return class_name not in self._rules

    def create_many_plainly(
        self,
        connection: Connection,
        class_name: str,
        drafts: Iterable[tuple[str, OperationSet]],
        view: PrincipalView,
        pointer_of: PointerOf,
    ) -> tuple[datetime, list[Value]] | None:
        """``create_many`` of objects that set values which fit, and nothing else: when they were created, and the
        ACLs that the class gave them.

        ``None``, and nothing is done, should there be another among them. ``pointer_of`` gives the pointers for objects
        inside of operations.
        """
        layout = self._store.catalog.layout(class_name)
        if layout is None:
            return None
        rows = self._store.writer.plain_rows(layout)
        found: list[tuple[str, PlainValues]] = []
        for object_id, operations in drafts:
            values = rows.of(operations, pointer_of)
            if values is None or not rows.creates(values):
                return None
            found.append((object_id, values))
        now = self._clock()
        view.access(class_name, "create", "create")
        return now, self.plain.create_many(connection, layout, found, view.principal, now)

    def create_many(
        self,
        connection: Connection,
        class_name: str,
        drafts: Sequence[tuple[str, OperationSet]],
        view: PrincipalView,
    ) -> list[Write]:
        """Create objects of one class by (objectId, operations), at one moment; as ``create``, but for cloud code.

        All or none: the caller takes back what is written should this raise.
        """
        now = self._clock()
        view.access(class_name, "create", "create")
        layout: ClassLayout | None = None
        writes: list[Write] = []
        rows: list[tuple[dict[str, Value], int]] = []
        for object_id, operations in drafts:
            write = Write(class_name, object_id, view, now, operations)
            write.max_nesting = self._max_nesting
            layout = self._take(connection, write)
            fill_defaults(write, layout.schema)
            check_values(write, layout.schema)
            layout, fields, acl = self._row_of(connection, write, layout)
            writes.append(write)
            rows.append((fields, acl))
        if layout is not None:
            self._insert_many(connection, layout, writes, rows)
        return writes

    def _insert_many(
        self,
        connection: Connection,
        layout: ClassLayout,
        writes: Sequence[Write],
        rows: Sequence[tuple[dict[str, Value], int]],
    ) -> None:
        try:
            insert_rows(connection, layout, rows)
        except RepeatedValue as repeated:
            raise repeated.error from repeated
        changes: list[tuple[str, dict[str, Value]]] = []
        for write, (fields, _) in zip(writes, rows, strict=True):
            write.written = True
            after = fields
            if write.relations:
                self._relate(connection, write)
                after = {**fields, **_journal_relations(write.relations)}
            changes.append((write.object_id, after))
        first = 0
        if self._keep_journal:
            first = journal.append_creations(connection, layout.class_name, writes[0].now, changes)
        for place, (object_id, after) in enumerate(changes):
            sequence = first + place if first else 0
            self._publish(Change(sequence, layout.class_name, object_id, "create", None, after))

    # -- update ----------------------------------------------------------------------------------

    def update(
        self,
        connection: Connection,
        class_name: str,
        object_id: str,
        operations: OperationSet,
        view: PrincipalView,
        *,
        new_id: str | None = None,
        context: Mapping[str, Value] = NO_CONTEXT,
    ) -> Write:
        """Update an object; call inside ``Store.write()``. 101 when it is absent or may not be written.

        Another ``new_id`` moves the object to that id (server_divergences.md).
        """
        redirect = self.redirects.get(class_name)
        if redirect is not None:
            named = new_id == object_id
            target, operations = redirect.redirect(operations, view, object_id, named=named)
            object_id = target or object_id
        return self.update_plainly(
            connection, class_name, object_id, operations, view, new_id=new_id, context=context
        )

    def update_plainly(
        self,
        connection: Connection,
        class_name: str,
        object_id: str,
        operations: OperationSet,
        view: PrincipalView,
        *,
        new_id: str | None = None,
        context: Mapping[str, Value] = NO_CONTEXT,
        hooked: bool = True,
    ) -> Write:
        """Update this very object, whatever the rules of its class make of it; hooks hear of it if ``hooked``."""
        hooks = self.hooks if hooked else None
        now = self._clock()
        try:
            layout, old = self._for_update(connection, class_name, object_id, view, "update")
        except ParseError as refusal:
            refused = Write(class_name, object_id, view, now, operations, old={})
            raise self._first_problem(connection, refused, "update", refusal) from None
        write = Write(class_name, object_id, view, now, operations, old=old.fields, context=context)
        write.max_nesting = self._max_nesting
        write.old_acl = self._store.acls.entry(connection, old.acl)
        if new_id is not None and new_id != object_id:
            write.moved_to = new_id
        rules = self._rules.get(class_name)
        if rules is not None:
            rules.before_schema(write, connection)
        if hooks is not None:
            hooks.before_save(write)
        layout = self._take(connection, write)
        still_required(write, layout.schema)
        check_values(write, layout.schema)
        if rules is not None:
            rules.before_write(write, connection)
        ownership = layout.schema.ownership
        if ownership is not None and write.acl is MISSING and write.old_acl is not None:
            followed = transferred_acl(ownership, write.old_acl, old.fields, write.value)
            write.acl = MISSING if followed is None else followed
        self._put(connection, write, layout, old)
        if rules is not None:
            rules.after_write(write, connection)
        write.written = True
        if hooks is not None:
            hooks.after_save(write)
        return write

    def _put(self, connection: Connection, write: Write, layout: ClassLayout, old: StoredObject) -> None:
        changed = write.changed.copy()
        changed["updatedAt"] = write.now
        if write.moved_to is not None:
            changed["objectId"] = write.moved_to
        layout = self._mark_nulls(connection, layout, changed)
        number = old.acl
        if write.acl is not MISSING:
            number = self._store.acl_number(connection, canonical_acl(write.acl))
        self._store.writer.update(connection, layout, old, changed, write.removed, number)
        if write.relations:
            self._relate(connection, write)
        if write.moved_to is not None:
            self._move(connection, write, layout, changed)
        else:
            self._record_update(connection, write, changed)

    def _move(
        self, connection: Connection, write: Write, layout: ClassLayout, changed: dict[str, Value]
    ) -> None:
        """The journal knows no moving: the object is deleted there and created anew under its new id."""
        assert write.old is not None and write.moved_to is not None
        members = self._store.writer.clear_relations(connection, layout, write.object_id)
        self._record_delete(connection, write, members)
        write.object_id = write.moved_to
        write.relations = {key: (ids, []) for key, ids in members.items()}
        self._relate(connection, write)
        kept = {
            key: value
            for key, value in write.old.items()
            if key not in write.removed and key not in layout.relations
        }
        acl = write.old_acl if write.acl is MISSING else write.acl
        self._record(connection, write, "create", None, _with_acl({**kept, **changed}, acl))

    def _first_problem(
        self, connection: Connection, write: Write, operation: Operation, refusal: ParseError
    ) -> ParseError:
        """The error of a refused write: what is wrong with it itself, which the server looks at first (C15).

        The transaction is lost anyway, so the schema may be changed on the way.
        """
        rules = self._rules.get(write.class_name)
        refused = system_refusal(write.class_name, operation, write.view.principal)
        if refused is not None and not isinstance(refused, SessionMissingError):
            return refusal
        try:
            if rules is not None:
                rules.before_refusal(write, connection)
            layout = self._inference.ensure(connection, write)
            if operation == "update":
                work_out(write, layout.schema)
                still_required(write, layout.schema)
                if rules is not None:
                    rules.check_values(write, connection)
        except ParseError as problem:
            return problem
        return refusal

    def _for_update(
        self,
        connection: Connection,
        class_name: str,
        object_id: str,
        view: PrincipalView,
        operation: Operation,
    ) -> tuple[ClassLayout, StoredObject]:
        access = view.access(class_name, operation)
        layout = self._store.catalog.layout(class_name)
        old = None if layout is None else self._read(connection, layout, object_id, view, access)
        if layout is None or old is None:
            raise missing_object(class_name, operation, view.principal)
        return layout, old

    def _read(
        self,
        connection: Connection,
        layout: ClassLayout,
        object_id: str,
        view: PrincipalView,
        access: Access,
    ) -> StoredObject | None:
        """The row, when ACL and pointer permissions let the principal write it."""
        write_map = self._store.write_map(connection, view.ids, "write")
        old = self._store.writer.read(connection, layout, object_id, write_map)
        if old is None or access.conjunct is None:
            return old
        allowed = compile_predicate(access.conjunct, Dialect.SERVER)
        return old if allowed(old.fields) else None

    # -- delete ----------------------------------------------------------------------------------

    def delete(
        self,
        connection: Connection,
        class_name: str,
        object_id: str,
        view: PrincipalView,
        *,
        context: Mapping[str, Value] = NO_CONTEXT,
    ) -> None:
        """Delete an object; call inside ``Store.write()``. 101 when it is absent or may not be written."""
        self._delete(connection, class_name, object_id, view, self.hooks, context)

    def purge(self, connection: Connection, class_name: str, object_id: str, view: PrincipalView) -> None:
        """Delete an object without asking cloud code (PurgeRouter)."""
        self._delete(connection, class_name, object_id, view, None, NO_CONTEXT)

    def _delete(
        self,
        connection: Connection,
        class_name: str,
        object_id: str,
        view: PrincipalView,
        hooks: WriteHooks | None,
        context: Mapping[str, Value],
    ) -> None:
        layout, old = self._for_update(connection, class_name, object_id, view, "delete")
        write = Write(
            class_name, object_id, view, self._clock(), OperationSet(), old=old.fields, context=context
        )
        write.old_acl = self._store.acls.entry(connection, old.acl)
        if hooks is not None:
            hooks.before_delete(write)
        members = self._store.writer.delete(connection, layout, old.rid, object_id)
        rules = self._rules.get(class_name)
        if rules is not None:
            rules.after_delete(write, connection)
        self._record_delete(connection, write, members)
        if hooks is not None:
            hooks.after_delete(write)

    # -- the parts -------------------------------------------------------------------------------

    def _mark_nulls(
        self, connection: Connection, layout: ClassLayout, fields: Mapping[str, Value]
    ) -> ClassLayout:
        if None not in fields.values():
            return layout
        fresh = [key for key, value in fields.items() if value is None and key not in layout.null_keys]
        if not fresh:
            return layout
        self._store.mark_null_keys(connection, layout.class_name, fresh)
        return self._store.catalog.layouts[layout.class_name]

    def _relate(self, connection: Connection, write: Write) -> None:
        """Change the members of relations; ``write.relations`` then has those that really came and went."""
        writer = self._store.writer
        for key, (added, removed) in write.relations.items():
            table = join_table(write.class_name, key)
            gone = writer.unrelate(connection, table, write.object_id, removed) if removed else []
            new = writer.relate(connection, table, write.object_id, added) if added else []
            write.relations[key] = (new, gone)

    def _record_update(self, connection: Connection, write: Write, changed: dict[str, Value]) -> None:
        assert write.old is not None
        old: dict[str, Value] = write.old
        before = {key: old[key] for key in (*changed, *write.removed) if key in old}
        after = changed
        if write.acl is not MISSING:
            before, after = _with_acl(before, write.old_acl), _with_acl(after, write.acl)
        self._record(connection, write, "update", before, after, _with_acl(old, write.old_acl))

    def _record_delete(self, connection: Connection, write: Write, members: Mapping[str, list[str]]) -> None:
        assert write.old is not None
        before = _with_acl(write.old, write.old_acl)
        write.relations = {key: ([], ids) for key, ids in members.items()}
        self._record(connection, write, "delete", before, None)

    def _record(
        self,
        connection: Connection,
        write: Write,
        kind: journal.ChangeKind,
        before: dict[str, Value] | None,
        after: dict[str, Value] | None,
        original: dict[str, Value] | None = None,
    ) -> None:
        sequence = 0
        told = after
        if write.relations:
            told = {**(after or {}), **_journal_relations(write.relations)}
            after = None if after is None else told
        if self._keep_journal:
            sequence = journal.append(
                connection,
                write.now,
                write.class_name,
                write.object_id,
                kind,
                before,
                told or None,
            )
        self._publish(Change(sequence, write.class_name, write.object_id, kind, before, after, original))


def _default_acl(write: Write, schema: ClassSchema, fields: Mapping[str, Value]) -> dict[str, Value] | None:
    """The ACL that the class gives an object that comes without one; the answer tells of it."""
    acl = acl_of_new_object(schema, fields, write.view.principal)
    if acl is not None:
        write.echo["ACL"] = acl
    return acl


def _with_acl(fields: dict[str, Value], acl: Value) -> dict[str, Value]:
    return fields if acl is None else {**fields, "ACL": acl}


def _journal_relations(relations: Mapping[str, tuple[list[str], list[str]]]) -> dict[str, Value]:
    """The relations whose members changed, as the journal has them."""
    return {
        key: {"__op": "Relation", "add": added, "remove": removed}
        for key, (added, removed) in relations.items()
        if added or removed
    }
