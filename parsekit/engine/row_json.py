"""``RowJson``: the rows of a statement as the JSON texts of their objects, without making the objects.

Made once for a statement, then applied to whole columns: each column becomes texts, with what stands between them, and
those of a row are joined; most of it is done by loops in C. What comes out is what ``PFObject.to_fields_json`` and
``codec.dumps`` make of the same rows (``tests/engine/test_json_reads.py``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import repeat
from typing import Any, Final, TypeAlias, final

from parsekit.codec import JSON, decode_interior, dumps, encode_value, format_ms, json_string
from parsekit.object_state import SYSTEM_KEYS
from parsekit.query.keys import SCORE
from parsekit.storage.layout import ACL_COLUMN, NULLS_COLUMN, ClassLayout, Column

__all__ = ["Included", "NeedsObjectsError", "RowJson", "UrlOf", "add_urls"]

Row: TypeAlias = tuple[Any, ...]
UrlOf: TypeAlias = Callable[[str], str]
"""From the name of a file to where it can be fetched."""

Included: TypeAlias = Mapping[str, Mapping[Any, str]]
"""Key -> cell of a pointer -> JSON of the object that it leads to. A cell that is not there leads to nothing."""

_Texts: TypeAlias = "Callable[[Sequence[Any]], Iterable[str]]"
"""From cells to the texts of their values."""

_NOTHING: Final[Included] = {}
_NO_TEXTS: Final[Mapping[Any, str]] = {}
_SCORE_KEY: Final = "score"
_CONTAINERS: Final = frozenset({"Array", "Object"})
_ALWAYS: Final = ("createdAt", "updatedAt")
_NOT_AMONG_FIELDS: Final = SYSTEM_KEYS | {"ACL"}
_REREAD: Final = re.compile(r'"__type"|[0-9]\.0(?![0-9])|[0-9](?:[eE]|[0-9]{18})')
"""Where the text of a cell may not be what goes out: typed values, and numbers that JavaScript writes otherwise."""


def add_urls(entry: dict[str, JSON], url_of: UrlOf) -> None:
    """Give each File of an object and of the objects included in it its URL (FilesController.expandFilesInObject)."""
    for value in entry.values():
        for item in value if type(value) is list else (value,):
            if type(item) is not dict:
                continue
            kind = item.get("__type")
            if kind == "File" and "url" not in item:
                item["url"] = url_of(item["name"])
            elif kind == "Object":
                add_urls(item, url_of)


class NeedsObjectsError(Exception):
    """Rows do not do: the objects themselves are needed."""


# --- values ---


@final
class _Form:
    """How the values of a type are written: ``texts`` of cells that hold one, each between ``before`` and ``after``."""

    __slots__ = ("after", "before", "texts")

    def __init__(self, texts: _Texts, before: str = "", after: str = "") -> None:
        self.texts = texts
        self.before = before
        self.after = after


_date_text: Final = lru_cache(maxsize=16_384)(format_ms)
"""Dates come again, with every request for the same objects and as createdAt and updatedAt; writing one is the dearest
part of an object."""


def _each(text: Callable[[Any], str]) -> _Texts:
    return partial(map, text)


def _numbers(cells: Sequence[Any]) -> Iterable[str]:
    return map(repr if set(map(type, cells)) == {int} else _number, cells)


def _number(cell: float) -> str:
    if type(cell) is float and cell.is_integer() and abs(cell) < 1e21:
        return str(int(cell))
    return repr(cell) if math.isfinite(cell) else dumps(encode_value(cell))  # which refuses it


def _booleans(cells: Sequence[Any]) -> Iterable[str]:
    return ["true" if cell == 1 else "false" for cell in cells]


def _any_pointer(cell: str) -> str:
    class_name, _, object_id = cell.partition("$")
    return f'{json_string(class_name)},"objectId":{json_string(object_id)}'


def _geo_point(cells: tuple[float, float]) -> str:
    return f'{_number(cells[0])},"longitude":{_number(cells[1])}'


def _pointer(target: str | None) -> _Form:
    before = '{"__type":"Pointer","className":'
    if target is None:
        return _Form(_each(_any_pointer), before, "}")
    return _Form(_each(json_string), f'{before}{json_string(target)},"objectId":', "}")


def _interior(url_of: UrlOf) -> _Form:
    def text(cell: str) -> str:
        return cell if _REREAD.search(cell) is None else _shown(encode_value(decode_interior(cell)), url_of)

    return _Form(_each(text))


def _any_type(column: Column, url_of: UrlOf) -> _Form:
    """Whatever type of column: what its value is in JSON."""
    decode = column.decode

    def text(cell: Any) -> str:
        return _shown(encode_value(cell if decode is None else decode(cell)), url_of)

    return _Form(_each(text))


def _shown(value: JSON, url_of: UrlOf) -> str:
    add_urls({"": value}, url_of)
    return dumps(value)


_TIME: Final = _Form(_each(_date_text), '"', '"')
_NUMBER: Final = _Form(_numbers)
_BY_TYPE: Final = {
    "String": _Form(_each(json_string)),
    "Number": _NUMBER,
    "Boolean": _Form(_booleans),
    "Date": _Form(_each(_date_text), '{"__type":"Date","iso":"', '"}'),
    "GeoPoint": _Form(_each(_geo_point), '{"__type":"GeoPoint","latitude":', "}"),
}


def _form_of(column: Column, url_of: UrlOf) -> _Form:
    kind = column.field.type
    if kind == "Pointer":
        return _pointer(column.field.target)
    if kind in _CONTAINERS:
        return _interior(url_of)
    return _BY_TYPE.get(kind) or _any_type(column, url_of)


# --- rows ---


@final
class _Field:
    """One key of the objects: where its cells are, and how they are written."""

    __slots__ = ("form", "is_pair", "key", "place", "start")

    def __init__(self, key: str, place: int, form: _Form, *, is_pair: bool = False) -> None:
        self.key = key
        self.place = place
        self.form = form
        self.start = f",{json_string(key)}:"
        self.is_pair = is_pair

    def cells(self, columns: Sequence[Row]) -> Sequence[Any]:
        """What the rows hold under the key."""
        cells = columns[self.place]
        return list(zip(cells, columns[self.place + 1], strict=True)) if self.is_pair else cells

    def gaps(self, columns: Sequence[Row], nulls: Row) -> list[str]:
        """The texts of a key that not all rows hold, the key included: nothing, or null, where there is no value."""
        firsts, form = columns[self.place], self.form
        cells = [cell for cell, first in zip(self.cells(columns), firsts, strict=True) if first is not None]
        values = iter(form.texts(cells))
        before = self.start + form.before
        texts = ["" if first is None else f"{before}{next(values)}{form.after}" for first in firsts]
        return self.with_nulls(texts, firsts, nulls)

    def with_nulls(self, texts: list[str], cells: Row, nulls: Row) -> list[str]:
        """The texts, and null where the row says so."""
        for place, keys in enumerate(nulls):
            if keys is not None and cells[place] is None and f",{self.key}," in keys:
                texts[place] = f"{self.start}null"
        return texts


@final
class RowJson:
    """Writes the rows of one statement.

    ``columns`` are the statement's, ``acl_texts`` gives the JSON of ACLs by their numbers (``None`` for none),
    ``url_of`` gives files their URLs.
    """

    __slots__ = (
        "_acl_at", "_acl_texts", "_containers", "_ends", "_fields", "_id_at", "_included", "_nulls_at", "_pointers",
    )  # fmt: skip

    def __init__(
        self,
        columns: Sequence[str],
        layout: ClassLayout,
        acl_texts: Callable[[Iterable[int]], Mapping[int, str | None]],
        url_of: UrlOf,
    ) -> None:
        places = {name: place for place, name in enumerate(columns)}
        stored = {column.key: column for column in layout.stored_columns() if column.names[0] in places}
        self._acl_at = places[ACL_COLUMN]
        self._nulls_at = places.get(NULLS_COLUMN, -1)
        self._id_at = places[stored.pop("objectId").name]
        self._fields = [_Field(key, places[stored.pop(key).name], _TIME) for key in _ALWAYS if key in stored]
        self._pointers: dict[str, tuple[int, str | None]] = {}
        self._containers: dict[str, int] = {}
        for key, column in stored.items():
            if key in _NOT_AMONG_FIELDS or (key == _SCORE_KEY and SCORE in places):
                continue
            place, kind = places[column.name], column.field.type
            if kind in _CONTAINERS:
                self._containers[key] = place
            elif kind == "Pointer":
                self._pointers[key] = (place, column.field.target)
            is_pair = len(column.names) == 2
            self._fields.append(_Field(key, place, _form_of(column, url_of), is_pair=is_pair))
        if SCORE in places:
            self._fields.append(_Field(_SCORE_KEY, places[SCORE], _NUMBER))
        self._included = f'{{"__type":"Object","className":{json_string(layout.class_name)},"objectId":'
        self._acl_texts = acl_texts
        self._ends = "".join(
            f',{json_string(key)}:{{"__type":"Relation","className":{json_string(target)}}}'
            for key, target in layout.relations.items()
        )

    def texts(self, rows: Sequence[Row], included: Included = _NOTHING) -> list[str]:
        """The objects of a query's rows."""
        return self._texts('{"objectId":', rows, included)

    def texts_included(self, rows: Sequence[Row], included: Included = _NOTHING) -> list[str]:
        """The objects as they stand in others that include them."""
        return self._texts(self._included, rows, included)

    def ids(self, rows: Sequence[Row]) -> list[str]:
        """The objectIds."""
        place = self._id_at
        return [row[place] for row in rows]

    def collect(self, key: str, rows: Sequence[Row], wanted: dict[str, dict[str, None]]) -> None:
        """Add the objects that the pointers under ``key`` lead to, by class.

        Raises:
            NeedsObjectsError: there are pointers inside of what stands under ``key``.
        """
        found = self._pointers.get(key)
        if found is None:
            place = self._containers.get(key, -1)
            if place >= 0 and any('"Pointer"' in (row[place] or "") for row in rows):
                raise NeedsObjectsError
            return
        place, target = found
        cells = {row[place]: None for row in rows}
        cells.pop(None, None)
        if target is not None:
            if cells:
                wanted.setdefault(target, {}).update(cells)
            return
        for cell in cells:
            class_name, _, object_id = cell.partition("$")
            wanted.setdefault(class_name, {})[object_id] = None

    def by_cell(self, key: str, found: Mapping[str, Mapping[str, str]]) -> Mapping[Any, str]:
        """Texts by class and objectId as texts by the cell of the pointers under ``key``."""
        if key not in self._pointers:
            return _NO_TEXTS
        target = self._pointers[key][1]
        if target is not None:
            return found.get(target, _NO_TEXTS)
        return {
            f"{class_name}${object_id}": text
            for class_name, texts in found.items()
            for object_id, text in texts.items()
        }

    def _texts(self, opening: str, rows: Sequence[Row], included: Included) -> list[str]:
        """The objects of rows, opened with ``opening``.

        What stands between two values is the same in all rows, and repeated; a key that is not in all of them brings
        its own.
        """
        if not rows:
            return []
        columns = list(zip(*rows, strict=True))
        nulls: Row = columns[self._nulls_at] if self._nulls_at >= 0 else ()
        if not any(nulls):
            nulls = ()
        between = opening
        parts: list[Iterable[str]] = []
        parts += repeat(between), map(json_string, columns[self._id_at])
        between = ""
        for field in self._fields:
            firsts = columns[field.place]
            found = included.get(field.key)
            if found is None and None not in firsts:
                form = field.form
                parts += (
                    repeat(f"{between}{field.start}{form.before}"),
                    form.texts(field.cells(columns)),
                )
                between = form.after
            elif found is not None and found.keys() >= set(firsts):
                parts += repeat(between + field.start), map(found.__getitem__, firsts)
                between = ""
            else:
                if between:
                    parts.append(repeat(between))
                between = ""
                if found is None:
                    parts.append(field.gaps(columns, nulls))
                else:
                    shown = [f"{field.start}{found[cell]}" if cell in found else "" for cell in firsts]
                    parts.append(field.with_nulls(shown, firsts, nulls))
        parts += repeat(between + self._ends), self._acls_of(columns[self._acl_at])
        return list(map("".join, zip(*parts, strict=False)))

    def _acls_of(self, numbers: Sequence[int]) -> Iterable[str]:
        """The ACL and the end of the object."""
        acls = self._acl_texts(set(numbers))
        ends = {number: "}" if text is None else f',"ACL":{text}}}' for number, text in acls.items()}
        return map(ends.__getitem__, numbers)
