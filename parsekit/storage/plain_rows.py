"""The creations that nearly all creations are, in one look at each value: its type, its cell, its text for the journal.

A plain creation sets fields that its class has to values of their types, and perhaps the ACL. Any other (a new field, a
null, an array, an operation that is no ``Set``, a default to fill in, a value to refuse) gives ``None`` here and goes
the long way through ``engine.infer`` and ``engine.effects``, which say what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias, final

from parsekit.codec import FIELD_TEXTS, json_string
from parsekit.operations import OperationSet, Set
from parsekit.schema import Field
from parsekit.storage.cells import RowEncoder
from parsekit.storage.layout import ClassLayout, Stored
from parsekit.values import MISSING, Missing, Pointer, Value, date_to_ms

__all__ = ["PlainRow", "PlainRows"]

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "String": (str,),
    "Number": (int, float),
    "Boolean": (bool,),
    "Date": (datetime,),
    "Pointer": (Pointer,),
}

_SYSTEM: Final = frozenset({"objectId", "createdAt", "updatedAt"})
_Text: TypeAlias = Callable[[Any], str]
_Place: TypeAlias = tuple[
    int, Mapping[type, _Text], "Collection[Value] | None", "Callable[[Value], Stored] | None", str
]
"""Where the cell goes, how each fitting type is written, the only values (of a Pointer: classes), encoder, name."""


@final
class PlainRow:
    """What a plain creation comes to: values by key, the ACL, the row, and the members of the journal's JSON object."""

    __slots__ = ("acl", "cells", "changed", "members")

    def __init__(
        self, changed: dict[str, Value], acl: Value | Missing, cells: list[Stored], members: list[str]
    ) -> None:
        self.changed = changed
        self.acl = acl
        self.cells = cells
        self.members = members


@final
class PlainRows:
    """Makes the rows of one class."""

    __slots__ = ("_demanding", "_identity", "_places", "_times", "_width")

    def __init__(self, layout: ClassLayout) -> None:
        encoder = RowEncoder(layout)
        self._width = encoder.width
        self._demanding = layout.schema.demanding
        self._identity = encoder.place("objectId")
        self._times = encoder.place("createdAt"), encoder.place("updatedAt")
        self._places: dict[str, _Place] = {}
        for column in layout.stored_columns():
            key, field = column.key, column.field
            if field.type not in _TYPES or key in _SYSTEM or (field.enum and field.type != "String"):
                continue
            texts = {kind: FIELD_TEXTS[kind] for kind in _TYPES[field.type]}
            name = f"{json_string(key)}:"
            self._places[key] = (encoder.place(key), texts, _allowed(field), column.encode, name)

    def of(self, operations: OperationSet) -> PlainRow | None:
        """The row of a creation, ``None`` when it is not plain."""
        places = self._places
        changed: dict[str, Value] = {}
        cells: list[Stored] = [None] * self._width
        members: list[str] = []
        acl: Value | Missing = MISSING
        for key, operation in operations.items():
            if type(operation) is not Set:
                return None
            value = operation.value
            found = places.get(key)
            if found is None:
                if key != "ACL" or type(value) is not dict:
                    return None
                acl = value
                continue
            place, texts, allowed, encode, name = found
            text = texts.get(type(value))
            if text is None:
                return None
            if allowed is not None and (value.class_name if type(value) is Pointer else value) not in allowed:
                return None
            changed[key] = value
            cells[place] = value if encode is None else encode(value)
            members.append(name + text(value))
        for key in self._demanding:
            if changed.get(key, "") == "":
                return None
        return PlainRow(changed, acl, cells, members)

    def complete(self, row: PlainRow, object_id: str, at: datetime, acl: int) -> list[Stored]:
        """The cells of ``row`` as an object with this id and ACL number, created at a moment."""
        cells = row.cells
        cells[self._identity] = object_id
        created, updated = self._times
        cells[created] = cells[updated] = date_to_ms(at)
        cells[-2] = acl
        return cells


def _allowed(field: Field) -> Collection[Value] | None:
    """The only values of a field, for a Pointer its classes; ``None`` when any will do."""
    return (field.targets if field.type == "Pointer" else field.enum) or None
