"""``schema``: the classes of a database or of a schema file as tables, diagram and data dictionary."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from parsekit import ClassSchema, EngineError, Schema, schema_from_json, schema_to_json
from parsekit.cli.output import cell_of, print_json, print_table
from parsekit.cli.session import AsJson, Who, as_master, open_database
from parsekit.codec import encode_value, loads
from parsekit.diagram import dictionary_of, er_diagram, markdown_dictionary, stated_classes
from parsekit.errors import InvalidJsonError, did_you_mean
from parsekit.values import MISSING

__all__ = ["read_schema_files", "register"]

Source = Annotated[Path, Parameter(help="A database file, or a schema file (.json).")]
ClassName = Annotated[str | None, Parameter(help="One class; all of them unless given.")]


def register(app: App) -> None:
    """Add the commands."""
    group = App(name="schema", help="Look at the classes of a database or of a schema file.")
    for command in (show, diagram, dictionary, apply):
        group.command(command)
    app.command(group)


def show(source: Source, class_name: ClassName = None, /, *, as_json: AsJson = False) -> None:
    """Print the fields, indexes and permissions of classes."""
    schema = _schema_of(source, class_name)
    if as_json:
        print_json(schema_to_json(schema))
        return
    for number, item in enumerate(schema):
        if number:
            sys.stdout.write("\n")
        _show_class(item)


def diagram(source: Source, /, *, as_json: AsJson = False) -> None:
    """Print the entity-relationship diagram in Mermaid's language."""
    text = er_diagram(stated_classes(_schema_of(source)))
    if as_json:
        print_json({"diagram": text})
    else:
        sys.stdout.write(text)


def dictionary(source: Source, class_name: ClassName = None, /, *, as_json: AsJson = False) -> None:
    """Print the data dictionary: a table on a terminal, Markdown elsewhere."""
    schema = _schema_of(source, class_name)
    if class_name is None:
        schema = stated_classes(schema)
    if as_json:
        entries = {item.name: dictionary_of(item) for item in schema}
        print_json({name: [entry.to_json() for entry in rows] for name, rows in entries.items()})
    elif sys.stdout.isatty():
        columns = [(name, False) for name in ("Field", "Type", "Description", "Required")]
        for item in schema:
            rows = [(e.field, e.type, e.description, e.required) for e in dictionary_of(item)]
            print_table(columns, rows, title=f"{item.name}: {len(rows)} fields")
    else:
        sys.stdout.write(markdown_dictionary(schema))


def apply(
    database: Annotated[Path, Parameter(help="The database file, made where there is none.")],
    file: Annotated[Path, Parameter(help="A schema file.")],
    /,
    *more: Annotated[Path, Parameter(help="Schema files that extend it.")],
    as_json: AsJson = False,
) -> None:
    """Add the classes, fields and indexes of schema files to a database; nothing is removed."""
    wanted = read_schema_files([file, *more])
    with as_master(database, wanted) as engine:
        names = [item.name for item in engine.schema if item.name in wanted]
    if as_json:
        print_json({"classes": names})
    else:
        sys.stdout.write(f"{database} has the classes {', '.join(names)}\n")


def read_schema_files(files: list[Path]) -> Schema:
    """The schema of some files, each of which extends the one before.

    Raises:
        EngineError: a file cannot be read.
        SchemaError: everything that is wrong, each problem with its path.
    """
    documents = []
    for file in files:
        try:
            documents.append(loads(file.read_text(encoding="utf-8-sig")))
        except OSError as error:
            raise EngineError(f"{file}: cannot be read ({error.strerror}). Fix: check the path") from error
        except (InvalidJsonError, UnicodeDecodeError) as error:
            raise EngineError(f"{file}: not JSON: {error}. Fix: restore the file") from error
    return schema_from_json(*documents)


def _schema_of(source: Path, class_name: str | None = None) -> Schema:
    if source.suffix == ".json":
        schema = read_schema_files([source])
    else:
        with open_database(source, Who()) as engine:
            schema = engine.schema
    if class_name is None:
        return schema
    item = schema.get(class_name)
    if item is None:
        hint = did_you_mean(class_name, schema.classes) or f"; known are {', '.join(schema.classes)}"
        raise EngineError(f'{source}: there is no class "{class_name}"{hint}')
    return Schema([item])


def _show_class(item: ClassSchema) -> None:
    columns = [(name, False) for name in ("Field", "Type", "Required", "Default", "Values")]
    rows = [
        (
            key,
            field.describe(),
            "yes" if field.required else "",
            "" if field.default is MISSING else cell_of(encode_value(field.default)),
            ", ".join(cell_of(encode_value(value)) for value in field.enum),
        )
        for key, field in item.fields.items()
    ]
    print_table(columns, rows, title=f"Class {item.name}")
    for index in item.indexes:
        keys = ", ".join(f"-{key}" if descending else key for key, descending in index.keys)
        sys.stdout.write(f"index {index.name}: {keys}{' (unique)' if index.unique else ''}\n")
    if item.permissions is None:
        sys.stdout.write("permissions: open to everyone\n")
        return
    for operation, entities in item.permissions.items():
        sys.stdout.write(f"permission {operation}: {cell_of(entities)}\n")
