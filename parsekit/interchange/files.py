"""Files into objects: looked at first, then written in batches, so that an import that was killed goes on.

A file is read twice. The first time everything is checked and nothing written, so a file with mistakes changes
nothing. The second time each batch is a transaction, which also writes down how far the import has come
(``import_log``) under a fingerprint of the file's bytes and of what they are to mean. The same import started again
finds the mark, skips the first reading and what is written already, and ends as if it had never been stopped. The marks
go when the last file is complete, so importing once more is a new import, which leaves objects whose id is there alone.

What cannot be read twice, such as a pipe, is read once, in one transaction.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from parsekit import attrs
from parsekit.codec import JSON
from parsekit.engine.bulk import Bulk
from parsekit.errors import EngineError
from parsekit.interchange.csv_form import CsvMapping, read_rows
from parsekit.interchange.importing import BATCH_SIZE, Intake, Refusals
from parsekit.interchange.json_forms import read_document, read_lines
from parsekit.interchange.records import Form, ImportReport, Progress, Record, Unreadable, form_of
from parsekit.storage.import_log import IdRegister, forget_marks, read_mark, write_mark

if TYPE_CHECKING:
    from parsekit.engine import ParseEngine

__all__ = ["import_file", "import_files"]

_PIECE: Final = 1 << 16


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
    """Import a file; see ``import_files``."""
    return import_files(
        engine,
        [path],
        class_name=class_name,
        form=form,
        mapping=mapping,
        batch_size=batch_size,
        progress=progress,
    )


def import_files(
    engine: ParseEngine,
    paths: Sequence[str | os.PathLike[str]],
    *,
    class_name: str | None = None,
    form: Form | None = None,
    mapping: CsvMapping | None = None,
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> ImportReport:
    """Import files, one after another. ``class_name`` is the class of objects that name none.

    The form is told by the ending of a name unless it is given. A document of one class (``Deal.json``) may leave the
    class to its name. An import that was stopped, by a kill or a power cut, goes on after its last committed batch when
    it is started again with the same files and arguments; the report is about all of it. Inside
    ``engine.transaction()`` it is all or nothing.

    Raises:
        RefusedInputError: what is wrong with the files, every problem with its line; nothing is written. What only
            SQLite can tell, such as a value that must be unique and is in the database already, is told by the batch
            that has it: the batches before it stay.
        EngineError: a file cannot be opened, or its form or class is not known.
        OperationForbiddenError, StorageError: as ``import_objects``.
    """
    sources = [_Source.of(engine, Path(path), class_name, form, mapping) for path in paths]
    importer = _Importer(engine, sources, batch_size, progress)
    if any(source.fingerprint is None for source in sources):
        with engine.transaction():
            return importer.at_once()
    importer.check()
    return importer.write()


@final
@attrs.frozen(slots=True)
class _Source:
    """A file and what it is to mean. ``fingerprint`` is ``None`` for what cannot be read twice."""

    engine: ParseEngine
    path: Path
    form: Form
    class_name: str | None
    mapping: CsvMapping | None
    fingerprint: str | None

    @classmethod
    def of(
        cls,
        engine: ParseEngine,
        path: Path,
        class_name: str | None,
        form: Form | None,
        mapping: CsvMapping | None,
    ) -> _Source:
        kind = form or form_of(path)
        if class_name is None and mapping is not None:
            class_name = mapping.class_name
        if class_name is None and kind != "jsonl":
            class_name = path.stem
        meaning = repr((kind, class_name, mapping))
        return cls(engine, path, kind, class_name, mapping, _fingerprint(path, meaning))

    def records(self) -> Iterator[Record | Unreadable]:
        """What the file holds."""
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as stream:
                if self.form == "csv":
                    name = str(self.class_name)
                    yield from read_rows(stream, name, self.engine.schema.get(name), self.mapping)
                elif self.form == "json":
                    yield from read_document(stream, self.class_name)
                else:
                    yield from read_lines(stream, self.class_name)
        except UnicodeDecodeError as error:
            yield Unreadable(
                0, f"byte 0x{error.object[error.start]:02X} is not UTF-8. Fix: save the file as UTF-8"
            )
        except OSError as error:
            raise _unreadable(self.path, error) from error


def _fingerprint(path: Path, meaning: str) -> str | None:
    """What tells this import from every other; ``None`` where the file can be read but once."""
    if path.exists() and not path.is_file():
        return None
    digest = hashlib.sha256(meaning.encode())
    try:
        with path.open("rb") as stream:
            while piece := stream.read(_PIECE):
                digest.update(piece)
    except OSError as error:
        raise _unreadable(path, error) from error
    return digest.hexdigest()


def _unreadable(path: Path, error: OSError) -> EngineError:
    return EngineError(f"{path}: cannot be read ({error.strerror}). Fix: check the path and its permissions")


@final
class _Importer:
    """One import of files under way. ``handled``, ``created`` and ``present`` count over all of them."""

    def __init__(
        self, engine: ParseEngine, sources: Sequence[_Source], batch_size: int, progress: Progress | None
    ) -> None:
        self._engine = engine
        self._sources = sources
        self._size = batch_size
        self._progress = progress
        self._before = 0
        self._created: Counter[str] = Counter()
        self._present: Counter[str] = Counter()

    def at_once(self) -> ImportReport:
        """Read and write in one go."""
        refusals = Refusals()
        for source in self._sources:
            with IdRegister() as seen:
                intake = self._intake(source, refusals, Bulk.flush, seen=seen)
                intake.take(source.records())
            self._count(intake.report())
        refusals.raise_any()
        return self._report()

    def check(self) -> None:
        """Look at the files of which nothing is written yet. Raises ``RefusedInputError``."""
        refusals = Refusals()
        for source in self._sources:
            if self._mark(source) is None:
                with IdRegister() as seen:
                    name, size = str(source.path), self._size
                    intake = Intake(self._engine, name, size, refusals, write=Bulk.discard, seen=seen)
                    intake.take(source.records())
        refusals.raise_any()

    def write(self) -> ImportReport:
        """Write what is not written yet."""
        for source in self._sources:
            self._write_file(source)
        with self._engine.store.write() as connection:
            forget_marks(connection, [str(source.fingerprint) for source in self._sources])
        return self._report()

    def _write_file(self, source: _Source) -> None:
        mark = self._mark(source) or {"handled": 0, "created": {}, "present": {}}
        handled, created, present = mark["handled"], Counter(mark["created"]), Counter(mark["present"])

        def write(bulk: Bulk) -> None:
            nonlocal handled
            waiting = len(bulk)
            with self._engine.transaction():
                bulk.flush()
                told: JSON = {
                    "handled": handled + waiting,
                    "created": created + bulk.created,
                    "present": present + bulk.present,
                }
                write_mark(self._engine.store.database.writer, str(source.fingerprint), told)
            handled += waiting

        refusals = Refusals()
        intake = self._intake(source, refusals, write, handled=handled)
        intake.take(islice(source.records(), handled, None))
        refusals.raise_any()
        self._count(ImportReport(created, present))
        self._count(intake.report())
        self._before += handled

    def _intake(
        self,
        source: _Source,
        refusals: Refusals,
        write: Callable[[Bulk], None],
        *,
        seen: IdRegister | None = None,
        handled: int = 0,
    ) -> Intake:
        progress, before = self._progress, self._before
        told = None if progress is None else lambda number: progress(before + number)
        name, size = str(source.path), self._size
        return Intake(
            self._engine, name, size, refusals, write=write, seen=seen, progress=told, handled=handled
        )

    def _mark(self, source: _Source) -> JSON:
        return read_mark(self._engine.store.database.reader(), str(source.fingerprint))

    def _count(self, report: ImportReport) -> None:
        self._created.update(report.created)
        self._present.update(report.present)

    def _report(self) -> ImportReport:
        return ImportReport(dict(self._created), {name: n for name, n in self._present.items() if n})
