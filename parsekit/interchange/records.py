"""The words of import and export: a record of a file, one that cannot be read, and what an import did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias, final, get_args

from parsekit import attrs
from parsekit.codec import JSON
from parsekit.errors import EngineError

__all__ = ["FORMS", "Form", "ImportReport", "Progress", "Record", "Unreadable", "form_of"]

Form: TypeAlias = Literal["json", "jsonl", "csv"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)

Progress: TypeAlias = Callable[[int], None]
"""Called after each batch with the number of objects handled so far."""

_BY_SUFFIX: Final[Mapping[str, Form]] = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
}


class Record(NamedTuple):
    """An object as a file has it: class, REST form, and the line it begins on (0: not from a file)."""

    class_name: str
    entry: Mapping[str, JSON]
    line: int = 0

    def __repr__(self) -> str:
        """Without the contents."""
        return f"Record({self.class_name}, keys={list(self.entry)}, line={self.line})"


class Unreadable(NamedTuple):
    """A line that is no record: ``reason`` says what is wrong, what was expected and how to fix it."""

    line: int
    reason: str


@final
@attrs.frozen
class ImportReport:
    """What an import did, by class. ``present`` were there already and left as they are."""

    created: Mapping[str, int]
    present: Mapping[str, int]

    @property
    def total(self) -> int:
        """How many objects were read."""
        return sum(self.created.values()) + sum(self.present.values())

    def to_json(self) -> dict[str, JSON]:
        """The report as JSON."""
        return {"created": dict(self.created), "present": dict(self.present)}


def form_of(path: str | Path) -> Form:
    """The form of a file by the ending of its name.

    Raises:
        EngineError: the ending is none of ``.json``, ``.jsonl``, ``.ndjson`` and ``.csv``.
    """
    form = _BY_SUFFIX.get(Path(path).suffix.lower())
    if form is None:
        raise EngineError(
            f"{path}: the ending tells no form; expected {', '.join(_BY_SUFFIX)}. "
            f"Fix: rename the file or name the form ({', '.join(FORMS)})"
        )
    return form
