"""Whole rows of a class in insertion order, for what looks at all of them: checks and reads of the past.

Queries do not come this way; they have plans (``compiler``). No permission is applied here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, TypeAlias

import apsw

from parsekit.storage.layout import ACL_COLUMN, NULLS_COLUMN, RID_COLUMN, ClassLayout

__all__ = ["Row", "members_by_owner", "row_positions", "whole_rows"]

Row: TypeAlias = tuple[Any, ...]
_ENDS: Final = (ACL_COLUMN, NULLS_COLUMN)


def _names(layout: ClassLayout) -> list[str]:
    stored = [name for column in layout.stored_columns() for name in column.names]
    return [RID_COLUMN, *stored, *_ENDS]


def row_positions(layout: ClassLayout) -> dict[str, int]:
    """Column name -> its place in a row of ``whole_rows``."""
    return {name: place for place, name in enumerate(_names(layout))}


@lru_cache(maxsize=512)
def _statement(layout: ClassLayout) -> str:
    from sqlglot import exp  # imported when it is needed, not with the engine

    from parsekit.storage import nodes

    columns = [nodes.column(name) for name in _names(layout)]
    order = [exp.Ordered(this=nodes.column(RID_COLUMN))]
    return nodes.render(nodes.select(columns, nodes.table(layout.table), order=order))


def whole_rows(connection: apsw.Connection, layout: ClassLayout) -> Iterator[Row]:
    """Every row: rowid, the stored columns, ACL number, nulls."""
    return iter(connection.execute(_statement(layout)))


def members_by_owner(connection: apsw.Connection, table: str) -> dict[str, set[str]]:
    """All members in a join table: by owner, their objectIds."""
    from parsekit.storage.statements import members_statement

    members: dict[str, set[str]] = {}
    for owner, member in connection.execute(members_statement(table)):
        members.setdefault(str(owner), set()).add(str(member))
    return members
