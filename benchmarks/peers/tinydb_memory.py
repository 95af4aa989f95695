"""TinyDB on its memory storage: lists of dicts, conditions as Python functions; nothing is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from pathlib import Path
from typing import Any, ClassVar

import tinydb
from tinydb.storages import MemoryStorage

from benchmarks.peers.documents import (
    activity_cells,
    activity_document,
    deal_cells,
    deal_document,
    readers,
    with_id,
)
from parsekit.bench.data import STAGES, Crm, Row
from parsekit.bench.peer import Cells

__all__ = ["Tinydb"]


class Tinydb:
    """TinyDB. It has no order, limit, grouping or joins: those are written in Python, as its users do."""

    name = "tinydb"
    version = f"TinyDB {tinydb.__version__}, in memory"
    lacks: ClassVar[Mapping[str, str]] = {}

    def __init__(self, path: Path) -> None:  # noqa: ARG002 (every peer is made from a path)
        self._crm = Crm(0)
        self._readers: list[list[str]] = []
        self._database: Any = tinydb.TinyDB(storage=MemoryStorage)

    def load(self, crm: Crm) -> None:
        self._crm = crm
        self._readers = readers(crm)
        self._deals: Any = self._database.table("Deal", cache_size=0)
        self._activities: Any = self._database.table("Activity", cache_size=0)
        self._companies: Any = self._database.table("Company", cache_size=0)
        self._contacts: Any = self._database.table("Contact", cache_size=0)
        self._companies.insert_multiple(with_id(crm.company_rows()))
        self._contacts.insert_multiple(with_id(crm.contact_rows()))
        self._deals.insert_multiple(deal_document(row, self._readers) for row in crm.deal_rows())
        self._activities.insert_multiple(activity_document(row) for row in crm.activity_rows())

    def close(self) -> None:
        self._database.close()

    def get(self, object_id: str) -> Any:
        return self._deals.get(tinydb.where("_id") == object_id)

    def _first(self, condition: Any) -> list[Row]:
        return sorted(self._deals.search(condition), key=itemgetter("expectedCloseDate"))[:100]

    def pipeline(self, stage: str) -> Any:
        return self._first(tinydb.where("stage") == stage)

    def pipeline_of(self, user: int, stage: str) -> Any:
        readable = tinydb.where("_rperm").any(self._crm.principals_of(user))
        return self._first((tinydb.where("stage") == stage) & readable)

    def pipeline_with_includes(self, user: int, stage: str) -> Any:
        deals = self.pipeline_of(user, stage)
        return (
            deals,
            _by_id(self._companies, deals, "_p_company"),
            _by_id(self._contacts, deals, "_p_contact"),
        )

    def activities(self, deal: str) -> Any:
        found = self._activities.search(tinydb.where("_p_relatedTo") == f"Deal${deal}")
        return sorted(found, key=itemgetter("dueDate"))[:100]

    def board(self) -> list[tuple[int, int]]:
        found = dict.fromkeys(STAGES, (0, 0))
        for deal in self._deals:
            count, total = found[deal["stage"]]
            found[deal["stage"]] = count + 1, total + deal["amount"]
        return list(found.values())

    def page(self, stages: Sequence[str], least: int, before: datetime, industry: str) -> Any:
        companies = [row["_id"] for row in self._companies.search(tinydb.where("industry") == industry)]
        condition = (
            tinydb.where("stage").one_of(list(stages))
            & (tinydb.where("amount") > least)
            & (tinydb.where("expectedCloseDate") < before.replace(tzinfo=None))
            & tinydb.where("_p_company").one_of(companies)
        )
        found = sorted(self._deals.search(condition), key=itemgetter("amount", "_id"), reverse=True)
        return found[200:250]

    def many(self, least: int) -> Any:
        return self._deals.search(tinydb.where("amount") >= least)[:1_000]

    def create(self, row: Row) -> Any:
        self._deals.insert(deal_document(row, self._readers))

    def create_many(self, rows: list[Row]) -> Any:
        self._deals.insert_multiple(deal_document(row, self._readers) for row in rows)

    def move(self, object_id: str, stage: str) -> str:
        self._deals.update({"stage": stage}, tinydb.where("_id") == object_id)
        return str(self.get(object_id)["stage"])

    def titles(self, start: str) -> Any:
        return self._deals.search(tinydb.where("title").test(str.startswith, start))[:100]

    def titles_like(self, pattern: str) -> Any:
        return self._deals.search(tinydb.where("title").search(pattern))[:100]

    def walk(self) -> int:
        return sum(1 for _ in self._deals)

    def deal(self, answer: Any) -> Cells:
        return deal_cells(answer)

    def activity(self, answer: Any) -> Cells:
        return activity_cells(answer)

    def included(self, answer: Any) -> list[Cells]:
        deals, companies, contacts = answer
        return [
            (
                *deal_cells(deal),
                companies[deal["_p_company"]]["name"],
                contacts[deal["_p_contact"]]["name"],
            )
            for deal in deals
        ]

    def cold_program(self) -> tuple[str, ...] | None:
        return None


def _by_id(table: Any, deals: list[Row], key: str) -> dict[str, Row]:
    ids = {deal[key] for deal in deals}
    return {row["_id"]: row for row in table.search(tinydb.where("_id").test(ids.__contains__))}
