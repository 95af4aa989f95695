"""The runs: which peers at which scale, for how long; results go to a folder as JSON, table and plot."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs

from benchmarks import report
from benchmarks.peers.registry import ALL, DOCUMENTS, SQL, Entry, NotThereError, make, named
from parsekit.bench.data import Crm
from parsekit.bench.engine import Engine
from parsekit.bench.floor import Floor
from parsekit.bench.measure import Plan, run
from parsekit.bench.memory import walk_growth_mb
from parsekit.bench.peer import Peer
from parsekit.bench.result import Run
from parsekit.bench.workloads import READS, WRITES
from parsekit.bench.workloads import named as workload_named

__all__ = ["OUTPUT", "add_full", "add_run", "add_small", "measured", "tell"]

OUTPUT: Final = Path("build") / "benchmarks"
"""Where results go unless told otherwise."""

_SMALL: Final = Plan(rounds=5, budget_s=0.35, batch=1_000, cold_starts=3)
_FULL: Final = Plan(rounds=11, budget_s=1.5, batch=10_000, cold_starts=5)
_DOCUMENTS: Final = attrs.evolve(_FULL, rounds=7, only=frozenset(each.name for each in (*READS, *WRITES)))


def tell(line: str) -> None:
    """A line about what is being done, on standard error, with the time."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stderr.flush()


def measured(
    deals: int, entries: Sequence[Entry], plan: Plan, seed: int = 1, *, within: Path | None = None
) -> Run:
    """One interleaved run of the floor, the engine and those ``entries`` that are there, with files in ``within``."""
    crm = Crm(deals, seed)
    absent: dict[str, str] = {}
    peers: list[Peer] = []
    with tempfile.TemporaryDirectory(prefix="parsekit-bench-", dir=within) as folder:
        place = Path(folder)
        try:
            peers += [Floor(place / "floor.db"), Engine(place / "engine.db")]
            for entry in entries:
                try:
                    peers.append(make(entry, place))
                except NotThereError as error:
                    absent[entry.name] = str(error)
                    tell(f"left out: {error}")
            for peer in peers:
                start = time.perf_counter()
                peer.load(crm)
                tell(f"{peer.name}: {deals:,} deals loaded in {time.perf_counter() - start:.1f} s")
            found = run(peers, crm, plan, tell)
            if plan.takes(workload_named("w15")):
                grown = walk_growth_mb(place / "floor.db", place / "engine.db")
                found = attrs.evolve(found, walk_mb=grown)
                tell(f"w15, memory: {grown}")
        finally:
            for peer in peers:
                peer.close()
    missing = {name: {**absent, **reasons} for name, reasons in found.missing.items()}
    return attrs.evolve(found, missing=missing)


def _keep(found: Run, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found.to_json(), indent=1) + "\n", encoding="utf-8")
    tell(f"kept in {file}")


def add_run(parser: argparse.ArgumentParser) -> None:
    """``run``."""
    names = ", ".join(f'"{entry.name}"' for entry in ALL)
    parser.add_argument("--deals", type=int, default=10_000)
    parser.add_argument(
        "--peers", nargs="*", default=[], metavar="PEER", help=f"beside the engine: all, {names}"
    )
    parser.add_argument("--only", nargs="*", default=[], metavar="W", help="these workloads, such as w1 w12r")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--budget", type=float, default=0.7, help="seconds for a peer in a workload")
    parser.add_argument("--batch", type=int, default=2_000, help="objects in w10")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.set_defaults(action=_run)


def _run(options: argparse.Namespace) -> int:
    entries = ALL if options.peers == ["all"] else named(options.peers)
    plan = Plan(options.rounds, options.budget, options.batch, only=frozenset(options.only))
    found = measured(options.deals, entries, plan, options.seed)
    _keep(found, options.output / "run.json")
    return report.make([found], options.output)


def add_small(parser: argparse.ArgumentParser) -> None:
    """``small``."""
    parser.add_argument("--deals", type=int, default=5_000)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.set_defaults(action=_small)


def _small(options: argparse.Namespace) -> int:
    found = measured(options.deals, ALL, _SMALL)
    _keep(found, options.output / "small.json")
    return report.make([found], options.output)


def add_full(parser: argparse.ArgumentParser) -> None:
    """``full``."""
    parser.add_argument("--deals", type=int, default=100_000, help="for the peers over SQLite")
    parser.add_argument("--documents", type=int, default=10_000, help="deals for the document stores")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.set_defaults(action=_full)


def _full(options: argparse.Namespace) -> int:
    runs = []
    for name, deals, entries, plan in (
        ("sql.json", options.deals, SQL, _FULL),
        ("documents.json", options.documents, DOCUMENTS, _DOCUMENTS),
    ):
        runs.append(measured(deals, entries, plan))
        _keep(runs[-1], options.output / name)
    return report.make(runs, options.output)
