"""peewee: model instances, joins for the includes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Final

import peewee

from benchmarks.peers.peewee_models import (
    DATABASE,
    AclRead,
    Activity,
    Company,
    Contact,
    Deal,
    open_database,
)
from benchmarks.peers.tables import copy_of, naive
from parsekit.bench.data import STAGES, Crm, Row
from parsekit.bench.peer import Cells

__all__ = ["Peewee"]

_ROWS_AN_INSERT: Final = 500


class Peewee:
    """peewee."""

    name = "peewee"
    version = f"peewee {version('peewee')}"
    lacks: ClassVar[Mapping[str, str]] = {}

    def __init__(self, path: Path) -> None:
        self.path = path
        self._crm = Crm(0)

    def load(self, crm: Crm) -> None:
        self._crm = crm
        copy_of(self.path, crm)
        open_database(str(self.path))

    def close(self) -> None:
        DATABASE.close()

    def get(self, object_id: str) -> Any:
        return Deal.get(Deal.objectId == object_id)

    def pipeline(self, stage: str) -> Any:
        return list(_in_order(Deal.select(), stage))

    def _readable(self, user: int) -> Any:
        readable = AclRead.select(AclRead.acl).where(AclRead.principal.in_(self._crm.principals_of(user)))
        return Deal.acl.in_(readable)

    def pipeline_of(self, user: int, stage: str) -> Any:
        return list(_in_order(Deal.select(), stage).where(self._readable(user)))

    def pipeline_with_includes(self, user: int, stage: str) -> Any:
        joined = Deal.select(Deal, Company, Contact).join(Company).switch(Deal).join(Contact)
        return list(_in_order(joined, stage).where(self._readable(user)))

    def activities(self, deal: str) -> Any:
        query = Activity.select().where(Activity.relatedTo == f"Deal${deal}")
        return list(query.order_by(Activity.dueDate, Activity.rid).limit(100))

    def board(self) -> list[tuple[int, int]]:
        count, total = peewee.fn.COUNT(Deal.rid), peewee.fn.SUM(Deal.amount)
        query: Any = Deal.select(Deal.stage, count, total).group_by(Deal.stage).tuples()
        found = {stage: (number, amount) for stage, number, amount in query}
        return [found.get(stage, (0, 0)) for stage in STAGES]

    def page(self, stages: Sequence[str], least: int, before: datetime, industry: str) -> Any:
        companies = Company.select(Company.objectId).where(Company.industry == industry)
        query = Deal.select().where(
            Deal.stage.in_(list(stages)),
            Deal.amount > least,
            Deal.expectedCloseDate < _text(before),
            Deal.company.in_(companies),
        )
        return list(query.order_by(Deal.amount.desc(), Deal.rid.desc()).offset(200).limit(50))

    def many(self, least: int) -> Any:
        return list(Deal.select().where(Deal.amount >= least).limit(1_000))

    def create(self, row: Row) -> Any:
        return Deal.create(**_values(row))

    def create_many(self, rows: list[Row]) -> Any:
        with DATABASE.atomic():
            for batch in peewee.chunked((_values(row) for row in rows), _ROWS_AN_INSERT):
                Deal.insert_many(batch).execute()

    def move(self, object_id: str, stage: str) -> str:
        deal = self.get(object_id)
        deal.stage = stage
        deal.save(only=[Deal.stage])
        return str(self.get(object_id).stage)

    def titles(self, start: str) -> Any:
        return list(Deal.select().where(Deal.title.startswith(start)).limit(100))

    def titles_like(self, pattern: str) -> Any:
        return list(Deal.select().where(Deal.title.regexp(pattern)).limit(100))

    def walk(self) -> int:
        return sum(1 for _ in Deal.select().iterator())

    def deal(self, answer: Any) -> Cells:
        values = (answer.objectId, answer.title, answer.stage, answer.amount)
        pointers = (answer.company_id, answer.contact_id, answer.assignedTo)
        return *values, *pointers, answer.expectedCloseDate.replace(tzinfo=UTC)

    def activity(self, answer: Any) -> Cells:
        return answer.objectId, answer.type, answer.subject, answer.dueDate.replace(tzinfo=UTC)

    def included(self, answer: Any) -> list[Cells]:
        return [(*self.deal(deal), deal.company.name, deal.contact.name) for deal in answer]

    def cold_program(self) -> tuple[str, ...] | None:
        program = (
            "import sys\n"
            "from benchmarks.peers.peewee_models import Deal, open_database\n"
            "open_database(sys.argv[1])\n"
            "print(Deal.get(Deal.objectId == sys.argv[2]).title)\n"
        )
        return program, str(self.path)


def _in_order(query: Any, stage: str) -> Any:
    return query.where(Deal.stage == stage).order_by(Deal.expectedCloseDate, Deal.rid).limit(100)


def _text(moment: datetime) -> str:
    return naive(moment).strftime("%Y-%m-%d %H:%M:%S.%f")


def _values(row: Row) -> Row:
    return {**row, "expectedCloseDate": naive(row["expectedCloseDate"])}
