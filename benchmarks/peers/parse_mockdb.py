"""parse-mockdb: the only Parse-shaped store in process, in JavaScript, in memory; a child process answers over a pipe.

Times hold the pipe, some 0.1 ms a call; the objects themselves stay in the child until they are compared.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final, final

from benchmarks.peers.node import packages, version_of
from parsekit.bench.data import Crm, Row
from parsekit.bench.peer import Cells

__all__ = ["ParseMockdb"]

_SCRIPT: Final = Path(__file__).resolve().parents[1] / "node" / "mockdb.js"
_BATCH: Final = 2_000
_NO_ACL: Final = "it has no ACLs"


class ParseMockdb:
    """parse-mockdb in a Node process."""

    name = "parse-mockdb"
    lacks: ClassVar[Mapping[str, str]] = {
        "pipeline_of": _NO_ACL,
        "pipeline_with_includes": _NO_ACL,
        "board": "it has no aggregation",
    }

    def __init__(self, path: Path) -> None:  # noqa: ARG002 (every peer is made from a path)
        folder = packages("parse-mockdb")
        sdk = version_of(folder, "parse")
        self.version = f"parse-mockdb {version_of(folder, 'parse-mockdb')} (Parse JS SDK {sdk})"
        self._process = subprocess.Popen(
            ["node", "--max-old-space-size=4096", str(_SCRIPT), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def _ask(self, name: str, *arguments: Any) -> Any:
        told, heard = self._process.stdin, self._process.stdout
        assert told is not None and heard is not None
        told.write(json.dumps([name, *arguments]) + "\n")
        told.flush()
        reply = json.loads(heard.readline())
        if "error" in reply:
            raise RuntimeError(f"parse-mockdb: {name}: {reply['error']}")
        return reply["answer"]

    def load(self, crm: Crm) -> None:
        for class_name, rows in (
            ("Company", crm.company_rows()),
            ("Contact", crm.contact_rows()),
            ("Deal", crm.deal_rows()),
            ("Activity", crm.activity_rows()),
        ):
            for batch in _batches(map(_sent, rows)):
                self._ask("load", class_name, batch)

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()

    def get(self, object_id: str) -> Any:
        return self._ask("get", object_id)

    def pipeline(self, stage: str) -> Any:
        return _Kept(self, self._ask("pipeline", stage))

    def pipeline_of(self, user: int, stage: str) -> Any:
        raise NotImplementedError(_NO_ACL)

    def pipeline_with_includes(self, user: int, stage: str) -> Any:
        raise NotImplementedError(_NO_ACL)

    def activities(self, deal: str) -> Any:
        return _Kept(self, self._ask("activities", deal))

    def board(self) -> list[tuple[int, int]]:
        raise NotImplementedError(self.lacks["board"])

    def page(self, stages: Sequence[str], least: int, before: datetime, industry: str) -> Any:
        return _Kept(self, self._ask("page", list(stages), least, _ms(before), industry))

    def many(self, least: int) -> Any:
        return _Kept(self, self._ask("many", least))

    def create(self, row: Row) -> Any:
        return self._ask("create", _sent(row))

    def create_many(self, rows: list[Row]) -> Any:
        return self._ask("create_many", [_sent(row) for row in rows])

    def move(self, object_id: str, stage: str) -> str:
        return str(self._ask("move", object_id, stage))

    def titles(self, start: str) -> Any:
        return _Kept(self, self._ask("titles", start))

    def titles_like(self, pattern: str) -> Any:
        return _Kept(self, self._ask("titles_like", pattern))

    def walk(self) -> int:
        return int(self._ask("walk"))

    def cells(self, place: int) -> Any:
        """The cells of an answer that the child keeps."""
        return self._ask("cells", place)

    def deal(self, answer: Any) -> Cells:
        cells = self.cells(answer) if isinstance(answer, int) else answer
        return *cells[:7], _date(cells[7])

    def activity(self, answer: Any) -> Cells:
        return *answer[:3], _date(answer[3])

    def included(self, answer: Any) -> list[Cells]:
        raise NotImplementedError(_NO_ACL)

    def cold_program(self) -> tuple[str, ...] | None:
        return None


@final
class _Kept:
    """A list that the child keeps, read when it is walked over."""

    def __init__(self, peer: ParseMockdb, place: int) -> None:
        self._peer = peer
        self._place = place

    def __iter__(self) -> Iterator[Any]:
        return iter(self._peer.cells(self._place))


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    yield batch


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _date(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _sent(row: Row) -> Row:
    return {key: _ms(value) if isinstance(value, datetime) else value for key, value in row.items()}
