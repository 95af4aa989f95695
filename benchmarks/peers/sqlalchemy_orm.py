"""SQLAlchemy's ORM: one session, mapped objects, joined loading for the includes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from benchmarks.peers.sqlalchemy_models import AclRead, Activity, Company, Deal, engine_of
from benchmarks.peers.tables import DEAL_KEYS, copy_of, naive
from parsekit.bench.data import STAGES, Crm, Row
from parsekit.bench.peer import Cells

__all__ = ["SqlalchemyOrm"]


class SqlalchemyOrm:
    """SQLAlchemy, mapped classes. A call works in a session that starts empty, as a request does."""

    name = "sqlalchemy-orm"
    version = f"SQLAlchemy {sa.__version__}, ORM"
    lacks: ClassVar[Mapping[str, str]] = {}

    def __init__(self, path: Path) -> None:
        self.path = path
        self._crm = Crm(0)

    def load(self, crm: Crm) -> None:
        self._crm = crm
        copy_of(self.path, crm)
        self._session: Any = Session(engine_of(str(self.path)), expire_on_commit=False)

    def close(self) -> None:
        self._session.close()
        self._session.get_bind().dispose()

    def _all(self, statement: Any) -> list[Any]:
        self._session.expunge_all()
        return list(self._session.scalars(statement))

    def get(self, object_id: str) -> Any:
        self._session.expunge_all()
        return self._session.scalars(sa.select(Deal).where(Deal.objectId == object_id)).one()

    def pipeline(self, stage: str) -> Any:
        return self._all(_pipeline(stage))

    def _pipeline_of(self, user: int, stage: str) -> Any:
        return _pipeline(stage).where(Deal.acl.in_(_readable(self._crm.principals_of(user))))

    def pipeline_of(self, user: int, stage: str) -> Any:
        return self._all(self._pipeline_of(user, stage))

    def pipeline_with_includes(self, user: int, stage: str) -> Any:
        joins = (joinedload(Deal.the_company), joinedload(Deal.the_contact))
        return self._all(self._pipeline_of(user, stage).options(*joins))

    def activities(self, deal: str) -> Any:
        statement = sa.select(Activity).where(Activity.relatedTo == f"Deal${deal}")
        return self._all(statement.order_by(Activity.dueDate, Activity.rid).limit(100))

    def board(self) -> list[tuple[int, int]]:
        statement = sa.select(Deal.stage, sa.func.count(), sa.func.sum(Deal.amount)).group_by(Deal.stage)
        found = {stage: (count, amount) for stage, count, amount in self._session.execute(statement)}
        return [found.get(stage, (0, 0)) for stage in STAGES]

    def page(self, stages: Sequence[str], least: int, before: datetime, industry: str) -> Any:
        companies = sa.select(Company.objectId).where(Company.industry == industry)
        statement = sa.select(Deal).where(
            Deal.stage.in_(stages),
            Deal.amount > least,
            Deal.expectedCloseDate < naive(before),
            Deal.company.in_(companies),
        )
        return self._all(statement.order_by(Deal.amount.desc(), Deal.rid.desc()).offset(200).limit(50))

    def many(self, least: int) -> Any:
        return self._all(sa.select(Deal).where(Deal.amount >= least).limit(1_000))

    def create(self, row: Row) -> Any:
        self._session.expunge_all()
        deal = _made(row)
        self._session.add(deal)
        self._session.commit()
        return deal

    def create_many(self, rows: list[Row]) -> Any:
        self._session.expunge_all()
        self._session.add_all([_made(row) for row in rows])
        self._session.commit()

    def move(self, object_id: str, stage: str) -> str:
        self.get(object_id).stage = stage
        self._session.commit()
        return str(self.get(object_id).stage)

    def titles(self, start: str) -> Any:
        return self._all(sa.select(Deal).where(Deal.title.startswith(start, autoescape=True)).limit(100))

    def titles_like(self, pattern: str) -> Any:
        return self._all(sa.select(Deal).where(Deal.title.regexp_match(pattern)).limit(100))

    def walk(self) -> int:
        self._session.expunge_all()
        statement = sa.select(Deal).execution_options(yield_per=1_000)
        return sum(1 for _ in self._session.scalars(statement))

    def deal(self, answer: Any) -> Cells:
        cells = (getattr(answer, key) for key in DEAL_KEYS[:7])
        return *cells, answer.expectedCloseDate.replace(tzinfo=UTC)

    def activity(self, answer: Any) -> Cells:
        return answer.objectId, answer.type, answer.subject, answer.dueDate.replace(tzinfo=UTC)

    def included(self, answer: Any) -> list[Cells]:
        return [(*self.deal(deal), deal.the_company.name, deal.the_contact.name) for deal in answer]

    def cold_program(self) -> tuple[str, ...] | None:
        program = (
            "import sys, sqlalchemy as sa\n"
            "from sqlalchemy.orm import Session\n"
            "from benchmarks.peers.sqlalchemy_models import Deal, engine_of\n"
            "with Session(engine_of(sys.argv[1])) as session:\n"
            "    print(session.scalars(sa.select(Deal).where(Deal.objectId == sys.argv[2])).one().title)\n"
        )
        return program, str(self.path)


def _pipeline(stage: str) -> Any:
    return sa.select(Deal).where(Deal.stage == stage).order_by(Deal.expectedCloseDate, Deal.rid).limit(100)


def _readable(principals: Sequence[str]) -> Any:
    return sa.select(AclRead.acl).where(AclRead.principal.in_(principals))


def _made(row: Row) -> Deal:
    return Deal(**{**row, "expectedCloseDate": naive(row["expectedCloseDate"])})
