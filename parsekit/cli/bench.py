"""``bench``: a CRM's queries and writes on this machine, next to SQL by hand on raw SQLite."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from parsekit.cli.output import Column, note, print_json, print_table, progress_bar
from parsekit.cli.session import AsJson, UsageError

__all__ = ["register"]

_LEAST_DEALS: Final = 100
_COLUMNS: Final[tuple[Column, ...]] = (
    ("", False),
    ("workload", False),
    ("raw SQLite", True),
    ("parsekit", True),
    ("ratio", True),
    ("95 % interval", True),
)


def register(app: App) -> None:
    """Add the command."""
    app.command(bench)


def bench(
    *,
    deals: Annotated[int, Parameter(help="How many deals the CRM has.")] = 10_000,
    rounds: Annotated[int, Parameter(help="How many rounds; more make the interval narrower.")] = 7,
    only: Annotated[list[str] | None, Parameter(help="Only these workloads, such as w1.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure parsekit on this machine, next to SQL written by hand; both have to give the same answers."""
    from parsekit.bench import data, engine, floor, measure, workloads

    if deals < _LEAST_DEALS or rounds < 1:
        raise UsageError(f"--deals and --rounds: expected at least {_LEAST_DEALS} and 1.")
    try:
        chosen = frozenset(workloads.named(name).name for name in only or ())
    except KeyError as error:
        raise UsageError(f"--only: {error.args[0]}.") from None
    plan = measure.Plan(rounds=rounds, budget_s=1.0, batch=min(deals, 2_000), only=chosen)
    crm = data.Crm(deals)
    steps = len(chosen or workloads.WORKLOADS)
    with tempfile.TemporaryDirectory(prefix="parsekit-bench-") as folder:
        place = Path(folder)
        with (
            closing(floor.Floor(place / "floor.db")) as raw,
            closing(engine.Engine(place / "engine.db")) as own,
        ):
            note(f"loading {deals:,} deals, then {steps} workloads ...")
            raw.load(crm)
            own.load(crm)
            with progress_bar("workloads") as advance:
                done: list[str] = []

                def tell(line: str) -> None:
                    done.append(line)
                    if advance is not None:
                        advance(len(done))

                run = measure.run([raw, own], crm, plan, tell)
    if as_json:
        print_json(run.to_json())
    else:
        _print(run)


def _print(run: Any) -> None:
    from parsekit.bench.workloads import WORKLOADS

    rows = []
    for workload in WORKLOADS:
        raw, own = run.figure(workload.name, "apsw"), run.figure(workload.name, "parsekit")
        if raw is None or own is None:
            continue
        ratio = own.ratio
        interval = f"{ratio.low:.2f} to {ratio.high:.2f}"
        times = (_time(raw.median_s), _time(own.median_s))
        rows.append([workload.name, workload.title, *times, f"{ratio.median:.2f}", interval])
    machine = run.machine
    print_table(
        _COLUMNS, rows, title=f"{run.deals:,} deals, {machine.cpu}, {machine.cores} cores, {machine.python}"
    )


def _time(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:,.2f} s"
    return f"{seconds * 1e3:,.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:,.1f} us"
