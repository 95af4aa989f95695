"""``python -m benchmarks``: the workloads on both peers in turn, medians and ratios. ``--full`` takes 100,000 deals."""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.data import STAGES, Crm, Row, deal_id
from benchmarks.engine import Engine
from benchmarks.floor import Floor
from benchmarks.peer import Peer

_LARGE = 100_000
_SMALL = 10_000


def _ids(answer: Any) -> Any:
    """An answer in the form in which peers are compared: the ids of rows and objects."""
    if isinstance(answer, list) and answer and isinstance(answer[0], tuple) and isinstance(answer[0][0], str):
        return [row[0] for row in answer]
    if isinstance(answer, list) and answer and hasattr(answer[0], "object_id"):
        return [obj.object_id for obj in answer]
    return answer


Workload: TypeAlias = tuple[int, Callable[[], Callable[[Peer], Any]]]
"""How often to call, and what makes one call with fresh arguments."""


def _workloads(crm: Crm, source: random.Random) -> dict[str, Workload]:
    """Every workload by name, in the order of their numbers."""
    workloads = {**_reads(crm, source), **_writes(crm, source)}
    return {name: workloads[name] for name in sorted(workloads, key=_number)}


def _number(name: str) -> tuple[int, str]:
    """``w12r title matches`` is number 12, after ``w12``."""
    label = name.split(maxsplit=1)[0][1:]
    digits = label.rstrip("r")
    return int(digits), label


def _reads(crm: Crm, source: random.Random) -> dict[str, Workload]:

    def with_stage(call: Callable[[Peer, str], Any]) -> Callable[[], Callable[[Peer], Any]]:
        def make() -> Callable[[Peer], Any]:
            stage = source.choice(STAGES)
            return lambda peer: call(peer, stage)

        return make

    def with_user(call: Callable[[Peer, int, str], Any]) -> Callable[[], Callable[[Peer], Any]]:
        def make() -> Callable[[Peer], Any]:
            user, stage = source.randrange(20), source.choice(STAGES)
            return lambda peer: call(peer, user, stage)

        return make

    def with_deal(call: Callable[[Peer, str], Any]) -> Callable[[], Callable[[Peer], Any]]:
        def make() -> Callable[[Peer], Any]:
            deal = deal_id(source.randrange(crm.deals))
            return lambda peer: call(peer, deal)

        return make

    return {
        "w1 get by id": (1_000, with_deal(lambda peer, deal: peer.get(deal))),
        "w2 pipeline": (200, with_stage(lambda peer, stage: peer.pipeline(stage))),
        "w3 pipeline of a user": (200, with_user(lambda peer, user, stage: peer.pipeline_of(user, stage))),
        "w4 with includes": (
            100,
            with_user(lambda peer, user, stage: peer.pipeline_with_includes(user, stage)),
        ),
        "w5 activities": (500, with_deal(lambda peer, deal: peer.activities(deal))),
        "w6 board": (20, lambda: lambda peer: peer.board()),
        "w8 1,000 objects": (50, lambda: lambda peer: len(peer.many(5_000))),
        "w12 title starts with": (200, lambda: lambda peer: len(peer.titles("Solar pilot 1"))),
        "w12r title matches": (
            10,
            lambda: lambda peer: len(peer.titles_like(r"^Solar .*9\d*1$")),
        ),
        "w15 walk": (3, lambda: lambda peer: peer.walk()),
    }


def _writes(crm: Crm, source: random.Random) -> dict[str, Workload]:
    moves = iter(STAGES * 1_000)
    fresh = iter(range(10**6))

    def rows(count: int) -> list[Row]:
        made = list(Crm(count, seed=crm.seed + 99).deal_rows())
        return [{**row, "objectId": f"n{next(fresh):08d}"} for row in made]

    def creating() -> Callable[[Peer], Any]:
        row = rows(1)[0]
        return lambda peer: peer.create(row)

    def creating_many() -> Callable[[Peer], Any]:
        batch = rows(2_000)
        return lambda peer: peer.create_many(batch)

    def moving() -> Callable[[Peer], Any]:
        deal, stage = deal_id(source.randrange(crm.deals)), next(moves)
        return lambda peer: peer.move(deal, stage)

    return {
        "w9 create": (300, creating),
        "w10 create 2,000": (5, creating_many),
        "w11 update and read": (300, moving),
    }


def measure(peers: list[Peer], crm: Crm) -> dict[str, dict[str, float]]:
    """Median seconds of each workload on each peer, peers taking turns call by call.

    Raises ``AssertionError`` when two peers answer differently.
    """
    results: dict[str, dict[str, float]] = {}
    for name, (times, make) in _workloads(crm, random.Random(crm.seed)).items():
        samples: dict[str, list[float]] = {peer.name: [] for peer in peers}
        for turn in range(times + 1):
            call = make()
            answers = []
            for peer in peers:
                start = time.perf_counter()
                answer = call(peer)
                elapsed = time.perf_counter() - start
                if turn:  # the first call warms up
                    samples[peer.name].append(elapsed)
                answers.append(_ids(answer))
            if any(answer != answers[0] for answer in answers):
                raise AssertionError(f"{name}: the peers do not agree")
        results[name] = {peer: statistics.median(times) for peer, times in samples.items()}
    return results


def main() -> int:
    """Run, print, and keep the figures as JSON where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--deals", type=int, default=_SMALL)
    parser.add_argument("--full", action="store_true", help=f"{_LARGE:,} deals")
    parser.add_argument("--json", type=Path, help="also write the medians to this file")
    options = parser.parse_args()
    crm = Crm(_LARGE if options.full else options.deals)
    with tempfile.TemporaryDirectory() as folder:
        peers: list[Peer] = [Floor(Path(folder) / "floor.db"), Engine(Path(folder) / "engine.db")]
        for peer in peers:
            start = time.perf_counter()
            peer.load(crm)
            print(f"{peer.name}: {crm.deals:,} deals loaded in {time.perf_counter() - start:.1f} s")
        results = measure(peers, crm)
    print(f"\n{'':24}{'apsw':>12}{'parsekit':>12}{'ratio':>8}")
    for name, medians in results.items():
        floor, engine = medians["apsw"], medians["parsekit"]
        print(f"{name:24}{floor * 1e6:>9,.0f} us{engine * 1e6:>9,.0f} us{engine / floor:>8.2f}")
    if options.json:
        kept = {"deals": crm.deals, "at": datetime.now(UTC).isoformat(), "median_s": results}
        options.json.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
