"""Many new objects at once: what an import writes with.

``Bulk.add`` holds an object against the schema and keeps it, ``Bulk.flush`` writes what was kept in one
transaction: an object whose id is there already is left as it is, the others are created with the ids, dates
and ACLs they bring. The journal and the listeners hear of each.

An import states facts: it runs under a principal to whom no permission applies, an object without an ACL
stays without one unless its class declares who owns its objects, and no hook is called. What the schema asks
for is asked here too, but for the password of a user, who cannot log in until one is set. Other objects of
classes with rules of their own (roles, sessions, users with a password) go through ``WritePath.create`` one
by one.

How rows get into a table is the affair of ``storage.bulk``, where the objects come from that of
``interchange``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, final

from parsekit import attrs
from parsekit.acl.acl import canonical_acl
from parsekit.acl.ownership import owned_acl
from parsekit.acl.principal import is_reserved_user_id
from parsekit.acl.system import forbidden
from parsekit.codec import check_interior
from parsekit.engine.write import Change
from parsekit.errors import (
    AggregateError,
    EngineError,
    InternalServerError,
    InvalidJsonError,
    KeyNameError,
    ParseError,
    TypeMismatchError,
    ValidationError,
)
from parsekit.operations import AddRelation, OperationSet, Set
from parsekit.schema import ClassSchema, Field, check_field, field_for_value, is_field_name
from parsekit.storage import bulk as storage
from parsekit.storage import journal
from parsekit.storage.layout import ClassLayout, join_table
from parsekit.storage.store import StaleCatalog
from parsekit.values import MISSING, Pointer, Value

if TYPE_CHECKING:
    from parsekit.acl.principal import Principal
    from parsekit.engine.core import ParseEngine
    from parsekit.engine.views import PrincipalView
    from parsekit.storage.database import Connection

__all__ = ["Bulk", "NewObject"]

_ATTEMPTS: Final = 20
_PASSWORDS: Final = frozenset({"password", "_hashed_password"})
_UNSET: Final = (MISSING, None, "")
_TYPES: Final[dict[str, type]] = {"String": str, "Boolean": bool, "Date": datetime, "Bytes": bytes}


@final
@attrs.define(slots=True, eq=False)
class NewObject:
    """An object to be created: its fields as values, members of its relations, and what an import may state.

    Without ``object_id`` one is drawn, without ``created_at`` it is the present, and ``updated_at`` is
    ``created_at``.
    """

    fields: dict[str, Value] = attrs.field(repr=False)
    object_id: str | None = None
    relations: Mapping[str, Sequence[Pointer]] = attrs.Factory(dict)
    acl: Value = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@final
class Bulk:
    """Creates objects in batches. The objects of a batch are of one class."""

    def __init__(self, engine: ParseEngine, principal: Principal) -> None:
        self._engine = engine
        self._principal = principal
        self._intakes: dict[str, _Intake] = {}
        self._batch: list[NewObject] = []
        self._class_name = ""
        self.created: Counter[str] = Counter()
        self.present: Counter[str] = Counter()

    def __len__(self) -> int:
        """How many objects wait for ``flush``."""
        return len(self._batch)

    def add(self, class_name: str, new: NewObject) -> None:
        """Check an object and keep it for the next ``flush``. Nothing is written.

        Raises:
            ParseError: what is wrong with it (105, 107, 111, 121, 123, 142); it is not kept.
            EngineError: objects of another class wait.
        """
        if class_name != self._class_name:
            if self._batch:
                raise EngineError(
                    f"Bulk.add: objects of {self._class_name} wait; flush() before {class_name}"
                )
            self._class_name = class_name
        self._intake(class_name).check(new)
        self._batch.append(new)

    def discard(self) -> None:
        """Forget the objects that wait."""
        self._batch = []

    def flush(self) -> None:
        """Write the objects that wait, in one transaction; those whose id is there stay as they are.

        Raises:
            AggregateError: 600, its ``errors`` holds the place in the batch and the reason; nothing is
                written.
            OperationForbiddenError: 119, permissions apply to the principal.
            StorageError: SQLite refused; nothing is written.
        """
        # SAFETY: ids and dates are a master's to state, and whoever may state them needs no permission.
        if not self._principal.bypasses_permissions:
            raise forbidden(
                "an import sets ids and dates, which only the master may; use engine.acting_as_master()"
            )
        batch, self._batch = self._batch, []
        if not batch:
            return
        for attempt in range(_ATTEMPTS):
            try:
                created = self._write(batch)
                break
            except StaleCatalog:  # another process changed a class: look at the objects once more
                if attempt == _ATTEMPTS - 1:
                    raise
                self._intakes.clear()
                for new in batch:
                    self._intake(self._class_name).check(new)
        self.created[self._class_name] += created
        self.present[self._class_name] += len(batch) - created
        self._engine.after_commit()

    def _intake(self, class_name: str) -> _Intake:
        intake = self._intakes.get(class_name)
        if intake is None:
            schema = self._engine.schema.get(class_name) or ClassSchema.new(class_name)
            intake = self._intakes[class_name] = _Intake(schema, self._engine.options.max_nesting)
        return intake

    # -- one transaction ---------------------------------------------------------------------------

    def _write(self, batch: Sequence[NewObject]) -> int:
        store, class_name = self._engine.store, self._class_name
        with store.write() as connection:
            view = self._engine.view(self._principal)
            view.access(class_name, "create", "create")
            layout = self._layout(connection)
            known = [new.object_id for new in batch if new.object_id is not None]
            present = storage.present_ids(connection, layout, known)
            fresh = [(place, new) for place, new in enumerate(batch) if new.object_id not in present]
            plain = [(place, new) for place, new in fresh if not self._ruled(new)]
            self._insert(connection, layout, plain)
            for place, new in fresh:
                if self._ruled(new):
                    self._create(connection, view, place, new)
            if class_name == "_Role" and fresh:
                store.bump(connection)
        return len(fresh)

    def _layout(self, connection: Connection) -> ClassLayout:
        """The class as the objects added so far need it."""
        store, intake = self._engine.store, self._intake(self._class_name)
        current = store.catalog.schema.get(self._class_name)
        if current is not None and current != intake.schema:
            raise StaleCatalog
        if store.catalog.layout(self._class_name) is None or intake.missing:
            store.put_class(connection, intake.complete())
            self._intakes.pop(self._class_name)
        return store.catalog.layouts[self._class_name]

    def _ruled(self, new: NewObject) -> bool:
        rules = self._engine.rules.get(self._class_name)
        return rules is not None and (self._class_name != "_User" or not _PASSWORDS.isdisjoint(new.fields))

    def _create(self, connection: Connection, view: PrincipalView, place: int, new: NewObject) -> None:
        operations = OperationSet()
        for key, value in new.fields.items():
            operations.perform(key, Set(value))
        for key, members in new.relations.items():
            operations.perform(key, AddRelation(tuple(members)))
        if new.acl is not None:
            operations.perform("ACL", Set(new.acl))
        try:
            self._engine.writes.create(
                connection,
                self._class_name,
                operations,
                view,
                object_id=new.object_id,
                created_at=new.created_at,
                updated_at=new.updated_at,
            )
        except ParseError as error:
            raise _refused(place, error) from error

    def _insert(
        self, connection: Connection, layout: ClassLayout, placed: Sequence[tuple[int, NewObject]]
    ) -> None:
        store, options = self._engine.store, self._engine.options
        now = options.clock()
        nulls: set[str] = set()
        rows: list[storage.BulkRow] = []
        for _, new in placed:
            new.object_id = new.object_id or options.new_id()
            new.created_at = new.created_at or now
            fields = new.fields
            if None in fields.values():
                fields = {
                    key: value for key, value in fields.items() if value is not None or layout.keeps_null(key)
                }
                nulls.update(key for key, value in fields.items() if value is None)
            fields["objectId"] = new.object_id
            fields["createdAt"] = new.created_at
            fields["updatedAt"] = new.updated_at or new.created_at
            if new.acl is None and layout.schema.ownership is not None:
                new.acl = owned_acl(layout.schema.ownership, fields)
            number = 0 if new.acl is None else store.acl_number(connection, canonical_acl(new.acl))
            rows.append((fields, number))
        if nulls - layout.null_keys:
            store.mark_null_keys(connection, self._class_name, sorted(nulls - layout.null_keys))
        try:
            storage.insert_rows(connection, layout, rows)
        except storage.RepeatedValue as repeated:
            raise _refused(placed[repeated.index][0], repeated.error) from repeated
        self._relate(connection, placed)
        self._record(connection, now, [(new, row[0]) for (_, new), row in zip(placed, rows, strict=True)])

    def _relate(self, connection: Connection, placed: Sequence[tuple[int, NewObject]]) -> None:
        for _, new in placed:
            for key, members in new.relations.items():
                ids = dict.fromkeys(member.object_id for member in members)
                table = join_table(self._class_name, key)
                self._engine.store.writer.relate(connection, table, str(new.object_id), ids)

    def _record(
        self, connection: Connection, now: datetime, written: Sequence[tuple[NewObject, dict[str, Value]]]
    ) -> None:
        """Journal the creations and tell the listeners, as ``WritePath`` does for a single one."""
        entries: list[tuple[str, dict[str, Value]]] = []
        for new, after in written:
            if new.acl is not None:
                after["ACL"] = new.acl
            for key, members in new.relations.items():
                ids = dict.fromkeys(member.object_id for member in members)
                after[key] = {"__op": "Relation", "add": list(ids), "remove": []}
            entries.append((after["objectId"], after))
        first = 0
        if self._engine.options.journal:
            first = journal.append_creations(connection, self._class_name, now, entries)
        for place, (identity, after) in enumerate(entries):
            sequence = first + place if first else 0
            self._engine.outbox.publish(Change(sequence, self._class_name, identity, "create", None, after))


@final
class _Intake:
    """What a class asks of its objects, and the fields that the objects added so far give it."""

    def __init__(self, schema: ClassSchema, max_nesting: int) -> None:
        self.schema = schema
        self._max_nesting = max_nesting
        self.missing: dict[str, Field] = {}
        self._tests = {key: _test_of(field) for key, field in schema.fields.items()}
        fields = schema.fields.items()
        self._defaults = {key: field.default for key, field in fields if field.default is not MISSING}
        secret = "password" if schema.name == "_User" else None
        self._required = [key for key, field in fields if field.required and key != secret]

    def complete(self) -> ClassSchema:
        """The class with the fields that it lacked."""
        return self.schema.with_fields(self.missing)

    def check(self, new: NewObject) -> None:
        """Refuse an object that does not fit; give it its defaults."""
        tests, fields = self._tests, new.fields
        for key, value in fields.items():
            test = tests.get(key)
            if test is None or not test(value):
                self._check_closely(key, value)
        for key, members in new.relations.items():
            for class_name in {member.class_name for member in members}:
                self._accept(key, Field("Relation", (class_name,)))
        for key, default in self._defaults.items():
            fields.setdefault(key, default)
        for key in self._required:
            if fields.get(key, MISSING) in _UNSET:
                raise ValidationError(f"{key} is required")
        if new.acl is not None:
            canonical_acl(new.acl)
        # SAFETY: an ACL that names such a user would name a role or everybody.
        if self.schema.name == "_User" and new.object_id is not None and is_reserved_user_id(new.object_id):
            raise InternalServerError("Invalid object ID.")

    def _check_closely(self, key: str, value: Value) -> None:
        """What the quick test leaves open: new keys, null, containers, enumerations, and what is wrong."""
        if key == "_hashed_password" and self.schema.name == "_User":
            return  # the rules of users take it from the maintenance key, and from nobody else
        if isinstance(value, float) and not isfinite(value):
            raise InvalidJsonError(f"{key}: NaN and infinities are not Parse numbers")
        if isinstance(value, dict | list):
            check_interior(value, self._max_nesting)
        found = field_for_value(value)
        if found is not None:
            self._accept(key, found)
        elif key not in self.schema.fields and not is_field_name(key):
            raise KeyNameError(f"Invalid field name: {key}.")
        if key in self.schema.fields:
            check_field(self.schema.name, key, self.schema.fields[key], value)

    def _accept(self, key: str, found: Field) -> None:
        """A key that the class does not have becomes a field of the type of its first value."""
        known = self.schema.fields.get(key) or self.missing.get(key)
        if known is None:
            if not is_field_name(key):
                raise KeyNameError(f"Invalid field name: {key}.")
            self.missing[key] = found
        elif not known.accepts(found):
            raise TypeMismatchError(
                f"schema mismatch for {self.schema.name}.{key}; "
                f"expected {known.describe()} but got {found.describe()}"
            )


def _test_of(field: Field) -> Callable[[Any], bool]:
    """A quick test that is true only of values that fit; whatever it turns down is looked at closely."""
    if field.enum:
        allowed = frozenset(item for item in field.enum if type(item) is str)
        return lambda value: type(value) is str and value in allowed
    if field.type == "Number":
        return lambda value: type(value) is int or (type(value) is float and isfinite(value))
    if field.type == "Pointer" and field.targets:
        targets = frozenset(field.targets)
        return lambda value: type(value) is Pointer and value.class_name in targets
    exact = _TYPES.get(field.type)
    return lambda value: type(value) is exact


def _refused(place: int, error: ParseError) -> AggregateError:
    refusal = AggregateError(f"object {place} of the batch: {error.message}", hint=error.hint)
    refusal.errors = [(place, error)]
    return refusal
