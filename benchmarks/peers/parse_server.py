"""Parse Server on a PostgreSQL of its own, asked over loopback; rows come in with COPY, indexes are the floor's."""

from __future__ import annotations

import csv
import io
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from benchmarks.peers.node import packages, version_of
from benchmarks.peers.registry import NotThereError
from benchmarks.postgres import MissingPostgresError, Postgres, free_port
from benchmarks.rest import RestStore
from parsekit.bench.data import Crm, Row

__all__ = ["ParseServer"]

_SCRIPT: Final = Path(__file__).resolve().parents[1] / "node" / "parse_server.js"
_STRING: Final = {"type": "String"}
_DATE: Final = {"type": "Date"}


def _pointer(target: str) -> dict[str, str]:
    return {"type": "Pointer", "targetClass": target}


_CLASSES: Final[dict[str, dict[str, dict[str, str]]]] = {
    "Company": {"name": _STRING, "industry": _STRING},
    "Contact": {"name": _STRING, "email": _STRING, "company": _pointer("Company")},
    "Deal": {
        "title": _STRING,
        "stage": _STRING,
        "amount": {"type": "Number"},
        "company": _pointer("Company"),
        "contact": _pointer("Contact"),
        "assignedTo": _pointer("_User"),
        "expectedCloseDate": _DATE,
    },
    "Activity": {
        "type": _STRING,
        "subject": _STRING,
        "dueDate": _DATE,
        "relatedTo": _pointer("Deal"),
        "createdBy": _pointer("_User"),
    },
}
_INDEXES: Final = """
CREATE INDEX d1 ON "Deal" (stage, "expectedCloseDate", "objectId");
CREATE INDEX d2 ON "Deal" ("assignedTo", stage, "expectedCloseDate");
CREATE INDEX d3 ON "Deal" (company, stage, amount, "expectedCloseDate");
CREATE INDEX d4 ON "Deal" (stage, amount);
CREATE INDEX d5 ON "Deal" (title text_pattern_ops);
CREATE INDEX c1 ON "Company" (industry, "objectId");
CREATE INDEX a1 ON "Activity" ("relatedTo", "dueDate");
"""
_NOW: Final = "2024-01-01T00:00:00Z"


class ParseServer(RestStore):
    """Parse Server on PostgreSQL."""

    name = "parse-server"
    lacks: ClassVar[Mapping[str, str]] = {}

    def __init__(self, path: Path) -> None:  # noqa: ARG002 (every peer is made from a path)
        folder = packages("parse-server")
        try:
            self._postgres = Postgres()
        except MissingPostgresError as error:
            raise NotThereError(f"parse-server: {error}. Install: benchmarks/node/install") from None
        port = free_port()
        self._process = subprocess.Popen(
            ["node", str(_SCRIPT), str(folder), str(port), self._postgres.uri],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=folder,
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline().strip()
        if said != "ready":
            self._end()
            raise NotThereError(f"parse-server: it did not start: {said}")
        super().__init__(port)
        self.port = port
        self.version = (
            f"Parse Server {version_of(folder, 'parse-server')} on PostgreSQL {self._postgres.version}"
        )

    def load(self, crm: Crm) -> None:
        for class_name, fields in _CLASSES.items():
            self.request("POST", f"/schemas/{class_name}", {"className": class_name, "fields": fields})
        self.sign_up(crm)
        self.make_roles(crm)
        readers = ["{" + ",".join(acl) + "}" for acl in crm.acls()]
        public = "{*}"
        for class_name, rows in (
            ("Company", crm.company_rows()),
            ("Contact", crm.contact_rows()),
            ("Deal", crm.deal_rows()),
            ("Activity", crm.activity_rows()),
        ):
            columns = ["objectId", *_CLASSES[class_name], "_rperm", "_wperm", "createdAt", "updatedAt"]
            cells = (
                [*_row(row, columns[:-4]), *[readers[row["acl"]] if "acl" in row else public] * 2, _NOW, _NOW]
                for row in rows
            )
            self._postgres.copy(class_name, columns, _lines(cells))
        self._postgres.ask(_INDEXES)
        self._postgres.ask("ANALYZE")

    def close(self) -> None:
        super().close()
        self._end()

    def _end(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()
        self._postgres.close()


def _row(row: Row, keys: list[str]) -> list[Any]:
    return [row[key] for key in keys]


def _lines(rows: Iterable[list[Any]]) -> Iterator[str]:
    for row in rows:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(row)
        yield line.getvalue()
