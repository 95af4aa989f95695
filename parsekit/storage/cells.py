"""The fields of a new object -> the cells of its row, in the order of the INSERT. Made once per class.

The order is that of ``statements.insert_statement``: the stored columns, the ACL number, the explicit nulls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, final

from parsekit.storage.layout import ClassLayout, Stored, join_nulls
from parsekit.values import Value

__all__ = ["RowEncoder"]

_Place: TypeAlias = tuple[int, "Callable[[Value], Stored] | None", bool]
"""Where a field's cell goes, how it is made (``None``: the value is the cell), and whether it is a pair of cells."""


@final
class RowEncoder:
    """Makes rows of one class."""

    __slots__ = ("_layout", "_places", "width")

    def __init__(self, layout: ClassLayout) -> None:
        self._layout = layout
        self._places: dict[str, _Place] = {}
        place = 0
        for column in layout.stored_columns():
            self._places[column.key] = (place, column.encode, len(column.names) > 1)
            place += len(column.names)
        self.width = place + 2
        """How many cells a row has."""

    def place(self, key: str) -> int:
        """Where the (first) cell of a field is."""
        return self._places[key][0]

    def row(self, fields: Mapping[str, Value], acl: int) -> list[Stored]:
        """The cells of an object with these fields and this ACL number; keys without a column are left out."""
        places = self._places
        cells: list[Stored] = [None] * self.width
        has_nulls = False
        for key, value in fields.items():
            if value is None:
                has_nulls = True
                continue
            found = places.get(key)
            if found is None:
                continue
            place, encode, is_pair = found
            if encode is None:
                cells[place] = value
            elif is_pair:
                cells[place : place + 2] = encode(value)
            else:
                cells[place] = encode(value)
        cells[-2] = acl
        if has_nulls:
            layout = self._layout
            nulls = [key for key, value in fields.items() if value is None and layout.keeps_null(key)]
            cells[-1] = join_nulls(nulls)
        return cells
