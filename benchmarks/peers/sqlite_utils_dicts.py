"""sqlite-utils: a thin layer over the standard library's sqlite3, rows as plain dicts, dates as text."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import sqlite_utils

from benchmarks.peers.tables import DEAL_KEYS, copy_of
from parsekit.bench.data import STAGES, Crm, Row
from parsekit.bench.peer import Cells

__all__ = ["SqliteUtils"]

_IN_ORDER = "expectedCloseDate, rid"
_INCLUDING = """
SELECT Deal.*, Company.name AS companyName, Company.industry AS industry, Contact.name AS contactName,
  Contact.email AS email
FROM Deal JOIN Company ON Company.objectId = Deal.company JOIN Contact ON Contact.objectId = Deal.contact
WHERE stage = ? AND acl IN (SELECT acl FROM acl_read WHERE principal IN (?, ?, ?, ?, ?))
ORDER BY expectedCloseDate, Deal.rid LIMIT 100
"""
_PAGE = (
    "stage IN (?, ?, ?) AND amount > ? AND expectedCloseDate < ? "
    "AND company IN (SELECT objectId FROM Company WHERE industry = ?)"
)


class SqliteUtils:
    """sqlite-utils."""

    name = "sqlite-utils"
    version = f"sqlite-utils {version('sqlite-utils')}, SQLite {sqlite3.sqlite_version}"
    lacks: ClassVar[Mapping[str, str]] = {}

    def __init__(self, path: Path) -> None:
        self.path = path
        self._crm = Crm(0)

    def load(self, crm: Crm) -> None:
        self._crm = crm
        copy_of(self.path, crm)
        self._database: Any = sqlite_utils.Database(self.path)
        self._database.conn.execute("PRAGMA journal_mode=WAL")
        self._database.conn.execute("PRAGMA synchronous=NORMAL")
        compiled = lru_cache(maxsize=16)(re.compile)

        def regexp(*cells: Any) -> bool:
            return compiled(cells[0]).search(cells[1]) is not None

        self._database.conn.create_function("regexp", 2, regexp, deterministic=True)
        self._deals: Any = self._database["Deal"]

    def close(self) -> None:
        self._database.close()

    def _where(self, condition: str, *values: Any, **options: Any) -> list[Row]:
        return list(self._deals.rows_where(condition, values, **options))

    def get(self, object_id: str) -> Any:
        return next(self._deals.rows_where("objectId = ?", [object_id]))

    def pipeline(self, stage: str) -> Any:
        return self._where("stage = ?", stage, order_by=_IN_ORDER, limit=100)

    def pipeline_of(self, user: int, stage: str) -> Any:
        readable = "acl IN (SELECT acl FROM acl_read WHERE principal IN (?, ?, ?, ?, ?))"
        values = (stage, *self._crm.principals_of(user))
        return self._where(f"stage = ? AND {readable}", *values, order_by=_IN_ORDER, limit=100)

    def pipeline_with_includes(self, user: int, stage: str) -> Any:
        return list(self._database.query(_INCLUDING, (stage, *self._crm.principals_of(user))))

    def activities(self, deal: str) -> Any:
        table = self._database["Activity"]
        condition = "relatedTo = ?"
        return list(table.rows_where(condition, [f"Deal${deal}"], order_by="dueDate, rid", limit=100))

    def board(self) -> list[tuple[int, int]]:
        sql = "SELECT stage, count(*) AS n, sum(amount) AS total FROM Deal GROUP BY stage"
        found = {row["stage"]: (row["n"], row["total"]) for row in self._database.query(sql)}
        return [found.get(stage, (0, 0)) for stage in STAGES]

    def page(self, stages: Sequence[str], least: int, before: datetime, industry: str) -> Any:
        values = (*stages, least, _text(before), industry)
        return self._where(_PAGE, *values, order_by="amount DESC, rid DESC", limit=50, offset=200)

    def many(self, least: int) -> Any:
        return self._where("amount >= ?", least, limit=1_000)

    def create(self, row: Row) -> Any:
        self._deals.insert(_values(row))

    def create_many(self, rows: list[Row]) -> Any:
        with self._database.atomic():
            self._deals.insert_all(_values(row) for row in rows)

    def move(self, object_id: str, stage: str) -> str:
        self._deals.update(self.get(object_id)["rid"], {"stage": stage})
        return str(self.get(object_id)["stage"])

    def titles(self, start: str) -> Any:
        return self._where("title LIKE ?", f"{start}%", limit=100)

    def titles_like(self, pattern: str) -> Any:
        return self._where("title REGEXP ?", pattern, limit=100)

    def walk(self) -> int:
        return sum(1 for _ in self._deals.rows)

    def deal(self, answer: Any) -> Cells:
        return *(answer[key] for key in DEAL_KEYS[:7]), _date(answer["expectedCloseDate"])

    def activity(self, answer: Any) -> Cells:
        return answer["objectId"], answer["type"], answer["subject"], _date(answer["dueDate"])

    def included(self, answer: Any) -> list[Cells]:
        return [(*self.deal(row), row["companyName"], row["contactName"]) for row in answer]

    def cold_program(self) -> tuple[str, ...] | None:
        program = (
            "import sys, sqlite_utils\n"
            "deals = sqlite_utils.Database(sys.argv[1])['Deal']\n"
            "print(next(deals.rows_where('objectId = ?', [sys.argv[2]]))['title'])\n"
        )
        return program, str(self.path)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def _date(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _values(row: Row) -> Row:
    return {**row, "expectedCloseDate": _text(row["expectedCloseDate"])}
