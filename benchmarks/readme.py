"""README.md's section on speed: written from the kept results, so that it cannot say anything else."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks import plot, report, server
from benchmarks.server import ServerRun
from parsekit.bench.result import Run

__all__ = ["IMAGE", "KEPT", "add_arguments", "kept_runs", "section", "write"]

_ROOT: Final = Path(__file__).resolve().parents[1]
KEPT: Final = _ROOT / "benchmarks" / "kept"
"""The results that README.md shows."""
IMAGE: Final = _ROOT / "docs" / "images" / "benchmarks"
_FLOOR: Final = "apsw"
_ENGINE: Final = "parsekit"
_SERVER: Final = "server.json"
_FILES: Final = ("sql.json", "documents.json")
_SECTION: Final = re.compile(r"(<!-- benchmarks -->\n).*?(<!-- /benchmarks -->)", re.DOTALL)


def kept_runs() -> list[Run]:
    """The kept runs: SQL peers, then document stores."""
    return [report.load(KEPT / name) for name in _FILES]


def kept_server() -> ServerRun | None:
    """The kept run of the servers, if there is one."""
    file = KEPT / _SERVER
    return ServerRun.from_json(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None


def section(runs: Sequence[Run], served: ServerRun | None) -> str:
    """The text between the marks in README.md."""
    sql, documents = runs
    machine = sql.machine
    where = f"{machine.cpu}, {machine.cores} cores, {machine.system}, {machine.python}"
    return (
        f"![Ratio of each store to raw SQLite, by workload](docs/images/benchmarks.png)\n\n"
        f"Measured on {sql.at[:10]} ({where}) with `make bench-full`; times are multiples of the same question "
        "in SQL written by hand.\n\n"
        f"{sql.deals:,} deals:\n\n{report.table(sql)}\n{_memory(sql)}"
        f"Document stores and Parse servers, {documents.deals:,} deals:\n\n{report.table(documents)}"
        f"{_server(served)}"
    )


def _server(run: ServerRun | None) -> str:
    if run is None:
        return ""
    return (
        f"\nOver HTTP on loopback, one worker each, {run.clients} clients for requests a second and one for p50, "
        f"{run.deals:,} deals, {run.at[:10]} (`python -m benchmarks server`):\n\n{server.table(run)}"
    )


def _memory(run: Run) -> str:
    if not run.walk_mb:
        return ""
    own, raw = run.walk_mb[_ENGINE], run.walk_mb[_FLOOR]
    return f"A process that walks over all deals (w15) grows by {own:.1f} MB, with raw SQLite by {raw:.1f} MB.\n\n"


def write(source: Path | None, readme: Path) -> None:
    """Take over the results in ``source``, if any, and write section and images."""
    if source is not None:
        KEPT.mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            shutil.copyfile(source / name, KEPT / name)
        if (source / _SERVER).exists():
            shutil.copyfile(source / _SERVER, KEPT / _SERVER)
    runs = kept_runs()
    IMAGE.parent.mkdir(parents=True, exist_ok=True)
    plot.write(runs, IMAGE)
    text = readme.read_text(encoding="utf-8")
    if not _SECTION.search(text):
        raise ValueError(f"{readme}: the marks <!-- benchmarks --> and <!-- /benchmarks --> are missing")
    made = section(runs, kept_server())
    readme.write_text(_SECTION.sub(lambda found: found[1] + made + found[2], text), encoding="utf-8")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``readme``."""
    parser.add_argument(
        "results", nargs="?", type=Path, help="the folder of a full run; without it, the kept one"
    )
    parser.set_defaults(action=_readme)


def _readme(options: argparse.Namespace) -> int:
    write(options.results, _ROOT / "README.md")
    sys.stdout.write(f"README.md and {IMAGE.relative_to(_ROOT)}.png, .svg written\n")
    return 0
