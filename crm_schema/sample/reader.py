"""Reads the published sales pipeline: four CSV files in, rows and a report out.

Whatever is wrong with a row refuses that row and is reported with its line; a missing file or a wrong header
refuses everything before any row is looked at. Nothing is guessed: the spellings repaired are the ones listed
here, and a name that is merely close to a known one is refused with the known one as a suggestion. The reader
judges whether a cell can be understood and whether what it refers to exists, not whether the business makes
sense: it has no opinion on a deal won without a closing day.

What is uneven in the files as published:

- `sales_pipeline.csv` writes the product `GTXPro` on 1,480 rows where `products.csv` writes `GTX Pro`:
  repaired.
- `accounts.csv` misspells the sector `technolgy` on 12 rows, and never spells it right: repaired.
- 1,425 opportunities have no account (337 Prospecting, 1,088 Engaging): their deals have no company.
- 500 opportunities (Prospecting) have no `engage_date`, 2,089 (Prospecting, Engaging) neither `close_date`
  nor `close_value`: the fields are absent.
- `close_value` is 0 on all 2,473 Lost rows: a value like any other, the amount is 0.
- Days are written month first and without leading zeros (`3/1/2017`).
- 15 accounts name a parent in `subsidiary_of`; each parent is an account and none is a subsidiary
  itself, but six of the 15 come before their parent in the file.
- `accounts.csv` writes one office location `Philipines`, and one account begins in lower case (`dambase`):
  left as published, being values that nothing else has to match.
- Five agents (Mei-Mei Johns, Elizabeth Anderson, Natalya Ivanova, Carol Thompson, Carl Lin) have no
  opportunity: users all the same.
- Managers have no rows of their own: they are known from the rows of their agents, with those agents' office.
- `revenue` is in millions of US dollars, with a decimal point on some rows and without on others (`4618`).

The files have no byte order mark, no carriage return, no quote, no space around a value, no character beyond
ASCII and no duplicate; the reader copes with each all the same.
"""

from __future__ import annotations

import importlib.resources
import pathlib
import re
from collections.abc import Callable, Mapping
from importlib.resources.abc import Traversable
from typing import Final, TypeVar

import attrs

from crm_schema.sample.cells import Cells, Fault, Names, refusal_of
from crm_schema.sample.rows import (
    Account,
    Agent,
    Opportunity,
    PipelineData,
    Product,
    ReadReport,
    Refusal,
    Repair,
)
from crm_schema.sample.subsidiaries import parent_fault, parents_first
from crm_schema.sample.tables import COLUMNS, SampleDataError, Table, load_tables, shown
from crm_schema.sample.teams import Team
from crm_schema.stages import Stage

__all__ = ["STAGES", "SampleDataError", "bundled_directory", "read_pipeline"]

TEAMS: Final = "sales_teams.csv"
PRODUCTS: Final = "products.csv"
ACCOUNTS: Final = "accounts.csv"
PIPELINE: Final = "sales_pipeline.csv"

STAGES: Final[Mapping[str, Stage]] = {
    "Prospecting": Stage.LEAD,
    "Engaging": Stage.QUALIFIED,
    "Won": Stage.WON,
    "Lost": Stage.LOST,
}
"""What the pipeline calls the stages of a deal."""

SECTOR_SPELLINGS: Final[Mapping[str, str]] = {"technolgy": "technology"}
PRODUCT_SPELLINGS: Final[Mapping[str, str]] = {"GTXPro": "GTX Pro"}

OBJECT_ID: Final = re.compile(r"[A-Za-z0-9]{1,36}")
"""What can be the objectId of a deal. Parse's own have ten of these characters, the published ids eight."""

RowT = TypeVar("RowT", Agent, Product, Account, Opportunity)


def bundled_directory() -> Traversable:
    """Where the files are that come with the package."""
    return importlib.resources.files("crm_schema") / "sample" / "data"


def read_pipeline(directory: str | pathlib.Path | Traversable | None = None) -> PipelineData:
    """Read the four files of a directory, by default the ones that come with the package.

    Rows that cannot be read are in the report's `refusals`; so is every row that refers to one of them.

    Raises:
        SampleDataError: a file is missing or unreadable, or its header is wrong. It lists every such problem.
    """
    if directory is None:
        directory = bundled_directory()
    elif isinstance(directory, str):
        directory = pathlib.Path(directory)
    return _Reading(load_tables(directory)).run()


@attrs.define
class _Reading:
    """One run over the files, and what is known so far."""

    tables: Mapping[str, Table]
    repairs: list[Repair] = attrs.field(factory=list)
    refusals: list[Refusal] = attrs.field(factory=list)
    team: Team = attrs.field(factory=Team)
    agents: Names = attrs.field(factory=lambda: Names(TEAMS, "sales_agent"))
    products: Names = attrs.field(factory=lambda: Names(PRODUCTS, "product", PRODUCT_SPELLINGS))
    accounts: Names = attrs.field(factory=lambda: Names(ACCOUNTS, "account"))
    opportunities: Names = attrs.field(factory=lambda: Names(PIPELINE, "opportunity_id"))

    def run(self) -> PipelineData:
        for table in self.tables.values():
            self.repairs.extend(table.repairs)
            self.refusals.extend(table.refusals)
        # A file comes after those it refers to: the names it may use are complete when its rows are built.
        agents = self._kept(self.agents, self._agent)
        products = self._kept(self.products, self._product)
        accounts = self._with_parents(self._kept(self.accounts, self._account))
        opportunities = self._kept(self.opportunities, self._opportunity)
        return PipelineData(
            managers=tuple(self.team.managers.values()),
            agents=tuple(agents),
            products=tuple(products),
            accounts=tuple(accounts),
            opportunities=tuple(opportunities),
            report=self._report(),
        )

    def _kept(self, names: Names, build: Callable[[str, Cells], RowT]) -> list[RowT]:
        """Build the rows of a file; those with a fault become refusals."""
        kept: list[RowT] = []
        for row in self.tables[names.file].rows:
            cells = Cells(names.file, row)
            name = cells.unique(names.column, names)
            built = build(name, cells)
            if cells.faults:
                self.refusals.append(cells.refusal())
                names.refuse(name, cells.line)
            else:
                self.repairs.extend(cells.repairs)
                names.accepted[name] = cells.line
                kept.append(built)
        return kept

    def _agent(self, name: str, cells: Cells) -> Agent:
        agent = Agent(
            line=cells.line,
            name=name,
            manager=cells.required("manager"),
            regional_office=cells.required("regional_office"),
        )
        if not cells.faults:
            self.team.check(agent, cells)
        if not cells.faults:
            self.team.admit(agent)
        return agent

    def _product(self, name: str, cells: Cells) -> Product:
        return Product(
            line=cells.line, name=name, series=cells.text("series"), price=cells.number("sales_price")
        )

    def _account(self, name: str, cells: Cells) -> Account:
        return Account(
            line=cells.line,
            name=name,
            sector=cells.spelled("sector", SECTOR_SPELLINGS),
            year_established=cells.whole("year_established"),
            revenue=cells.number("revenue"),
            employees=cells.whole("employees"),
            office_location=cells.text("office_location"),
            subsidiary_of=cells.text("subsidiary_of"),
        )

    def _with_parents(self, accounts: list[Account]) -> list[Account]:
        """The accounts that have no parent or a known one; the others become refusals."""
        unplaced = {account.name: account for account in parents_first(accounts)[1]}
        for account in unplaced.values():
            self.accounts.withdraw(account.name)
        for account in unplaced.values():
            fault = parent_fault(account, unplaced, self.accounts)
            self.refusals.append(refusal_of(ACCOUNTS, account.line, [fault]))
        return [account for account in accounts if account.name not in unplaced]

    def _opportunity(self, opportunity_id: str, cells: Cells) -> Opportunity:
        if opportunity_id and OBJECT_ID.fullmatch(opportunity_id) is None:
            cells.faults.append(
                Fault(
                    f"opportunity_id {shown(opportunity_id)} cannot be an objectId",
                    "ASCII letters and digits, as in 1C1I7A6R",
                    "correct the id",
                )
            )
        return Opportunity(
            line=cells.line,
            opportunity_id=opportunity_id,
            agent=cells.required_reference("sales_agent", self.agents),
            product=cells.required_reference("product", self.products),
            account=cells.reference("account", self.accounts),
            stage=cells.choice("deal_stage", STAGES, Stage.LEAD),
            engage_date=cells.day("engage_date"),
            close_date=cells.day("close_date"),
            close_value=cells.number("close_value"),
        )

    def _report(self) -> ReadReport:
        place = list(COLUMNS).index
        refused = {(refusal.file, refusal.line) for refusal in self.refusals}
        repairs = [repair for repair in self.repairs if (repair.file, repair.line) not in refused]
        return ReadReport(
            rows_read={file: table.rows_read for file, table in self.tables.items()},
            repairs=tuple(sorted(repairs, key=lambda repair: (place(repair.file), repair.line))),
            refusals=tuple(sorted(self.refusals, key=lambda refusal: (place(refusal.file), refusal.line))),
        )
