"""The writes that nearly all writes are, in one look at each value: its type, its cell, its text for the journal.

A plain write sets fields that its class has to values of their types, and perhaps the ACL. Any other (a new field, a
null, an array, an operation that is no ``Set``, a default to fill in, a value to refuse) gives ``None`` here and goes
the long way through ``engine.infer`` and ``engine.effects``, which say what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias, final

from parsekit.codec import FIELD_TEXTS, format_ms, json_string
from parsekit.operations import OperationSet
from parsekit.schema import Field
from parsekit.storage.layout import ACL_COLUMN, NULLS_COLUMN, ClassLayout, Column, Stored
from parsekit.values import MISSING, Missing, Pointer, Value

__all__ = ["PlainRows", "PlainValues", "PointerOf"]

PointerOf: TypeAlias = Callable[[Any], "Pointer | None"]
"""Gives the pointer that is written for a value that is no plain one, ``None`` when there is none."""
_Text: TypeAlias = Callable[[Any], str]
_Place: TypeAlias = tuple[
    str, Mapping[type, _Text], "Collection[Value] | None", "Callable[[Value], Stored] | None", str
]
"""The column, how each fitting type is written, the only values (of a Pointer: classes), the encoder, the name."""


def _date_text(cell: int) -> str:
    return f'{{"__type":"Date","iso":"{format_ms(cell)}"}}'


_NUMBERS: Final[Mapping[type, _Text]] = {int: FIELD_TEXTS[int], float: FIELD_TEXTS[float]}
_TYPES: Final[Mapping[str, Mapping[type, _Text]]] = {
    "String": {str: FIELD_TEXTS[str]},
    "Number": _NUMBERS,
    "Boolean": {bool: FIELD_TEXTS[bool]},
    "Date": {datetime: _date_text},
    "Pointer": {Pointer: FIELD_TEXTS[Pointer]},
}
_SYSTEM: Final = frozenset({"objectId", "createdAt", "updatedAt"})


def _number_text(cell: int | float) -> str:
    return _NUMBERS[type(cell)](cell)


_CELL_TEXTS: Final[Mapping[str, _Text]] = {
    "String": json_string,
    "Number": _number_text,
    "Boolean": {0: "false", 1: "true"}.__getitem__,
    "Date": _date_text,
}
"""The text of a value for the journal by its cell."""


@final
class PlainValues:
    """What a plain write comes to: values by key, cells by column, members of the journal's JSON object, the ACL."""

    __slots__ = ("acl", "cells", "changed", "members")

    def __init__(
        self, changed: dict[str, Value], cells: dict[str, Stored], members: list[str], acl: Value | Missing
    ) -> None:
        self.changed = changed
        self.cells = cells
        self.members = members
        self.acl = acl


@final
class PlainRows:
    """Makes the rows of one class."""

    __slots__ = ("_columns", "_demanding", "_former", "_identity", "_places", "_times")

    def __init__(self, layout: ClassLayout, positions: Mapping[str, int]) -> None:
        columns = layout.columns
        self._demanding = layout.schema.demanding
        self._identity = columns["objectId"].name
        self._times = columns["createdAt"].name, columns["updatedAt"].name
        stored = layout.stored_columns()
        self._columns = [*(name for column in stored for name in column.names), ACL_COLUMN, NULLS_COLUMN]
        self._places: dict[str, _Place] = {}
        self._former: dict[str, tuple[int, str, _Text]] = {}
        for column in stored:
            key, field = column.key, column.field
            if field.type not in _TYPES or (field.enum and field.type != "String"):
                continue
            name = f"{json_string(key)}:"
            self._former[key] = (positions[column.name], name, _text_of_cell(column))
            if key not in _SYSTEM:
                self._places[key] = (column.name, _TYPES[field.type], _allowed(field), column.encode, name)

    def of(self, operations: OperationSet, pointer_of: PointerOf | None = None) -> PlainValues | None:
        """What operations come to, ``None`` when they are not plain."""
        places = self._places
        changed: dict[str, Value] = {}
        cells: dict[str, Stored] = {}
        members: list[str] = []
        acl: Value | Missing = MISSING
        given = operations.values()
        if given is None:
            return None
        for key, value in given.items():
            found = places.get(key)
            if found is None:
                if key != "ACL" or type(value) is not dict:
                    return None
                acl = value
                continue
            column, texts, allowed, encode, name = found
            text = texts.get(type(value))
            if text is None:
                if pointer_of is None or Pointer not in texts or (value := pointer_of(value)) is None:
                    return None
                text = texts[Pointer]
            if allowed is not None and (value.class_name if type(value) is Pointer else value) not in allowed:
                return None
            changed[key] = value
            if encode is None:
                cells[column] = value
                members.append(name + text(value))
            else:
                cell = cells[column] = encode(value)
                members.append(name + text(cell if text is _date_text else value))
        for key in self._demanding:
            if changed.get(key, MISSING) == "":
                return None
        return PlainValues(changed, cells, members, acl)

    def creates(self, values: PlainValues) -> bool:
        """Whether a new object of these values needs no other: nothing that the class demands is missing."""
        return all(key in values.changed for key in self._demanding)

    def row(self, values: PlainValues, object_id: str, at_ms: int, acl: int) -> list[Stored]:
        """The cells of a new object with this id and ACL number, created at a moment, in the order of the INSERT."""
        cells = values.cells
        created, updated = self._times
        cells[self._identity] = object_id
        cells[created] = cells[updated] = at_ms
        cells[ACL_COLUMN] = acl
        return list(map(cells.get, self._columns))

    def update(self, values: PlainValues, at_ms: int) -> dict[str, Stored]:
        """The cells by column of an object that is given these values at a moment."""
        cells = values.cells
        cells[self._times[1]] = at_ms
        return cells

    def former(self, keys: Iterable[str], row: tuple[Stored, ...]) -> list[str]:
        """The members of the journal's JSON object for the values under ``keys`` of a row read for update."""
        former = self._former
        members: list[str] = []
        for key in keys:
            place, name, text = former[key]
            cell = row[place]
            if cell is not None:
                members.append(name + text(cell))
        return members


def _allowed(field: Field) -> Collection[Value] | None:
    """The only values of a field, for a Pointer its classes; ``None`` when any will do."""
    return (field.targets if field.type == "Pointer" else field.enum) or None


def _text_of_cell(column: Column) -> _Text:
    """The text for the journal of a value that a column holds."""
    known = _CELL_TEXTS.get(column.field.type)
    if known is not None:
        return known
    decode, text = column.decode, FIELD_TEXTS[Pointer]
    assert decode is not None
    return lambda cell: text(decode(cell))
