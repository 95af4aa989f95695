"""Whether R*Trees and full-text tables, which triggers keep, hold what their rows hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import apsw

from parsekit.storage import check_statements as statements
from parsekit.storage import ddl
from parsekit.storage.findings import Finding, error
from parsekit.storage.layout import ClassLayout, Column

__all__ = ["check_geo_index", "check_text_index"]

_REBUILD: Final = "drop the index and create it again (a migration, or parsekit schema apply)"


def check_geo_index(connection: apsw.Connection, layout: ClassLayout, column: Column) -> Iterator[Finding]:
    """Every point has its box, and every box its point."""
    name = ddl.geo_index_name(layout.table, column.key)
    outside = connection.execute(statements.points_outside(layout.table, column, name)).get
    stale = connection.execute(statements.stale_points(layout.table, column, name)).get
    if outside or stale:
        what = f"the R*Tree lacks {outside} points and holds {stale} that are gone"
        yield error(f"class {layout.class_name}.{column.key}", what, _REBUILD)


def check_text_index(
    connection: apsw.Connection, layout: ClassLayout, index: str, column: Column
) -> Iterator[Finding]:
    """Each text's words, and no others, are in the full-text table."""
    name = ddl.text_index_name(layout.table, index)
    connection.execute(ddl.drop_vocabulary())
    connection.execute(ddl.create_vocabulary(name))
    try:
        indexed = {(int(row), str(term)) for row, term in connection.execute(ddl.VOCABULARY)}
    finally:
        connection.execute(ddl.drop_vocabulary())
    rows = connection.execute(statements.cells_with_words(layout.table, column.name))
    held = {(int(rid), word) for rid, words in rows for word in str(words).split()}
    if indexed != held:
        what = (
            f"the text index lacks {len(held - indexed)} words and holds {len(indexed - held)} that are gone"
        )
        yield error(f"class {layout.class_name}.{column.key}", what, _REBUILD)
