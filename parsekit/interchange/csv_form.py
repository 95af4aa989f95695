"""CSV: a header, and an object a line. What a cell means is said by its column.

A column is a key of the class unless a ``CsvMapping`` says otherwise, and its cells are read by the type of
the field:

- String as it is; Number ``1054`` or ``1100.04``; Boolean ``true`` or ``false``;
- Date as ISO 8601, or by the column's own ``date_format``, in UTC;
- Pointer as the objectId, as ``Class$objectId`` where the field leads to several classes;
- everything else (Array, Object, GeoPoint, Polygon, File, Bytes, Relation, ACL) as its JSON.

A key that no field describes holds text. An empty cell is an absent key, so CSV cannot tell an empty text and
an explicit null from one; JSON Lines can.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final, TextIO, final

from parsekit import attrs
from parsekit.codec import JSON, dumps, format_date, loads, parse_date
from parsekit.errors import InvalidJsonError, SchemaError, did_you_mean
from parsekit.interchange.records import Record, Unreadable
from parsekit.schema import ClassSchema, Field, field_type, is_field_name

__all__ = ["CsvColumn", "CsvMapping", "mapping_from_json", "read_rows", "write_rows"]

_WHOLE: Final = re.compile(r"-?[0-9]+")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_SYSTEM: Final = ("objectId", "createdAt", "updatedAt")
_COLUMN_KEYS: Final = ("key", "type", "targetClass", "dateFormat")


@final
@attrs.frozen
class CsvColumn:
    """What a column is: its key, the field where the class does not say it, and a format as ``strptime``'s."""

    key: str
    field: Field | None = None
    date_format: str | None = None


@final
@attrs.frozen
class CsvMapping:
    """What the columns of a CSV file are. A column that maps to ``None`` is left out."""

    columns: Mapping[str, CsvColumn | None]
    class_name: str | None = None


def mapping_from_json(document: JSON) -> CsvMapping:
    """The mapping of ``{"className": "Deal", "columns": {"close_value": "amount", "notes": null}}``.

    A column is a key, an object with ``key`` and perhaps ``type``, ``targetClass`` and ``dateFormat``, or
    null.

    Raises:
        SchemaError: everything that is wrong, each problem with its path.
    """
    problems: list[str] = []
    columns = document.get("columns") if isinstance(document, dict) else None
    if not isinstance(columns, dict):
        raise SchemaError(['mapping: expected an object such as {"columns": {"close_value": "amount"}}'])
    name = document.get("className")
    if name is not None and not isinstance(name, str):
        problems.append(f"mapping.className: expected a class name, got {type(name).__name__}")
    mapped = {
        column: _column(entry, f"mapping.columns.{column}", problems) for column, entry in columns.items()
    }
    if problems:
        raise SchemaError(problems)
    return CsvMapping(mapped, name)


def _column(entry: JSON, place: str, problems: list[str]) -> CsvColumn | None:
    if entry is None:
        return None
    options = {"key": entry} if isinstance(entry, str) else entry
    if not isinstance(options, dict):
        problems.append(f"{place}: expected a key, an object or null, got {type(entry).__name__}")
        return None
    problems.extend(
        f'{place}: unknown key "{key}"{did_you_mean(key, _COLUMN_KEYS)}; known are {", ".join(_COLUMN_KEYS)}'
        for key in options
        if key not in _COLUMN_KEYS
    )
    key, kind, target = options.get("key"), options.get("type"), options.get("targetClass")
    if not isinstance(key, str) or not (is_field_name(key) or key == "ACL"):
        problems.append(f"{place}.key: expected the key of a field")
        return None
    known = None if kind is None else field_type(str(kind))
    if kind is not None and known is None:
        problems.append(f"{place}.type: {kind!r} is not a field type")
    if known == "Pointer" and not isinstance(target, str):
        problems.append(f"{place}.targetClass: expected the class that the pointer leads to")
    field = None if known is None else Field(known, (target,) if isinstance(target, str) else ())
    return CsvColumn(key, field, options.get("dateFormat"))


# --- reading ---


def read_rows(
    stream: TextIO, class_name: str, schema: ClassSchema | None, mapping: CsvMapping | None
) -> Iterator[Record | Unreadable]:
    """The objects of a CSV file. A wrong header ends it, a wrong row costs that row."""
    rows = csv.reader(stream, strict=True)
    try:
        header = next(rows, [])
        columns = _columns(header, schema, mapping)
        if isinstance(columns, str):
            yield Unreadable(1, columns)
            return
        line = rows.line_num + 1
        for row in rows:
            if row:
                yield _record(class_name, columns, header, row, line)
            line = rows.line_num + 1
    except csv.Error as error:
        yield Unreadable(rows.line_num, f"the line is not CSV ({error}); expected cells with commas between")


_Reader = Callable[[str], JSON]


def _columns(
    header: list[str], schema: ClassSchema | None, mapping: CsvMapping | None
) -> list[tuple[str, _Reader] | None] | str:
    """The key and the reader of each column, or what is wrong with the header."""
    wrong = [
        f'column "{name}" stands there {header.count(name)} times'
        for name in dict.fromkeys(header)
        if header.count(name) > 1
    ]
    if mapping is None:
        named: Mapping[str, CsvColumn | None] = {name: CsvColumn(name) for name in header}
        wrong += [f'"{name}" is no key' for name in header if not (is_field_name(name) or name == "ACL")]
    else:
        named = mapping.columns
        wrong += [f'missing column "{name}"' for name in named if name not in header]
        wrong += [
            f'unexpected column "{name}"{did_you_mean(name, named)}' for name in header if name not in named
        ]
    if wrong or not header:
        expected = "the keys of the class" if mapping is None else ",".join(named)
        problem = ", ".join(wrong) or "there is none"
        return f"wrong header: {problem}; expected {expected}. Fix: correct the first line"
    found: list[tuple[str, _Reader] | None] = []
    for name in header:
        column = named[name]
        found.append(None if column is None else (column.key, _reader(column, schema)))
    return found


def _record(
    class_name: str, columns: list[tuple[str, _Reader] | None], header: list[str], row: list[str], line: int
) -> Record | Unreadable:
    if len(row) != len(header):
        cells = "1 cell" if len(row) == 1 else f"{len(row)} cells"
        return Unreadable(
            line,
            f"the row has {cells}; expected {len(header)}. Fix: complete it, or quote a cell with a comma",
        )
    entry: dict[str, JSON] = {}
    wrong: list[str] = []
    for name, column, cell in zip(header, columns, row, strict=True):
        if column is None or cell == "":
            continue
        try:
            entry[column[0]] = column[1](cell)
        except ValueError as error:
            wrong.append(f"{name}: {error}")
    if wrong:
        return Unreadable(
            line, f"{'; '.join(wrong)}. Fix: correct the cell, or empty it if there is no value"
        )
    return Record(class_name, entry, line)


def _reader(column: CsvColumn, schema: ClassSchema | None) -> _Reader:
    if column.key in _SYSTEM:
        field = Field("String") if column.key == "objectId" else Field("Date")
    elif column.field is not None:
        field = column.field
    else:
        field = Field("String") if schema is None else schema.fields.get(column.key, Field("String"))
    if field.type == "Date":
        pattern = column.date_format
        return _date if pattern is None else lambda cell: _dated(cell, pattern)
    if field.type == "Pointer":
        target = field.target
        return _any_pointer if target is None else lambda cell: _pointer(target, cell)
    return _READERS.get(field.type, _json)


def _text(cell: str) -> JSON:
    return cell


def _number(cell: str) -> JSON:
    if _WHOLE.fullmatch(cell):
        return int(cell)
    if _NUMBER.fullmatch(cell):
        return float(cell)
    raise ValueError("not a number; expected one such as 1054 or 1100.04")


def _boolean(cell: str) -> JSON:
    if cell in ("true", "false"):
        return cell == "true"
    raise ValueError("expected true or false")


def _iso(moment: datetime) -> JSON:
    return {"__type": "Date", "iso": format_date(moment)}


def _date(cell: str) -> JSON:
    try:
        return _iso(parse_date(cell))
    except InvalidJsonError:
        raise ValueError("not a date; expected one such as 2017-03-01 or 2017-03-01T12:00:00.000Z") from None


def _dated(cell: str, pattern: str) -> JSON:
    try:
        moment = datetime.strptime(cell, pattern)  # noqa: DTZ007 - a cell without a zone is in UTC, said above
    except ValueError:
        raise ValueError(f"not a date; expected the format {pattern}") from None
    return _iso(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _pointer(class_name: str, object_id: str) -> JSON:
    return {"__type": "Pointer", "className": class_name, "objectId": object_id}


def _any_pointer(cell: str) -> JSON:
    class_name, separator, object_id = cell.partition("$")
    if not (class_name and separator and object_id):
        raise ValueError("not a pointer; expected Class$objectId")
    return _pointer(class_name, object_id)


def _json(cell: str) -> JSON:
    try:
        return loads(cell)
    except InvalidJsonError as error:
        raise ValueError(f"{error}; expected the value as JSON") from None


_READERS: Final[Mapping[str, _Reader]] = {"String": _text, "Number": _number, "Boolean": _boolean}


# --- writing ---


def write_rows(stream: TextIO, item: ClassSchema, rows: Iterable[JSON]) -> None:
    """Write the header of a class and its objects, which ``read_rows`` reads back."""
    keys = [*_SYSTEM, *(key for key in item.fields if key not in (*_SYSTEM, "ACL", "password")), "ACL"]
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(keys)
    for row in rows:
        writer.writerow([_cell(row.get(key), item.fields.get(key)) for key in keys])


def _cell(value: JSON, field: Field | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value) if isinstance(value, str) else repr(value)
    kind = value.get("__type") if isinstance(value, dict) else None
    if kind == "Date":
        return str(value["iso"])
    if kind == "Pointer" and field is not None and field.type == "Pointer":
        return str(value["objectId"] if field.target else f"{value['className']}${value['objectId']}")
    return dumps(value)
