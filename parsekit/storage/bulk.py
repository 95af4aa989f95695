"""Many new rows of one class at once: which ids are taken, whole rows in. Runs inside ``Store.write()``.

One prepared statement serves a whole batch. What the rows hold, and who may write them, is settled before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TypeAlias, final

import apsw

from parsekit import attrs
from parsekit.codec import dumps
from parsekit.errors import DuplicateValueError
from parsekit.storage.cells import RowEncoder
from parsekit.storage.layout import ClassLayout, Stored
from parsekit.values import Value

__all__ = ["BulkRow", "RepeatedValue", "insert_rows", "present_ids"]

BulkRow: TypeAlias = tuple[dict[str, Value], int]
"""The fields of a new object, objectId and dates included, and the number of its ACL."""


@final
class RepeatedValue(Exception):  # noqa: N818 - a signal that says which row, for the caller to turn into an error
    """Row number ``index`` holds a value that must be unique and is there already."""

    def __init__(self, index: int, error: DuplicateValueError) -> None:
        super().__init__(index)
        self.index = index
        self.error = error


@lru_cache(maxsize=512)
def _present_statement(table: str) -> str:
    """SELECT of those objectIds that are in a bound JSON array."""
    from sqlglot import exp

    from parsekit.storage import nodes

    listed = nodes.select([nodes.column("value")], nodes.call("json_each", exp.Placeholder()))
    identity = nodes.column("objectId")
    found = exp.In(this=identity, query=exp.Subquery(this=listed))
    return nodes.render(nodes.select([identity], nodes.table(table), found))


def present_ids(connection: apsw.Connection, layout: ClassLayout, ids: Sequence[str]) -> set[str]:
    """Those of ``ids`` that objects of the class have."""
    rows = connection.execute(_present_statement(layout.table), (dumps(list(ids)),))
    return {str(found) for (found,) in rows}


@attrs.define(slots=True)
class _Rows:
    """Hands rows to SQLite one by one and knows which is under way when it refuses one."""

    layout: ClassLayout
    rows: Sequence[BulkRow]
    index: int = -1

    def __iter__(self) -> Iterator[list[Stored]]:
        row = RowEncoder(self.layout).row
        for index, (fields, acl) in enumerate(self.rows):
            self.index = index
            yield row(fields, acl)


def insert_rows(connection: apsw.Connection, layout: ClassLayout, rows: Sequence[BulkRow]) -> None:
    """Insert objects, in order.

    Raises:
        RepeatedValue: a row has a value that must be unique; those before it are inserted.
    """
    from parsekit.storage.statements import insert_statement

    supply = _Rows(layout, rows)
    try:
        connection.executemany(insert_statement(layout), supply)
    except apsw.ConstraintError as error:
        columns = str(error).removeprefix("UNIQUE constraint failed: ").removeprefix("ConstraintError: ")
        refusal = DuplicateValueError(hint=f"class {layout.class_name}: {columns} must be unique")
        raise RepeatedValue(supply.index, refusal) from error
