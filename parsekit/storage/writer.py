"""Rows in and out: insert, read for update, update, delete, and the rows of relations.

Runs inside ``Store.write()``. The caller decides who may write and what the new values are; here a row's write ACL is
part of the statement that fetches it for update, so an object one may not write looks absent (101).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import final

import apsw

from parsekit import attrs
from parsekit.errors import DuplicateValueError
from parsekit.storage.cells import RowEncoder
from parsekit.storage.layout import (
    ACL_COLUMN,
    NULLS_COLUMN,
    RID_COLUMN,
    ClassLayout,
    Stored,
    join_nulls,
    join_table,
)
from parsekit.storage.plain_rows import PlainRows
from parsekit.values import Value

__all__ = ["StoredObject", "Writer"]


@final
@attrs.frozen(slots=True, eq=False)
class StoredObject:
    """A row as read for update: its rowid, its fields as values, and the number of its ACL."""

    rid: int
    fields: dict[str, Value]
    acl: int


class Writer:
    """Statements that change rows, their texts made once per class and set of columns."""

    def __init__(self) -> None:
        self.text: Callable[[tuple[str, ...], Callable[[], str]], str] = lambda _key, make: make()
        """Where texts of statements are kept: gives that of a key, which the call makes when it is not there."""
        self._inserts: dict[ClassLayout, str] = {}
        self._selects: dict[tuple[ClassLayout, bool], str] = {}
        self._updates: dict[tuple[ClassLayout, tuple[str, ...]], str] = {}
        self._positions: dict[ClassLayout, dict[str, int]] = {}
        self._rows: dict[ClassLayout, RowEncoder] = {}
        self._plain_rows: dict[ClassLayout, PlainRows] = {}

    def forget(self) -> None:
        """The catalog changed: layouts are other objects now."""
        self._inserts.clear()
        self._selects.clear()
        self._updates.clear()
        self._positions.clear()
        self._rows.clear()
        self._plain_rows.clear()

    # -- insert --------------------------------------------------------------------------------

    def insert(
        self, connection: apsw.Connection, layout: ClassLayout, fields: dict[str, Value], acl: int
    ) -> int:
        """Insert an object; its rowid. Raises ``DuplicateValueError`` for a value that must be unique."""
        sql = self._inserts.get(layout) or self._prepare_insert(layout)
        self._run(connection, layout, sql, self._rows[layout].row(fields, acl))
        return connection.last_insert_rowid()

    def plain_rows(self, layout: ClassLayout) -> PlainRows:
        """What makes the rows of plain creations of a class."""
        found = self._plain_rows.get(layout)
        if found is None:
            found = self._plain_rows[layout] = PlainRows(layout, self._row_positions(layout))
        return found

    def insert_row(self, connection: apsw.Connection, layout: ClassLayout, cells: list[Stored]) -> None:
        """Insert a row that ``plain_rows`` made. Raises as ``insert`` does."""
        self._run(connection, layout, self._inserts.get(layout) or self._prepare_insert(layout), cells)

    def insert_rows(
        self, connection: apsw.Connection, layout: ClassLayout, rows: Iterable[list[Stored]]
    ) -> None:
        """``insert_row`` for many, in order; some may be inserted when it raises."""
        sql = self._inserts.get(layout) or self._prepare_insert(layout)
        try:
            connection.executemany(sql, rows)
        except apsw.ConstraintError as error:
            raise _refusal(layout, error) from error

    def _prepare_insert(self, layout: ClassLayout) -> str:
        def make() -> str:
            from parsekit.storage.statements import insert_statement  # sqlglot, when it is needed

            return insert_statement(layout)

        self._rows[layout] = RowEncoder(layout)
        sql = self._inserts[layout] = self.text(("insert", layout.table), make)
        return sql

    # -- read for update -----------------------------------------------------------------------

    def read(
        self, connection: apsw.Connection, layout: ClassLayout, object_id: str, write_map: bytes | None
    ) -> StoredObject | None:
        """The object, if ``write_map`` (``None``: no ACL applies) lets the principal write it."""
        row = self.read_row(connection, layout, object_id, write_map)
        return None if row is None else self.stored_object(layout, row)

    def read_row(
        self, connection: apsw.Connection, layout: ClassLayout, object_id: str, write_map: bytes | None
    ) -> tuple[Stored, ...] | None:
        """``read`` without a look at the cells: the rowid, the columns of the fields, the ACL's number, the nulls."""
        key = (layout, write_map is not None)
        sql = self._selects.get(key)
        if sql is None:
            sql = self._selects[key] = self._select_for_update(layout, with_acl=write_map is not None)
        cells = (object_id,) if write_map is None else (object_id, write_map)
        row: tuple[Stored, ...] | None = connection.execute(sql, cells).fetchone()
        return row

    def stored_object(self, layout: ClassLayout, row: tuple[Stored, ...]) -> StoredObject:
        """The object of a row that ``read_row`` gave."""
        return StoredObject(row[0], layout.fields_of_row(self._row_positions(layout), row), row[-2])

    def _select_for_update(self, layout: ClassLayout, *, with_acl: bool) -> str:
        def make() -> str:
            from parsekit.storage.statements import select_for_update

            return select_for_update(layout, with_acl=with_acl)

        return self.text(("select", layout.table, str(with_acl)), make)

    def _update_statement(self, layout: ClassLayout, names: Sequence[str]) -> str:
        def make() -> str:
            from parsekit.storage.statements import update_statement

            return update_statement(layout, names)

        return self.text(("update", layout.table, *names), make)

    def _row_positions(self, layout: ClassLayout) -> dict[str, int]:
        positions = self._positions.get(layout)
        if positions is None:
            names = [RID_COLUMN, *(name for column in layout.stored_columns() for name in column.names)]
            positions = {name: place for place, name in enumerate([*names, ACL_COLUMN, NULLS_COLUMN])}
            self._positions[layout] = positions
        return positions

    # -- update and delete ---------------------------------------------------------------------

    def update(
        self,
        connection: apsw.Connection,
        layout: ClassLayout,
        old: StoredObject,
        changed: dict[str, Value],
        removed: Iterable[str],
        acl: int,
    ) -> None:
        """Write ``changed`` (key -> value, ``None`` for an explicit null) and clear ``removed``."""
        names: list[str] = []
        cells: list[Stored] = []
        for key, value in changed.items():
            column = layout.columns[key]
            names.extend(column.names)
            cells.extend(column.cells(value))
        for key in removed:
            column = layout.columns[key]
            names.extend(column.names)
            cells.extend((None,) * len(column.names))
        if acl != old.acl:
            names.append(ACL_COLUMN)
            cells.append(acl)
        if layout.null_keys:
            gone = {*changed, *removed}
            before = [key for key, value in old.fields.items() if value is None]
            after = [key for key in before if key not in gone]
            after += [key for key, value in changed.items() if value is None]
            if after != before:
                names.append(NULLS_COLUMN)
                cells.append(join_nulls(after))
        if names:
            self.update_row(connection, layout, old.rid, names, cells)

    def update_row(
        self,
        connection: apsw.Connection,
        layout: ClassLayout,
        rid: int,
        names: Iterable[str],
        cells: list[Stored],
    ) -> None:
        """Write ``cells`` into the columns ``names`` of a row. Raises ``DuplicateValueError`` as ``insert`` does."""
        place = (layout, tuple(names))
        sql = self._updates.get(place)
        if sql is None:
            sql = self._updates[place] = self._update_statement(layout, place[1])
        cells.append(rid)
        self._run(connection, layout, sql, cells)

    def delete(
        self, connection: apsw.Connection, layout: ClassLayout, rid: int, object_id: str
    ) -> dict[str, list[str]]:
        """Delete an object and the rows of its own relations; the members that these had, by key."""
        from parsekit.storage.statements import delete_statement

        connection.execute(delete_statement(layout), (rid,))
        return self.clear_relations(connection, layout, object_id)

    def clear_relations(
        self, connection: apsw.Connection, layout: ClassLayout, owner: str
    ) -> dict[str, list[str]]:
        """Empty an object's relations; the members that there were, by key."""
        from parsekit.storage.statements import delete_owner_statement

        gone: dict[str, list[str]] = {}
        for key in layout.relations:
            sql = delete_owner_statement(join_table(layout.class_name, key))
            members = [str(member) for (member,) in connection.execute(sql, (owner,))]
            if members:
                gone[key] = members
        return gone

    def _run(self, connection: apsw.Connection, layout: ClassLayout, sql: str, cells: list[Stored]) -> None:
        try:
            connection.execute(sql, cells)
        except apsw.ConstraintError as error:
            raise _refusal(layout, error) from error

    # -- relations -----------------------------------------------------------------------------

    def relate(
        self, connection: apsw.Connection, table: str, owner: str, related: Iterable[str]
    ) -> list[str]:
        """Add members to a relation; those that were not there before."""
        from parsekit.storage.statements import relate_statement

        return _each(connection, relate_statement(table), owner, related)

    def unrelate(
        self, connection: apsw.Connection, table: str, owner: str, related: Iterable[str]
    ) -> list[str]:
        """Remove members from a relation; those that were there."""
        from parsekit.storage.statements import unrelate_statement

        return _each(connection, unrelate_statement(table), owner, related)


def _each(connection: apsw.Connection, sql: str, owner: str, related: Iterable[str]) -> list[str]:
    """Run a statement for every (owner, member); the members that it had something to do for."""
    touched = connection.executemany(sql, [(owner, member) for member in related])
    return [str(member) for (member,) in touched]


def _refusal(layout: ClassLayout, error: apsw.ConstraintError) -> DuplicateValueError:
    return DuplicateValueError(hint=f"class {layout.class_name}: {_constraint(str(error))}")


def _constraint(message: str) -> str:
    """The columns of a failed UNIQUE constraint, without the value."""
    return (
        message.removeprefix("UNIQUE constraint failed: ").replace("ConstraintError: ", "")
        + " must be unique"
    )
