"""The write path: permission -> schema -> operations on the current row -> journal, in one transaction.

Every write runs inside ``Store.write()``: the row is read for update under the principal's write ACL, operations are
applied to what is there now (so two writers' increments both count), the row and its journal entry are written, and
only after the commit does anybody hear of it. Whatever raises before the commit rolls everything back.

``Write`` is one object's change on its way; system classes (users, roles, sessions) add their rules to it through
``ClassRules``. What an operation means is said in ``operations``, who may do what in ``acl.policy``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Protocol, final

import apsw
import attrs

from parsekit.acl.acl import canonical_acl
from parsekit.acl.clp import default_object_acl
from parsekit.acl.policy import Access
from parsekit.acl.system import missing_object
from parsekit.engine.infer import Inference
from parsekit.engine.views import PrincipalView
from parsekit.errors import ValidationError
from parsekit.operations import (
    AddRelation,
    Delete,
    OperationSet,
    RelationChange,
    RemoveRelation,
    Set,
    apply_path,
    relation_change,
    value_on_create,
)
from parsekit.query.dialect import Dialect
from parsekit.query.matcher import compile_predicate
from parsekit.schema import check_field
from parsekit.storage import journal
from parsekit.storage.layout import ClassLayout, join_table
from parsekit.storage.store import Store
from parsekit.storage.writer import StoredObject
from parsekit.values import MISSING, Missing, Value, date_to_ms

if TYPE_CHECKING:
    from parsekit.acl.principal import Principal

__all__ = ["Change", "ClassRules", "Write", "WritePath"]

_RELATION_OPERATIONS: Final = (AddRelation, RemoveRelation, RelationChange)


@final
@attrs.define(slots=True, eq=False)
class Write:
    """One object's change on its way to the disk.

    ``old`` are the fields before (``None`` on create), ``changed`` the new values by key, ``removed`` the keys to
    clear, ``acl`` the new ACL (``MISSING``: as it is), ``relations`` the members to add and to remove by key, ``echo``
    the keys whose values the answer carries beyond what Parse always answers.
    """

    class_name: str
    object_id: str
    view: PrincipalView
    now: datetime
    operations: OperationSet
    old: dict[str, Value] | None = None
    changed: dict[str, Value] = attrs.Factory(dict)
    removed: list[str] = attrs.Factory(list)
    acl: Value | Missing = MISSING
    relations: dict[str, tuple[list[str], list[str]]] = attrs.Factory(dict)
    echo: dict[str, Value | Missing] = attrs.Factory(dict)

    @property
    def creating(self) -> bool:
        """Whether the object is new."""
        return self.old is None

    def value(self, key: str) -> Value | Missing:
        """The value that ``key`` will have."""
        if key in self.changed:
            return self.changed[key]
        if key in self.removed or self.old is None:
            return MISSING
        return self.old.get(key, MISSING)


@final
@attrs.frozen(slots=True, eq=False)
class Change:
    """A committed (or about to be committed) change, for whoever wants to hear of it after the commit."""

    sequence: int
    class_name: str
    object_id: str
    kind: journal.ChangeKind
    before: dict[str, Value] | None
    after: dict[str, Value] | None


class ClassRules(Protocol):
    """What a system class adds to a write. Each method may change the ``Write`` or refuse it."""

    def before_write(self, write: Write, connection: apsw.Connection) -> None:
        """After schema validation, before the row is written."""

    def after_write(self, write: Write, connection: apsw.Connection) -> None:
        """After the row is written, in the same transaction."""

    def after_delete(self, write: Write, connection: apsw.Connection) -> None:
        """After the row is deleted, in the same transaction."""


@final
class WritePath:
    """Carries out writes. One per engine."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        rules: Mapping[str, ClassRules],
        publish: Callable[[Change], None],
        keep_journal: bool,
        inference: Inference,
    ) -> None:
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._rules = rules
        self._publish = publish
        self._keep_journal = keep_journal
        self._inference = inference

    # -- create ----------------------------------------------------------------------------------

    def create(
        self,
        connection: apsw.Connection,
        class_name: str,
        operations: OperationSet,
        view: PrincipalView,
        *,
        object_id: str | None = None,
        created_at: datetime | None = None,
        updated_at: datetime | None = None,
    ) -> Write:
        """Create an object; call inside ``Store.write()``. What it answers is in the ``Write``."""
        view.access(class_name, "create", "create")
        now = created_at or self._clock()
        write = Write(class_name, object_id or self._new_id(), view, now, operations)
        self._apply(write)
        layout = self._inference.ensure(connection, write)
        self._defaults(write, layout)
        self._validate(write, layout)
        rules = self._rules.get(class_name)
        if rules is not None:
            rules.before_write(write, connection)
        fields = {key: value for key, value in write.changed.items() if key not in layout.relations}
        fields["objectId"] = write.object_id
        fields["createdAt"] = now
        fields["updatedAt"] = updated_at or now
        acl = self._acl_of_new(write, layout)
        self._mark_nulls(connection, layout, fields)
        layout = self._store.catalog.layouts[class_name]
        number = self._store.acl_number(connection, canonical_acl(acl))
        self._store.writer.insert(connection, layout, fields, number)
        self._relate(connection, write)
        if rules is not None:
            rules.after_write(write, connection)
        self._record(connection, write, "create", None, _with_acl(fields, acl))
        return write

    def _acl_of_new(self, write: Write, layout: ClassLayout) -> Value:
        if write.acl is MISSING or write.acl is None:
            return default_object_acl(layout.schema, write.view.principal)
        return write.acl

    def _defaults(self, write: Write, layout: ClassLayout) -> None:
        for key, field in layout.schema.fields.items():
            if field.default is not MISSING and key not in write.changed and key not in write.removed:
                write.changed[key] = field.default
                write.echo[key] = field.default
            if field.required and write.value(key) in (MISSING, None, "") and not self._exempt(write, key):
                raise ValidationError(f"{key} is required")

    def _exempt(self, write: Write, key: str) -> bool:
        """A user's password is not stored under its key; ``user`` checks that there is one."""
        return write.class_name == "_User" and key in ("password", "username", "email")

    # -- update ----------------------------------------------------------------------------------

    def update(
        self,
        connection: apsw.Connection,
        class_name: str,
        object_id: str,
        operations: OperationSet,
        view: PrincipalView,
    ) -> Write:
        """Update an object; call inside ``Store.write()``. 101 when it is absent or may not be written."""
        access = view.access(class_name, "update")
        layout = self._store.catalog.layout(class_name)
        old = None if layout is None else self._read(connection, layout, object_id, view, access)
        if layout is None or old is None:
            raise missing_object(class_name, "update", view.principal)
        write = Write(class_name, object_id, view, self._clock(), operations, old=old.fields)
        self._apply(write)
        layout = self._inference.ensure(connection, write)
        self._validate(write, layout)
        self._still_required(write, layout)
        rules = self._rules.get(class_name)
        if rules is not None:
            rules.before_write(write, connection)
        changed = {key: value for key, value in write.changed.items() if key not in layout.relations}
        changed["updatedAt"] = write.now
        self._mark_nulls(connection, layout, changed)
        layout = self._store.catalog.layouts[class_name]
        number = old.acl
        if write.acl is not MISSING:
            number = self._store.acl_number(connection, canonical_acl({} if write.acl is None else write.acl))
        removed = [key for key in write.removed if key in layout.columns]
        self._store.writer.update(connection, layout, old, changed, removed, number)
        self._relate(connection, write)
        if rules is not None:
            rules.after_write(write, connection)
        self._record_update(connection, write, old, changed, removed)
        return write

    def _read(
        self,
        connection: apsw.Connection,
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

    def _still_required(self, write: Write, layout: ClassLayout) -> None:
        for key in (*write.changed, *write.removed):
            field = layout.schema.fields.get(key)
            if field is not None and field.required and write.value(key) in (MISSING, None, ""):
                if not self._exempt(write, key):
                    raise ValidationError(f"{key} is required")

    # -- delete ----------------------------------------------------------------------------------

    def delete(
        self, connection: apsw.Connection, class_name: str, object_id: str, view: PrincipalView
    ) -> None:
        """Delete an object; call inside ``Store.write()``. 101 when it is absent or may not be written."""
        access = view.access(class_name, "delete")
        layout = self._store.catalog.layout(class_name)
        old = None if layout is None else self._read(connection, layout, object_id, view, access)
        if layout is None or old is None:
            raise missing_object(class_name, "delete", view.principal)
        write = Write(class_name, object_id, view, self._clock(), OperationSet(), old=old.fields)
        self._store.writer.delete(connection, layout, old.rid, object_id)
        rules = self._rules.get(class_name)
        if rules is not None:
            rules.after_delete(write, connection)
        before = _with_acl(old.fields, self._store.acls.entry(connection, old.acl))
        self._record(connection, write, "delete", before, None)

    # -- the parts -------------------------------------------------------------------------------

    def _apply(self, write: Write) -> None:
        """Work out the new values from the operations and the values that are there."""
        for key, operation in write.operations.items():
            if key == "ACL":
                write.acl = operation.value if isinstance(operation, Set) else {}
                continue
            if isinstance(operation, _RELATION_OPERATIONS):
                write.relations[key] = _members(operation)
                continue
            root, *path = key.split(".")
            if write.creating and not path:
                after = value_on_create(operation)
            else:
                after = apply_path(operation, write.value(root), path)
            if after is MISSING:
                write.changed.pop(root, None)
                write.removed.append(root)
            else:
                write.changed[root] = after
                if root in write.removed:
                    write.removed.remove(root)
            if not isinstance(operation, Set | Delete) or path:
                write.echo[root] = after

    def _validate(self, write: Write, layout: ClassLayout) -> None:
        for key, value in write.changed.items():
            check_field(write.class_name, key, layout.schema.require_field(key), value)

    def _mark_nulls(
        self, connection: apsw.Connection, layout: ClassLayout, fields: Mapping[str, Value]
    ) -> None:
        fresh = [key for key, value in fields.items() if value is None and layout.keeps_null(key) and key not in layout.null_keys]
        if fresh:
            self._store.mark_null_keys(connection, layout.class_name, fresh)

    def _relate(self, connection: apsw.Connection, write: Write) -> None:
        for key, (added, removed) in write.relations.items():
            table = join_table(write.class_name, key)
            if removed:
                self._store.writer.unrelate(connection, table, write.object_id, removed)
            if added:
                self._store.writer.relate(connection, table, write.object_id, added)

    def _record_update(
        self,
        connection: apsw.Connection,
        write: Write,
        old: StoredObject,
        changed: dict[str, Value],
        removed: Iterable[str],
    ) -> None:
        before = {key: old.fields[key] for key in (*changed, *removed) if key in old.fields}
        after = dict(changed)
        if write.acl is not MISSING:
            before = _with_acl(before, self._store.acls.entry(connection, old.acl))
            after = _with_acl(after, write.acl)
        self._record(connection, write, "update", before, after)

    def _record(
        self,
        connection: apsw.Connection,
        write: Write,
        kind: journal.ChangeKind,
        before: dict[str, Value] | None,
        after: dict[str, Value] | None,
    ) -> None:
        sequence = 0
        if write.relations and after is not None:
            after = {**after, **{f"{key}": _journal_relation(change) for key, change in write.relations.items()}}
        if self._keep_journal:
            sequence = journal.append(
                connection, date_to_ms(write.now), write.class_name, write.object_id, kind, before, after
            )
        self._publish(Change(sequence, write.class_name, write.object_id, kind, before, after))


def _with_acl(fields: dict[str, Value], acl: Value) -> dict[str, Value]:
    return fields if acl is None else {**fields, "ACL": acl}


def _journal_relation(change: tuple[list[str], list[str]]) -> Value:
    added, removed = change
    return {"__op": "Relation", "add": added, "remove": removed}


def _members(operation: AddRelation | RemoveRelation | RelationChange) -> tuple[list[str], list[str]]:
    change = relation_change(operation)
    return [item.object_id for item in change.added], [item.object_id for item in change.removed]
