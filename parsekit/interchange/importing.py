"""Records into objects: decoding, batches, and one report of all that is wrong. Files are ``files``' affair."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final, final

from parsekit._context import current_binding
from parsekit.codec import JSON, decode_operation, decode_value
from parsekit.engine.bulk import Bulk, NewObject
from parsekit.errors import (
    AggregateError,
    EngineError,
    InvalidJsonError,
    ParseError,
    RefusedInputError,
)
from parsekit.interchange.records import ImportReport, Progress, Record, Unreadable
from parsekit.operations import AddRelation, Set
from parsekit.storage.import_log import IdRegister
from parsekit.values import RelationReference

if TYPE_CHECKING:
    from parsekit.engine import ParseEngine

__all__ = ["BATCH_SIZE", "Intake", "Refusals", "import_objects"]

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
    refusals = Refusals()
    with IdRegister() as seen:
        intake = Intake(engine, source, batch_size, refusals, write=Bulk.flush, seen=seen, progress=progress)
        intake.take(records)
    refusals.raise_any()
    return intake.report()


@final
class Refusals:
    """What was found wrong with the records so far, each with its place."""

    def __init__(self) -> None:
        self._problems: list[str] = []
        self._count = 0

    def __bool__(self) -> bool:
        return self._count > 0

    def add(self, place: str, reason: str) -> None:
        """Another one. The first hundred are told in full."""
        self._count += 1
        if len(self._problems) < _MOST_PROBLEMS:
            self._problems.append(f"{place}: {reason}")

    def raise_any(self) -> None:
        """Raise ``RefusedInputError`` if there are any."""
        if self._problems:
            raise RefusedInputError(self._problems, self._count)


@final
class Intake:
    """Takes records in, a batch at a time.

    ``write`` is what happens to a full batch: it is written, or only was to be looked at. ``seen`` holds the ids met,
    where they are to be looked at too. Once something is refused nothing is written any more.
    """

    def __init__(
        self,
        engine: ParseEngine,
        source: str,
        batch_size: int,
        refusals: Refusals,
        *,
        write: Callable[[Bulk], None],
        seen: IdRegister | None = None,
        progress: Progress | None = None,
        handled: int = 0,
    ) -> None:
        binding = current_binding()
        if binding.engine is not engine:
            raise EngineError(
                "import: another engine is in force here; enter this one with acting_as_master()"
            )
        self._bulk = engine.bulk(binding.principal)
        self._source = source
        self._size = batch_size
        self._refusals = refusals
        self._write = write
        self._seen = seen
        self._progress = progress
        self._places: list[str] = []
        self._handled = handled

    def take(self, records: Iterable[Record | Unreadable]) -> None:
        """Take all of them in; what is wrong with them is in the refusals afterwards."""
        class_name = ""
        for number, record in enumerate(records, start=self._handled + 1):
            if isinstance(record, Unreadable):
                place = f"{self._source}, line {record.line}" if record.line else self._source
                self._refusals.add(place, record.reason)
                continue
            if record.class_name != class_name or len(self._places) >= self._size:
                self._end_batch()
                class_name = record.class_name
            self._add(record, f"line {record.line}" if record.line else f"object {number}")
        self._end_batch()

    def report(self) -> ImportReport:
        """What came of them."""
        created, present = self._bulk.created, self._bulk.present
        return ImportReport(dict(created), {name: count for name, count in present.items() if count})

    def _add(self, record: Record, place: str) -> None:
        try:
            new = _decoded(record.entry)
            if new.object_id is not None and self._seen is not None:
                first = self._seen.first_place(record.class_name, new.object_id, place)
                if first is not None:
                    raise InvalidJsonError(
                        f'objectId "{new.object_id}" is a duplicate of {first}; '
                        "expected every id once. Fix: delete one of the two"
                    )
            self._bulk.add(record.class_name, new)
        except ParseError as error:
            self._refusals.add(f"{self._source}, {place}", f"{record.class_name}: {error}")
        else:
            self._places.append(f"{self._source}, {place}")

    def _end_batch(self) -> None:
        places, self._places = self._places, []
        if not places:
            return
        if self._refusals:
            self._bulk.discard()
            return
        try:
            self._write(self._bulk)
        except AggregateError as error:
            for index, reason in error.errors:
                self._refusals.add(places[index], str(reason))
            return
        self._handled += len(places)
        if self._progress is not None:
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
