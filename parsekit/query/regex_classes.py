"""Character classes of PCRE and ICU in the syntax of the ``regex`` package.

PCRE classes (``\\d``, ``[:alpha:]``) hold ASCII characters only, as MongoDB runs it (UTF without UCP); ICU
classes are Unicode's. Inside brackets PCRE's are written as explicit ranges, so that negated ones need no set
operations; ICU's sets are nested, which ``regex`` understands as they stand (version 1).

Not said here: how bracket expressions are read (``regex_sets``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["LINE_ENDS", "BadPatternError", "code_escape", "escape", "pcre_class", "shorthand"]

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


def code_escape(point: int) -> str:
    """A code point in numbers."""
    if point < 0x10000:
        return f"\\u{point:04x}"
    return f"\\U{point:08x}"


def _ranges(text: str) -> tuple[tuple[int, int], ...]:
    pairs = text.split()
    return tuple((ord(pair[0]), ord(pair[-1])) for pair in pairs)


_BLANK: Final = ((0x09, 0x09), (0x20, 0x20))
_SPACE: Final = ((0x09, 0x0D), (0x20, 0x20))
_HORIZONTAL: Final = (
    (0x09, 0x09), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x180E, 0x180E), (0x2000, 0x200A),
    (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000),
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
    """The inside of brackets for one of PCRE's named classes; ``None`` when there is no such class."""
    pairs = _PCRE.get(name)
    if pairs is None:
        return None
    return "".join(
        f"{code_escape(a)}-{code_escape(b)}" for a, b in (_complement(pairs) if negated else pairs)
    )


def shorthand(letter: str, flavor: str) -> str | None:
    """The inside of brackets for ``\\d \\w \\s \\h \\v`` and complements; ``None`` for other letters."""
    lower = letter.lower()
    if flavor == "pcre":
        name = _PCRE_SHORTHANDS.get(lower)
        return None if name is None else pcre_class(name, negated=letter != lower)
    inside = _ICU_SHORTHANDS.get(lower)
    if inside is None or letter == lower:
        return inside
    return f"[^{inside}]"
