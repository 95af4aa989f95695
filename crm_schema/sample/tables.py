"""The strict half of CSV reading: bytes to rows of named cells, each with its line.

A row is one line. Quotes may protect a comma but not a line break, because a quote that is never closed would
otherwise swallow the rows below it; as it is, it costs its own row and no other. A file whose header is wrong
says nothing dependable about any row, so it is refused as a whole, together with every other file that has a
problem. Nothing here knows what a cell means.
"""

from __future__ import annotations

import codecs
import csv
import difflib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources.abc import Traversable
from typing import Final

import attrs

from crm_schema.sample.rows import Refusal, Repair

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "sales_teams.csv": ("sales_agent", "manager", "regional_office"),
    "products.csv": ("product", "series", "sales_price"),
    "accounts.csv": (
        "account",
        "sector",
        "year_established",
        "revenue",
        "employees",
        "office_location",
        "subsidiary_of",
    ),
    "sales_pipeline.csv": (
        "opportunity_id",
        "sales_agent",
        "product",
        "account",
        "deal_stage",
        "engage_date",
        "close_date",
        "close_value",
    ),
}
"""The files and their columns, a file that others refer to before those that do."""

_OTHER_DELIMITERS: Final = {";": "semicolons", "\t": "tabs", "|": "bars"}
_SHOWN_CHARACTERS: Final = 60


class SampleDataError(ValueError):
    """The files cannot be read at all; nothing was. `problems` has them all, `str()` one to a line.

    Each problem says the place first, then what is wrong and what was expected, and last how to fix it.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__("\n".join(self.problems))


class _LineError(ValueError):
    """What is wrong with one line, what was expected and how to fix it; the caller knows the place."""


@attrs.frozen
class Row:
    """The cells of one line by column."""

    line: int
    cells: Mapping[str, str]


@attrs.frozen
class Table:
    """A file with the right header: its whole rows, and what was found wrong with the others."""

    file: str
    rows: tuple[Row, ...]
    refusals: tuple[Refusal, ...]
    repairs: tuple[Repair, ...]

    @property
    def rows_read(self) -> int:
        """How many lines there are below the header."""
        return len(self.rows) + len(self.refusals)


def did_you_mean(found: str, candidates: Iterable[str]) -> str:
    """A suggestion to append to a message, ` (did you mean 'x'?)`, or nothing when no candidate is close."""
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    close = difflib.get_close_matches(found.lower(), by_lower, n=1, cutoff=0.7)
    return f" (did you mean {by_lower[close[0]]!r}?)" if close else ""


def shown(text: str) -> str:
    """The text in quotes, cut to a length that leaves a message readable."""
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "...")


def load_tables(directory: Traversable) -> dict[str, Table]:
    """Read the four files.

    Raises:
        SampleDataError: a file is missing, unreadable or empty, or its header is not the one expected.
    """
    if not directory.is_dir():
        files = ", ".join(COLUMNS)
        raise SampleDataError(
            [f"{directory}: there is no such directory; expected one with {files}. Fix: check the path."]
        )
    tables: dict[str, Table] = {}
    problems: list[str] = []
    for file in COLUMNS:
        try:
            tables[file] = _load_table(directory, file)
        except SampleDataError as error:
            problems.extend(error.problems)
    if problems:
        raise SampleDataError(problems)
    return tables


def _load_table(directory: Traversable, file: str) -> Table:
    place = f"{directory}/{file}"
    columns = COLUMNS[file]
    lines, repairs = _decoded_lines(file, place, _content(directory, file, place))
    if not lines:
        header = ",".join(columns)
        raise SampleDataError(
            [f"{place}, line 1: the file is empty; expected {header}. Fix: restore the file."]
        )
    try:
        head = _cells_of(lines[0])
        _check_header(head, columns)
    except _LineError as error:
        raise SampleDataError([f"{place}, line 1: {error}"]) from None
    rows: list[Row] = []
    refusals: list[Refusal] = []
    for line, raw in enumerate(lines[1:], start=2):
        try:
            rows.append(Row(line, _cells_by_column(raw, head)))
        except _LineError as error:
            refusals.append(Refusal(file, line, str(error)))
    return Table(file, tuple(rows), tuple(refusals), repairs)


def _content(directory: Traversable, file: str, place: str) -> bytes:
    source = directory / file
    if not source.is_file():
        raise SampleDataError(
            [f"{place}: the file is missing; expected {', '.join(COLUMNS)}. Fix: put it there."]
        )
    try:
        return source.read_bytes()
    except OSError as error:
        raise SampleDataError(
            [f"{place}: cannot be read ({error.strerror}); expected read access. Fix: check its permissions."]
        ) from error


def _decoded_lines(file: str, place: str, content: bytes) -> tuple[list[bytes], tuple[Repair, ...]]:
    """The lines, still bytes so that a wrong byte costs one row, and the repair of a byte order mark."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SampleDataError(
            [f"{place}, line 1: the text is UTF-16; expected UTF-8. Fix: save the file as UTF-8."]
        )
    repairs: tuple[Repair, ...] = ()
    if content.startswith(codecs.BOM_UTF8):
        content = content.removeprefix(codecs.BOM_UTF8)
        reason = "a byte order mark is no part of the text"
        repairs = (Repair(file, 1, COLUMNS[file][0], "\ufeff", "", reason),)
    lines = content.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    return [line.removesuffix(b"\r") for line in lines], repairs


def _cells_by_column(raw: bytes, head: Sequence[str]) -> dict[str, str]:
    cells = _cells_of(raw)
    if len(cells) != len(head):
        raise _LineError(_torn(cells, head))
    for column, cell in zip(head, cells, strict=True):
        # The first test is quick and true of almost every cell; a control character never passes it.
        if not cell.isprintable() and any(unicodedata.category(c) == "Cc" for c in cell.strip()):
            raise _LineError(
                f"{column} {shown(cell)} has a control character; expected plain text."
                " Fix: delete the character."
            )
    return dict(zip(head, cells, strict=True))


def _cells_of(raw: bytes) -> list[str]:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _LineError(
            f"byte {error.start + 1} of the line, 0x{raw[error.start]:02X}, is not UTF-8; expected UTF-8."
            " Fix: save the file as UTF-8."
        ) from None
    if text.strip() == "":
        raise _LineError("the line is empty; expected a row. Fix: delete the line, or restore the row.")
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error as error:
        if text.count('"') % 2:
            raise _LineError(
                "a quote is opened and not closed on the line; expected quotes in pairs, around a cell that"
                ' has a comma. Fix: close the quote, or write a quote inside a quoted cell as "".'
            ) from None
        raise _LineError(
            f"the line is not CSV ({error}); expected cells with commas between. Fix: restore the row."
        ) from None


def _torn(cells: Sequence[str], head: Sequence[str]) -> str:
    found = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
    if len(cells) < len(head):
        fix = "complete the row; an empty cell keeps its comma"
    else:
        fix = "put quotes around a cell that has a comma, and join no two rows on one line"
    return f"the row has {found}; expected {len(head)}: {','.join(head)}. Fix: {fix}."


def _check_header(head: Sequence[str], columns: Sequence[str]) -> None:
    """Raise what is wrong with a header. The order of the columns is free: cells are found by name."""
    if sorted(head) == sorted(columns):
        return
    expected = f"expected {','.join(columns)}"
    if len(head) == 1:
        for delimiter, name in _OTHER_DELIMITERS.items():
            if delimiter in head[0]:
                raise _LineError(
                    f"wrong header: the cells are separated by {name}, not commas; {expected}."
                    " Fix: save the file with commas."
                )
    missing = [column for column in columns if column not in head]
    wrong = [f"missing column {column!r}" for column in missing]
    wrong += [
        f"unexpected column {shown(cell)}{did_you_mean(cell, missing)}"
        for cell in dict.fromkeys(head)
        if cell not in columns
    ]
    wrong += [
        f"column {column!r} stands there {head.count(column)} times"
        for column in columns
        if head.count(column) > 1
    ]
    raise _LineError(
        f"wrong header: {', '.join(wrong)}; {expected}. Fix: correct the first line of the file."
    )
