"""A random life of a database against a dictionary: writes, queries, transactions, rollback, reopening."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

import parsekit
from parsekit import PFObject, PFQuery, Principal
from parsekit.errors import ObjectNotFoundError, TypeMismatchError
from parsekit.operations import (
    Add,
    AddUnique,
    Delete,
    Increment,
    Operation,
    OperationSet,
    Remove,
    Set,
    apply,
    value_on_create,
)
from parsekit.storage import journal
from parsekit.values import MISSING

MASTER = Principal.master()
SCHEMA = parsekit.Schema(
    [parsekit.ClassSchema.new("Thing", {"n": parsekit.Field("Number"), "t": parsekit.Field("Array")})]
)
numbers = st.integers(-3, 3)
items = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3)
number_operations = st.one_of(
    numbers.map(Set), st.builds(Increment, numbers), st.just(Delete()), st.just(Set(None))
)
list_operations = st.one_of(
    items.map(Set), items.map(Add), items.map(AddUnique), items.map(Remove), st.just(Delete())
)
changes = st.fixed_dictionaries({}, optional={"n": number_operations, "t": list_operations})


class _Undo(Exception):
    pass


class Life(RuleBasedStateMachine):
    objects = Bundle("objects")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp(prefix="parsekit-life-")
        self.model: dict[str, dict[str, Any]] = {}
        self.saved: list[dict[str, dict[str, Any]]] = []
        self.transactions: list[ExitStack] = []
        self.heard: list[str] = []
        self.open()

    def open(self) -> None:
        self.engine = parsekit.open(Path(self.folder) / "life.db", schema=SCHEMA)
        self.engine.on_changes(lambda found: self.heard.extend(change.object_id for change in found))

    def teardown(self) -> None:
        while self.transactions:
            self.transactions.pop().close()
        self.engine.close()
        shutil.rmtree(self.folder)

    # -- changes ---------------------------------------------------------------------------------

    @rule(target=objects, operations=changes)
    def create(self, operations: dict[str, Operation]) -> str:
        answer = self.engine.direct.create("Thing", _set_of(operations), MASTER)
        after = {key: value_on_create(operation) for key, operation in operations.items()}
        self.model[answer.object_id] = {key: value for key, value in after.items() if value is not MISSING}
        return answer.object_id

    @rule(which=objects, operations=changes)
    def update(self, which: str, operations: dict[str, Operation]) -> None:
        fields = self.model.get(which)
        if fields is None:
            _refused(lambda: self.engine.direct.update("Thing", which, _set_of(operations), MASTER))
            return
        try:
            after = {key: apply(operation, fields.get(key, MISSING)) for key, operation in operations.items()}
        except TypeMismatchError:  # an operation on a null
            before = self.stored()
            try:
                self.engine.direct.update("Thing", which, _set_of(operations), MASTER)
            except TypeMismatchError:
                assert self.stored() == before
                return
            raise AssertionError("the model refuses what the engine allows") from None
        self.engine.direct.update("Thing", which, _set_of(operations), MASTER)
        merged = {**fields, **after}
        self.model[which] = {key: value for key, value in merged.items() if value is not MISSING}

    @rule(which=consumes(objects))
    def delete(self, which: str) -> None:
        if self.model.pop(which, None) is None:
            _refused(lambda: self.engine.direct.delete("Thing", which, MASTER))
        else:
            self.engine.direct.delete("Thing", which, MASTER)

    @rule(which=objects)
    def a_refused_write_changes_nothing(self, which: str) -> None:
        operations = _set_of({"n": Set("text"), "t": Set(["z"])})
        try:
            self.engine.direct.update("Thing", which, operations, MASTER)
        except (TypeMismatchError, ObjectNotFoundError):
            return
        raise AssertionError("a text is no number")

    # -- transactions and reopening --------------------------------------------------------------

    @rule()
    @precondition(lambda self: len(self.transactions) < 3)
    def begin(self) -> None:
        stack = ExitStack()
        stack.enter_context(self.engine.transaction())
        self.transactions.append(stack)
        self.saved.append({key: dict(fields) for key, fields in self.model.items()})

    @rule()
    @precondition(lambda self: self.transactions)
    def commit(self) -> None:
        self.saved.pop()
        self.transactions.pop().close()

    @rule()
    @precondition(lambda self: self.transactions)
    def roll_back(self) -> None:
        self.model = self.saved.pop()
        stack = self.transactions.pop()
        error = _Undo()
        with suppress(_Undo):
            stack.__exit__(_Undo, error, None)

    @rule()
    @precondition(lambda self: not self.transactions)
    def reopen(self) -> None:
        self.engine.close()
        self.open()

    # -- what must always hold ---------------------------------------------------------------------

    def stored(self) -> dict[str, dict[str, Any]]:
        with self.engine.acting_as_master():
            found: list[PFObject] = PFQuery("Thing").limit(1000).find()
        return {
            str(obj.object_id): {key: obj.raw(key) for key in ("n", "t") if obj.raw(key) is not MISSING}
            for obj in found
        }

    @invariant()
    def the_database_holds_what_the_model_holds(self) -> None:
        assert self.stored() == self.model

    @invariant()
    def queries_agree(self) -> None:
        with self.engine.acting_as_master():
            positive = PFQuery("Thing").where_key("n", greater_than=0).count()
            with_a = PFQuery("Thing").where_key("t", equal_to="a").count()
        assert positive == sum((fields.get("n") or 0) > 0 for fields in self.model.values())
        assert with_a == sum("a" in (fields.get("t") or ()) for fields in self.model.values())

    @invariant()
    def the_journal_rebuilds_the_table(self) -> None:
        rebuilt: dict[str, dict[str, Any]] = {}
        for entry in journal.entries(self.engine.store.database.reader(), 0):
            if entry.kind == "delete":
                del rebuilt[entry.object_id]
                continue
            fields = {} if entry.kind == "create" else rebuilt[entry.object_id]
            for key in entry.before or {}:
                fields.pop(key, None)
            rebuilt[entry.object_id] = {**fields, **(entry.after or {})}
        kept = {
            key: {name: value for name, value in fields.items() if name in ("n", "t")}
            for key, fields in rebuilt.items()
        }
        assert kept == self.model


def _set_of(operations: dict[str, Operation]) -> OperationSet:
    found = OperationSet()
    for key, operation in operations.items():
        found.perform(key, operation)
    return found


def _refused(write: Any) -> None:
    try:
        write()
    except ObjectNotFoundError:
        return
    raise AssertionError("an object that is gone was written")


Life.TestCase.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
TestLife = Life.TestCase
