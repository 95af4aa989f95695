"""The file that the SQL peers share: the floor's tables and indexes, dates as text, as all of the ORMs write them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import apsw

from parsekit.bench.data import Crm, Row

__all__ = ["DEAL_KEYS", "build", "copy_of", "naive"]

DEAL_KEYS: Final = (
    "objectId",
    "title",
    "stage",
    "amount",
    "company",
    "contact",
    "assignedTo",
    "expectedCloseDate",
    "acl",
)
_SCHEMA: Final = """
CREATE TABLE Company (rid INTEGER PRIMARY KEY, objectId TEXT UNIQUE NOT NULL, name TEXT, industry TEXT);
CREATE TABLE Contact (rid INTEGER PRIMARY KEY, objectId TEXT UNIQUE NOT NULL, name TEXT, email TEXT, company TEXT);
CREATE TABLE Deal (rid INTEGER PRIMARY KEY, objectId TEXT UNIQUE NOT NULL, title TEXT, stage TEXT, amount INTEGER,
  company TEXT, contact TEXT, assignedTo TEXT, expectedCloseDate DATETIME, acl INTEGER NOT NULL);
CREATE TABLE Activity (rid INTEGER PRIMARY KEY, objectId TEXT UNIQUE NOT NULL, type TEXT, subject TEXT,
  dueDate DATETIME, relatedTo TEXT, createdBy TEXT);
CREATE TABLE acl_read (rid INTEGER PRIMARY KEY, principal TEXT, acl INTEGER);
"""
_INDEXES: Final = """
CREATE INDEX d1 ON Deal (stage, expectedCloseDate, rid, acl);
CREATE INDEX d2 ON Deal (assignedTo, stage, expectedCloseDate, rid, acl);
CREATE INDEX d3 ON Deal (company, stage, amount, expectedCloseDate, rid, acl);
CREATE INDEX d4 ON Deal (stage, amount, rid, acl);
CREATE INDEX d5 ON Deal (title, rid, acl);
CREATE INDEX c1 ON Company (industry, objectId);
CREATE INDEX a1 ON Activity (relatedTo, dueDate, rid);
CREATE UNIQUE INDEX p1 ON acl_read (principal, acl);
"""


def naive(moment: datetime) -> datetime:
    """A date without its zone, as a DateTime column takes it."""
    return moment.replace(tzinfo=None)


def build(path: Path, crm: Crm) -> None:
    """Write the file."""
    connection = apsw.Connection(str(path))
    try:
        connection.pragma("journal_mode", "wal")
        with connection:
            connection.execute(_SCHEMA)
            pairs = [(name, number) for number, acl in enumerate(crm.acls()) for name in acl]
            connection.executemany("INSERT INTO acl_read (principal, acl) VALUES (?, ?)", pairs)
            _insert(connection, "Company", ("objectId", "name", "industry"), crm.company_rows())
            _insert(connection, "Contact", ("objectId", "name", "email", "company"), crm.contact_rows())
            _insert(connection, "Deal", DEAL_KEYS, crm.deal_rows())
            keys = ("objectId", "type", "subject", "dueDate", "relatedTo", "createdBy")
            rows = ({**row, "relatedTo": f"Deal${row['relatedTo']}"} for row in crm.activity_rows())
            _insert(connection, "Activity", keys, rows)
            connection.execute(_INDEXES)
        connection.execute("ANALYZE")
        connection.pragma("wal_checkpoint(truncate)")
    finally:
        connection.close()


def _insert(connection: apsw.Connection, table: str, keys: tuple[str, ...], rows: Iterable[Row]) -> None:
    sql = f"INSERT INTO {table} ({', '.join(keys)}) VALUES ({', '.join('?' * len(keys))})"
    connection.executemany(sql, ([_cell(row[key]) for key in keys] for row in rows))


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return value


def copy_of(path: Path, crm: Crm) -> None:
    """Put an own copy of the shared file at ``path``; the file is made by the first peer of a folder that asks."""
    shared = path.with_name("tables.db")
    if not shared.exists():
        build(shared, crm)
    shutil.copyfile(shared, path)
