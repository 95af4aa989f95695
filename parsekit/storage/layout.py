"""How a class lies in SQLite: one STRICT table, typed columns, and the way of a value in and out of them.

===========  =========================  ==========================================================
field        column                     stored as
===========  =========================  ==========================================================
String       TEXT                       itself
Number       ANY                        integer or real; integers beyond 64 bits become reals
Boolean      INTEGER                    0 or 1
Date         INTEGER                    milliseconds since 1970-01-01 UTC
Pointer      TEXT                       objectId with one target class, else ``Class$objectId``
GeoPoint     REAL, REAL                 latitude, longitude
Object       TEXT                       JSON
Array        TEXT                       JSON
Polygon      TEXT                       JSON list of [latitude, longitude]
File         TEXT                       JSON {name, url}
Bytes        BLOB                       itself
Mixed        TEXT                       JSON, as inside of an Object (local datastores only)
Relation     none                       rows of a join table
===========  =========================  ==========================================================

Every table has ``_rid`` (the rowid, which is the insertion order), ``_acl`` (a number into the dictionary of
ACLs, 0 for none) and ``_nulls`` (the keys that hold an explicit null, between commas). Parse's names are
case-sensitive and SQLite's are not, so a column's name is chosen once and kept in the catalog.

A *schemaless* class is one of a local datastore: a field has a typed column while all its values are of one type, and
is Mixed from the first value of another type on; objectId and dates may be missing; ``_local`` holds what of an object
is not in its columns (pending operations, which keys a partial object has).

This module knows no SQL text; ``ddl`` and ``compiler`` do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, Final, TypeAlias, cast, final, get_args

from parsekit import attrs
from parsekit.codec import close_polygon, decode_interior, encode_interior, unchecked_point
from parsekit.schema import ClassSchema, Field
from parsekit.values import (
    MISSING,
    FileReference,
    Kind,
    PFPolygon,
    Pointer,
    RelationReference,
    Value,
    date_from_ms,
    date_to_ms,
)

__all__ = [
    "ACL_COLUMN",
    "LOCAL_COLUMN",
    "NULLS_COLUMN",
    "RID_COLUMN",
    "ClassLayout",
    "Column",
    "Stored",
    "assign_columns",
    "assign_table",
    "join_nulls",
    "join_table",
    "split_nulls",
]

Stored: TypeAlias = Any
"""What SQLite holds in a cell: None, int, float, str or bytes."""

RID_COLUMN: Final = "_rid"
ACL_COLUMN: Final = "_acl"
NULLS_COLUMN: Final = "_nulls"
SECRET_COLUMN: Final = "_secret"
LOCAL_COLUMN: Final = "_local"
_RESERVED: Final = frozenset({RID_COLUMN, ACL_COLUMN, NULLS_COLUMN, SECRET_COLUMN, LOCAL_COLUMN})
_TYPES: Final[dict[str, tuple[str, ...]]] = {
    "String": ("TEXT",),
    "Number": ("ANY",),
    "Boolean": ("INTEGER",),
    "Date": ("INTEGER",),
    "Pointer": ("TEXT",),
    "GeoPoint": ("REAL", "REAL"),
    "Object": ("TEXT",),
    "Array": ("TEXT",),
    "Polygon": ("TEXT",),
    "File": ("TEXT",),
    "Bytes": ("BLOB",),
    "Mixed": ("TEXT",),
    "Relation": (),
    "ACL": (),
}
_INT64: Final = 1 << 63
_ANY_KIND: Final[frozenset[Kind]] = frozenset(get_args(Kind))
_ALWAYS_HELD: Final = frozenset({"objectId", "createdAt", "updatedAt"})


@final
@attrs.frozen(slots=True)
class Column:
    """Where and how one field is stored. ``names`` has two entries for a GeoPoint, none for a Relation.

    ``encode`` turns a value that is not null into its cell (for a GeoPoint the pair of cells), ``decode`` turns that
    back; either is ``None`` where the cell is the value.
    """

    key: str
    field: Field
    names: tuple[str, ...]
    encode: Callable[[Value], Stored] | None = attrs.field(eq=False, repr=False)
    decode: Callable[[Stored], Value] | None = attrs.field(eq=False, repr=False)

    @property
    def name(self) -> str:
        """The first (mostly only) column name."""
        return self.names[0]

    def cells(self, value: Value) -> tuple[Stored, ...]:
        """One cell per name for a value; null is in no cell."""
        if value is None or len(self.names) != 1:
            return (None,) * len(self.names) if value is None or self.encode is None else self.encode(value)
        return (value if self.encode is None else self.encode(value),)

    @property
    def types(self) -> tuple[str, ...]:
        """The SQLite type of each column."""
        return _TYPES[self.field.type]


def _encode_number(value: Value) -> Stored:
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return float(value)
    return value


def _decode_boolean(stored: Stored) -> Value:
    return stored == 1


def _encode_geopoint(value: Value) -> tuple[Stored, ...]:
    return (float(value.latitude), float(value.longitude))


def _decode_geopoint(stored: Stored) -> Value:
    latitude, longitude = stored
    return MISSING if latitude is None else unchecked_point(latitude, longitude)


def _encode_polygon(value: Value) -> Stored:
    return encode_interior([list(pair) for pair in close_polygon(value).coordinates])


def _decode_polygon(stored: Stored) -> Value:
    return PFPolygon(decode_interior(stored))


def _encode_file(value: Value) -> Stored:
    return encode_interior({"name": value.name, "url": value.url})


def _decode_file(stored: Stored) -> Value:
    entry = decode_interior(stored)
    return FileReference(entry["name"], entry["url"])


def _encode_any_pointer(value: Value) -> Stored:
    return f"{value.class_name}${value.object_id}"


def _decode_any_pointer(stored: Stored) -> Value:
    class_name, _, object_id = stored.partition("$")
    return Pointer(class_name, object_id)


def _single_pointer_decoder(class_name: str) -> Callable[[Stored], Value]:
    def decode(stored: Stored) -> Value:
        return Pointer(class_name, stored)

    return decode


_Codec: TypeAlias = tuple[Callable[[Value], Stored] | None, Callable[[Stored], Value] | None]
_CODECS: Final[dict[str, _Codec]] = {
    "String": (None, None),
    "Number": (_encode_number, None),
    "Boolean": (int, _decode_boolean),
    "Date": (date_to_ms, date_from_ms),
    "Object": (encode_interior, decode_interior),
    "Array": (encode_interior, decode_interior),
    "Mixed": (encode_interior, decode_interior),
    "GeoPoint": (_encode_geopoint, _decode_geopoint),
    "Polygon": (_encode_polygon, _decode_polygon),
    "File": (_encode_file, _decode_file),
    "Bytes": (None, None),
    "Relation": (None, None),
    "ACL": (None, None),
}


def _codec(field: Field) -> _Codec:
    if field.type != "Pointer":
        return _CODECS[field.type]
    if field.target is None:
        return (_encode_any_pointer, _decode_any_pointer)
    return (attrgetter("object_id"), _single_pointer_decoder(field.target))


def assign_columns(item: ClassSchema, known: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Column names for every stored field of ``item``: those in ``known`` kept, new ones chosen free of clashes."""
    taken = {name.casefold() for names in known.values() for name in names} | _RESERVED
    assigned: dict[str, tuple[str, ...]] = {}
    for key, field in item.fields.items():
        if key in known:
            assigned[key] = known[key]
            continue
        suffixes = {0: (), 1: ("",), 2: ("$lat", "$lng")}[len(_TYPES[field.type])]
        names = _free(key, suffixes, taken)
        taken.update(name.casefold() for name in names)
        assigned[key] = names
    return assigned


def _free(key: str, suffixes: Iterable[str], taken: set[str]) -> tuple[str, ...]:
    number = 1
    while True:
        stem = key if number == 1 else f"{key}${number}"
        names = tuple(stem + suffix for suffix in suffixes)
        if not any(name.casefold() in taken for name in names):
            return names
        number += 1


def assign_table(class_name: str, taken: Iterable[str]) -> str:
    """A table name for the class, free of clashes with ``taken`` and with SQLite's own names."""
    used = {name.casefold() for name in taken}
    stem = f"c${class_name}" if class_name.casefold().startswith("sqlite_") else class_name
    return _free(stem, ("",), used)[0]


def join_table(class_name: str, key: str) -> str:
    """The join table of the relation ``key`` of ``class_name``, named as Parse names the collection."""
    return f"_Join:{key}:{class_name}"


@final
@attrs.frozen(slots=True, eq=False)
class ClassLayout:
    """The storage of one class: its table, its columns by key, and the keys that ever held an explicit null."""

    schema: ClassSchema
    table: str
    columns: Mapping[str, Column]
    null_keys: frozenset[str] = frozenset()
    schemaless: bool = False
    relations: Mapping[str, str] = attrs.field(init=False)
    """Relation fields with the class that each leads to."""
    targets: Mapping[str, str] = attrs.field(init=False)
    """Pointer fields whose cells are objectIds, with the class that each leads to."""

    has_totals: bool = attrs.field(init=False)
    """Whether an index wants totals to be kept."""

    @has_totals.default
    def _has_totals(self) -> bool:
        return any(index.kind == "totals" for index in self.schema.indexes)

    @relations.default
    def _relations(self) -> Mapping[str, str]:
        fields = self.schema.fields.items()
        return {key: field.targets[0] for key, field in fields if field.type == "Relation"}

    @targets.default
    def _targets(self) -> Mapping[str, str]:
        return {
            key: field.target
            for key, field in self.schema.fields.items()
            if field.type == "Pointer" and field.target is not None
        }

    @staticmethod
    def of(
        item: ClassSchema,
        table: str,
        names: Mapping[str, tuple[str, ...]],
        null_keys: Iterable[str] = (),
        *,
        schemaless: bool = False,
    ) -> ClassLayout:
        """The layout of ``item`` in ``table`` with the column names ``names``."""
        columns: dict[str, Column] = {}
        for key, field in item.fields.items():
            encode, decode = _codec(field)
            columns[key] = Column(key, field, names[key], encode, decode)
        return ClassLayout(item, table, columns, frozenset(null_keys), schemaless)

    @property
    def class_name(self) -> str:
        """The class."""
        return self.schema.name

    def stored_columns(self) -> list[Column]:
        """The columns that exist in the table, in the order of the fields."""
        return [column for column in self.columns.values() if column.names]

    def keeps_null(self, key: str) -> bool:
        """Whether an explicit null under ``key`` of a new object differs from a missing key.

        Not for a Pointer: on create MongoTransform keeps its null under another name than its ids, where nothing finds
        it (recorded q-1154); a later update with null stores it as any other.
        """
        column = self.columns.get(key)
        if column is not None and self.schemaless:
            return True
        return column is not None and column.field.type not in ("Pointer", "Relation")

    def kinds_of(self, key: str) -> frozenset[Kind]:
        """The kinds of values that objects can hold under ``key``, ``missing`` where one can lack it."""
        column = self.columns.get(key)
        if column is None:
            return frozenset({"missing"})
        if column.field.type == "Mixed":
            return _ANY_KIND
        kind = cast(Kind, column.field.type.lower())
        if kind == "relation" or (key in _ALWAYS_HELD and not self.schemaless):
            return frozenset({kind})
        return frozenset({kind, "missing", "null"} if key in self.null_keys else {kind, "missing"})

    def relation_keys(self) -> list[str]:
        """The keys of relation fields."""
        return list(self.relations)

    def fields_of_row(self, names: Mapping[str, int], row: tuple[Stored, ...]) -> dict[str, Value]:
        """Every field a full row holds as key -> value; ``names`` maps a column name to its position in ``row``."""
        fields: dict[str, Value] = {}
        for key, column in self.columns.items():
            if column.field.type == "Relation":
                fields[key] = RelationReference(column.field.targets[0])
                continue
            if not column.names:
                continue
            stored = row[names[column.names[0]]]
            if stored is None:
                continue
            if len(column.names) == 2:
                stored = (stored, row[names[column.names[1]]])
            fields[key] = stored if column.decode is None else column.decode(stored)
        for key in split_nulls(row[names[NULLS_COLUMN]]):
            fields[key] = None
        return fields


def split_nulls(stored: str | None) -> list[str]:
    """The keys in a ``_nulls`` cell."""
    return [] if stored is None else stored[1:-1].split(",")


def join_nulls(keys: Iterable[str]) -> str | None:
    """The ``_nulls`` cell of some keys, ``None`` for none."""
    text = ",".join(keys)
    return f",{text}," if text else None
