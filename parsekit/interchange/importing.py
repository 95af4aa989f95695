"""Records into objects: decoding, batches, and one report of all that is wrong."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from parsekit._context import current_binding
from parsekit.codec import JSON, decode_operation, decode_value
from parsekit.engine.bulk import NewObject
from parsekit.errors import (
    AggregateError,
    EngineError,
    InvalidJsonError,
    ParseError,
    RefusedInputError,
)
from parsekit.interchange.csv_form import CsvMapping, read_rows
from parsekit.interchange.json_forms import read_document, read_lines
from parsekit.interchange.records import Form, ImportReport, Progress, Record, Unreadable, form_of
from parsekit.operations import AddRelation, Set
from parsekit.values import RelationReference

if TYPE_CHECKING:
    from parsekit.engine import ParseEngine

__all__ = ["import_file", "import_objects"]

BATCH_SIZE: Final = 1000
_MOST_PROBLEMS: Final = 100
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
_NOT_FIELDS: Final = frozenset({"objectId", "createdAt", "updatedAt", "ACL", "className", "__type"})


def import_objects(
    engine: ParseEngine,
    records: Iterable[Record | Unreadable],
    *,
    source: str = "import",
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> ImportReport:
    """Create the objects of ``records``; those whose id is there already are left as they are and counted.

    Each batch is a transaction of its own, so what was written before something went wrong stays, and a
    second import goes on from there. Inside ``engine.transaction()`` it is all or nothing.

    Args:
        engine: the engine to write to, under a principal to whom no permission applies.
        records: objects in REST form; an object should come after those it refers to only for the reader's
            sake.
        source: what messages call the place where the records come from.
        batch_size: objects a transaction.
        progress: called after each batch with the number of objects handled so far.

    Raises:
        RefusedInputError: records that cannot be read or that the schema refuses, all of them with place and
            reason; nothing of a batch with such a record is written, and nothing after it.
        OperationForbiddenError: 119, permissions apply to the principal.
        StorageError: SQLite refused.
    """
    return _Import(engine, source, batch_size, progress).run(records)


def import_file(
    engine: ParseEngine,
    path: str | os.PathLike[str],
    *,
    class_name: str | None = None,
    form: Form | None = None,
    mapping: CsvMapping | None = None,
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> ImportReport:
    """Import a file, all of it or nothing. ``class_name`` is the class of objects that name none.

    The form is told by the ending of the name unless it is given. A document of one class (``Deal.json``) may
    leave the class to its name.

    Raises:
        RefusedInputError: what is wrong with the file, every problem with its line; nothing is written.
        EngineError: the file cannot be opened, or its form or class is not known.
        OperationForbiddenError, StorageError: as ``import_objects``.
    """
    place = Path(path)
    kind = form or form_of(place)
    if class_name is None and mapping is not None:
        class_name = mapping.class_name
    if class_name is None and kind != "jsonl":
        class_name = place.stem
    with engine.transaction():
        records = _read(engine, place, kind, class_name, mapping)
        return import_objects(engine, records, source=str(place), batch_size=batch_size, progress=progress)


def _read(
    engine: ParseEngine, path: Path, form: Form, class_name: str | None, mapping: CsvMapping | None
) -> Iterator[Record | Unreadable]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            if form == "csv":
                name = str(class_name)
                yield from read_rows(stream, name, engine.schema.get(name), mapping)
            elif form == "json":
                yield from read_document(stream, class_name)
            else:
                yield from read_lines(stream, class_name)
    except UnicodeDecodeError as error:
        yield Unreadable(
            0, f"byte 0x{error.object[error.start]:02X} is not UTF-8. Fix: save the file as UTF-8"
        )
    except OSError as error:
        raise EngineError(
            f"{path}: cannot be read ({error.strerror}). Fix: check the path and its permissions"
        ) from error


class _Import:
    """One import under way."""

    def __init__(self, engine: ParseEngine, source: str, batch_size: int, progress: Progress | None) -> None:
        binding = current_binding()
        if binding.engine is not engine:
            raise EngineError(
                "import: another engine is in force here; enter this one with acting_as_master()"
            )
        self._bulk = engine.bulk(binding.principal)
        self._source = source
        self._size = batch_size
        self._progress = progress
        self._places: list[str] = []
        self._seen: dict[str, dict[str, str]] = {}
        self._problems: list[str] = []
        self._refused = 0
        self._handled = 0

    def run(self, records: Iterable[Record | Unreadable]) -> ImportReport:
        class_name = ""
        for number, record in enumerate(records, start=1):
            if isinstance(record, Unreadable):
                self._refuse(
                    f"{self._source}, line {record.line}" if record.line else self._source, record.reason
                )
                continue
            if record.class_name != class_name or len(self._places) >= self._size:
                self._flush()
                class_name = record.class_name
            self._add(record, number)
        self._flush()
        if self._problems:
            raise RefusedInputError(self._problems, self._refused)
        created, present = self._bulk.created, self._bulk.present
        return ImportReport(dict(created), {name: count for name, count in present.items() if count})

    def _add(self, record: Record, number: int) -> None:
        place = f"{self._source}, line {record.line}" if record.line else f"{self._source}, object {number}"
        try:
            new = _decoded(record.entry)
            if new.object_id is not None:
                self._check_repetition(record.class_name, new.object_id, place)
            self._bulk.add(record.class_name, new)
        except ParseError as error:
            self._refuse(place, f"{record.class_name}: {error}")
        else:
            self._places.append(place)

    def _check_repetition(self, class_name: str, object_id: str, place: str) -> None:
        seen = self._seen.setdefault(class_name, {})
        first = seen.setdefault(object_id, place)
        if first is not place:
            raise InvalidJsonError(
                f'objectId "{object_id}" is a duplicate of {first.removeprefix(self._source + ", ")}; '
                "expected every id once. Fix: delete one of the two"
            )

    def _refuse(self, place: str, reason: str) -> None:
        self._refused += 1
        if len(self._problems) < _MOST_PROBLEMS:
            self._problems.append(f"{place}: {reason}")

    def _flush(self) -> None:
        places, self._places = self._places, []
        if self._problems:
            self._bulk.discard()
            return
        try:
            self._bulk.flush()
        except AggregateError as error:
            for index, reason in error.errors:
                self._refuse(places[index], str(reason))
            return
        self._handled += len(places)
        if self._progress is not None and places:
            self._progress(self._handled)


def _decoded(entry: Mapping[str, JSON]) -> NewObject:
    """The object that a row in REST form describes."""
    fields: dict[str, JSON] = {}
    new = NewObject(fields)
    for key, given in entry.items():
        if key in _NOT_FIELDS:
            continue
        if type(given) in _PLAIN:
            fields[key] = given
        elif type(given) is dict and "__op" in given:
            _operate(new, key, given)
        else:
            value = decode_value(given)
            if not isinstance(value, RelationReference):
                fields[key] = value
    new.object_id = _identity(entry.get("objectId"))
    new.created_at, new.updated_at = _moment(entry, "createdAt"), _moment(entry, "updatedAt")
    new.acl = entry.get("ACL")
    return new


def _operate(new: NewObject, key: str, given: JSON) -> None:
    operation = decode_operation(given)
    if isinstance(operation, AddRelation):
        new.relations = {**new.relations, key: operation.objects}
    elif isinstance(operation, Set):
        new.fields[key] = operation.value
    else:
        raise InvalidJsonError(
            f"{key}: {given.get('__op')} changes an object that exists; expected a value or AddRelation"
        )


def _identity(given: JSON) -> str | None:
    if given is None or (isinstance(given, str) and given):
        return given
    raise InvalidJsonError("objectId: expected text that is not empty")


def _moment(entry: Mapping[str, JSON], key: str) -> datetime | None:
    given = entry.get(key)
    if given is None:
        return None
    value = decode_value({"__type": "Date", "iso": given} if isinstance(given, str) else given)
    if not isinstance(value, datetime):
        raise InvalidJsonError(f"{key}: expected a date such as 2017-03-01T12:00:00.000Z")
    return value
