"""Objects into files: what the principal may see of them, a class at a time."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

from parsekit.codec import JSON, encode_value
from parsekit.errors import EngineError
from parsekit.interchange.csv_form import write_rows
from parsekit.interchange.json_forms import write_document, write_lines
from parsekit.interchange.records import Form, Progress, form_of
from parsekit.object import PFObject
from parsekit.query.builder import PFQuery

if TYPE_CHECKING:
    from parsekit.engine import ParseEngine

__all__ = ["export_file", "export_rows"]

_BATCH_SIZE: Final = 1000


def export_rows(query: PFQuery[Any], *, progress: Progress | None = None) -> Iterator[dict[str, JSON]]:
    """The objects of a query in REST form, in its order and in constant memory, with members of relations.

    A relation is written as the operation that gives a new object its members. Runs under the engine and
    principal in force, who sees of objects, keys and members what any query shows.
    """
    for number, obj in enumerate(query.each(), start=1):
        row: dict[str, JSON] = obj.to_fields_json()
        for key, value in row.items():
            if isinstance(value, dict) and value.get("__type") == "Relation":
                row[key] = _members(obj, key, value)
        yield row
        if progress is not None and number % _BATCH_SIZE == 0:
            progress(number)


def _members(owner: PFObject, key: str, relation: JSON) -> JSON:
    members = PFQuery[PFObject](relation["className"]).where_related_to(owner, from_key=key).each()
    pointers = [encode_value(member.__parse_pointer__()) for member in members]
    return {"__op": "AddRelation", "objects": pointers} if pointers else relation


def export_file(
    engine: ParseEngine,
    path: str | os.PathLike[str] | None,
    queries: Sequence[PFQuery[Any]],
    *,
    form: Form | None = None,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Write the objects of queries to a file, ``None`` for standard output; how many of each class.

    The file appears when it is complete: what was there before is replaced then, and left alone when anything
        fails.

    Raises:
        EngineError: the file cannot be written, or ``json`` and ``csv`` are asked to hold several classes.
        ParseError: as the queries are refused.
    """
    kind = form or ("jsonl" if path is None else form_of(Path(path)))
    if kind != "jsonl" and len(queries) != 1:
        raise EngineError(f"export: {kind} holds one class and {len(queries)} are asked for; use jsonl")
    counts: dict[str, int] = {}
    with _target(path) as stream:
        for query in queries:
            rows = _counted(export_rows(query, progress=progress), query.class_name, counts)
            if kind == "jsonl":
                write_lines(stream, query.class_name, rows)
            elif kind == "json":
                write_document(stream, rows)
            else:
                item = engine.schema.get(query.class_name)
                if item is None:
                    raise EngineError(f"export: there is no class {query.class_name}")
                write_rows(stream, item, rows)
    return counts


def _counted(
    rows: Iterator[dict[str, JSON]], class_name: str, counts: dict[str, int]
) -> Iterator[dict[str, JSON]]:
    counts.setdefault(class_name, 0)
    for row in rows:
        counts[class_name] += 1
        yield row


@contextmanager
def _target(path: str | os.PathLike[str] | None) -> Iterator[TextIO]:
    if path is None:
        yield sys.stdout
        return
    place = Path(path)
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="", dir=place.parent, prefix=f".{place.name}.", delete=False
        ) as stream:
            written = Path(stream.name)
            try:
                yield cast(TextIO, stream)
            except BaseException:
                written.unlink(missing_ok=True)
                raise
        written.replace(place)
    except OSError as error:
        raise EngineError(
            f"{place}: cannot be written ({error.strerror}). Fix: check the path and its permissions"
        ) from error
