"""Dotted paths into Object columns as an SQL expression that an index can hold.

The expression gives the scalar at the path, or a marker where an array or object is on the way or at the end: there
MongoDB's paths fan out, and the matcher has to decide. So a condition looks up its value *or* the marker, and lets the
matcher test what it finds; the index narrows, it never answers alone.
"""

from __future__ import annotations

from typing import Final

from sqlglot import exp

from parsekit.storage import nodes
from parsekit.storage.layout import Column

__all__ = ["MARKER", "dotted_expression", "dotted_sql"]

MARKER: Final = "\x01nested"
"""What stands for anything but a scalar. A String that equals it is merely tested by the matcher too."""


def _json_path(path: str, length: int | None = None) -> exp.Expression:
    parts = path.split(".")[:length]
    quoted = [part.replace('"', "") for part in parts]  # field paths are names: letters, digits, _
    return nodes.text("$" + "".join(f'."{part}"' for part in quoted))


def dotted_expression(cell: exp.Expression, path: str) -> exp.Expression:
    """The expression of ``path`` in the JSON text ``cell``."""
    depth = path.count(".") + 1
    nested: list[exp.Expression] = [
        exp.EQ(
            this=nodes.call("json_type", cell.copy(), _json_path(path, length)),
            expression=nodes.text("array"),
        )
        for length in range(1, depth + 1)
    ]
    nested.append(
        exp.EQ(this=nodes.call("json_type", cell.copy(), _json_path(path)), expression=nodes.text("object"))
    )
    branch = exp.If(this=nodes.any_of(nested), true=nodes.text(MARKER))
    return exp.Case(ifs=[branch], default=nodes.call("json_extract", cell.copy(), _json_path(path)))


def dotted_sql(column: Column, path: str) -> str:
    """The expression as text, for CREATE INDEX."""
    return nodes.render(dotted_expression(nodes.column(column.name), path))
