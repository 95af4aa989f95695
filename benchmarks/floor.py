"""The floor: hand-written SQL on raw apsw, good indexes, row tuples. No permissions but w3's and w4's, no journal."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import apsw

from benchmarks.data import STAGES, Crm, Row, user_id
from benchmarks.peer import Answer

__all__ = ["Floor"]

_SCHEMA = """
CREATE TABLE Company (rid INTEGER PRIMARY KEY, objectId TEXT UNIQUE NOT NULL, name TEXT, industry TEXT) STRICT;
CREATE TABLE Contact (rid INTEGER PRIMARY KEY, objectId TEXT UNIQUE NOT NULL, name TEXT, email TEXT, company TEXT)
  STRICT;
CREATE TABLE Deal (rid INTEGER PRIMARY KEY, objectId TEXT UNIQUE NOT NULL, createdAt INTEGER, updatedAt INTEGER,
  title TEXT, stage TEXT, amount ANY, company TEXT, contact TEXT, assignedTo TEXT, expectedCloseDate INTEGER,
  acl INTEGER NOT NULL) STRICT;
CREATE TABLE Activity (rid INTEGER PRIMARY KEY, objectId TEXT UNIQUE NOT NULL, type TEXT, subject TEXT, dueDate INTEGER,
  relatedTo TEXT, createdBy TEXT) STRICT;
CREATE TABLE acl_read (principal TEXT, acl INTEGER, PRIMARY KEY (principal, acl)) WITHOUT ROWID;
CREATE INDEX d1 ON Deal (stage, expectedCloseDate, rid, acl);
CREATE INDEX d2 ON Deal (assignedTo, stage, expectedCloseDate, rid, acl);
CREATE INDEX d3 ON Deal (company, stage, amount, rid, acl);
CREATE INDEX d4 ON Deal (stage, amount, rid, acl);
CREATE INDEX d5 ON Deal (title, rid, acl);
CREATE INDEX a1 ON Activity (relatedTo, dueDate, rid);
"""
_DEAL = "objectId, createdAt, updatedAt, title, stage, amount, company, contact, assignedTo, expectedCloseDate, acl"
_READABLE = "SELECT acl FROM acl_read WHERE principal IN (SELECT value FROM json_each(?))"


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


class Floor:
    """Raw apsw."""

    name = "apsw"

    def __init__(self, path: Path) -> None:
        self._connection = apsw.Connection(str(path))
        self._connection.pragma("journal_mode", "wal")
        self._connection.pragma("synchronous", "NORMAL")
        compiled = lru_cache(maxsize=16)(re.compile)

        def matches(*cells: Any) -> bool:
            return compiled(cells[0]).search(cells[1]) is not None

        self._connection.create_scalar_function("matches", matches, 2)
        self._crm = Crm(0)

    def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, values).fetchall()

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
            self._connection.executemany(self._deal_insert(), map(self._deal_cells, crm.deal_rows()))
            rows = (
                {**row, "relatedTo": f"Deal${row['relatedTo']}", "dueDate": _ms(row["dueDate"])}
                for row in crm.activity_rows()
            )
            self._insert("Activity", rows, "objectId type subject dueDate relatedTo createdBy")
        self._connection.execute("ANALYZE")

    def _insert(self, table: str, rows: Iterable[Row], names: str) -> None:
        keys = names.split()
        sql = f"INSERT INTO {table} ({', '.join(keys)}) VALUES ({', '.join('?' * len(keys))})"
        self._connection.executemany(sql, ([row[key] for key in keys] for row in rows))

    @staticmethod
    def _deal_insert() -> str:
        return f"INSERT INTO Deal ({_DEAL}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

    @staticmethod
    def _deal_cells(row: Row) -> tuple[Any, ...]:
        keys = ("title", "stage", "amount", "company", "contact", "assignedTo")
        return (row["objectId"], 0, 0, *(row[key] for key in keys), _ms(row["expectedCloseDate"]), row["acl"])

    def _principals(self, user: int) -> str:
        names = ["*", user_id(user), *(f"role:{name}" for name in self._crm.roles_of(user))]
        return "[" + ",".join(f'"{name}"' for name in names) + "]"

    def get(self, object_id: str) -> Answer:
        return [row[0] for row in self._rows(f"SELECT {_DEAL} FROM Deal WHERE objectId = ?", object_id)]

    def pipeline(self, stage: str) -> Answer:
        sql = f"SELECT {_DEAL} FROM Deal WHERE stage = ? ORDER BY expectedCloseDate, rid LIMIT 100"
        return self._rows(sql, stage)

    def pipeline_of(self, user: int, stage: str) -> Answer:
        sql = (
            f"SELECT {_DEAL} FROM Deal WHERE stage = ? AND acl IN ({_READABLE}) "
            "ORDER BY expectedCloseDate, rid LIMIT 100"
        )
        return self._rows(sql, stage, self._principals(user))

    def pipeline_with_includes(self, user: int, stage: str) -> Answer:
        rows: Any = self.pipeline_of(user, stage)
        for table, place in (("Company", 6), ("Contact", 7)):
            ids = sorted({row[place] for row in rows})
            self._rows(f"SELECT * FROM {table} WHERE objectId IN ({', '.join('?' * len(ids))})", *ids)
        return rows

    def activities(self, deal: str) -> Answer:
        sql = (
            "SELECT objectId, type, subject, dueDate, relatedTo, createdBy FROM Activity WHERE relatedTo = ? "
            "ORDER BY dueDate, rid LIMIT 100"
        )
        return self._rows(sql, f"Deal${deal}")

    def board(self) -> Answer:
        rows = self._rows("SELECT stage, count(*), sum(amount) FROM Deal GROUP BY stage")
        found = {row[0]: (row[1], row[2]) for row in rows}
        return [found.get(stage, (0, 0)) for stage in STAGES]

    def many(self, least_amount: int) -> Answer:
        return self._rows(f"SELECT {_DEAL} FROM Deal WHERE amount >= ? LIMIT 1000", least_amount)

    def create(self, row: Row) -> Answer:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute(self._deal_insert(), self._deal_cells(row))
        self._connection.execute("COMMIT")
        return None

    def create_many(self, rows: list[Row]) -> Answer:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(self._deal_insert(), map(self._deal_cells, rows))
        self._connection.execute("COMMIT")
        return None

    def move(self, object_id: str, stage: str) -> Answer:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("UPDATE Deal SET stage = ? WHERE objectId = ?", (stage, object_id))
        self._connection.execute("COMMIT")
        return self._rows(f"SELECT {_DEAL} FROM Deal WHERE objectId = ?", object_id)[0][4]

    def titles(self, start: str) -> Answer:
        sql = f"SELECT {_DEAL} FROM Deal WHERE title >= ? AND title < ? LIMIT 100"
        return self._rows(sql, start, start[:-1] + chr(ord(start[-1]) + 1))

    def titles_like(self, pattern: str) -> Answer:
        return self._rows(f"SELECT {_DEAL} FROM Deal WHERE matches(?, title) LIMIT 100", pattern)

    def walk(self) -> Answer:
        return sum(1 for _ in self._connection.execute(f"SELECT {_DEAL} FROM Deal"))

    def due(self, before: datetime) -> Answer:
        return self._rows("SELECT count(*) FROM Deal WHERE expectedCloseDate < ?", _ms(before))[0][0]
