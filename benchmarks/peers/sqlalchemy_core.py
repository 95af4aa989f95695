"""SQLAlchemy Core: the expression language on tables, result rows, no mapped objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import sqlalchemy as sa

from benchmarks.peers import sqlalchemy_models as models
from benchmarks.peers.tables import copy_of, naive
from parsekit.bench.data import STAGES, Crm, Row
from parsekit.bench.peer import Cells

__all__ = ["SqlalchemyCore"]

_DEAL: Any = models.Deal.__table__
_COMPANY: Any = models.Company.__table__
_CONTACT: Any = models.Contact.__table__
_ACTIVITY: Any = models.Activity.__table__
_ACL_READ: Any = models.AclRead.__table__


class SqlalchemyCore:
    """SQLAlchemy, tables and rows, one connection."""

    name = "sqlalchemy-core"
    version = f"SQLAlchemy {sa.__version__}, Core"
    lacks: ClassVar[Mapping[str, str]] = {}

    def __init__(self, path: Path) -> None:
        self.path = path
        self._crm = Crm(0)

    def load(self, crm: Crm) -> None:
        self._crm = crm
        copy_of(self.path, crm)
        self._connection: Any = models.engine_of(str(self.path)).connect()

    def close(self) -> None:
        self._connection.close()
        self._connection.engine.dispose()

    def _all(self, statement: Any) -> Any:
        return self._connection.execute(statement).all()

    def get(self, object_id: str) -> Any:
        return self._connection.execute(sa.select(_DEAL).where(_DEAL.c.objectId == object_id)).one()

    def pipeline(self, stage: str) -> Any:
        return self._all(_in_order(sa.select(_DEAL), stage))

    def _readable(self, user: int) -> Any:
        principals = self._crm.principals_of(user)
        return _DEAL.c.acl.in_(sa.select(_ACL_READ.c.acl).where(_ACL_READ.c.principal.in_(principals)))

    def pipeline_of(self, user: int, stage: str) -> Any:
        return self._all(_in_order(sa.select(_DEAL), stage).where(self._readable(user)))

    def pipeline_with_includes(self, user: int, stage: str) -> Any:
        joined = _DEAL.join(_COMPANY, _DEAL.c.company == _COMPANY.c.objectId)
        joined = joined.join(_CONTACT, _DEAL.c.contact == _CONTACT.c.objectId)
        more = (_COMPANY.c.name, _COMPANY.c.industry, _CONTACT.c.name, _CONTACT.c.email)
        labelled = [column.label(f"more{place}") for place, column in enumerate(more)]
        statement = _in_order(sa.select(_DEAL, *labelled).select_from(joined), stage)
        return self._all(statement.where(self._readable(user)))

    def activities(self, deal: str) -> Any:
        statement = sa.select(_ACTIVITY).where(_ACTIVITY.c.relatedTo == f"Deal${deal}")
        return self._all(statement.order_by(_ACTIVITY.c.dueDate, _ACTIVITY.c.rid).limit(100))

    def board(self) -> list[tuple[int, int]]:
        columns = (_DEAL.c.stage, sa.func.count(), sa.func.sum(_DEAL.c.amount))
        found = {row[0]: (row[1], row[2]) for row in self._all(sa.select(*columns).group_by(_DEAL.c.stage))}
        return [found.get(stage, (0, 0)) for stage in STAGES]

    def page(self, stages: Sequence[str], least: int, before: datetime, industry: str) -> Any:
        companies = sa.select(_COMPANY.c.objectId).where(_COMPANY.c.industry == industry)
        statement = sa.select(_DEAL).where(
            _DEAL.c.stage.in_(stages),
            _DEAL.c.amount > least,
            _DEAL.c.expectedCloseDate < naive(before),
            _DEAL.c.company.in_(companies),
        )
        return self._all(statement.order_by(_DEAL.c.amount.desc(), _DEAL.c.rid.desc()).offset(200).limit(50))

    def many(self, least: int) -> Any:
        return self._all(sa.select(_DEAL).where(_DEAL.c.amount >= least).limit(1_000))

    def create(self, row: Row) -> Any:
        self._connection.execute(sa.insert(_DEAL).values(**_values(row)))
        self._connection.commit()

    def create_many(self, rows: list[Row]) -> Any:
        self._connection.execute(sa.insert(_DEAL), [_values(row) for row in rows])
        self._connection.commit()

    def move(self, object_id: str, stage: str) -> str:
        self._connection.execute(sa.update(_DEAL).where(_DEAL.c.objectId == object_id).values(stage=stage))
        self._connection.commit()
        return str(self.get(object_id).stage)

    def titles(self, start: str) -> Any:
        return self._all(sa.select(_DEAL).where(_DEAL.c.title.startswith(start, autoescape=True)).limit(100))

    def titles_like(self, pattern: str) -> Any:
        return self._all(sa.select(_DEAL).where(_DEAL.c.title.regexp_match(pattern)).limit(100))

    def walk(self) -> int:
        result = self._connection.execution_options(yield_per=1_000).execute(sa.select(_DEAL))
        return sum(1 for _ in result)

    def deal(self, answer: Any) -> Cells:
        return *answer[1:8], answer.expectedCloseDate.replace(tzinfo=UTC)

    def activity(self, answer: Any) -> Cells:
        return answer.objectId, answer.type, answer.subject, answer.dueDate.replace(tzinfo=UTC)

    def included(self, answer: Any) -> list[Cells]:
        return [(*self.deal(row), row.more0, row.more2) for row in answer]

    def cold_program(self) -> tuple[str, ...] | None:
        program = (
            "import sys, sqlalchemy as sa\n"
            "table = sa.table('Deal', *map(sa.column, ('rid', 'objectId', 'title', 'stage', 'amount')))\n"
            "with sa.create_engine('sqlite:///' + sys.argv[1]).connect() as connection:\n"
            "    row = connection.execute(sa.select(table).where(table.c.objectId == sys.argv[2])).one()\n"
            "    print(row.title)\n"
        )
        return program, str(self.path)


def _in_order(select: Any, stage: str) -> Any:
    chosen = select.where(_DEAL.c.stage == stage)
    return chosen.order_by(_DEAL.c.expectedCloseDate, _DEAL.c.rid).limit(100)


def _values(row: Row) -> Row:
    return {**row, "expectedCloseDate": naive(row["expectedCloseDate"])}
