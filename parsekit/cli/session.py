"""Opening a database for a command, under the principal that its options name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, final

from cyclopts import Parameter

import parsekit
from parsekit import EngineError, ParseEngine, ParseError, ParsekitError, PFQuery, Schema, attrs
from parsekit.codec import loads
from parsekit.errors import InvalidJsonError, did_you_mean

__all__ = [
    "AsJson",
    "Database",
    "UsageError",
    "Who",
    "as_master",
    "check_class",
    "describe",
    "open_database",
    "parsed_json",
    "user_named",
]

Database = Annotated[Path, Parameter(help="The database file.")]
AsJson = Annotated[bool, Parameter(name="--json", negative=(), help="Print JSON.")]
_DENIALS: Final = (101, 119)


class UsageError(ValueError):
    """An argument cannot be understood; the message names it."""


@final
@Parameter(name="*")
@attrs.frozen(kw_only=True)
class Who:
    """Under whom a command runs; anonymous unless said otherwise."""

    as_master: Annotated[bool, Parameter(negative=())] = False
    """Run under the master, to whom no permission applies."""

    as_user: Annotated[str | None, Parameter(name="--as")] = None
    """Run under the user of this username."""

    @contextmanager
    def acting(self, engine: ParseEngine) -> Iterator[None]:
        """Run a block under this principal.

        Raises:
            EngineError: there is no such user.
            UsageError: both options are given.
        """
        if self.as_master and self.as_user is not None:
            raise UsageError("--as-master and --as: give one of the two.")
        if self.as_master:
            # SAFETY: asked for on the command line, by somebody who holds the file.
            with engine.acting_as_master():
                yield
        elif self.as_user is not None:
            with engine.acting_as(user_named(engine, self.as_user, "--as")):
                yield
        else:
            yield


def user_named(engine: ParseEngine, username: str, option: str) -> Any:
    """The user that an option of the command line names.

    Raises:
        EngineError: there is no such user.
    """
    # SAFETY: looks up one user by name, for somebody who holds the file.
    with engine.acting_as_master():
        found = PFQuery[Any]("_User").where_key("username", equal_to=username).limit(1).find()
    if not found:
        raise EngineError(
            f"{option} {username}: there is no such user. Fix: check the name, or use --as-master"
        )
    return found[0]


@contextmanager
def open_database(path: Path, who: Who) -> Iterator[ParseEngine]:
    """An existing database, for reading, under a principal.

    Raises:
        EngineError: there is no such file, or no such user.
        StorageError: it cannot be opened.
    """
    if not path.exists():
        raise EngineError(f'database "{path}": there is no such file. Fix: check the path')
    with parsekit.open(path, read_only=True) as engine, who.acting(engine):
        try:
            yield engine
        except ParseError as error:
            if error.code in _DENIALS and who == Who():
                raise _with_advice(error) from error
            raise


def _with_advice(error: ParseError) -> ParseError:
    advice = "the command ran as nobody in particular; --as USERNAME or --as-master may see more"
    hint = advice if error.hint is None else f"{error.hint.rstrip('.')}; {advice}"
    return parsekit.ParseError(error.message, code=error.code, hint=hint)


@contextmanager
def as_master(path: Path, schema: Schema | None = None) -> Iterator[ParseEngine]:
    """A database for writing, made where there is none, under the master, who alone may import.

    A file that was made here goes again when the block fails before anything is written; an import that is stopped
    later goes on with it.
    """
    existed, empty = path.exists(), True
    try:
        # SAFETY: whoever may write the file may write all that is in it.
        with parsekit.open(path, schema=schema) as engine, engine.acting_as_master():
            try:
                yield engine
            finally:
                empty = engine.last_sequence == 0
    except BaseException:
        if not existed and empty:
            for ending in ("", "-wal", "-shm"):
                Path(f"{path}{ending}").unlink(missing_ok=True)
        raise


def check_class(engine: ParseEngine, class_name: str) -> None:
    """Refuse the name of a class that the database does not have, which to Parse is a class without objects.

    Raises:
        EngineError: there is no such class.
    """
    if class_name not in engine.schema:
        hint = did_you_mean(class_name, engine.schema.classes)
        raise EngineError(f'there is no class "{class_name}"{hint or "; see: parsekit schema show"}')


def parsed_json(option: str, text: str | None) -> Any:
    """The value of an option that is JSON, nothing where it is not given.

    Raises:
        UsageError: it is no JSON.
    """
    if text is None:
        return None
    try:
        return loads(text)
    except InvalidJsonError as error:
        raise UsageError(f"{option}: {error}.") from None


def describe(error: ParsekitError) -> str:
    """An error as the command line shows it."""
    code = f" {error.code}" if isinstance(error, ParseError) else ""
    return f"error{code}: {error}"
