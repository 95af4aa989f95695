"""mongomock: MongoDB's query language over Python dicts in memory; nothing is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import mongomock

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

__all__ = ["Mongomock"]


class Mongomock:
    """mongomock, with the documents that Parse Server writes."""

    name = "mongomock"
    version = f"mongomock {version('mongomock')}, in memory"
    lacks: ClassVar[Mapping[str, str]] = {}

    def __init__(self, path: Path) -> None:  # noqa: ARG002 (every peer is made from a path)
        self._crm = Crm(0)
        self._readers: list[list[str]] = []
        self._database: Any = mongomock.MongoClient().crm

    def load(self, crm: Crm) -> None:
        self._crm = crm
        self._readers = readers(crm)
        self._database.Company.insert_many(with_id(crm.company_rows()))
        self._database.Contact.insert_many(with_id(crm.contact_rows()))
        self._database.Deal.insert_many([deal_document(row, self._readers) for row in crm.deal_rows()])
        self._database.Activity.insert_many([activity_document(row) for row in crm.activity_rows()])
        self._deals: Any = self._database.Deal

    def close(self) -> None:
        self._database.client.close()

    def get(self, object_id: str) -> Any:
        return self._deals.find_one({"_id": object_id})

    def pipeline(self, stage: str) -> Any:
        return list(self._deals.find({"stage": stage}).sort("expectedCloseDate", 1).limit(100))

    def pipeline_of(self, user: int, stage: str) -> Any:
        where = {"stage": stage, "_rperm": {"$in": self._crm.principals_of(user)}}
        return list(self._deals.find(where).sort("expectedCloseDate", 1).limit(100))

    def pipeline_with_includes(self, user: int, stage: str) -> Any:
        deals = self.pipeline_of(user, stage)
        return deals, self._by_id("Company", deals), self._by_id("Contact", deals)

    def _by_id(self, class_name: str, deals: list[Row]) -> dict[str, Row]:
        ids = list({deal[f"_p_{class_name.lower()}"] for deal in deals})
        return {row["_id"]: row for row in self._database[class_name].find({"_id": {"$in": ids}})}

    def activities(self, deal: str) -> Any:
        where = {"_p_relatedTo": f"Deal${deal}"}
        return list(self._database.Activity.find(where).sort("dueDate", 1).limit(100))

    def board(self) -> list[tuple[int, int]]:
        group = {"_id": "$stage", "n": {"$sum": 1}, "total": {"$sum": "$amount"}}
        found = {row["_id"]: (row["n"], row["total"]) for row in self._deals.aggregate([{"$group": group}])}
        return [found.get(stage, (0, 0)) for stage in STAGES]

    def page(self, stages: Sequence[str], least: int, before: datetime, industry: str) -> Any:
        companies = [row["_id"] for row in self._database.Company.find({"industry": industry})]
        where = {
            "stage": {"$in": list(stages)},
            "amount": {"$gt": least},
            "expectedCloseDate": {"$lt": before.replace(tzinfo=None)},
            "_p_company": {"$in": companies},
        }
        order = [("amount", -1), ("_id", -1)]  # ids rise with insertion
        return list(self._deals.find(where).sort(order).skip(200).limit(50))

    def many(self, least: int) -> Any:
        return list(self._deals.find({"amount": {"$gte": least}}).limit(1_000))

    def create(self, row: Row) -> Any:
        self._deals.insert_one(deal_document(row, self._readers))

    def create_many(self, rows: list[Row]) -> Any:
        self._deals.insert_many([deal_document(row, self._readers) for row in rows])

    def move(self, object_id: str, stage: str) -> str:
        self._deals.update_one({"_id": object_id}, {"$set": {"stage": stage}})
        return str(self.get(object_id)["stage"])

    def titles(self, start: str) -> Any:
        return list(self._deals.find({"title": {"$regex": f"^{start}"}}).limit(100))

    def titles_like(self, pattern: str) -> Any:
        return list(self._deals.find({"title": {"$regex": pattern}}).limit(100))

    def walk(self) -> int:
        return sum(1 for _ in self._deals.find())

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
