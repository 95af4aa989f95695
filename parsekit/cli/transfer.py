"""``import`` and ``export``: whole classes in and out, under the master."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from parsekit import EngineError, PFQuery
from parsekit.cli.output import note, objects, print_json, print_table, progress_bar
from parsekit.cli.schemas import read_schema_files
from parsekit.cli.session import AsJson, Database, UsageError, Who, as_master, check_class, open_database
from parsekit.codec import loads
from parsekit.errors import InvalidJsonError
from parsekit.interchange import (
    CsvMapping,
    Form,
    ImportReport,
    export_file,
    import_files,
    mapping_from_json,
)

__all__ = ["register"]

AsForm = Annotated[Form | None, Parameter(name="--format", help="The form, where the ending does not tell.")]


def register(app: App) -> None:
    """Add the commands."""
    app.command(import_objects, name="import")
    app.command(export_objects, name="export")


def import_objects(
    database: Annotated[Path, Parameter(help="The database file, made where there is none.")],
    file: Annotated[Path, Parameter(help="A file with objects: .json, .jsonl or .csv.")],
    /,
    *more: Annotated[Path, Parameter(help="Further files.")],
    class_name: Annotated[
        str | None, Parameter(name="--class", help="The class of objects that name none.")
    ] = None,
    form: AsForm = None,
    mapping: Annotated[
        Path | None, Parameter(help="A JSON file that says what the columns of a CSV file are.")
    ] = None,
    schema: Annotated[Path | None, Parameter(help="A schema file to apply first.")] = None,
    as_json: AsJson = False,
) -> None:
    """Create the objects of files, once all of them have been found right.

    An object whose id is there already is left as it is. An import that was stopped goes on where it was when it is run
    again. Runs under the master, who alone may state ids and dates.
    """
    wanted = None if schema is None else read_schema_files([schema])
    columns = None if mapping is None else _mapping(mapping)
    with as_master(database, wanted) as engine, progress_bar("importing") as progress:
        report = import_files(
            engine, (file, *more), class_name=class_name, form=form, mapping=columns, progress=progress
        )
    _print_report(report, as_json)


def _print_report(report: ImportReport, as_json: bool) -> None:
    if as_json:
        print_json(report.to_json())
        return
    names = dict.fromkeys([*report.created, *report.present])
    rows = [(name, str(report.created.get(name, 0)), str(report.present.get(name, 0))) for name in names]
    print_table([("Class", False), ("Created", True), ("Already there", True)], rows)


def _mapping(path: Path) -> CsvMapping:
    try:
        return mapping_from_json(loads(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise EngineError(f"{path}: cannot be read ({error.strerror}). Fix: check the path") from error
    except (InvalidJsonError, UnicodeDecodeError) as error:
        raise EngineError(f"{path}: not JSON: {error}. Fix: restore the file") from error


def export_objects(
    database: Database,
    /,
    *class_names: Annotated[str, Parameter(help="The classes; all but sessions unless given.")],
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="The file; standard output unless given.")
    ] = None,
    form: AsForm = None,
    as_user: Annotated[str | None, Parameter(name="--as", help="Only what this user may see.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write the objects of classes to a file, which appears when it is complete.

    Runs under the master unless a user is named. Passwords are not exported.
    """
    if output is None and as_json:
        raise UsageError("--json: the objects themselves go to standard output; name a file with --output.")
    # SAFETY: an export that leaves things out is no copy; whoever holds the file has all of it.
    who = Who(as_master=as_user is None, as_user=as_user)
    with open_database(database, who) as engine, progress_bar("exporting") as progress:
        for name in class_names:
            check_class(engine, name)
        everything = [item.name for item in engine.schema if item.name != "_Session"]
        queries: list[PFQuery[Any]] = [PFQuery(name) for name in class_names or everything]
        counts = export_file(engine, output, queries, form=form, progress=progress)
    if as_json:
        print_json({"exported": counts})
    elif output is None:
        note(objects(sum(counts.values())))
    else:
        print_table([("Class", False), ("Objects", True)], [(name, str(n)) for name, n in counts.items()])
        sys.stdout.write(f"written to {output}\n")
