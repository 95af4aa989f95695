"""The floor: SQL by hand on raw apsw, good indexes, row tuples; no permissions but those of w3 and w4, no journal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Final

import apsw

from parsekit.bench.data import STAGES, Crm, Row
from parsekit.bench.peer import Cells

__all__ = ["Floor"]

_SCHEMA: Final = """
CREATE TABLE Company (rid INTEGER PRIMARY KEY, objectId TEXT UNIQUE NOT NULL, name TEXT, industry TEXT) STRICT;
CREATE TABLE Contact (rid INTEGER PRIMARY KEY, objectId TEXT UNIQUE NOT NULL, name TEXT, email TEXT, company TEXT)
  STRICT;
CREATE TABLE Deal (rid INTEGER PRIMARY KEY, objectId TEXT UNIQUE NOT NULL, createdAt INTEGER, updatedAt INTEGER,
  title TEXT, stage TEXT, amount ANY, company TEXT, contact TEXT, assignedTo TEXT, expectedCloseDate INTEGER,
  acl INTEGER NOT NULL) STRICT;
CREATE TABLE Activity (rid INTEGER PRIMARY KEY, objectId TEXT UNIQUE NOT NULL, type TEXT, subject TEXT,
  dueDate INTEGER, relatedTo TEXT, createdBy TEXT) STRICT;
CREATE TABLE acl_read (principal TEXT, acl INTEGER, PRIMARY KEY (principal, acl)) WITHOUT ROWID;
"""
_INDEXES: Final = """
CREATE INDEX d1 ON Deal (stage, expectedCloseDate, rid, acl);
CREATE INDEX d2 ON Deal (assignedTo, stage, expectedCloseDate, rid, acl);
CREATE INDEX d3 ON Deal (company, stage, amount, expectedCloseDate, rid, acl);
CREATE INDEX d4 ON Deal (stage, amount, rid, acl);
CREATE INDEX d5 ON Deal (title, rid, acl);
CREATE INDEX c1 ON Company (industry, objectId);
CREATE INDEX a1 ON Activity (relatedTo, dueDate, rid);
"""
_DEAL: Final = (
    "objectId, createdAt, updatedAt, title, stage, amount, company, contact, assignedTo, "
    "expectedCloseDate, acl"
)
_READABLE: Final = "SELECT acl FROM acl_read WHERE principal IN (SELECT value FROM json_each(?))"
_PAGE_FROM: Final = (
    "FROM Deal WHERE stage IN (?, ?, ?) AND amount > ? AND expectedCloseDate < ? "
    "AND company IN (SELECT objectId FROM Company WHERE industry = ?) "
    "ORDER BY amount DESC, rid DESC LIMIT 50 OFFSET 200"
)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _date(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


class Floor:
    """Raw apsw."""

    name = "apsw"
    version = f"apsw {apsw.apsw_version()}, SQLite {apsw.sqlite_lib_version()}"
    lacks: ClassVar[Mapping[str, str]] = {}

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = apsw.Connection(str(path))
        self._connection.pragma("journal_mode", "wal")
        self._connection.pragma("synchronous", "NORMAL")
        compiled = lru_cache(maxsize=16)(re.compile)

        def matches(*cells: Any) -> bool:
            return compiled(cells[0]).search(cells[1]) is not None

        self._connection.create_scalar_function("matches", matches, 2, deterministic=True)
        self._crm = Crm(0)

    def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, values).fetchall()

    def close(self) -> None:
        self._connection.close()

    def load(self, crm: Crm) -> None:
        self._crm = crm
        with self._connection:
            self._connection.execute(_SCHEMA)
            for number, acl in enumerate(crm.acls()):
                self._connection.executemany(
                    "INSERT INTO acl_read VALUES (?, ?)", [(name, number) for name in acl]
                )
            self._insert("Company", crm.company_rows(), "objectId name industry")
            self._insert("Contact", crm.contact_rows(), "objectId name email company")
            self._connection.executemany(_deal_insert(), map(_deal_cells, crm.deal_rows()))
            rows = (
                {**row, "relatedTo": f"Deal${row['relatedTo']}", "dueDate": _ms(row["dueDate"])}
                for row in crm.activity_rows()
            )
            self._insert("Activity", rows, "objectId type subject dueDate relatedTo createdBy")
            self._connection.execute(_INDEXES)
        self._connection.execute("ANALYZE")

    def _insert(self, table: str, rows: Iterable[Row], names: str) -> None:
        keys = names.split()
        sql = f"INSERT INTO {table} ({', '.join(keys)}) VALUES ({', '.join('?' * len(keys))})"
        self._connection.executemany(sql, ([row[key] for key in keys] for row in rows))

    def _principals(self, user: int) -> str:
        return "[" + ",".join(f'"{name}"' for name in self._crm.principals_of(user)) + "]"

    def get(self, object_id: str) -> Any:
        return self._connection.execute(
            f"SELECT {_DEAL} FROM Deal WHERE objectId = ?", (object_id,)
        ).fetchone()

    def pipeline(self, stage: str) -> Any:
        sql = f"SELECT {_DEAL} FROM Deal WHERE stage = ? ORDER BY expectedCloseDate, rid LIMIT 100"
        return self._rows(sql, stage)

    def pipeline_of(self, user: int, stage: str) -> Any:
        sql = (
            f"SELECT {_DEAL} FROM Deal WHERE stage = ? AND acl IN ({_READABLE}) "
            "ORDER BY expectedCloseDate, rid LIMIT 100"
        )
        return self._rows(sql, stage, self._principals(user))

    def pipeline_with_includes(self, user: int, stage: str) -> Any:
        rows: Any = self.pipeline_of(user, stage)
        found = []
        for table, keys, place in (
            ("Company", "objectId, name, industry", 6),
            ("Contact", "objectId, name, email, company", 7),
        ):
            ids = list({row[place] for row in rows})
            sql = f"SELECT {keys} FROM {table} WHERE objectId IN ({', '.join('?' * len(ids))})"
            found.append({row[0]: row for row in self._connection.execute(sql, ids)})
        return rows, *found

    def activities(self, deal: str) -> Any:
        sql = (
            "SELECT objectId, type, subject, dueDate, relatedTo, createdBy FROM Activity WHERE relatedTo = ? "
            "ORDER BY dueDate, rid LIMIT 100"
        )
        return self._rows(sql, f"Deal${deal}")

    def board(self) -> list[tuple[int, int]]:
        rows = self._rows("SELECT stage, count(*), sum(amount) FROM Deal GROUP BY stage")
        found = {row[0]: (row[1], row[2]) for row in rows}
        return [found.get(stage, (0, 0)) for stage in STAGES]

    def page(self, stages: Sequence[str], least: int, before: datetime, industry: str) -> Any:
        return self._rows(f"SELECT {_DEAL} {_PAGE_FROM}", *stages, least, _ms(before), industry)

    def many(self, least: int) -> Any:
        return self._rows(f"SELECT {_DEAL} FROM Deal WHERE amount >= ? LIMIT 1000", least)

    def create(self, row: Row) -> Any:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute(_deal_insert(), _deal_cells(row))
        self._connection.execute("COMMIT")

    def create_many(self, rows: list[Row]) -> Any:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(_deal_insert(), map(_deal_cells, rows))
        self._connection.execute("COMMIT")

    def move(self, object_id: str, stage: str) -> str:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("UPDATE Deal SET stage = ? WHERE objectId = ?", (stage, object_id))
        self._connection.execute("COMMIT")
        return str(self.get(object_id)[4])

    def titles(self, start: str) -> Any:
        sql = f"SELECT {_DEAL} FROM Deal WHERE title >= ? AND title < ? LIMIT 100"
        return self._rows(sql, start, start[:-1] + chr(ord(start[-1]) + 1))

    def titles_like(self, pattern: str) -> Any:
        return self._rows(f"SELECT {_DEAL} FROM Deal WHERE matches(?, title) LIMIT 100", pattern)

    def walk(self) -> int:
        return sum(1 for _ in self._connection.execute(f"SELECT {_DEAL} FROM Deal"))

    def deal(self, answer: Any) -> Cells:
        return answer[0], *answer[3:9], _date(answer[9])

    def activity(self, answer: Any) -> Cells:
        return *answer[:3], _date(answer[3])

    def included(self, answer: Any) -> list[Cells]:
        rows, companies, contacts = answer
        return [(*self.deal(row), companies[row[6]][1], contacts[row[7]][1]) for row in rows]

    def cold_program(self) -> tuple[str, ...] | None:
        program = (
            "import sys, apsw\n"
            "connection = apsw.Connection(sys.argv[1])\n"
            f"sql = 'SELECT {_DEAL} FROM Deal WHERE objectId = ?'\n"
            "print(connection.execute(sql, sys.argv[2:]).fetchone()[3])\n"
        )
        return program, str(self.path)


def _deal_insert() -> str:
    return f"INSERT INTO Deal ({_DEAL}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def _deal_cells(row: Row) -> tuple[Any, ...]:
    keys = ("title", "stage", "amount", "company", "contact", "assignedTo")
    return (row["objectId"], 0, 0, *(row[key] for key in keys), _ms(row["expectedCloseDate"]), row["acl"])
