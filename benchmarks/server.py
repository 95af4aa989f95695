"""``server``: requests a second and p50 over loopback, of ``parsekit serve`` and of Parse Server on PostgreSQL.

Both are one worker, hold the same CRM, answer the same requests, and are asked in turn, round by round. One client
measures p50, several at once requests a second. Before that, their answers are compared.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol, final

import attrs

import parsekit
from benchmarks.generate import fields_of
from benchmarks.load import loop, wire
from benchmarks.peers.registry import NotThereError
from benchmarks.postgres import free_port
from benchmarks.rest import RestStore
from benchmarks.running import OUTPUT, tell
from parsekit.bench.data import STAGES, Crm, deal_id
from parsekit.bench.engine import Engine
from parsekit.bench.result import Machine, Run
from parsekit.bench.statistics import Ratio, paired_ratio

__all__ = ["WORKLOADS", "ServerRun", "add_arguments", "measured", "table"]

WORKLOADS: Final = {
    "w1": "get by id",
    "w2": "a stage's first 100 deals by date",
    "w4": "the same as a user, with company and contact",
    "create": "create one",
}
_ENGINE: Final = "parsekit"
_PEER: Final = "parse-server"
_REQUESTS: Final = 200


class _Server(Protocol):
    name: str
    version: str
    port: int
    acting_users: int

    def load(self, crm: Crm) -> None: ...

    def close(self) -> None: ...

    def headers_of(self, user: int | None) -> dict[str, str]: ...


@final
class ParsekitServe(RestStore):
    """``parsekit serve`` in a process of its own."""

    name = _ENGINE
    version = f"parsekit {parsekit.__version__}"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.port = free_port()
        super().__init__(self.port)

    def load(self, crm: Crm) -> None:
        engine = Engine(self._path)
        engine.load(crm)
        engine.close()
        command = [sys.executable, "-m", "parsekit", "serve", str(self._path), "--port", str(self.port)]
        keys = ["--app-id", "bench", "--master-key", "master", "--option", "allowCustomObjectId=true"]
        self._process = subprocess.Popen([*command, *keys], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said.startswith("serving "):
            raise RuntimeError(f"parsekit serve did not start: {said}")
        self.sign_up(crm)

    def close(self) -> None:
        super().close()
        self._process.terminate()
        self._process.wait(timeout=60)
        assert self._process.stdout is not None
        self._process.stdout.close()


@final
@attrs.frozen
class Served:
    """One server in one workload."""

    per_second: float
    p50_s: float


@final
@attrs.frozen
class ServerRun:
    """What was measured: figures by workload and server, and how many times ahead parsekit was."""

    deals: int
    clients: int
    at: str
    machine: Machine
    versions: Mapping[str, str]
    figures: Mapping[str, Mapping[str, Served]]
    ahead: Mapping[str, Ratio]
    """Requests a second of parsekit over those of Parse Server."""

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return attrs.asdict(self)

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> ServerRun:
        """From what ``to_json`` made."""
        figures = {
            workload: {name: Served(**kept) for name, kept in row.items()}
            for workload, row in document["figures"].items()
        }
        return ServerRun(
            deals=document["deals"],
            clients=document["clients"],
            at=document["at"],
            machine=Machine(**document["machine"]),
            versions=document["versions"],
            figures=figures,
            ahead={workload: Ratio(**kept) for workload, kept in document["ahead"].items()},
        )


def _requests(workload: str, server: _Server, crm: Crm, source: random.Random, first: int) -> list[bytes]:
    """The requests of a round, made from ``source``: the same for every server."""
    made = []
    acls = crm.acls()
    rows = iter(crm.new_deal_rows(source, first, _REQUESTS)) if workload == "create" else iter(())
    for _ in range(_REQUESTS):
        user: int | None = None
        method, path, body = "GET", "/parse/classes/Deal", None
        if workload == "w1":
            path += f"/{deal_id(source.randrange(crm.deals))}"
        elif workload == "create":
            fields = fields_of(next(rows), acls)
            method, body = "POST", {key: value for key, value in fields.items() if key != "objectId"}
        else:
            options = {"where": json.dumps({"stage": source.choice(STAGES)}), "order": "expectedCloseDate"}
            if workload == "w4":
                user = source.randrange(server.acting_users)
                options["include"] = "company,contact"
            path += f"?{urllib.parse.urlencode({**options, 'limit': 100})}"
        made.append(wire(method, path, server.headers_of(user), body))
    return made


def _agree(servers: list[Any], crm: Crm) -> None:
    """Compare answers.

    Raises:
        AssertionError: two servers answer differently.
    """
    for number in range(5):
        deal, stage = deal_id(number * 7 % crm.deals), STAGES[number % len(STAGES)]
        answers = [
            (
                server.deal(server.get(deal)),
                [server.deal(each) for each in server.pipeline(stage)],
                server.included(server.pipeline_with_includes(number, stage)),
            )
            for server in servers
        ]
        if any(answer != answers[0] for answer in answers):
            raise AssertionError(f"the servers do not agree on deal {deal}, stage {stage}, user {number}")


def measured(crm: Crm, rounds: int, seconds: float, clients: int, servers: list[Any]) -> ServerRun:
    """Measure loaded servers in turn; the first is parsekit."""
    at = Run.now()
    _agree(servers, crm)
    single: dict[tuple[str, str], list[float]] = {}
    many: dict[tuple[str, str], list[float]] = {}
    made = 0
    for workload in WORKLOADS:
        for number in range(rounds + 1):
            made += _REQUESTS
            for server in servers if number % 2 else servers[::-1]:
                source = random.Random(f"{workload} {number}")
                requests = _requests(workload, server, crm, source, made)
                alone = loop(server.port, requests, 1, seconds)
                crowd = loop(server.port, requests, clients, seconds)
                if number:  # the first round warms up
                    single.setdefault((workload, server.name), []).append(alone.p50_s)
                    many.setdefault((workload, server.name), []).append(crowd.per_second)
        tell(f"{workload}: " + ", ".join(f"{s.name} {many[workload, s.name][-1]:,.0f}/s" for s in servers))
    figures = {
        workload: {
            server.name: Served(
                statistics.median(many[workload, server.name]),
                statistics.median(single[workload, server.name]),
            )
            for server in servers
        }
        for workload in WORKLOADS
    }
    ahead = {
        workload: paired_ratio(many[workload, servers[0].name], many[workload, servers[1].name])
        for workload in WORKLOADS
        if len(servers) > 1
    }
    versions = {server.name: server.version for server in servers}
    return ServerRun(crm.deals, clients, at, Machine.here(), versions, figures, ahead)


def table(run: ServerRun) -> str:
    """The run as a Markdown table."""
    both = _PEER in run.versions
    head = ["request", "parsekit, requests/s", "p50"]
    head += ["Parse Server, requests/s", "p50", "parsekit ahead (95 %)"] if both else []
    lines = [head, ["---", *("--:" for _ in head[1:])]]
    for workload, title in WORKLOADS.items():
        row = run.figures[workload]
        label = title if workload == "create" else f"{workload} {title}"
        cells = [label, *_served(row[_ENGINE])]
        if both:
            ratio = run.ahead[workload]
            times = f"**{ratio.median:.1f} times** ({ratio.low:.1f} to {ratio.high:.1f})"
            cells += [*_served(row[_PEER]), times]
        lines.append(cells)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _served(figure: Served) -> list[str]:
    return [f"{figure.per_second:,.0f}", f"{figure.p50_s * 1e3:.2f} ms"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``server``."""
    parser.add_argument("--deals", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="for a server in each half of a round")
    parser.add_argument(
        "--clients", type=int, default=4, help="at once, where requests a second are measured"
    )
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.set_defaults(action=_server)


def _server(options: argparse.Namespace) -> int:
    crm = Crm(options.deals)
    with tempfile.TemporaryDirectory(prefix="parsekit-bench-") as folder:
        servers: list[Any] = [ParsekitServe(Path(folder) / "serve.db")]
        try:
            from benchmarks.peers.parse_server import ParseServer

            servers.append(ParseServer(Path(folder)))
        except NotThereError as error:
            tell(f"left out: {error}")
        try:
            for server in servers:
                server.load(crm)
                tell(f"{server.name}: {crm.deals:,} deals loaded")
            run = measured(crm, options.rounds, options.seconds, options.clients, servers)
        finally:
            for server in servers:
                server.close()
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "server.json").write_text(json.dumps(run.to_json(), indent=1) + "\n", encoding="utf-8")
    (options.output / "server.md").write_text(table(run), encoding="utf-8")
    sys.stdout.write(f"{table(run)}\nwritten to {options.output}: server.json, server.md\n")
    return 0
