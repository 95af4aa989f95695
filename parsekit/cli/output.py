"""What commands print: JSON for programs, tables for people.

A table is as wide as it must be, so that nothing is cut off; one that a terminal has no room for is turned
into a block of lines for each row.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from parsekit.codec import JSON, dumps

__all__ = ["Column", "cell_of", "note", "objects", "print_json", "print_table", "progress_bar"]

Column = tuple[str, bool]
"""A title, and whether the cells are aligned to the right."""

_WIDE: Final = 100_000


def print_json(value: JSON) -> None:
    """Print JSON, indented."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], title: str | None = None) -> None:
    """Print a table, under a title."""
    terminal = sys.stdout.isatty()
    console = Console(file=sys.stdout, width=None if terminal else _WIDE, highlight=False)
    if title is not None:
        console.print(title, style="bold", markup=False)
    if terminal and len(columns) > 2 and _width(columns, rows) > console.width:
        for row in rows:
            pairs = [(name, cell) for (name, _), cell in zip(columns, row, strict=True) if cell]
            console.print(_table([("", False), ("", False)], pairs, wrap=True), "")
    elif terminal:
        console.print(_table(columns, rows, wrap=True))
    else:
        with console.capture() as captured:
            console.print(_table(columns, rows, wrap=False))
        sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def _table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, wrap: bool) -> Table:
    headed = any(name for name, _ in columns)
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=headed)
    for name, right in columns:
        table.add_column(name, justify="right" if right else "left", overflow="fold", no_wrap=not wrap)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _width(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> int:
    widths = [
        max(cell_len(text) for text in (name, *(row[place] for row in rows)))
        for place, (name, _) in enumerate(columns)
    ]
    return sum(widths) + 2 * (len(widths) - 1)


def objects(count: int) -> str:
    """A number of objects in words."""
    return f"{count} {'object' if count == 1 else 'objects'}"


def note(text: str) -> None:
    """A remark that is no part of the output."""
    sys.stderr.write(f"{text}\n")


def cell_of(value: JSON) -> str:
    """A value in REST form as a cell of a table."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return value
    if not isinstance(value, Mapping):
        return dumps(value)
    kind = value.get("__type")
    if kind == "Date":
        return str(value["iso"]).removesuffix("T00:00:00.000Z")
    if kind == "Pointer":
        return f"{value['className']}/{value['objectId']}"
    if kind == "Object":
        name = next((str(value[key]) for key in ("name", "title", "username") if key in value), "")
        pointer = f"{value['className']}/{value['objectId']}"
        return f"{name} ({pointer})" if name else pointer
    return dumps(value)


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int], None] | None]:
    """A count of objects that grows, on standard error if that is a terminal; else nothing to call."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=None)

        def advance(handled: int) -> None:
            progress.update(task, completed=handled)

        yield advance
