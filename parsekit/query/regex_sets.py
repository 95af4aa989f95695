"""Bracket expressions of PCRE and ICU in the syntax of the ``regex`` package.

What stands in brackets folds case under ``i`` where it is a character or a range, and does not where it is
one of PCRE's classes; ``regex`` also takes the Turkic i's for i, which neither engine does. So a set may be
written as an alternative of two sets.

Not said here: what a class holds (``regex_classes``), escapes (``regex_escapes``).
"""

from __future__ import annotations

from parsekit.query.regex_classes import BadPatternError, code_escape, escape, pcre_class
from parsekit.query.regex_escapes import Escape, EscapeReader

__all__ = ["IcuSet", "PcreSet"]


def _quotation(pattern: str, at: int, out: list[str]) -> int:
    """Write the literal characters of the ``\\Q..\\E`` at ``at``; the position behind it."""
    end = pattern.find("\\E", at)
    behind = len(pattern) if end < 0 else end
    out.extend(map(escape, pattern[at + 2 : behind]))
    return min(behind + 2, len(pattern))


def _without_turkic(text: str) -> str:
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
        return _without_turkic(text) if characters else f"(?-i:{text})"
    if negated:
        return f"(?:(?-i:(?![{classes}]))" + _without_turkic(f"[^{characters}]") + ")"
    return f"(?:(?-i:[{classes}])|" + _without_turkic(f"[{characters}]") + ")"


class PcreSet:
    """Reads one bracket expression of PCRE; ``read`` returns it in ``regex`` syntax (version 0)."""

    def __init__(self, pattern: str, escapes: EscapeReader) -> None:
        self._pattern = pattern
        self._escapes = escapes

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
            return _quotation(self._pattern, at, out)
        atom = self._atom(at)
        low, at = atom.char, atom.end
        if atom.inside is not None:
            classes.append(atom.inside)
        if low is None:
            return at
        pattern = self._pattern
        if pattern[at : at + 1] == "-" and pattern[at + 1 : at + 2] not in ("]", ""):
            last = self._atom(at + 1)
            if last.char is None or ord(last.char) < ord(low):
                raise BadPatternError("invalid range in character class")
            out.append(f"{code_escape(ord(low))}-{code_escape(ord(last.char))}")
            return last.end
        out.append(escape(low))
        return at

    def _atom(self, at: int) -> Escape:
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
                return Escape(None, inside, end + 2)
        if char == "\\":
            return self._escapes.in_set(at)
        return Escape(char, None, at + 1)


class IcuSet:
    """Reads one bracket expression of ICU, nested sets, ``&&`` and ``--`` included."""

    def __init__(self, pattern: str, escapes: EscapeReader) -> None:
        self._pattern = pattern
        self._escapes = escapes

    def read(self, at: int, *, folds: bool) -> tuple[str, int]:
        """The set that starts with the bracket at ``at``, and the position behind it."""
        text, at = self._read(at)
        has_property = "\\p{" in text or "\\P{" in text
        return _without_turkic(text) if folds and not has_property else text, at

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
            return _quotation(pattern, at, quoted), "".join(quoted)
        if char == "[":
            if pattern.startswith("[:", at):
                return self._posix(at)
            inside, behind = self._read(at)
            return behind, inside
        if pattern.startswith(("&&", "--"), at):
            if pattern[at - 1] in "[^" or pattern[at + 2 : at + 3] == "]":
                raise BadPatternError("an operator of sets lacks an operand")
            return at + 2, pattern[at : at + 2]
        atom = self._character(at)
        if atom.char is None:
            return atom.end, atom.inside or ""
        low, behind = atom.char, atom.end
        if pattern.startswith("-", behind) and not pattern.startswith(("-]", "--", "-["), behind):
            if behind + 1 >= len(pattern):
                raise BadPatternError("missing ] for a set")
            last = self._character(behind + 1)
            if last.char is None or ord(last.char) < ord(low):
                raise BadPatternError("a range in a set is out of order")
            return last.end, f"{code_escape(ord(low))}-{code_escape(ord(last.char))}"
        return behind, escape(low)

    def _posix(self, at: int) -> tuple[int, str]:
        end = self._pattern.find(":]", at)
        if end < 0:
            raise BadPatternError("unterminated [: in a set")
        name = self._pattern[at + 2 : end]
        negated = name.startswith("^")
        return end + 2, f"\\{'P' if negated else 'p'}{{{name.lstrip('^')}}}"

    def _character(self, at: int) -> Escape:
        char = self._pattern[at]
        if char == "\\":
            return self._escapes.in_set(at)
        return Escape(char, None, at + 1)
