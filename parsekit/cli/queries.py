"""``find``, ``count``, ``get`` and ``explain``: a query in REST form, asked from the command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from parsekit import PFQuery
from parsekit.cli.output import Column, cell_of, note, objects, print_json, print_table
from parsekit.cli.session import AsJson, Database, UsageError, Who, check_class, open_database, parsed_json
from parsekit.codec import JSON

__all__ = ["query_of", "register"]

ClassName = Annotated[str, Parameter(help="The class.")]
Where = Annotated[str | None, Parameter(help='Conditions as JSON, such as {"stage": "won"}.')]
Order = Annotated[
    str | None,
    Parameter(help="Keys to order by, with commas between; a leading - descends.", allow_leading_hyphen=True),
]
Limit = Annotated[int | None, Parameter(help="At most so many objects; 100 unless given, as Parse does.")]
Skip = Annotated[int | None, Parameter(help="Leave out the first so many.")]
Include = Annotated[str | None, Parameter(help="Pointers to follow, with commas between.")]
Keys = Annotated[str | None, Parameter(help="Keys to show, with commas between.")]

_NOBODY: Final = Who()
_DEFAULT_LIMIT: Final = 100
_FIRST: Final = ("objectId",)
_LAST: Final = ("createdAt", "updatedAt", "ACL")


def register(app: App) -> None:
    """Add the commands."""
    for command in (find, count, get, explain):
        app.command(command)


def find(
    database: Database,
    class_name: ClassName,
    /,
    *,
    where: Where = None,
    order: Order = None,
    limit: Limit = None,
    skip: Skip = None,
    include: Include = None,
    keys: Keys = None,
    who: Who = _NOBODY,
    as_json: AsJson = False,
) -> None:
    """Print the objects of a class that match."""
    query = query_of(class_name, where, order=order, limit=limit, skip=skip, include=include, keys=keys)
    with open_database(database, who) as engine:
        check_class(engine, class_name)
        rows = [obj.to_fields_json() for obj in query.find()]
    if as_json:
        print_json({"results": rows})
        return
    _print_rows(rows, keys)
    if limit is None and len(rows) == _DEFAULT_LIMIT:
        note(f"the first {_DEFAULT_LIMIT} objects; --limit shows more")


def count(
    database: Database,
    class_name: ClassName,
    /,
    *,
    where: Where = None,
    who: Who = _NOBODY,
    as_json: AsJson = False,
) -> None:
    """Print how many objects of a class match."""
    query = query_of(class_name, where)
    with open_database(database, who) as engine:
        check_class(engine, class_name)
        found = query.count()
    if as_json:
        print_json({"count": found})
    else:
        sys.stdout.write(f"{found}\n")


def get(
    database: Database,
    class_name: ClassName,
    object_id: Annotated[str, Parameter(help="The objectId.")],
    /,
    *,
    include: Include = None,
    keys: Keys = None,
    who: Who = _NOBODY,
    as_json: AsJson = False,
) -> None:
    """Print one object."""
    query = query_of(class_name, None, include=include, keys=keys)
    with open_database(database, who) as engine:
        check_class(engine, class_name)
        row = query.get(object_id).to_fields_json()
    if as_json:
        print_json(row)
    else:
        print_table(
            [("Key", False), ("Value", False)], [(key, cell_of(row[key])) for key in _columns([row], keys)]
        )


def explain(
    database: Database,
    class_name: ClassName,
    /,
    *,
    where: Where = None,
    order: Order = None,
    limit: Limit = None,
    skip: Skip = None,
    include: Include = None,
    keys: Keys = None,
    who: Who = _NOBODY,
    as_json: AsJson = False,
) -> None:
    """Print how a query would run: conditions, SQL, SQLite's plan, and the indexes it lacks."""
    query = query_of(class_name, where, order=order, limit=limit, skip=skip, include=include, keys=keys)
    with open_database(database, who) as engine:
        check_class(engine, class_name)
        explanation = query.explain()
    if as_json:
        print_json(explanation.to_json())
    else:
        sys.stdout.write(f"{explanation}\n")


def query_of(class_name: str, where: str | None, **options: str | int | None) -> PFQuery[Any]:
    """The query of the options, which are REST's parameters."""
    conditions = parsed_json("--where", where)
    if conditions is not None and not isinstance(conditions, dict):
        raise UsageError(
            f'--where: expected an object such as {{"stage": "won"}}, got {type(conditions).__name__}.'
        )
    given: dict[str, JSON] = {name: value for name, value in options.items() if value is not None}
    return PFQuery.from_json(class_name, {"where": conditions or {}, **given})


def _print_rows(rows: Sequence[dict[str, JSON]], keys: str | None) -> None:
    names = _columns(rows, keys) if rows else []
    columns: list[Column] = [(name, _is_numeric(rows, name)) for name in names]
    if rows:
        print_table(columns, [[cell_of(row[name]) if name in row else "" for name in names] for row in rows])
    sys.stdout.write(f"{objects(len(rows))}\n")


def _columns(rows: Sequence[dict[str, JSON]], keys: str | None) -> list[str]:
    """The keys to show: those asked for, else all that occur, with the dates and the ACL last."""
    if keys is not None:
        roots = (key.partition(".")[0].strip() for key in keys.split(","))
        return list(dict.fromkeys([*_FIRST, *roots]))
    occurring = dict.fromkeys(key for row in rows for key in row)
    middle = [key for key in occurring if key not in (*_FIRST, *_LAST)]
    return [*_FIRST, *middle, *(key for key in _LAST if key in occurring)]


def _is_numeric(rows: Sequence[dict[str, JSON]], name: str) -> bool:
    values = [row[name] for row in rows if name in row]
    return bool(values) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
