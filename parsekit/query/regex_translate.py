"""Patterns of PCRE and ICU in the syntax of the ``regex`` package.

``translate`` reads a pattern the way its engine does and writes an equivalent one. It resolves what the
engines disagree on, so that the written pattern relies only on what is common: ``\\Q..\\E``, the ``m``, ``s``
and ``x`` options (inline ones too), ASCII or Unicode classes, line ends (``\\n`` in PCRE; every Unicode line
terminator in ICU), the spelling of named groups, braces that are no quantifier. Only ``i`` is left to the
engine, as ``(?i:...)``.

It also judges the cost of a search, from its quantifiers: ``Translation.factors`` are the counts that
multiply in the worst case (``None`` stands for the length of the text); ``Translation.hostile`` says that no
such bound is known, which nested quantifiers, back references and recursion make so.

Not said here: compiling, time limits and literal prefixes (``regex``), the inside of brackets
(``regex_classes``).
"""

from __future__ import annotations

import re
from typing import Final, final

from parsekit import attrs
from parsekit.query.dialect import RegexFlavor
from parsekit.query.regex_classes import LINE_ENDS, BadPatternError, escape, shorthand
from parsekit.query.regex_escapes import EscapeReader
from parsekit.query.regex_sets import IcuSet, PcreSet

__all__ = ["Translation", "translate"]

_QUANTIFIER: Final = re.compile(r"\{(\d+)(?:(,)(\d*))?\}")
_GROUP_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_INLINE: Final = re.compile(r"\(\?(\^?[a-zA-Z]*(?:-[a-zA-Z]*)?)([:)])")
_INLINE_FOLD: Final = re.compile(r"\(\?\^?[a-zA-Z]*i")
_MAX_REPEAT: Final = 65535
_BLANKS: Final = " \t\n\r\x0b\x0c\x85\u200e\u200f\u2028\u2029"

_TURKIC: Final = frozenset("iI\u0130\u0131")
_PCRE_TURKIC: Final = {
    "i": "(?-i:[iI])",
    "I": "(?-i:[iI])",
    "\u0130": "(?-i:\u0130)",
    "\u0131": "(?-i:\u0131)",
}
_NEWLINE_SEQUENCE: Final = f"(?>\\r\\n|[{LINE_ENDS}])"

_ICU_END: Final = "(?=(?:\\r\\n|(?<!\\r)\\n|[\\x0b\\x0c\\r\\x85\\u2028\\u2029])?\\Z)"
_ICU_LINE_END: Final = "(?=\\Z|(?<!\\r)\\n|[\\x0b\\x0c\\r\\x85\\u2028\\u2029])"
_ANCHORS: Final = {
    ("pcre", "^", True): "(?:\\A|(?<=\\n)(?!\\Z))",
    ("pcre", "$", False): "(?=\\n?\\Z)",
    ("pcre", "$", True): "(?=\\n|\\Z)",
    ("javascript", "^", True): "(?:\\A|(?<=[\\n\\r\\u2028\\u2029]))",
    ("javascript", "$", False): "\\Z",
    ("javascript", "$", True): "(?=[\\n\\r\\u2028\\u2029]|\\Z)",
    ("icu", "^", True): f"(?:\\A|(?<=[{LINE_ENDS}])(?<!\\r(?=\\n))(?!\\Z))",
    ("icu", "$", False): _ICU_END,
    ("icu", "$", True): _ICU_LINE_END,
}


@final
@attrs.frozen(slots=True)
class Translation:
    """A pattern in ``regex`` syntax and what is known of its cost.

    ``folds`` says that it is to be compiled with ``IGNORECASE``; parts that must not are marked
    ``(?-i:...)``, because ``regex`` mistakes its full case folding where only a part asks for it.
    """

    text: str
    folds: bool
    factors: tuple[int | None, ...]
    hostile: bool


@attrs.define(slots=True)
class _Group:
    """The state of one open group: its options, its branch's ``(?i:``, what makes it costly to repeat."""

    options: frozenset[str]
    base_i: bool
    wrapped: bool = False
    variable: bool = False
    looks_around: bool = False
    looks_behind: bool = False


def translate(pattern: str, options: str, flavor: RegexFlavor) -> Translation:
    """``pattern`` under ``options`` (a subset of ``imsx``) in the syntax of ``regex``.

    Raises ``BadPatternError`` when the pattern is not valid in its flavor. Errors that ``regex`` finds itself
    (an unknown group, an unknown property) are left to it.
    """
    return _Translator(pattern, options, flavor).run()


def _literal_run(run: list[str], *, folds: bool, flavor: RegexFlavor) -> str:
    """Literal characters. ``regex`` folds the Turkic i's with i, which neither PCRE nor ICU does."""
    if not folds or _TURKIC.isdisjoint(run):
        return "".join(map(escape, run))
    if flavor == "pcre":
        return "".join(_PCRE_TURKIC.get(char) or escape(char) for char in run)
    # The run stays whole, because ICU folds "fi" with its ligature.
    guards = "".join(f"(?-i:(?!(?s:.){{{at}}}[\u0130\u0131]))" for at, char in enumerate(run) if char in "iI")
    return guards + "".join(f"(?-i:{char})" if char in "\u0130\u0131" else escape(char) for char in run)


class _Translator:
    def __init__(self, pattern: str, options: str, flavor: RegexFlavor) -> None:
        self._pattern = pattern
        # JavaScript's patterns are read as PCRE's, but for the ends of lines
        self._anchors = flavor
        self._flavor: RegexFlavor = "icu" if flavor == "icu" else "pcre"
        self._at = 0
        self._out: list[str] = []
        self._folds = "i" in options or _INLINE_FOLD.search(pattern) is not None
        self._groups = [_Group(frozenset(options), base_i=self._folds)]
        self._factors: list[int | None] = []
        self._hostile = False
        self._quantifiable = False
        self._variable_atom = False
        self._run: list[str] = []
        self._names: set[str] = set()
        self._escapes = EscapeReader(pattern, self._flavor)
        self._set = (PcreSet if self._flavor == "pcre" else IcuSet)(pattern, self._escapes)

    def run(self) -> Translation:
        if self._flavor == "pcre":
            self._start_verbs()
        self._open_branch()
        while self._at < len(self._pattern):
            self._step()
        if len(self._groups) > 1:
            raise BadPatternError("missing closing parenthesis")
        self._close_branch()
        return Translation("".join(self._out), self._folds, tuple(self._factors), self._hostile)

    def _start_verbs(self) -> None:
        while match := re.compile(r"\(\*(UTF8?|UTF16|UTF32)\)").match(self._pattern, self._at):
            self._at = match.end()

    @property
    def _group(self) -> _Group:
        return self._groups[-1]

    def _on(self, option: str) -> bool:
        return option in self._group.options

    def _emit(self, text: str) -> None:
        self._flush()
        self._out.append(text)
        self._quantifiable = True
        self._variable_atom = False

    def _literal(self, char: str) -> None:
        self._run.append(char)
        self._quantifiable = True
        self._variable_atom = False

    def _flush(self, *, keep: int = 0, repeated: bool = False) -> None:
        """Write the pending literal characters, but for the last ``keep``; as one item when ``repeated``."""
        end = len(self._run) - keep
        if end > 0:
            text = _literal_run(self._run[:end], folds=self._on("i"), flavor=self._flavor)
            self._out.append(f"(?:{text})" if repeated and self._on("i") else text)
            del self._run[:end]

    def _emit_cased(self, text: str) -> None:
        """A class whose members do not depend on ``i``."""
        self._emit(f"(?-i:{text})" if self._on("i") else text)

    def _open_branch(self) -> None:
        group = self._group
        group.wrapped = self._on("i") != group.base_i
        if group.wrapped:
            self._out.append("(?i:" if self._on("i") else "(?-i:")
        self._quantifiable = False

    def _close_branch(self) -> None:
        self._flush()
        if self._group.wrapped:
            self._out.append(")")
            self._group.wrapped = False

    def _step(self) -> None:
        char = self._pattern[self._at]
        if self._on("x") and self._skip_layout(char):
            return
        if char == "\\":
            self._escape()
        elif char == "[":
            text, self._at = self._set.read(self._at, folds=self._on("i"))
            self._emit(text)
        elif char == "(":
            self._open_group()
        elif char == ")":
            self._close_group()
        elif char == "|":
            self._at += 1
            self._close_branch()
            self._out.append("|")
            self._group.variable = True
            self._open_branch()
        elif char in "*+?{" and self._quantifier(char):
            return
        else:
            self._plain(char)

    def _skip_layout(self, char: str) -> bool:
        if char in _BLANKS:
            self._at += 1
            return True
        if char == "#":
            end = self._pattern.find("\n", self._at)
            self._at = len(self._pattern) if end < 0 else end + 1
            return True
        return False

    def _plain(self, char: str) -> None:
        self._at += 1
        if char == ".":
            self._emit(self._any_character() if self._on("s") else self._any_in_line())
        elif char in "^$":
            self._anchor(char)
        elif char in "{}" and self._flavor == "icu":
            raise BadPatternError("a brace is no quantifier here")
        else:
            self._literal(char)

    def _any_character(self) -> str:
        return "(?s:.)" if self._flavor == "pcre" else "(?>\\r\\n|(?s:.))"

    def _any_in_line(self) -> str:
        return "[^\\n]" if self._flavor == "pcre" else f"[^{LINE_ENDS}]"

    def _anchor(self, char: str) -> None:
        text = _ANCHORS.get((self._anchors, char, self._on("m")), "\\A")
        self._emit_anchor(text)
        self._quantifiable = self._flavor == "icu"  # PCRE2 refuses to repeat an anchor, ICU an escaped one

    def _emit_anchor(self, text: str) -> None:
        self._emit(f"(?:{text})")
        self._quantifiable = False

    def _quantifier(self, char: str) -> bool:
        low, high = {"*": (0, None), "+": (1, None), "?": (0, 1), "{": (0, 0)}[char]
        end = self._at + 1
        if char == "{":
            match = _QUANTIFIER.match(self._pattern, self._at)
            if match is None:
                return False
            low = int(match[1])
            high = low if match[2] is None else int(match[3]) if match[3] else None
            end = match.end()
            if (high is not None and high < low) or low > _MAX_REPEAT or (high or 0) > _MAX_REPEAT:
                raise BadPatternError("the numbers of a quantifier are out of order or too big")
        if not self._quantifiable:
            raise BadPatternError("a quantifier does not follow a repeatable item")
        suffix = self._pattern[end : end + 1]
        if suffix in ("?", "+") and suffix:
            end += 1
        else:
            suffix = ""
        self._flush(keep=1)
        self._flush(repeated=True)
        text = {"*": "*", "+": "+", "?": "?"}.get(char) or f"{{{low},{'' if high is None else high}}}"
        self._out.append(text + suffix)
        self._count_repeat(low, high)
        self._at = end
        self._quantifiable = False
        return True

    def _count_repeat(self, low: int, high: int | None) -> None:
        if self._variable_atom and high != 1:
            self._hostile = True
        if high is None and any(group.looks_behind for group in self._groups):
            raise BadPatternError("a lookbehind must have a bounded length")
        if low != high:
            self._factors.append(None if high is None else high - low + 1)
            self._group.variable = True
        self._variable_atom = False

    def _open_group(self) -> None:
        pattern, at = self._pattern, self._at
        if pattern.startswith("(?#", at):
            end = pattern.find(")", at)
            if end < 0:
                raise BadPatternError("missing ) after a comment")
            self._at = end + 1
            return
        inline = _INLINE.match(pattern, at)
        if inline is not None:
            self._inline(inline)
            return
        opening = self._opening()
        self._push(opening, self._group.options)

    def _push(self, opening: str, options: frozenset[str]) -> None:
        self._flush()
        self._out.append(opening)
        behind = opening in ("(?<=", "(?<!")
        around = behind or opening in ("(?=", "(?!")
        group = _Group(options, base_i=self._on("i"), looks_around=around, looks_behind=behind)
        self._groups.append(group)
        self._open_branch()

    def _inline(self, match: re.Match[str]) -> None:
        options = set(self._group.options)
        letters, end = match[1], match[2]
        if letters.startswith("^"):
            if self._flavor == "icu":
                raise BadPatternError("unknown group option ^")
            options -= set("imsx")
        allowed = "imsxnU" if self._flavor == "pcre" else "imsxw"
        on, _, off = letters.lstrip("^").partition("-")
        if not set(on + off) <= set(allowed):
            raise BadPatternError(f"unknown option in (?{letters}{end}")
        if "U" in on or "n" in on or "w" in on:
            raise BadPatternError(f"the option in (?{letters}{end} is not supported")
        frozen = frozenset((options | set(on)) - set(off))
        self._at = match.end()
        if end == ":":
            self._push("(?:", frozen)
            return
        self._close_branch()
        self._group.options = frozen
        self._open_branch()

    def _opening(self) -> str:
        pattern, at = self._pattern, self._at
        for text in ("(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!"):
            if pattern.startswith(text, at):
                self._at += len(text)
                return text
        if pattern.startswith("(?<", at):
            return self._named(at + 3, ">")
        if not pattern.startswith("(?", at) and not pattern.startswith("(*", at):
            self._at += 1
            return "("
        if self._flavor == "icu":
            raise BadPatternError("unknown group")
        return self._pcre_opening(at)

    def _pcre_opening(self, at: int) -> str:
        pattern = self._pattern
        if pattern.startswith("(?P<", at):
            return self._named(at + 4, ">")
        if pattern.startswith("(?'", at):
            return self._named(at + 3, "'")
        if pattern.startswith("(?|", at):
            self._at += 3
            return "(?|"
        if pattern.startswith("(?(", at):
            end = pattern.find(")", at)
            if end < 0 or not re.fullmatch(r"\w+|<\w+>|'\w+'|DEFINE", pattern[at + 3 : end]):
                raise BadPatternError("malformed condition")
            self._at = end + 1
            self._hostile = True
            return f"(?({pattern[at + 3 : end].strip('<>' + chr(39))})"
        reference = re.compile(r"\(\?(R|[+-]?\d+|&\w+|P>\w+|P=\w+)").match(pattern, at)
        if reference is not None and pattern.startswith(")", reference.end()):
            self._at = reference.end()
            self._hostile = True
            return reference[0]
        raise BadPatternError("unrecognized character after (? or (*")

    def _named(self, start: int, closing: str) -> str:
        end = self._pattern.find(closing, start)
        name = self._pattern[start:end] if end >= 0 else ""
        valid = _GROUP_NAME.match(name) is not None and len(name) <= 32
        if not valid or name in self._names or (self._flavor == "icu" and "_" in name):
            raise BadPatternError("a group needs a new name of letters and digits")
        self._names.add(name)
        self._at = end + 1
        return f"(?P<{name}>"

    def _close_group(self) -> None:
        if len(self._groups) == 1:
            raise BadPatternError("unmatched closing parenthesis")
        self._at += 1
        self._close_branch()
        group = self._groups.pop()
        self._emit(")")
        self._quantifiable = not (group.looks_around and self._flavor == "icu")
        self._variable_atom = group.variable
        self._group.variable |= group.variable

    def _escape(self) -> None:
        pattern, at = self._pattern, self._at
        if at + 1 >= len(pattern):
            raise BadPatternError("\\ at end of pattern")
        letter = pattern[at + 1]
        if letter == "Q":
            end = pattern.find("\\E", at)
            quoted = pattern[at + 2 :] if end < 0 else pattern[at + 2 : end]
            for char in quoted:
                self._literal(char)
            self._at = len(pattern) if end < 0 else end + 2
            return
        if letter == "E" and self._flavor == "pcre":
            self._at += 2
            return
        if self._assertion(letter) or self._special(letter) or self._reference():
            return
        found = self._escapes.read(at)
        self._at = found.end
        if found.char is not None:
            self._literal(found.char)
        elif letter in "pP" and self._flavor == "icu":
            self._emit(
                f"[{found.inside}]"
            )  # ICU closes a property over case: \\p{Lu} under i is any letter with case
        else:
            self._emit_cased(f"[{found.inside}]")

    def _assertion(self, letter: str) -> bool:
        boundary = self._boundary() if letter in "bB" else ""
        text = {
            "A": "\\A",
            "G": "\\A",
            "z": "\\Z",
            "Z": "(?=\\n?\\Z)" if self._flavor == "pcre" else _ICU_END,
            "b": boundary,
            "B": f"(?!{boundary})",
        }.get(letter)
        if letter == "K" and self._flavor == "pcre":
            text = ""  # it moves the start of the match, which nobody asks for
        if text is None:
            return False
        self._at += 2
        self._emit_anchor(text)
        return True

    def _boundary(self) -> str:
        inside = shorthand("w", self._flavor)
        if self._flavor == "pcre":
            word = f"(?-i:[{inside}])" if self._on("i") else f"[{inside}]"
            return f"(?:(?<={word})(?!{word})|(?<!{word})(?={word}))"
        # ICU looks past marks and format characters, and finds no boundary in front of one.
        mark = "[\\p{Grapheme_Extend}\\p{Cf}]"
        before = f"[[{inside}]--{mark}]{mark}*+"
        text = f"(?:(?!{mark})(?:(?=[{inside}])(?<!{before})|(?![{inside}])(?<={before})))"
        return f"(?-i:{text})" if self._on("i") else text

    def _special(self, letter: str) -> bool:
        if letter == "R":
            text = _NEWLINE_SEQUENCE
        elif letter == "X":
            text = "\\X"
        elif letter == "N" and self._flavor == "pcre":
            if re.compile(r"N\{(?!\d+,?\d*\})").match(self._pattern, self._at + 1):
                raise BadPatternError("\\N{name} is not supported")
            text = "[^\\n]"
        else:
            return False
        self._at += 2
        self._emit(text)
        return True

    def _reference(self) -> bool:
        rest = self._pattern[self._at + 1 :]
        digits = re.match(r"[1-9]\d*", rest)
        if digits and self._flavor == "pcre" and int(digits[0]) > max(9, self._capturing_groups()):
            return False  # an octal number
        match = digits or re.match(r"k(?:<(\w+)>)", rest)
        if match is None and self._flavor == "pcre":
            match = re.match(r"k(?:\{(\w+)\}|'(\w+)')|g(?:\{(-?\d+|\w+)\}|(-?\d+))", rest)
        if match is None:
            return False
        name = next((found for found in match.groups() if found), match[0])
        if name.startswith("-"):
            raise BadPatternError("relative references are not supported")
        self._hostile = True
        self._at += 1 + match.end()
        self._emit(f"(?:\\{name})" if name.isdigit() else f"(?P={name})")
        return True

    def _capturing_groups(self) -> int:
        bare = re.sub(r"\\Q.*?(?:\\E|\Z)|\\.|\[\^?\]?[^\]]*\]", "", self._pattern, flags=re.DOTALL)
        return len(re.findall(r"\((?!\?|\*)|\(\?P?<(?![=!])|\(\?'", bare))
