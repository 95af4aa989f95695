"""The floor with the best plan one can write where the plain statement is not it: a contest on plans, not on overhead.

w6 reads a table that triggers keep, w7 orders row ids in a covering index and fetches one page, w12r reads the
range of the pattern's literal prefix. Everything else is the floor's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import apsw

from parsekit.bench.data import STAGES, Crm
from parsekit.bench.floor import Floor

__all__ = ["BestPlan"]

_KEPT: Final = """
CREATE TABLE Board (stage TEXT PRIMARY KEY, n INTEGER NOT NULL, total INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO Board SELECT stage, count(*), sum(amount) FROM Deal GROUP BY stage;
CREATE TRIGGER kept_insert AFTER INSERT ON Deal BEGIN
  UPDATE Board SET n = n + 1, total = total + NEW.amount WHERE stage = NEW.stage; END;
CREATE TRIGGER kept_update AFTER UPDATE OF stage, amount ON Deal BEGIN
  UPDATE Board SET n = n - 1, total = total - OLD.amount WHERE stage = OLD.stage;
  UPDATE Board SET n = n + 1, total = total + NEW.amount WHERE stage = NEW.stage; END;
"""
_PAGE: Final = (
    "SELECT objectId, createdAt, updatedAt, title, stage, amount, company, contact, assignedTo, expectedCloseDate, acl "
    "FROM Deal WHERE rid IN (SELECT rid FROM Deal WHERE stage IN (?, ?, ?) AND amount > ? AND expectedCloseDate < ? "
    "AND company IN (SELECT objectId FROM Company WHERE industry = ?) "
    "ORDER BY amount DESC, rid DESC LIMIT 50 OFFSET 200) ORDER BY amount DESC, rid DESC"
)
_RANGE: Final = (
    "SELECT objectId, createdAt, updatedAt, title, stage, amount, company, contact, assignedTo, expectedCloseDate, acl "
    "FROM Deal WHERE title >= ? AND title < ? AND matches(?, title) LIMIT 100"
)


class BestPlan(Floor):
    """Raw apsw with the best plan for w6, w7 and w12r."""

    name = "apsw, best plan"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.version = f"apsw {apsw.apsw_version()}, with the best plan for w6, w7 and w12r"

    def load(self, crm: Crm) -> None:
        super().load(crm)
        self._connection.execute(_KEPT)

    def board(self) -> list[tuple[int, int]]:
        found = {stage: (n, total) for stage, n, total in self._rows("SELECT stage, n, total FROM Board")}
        return [found.get(stage, (0, 0)) for stage in STAGES]

    def page(self, stages: Sequence[str], least: int, before: datetime, industry: str) -> Any:
        return self._rows(_PAGE, *stages, least, int(before.timestamp() * 1000), industry)

    def titles_like(self, pattern: str) -> Any:
        start = re.match(r"\^([A-Za-z ]+)", pattern)
        if start is None:
            return super().titles_like(pattern)
        return self._rows(_RANGE, start[1], start[1][:-1] + chr(ord(start[1][-1]) + 1), pattern)
