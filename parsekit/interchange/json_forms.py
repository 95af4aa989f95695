"""The two JSON forms: one document with all objects of a class, and one object a line.

A document is not read at once: its objects are cut out of the text one after another, each by its braces, and
only then parsed, so that memory holds one object and one piece of the file.
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
_DEPTHS: Final = {"{": 1, "[": 1, "}": -1, "]": -1}
_OPENING: Final = re.compile(r'\ufeff?\s*(?:\{\s*"results"\s*:\s*)?\[')
_BETWEEN: Final = re.compile(r"[\s,]*")
_CLOSING: Final = re.compile(r'\]\s*(?:,\s*"count"\s*:\s*[0-9]+\s*)?(?:\}\s*)?')


def read_lines(stream: TextIO, class_name: str | None) -> Iterator[Record | Unreadable]:
    """The objects of a JSON Lines file; ``class_name`` is the class of those that name none."""
    for line, text in enumerate(stream, start=1):
        if text.strip():
            yield _record(text, class_name, line)


def read_document(stream: TextIO, class_name: str | None) -> Iterator[Record | Unreadable]:
    """The objects of ``{"results": [...]}`` or of a bare list. Ends at the first place that is no JSON."""
    scan = _Scanner(stream)
    if not scan.passed(_OPENING):
        yield Unreadable(
            1, 'the file is no list of objects; expected {"results": [...]}. Fix: export the class again'
        )
        return
    while (first := scan.next_character()) == "{":
        line, text = scan.line, scan.object()
        if text is None:
            yield Unreadable(
                line, "the file ends inside this object; it is torn. Fix: export the class again"
            )
            return
        yield _record(text, class_name, line)
    if first != "]":
        found = repr(first) if first else "the end of the file"
        yield Unreadable(
            scan.line, f"{found} inside the list; expected an object in braces. Fix: restore the list"
        )
    elif _CLOSING.fullmatch(scan.rest()) is None:
        yield Unreadable(
            scan.line, "there is text after the list; expected the end of the file. Fix: remove it"
        )


def _record(text: str, class_name: str | None, line: int) -> Record | Unreadable:
    try:
        entry = loads(text)
    except InvalidJsonError as error:
        return Unreadable(line, f"{error}; expected one object in Parse's REST form. Fix: restore the object")
    if not isinstance(entry, dict):
        found = type(entry).__name__
        return Unreadable(
            line, f"a {found}; expected an object in braces. Fix: remove it or wrap it in an object"
        )
    name = entry.get("className", class_name)
    if not isinstance(name, str) or not name:
        return Unreadable(
            line, 'the object names no class; expected "className". Fix: add it, or name the class'
        )
    return Record(name, entry, line)


class _Scanner:
    """A place in a text stream: what was read from there on, and the line it is on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._text = ""
        self._at = 0
        self.line = 1
        self._grow()

    def _grow(self) -> bool:
        """Read on; whether there was more."""
        piece = self._stream.read(_PIECE)
        self._text, self._at = self._text[self._at :] + piece, 0
        return bool(piece)

    def _go(self, end: int) -> None:
        self.line += self._text.count("\n", self._at, end)
        self._at = end

    def passed(self, pattern: re.Pattern[str]) -> bool:
        """Go behind what matches here; whether anything does."""
        match = pattern.match(self._text, self._at)
        if match is not None:
            self._go(match.end())
        return match is not None

    def next_character(self) -> str:
        """Go over blanks and commas to the next character, nothing at the end."""
        while True:
            self.passed(_BETWEEN)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._grow():
                return ""

    def rest(self) -> str:
        """All that follows."""
        while self._grow():
            pass
        return self._text

    def object(self) -> str | None:
        """Go behind the object that begins here; its text, or ``None`` when the stream ends inside it."""
        depth, position = 0, 0
        while True:
            token = _TOKEN.search(self._text, self._at + position)
            if token is None or token.group() == '"':
                position = (len(self._text) if token is None else token.start()) - self._at
                if not self._grow():
                    return None
                continue
            position = token.end() - self._at
            depth += _DEPTHS.get(token.group(), 0)
            if depth == 0:
                start = self._at
                self._go(start + position)
                return self._text[start : self._at]


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
