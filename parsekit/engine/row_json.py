"""``RowJson``: the rows of a statement as the JSON texts of their objects, without making the objects.

Made once for a statement, then applied to whole columns: each column becomes a list of texts (``,"stage":"lead"``, or
nothing where the object does not have the key), and a row's texts are joined. What comes out is what
``PFObject.to_fields_json`` and ``codec.dumps`` make of the same rows (``tests/engine/test_row_json.py``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, final

from parsekit.codec import JSON, decode_interior, dumps, encode_value, format_ms, json_string
from parsekit.object_state import SYSTEM_KEYS
from parsekit.query.keys import SCORE
from parsekit.storage.layout import ACL_COLUMN, NULLS_COLUMN, ClassLayout, Column, split_nulls

__all__ = ["Included", "NeedsObjectsError", "RowJson", "UrlOf", "add_urls"]

Row: TypeAlias = tuple[Any, ...]
UrlOf: TypeAlias = Callable[[str], str]
"""From the name of a file to where it can be fetched."""

Included: TypeAlias = Mapping[str, Mapping[Any, str]]
"""Key -> cell of a pointer -> JSON of the object that it leads to. A cell that is not there leads to nothing."""

_Texts: TypeAlias = "Callable[[str, Sequence[Any], UrlOf], list[str]]"
"""What stands before each value, the cells of a column, how files get their URLs -> the texts of the column."""

_NOTHING: Final[Included] = {}
_NO_TEXTS: Final[Mapping[Any, str]] = {}
_SCORE_KEY: Final = "score"
_ALWAYS: Final = ("createdAt", "updatedAt")
_NOT_AMONG_FIELDS: Final = SYSTEM_KEYS | {"ACL"}
_REREAD: Final = re.compile(r'"__type"|[0-9]\.0(?![0-9])|[0-9](?:[eE]|[0-9]{18})')
"""Where the text of a column may differ from what goes out: typed values, and numbers that JavaScript writes otherwise."""


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


# --- columns ---


def _strings(start: str, cells: Sequence[Any], _url_of: UrlOf) -> list[str]:
    return [f"{start}{json_string(cell)}" if cell is not None else "" for cell in cells]


def _number(cell: float) -> str:
    if type(cell) is float and cell.is_integer() and abs(cell) < 1e21:
        return str(int(cell))
    return repr(cell) if math.isfinite(cell) else dumps(encode_value(cell))  # which refuses it


def _numbers(start: str, cells: Sequence[Any], _url_of: UrlOf) -> list[str]:
    return [
        f"{start}{cell}" if type(cell) is int else "" if cell is None else f"{start}{_number(cell)}"
        for cell in cells
    ]


def _booleans(start: str, cells: Sequence[Any], _url_of: UrlOf) -> list[str]:
    texts = {None: "", 1: f"{start}true"}
    no = f"{start}false"
    return [texts.get(cell, no) for cell in cells]


def _dates(start: str, cells: Sequence[Any], _url_of: UrlOf) -> list[str]:
    start += '{"__type":"Date","iso":"'
    return [f'{start}{format_ms(cell)}"}}' if cell is not None else "" for cell in cells]


def _times(start: str, cells: Sequence[Any], _url_of: UrlOf) -> list[str]:
    """createdAt and updatedAt, which are texts."""
    return [f'{start}"{format_ms(cell)}"' if cell is not None else "" for cell in cells]


def _pointers(target: str) -> _Texts:
    typed = f'{{"__type":"Pointer","className":{json_string(target)},"objectId":'

    def texts(start: str, cells: Sequence[Any], _url_of: UrlOf) -> list[str]:
        start += typed
        return [f"{start}{json_string(cell)}}}" if cell is not None else "" for cell in cells]

    return texts


def _any_pointers(start: str, cells: Sequence[Any], _url_of: UrlOf) -> list[str]:
    return ["" if cell is None else f"{start}{_any_pointer(cell)}" for cell in cells]


def _any_pointer(cell: str) -> str:
    class_name, _, object_id = cell.partition("$")
    return (
        f'{{"__type":"Pointer","className":{json_string(class_name)},"objectId":{json_string(object_id)}}}'
    )


def _geo_points(start: str, cells: Sequence[Any], _url_of: UrlOf) -> list[str]:
    start += '{"__type":"GeoPoint","latitude":'
    return [
        "" if latitude is None else f'{start}{_number(latitude)},"longitude":{_number(longitude)}}}'
        for latitude, longitude in cells
    ]


def _interiors(start: str, cells: Sequence[Any], url_of: UrlOf) -> list[str]:
    return ["" if cell is None else f"{start}{_interior(cell, url_of)}" for cell in cells]


def _interior(cell: str, url_of: UrlOf) -> str:
    return cell if _REREAD.search(cell) is None else _shown(encode_value(decode_interior(cell)), url_of)


def _shown(value: JSON, url_of: UrlOf) -> str:
    add_urls({"": value}, url_of)
    return dumps(value)


def _any(column: Column) -> _Texts:
    """Whatever type of column: what its value is in JSON."""
    decode = column.decode

    def text(cell: Any, url_of: UrlOf) -> str:
        return _shown(encode_value(cell if decode is None else decode(cell)), url_of)

    def texts(start: str, cells: Sequence[Any], url_of: UrlOf) -> list[str]:
        return ["" if cell is None else f"{start}{text(cell, url_of)}" for cell in cells]

    return texts


_BY_TYPE: Final[dict[str, _Texts]] = {
    "String": _strings,
    "Number": _numbers,
    "Boolean": _booleans,
    "Date": _dates,
    "GeoPoint": _geo_points,
    "Object": _interiors,
    "Array": _interiors,
}


def _texts_of(column: Column) -> _Texts:
    if column.field.type == "Pointer":
        return _any_pointers if column.field.target is None else _pointers(column.field.target)
    return _BY_TYPE.get(column.field.type) or _any(column)


# --- rows ---


@final
class _Field:
    """One key of the objects: where its cells are, what stands before its value, how the cells become texts."""

    __slots__ = ("is_pair", "key", "place", "start", "texts")

    def __init__(self, key: str, place: int, texts: _Texts, *, is_pair: bool = False) -> None:
        self.key = key
        self.place = place
        self.start = f",{json_string(key)}:"
        self.texts = texts
        self.is_pair = is_pair


@final
class RowJson:
    """Writes the rows of one statement.

    ``columns`` are the statement's, ``acl_text`` gives the JSON of an ACL by its number, ``None`` for none.
    """

    __slots__ = ("_acl_at", "_acl_text", "_containers", "_ends", "_fields", "_id_at", "_included", "_nulls_at", "pointers")

    def __init__(
        self, columns: Sequence[str], layout: ClassLayout, acl_text: Callable[[int], str | None]
    ) -> None:
        places = {name: place for place, name in enumerate(columns)}
        stored = {column.key: column for column in layout.stored_columns() if column.names[0] in places}
        self._acl_at = places[ACL_COLUMN]
        self._nulls_at = places.get(NULLS_COLUMN, -1)
        self._id_at = places[stored.pop("objectId").name]
        self._fields = [
            _Field(key, places[stored.pop(key).name], _times) for key in _ALWAYS if key in stored
        ]
        self.pointers: dict[str, tuple[int, str | None]] = {}
        """Keys of pointers: where the cell is, and its only class; ``None`` where the cell names the class."""
        self._containers: dict[str, int] = {}
        for key, column in stored.items():
            if key in _NOT_AMONG_FIELDS or (key == _SCORE_KEY and SCORE in places):
                continue
            place = places[column.name]
            if column.field.type in ("Array", "Object"):
                self._containers[key] = place
            elif column.field.type == "Pointer":
                self.pointers[key] = (place, column.field.target)
            self._fields.append(_Field(key, place, _texts_of(column), is_pair=len(column.names) == 2))
        if SCORE in places:
            self._fields.append(_Field(_SCORE_KEY, places[SCORE], _numbers))
        self._included = f'{{"__type":"Object","className":{json_string(layout.class_name)},"objectId":'
        self._acl_text = acl_text
        self._ends = "".join(
            f',{json_string(key)}:{{"__type":"Relation","className":{json_string(target)}}}'
            for key, target in layout.relations.items()
        )

    def texts(self, rows: Sequence[Row], url_of: UrlOf, included: Included = _NOTHING) -> list[str]:
        """The objects of a query's rows."""
        return self._texts('{"objectId":', rows, url_of, included)

    def texts_included(self, rows: Sequence[Row], url_of: UrlOf, included: Included = _NOTHING) -> list[str]:
        """The objects as they stand in others that include them."""
        return self._texts(self._included, rows, url_of, included)

    def ids(self, rows: Sequence[Row]) -> list[str]:
        """The objectIds."""
        place = self._id_at
        return [row[place] for row in rows]

    def collect(self, key: str, rows: Sequence[Row], wanted: dict[str, dict[str, None]]) -> None:
        """Add the objects that the pointers under ``key`` lead to, by class.

        Raises:
            NeedsObjectsError: there are pointers inside of what stands under ``key``.
        """
        found = self.pointers.get(key)
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
        if key not in self.pointers:
            return _NO_TEXTS
        target = self.pointers[key][1]
        if target is not None:
            return found.get(target, _NO_TEXTS)
        return {
            f"{class_name}${object_id}": text
            for class_name, texts in found.items()
            for object_id, text in texts.items()
        }

    def _texts(self, opening: str, rows: Sequence[Row], url_of: UrlOf, included: Included) -> list[str]:
        if not rows:
            return []
        columns = list(zip(*rows, strict=True))
        parts = [[f"{opening}{json_string(cell)}" for cell in columns[self._id_at]]]
        for field in self._fields:
            cells: Sequence[Any] = columns[field.place]
            if field.is_pair:
                cells = list(zip(cells, columns[field.place + 1], strict=True))
            found = included.get(field.key)
            if found is None:
                parts.append(field.texts(field.start, cells, url_of))
            else:
                start = field.start
                parts.append([f"{start}{found[cell]}" if cell in found else "" for cell in cells])
        if self._nulls_at >= 0:
            self._add_nulls(parts, columns)
        parts.append(self._ends_of(columns[self._acl_at]))
        return list(map("".join, zip(*parts, strict=True)))

    def _add_nulls(self, parts: list[list[str]], columns: Sequence[Row]) -> None:
        """Write the keys that hold an explicit null."""
        for place, nulls in enumerate(columns[self._nulls_at]):
            if nulls is None:
                continue
            keys = set(split_nulls(nulls))
            for field, texts in zip(self._fields, parts[1:], strict=True):
                if field.key in keys and columns[field.place][place] is None:
                    texts[place] = f"{field.start}null"

    def _ends_of(self, numbers: Sequence[int]) -> list[str]:
        """What follows the fields: relations, the ACL, the end of the object."""
        ends: dict[int, str] = {}
        for number in set(numbers):
            text = self._acl_text(number)
            ends[number] = f"{self._ends}}}" if text is None else f'{self._ends},"ACL":{text}}}'
        return [ends[number] for number in numbers]
