"""``scale``: the same questions at two sizes of the CRM, and what importing each takes in memory.

Each size is written as JSON Lines, imported by ``parsekit.interchange`` in a process of its own whose peak memory is
read from the system, and then asked w1, w2, w3 and w5, the sizes in turn; so is the floor, because what a larger B-tree
and colder caches cost SQLite itself is no doing of the engine. A count under ACLs and the board, which look at every
deal, are given as times: they grow with the deals.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, final

import attrs

from benchmarks import generate
from benchmarks.running import OUTPUT, tell
from parsekit import PFQuery, Principal
from parsekit.bench.data import Crm, user_id
from parsekit.bench.engine import Engine
from parsekit.bench.floor import Floor
from parsekit.bench.measure import DisagreementError
from parsekit.bench.peer import Peer
from parsekit.bench.result import Machine, Run
from parsekit.bench.statistics import Ratio, paired_ratio
from parsekit.bench.workloads import World, named
from parsekit.explanation import Explanation

__all__ = ["ASKED", "Import", "ScaleRun", "add_arguments", "measured", "sentences"]

ASKED: Final = ("w1", "w2", "w3", "w5")
"""What may not grow with the deals."""
_CALLS: Final = 60
_IMPORT: Final = """
import resource, sys, time
import parsekit
from parsekit.bench.engine import CRM_SCHEMA
from parsekit.interchange import import_files
with parsekit.open(sys.argv[1], schema=CRM_SCHEMA) as engine, engine.acting_as_master():
    began = time.perf_counter()
    import_files(engine, [sys.argv[2]])
    print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""

T = TypeVar("T")


@final
@attrs.frozen
class Import:
    """What importing a file took: objects, seconds, and the process's peak memory in megabytes."""

    objects: int
    seconds: float
    peak_mb: float


@final
@attrs.frozen
class ScaleRun:
    """Two sizes: imports, and the ratio of the large size's times to the small size's, for the engine and the floor."""

    deals: tuple[int, int]
    at: str
    machine: Machine
    imports: tuple[Import, Import]
    engine: dict[str, Ratio]
    floor: dict[str, Ratio]
    count_s: tuple[float, float]
    board_s: tuple[float, float]
    advice: tuple[str, ...]
    """What ``explain()`` advises for a query that no index serves, at the large size."""


@final
class _Size:
    """One size of the CRM in the engine and in the floor."""

    def __init__(self, deals: int, folder: Path) -> None:
        self.crm = Crm(deals)
        self.imported = _imported(self.crm, folder)
        self.engine = Engine(folder / f"engine-{deals}.db")
        self.engine.adopt(self.crm)
        self.floor = Floor(folder / f"floor-{deals}.db")
        self.floor.load(self.crm)
        tell(f"{deals:,} deals are there")

    def asked(self, question: Callable[[Engine], T]) -> T:
        """What the engine answers to a master."""
        # SAFETY: the floor asks as nobody either
        with self.engine.opened.acting_as_master():
            return question(self.engine)

    def timed(self, question: Callable[[Engine], object]) -> float:
        """The seconds of the best of some calls."""
        times_s = []
        for _ in range(3):
            start = time.perf_counter()
            self.asked(question)
            times_s.append(time.perf_counter() - start)
        return min(times_s)

    def round(self, peer: Peer, method: str, arguments: Sequence[tuple[Any, ...]]) -> tuple[float, list[Any]]:
        """The median seconds of a round's calls, the first of which warms up, and their answers."""
        call, times_s, answers = getattr(peer, method), [], []
        with self.engine.opened.acting_as_master():  # SAFETY: as above
            for each in arguments:
                start = time.perf_counter()
                answer = call(*each)
                times_s.append(time.perf_counter() - start)
                answers.append(answer)
        return statistics.median(times_s[1:]), answers

    def close(self) -> None:
        self.engine.close()
        self.floor.close()


def _imported(crm: Crm, folder: Path) -> Import:
    source, target = folder / f"crm-{crm.deals}.jsonl", folder / f"engine-{crm.deals}.db"
    count = generate.write(crm, source, lambda _: None)
    command = [sys.executable, "-c", _IMPORT, str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    source.unlink()
    seconds, peak_kb = done.stdout.split()
    tell(f"{count:,} objects imported in {float(seconds):.0f} s, {int(peak_kb) / 1024:.0f} MB at the most")
    return Import(count, round(float(seconds), 1), round(int(peak_kb) / 1024, 1))


def measured(deals: tuple[int, int], folder: Path, rounds: int) -> ScaleRun:
    """Import and ask a small and a large CRM.

    Raises:
        DisagreementError: the engine answers something else than the floor.
    """
    at = Run.now()
    small, large = sizes = (_Size(deals[0], folder), _Size(deals[1], folder))
    try:
        engine, floor = {}, {}
        for name in ASKED:
            times = _asked(name, sizes, rounds)
            engine[name], floor[name] = (
                paired_ratio(times[peer, large.crm.deals], times[peer, small.crm.deals])
                for peer in ("parsekit", "apsw")
            )
            tell(f"{name}: {engine[name].median:.2f} times, the floor {floor[name].median:.2f} times")
        return ScaleRun(
            deals, at, Machine.here(), (small.imported, large.imported), engine, floor,
            (small.timed(_count), large.timed(_count)), (small.timed(Engine.board), large.timed(Engine.board)),
            large.asked(_advice),
        )  # fmt: skip
    finally:
        for size in reversed(sizes):
            size.close()


def _asked(name: str, sizes: Sequence[_Size], rounds: int) -> dict[tuple[str, int], list[float]]:
    """The median seconds of each round, for either peer at each size, all in turn."""
    workload = named(name)
    worlds = [World(size.crm) for size in sizes]
    found: dict[tuple[str, int], list[float]] = {}
    for number in range(rounds):
        for size, world in zip(sizes, worlds, strict=True):
            arguments = [workload.arguments(world) for _ in range(_CALLS)]
            answers = []
            for peer in (size.floor, size.engine) if number % 2 else (size.engine, size.floor):
                median_s, given = size.round(peer, workload.method, arguments)
                answers.append([workload.plain(peer, *pair) for pair in zip(given, arguments, strict=True)])
                found.setdefault((peer.name, size.crm.deals), []).append(median_s)
            if answers[0] != answers[1]:
                raise DisagreementError(f"{name} at {size.crm.deals:,} deals: engine and floor disagree")
    return found


def _count(engine: Engine) -> int:
    query: PFQuery[Any] = PFQuery("Deal")
    with engine.opened.acting_as(Principal.user(user_id(3))):
        return query.count()


def _advice(engine: Engine) -> tuple[str, ...]:  # noqa: ARG001 - asked of the engine that is bound
    query: PFQuery[Any] = PFQuery("Deal")
    found: Explanation = (
        query.where_key("contact", equal_to="k00000001").order_by_descending("amount").explain()
    )
    return found.advice


def sentences(run: ScaleRun) -> str:
    """What was measured, as Markdown."""
    small, large = run.deals
    lines = [
        f"| | {small:,} deals | {large:,} deals |",
        "|---|--:|--:|",
        "| " + " | ".join(("objects imported", *(f"{each.objects:,}" for each in run.imports))) + " |",
        "| "
        + " | ".join(("a second", *(f"{each.objects / each.seconds:,.0f}" for each in run.imports)))
        + " |",
        "| " + " | ".join(("peak memory", *(f"{each.peak_mb:.0f} MB" for each in run.imports))) + " |",
        "| " + " | ".join(("count as a user", *(f"{each * 1e3:.1f} ms" for each in run.count_s))) + " |",
        "| " + " | ".join(("board (w6)", *(f"{each * 1e3:.1f} ms" for each in run.board_s))) + " |",
        "",
        f"| at {large:,} deals, times the same at {small:,} | parsekit | raw SQLite |",
        "|---|--:|--:|",
    ]
    for name in ASKED:
        engine, floor = run.engine[name], run.floor[name]
        lines.append(
            f"| {name} {named(name).title} | {engine.median:.2f} ({engine.low:.2f} to {engine.high:.2f}) "
            f"| {floor.median:.2f} |"
        )
    return "\n".join([*lines, "", *(f"- explain: {each}" for each in run.advice)]) + "\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``scale``."""
    parser.add_argument("--deals", type=int, nargs=2, default=(10_000, 1_000_000), metavar=("SMALL", "LARGE"))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.set_defaults(action=_scale)


def _scale(options: argparse.Namespace) -> int:
    small, large = options.deals
    with tempfile.TemporaryDirectory(prefix="parsekit-bench-") as folder:
        run = measured((small, large), Path(folder), options.rounds)
    options.output.mkdir(parents=True, exist_ok=True)
    text = json.dumps(attrs.asdict(run), indent=1)
    (options.output / "scale.json").write_text(f"{text}\n", encoding="utf-8")
    sys.stdout.write(sentences(run))
    return 0
