"""Tables in Markdown of kept runs, and the folder with table and plot."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks import plot
from benchmarks.peers.registry import ALL
from parsekit.bench.result import Figure, Run
from parsekit.bench.workloads import WORKLOADS

__all__ = ["add_arguments", "load", "make", "ratio_text", "table", "time_text"]

_FLOOR: Final = "apsw"
_ENGINE: Final = "parsekit"
_FEW_ROUNDS: Final = 3
_NOTHING: Final = "-"


def load(file: Path) -> Run:
    """A kept run."""
    return Run.from_json(json.loads(file.read_text(encoding="utf-8")))


def ratio_text(ratio: float) -> str:
    """A ratio with the digits that mean something: ``0.012``, ``0.12``, ``1.2``, ``12``, ``1,200``."""
    if ratio >= 99.5:
        return f"{float(f'{ratio:.2g}'):,.0f}"
    if ratio >= 9.95:
        return f"{ratio:.0f}"
    if ratio >= 0.995:
        return f"{ratio:.1f}" if ratio >= 1.995 else f"{ratio:.2f}"
    return f"{ratio:.2g}"


def time_text(seconds: float) -> str:
    """A time in the unit that fits."""
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def table(run: Run) -> str:
    """The run as a Markdown table: the floor's time, then ratios to it, parsekit's with interval and goal."""
    labels = {entry.name: entry.label for entry in ALL}
    others = [name for name in run.versions if name not in (_FLOOR, _ENGINE)]
    head = ["workload", "raw SQLite", "parsekit (95 %)", "goal", *(labels.get(name, name) for name in others)]
    lines = [_line(head), _line(["---", "--:", "--:", "--:", *("--:" for _ in others)])]
    for workload in WORKLOADS:
        floor = run.figure(workload.name, _FLOOR)
        if floor is None:
            continue
        title = workload.title.replace("many", f"{run.batch:,}") if workload.name == "w10" else workload.title
        cells = [f"{workload.name} {title}", time_text(floor.median_s), _engine_cell(run, workload.name)]
        cells.append("" if workload.goal is None else ratio_text(workload.goal))
        cells += [_cell(run.figure(workload.name, name)) for name in others]
        lines.append(_line(cells))
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _engine_cell(run: Run, workload: str) -> str:
    figure = run.figure(workload, _ENGINE)
    if figure is None:
        return _NOTHING
    low, high = ratio_text(figure.ratio.low), ratio_text(figure.ratio.high)
    return f"**{ratio_text(figure.ratio.median)}** ({low} to {high})"


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return _NOTHING
    few = "~" if figure.ratio.rounds < _FEW_ROUNDS else ""
    return few + ratio_text(figure.ratio.median)


def remarks(run: Run) -> str:
    """What was measured where, by which versions, and what was left out, with the reason."""
    machine = run.machine
    lines = [
        f"{run.deals:,} deals, {run.at[:10]}, {machine.cpu} ({machine.cores} cores), {machine.system}, "
        f"{machine.python}.",
        "Versions: " + "; ".join(run.versions.values()) + ".",
    ]
    if run.walk_mb:
        grown = ", ".join(f"{name} {mb:.1f} MB" for name, mb in run.walk_mb.items())
        lines.append(f"Memory that a process took to walk over all deals (w15): {grown}.")
    reasons: dict[str, list[str]] = {}
    for workload, missing in run.missing.items():
        for name, reason in missing.items():
            reasons.setdefault(reason if reason.startswith(name) else f"{name}: {reason}", []).append(
                workload
            )
    for reason, names in reasons.items():
        lines.append(f"Not measured, {', '.join(names)}: {reason}.")
    few = sorted(
        {
            name
            for row in run.figures.values()
            for name, figure in row.items()
            if figure.ratio.rounds < _FEW_ROUNDS
        }
    )
    if few:
        lines.append(
            f"~: fewer than {_FEW_ROUNDS} rounds, the time budget allowed no more ({', '.join(few)})."
        )
    return "\n".join(f"- {line}" for line in lines) + "\n"


def make(runs: Sequence[Run], folder: Path) -> int:
    """Write ``benchmarks.md``, ``.png`` and ``.svg`` into a folder and print the tables."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [f"## {run.deals:,} deals\n\n{table(run)}\n{remarks(run)}" for run in runs]
    text = "# Times the raw SQLite floor\n\n" + "\n".join(parts)
    (folder / "benchmarks.md").write_text(text, encoding="utf-8")
    plot.write(runs, folder / "benchmarks")
    sys.stdout.write(f"{text}\nwritten to {folder}: benchmarks.md, benchmarks.png, benchmarks.svg\n")
    return 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``report``."""
    parser.add_argument("results", nargs="+", type=Path, help="kept runs (JSON)")
    parser.add_argument("--output", type=Path, required=True, help="the folder to write to")
    parser.set_defaults(action=lambda options: make([load(file) for file in options.results], options.output))
