"""What the four files say, as values: one class per kind of row, and the report of how reading went.

A row exists only if everything in it was understood; `None` stands for a cell that is empty in the file,
never for one that could not be read. Rows keep the line they came from, so that whoever uses them can name
it.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from crm_schema.stages import Stage

_LINES_SHOWN: Final = 3


@attrs.frozen
class Manager:
    """A sales manager, known from the rows of the agents; `line` is the first of them."""

    line: int
    name: str
    regional_office: str


@attrs.frozen
class Agent:
    """A row of sales_teams.csv."""

    line: int
    name: str
    manager: str
    regional_office: str


@attrs.frozen
class Product:
    """A row of products.csv; the price in US dollars."""

    line: int
    name: str
    series: str | None
    price: int | float | None


@attrs.frozen
class Account:
    """A row of accounts.csv; `revenue` in millions of US dollars, `subsidiary_of` another account's name."""

    line: int
    name: str
    sector: str | None
    year_established: int | None
    revenue: int | float | None
    employees: int | None
    office_location: str | None
    subsidiary_of: str | None


@attrs.frozen
class Opportunity:
    """A row of sales_pipeline.csv. Agent, product and account are names of rows that were read."""

    line: int
    opportunity_id: str
    agent: str
    product: str
    account: str | None
    stage: Stage
    engage_date: datetime.date | None
    close_date: datetime.date | None
    close_value: int | float | None


@attrs.frozen
class Repair:
    """A value that was read as another one than the file has. `str()` gives it with its place in front."""

    file: str
    line: int
    column: str
    found: str
    used: str
    reason: str

    def __str__(self) -> str:
        change = f"{self.column} {self.found!r} read as {self.used!r}"
        return f"{self.file}, line {self.line}: {change}: {self.reason}"


@attrs.frozen
class Refusal:
    """A row that was not read: `reason` says what is wrong, what was expected, and last how to fix it."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.reason}"


@attrs.frozen
class ReadReport:
    """How reading went. Every row of every file is either among the data or among the refusals."""

    rows_read: Mapping[str, int]
    """By file, every line below the header, refused ones included."""

    repairs: tuple[Repair, ...]
    """In the order of files and lines, of rows that were kept."""

    refusals: tuple[Refusal, ...]
    """In the order of files and lines, one for a row however much is wrong with it."""

    def lines(self) -> Iterator[str]:
        """The report for people: a line for each file, for each kind of repair and for each refused row."""
        refused: defaultdict[str, int] = defaultdict(int)
        for refusal in self.refusals:
            refused[refusal.file] += 1
        for file, count in self.rows_read.items():
            yield f"{file}: {count} rows read, {count - refused[file]} kept, {refused[file]} refused"
        yield from self._repair_lines()
        yield from (f"refused: {refusal}" for refusal in self.refusals)

    def _repair_lines(self) -> Iterator[str]:
        # One misspelling can stand on every other row: the kinds are listed, `repairs` has each.
        kinds: defaultdict[tuple[str, str, str, str, str], list[int]] = defaultdict(list)
        for repair in self.repairs:
            kinds[repair.file, repair.column, repair.found, repair.used, repair.reason].append(repair.line)
        for (file, column, found, used, reason), at in kinds.items():
            where = ", ".join(map(str, at[:_LINES_SHOWN]))
            if len(at) > _LINES_SHOWN:
                where += f" and {len(at) - _LINES_SHOWN} more"
            times = "once" if len(at) == 1 else f"{len(at)} times"
            line = "line" if len(at) == 1 else "lines"
            yield f"repaired {times}: {file}, {line} {where}: {column} {found!r} read as {used!r}: {reason}"


@attrs.frozen
class PipelineData:
    """Everything that was read, in the order of the files, and the report.

    Names are unique within each tuple, and every name that a row refers to is among the rows.
    """

    managers: tuple[Manager, ...]
    agents: tuple[Agent, ...]
    products: tuple[Product, ...]
    accounts: tuple[Account, ...]
    opportunities: tuple[Opportunity, ...]
    report: ReadReport
