"""Every Python peer gives the floor's answers on 1,000 deals; one that is not installed is named, with the remedy."""

from __future__ import annotations

import sys
from pathlib import Path

import attrs
import pytest

from benchmarks.peers.registry import ALL, Entry, NotThereError, make, named
from benchmarks.running import measured
from parsekit.bench.measure import Plan
from parsekit.bench.workloads import COLD, READS, WRITES

PLAN = Plan(rounds=2, budget_s=0.02, batch=20, cold_starts=1)
UNCOLD = frozenset(each.name for each in (*READS, *WRITES))
IN_PYTHON = [entry.name for entry in ALL if entry.name not in ("parse-mockdb", "parse-server")]


def test_the_python_peers_agree_with_the_floor():
    found = measured(300, named(IN_PYTHON), attrs.evolve(PLAN, only=UNCOLD))
    assert set(found.figures) == UNCOLD
    for name, row in found.figures.items():
        assert list(row) == ["apsw", "parsekit", *IN_PYTHON], name


def test_cold_starts_are_processes_of_their_own():
    found = measured(200, named(["peewee", "tinydb"]), attrs.evolve(PLAN, only=frozenset({COLD.name})))
    assert list(found.figures["w14"]) == ["apsw", "parsekit", "peewee"]
    assert found.missing["w14"] == {"tinydb": "keeps nothing in a file"}


def test_a_peer_without_its_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "tinydb", None)
    monkeypatch.delitem(sys.modules, "benchmarks.peers.tinydb_memory", raising=False)
    entry = next(each for each in ALL if each.name == "tinydb")
    with pytest.raises(NotThereError, match=r"tinydb: the package tinydb is not installed\. Install: pip"):
        make(entry, tmp_path)


@pytest.mark.parametrize("name", ["parse-mockdb"])
def test_a_node_peer_without_its_package_is_named(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PARSEKIT_BENCH_NODE", str(tmp_path))
    with pytest.raises(NotThereError, match=rf"^{name}: .*Install: benchmarks/node/install"):
        make(named([name])[0], tmp_path)


def test_a_run_without_a_peer_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PARSEKIT_BENCH_NODE", str(tmp_path))
    found = measured(100, named(["parse-mockdb"]), attrs.evolve(PLAN, only=frozenset({"w1"})))
    assert list(found.figures["w1"]) == ["apsw", "parsekit"]
    assert found.missing["w1"]["parse-mockdb"].startswith("parse-mockdb: ")


def test_an_unknown_peer_is_refused():
    with pytest.raises(KeyError, match="no such peer"):
        named(["oracle"])
    assert all(isinstance(entry, Entry) for entry in named(["django", "peewee"]))
