"""The demonstration: a real sales pipeline in an embedded database, and what those who work with it look at.

Each step is a function that asks the engine and shows what it got. The queries are the ones an application
would make, under the users who would make them; nothing here is a special way in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

import attrs
from rich.bar import Bar
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

import parsekit
from crm_schema import SAMPLE_SCHEMA
from crm_schema.sample.classes import CLASSES, Deal, User
from crm_schema.sample.importer import check_complete, import_pipeline
from crm_schema.sample.names import slug
from crm_schema.sample.objects import object_counts
from crm_schema.sample.reader import read_pipeline
from crm_schema.sample.rows import Manager, PipelineData
from crm_schema.stages import BOARD, OPEN_STAGES, Stage
from parsekit import ParseEngine, PFQuery
from parsekit.interchange import ImportReport

__all__ = ["BoardRow", "DemoError", "pipeline_board", "run_demo"]

_ROWS_AT_EACH_END: Final = 4
_EVENT_TIMEOUT_S: Final = 5.0
_BAR_WIDTH: Final = 40


class DemoError(ValueError):
    """What was asked for cannot be shown; the message says what can."""


@attrs.frozen
class BoardRow:
    """A stage of the pipeline: how many deals stand there, and what they add up to."""

    stage: Stage
    count: int
    amount: float


@attrs.define
class _Show:
    """Where things are shown, and how long each query took."""

    console: Console
    times: list[tuple[str, float]] = attrs.field(factory=list)

    @contextmanager
    def timed(self, label: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.times.append((label, time.perf_counter() - start))

    def title(self, text: str) -> None:
        self.console.print()
        self.console.print(text, style="bold", highlight=False)

    def line(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)


def run_demo(
    database: Path,
    console: Console,
    *,
    data_directory: Path | None = None,
    agent: str = "moses-frase",
    skip_refused: bool = False,
) -> None:
    """Import the sample into a database file, unless it is there, and show it.

    Args:
        database: the file, created where there is none.
        console: where to show it; a progress bar and colors appear on a terminal only.
        data_directory: where the CSV files are, ``None`` for the ones that come with the package.
        agent: the username of the salesperson to look over the shoulder of.
        skip_refused: import the other rows when some cannot be read.

    Raises:
        SampleDataError: the files cannot be read, or rows are refused; nothing is written.
        ParsekitError: the database cannot be opened or written; it is as it was before.
        DemoError: there is no such agent.
    """
    show = _Show(console)
    data = read_pipeline(data_directory)
    if not skip_refused:
        check_complete(data)
    manager = _manager_of(agent, data)
    with parsekit.open(database, schema=SAMPLE_SCHEMA, classes=CLASSES) as engine:
        _show_import(show, engine, database, data)
        # SAFETY: the sample's users have no password to log in with; looking them up is all the master does.
        with engine.acting_as_master():
            users = PFQuery(User)
            person = users.where_key("username", equal_to=agent).first()
            superior = users.where_key("username", equal_to=slug(manager.name)).first()
        with engine.acting_as(superior):
            with show.timed("the board: count and sum of amount per stage"):
                rows = pipeline_board()
            whose = f"{superior.full_name} (manager, {superior.regional_office}) sees it: the team's deals"
            _show_board(show, f"The pipeline, as {whose}", rows)
        # SAFETY: no user sees the deals of every team; whoever holds the file may.
        with engine.acting_as_master():
            _show_board(show, "The pipeline of all teams, which only the master sees", pipeline_board())
        with engine.acting_as(person):
            _show_deals(show, person)
            _show_move(show, engine, person)
        _show_times(show)


def _manager_of(agent: str, data: PipelineData) -> Manager:
    names = {slug(person.name): person.manager for person in data.agents}
    for manager in data.managers:
        if names.get(agent) == manager.name:
            return manager
    raise DemoError(
        f'agent "{agent}": there is no such salesperson; expected one of {", ".join(sorted(names))}'
    )


# --- the import ---


def _show_import(show: _Show, engine: ParseEngine, database: Path, data: PipelineData) -> None:
    counts = object_counts(data)
    start = time.perf_counter()
    with _progress(show.console, sum(counts.values())) as advance:
        report = import_pipeline(engine, data, progress=advance)
    took = time.perf_counter() - start
    show.title(f"Import into {database}")
    for line in data.report.lines():
        show.line(line)
    show.console.print(_import_table(report, list(counts)))
    created = sum(report.created.values())
    if created:
        show.line(f"{created:,} objects created in {took:.2f} s, in one transaction")
    else:
        show.line(f"nothing imported: all {report.total:,} objects were there already")


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("importing"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("importing", total=total)
        yield lambda handled: progress.update(task, completed=handled)


def _import_table(report: ImportReport, class_names: Sequence[str]) -> Table:
    table = _table("Class", "<", "Created", ">", "Already there", ">")
    for name in class_names:
        created, present = report.created.get(name, 0), report.present.get(name, 0)
        table.add_row(name, f"{created:,}", f"{present:,}")
    return table


# --- the board ---


def pipeline_board() -> list[BoardRow]:
    """Count and sum of amount for every stage, of the deals that the current principal may see.

    `PFQuery.aggregate` would group them in one statement, but is for the master only, as in Parse.
    """
    rows: list[BoardRow] = []
    for stage in BOARD:
        deals = PFQuery(Deal).where_key("stage", equal_to=stage)
        amounts = (deal.amount or 0 for deal in deals.copy().select_keys("amount").each())
        rows.append(BoardRow(stage, deals.count(), sum(amounts)))
    return rows


def _show_board(show: _Show, title: str, rows: Sequence[BoardRow]) -> None:
    show.title(title)
    table = _table("Stage", "<", "Deals", ">", "Amount", ">")
    for row in rows:
        table.add_row(row.stage.label, f"{row.count:,}", f"{row.amount:,.0f}")
    table.add_section()
    table.add_row("All", f"{sum(r.count for r in rows):,}", f"{sum(r.amount for r in rows):,.0f}")
    show.console.print(table)
    show.console.print(_chart(rows))


def _chart(rows: Sequence[BoardRow]) -> Table:
    most = max(row.count for row in rows) or 1
    chart = Table.grid(padding=(0, 1))
    for row in rows:
        bar = Bar(most, 0, row.count, width=_BAR_WIDTH, color="green" if row.stage is Stage.WON else "blue")
        chart.add_row(row.stage.label, bar, f"{row.count:,}")
    return chart


# --- the salesperson's deals ---


def won_deals(person: User) -> PFQuery[Deal]:
    """What somebody has won, in the order in which it was."""
    return (
        PFQuery(Deal)
        .where_key("assignedTo", equal_to=person)
        .where_key("stage", equal_to=Stage.WON)
        .order_by_ascending("expectedCloseDate")
        .include_key("company", "product")
        .limit(1000)
    )


def open_deals(person: User) -> PFQuery[Deal]:
    """What somebody works on, the longest first; what is not engaged yet, as missing values do, before that."""
    return (
        PFQuery(Deal)
        .where_key("assignedTo", equal_to=person)
        .where_key("stage", contained_in=OPEN_STAGES)
        .order_by_ascending("engageDate")
        .include_key("company", "product")
        .limit(1000)
    )


def _show_deals(show: _Show, person: User) -> None:
    with show.timed("won deals by expectedCloseDate, with company and product"):
        won = won_deals(person).find()
    show.title(f"{person.full_name}: {len(won):,} won deals, by expectedCloseDate")
    show.console.print(_deal_table(won, "Closed", lambda deal: deal.expected_close_date))
    with show.timed("open deals by engageDate, with company and product"):
        still_open = open_deals(person).find()
    show.title(f"{person.full_name}: {len(still_open):,} open deals, by engageDate")
    show.console.print(_deal_table(still_open, "Engaged", lambda deal: deal.engage_date))


def _deal_table(deals: Sequence[Deal], day: str, day_of: Callable[[Deal], datetime | None]) -> Table:
    table = _table("Deal", "<", day, "<", "Company", "<", "Product", "<", "Stage", "<", "Amount", ">")
    between = len(deals) - 2 * _ROWS_AT_EACH_END
    for place, deal in enumerate(deals):
        if between > 0 and place == _ROWS_AT_EACH_END:
            table.add_row(f"… {between:,} more")
        if between <= 0 or not _ROWS_AT_EACH_END <= place < _ROWS_AT_EACH_END + between:
            table.add_row(*_deal_cells(deal, day_of(deal)))
    return table


def _deal_cells(deal: Deal, day: datetime | None) -> list[str]:
    return [
        str(deal.object_id),
        "—" if day is None else f"{day:%Y-%m-%d}",
        "—" if deal.company is None else deal.company.name,
        "—" if deal.product is None else deal.product.name,
        "—" if deal.stage is None else deal.stage.label,
        "—" if deal.amount is None else f"{deal.amount:,.0f}",
    ]


# --- a deal moves ---


def _show_move(show: _Show, engine: ParseEngine, person: User) -> None:
    """Move a deal on and back again, so that the database stays what was imported."""
    engaged = open_deals(person).where_key("stage", equal_to=Stage.QUALIFIED)
    for deal in engaged.limit(1).find():
        show.title(f"{person.full_name} moves a deal on, and back")
        with PFQuery(Deal).where_key("stage", equal_to=Stage.PROPOSAL).subscribe() as subscription:
            for stage in (Stage.PROPOSAL, Stage.QUALIFIED):
                with show.timed(f"a deal moved to {stage}, and the subscriber told"):
                    deal.stage = stage
                    deal.save()
                    event = subscription.next(_EVENT_TIMEOUT_S)
                # SAFETY: the board of all teams is the master's to look at.
                with engine.acting_as_master():
                    qualified, proposed = _stage_count(Stage.QUALIFIED), _stage_count(Stage.PROPOSAL)
                counts = f"{qualified:,} qualified, {proposed:,} in proposal"
                show.line(f"{deal.object_id} {deal.title}: {stage.label}. The board has {counts}")
                told = "nothing" if event is None else f"{event.kind} {event.object.object_id}"
                show.line(f"a subscriber to the proposals was told: {told}")


def _stage_count(stage: Stage) -> int:
    return PFQuery(Deal).where_key("stage", equal_to=stage).count()


def _show_times(show: _Show) -> None:
    show.title("What each took")
    table = _table("Query", "<", "Time", ">")
    for label, seconds in show.times:
        table.add_row(label, f"{seconds * 1000:,.1f} ms")
    show.console.print(table)


def _table(*heads: str) -> Table:
    """A table; heads come in pairs of a title and ``<`` or ``>`` for the side it is aligned to."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, side in zip(heads[::2], heads[1::2], strict=True):
        table.add_column(title, justify="right" if side == ">" else "left", no_wrap=True)
    return table
