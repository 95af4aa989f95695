"""Character classes of PCRE and ICU in the syntax of the ``regex`` package.

PCRE classes (``\\d``, ``[:alpha:]``) hold ASCII characters only, as MongoDB runs it (UTF without UCP); ICU classes are
Unicode's. Inside brackets PCRE's are written as explicit ranges, so that negated ones need no set operations; ICU's
sets are nested, which ``regex`` understands as they stand (version 1).

Not said here: everything outside brackets (``regex_translate``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

__all__ = ["LINE_ENDS", "BadPatternError", "IcuSet", "PcreSet", "escape", "octal", "pcre_class", "quotation", "shorthand", "without_turkic"]

LINE_ENDS: Final = "\\n\\x0b\\x0c\\r\\x85\\u2028\\u2029"
"""ICU's line terminators, for use inside brackets."""

_LAST: Final = 0x10FFFF
_SPECIAL: Final = frozenset("\\^$.|?*+()[]{}-&~#@/ \t\n\r\v\f")


class BadPatternError(ValueError):
    """The pattern is not valid in its flavor."""


def escape(char: str) -> str:
    """A character that stands for itself, inside brackets and outside."""
    if char in _SPECIAL:
        return f"\\x{ord(char):02x}"
    if "\ud800" <= char <= "\udfff":
        return f"\\u{ord(char):04x}"
    return char


def _code(point: int) -> str:
    if point < 0x10000:
        return f"\\u{point:04x}"
    return f"\\U{point:08x}"


def _ranges(text: str) -> tuple[tuple[int, int], ...]:
    pairs = text.split()
    return tuple((ord(pair[0]), ord(pair[-1])) for pair in pairs)


_BLANK: Final = ((0x09, 0x09), (0x20, 0x20))
_SPACE: Final = ((0x09, 0x0D), (0x20, 0x20))
_HORIZONTAL: Final = (
    (0x09, 0x09), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x180E, 0x180E), (0x2000, 0x200A), (0x202F, 0x202F),
    (0x205F, 0x205F), (0x3000, 0x3000),
)  # fmt: skip
_VERTICAL: Final = ((0x0A, 0x0D), (0x85, 0x85), (0x2028, 0x2029))

_PCRE: Final[dict[str, tuple[tuple[int, int], ...]]] = {
    "alpha": _ranges("A-Z a-z"),
    "lower": _ranges("a-z"),
    "upper": _ranges("A-Z"),
    "digit": _ranges("0-9"),
    "alnum": _ranges("0-9 A-Z a-z"),
    "word": _ranges("0-9 A-Z _ a-z"),
    "xdigit": _ranges("0-9 A-F a-f"),
    "punct": ((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)),
    "graph": ((0x21, 0x7E),),
    "print": ((0x20, 0x7E),),
    "cntrl": ((0x00, 0x1F), (0x7F, 0x7F)),
    "ascii": ((0x00, 0x7F),),
    "space": _SPACE,
    "blank": _BLANK,
    "horizontal": _HORIZONTAL,
    "vertical": _VERTICAL,
}

_PCRE_SHORTHANDS: Final = {"d": "digit", "w": "word", "s": "space", "h": "horizontal", "v": "vertical"}
_ICU_SHORTHANDS: Final = {
    "d": "\\p{Nd}",
    "w": "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u200c\\u200d",
    "s": "\\t\\n\\x0b\\x0c\\r\\x1c-\\x1f\\x85\\p{Z}",
    "h": "\\t\\p{Zs}",
    "v": LINE_ENDS,
}


def _complement(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    start = 0
    for low, high in sorted(pairs):
        if low > start:
            out.append((start, low - 1))
        start = max(start, high + 1)
    if start <= _LAST:
        out.append((start, _LAST))
    return out


def pcre_class(name: str, *, negated: bool = False) -> str | None:
    """The inside of a bracket expression for one of PCRE's named classes; ``None`` when there is no such class."""
    pairs = _PCRE.get(name)
    if pairs is None:
        return None
    return "".join(f"{_code(a)}-{_code(b)}" for a, b in (_complement(pairs) if negated else pairs))


def shorthand(letter: str, flavor: str) -> str | None:
    """The inside of a bracket expression for ``\\d \\D \\w \\W \\s \\S \\h \\H \\v \\V``; ``None`` for other letters."""
    lower = letter.lower()
    if flavor == "pcre":
        name = _PCRE_SHORTHANDS.get(lower)
        return None if name is None else pcre_class(name, negated=letter != lower)
    inside = _ICU_SHORTHANDS.get(lower)
    if inside is None or letter == lower:
        return inside
    return f"[^{inside}]"


def octal(digits: str) -> int:
    """The code point of up to three octal digits."""
    return int(digits or "0", 8)


def quotation(pattern: str, at: int, out: list[str]) -> int:
    """Write the literal characters of the ``\\Q..\\E`` at ``at``; the position behind it."""
    end = pattern.find("\\E", at)
    behind = len(pattern) if end < 0 else end
    out.extend(map(escape, pattern[at + 2 : behind]))
    return min(behind + 2, len(pattern))


def without_turkic(text: str) -> str:
    """A set that is compiled to fold case, kept from taking the Turkic i's for i, as ``regex`` does."""
    if "\u0130" in text or "\u0131" in text:
        return text
    if text.startswith("[^"):
        return f"(?:(?-i:[\u0130\u0131])|{text})"
    return f"(?:(?-i:(?![\u0130\u0131])){text})"


def _assembled(characters: str, classes: str, negated: bool, folds: bool) -> str:
    if not folds or not (characters and classes):
        inside = characters + classes
        if not inside:
            return "(?s:.)" if negated else "(?!)"
        text = f"[{'^' if negated else ''}{inside}]"
        if not folds:
            return text
        return without_turkic(text) if characters else f"(?-i:{text})"
    if negated:
        return f"(?:(?-i:(?![{classes}]))" + without_turkic(f"[^{characters}]") + ")"
    return f"(?:(?-i:[{classes}])|" + without_turkic(f"[{characters}]") + ")"


class PcreSet:
    """Reads one bracket expression of PCRE; ``read`` returns it in ``regex`` syntax (version 0).

    ``escape_at(position)`` reads a backslash escape and returns the character, or the inside of a set, and the
    position behind it.
    """

    def __init__(self, pattern: str, escape_at: Callable[[int], tuple[str | None, str | None, int]]) -> None:
        self._pattern = pattern
        self._escape_at = escape_at

    def read(self, at: int, *, folds: bool) -> tuple[str, int]:
        """The set that starts with the bracket at ``at``, and the position behind it.

        With ``folds`` its characters and ranges fold case, its classes do not.
        """
        pattern = self._pattern
        at += 1
        negated = pattern[at : at + 1] == "^"
        at += negated
        characters: list[str] = []
        classes: list[str] = []
        first = True
        while True:
            if at >= len(pattern):
                raise BadPatternError("missing terminating ] for character class")
            if pattern[at] == "]" and not first:
                return _assembled("".join(characters), "".join(classes), negated, folds), at + 1
            first = False
            at = self._item(at, characters, classes)

    def _item(self, at: int, out: list[str], classes: list[str]) -> int:
        if self._pattern.startswith("\\Q", at):
            return quotation(self._pattern, at, out)
        low, inside, at = self._atom(at)
        if inside is not None:
            classes.append(inside)
            return at
        if low is None:
            return at
        pattern = self._pattern
        if pattern[at : at + 1] == "-" and pattern[at + 1 : at + 2] not in ("]", ""):
            high, inside, behind = self._atom(at + 1)
            if high is not None:
                if ord(high) < ord(low):
                    raise BadPatternError("range out of order in character class")
                out.append(f"{_code(ord(low))}-{_code(ord(high))}")
                return behind
            raise BadPatternError("invalid range in character class")
        out.append(escape(low))
        return at

    def _atom(self, at: int) -> tuple[str | None, str | None, int]:
        """A character, or the inside of a set, or neither (an empty quotation), and the position behind."""
        pattern = self._pattern
        char = pattern[at]
        if char == "[" and pattern[at + 1 : at + 2] in (":", ".", "="):
            end = pattern.find(pattern[at + 1] + "]", at + 2)
            if end >= 0 and "]" not in pattern[at + 2 : end]:
                name = pattern[at + 2 : end]
                negated = name.startswith("^")
                inside = pcre_class(name.lstrip("^"), negated=negated) if pattern[at + 1] == ":" else None
                if inside is None:
                    raise BadPatternError("unknown POSIX class name")
                return None, inside, end + 2
        if char == "\\":
            return self._escape_at(at)
        return char, None, at + 1


class IcuSet:
    """Reads one bracket expression of ICU (a UnicodeSet as regexes have it); nested sets, ``&&`` and ``--`` included."""

    def __init__(self, pattern: str, escape_at: Callable[[int], tuple[str | None, str | None, int]]) -> None:
        self._pattern = pattern
        self._escape_at = escape_at

    def read(self, at: int, *, folds: bool) -> tuple[str, int]:
        """The set that starts with the bracket at ``at``, and the position behind it."""
        text, at = self._read(at)
        has_property = "\\p{" in text or "\\P{" in text
        return without_turkic(text) if folds and not has_property else text, at

    def _read(self, at: int) -> tuple[str, int]:
        pattern = self._pattern
        at += 1
        out = ["["]
        if pattern[at : at + 1] == "^":
            out.append("^")
            at += 1
        count = 0
        while True:
            char = pattern[at : at + 1]
            if char == "":
                raise BadPatternError("missing ] for a set")
            if char == "]" and count:
                return "".join((*out, "]")), at + 1
            at, piece = self._piece(at)
            out.append(piece)
            count += 1

    def _piece(self, at: int) -> tuple[int, str]:
        pattern = self._pattern
        char = pattern[at]
        if pattern.startswith("\\Q", at):
            quoted: list[str] = []
            return quotation(pattern, at, quoted), "".join(quoted)
        if char == "[":
            if pattern.startswith("[:", at):
                return self._posix(at)
            inside, behind = self._read(at)
            return behind, inside
        if pattern.startswith(("&&", "--"), at):
            if pattern[at - 1] in "[^" or pattern[at + 2 : at + 3] == "]":
                raise BadPatternError("an operator of sets lacks an operand")
            return at + 2, pattern[at : at + 2]
        low, inside, behind = self._character(at)
        if inside is not None:
            return behind, inside
        if low is None:
            return behind, ""
        if pattern[behind : behind + 1] == "-" and pattern[behind + 1 : behind + 2] not in (
            "]",
            "",
            "-",
            "[",
        ):
            high, inside, end = self._character(behind + 1)
            if high is None or ord(high) < ord(low):
                raise BadPatternError("a range in a set is out of order")
            return end, f"{_code(ord(low))}-{_code(ord(high))}"
        return behind, escape(low)

    def _posix(self, at: int) -> tuple[int, str]:
        end = self._pattern.find(":]", at)
        if end < 0:
            raise BadPatternError("unterminated [: in a set")
        name = self._pattern[at + 2 : end]
        negated = name.startswith("^")
        return end + 2, f"\\{'P' if negated else 'p'}{{{name.lstrip('^')}}}"

    def _character(self, at: int) -> tuple[str | None, str | None, int]:
        char = self._pattern[at]
        if char == "\\":
            return self._escape_at(at)
        return char, None, at + 1
