"""The two JSON forms: one document with all objects of a class, and one object a line.

A document is not read at once: its objects are cut out of the text one after another, each by its braces, and only then
parsed, so that memory holds one object and one piece of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, TextIO

from parsekit.codec import JSON, dumps, loads
from parsekit.errors import InvalidJsonError
from parsekit.interchange.records import Record, Unreadable

__all__ = ["read_document", "read_lines", "write_document", "write_lines"]

_PIECE: Final = 1 << 16
# A whole string, a string that the piece at hand does not end, or a bracket.
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|"|[{}\[\]]', re.DOTALL)
_LIST_BEFORE: Final = re.compile(r'\s*(?:\{\s*"results"\s*:\s*)?\[')
_LIST_AFTER: Final = re.compile(r"\s*\]\s*\}?\s*")
_BETWEEN: Final = re.compile(r"[\s,]*")


def read_lines(stream: TextIO, class_name: str | None) -> Iterator[Record | Unreadable]:
    """The objects of a JSON Lines file; ``class_name`` is the class of those that name none."""
    for line, text in enumerate(stream, start=1):
        if text.strip():
            yield _record(text, class_name, line)


def read_document(stream: TextIO, class_name: str | None) -> Iterator[Record | Unreadable]:
    """The objects of ``{"results": [...]}`` or of a bare list. Ends at the first place that is not JSON."""
    line = 1
    for text in _objects(stream):
        if isinstance(text, Unreadable):
            yield Unreadable(line + text.line, text.reason)
            return
        yield _record(text, class_name, line + _newlines_before(text))
        line += text.count("\n")


def _newlines_before(text: str) -> int:
    return text[: len(text) - len(text.lstrip(", \t\r\n"))].count("\n")


def _record(text: str, class_name: str | None, line: int) -> Record | Unreadable:
    try:
        entry = loads(text.strip(", \t\r\n"))
    except InvalidJsonError as error:
        return Unreadable(line, f"{error}; expected one object in Parse's REST form. Fix: restore the object")
    if not isinstance(entry, dict):
        return Unreadable(
            line, f"a {type(entry).__name__}; expected one object in braces. Fix: remove it or wrap it in an object"
        )
    name = entry.get("className", class_name)
    if not isinstance(name, str) or not name:
        return Unreadable(line, 'the object names no class; expected "className". Fix: add it, or name the class')
    return Record(name, entry, line)


class _Text:
    """The text of a stream that was read so far and not used yet."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.text = ""
        self.ended = False

    def grow(self) -> bool:
        """Read on; whether there was more."""
        piece = self._stream.read(_PIECE)
        self.ended = not piece
        self.text += piece
        return not self.ended

    def take(self, end: int) -> str:
        """The first ``end`` characters, which are used now."""
        taken, self.text = self.text[:end], self.text[end:]
        return taken


def _objects(stream: TextIO) -> Iterator[str | Unreadable]:
    """The texts of the objects of a list, each with what stands before it; the texts add up to the file.

    An ``Unreadable`` counts its line from the end of the text before it.
    """
    source = _Text(stream)
    while (start := _LIST_BEFORE.match(source.text)) is None:
        if not source.grow():
            yield Unreadable(0, 'not a list of objects; expected {"results": [...]}. Fix: export the class again')
            return
    # What opens the list stays before the first object, so that its lines are counted.
    opening = source.take(start.end())
    lead = opening.count("\n")
    while True:
        end = _end_of_object(source)
        if isinstance(end, int):
            yield "\n" * lead + source.take(end)
            lead = 0
            continue
        if end is not None:
            yield Unreadable(lead + end.line, end.reason)
        return


def _end_of_object(source: _Text) -> int | Unreadable | None:
    """Where the next object of the list ends; nothing when the list ends well."""
    while True:
        gap = _BETWEEN.match(source.text)
        at = 0 if gap is None else gap.end()
        if at < len(source.text):
            break
        if not source.grow():
            return Unreadable(source.text.count("\n"), "the file ends inside the list; it is torn. Fix: export it again")
    if source.text[at] == "]":
        while source.grow():
            pass
        whole = _LIST_AFTER.fullmatch(source.text, at)
        below = source.text.count("\n", 0, at)
        return None if whole else Unreadable(below, "there is text after the list; expected its end. Fix: remove it")
    if source.text[at] != "{":
        below = source.text.count("\n", 0, at)
        return Unreadable(below, "expected an object in braces. Fix: restore the object")
    return _closing_brace(source, at)


def _closing_brace(source: _Text, at: int) -> int | Unreadable:
    depth, position = 0, at
    while True:
        token = _TOKEN.search(source.text, position)
        if token is None or token.group() == '"':
            position = len(source.text) if token is None else token.start()
            if not source.grow():
                below = source.text.count("\n", 0, at)
                return Unreadable(below, "the file ends inside this object; it is torn. Fix: export it again")
            continue
        position = token.end()
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token.group(), 0)
        if depth == 0:
            return position


def write_document(stream: TextIO, rows: Iterable[JSON]) -> None:
    """Write ``{"results": [...]}``, an object a line."""
    stream.write('{"results":[')
    for number, row in enumerate(rows):
        stream.write(",\n" if number else "\n")
        stream.write(dumps(row))
    stream.write("\n]}\n")


def write_lines(stream: TextIO, class_name: str, rows: Iterable[JSON]) -> None:
    """Write an object a line, its class first."""
    for row in rows:
        stream.write(dumps({"className": class_name, **row}) + "\n")
