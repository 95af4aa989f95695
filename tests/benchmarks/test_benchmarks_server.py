"""``parsekit serve`` under a small load, answers compared, and the table of a run whose figures are known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import server
from benchmarks.load import loop, wire
from benchmarks.rest import RestStore
from benchmarks.server import WORKLOADS, ParsekitServe, Served, ServerRun, measured, table
from parsekit.bench.data import Crm
from parsekit.bench.result import Machine
from parsekit.bench.statistics import Ratio

CRM = Crm(100)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ParsekitServe]:
    made = ParsekitServe(tmp_path_factory.mktemp("serve") / "crm.db")
    made.acting_users = 5
    made.load(CRM)
    yield made
    made.close()


def test_every_workload_is_measured(serving: ParsekitServe):
    run = measured(CRM, rounds=1, seconds=0.05, clients=2, servers=[serving])
    assert list(run.figures) == list(WORKLOADS)
    for row in run.figures.values():
        assert row["parsekit"].per_second > 0
        assert 0 < row["parsekit"].p50_s < 60
    assert run.ahead == {}
    assert len(table(run).splitlines()) == 2 + len(WORKLOADS)
    assert ServerRun.from_json(json.loads(json.dumps(run.to_json()))) == run


def test_an_error_ends_a_loop(serving: ParsekitServe):
    path = "/parse/classes/Deal/nowhere"
    with pytest.raises(RuntimeError, match="404"):
        loop(serving.port, [wire("GET", path, serving.headers_of(None))], 1, 0.05)


class Other:
    """Answers as another server does, but for one field."""

    name = "other"
    version = "1"

    def __init__(self, behind: ParsekitServe) -> None:
        self._behind = behind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)

    def get(self, object_id: str) -> Any:
        return {**self._behind.get(object_id), "amount": -1}


def test_servers_that_disagree_are_not_measured(serving: ParsekitServe):
    with pytest.raises(AssertionError, match="do not agree on deal d00000000"):
        measured(CRM, 1, 0.05, 1, [serving, Other(serving)])


def test_a_table_sets_the_servers_side_by_side():
    served = {"parsekit": Served(3_000.4, 0.0004), "parse-server": Served(300.0, 0.0071)}
    run = ServerRun(
        deals=10_000,
        clients=4,
        at="2026-11-22T20:00:00+00:00",
        machine=Machine("AMD EPYC", 2, "Linux x86_64", "CPython 3.11.7"),
        versions={"parsekit": "1", "parse-server": "2"},
        figures=dict.fromkeys(WORKLOADS, served),
        ahead=dict.fromkeys(WORKLOADS, Ratio(10.04, 9.5, 10.61, 5)),
    )
    lines = table(run).splitlines()
    assert lines[2] == "| w1 get by id | 3,000 | 0.40 ms | 300 | 7.10 ms | **10.0 times** (9.5 to 10.6) |"
    assert lines[-1].startswith("| create one | ")


def test_parse_server_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    from benchmarks.__main__ import main

    monkeypatch.setenv("PARSEKIT_BENCH_NODE", str(tmp_path))
    monkeypatch.setattr(server, "WORKLOADS", {"w1": "get by id"})
    monkeypatch.setattr(RestStore, "acting_users", 5)
    options = ["--deals", "100", "--rounds", "1", "--seconds", "0.02", "--output", str(tmp_path)]
    assert main(["server", *options]) == 0
    printed, said = capsys.readouterr()
    assert "left out: parse-server: " in said
    assert printed.startswith("| request | parsekit, requests/s | p50 |\n")
    kept = json.loads((tmp_path / "server.json").read_text(encoding="utf-8"))
    assert list(kept["figures"]) == ["w1"]
