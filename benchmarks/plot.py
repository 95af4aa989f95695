"""The plot: one row a workload, one mark a peer, its ratio to raw SQLite on a logarithmic axis, and the goal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

from benchmarks.peers.registry import ALL
from parsekit.bench.result import Run
from parsekit.bench.workloads import WORKLOADS, Workload

__all__ = ["write"]

_FLOOR: Final = "apsw"
_ENGINE: Final = "parsekit"
_MARKS: Final[dict[str, tuple[str, str]]] = {
    "apsw, best plan": ("#7f7f7f", "D"),
    "sqlite-utils": ("#2ca02c", "s"),
    "sqlalchemy-core": ("#ff7f0e", "^"),
    "sqlalchemy-orm": ("#d62728", "v"),
    "peewee": ("#9467bd", "P"),
    "django": ("#8c564b", "X"),
    "mongomock": ("#17becf", "h"),
    "tinydb": ("#bcbd22", "p"),
    "parse-mockdb": ("#e377c2", "d"),
    "parse-server": ("#1b1b1b", "*"),
}
_ENGINE_COLOR: Final = "#1f4fd8"
_DPI: Final = 130


def write(runs: Sequence[Run], stem: Path) -> None:
    """Write ``stem.png`` and ``stem.svg``; of several runs, the first gives parsekit's marks."""
    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "parsekit"  # equal results give an equal file
    from matplotlib import pyplot

    rows = [each for each in WORKLOADS if runs[0].figure(each.name, _ENGINE) is not None]
    figure, axes = pyplot.subplots(figsize=(11.5, 1.9 + 0.47 * len(rows)), layout="constrained")
    places = {workload.name: len(rows) - place for place, workload in enumerate(rows)}
    axes.axvspan(1e-6, 1, color="#eaf3ea", zorder=0)
    axes.axvline(1, color="#444444", linewidth=1.4, zorder=1)
    for place in places.values():
        axes.axhline(place, color="#e3e3e3", linewidth=0.7, zorder=0.5)
    _engine(axes, runs[0], rows, places)
    for run in runs:
        _peers(axes, run, places, runs[0])
    _frame(axes, runs, rows, places)
    figure.savefig(stem.with_suffix(".png"), dpi=_DPI, metadata={"Software": None})
    figure.savefig(stem.with_suffix(".svg"), metadata={"Date": None})
    pyplot.close(figure)


def _peers(axes: Any, run: Run, places: dict[str, int], first: Run) -> None:
    labels = {entry.name: entry.label for entry in ALL}
    for name in run.versions:
        if name not in _MARKS:
            continue
        points = [
            (figure.ratio.median, place)
            for workload, place in places.items()
            if (figure := run.figure(workload, name)) is not None
        ]
        color, mark = _MARKS[name]
        scale = "" if run is first else f", {run.deals:,} deals"
        axes.plot(
            [ratio for ratio, _ in points],
            [place for _, place in points],
            mark,
            color=color,
            markersize=9 if mark == "*" else 7,
            markeredgecolor="white",
            markeredgewidth=0.6,
            linestyle="none",
            label=f"{labels[name]}{scale}",
            zorder=3,
        )


def _engine(axes: Any, run: Run, rows: Sequence[Workload], places: dict[str, int]) -> None:
    found = [(run.figures[each.name][_ENGINE].ratio, places[each.name]) for each in rows]
    middle = [ratio.median for ratio, _ in found]
    errors = [[r.median - r.low for r, _ in found], [r.high - r.median for r, _ in found]]
    axes.errorbar(
        middle,
        [place for _, place in found],
        xerr=errors,
        fmt="o",
        color=_ENGINE_COLOR,
        markersize=11,
        markeredgecolor="white",
        elinewidth=3,
        ecolor="#8fa8ee",
        zorder=4,
        label="parsekit (with its 95 % interval)",
    )
    goals = [(each.goal, places[each.name]) for each in rows if each.goal is not None]
    axes.plot(
        [goal for goal, _ in goals],
        [place for _, place in goals],
        "|",
        color="#111111",
        markersize=19,
        markeredgewidth=2.4,
        linestyle="none",
        zorder=3.5,
        label="parsekit's goal",
    )


def _frame(axes: Any, runs: Sequence[Run], rows: Sequence[Workload], places: dict[str, int]) -> None:
    run = runs[0]
    ratios = [
        figure.ratio.median for each in runs for row in each.figures.values() for figure in row.values()
    ]
    axes.set_xscale("log")
    axes.set_xlim(min(*ratios, 0.1) / 1.6, max(*ratios, 10) * 1.6)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}x")
    axes.set_yticks(list(places.values()), [f"{each.title}  ({each.name})" for each in rows])
    axes.set_ylim(0.3, len(rows) + 0.9)
    axes.annotate(
        "raw SQLite",
        (1, len(rows) + 0.55),
        xytext=(-5, 0),
        textcoords="offset points",
        ha="right",
        fontsize=9,
        color="#444444",
    )
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(
        "time of one call, as a multiple of hand-written SQL on raw SQLite (1x; log scale, left is faster)"
    )
    axes.grid(axis="x", color="#dddddd", linewidth=0.7)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    machine = run.machine
    axes.set_title(
        "A CRM's queries and writes: parsekit and other Python stores next to raw SQLite\n",
        loc="left",
        weight="bold",
    )
    axes.text(
        0,
        1.012,
        f"{run.deals:,} deals unless said otherwise · {machine.cpu}, {machine.cores} cores · {machine.python} · "
        f"{run.at[:10]} · all peers in turn, answers compared",
        transform=axes.transAxes,
        fontsize=9,
        color="#555555",
    )
    handles, labels = axes.get_legend_handles_labels()
    ranked = sorted(zip(handles, labels, strict=True), key=lambda pair: not pair[1].startswith("parsekit ("))
    axes.legend(
        *zip(*ranked, strict=True),
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
        frameon=False,
        fontsize=9,
        labelspacing=0.9,
    )
