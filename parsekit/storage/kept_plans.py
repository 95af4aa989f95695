"""Compiled statements kept in the database file, so that a second start needs neither sqlglot nor its time.

A statement is kept by its shape, under a *stamp* of everything that it depends on: the format, the code that compiles
and the classes as they lie in the file. Another stamp, a checksum that does not fit or an entry that cannot be read
mean that there is nothing kept; then the statement is compiled, which law L8 says changes no answer. Statements that
run conditions in Python are not kept. What is new is written when the engine closes, if nobody else is writing.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, final

import apsw

try:
    from _blake2 import blake2b  # hashlib loads OpenSSL, which takes longer than to open the file and ask
except ImportError:
    from hashlib import blake2b

from parsekit import attrs
from parsekit.query.plan import Shape
from parsekit.storage.binding import CONVERSIONS, Bind, Compiled, Conversion, ListText, Picked, Picker
from parsekit.storage.file_format import CLASSES, FORMAT_VERSION, GENERATION, KEPT_PLANS

__all__ = ["KeptPlans", "write_plans"]

_MOST: Final = 500
"""How many statements a file keeps."""
_NAMES: Final = {function: name for name, function in CONVERSIONS.items()}
_CODE: Final = ("storage", "query", "acl")
"""The packages whose code decides what a statement says."""


@final
class KeptPlans:
    """What the file keeps for one state of its classes, and what is to be kept of it. Read with the first miss."""

    def __init__(self, connection: Callable[[], apsw.Connection]) -> None:
        self._connection = connection
        self._entries: dict[str, str] | None = None
        self._stamp = 0
        self._fresh: dict[str, str] = {}

    def statement(self, shape: Shape, generation: int) -> Compiled | None:
        """The kept statement of a shape, ``None`` when there is none."""
        place = _text_of(shape)
        if place is None:
            return None
        entry = self._read(generation).get(place)
        if entry is None:
            return None
        try:
            return _compiled(json.loads(entry))
        except (ValueError, KeyError, TypeError, IndexError):
            return None

    def text(self, key: tuple[str, ...], generation: int, make: Callable[[], str]) -> str:
        """The kept text of a statement that changes data; ``make`` makes it where there is none."""
        place = repr(key)
        entry = self._read(generation).get(place)
        if entry is not None:
            return entry
        made = make()
        self._fresh[place] = made
        return made

    def keep(self, shape: Shape, compiled: Compiled) -> None:
        """Have a statement written at the end."""
        place, entry = _text_of(shape), _entry(compiled)
        if place is not None and entry is not None:
            self._fresh[place] = entry

    def _read(self, generation: int) -> dict[str, str]:
        if self._entries is None:
            self._entries = {}
            with contextlib.suppress(apsw.Error):
                self._load(self._connection(), generation)
        return self._entries

    def _load(self, connection: apsw.Connection, generation: int) -> None:
        begun = not connection.in_transaction
        if begun:
            connection.execute("BEGIN")  # classes and plans of one moment
        try:
            if connection.execute(GENERATION).get != generation:
                return  # the classes have changed meanwhile; whoever asks finds that out and asks anew
            self._stamp = _stamp(connection)
            rows = connection.execute(KEPT_PLANS, (self._stamp,)).fetchall()
        finally:
            if begun:
                connection.execute("COMMIT")
        assert self._entries is not None
        for place, plan in rows:
            text = str(plan)
            if text[:16] == _checksum(str(place), text[16:], self._stamp):
                self._entries[str(place)] = text[16:]

    @property
    def fresh(self) -> list[tuple[str, int, str]]:
        """The rows to write: shape, stamp, checksum and plan."""
        if not self._stamp:
            return []
        return [
            (place, self._stamp, _checksum(place, entry, self._stamp) + entry)
            for place, entry in self._fresh.items()
        ]


def write_plans(connection: apsw.Connection, rows: list[tuple[str, int, str]]) -> None:
    """Keep the rows of ``KeptPlans.fresh`` and let go of those of other stamps. Gives up when somebody writes."""
    from parsekit.storage import ddl

    with contextlib.suppress(apsw.Error):
        connection.set_busy_timeout(0)
        connection.execute("BEGIN IMMEDIATE")
        try:
            if _stamp(connection) == rows[0][1]:
                is_full = connection.execute(ddl.COUNT_PLANS).get + len(rows) > _MOST
                # no stamp is 0: where there are too many, all go, and those that are used come back
                connection.execute(ddl.FORGET_PLANS, (0 if is_full else rows[0][1],))
                connection.executemany(ddl.KEEP_PLAN, rows[:_MOST])
        finally:
            connection.execute("COMMIT")


def _stamp(connection: apsw.Connection) -> int:
    """A number for everything that a statement depends on but its shape; 0 where that cannot be told."""
    code = _code_stamp()
    if code is None:
        return 0
    described = repr((FORMAT_VERSION, code, connection.execute(CLASSES).fetchall()))
    return int.from_bytes(blake2b(described.encode(), digest_size=7).digest(), "big")


@lru_cache(maxsize=1)
def _code_stamp() -> str | None:
    """What the files of the code look like: another version, or an edited one, compiles other statements."""
    root = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120 - pathlib takes milliseconds to import
    try:
        files = [
            (package, entry.name, found.st_size, found.st_mtime_ns)
            for package in _CODE
            for entry in os.scandir(f"{root}/{package}")
            if entry.name.endswith(".py")
            for found in (entry.stat(),)
        ]
    except OSError:
        return None  # not in a folder: a zip file
    return repr(sorted(files))


def _checksum(place: str, entry: str, stamp: int) -> str:
    return blake2b(f"{stamp}\n{place}\n{entry}".encode(), digest_size=8).hexdigest()


def _text_of(shape: Any) -> str | None:
    """A shape as a text that is the same in every process; ``None`` for one with parts that have no such text."""
    if isinstance(shape, tuple):
        return _joined("()", shape)
    if isinstance(shape, frozenset):
        return _joined("{}", shape, ordered=False)
    if shape is None or isinstance(shape, str | int | float):
        return repr(shape)
    if attrs.has(type(shape)):
        return _joined(
            f"{type(shape).__name__}[]", [getattr(shape, item.name) for item in attrs.fields(type(shape))]
        )
    return None


def _joined(marks: str, parts: Any, *, ordered: bool = True) -> str | None:
    texts = [_text_of(part) for part in parts]
    known = [text for text in texts if text is not None]
    if len(known) < len(texts):
        return None
    return marks[:-1] + ",".join(known if ordered else sorted(known)) + marks[-1]


# --- statements as JSON ---


def _entry(compiled: Compiled) -> str | None:
    """A statement as JSON, ``None`` when a part of it runs in Python or has no name."""
    if compiled.residual or compiled.notes:
        return None
    binds: list[Any] = []
    for bind in compiled.binds:
        named = None if bind.convert is None else _named(bind.convert)
        if named is None and bind.convert is not None:
            return None
        binds.append([bind.index, named])
    return json.dumps([compiled.sql, binds, compiled.columns], separators=(",", ":"))


def _compiled(entry: Any) -> Compiled:
    sql, binds, columns = entry
    made = tuple(Bind(index, None if named is None else _conversion(named)) for index, named in binds)
    return Compiled(sql, made, tuple(columns), ())


def _named(convert: Conversion) -> Any:
    if isinstance(convert, Picker):
        return ["picker", convert.wanted, convert.target, convert.numeric]
    if isinstance(convert, Picked | ListText):
        inner = _named(convert.pick)
        if inner is None:
            return None
        return ["picked", inner, convert.position] if isinstance(convert, Picked) else ["list", inner]
    try:
        return _NAMES.get(convert)
    except TypeError:  # something that cannot be hashed has no name either
        return None


def _conversion(named: Any) -> Conversion:
    if isinstance(named, str):
        return CONVERSIONS[named]
    if named[0] == "picker":
        return Picker(*named[1:])
    inner = _conversion(named[1])
    return Picked(inner, named[2]) if named[0] == "picked" else ListText(inner)
