"""``local``: the local datastore with 10,000 pinned deals: pinning one more, and the stage query in order next to w2.

The stage query is asked of the pinned deals and of the same deals in the engine, in turn, and has to give the same
deals in the same order.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, final

import attrs

import parsekit
from benchmarks.running import OUTPUT, tell
from parsekit import PFObject, PFQuery
from parsekit.bench.data import STAGES, Crm, Row
from parsekit.bench.engine import CRM_SCHEMA, TARGETS
from parsekit.bench.result import Machine, Run
from parsekit.bench.statistics import Ratio, paired_ratio

__all__ = ["LocalRun", "add_arguments", "measured"]

_CALLS: Final = 20
_BATCH: Final = 1_000


@final
@attrs.frozen
class LocalRun:
    """Median seconds of pinning one more deal and of the stage query, and the query's ratio to w2 on the engine."""

    deals: int
    at: str
    machine: Machine
    pin_s: float
    query_s: float
    engine_query_s: float
    ratio: Ratio


def _deal(row: Row) -> PFObject:
    deal = PFObject("Deal")
    for key, value in row.items():
        if key in TARGETS:
            deal[key] = PFObject.without_data(TARGETS[key], value)
        elif key != "acl":
            deal[key] = value
    return deal


def _pipeline(stage: str) -> PFQuery[PFObject]:
    query: PFQuery[PFObject] = PFQuery("Deal")
    return query.where_key("stage", equal_to=stage).order_by_ascending("expectedCloseDate").limit(100)


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    answer = call()
    return time.perf_counter() - start, answer


def measured(crm: Crm, folder: Path, rounds: int) -> LocalRun:
    """Pin the deals of a CRM and measure.

    Raises:
        AssertionError: the pinned deals give another answer than the engine's.
    """
    at = Run.now()
    with (
        parsekit.open(
            folder / "engine.db", schema=CRM_SCHEMA, local_datastore=folder / "device.db"
        ) as engine,
        # SAFETY: w2 asks as nobody in particular either
        engine.acting_as_master(),
    ):
        rows = crm.deal_rows()
        while batch := [_deal(row) for row in itertools.islice(rows, _BATCH)]:
            PFObject.save_all(batch)
            PFObject.pin_all(batch)
        tell(f"{crm.deals:,} deals saved and pinned")
        queries = _queries(rounds)
        pins = _pins(crm, rounds)
    ratio = paired_ratio(queries["local"], queries["engine"])
    medians = {name: statistics.median(times_s) for name, times_s in queries.items()}
    return LocalRun(
        crm.deals, at, Machine.here(), statistics.median(pins), medians["local"], medians["engine"], ratio
    )


def _queries(rounds: int) -> Mapping[str, list[float]]:
    found: dict[str, list[float]] = {"local": [], "engine": []}
    for number in range(rounds):
        times_s: dict[str, list[float]] = {"local": [], "engine": []}
        for call in range(_CALLS):
            stage = STAGES[(number + call) % len(STAGES)]
            local, engine = _pipeline(stage).from_local_datastore(), _pipeline(stage)
            pairs = [("local", local), ("engine", engine)]
            answers = {}
            for name, query in pairs if number % 2 else reversed(pairs):
                elapsed_s, answer = _timed(query.find)
                times_s[name].append(elapsed_s)
                answers[name] = [deal.object_id for deal in answer]
            if answers["local"] != answers["engine"]:
                raise AssertionError(f"stage {stage}: the pinned deals are not those of the engine")
        for name, each in times_s.items():
            found[name].append(statistics.median(each))
    return found


def _pins(crm: Crm, rounds: int) -> list[float]:
    source = random.Random(crm.seed + 50)
    deals = [_deal(row) for row in crm.new_deal_rows(source, 0, rounds * _CALLS)]
    PFObject.save_all(deals)
    return [_timed(deal.pin)[0] for deal in deals]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``local``."""
    parser.add_argument("--deals", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.set_defaults(action=_local)


def sentence(run: LocalRun) -> str:
    """What was measured, in a sentence."""
    ratio = run.ratio
    return (
        f"Local datastore, {run.deals:,} pinned deals: pinning one more takes {run.pin_s * 1e3:.2f} ms; "
        f"a stage's first 100 deals by date take {ratio.median:.2f} times ({ratio.low:.2f} to {ratio.high:.2f}) "
        f"what the engine takes ({run.query_s * 1e3:.2f} and {run.engine_query_s * 1e3:.2f} ms).\n"
    )


def _local(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="parsekit-bench-") as folder:
        run = measured(Crm(options.deals), Path(folder), options.rounds)
    options.output.mkdir(parents=True, exist_ok=True)
    text = json.dumps(attrs.asdict(run), indent=1)
    (options.output / "local.json").write_text(f"{text}\n", encoding="utf-8")
    sys.stdout.write(sentence(run))
    return 0
