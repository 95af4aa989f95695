"""``check``, ``backup``, ``restore`` and ``compact``: looking after a database file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from parsekit import EngineError
from parsekit import restore as restore_database
from parsekit.cli.output import print_json
from parsekit.cli.session import AsJson, Database, Who, as_master, open_database
from parsekit.engine.upkeep import Copy

__all__ = ["register"]

Overwrite = Annotated[bool, Parameter(negative=(), help="Replace the file that is there.")]
_NOBODY = Who()


def register(app: App) -> None:
    """Add the commands."""
    for command in (check, backup, restore, compact):
        app.command(command)


def check(
    database: Database,
    /,
    *,
    security: Annotated[
        bool, Parameter(negative=(), help="Also say what a careful person would want to know.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check file, schema, relations, indexes and journal; nothing is changed. Fails when anything is wrong."""
    with open_database(database, _NOBODY) as engine:
        found = engine.check()
        advice = engine.check_security() if security else ()
    if as_json:
        entries = [finding.to_json() for finding in found]
        entries += [
            {"severity": item.severity, "place": item.place, "what": item.problem, "fix": item.advice}
            for item in advice
        ]
        print_json({"findings": entries})
    else:
        for line in (*found, *advice):
            sys.stdout.write(f"{line}\n")
    wrong = sum(finding.severity == "error" for finding in found)
    if wrong:
        raise EngineError(f"{database}: {wrong} {'thing is' if wrong == 1 else 'things are'} wrong")
    if not as_json:
        sys.stdout.write(f"{database}: nothing is wrong\n")


def backup(
    database: Database,
    target: Annotated[Path, Parameter(help="The file to write.")],
    /,
    *,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Copy a database to a file, while others use it."""
    with open_database(database, _NOBODY) as engine:
        copy = engine.backup(target, overwrite=overwrite)
    _print_copy(copy, as_json)


def restore(
    source: Annotated[Path, Parameter(help="A backup.")],
    target: Annotated[Path, Parameter(help="The database file to put it in the place of.")],
    /,
    *,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Put a backup in the place of a database, which nobody may have open."""
    _print_copy(restore_database(source, target, overwrite=overwrite), as_json)


def compact(database: Database, /, *, as_json: AsJson = False) -> None:
    """Prune the journal and give back the space of what was deleted."""
    if not database.exists():
        raise EngineError(f'database "{database}": there is no such file. Fix: check the path')
    with as_master(database) as engine:
        done = engine.compact()
    if as_json:
        print_json({"before": done.before_bytes, "after": done.after_bytes, "pruned": done.pruned})
    else:
        sys.stdout.write(
            f"{database}: {done.before_bytes:,} bytes before, {done.after_bytes:,} after; "
            f"{done.pruned:,} journal entries pruned\n"
        )


def _print_copy(copy: Copy, as_json: bool) -> None:
    if as_json:
        print_json({"path": str(copy.path), "bytes": copy.size_bytes, "sequence": copy.sequence})
    else:
        sys.stdout.write(f"{copy.path}: {copy.size_bytes:,} bytes, journal up to {copy.sequence}\n")
