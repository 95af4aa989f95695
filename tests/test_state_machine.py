"""Save, update, delete, query, transactions and reopening, in any order, against a dictionary."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

import parsekit
from parsekit import PFObject, PFQuery
from parsekit.errors import ObjectNotFoundError

NUMBERS = st.integers(-5, 5)
TEXTS = st.sampled_from(["a", "b", "ab", ""])
Fields = dict[str, Any]


class Notes(RuleBasedStateMachine):
    """``model`` is what is committed or visible in the transaction under way; ``saved`` its states before each."""

    notes = Bundle("notes")

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="parsekit-machine-")
        self.path = Path(self.folder.name) / "a.db"
        self.model: dict[str, Fields] = {}
        self.saved: list[dict[str, Fields]] = []
        self.blocks: list[Any] = []
        self._enter()

    def _enter(self) -> None:
        self.engine = parsekit.open(self.path, synchronous="OFF")
        self.acting = self.engine.acting_as_master()
        self.acting.__enter__()

    def _leave(self) -> None:
        self.acting.__exit__(None, None, None)
        self.engine.close()

    def teardown(self) -> None:
        while self.blocks:
            self.roll_back()
        if hasattr(self, "engine"):
            assert self.engine.check() == []
            self._leave()
            self.folder.cleanup()

    # -- changes ---------------------------------------------------------------------------------

    @rule(target=notes, n=NUMBERS, text=TEXTS)
    def create(self, n: int, text: str) -> str:
        note = PFObject("Note", n=n, text=text, tags=[])
        note.save()
        assert note.object_id is not None
        self.model[note.object_id] = {"n": n, "text": text, "tags": []}
        return note.object_id

    @rule(target=notes, numbers=st.lists(NUMBERS, min_size=1, max_size=3))
    def create_several(self, numbers: list[int]) -> Any:
        made = [PFObject("Note", n=n, text="many", tags=[n]) for n in numbers]
        PFObject.save_all(made)
        for note, n in zip(made, numbers, strict=True):
            self.model[str(note.object_id)] = {"n": n, "text": "many", "tags": [n]}
        return multiple(*(str(note.object_id) for note in made))

    def _change(self, name: str, change: Any, imagine: Any) -> None:
        note = PFObject.without_data("Note", name)
        change(note)
        if name in self.model:
            note.save()
            self.model[name] = {**self.model[name]}
            imagine(self.model[name])
            return
        try:
            note.save()
        except ObjectNotFoundError:
            assert note.dirty_keys
        else:
            raise AssertionError("an object that is gone was saved")

    @rule(name=notes, by=NUMBERS)
    def increment(self, name: str, by: int) -> None:
        self._change(
            name, lambda note: note.increment_key("n", by), lambda fields: fields.update(n=fields["n"] + by)
        )

    @rule(name=notes, text=TEXTS)
    def assign(self, name: str, text: str) -> None:
        self._change(
            name, lambda note: note.__setitem__("text", text), lambda fields: fields.update(text=text)
        )

    @rule(name=notes)
    def remove_key(self, name: str) -> None:
        self._change(name, lambda note: note.__delitem__("text"), lambda fields: fields.pop("text", None))

    @rule(name=notes, item=NUMBERS)
    def add_unique(self, name: str, item: int) -> None:
        def imagine(fields: Fields) -> None:
            fields["tags"] = fields["tags"] if item in fields["tags"] else [*fields["tags"], item]

        self._change(name, lambda note: note.add_unique_object(item, for_key="tags"), imagine)

    @rule(name=notes, key=st.sampled_from(["x", "y"]), n=NUMBERS)
    def add_field(self, name: str, key: str, n: int) -> None:
        self._change(name, lambda note: note.__setitem__(key, n), lambda fields: fields.update({key: n}))

    @rule(name=notes)
    def delete(self, name: str) -> None:
        note = PFObject.without_data("Note", name)
        if self.model.pop(name, None) is not None:
            note.delete()
            return
        try:
            note.delete()
        except ObjectNotFoundError:
            return
        raise AssertionError("an object was deleted twice")

    # -- transactions and reopening ---------------------------------------------------------------

    @precondition(lambda self: len(self.blocks) < 3)
    @rule()
    def begin(self) -> None:
        block = self.engine.transaction()
        block.__enter__()
        self.blocks.append(block)
        self.saved.append(dict(self.model))

    @precondition(lambda self: self.blocks)
    @rule()
    def commit(self) -> None:
        self.blocks.pop().__exit__(None, None, None)
        self.saved.pop()

    @precondition(lambda self: self.blocks)
    @rule()
    def roll_back(self) -> None:
        error = ZeroDivisionError()
        with contextlib.suppress(ZeroDivisionError):
            self.blocks.pop().__exit__(ZeroDivisionError, error, None)
        self.model = self.saved.pop()

    @precondition(lambda self: not self.blocks)
    @rule()
    def reopen(self) -> None:
        self._leave()
        self._enter()

    @precondition(lambda self: not self.blocks)
    @rule()
    def compact(self) -> None:
        self.engine.compact()

    # -- what is there ---------------------------------------------------------------------------

    @rule(bound=NUMBERS)
    def ask(self, bound: int) -> None:
        found = PFQuery("Note").where_key("n", greater_than=bound).order_by_ascending("n").find()
        expected = sorted(fields["n"] for fields in self.model.values() if fields["n"] > bound)
        assert [note["n"] for note in found] == expected

    @rule(text=TEXTS)
    def ask_for_prefix(self, text: str) -> None:
        found = PFQuery("Note").where_key("text", has_prefix=text).count()
        texts = [fields["text"] for fields in self.model.values() if "text" in fields]
        assert found == sum(held.startswith(text) for held in texts)

    @invariant()
    def holds_what_it_should(self) -> None:
        if not hasattr(self, "engine"):
            return
        found = PFQuery("Note").limit(10_000).find()
        assert {
            note.object_id: {key: note[key] for key in list(note.keys()) if key != "ACL"} for note in found
        } == self.model


TestNotes = Notes.TestCase
TestNotes.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
