"""Backslash escapes that stand for a character or a class of characters, in PCRE and ICU.

PCRE refuses escapes with letters that it does not know; to ICU they are the letter.

Not said here: escapes that are no characters, such as ``\\b`` and ``\\1`` (``regex_translate``).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, final

from parsekit import attrs
from parsekit.query.dialect import RegexFlavor
from parsekit.query.regex_classes import BadPatternError, pcre_class, shorthand

__all__ = ["Escape", "EscapeReader"]

_SIMPLE: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "e": "\x1b", "a": "\a"}
_HEXADECIMAL: Final = re.compile(r"x(?:\{([0-9a-fA-F]{1,6})\}|([0-9a-fA-F]{1,2}))")
_NAME: Final = re.compile(r"N\{([^{}]+)\}")
_PROPERTY: Final = re.compile(r"[pP](?:\{(\^?)([^{}]+)\}|([A-Za-z]))")
_PCRE_NUMBERS: Final = {
    "x": _HEXADECIMAL,
    "o": re.compile(r"o\{([0-7]+)\}"),
    "0": re.compile(r"0([0-7]{0,2})"),
    **dict.fromkeys("1234567", re.compile(r"([0-7]{1,3})")),
}
_ICU_NUMBERS: Final = {
    "x": _HEXADECIMAL,
    "u": re.compile(r"u([0-9a-fA-F]{4})"),
    "U": re.compile(r"U([0-9a-fA-F]{8})"),
    "0": re.compile(r"0([0-7]{1,3})"),
}
_PCRE_PROPERTIES: Final = {"L&": "LC", "Xan": "Alnum", "Xwd": "Word", "Xsp": "Space", "Xps": "Space"}


@final
@attrs.frozen(slots=True)
class Escape:
    """A character, or the inside of a bracket expression, or nothing; ``end`` is the position behind it."""

    char: str | None
    inside: str | None
    end: int


class EscapeReader:
    """Reads the escapes of one pattern."""

    def __init__(self, pattern: str, flavor: RegexFlavor) -> None:
        self._pattern = pattern
        self._flavor = flavor

    def in_set(self, at: int) -> Escape:
        """The escape whose backslash is at ``at``, inside brackets."""
        letter = self._pattern[at + 1 : at + 2]
        if letter == "E" and self._flavor == "pcre":
            return Escape(None, None, at + 2)
        if letter == "b" and self._flavor == "pcre":
            return Escape("\b", None, at + 2)
        return self.read(at)

    def read(self, at: int) -> Escape:
        """The escape whose backslash is at ``at``.

        Raises ``BadPatternError`` when the flavor does not have it.
        """
        letter = self._pattern[at + 1 : at + 2]
        if not letter:
            raise BadPatternError("\\ at end of pattern")
        inside = shorthand(letter, self._flavor)
        if inside is not None:
            return Escape(None, inside, at + 2)
        if letter in "pP":
            return self._property(at)
        if letter in _SIMPLE:
            return Escape(_SIMPLE[letter], None, at + 2)
        if letter == "c" and at + 2 < len(self._pattern):
            return Escape(chr(ord(self._pattern[at + 2].upper()) ^ 0x40), None, at + 3)
        if letter in (_PCRE_NUMBERS if self._flavor == "pcre" else _ICU_NUMBERS):
            return self._number(at, letter)
        if letter == "N" and self._flavor == "icu":
            return self._named(at)
        if letter.isascii() and letter.isalnum() and self._flavor == "pcre":
            raise BadPatternError(f"unrecognized character follows \\: {letter}")
        return Escape(letter, None, at + 2)

    def _number(self, at: int, letter: str) -> Escape:
        spelling = (_PCRE_NUMBERS if self._flavor == "pcre" else _ICU_NUMBERS)[letter]
        match = spelling.match(self._pattern, at + 1)
        if match is None:
            if letter == "x" and self._flavor == "pcre":
                return Escape("\0", None, at + 2)
            raise BadPatternError(f"malformed \\{letter}")
        digits = next((found for found in match.groups() if found), "0")
        code = int(digits, 16 if letter in "xuU" else 8)
        if code > 0x10FFFF:
            raise BadPatternError("character code point too large")
        return Escape(chr(code), None, match.end())

    def _named(self, at: int) -> Escape:
        match = _NAME.match(self._pattern, at + 1)
        if match is None:
            raise BadPatternError("malformed \\N")
        try:
            return Escape(unicodedata.lookup(match[1]), None, match.end())
        except KeyError:
            raise BadPatternError(f"there is no character named {match[1]}") from None

    def _property(self, at: int) -> Escape:
        match = _PROPERTY.match(self._pattern, at + 1)
        if match is None or (match[3] and self._flavor == "icu"):
            raise BadPatternError("malformed \\p")
        negated = (self._pattern[at + 1] == "P") != bool(match[1])
        name = match[2] or match[3]
        if self._flavor == "pcre":
            name = _PCRE_PROPERTIES.get(name, name)
        if name == "Any":
            everything = f"{pcre_class('ascii')}{pcre_class('ascii', negated=True)}"
            return Escape(None, everything, match.end())
        return Escape(None, f"\\{'P' if negated else 'p'}{{{name}}}", match.end())
