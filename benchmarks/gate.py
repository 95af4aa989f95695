"""The gate: parsekit's ratios to the floor at 10,000 deals against recorded ones, with slack; never a time.

Files lie in memory where the system has a folder for that: what a page costs on a disk differs from machine to machine
more than anything that is held here. A ratio beyond the slack is measured again with more rounds, up to three times,
before it counts, since a shared machine has bad moments. Cold starts (w14) are left out: where other processes want
the cores too, a long process loses more of its time than a short one, so their ratio says more about the machine.
``--record`` makes what was measured the new baseline.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from benchmarks.running import measured
from parsekit.bench.measure import Plan
from parsekit.bench.result import Run
from parsekit.bench.workloads import COLD, WORKLOADS

__all__ = ["AGAIN", "BASELINE", "PLAN", "add_arguments", "ratios", "slipped"]

BASELINE: Final = Path(__file__).with_name("baseline.json")
_DEALS: Final = 10_000
_SLACK: Final = 1.5
_ATTEMPTS: Final = 3
_MEMORY: Final = Path("/dev/shm")
_GATED: Final = tuple(each.name for each in WORKLOADS if each is not COLD)
PLAN: Final = Plan(rounds=7, budget_s=0.4, batch=1_000, only=frozenset(_GATED))
AGAIN: Final = attrs.evolve(PLAN, rounds=15, budget_s=1.5)


def ratios(run: Run) -> dict[str, float]:
    """parsekit's ratio for each workload."""
    return {name: row["parsekit"].ratio.median for name, row in run.figures.items()}


def slipped(found: Mapping[str, float], baseline: Mapping[str, float], slack: float) -> dict[str, str]:
    """The workloads whose ratio is beyond the baseline's times the slack, with a sentence each."""
    return {
        name: f"{name}: {found[name]:.2f} times the floor; recorded {kept:.2f}, allowed {kept * slack:.2f}"
        for name, kept in baseline.items()
        if name in found and found[name] > kept * slack
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``gate``."""
    parser.add_argument("--record", action="store_true", help="make what is measured the baseline")
    parser.add_argument("--baseline", type=Path, default=BASELINE)
    parser.set_defaults(action=_gate)


def _ratios(deals: int, plan: Plan) -> dict[str, float]:
    return ratios(measured(deals, (), plan, within=_MEMORY if os.access(_MEMORY, os.W_OK) else None))


def _gate(options: argparse.Namespace) -> int:
    if options.record:
        found = _ratios(_DEALS, AGAIN)
        kept = {name: round(found[name], 3) for name in _GATED}
        document = {"deals": _DEALS, "slack": _SLACK, "ratios": kept}
        options.baseline.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        return 0
    document = json.loads(options.baseline.read_text(encoding="utf-8"))
    return _check(document)


def _check(document: Mapping[str, Any]) -> int:
    baseline, slack, deals = document["ratios"], document["slack"], document["deals"]
    bad = slipped(_ratios(deals, PLAN), baseline, slack)
    for _ in range(_ATTEMPTS):
        if not bad:
            break
        sys.stdout.write(f"measured again, with more rounds: {', '.join(bad)}\n")
        bad = slipped(_ratios(deals, attrs.evolve(AGAIN, only=frozenset(bad))), baseline, slack)
    for sentence in bad.values():
        sys.stdout.write(f"slower than recorded: {sentence}\n")
    passed = len(baseline) - len(bad)
    sys.stdout.write(f"benchmark gate: {passed} passed, {len(bad)} failed\n")
    return 1 if bad else 0
