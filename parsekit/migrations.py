"""Numbered migrations: how the classes of an application came to be what they are. Values; no I/O. All that an
application writes them with is found here.

A migration has schema changes (``schema_diff``), a function, or both, the changes first. Migrations are numbered from 1
without gaps and never change once they have run anywhere: a database remembers the fingerprint of each that it ran, and
``engine.migrate`` refuses a list that does not begin with those. Running them is ``engine.migrating``'s affair.

A fingerprint covers number, name, changes and the function's code; comments, docstrings and formatting are free.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import textwrap
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, final

from parsekit import attrs
from parsekit.errors import EngineError
from parsekit.schema import ClassSchema, Field, Index, Ownership, Schema
from parsekit.schema_diff import (
    SchemaChange,
    add_class,
    add_field,
    add_index,
    drop_class,
    drop_field,
    drop_index,
)
from parsekit.schema_json import class_to_json, field_to_json
from parsekit.values import Value

if TYPE_CHECKING:
    from parsekit.object import PFObject

__all__ = [
    "AppliedMigration",
    "Migration",
    "MigrationError",
    "MigrationFunction",
    "MigrationReport",
    "SchemaChange",
    "Step",
    "add_class",
    "add_field",
    "add_index",
    "check_numbers",
    "check_prefix",
    "drop_class",
    "drop_field",
    "drop_index",
    "migration",
]


class MigrationError(EngineError):
    """Migrations do not fit each other, or the database; or one of them failed. Nothing of that one is kept."""


class Step(Protocol):
    """What the function of a migration works with. All of it happens in the migration's transaction, as master."""

    @property
    def schema(self) -> Schema:
        """The classes as they are at this point."""

    def change(self, *changes: SchemaChange) -> None:
        """Change the classes."""

    def backfill(
        self, class_name: str, function: Callable[[PFObject], object], *, batch_size: int = 500
    ) -> int:
        """Call ``function`` with every object of a class and save those that it changed; how many those were."""


MigrationFunction: TypeAlias = Callable[[Step], object]


def _as_tuple(changes: Iterable[SchemaChange]) -> tuple[SchemaChange, ...]:
    return tuple(changes)


@final
@attrs.frozen(slots=True)
class Migration:
    """One step in the history of an application's classes."""

    number: int
    name: str
    changes: tuple[SchemaChange, ...] = attrs.field(converter=_as_tuple, default=())
    function: MigrationFunction | None = attrs.field(default=None, eq=False)

    @property
    def fingerprint(self) -> str:
        """What a database remembers the migration by."""
        described = [self.number, self.name, [_described(change) for change in self.changes]]
        text = json.dumps(described, sort_keys=True, default=str) + _code(self.function)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def __str__(self) -> str:
        return f"migration {self.number} ({self.name})"


@final
@attrs.frozen(slots=True)
class AppliedMigration:
    """A migration that a database has run: when, what it changed, and how many objects it back-filled."""

    number: int
    name: str
    fingerprint: str
    applied_at: datetime
    changes: tuple[str, ...]
    objects: int


@final
@attrs.frozen(slots=True)
class MigrationReport:
    """What ``engine.migrate`` did, or would do: the migrations that ran now, and how many had run before."""

    ran: tuple[AppliedMigration, ...]
    before: int
    dry_run: bool

    def __str__(self) -> str:
        verb = "would run" if self.dry_run else "ran"
        lines = [f"{verb} {len(self.ran)} migrations; {self.before} had run before"]
        for item in self.ran:
            lines.append(f"  {item.number} {item.name}")
            lines += [f"    {change}" for change in item.changes]
            if item.objects:
                lines.append(f"    {item.objects} objects back-filled")
        return "\n".join(lines)


def migration(
    number: int, name: str, changes: Iterable[SchemaChange] = ()
) -> Callable[[MigrationFunction], Migration]:
    """A decorator that makes a ``Migration`` of a function, which takes a ``Step``."""

    def decorate(function: MigrationFunction) -> Migration:
        return Migration(number, name, tuple(changes), function)

    return decorate


def check_numbers(migrations: Sequence[Migration]) -> None:
    """Refuse numbers that are not 1, 2, 3 and so on, in that order.

    Raises:
        MigrationError: a number is missing, repeated or out of order.
    """
    for expected, item in enumerate(migrations, 1):
        if item.number != expected:
            raise MigrationError(
                f"{item}: expected number {expected} at this place; number migrations from 1 without gaps, in order"
            )


def check_prefix(migrations: Sequence[Migration], applied: Sequence[AppliedMigration]) -> None:
    """Refuse migrations that do not begin with those that the database has run.

    Raises:
        MigrationError: one of them was changed or is not in the list.
    """
    for ran in applied:
        if ran.number > len(migrations):
            raise MigrationError(
                f"migration {ran.number} ({ran.name}): the database has run it, and it is not among the "
                f"{len(migrations)} given; use the program that has it, or a newer one"
            )
        given = migrations[ran.number - 1]
        if given.fingerprint != ran.fingerprint:
            renamed = "" if given.name == ran.name else f', which was called "{ran.name}" then'
            raise MigrationError(
                f"{given}: it was changed after the database ran it{renamed}; put it back as it was, and add "
                "another migration for what is new"
            )


def _described(change: SchemaChange) -> list[Any]:
    return [change.kind, change.class_name, change.name, _as_json(change.after)]


def _as_json(value: Any) -> Value:
    if isinstance(value, ClassSchema):
        return class_to_json(value)
    if isinstance(value, Field):
        return field_to_json(value)
    if isinstance(value, Index | Ownership):
        return attrs.asdict(value)
    return None if value is None else dict(value)


def _code(function: MigrationFunction | None) -> str:
    """The code of a function without comments, docstrings and formatting; its name where there is no source."""
    if function is None:
        return ""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # typed at a prompt, built in, or a lambda inside of a call
        return getattr(function, "__qualname__", type(function).__qualname__)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = []
    return ast.unparse(tree)
