"""NSPredicate's format language: text and arguments -> a predicate tree.

The grammar is Foundation's. Keywords are case-insensitive, ``#word`` makes a key of a keyword, text in
quotes is taken as it stands, ``%@`` and the number formats stand for values, ``%K`` for a key. NOT binds
before AND, AND before OR. What ``PFQuery`` cannot use (functions, arithmetic, variables, SUBQUERY) is read
all the same, so that the refusal can be the SDK's own.

Not said here: which predicates ``PFQuery`` takes and what they mean (``predicate``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NoReturn, final

from parsekit import attrs
from parsekit.query.predicate_tree import (
    RESERVED,
    Aggregate,
    Comparison,
    Compound,
    Expression,
    Function,
    KeyPath,
    Literally,
    Modifier,
    Myself,
    Operator,
    Predicate,
    Truth,
    Variable,
)
from parsekit.query.refusals import PredicateRefusedError

__all__ = ["parse_format"]

_DEEPEST: Final = 100
"""Parentheses, NOTs and braces inside each other; a format beyond that is refused, not recursed into."""
_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<number>0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<argument>%(?:@|K|(?:hh|h|ll|l|q|z|t|j|L)?[dDiuUxXoOcCsSaAeEfFgG]))
      | (?P<variable>\$[A-Za-z_]\w*)
      | (?P<word>\#?[A-Za-z_]\w*(?:\.(?:\#?[A-Za-z_@]\w*))*)
      | (?P<mark>==|=<|=>|<=|>=|<>|!=|&&|\|\||\*\*|[=<>!(){},\[\]+\-*/.@])
    )""",
    re.VERBOSE,
)
_OPERATORS: Final[dict[str, Operator]] = {
    "=": "==", "==": "==", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", "=<": "<=", ">": ">", ">=": ">=",
    "=>": ">=", "BETWEEN": "BETWEEN", "IN": "IN", "CONTAINS": "CONTAINS", "BEGINSWITH": "BEGINSWITH",
    "ENDSWITH": "ENDSWITH", "LIKE": "LIKE", "MATCHES": "MATCHES",
}  # fmt: skip
_MODIFIERS: Final[dict[str, Modifier]] = {"ANY": "ANY", "SOME": "ANY", "ALL": "ALL", "NONE": "ANY"}
_CONSTANTS: Final[dict[str, Any]] = {
    "NIL": None, "NULL": None, "TRUE": True, "YES": True, "FALSE": False, "NO": False,
}  # fmt: skip
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "f": "\f"}
_ARITHMETIC: Final = frozenset({"+", "-", "*", "/", "**"})


@final
@attrs.frozen(slots=True)
class _Token:
    kind: str
    text: str
    at: int

    @property
    def keyword(self) -> str:
        """The token as an operator or keyword: upper case; nothing for what cannot be one."""
        return self.text.upper() if self.kind in ("word", "mark") else ""


def _refuse(format_string: str, at: int, problem: str) -> NoReturn:
    raise PredicateRefusedError(
        f'Unable to parse the format string "{format_string}"',
        hint=f"at position {at}: {problem}",
        exception="NSInvalidArgumentException",
    )


def _tokens(format_string: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    end = len(format_string.rstrip())
    while at < end:
        match = _TOKEN.match(format_string, at)
        if match is None or match.lastgroup is None:
            _refuse(format_string, at, f"{format_string[at : at + 10].strip()!r} is not understood")
        found.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        at = match.end()
    return [*found, _Token("end", "", end)]


def parse_format(format_string: str, arguments: Sequence[Any] = ()) -> Predicate:
    """The tree of a format string.

    >>> parse_format("stage = %@", ["won"]).right
    Literally(value='won')

    Raises:
        PredicateRefusedError: the text does not parse, or arguments are missing, left over or of another
        type.
    """
    parser = _Parser(format_string, arguments)
    tree = parser.alternatives(0)
    parser.finish()
    return tree


class _Parser:
    """Recursive descent over the tokens, one method per level of precedence."""

    def __init__(self, format_string: str, arguments: Sequence[Any]) -> None:
        self._format = format_string
        self._tokens = _tokens(format_string)
        self._at = 0
        self._arguments = list(arguments)
        self._used = 0

    # -- tokens ----------------------------------------------------------------------------------

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        if token.kind != "end":
            self._at += 1
        return token

    def _took(self, *keywords: str) -> bool:
        if self._next.kind != "end" and self._next.keyword in keywords:
            self._at += 1
            return True
        return False

    def _expect(self, mark: str) -> None:
        if not self._took(mark):
            self._fail(f"{mark} expected")

    def _fail(self, problem: str, token: _Token | None = None) -> NoReturn:
        token = token or self._next
        got = f", got {token.text}" if token.text else ", but the text ends"
        _refuse(self._format, token.at, problem + got)

    def _deeper(self, depth: int) -> int:
        if depth >= _DEEPEST:
            self._fail(f"nested more than {_DEEPEST} levels deep")
        return depth + 1

    def finish(self) -> None:
        """Refuse what is left over."""
        if self._next.kind != "end":
            self._fail("AND, OR or the end expected")
        if self._used < len(self._arguments):
            left = len(self._arguments) - self._used
            _refuse(self._format, len(self._format), f"{left} more arguments than the format has places")

    # -- predicates ------------------------------------------------------------------------------

    def alternatives(self, depth: int) -> Predicate:
        """``a OR b``, which binds least."""
        children = [self._conjunction(depth)]
        while self._took("OR", "||"):
            children.append(self._conjunction(depth))
        return children[0] if len(children) == 1 else Compound("OR", tuple(children))

    def _conjunction(self, depth: int) -> Predicate:
        children = [self._negation(depth)]
        while self._took("AND", "&&"):
            children.append(self._negation(depth))
        return children[0] if len(children) == 1 else Compound("AND", tuple(children))

    def _negation(self, depth: int) -> Predicate:
        if self._took("NOT", "!"):
            return Compound("NOT", (self._negation(self._deeper(depth)),))
        if self._took("TRUEPREDICATE"):
            return Truth(True)
        if self._took("FALSEPREDICATE"):
            return Truth(False)
        if self._next.text == "(" and self._is_group():
            self._expect("(")
            inner = self.alternatives(self._deeper(depth))
            self._expect(")")
            return inner
        return self._comparison(depth)

    def _is_group(self) -> bool:
        """Whether the parenthesis here holds a predicate, not an expression: what follows its end tells."""
        level = 0
        for place in range(self._at, len(self._tokens)):
            text = self._tokens[place].text if self._tokens[place].kind == "mark" else ""
            level += (text == "(") - (text == ")")
            if not level:
                after = self._tokens[place + 1]
                return after.keyword not in _OPERATORS and after.keyword not in _ARITHMETIC
        return True

    def _comparison(self, depth: int) -> Comparison | Compound:
        word = self._next.keyword
        modifier = _MODIFIERS.get(word, "")
        if modifier:
            self._take()
        left = self._expression(depth)
        operator = _OPERATORS.get(self._next.keyword)
        if operator is None:
            self._fail("an operator expected")
        self._take()
        options = self._options()
        found = Comparison(left, operator, self._expression(depth), modifier, options)
        return Compound("NOT", (found,)) if word == "NONE" else found  # as Foundation reads NONE

    def _options(self) -> str:
        if self._next.text != "[":
            return ""
        self._take()
        letters = self._take()
        if letters.kind != "word" or not set(letters.text.lower()) <= set("cdnl"):
            self._fail("options are among c, d, n and l", letters)
        self._expect("]")
        return letters.text.lower()

    # -- expressions -----------------------------------------------------------------------------

    def _expression(self, depth: int) -> Expression:
        start = self._next.at
        found = self._operand(depth)
        composed = False
        while self._next.text == "[" or self._next.keyword in _ARITHMETIC:
            composed = True
            if self._took("["):
                self._skip_to("]")
            else:
                self._take()
                self._operand(depth)
        return Function(self._format[start : self._next.at].strip()) if composed else found

    def _operand(self, depth: int) -> Expression:
        token = self._take()
        match token.kind:
            case "text":
                return Literally(_unquoted(token.text))
            case "number":
                return Literally(_number(token.text))
            case "argument":
                return self._argument(token)
            case "variable":
                return Variable(token.text[1:])
            case "word":
                return self._word(token)
        if token.text == "-":
            inner = self._operand(self._deeper(depth))
            number = isinstance(inner, Literally) and isinstance(inner.value, int | float)
            return Literally(-inner.value) if number else Function(f"-{token.text}")  # type: ignore[union-attr]
        if token.text == "{":
            return self._aggregate(self._deeper(depth))
        if token.text == "(":
            inner = self._expression(self._deeper(depth))
            self._expect(")")
            return inner
        return self._fail("a key, a value or %@ expected", token)

    def _aggregate(self, depth: int) -> Aggregate:
        items: list[Expression] = []
        while not self._took("}"):
            if items:
                self._expect(",")
            items.append(self._expression(depth))
        return Aggregate(tuple(items))

    def _word(self, token: _Token) -> Expression:
        if self._next.text == "(" and not token.text.startswith("#"):
            self._take()
            self._skip_to(")")
            while self._took("."):
                self._took("@")
                self._take()
            return Function(self._format[token.at : self._next.at].strip())
        word = token.keyword
        if word in _CONSTANTS:
            return Literally(_CONSTANTS[word])
        if word == "SELF":
            return Myself()
        if word in RESERVED:
            self._fail(f"a key or a value expected (write #{token.text} for a key of that name)", token)
        path = token.text.replace("#", "")
        return KeyPath(path[5:] if word.startswith("SELF.") else path)

    def _skip_to(self, closing: str) -> None:
        opening = {")": "(", "]": "["}[closing]
        level = 1
        while level:
            token = self._take()
            if token.kind == "end":
                self._fail(f"{closing} expected")
            if token.kind == "argument":
                self._used += 1
            if token.kind == "mark":
                level += (token.text == opening) - (token.text == closing)

    def _argument(self, token: _Token) -> Expression:
        if self._used >= len(self._arguments):
            _refuse(self._format, token.at, f"there is no argument for {token.text}")
        value = self._arguments[self._used]
        self._used += 1
        letter = token.text[-1]
        if letter == "@":
            return Literally(value)
        kind: type | tuple[type, ...] = str if letter in "KsS" else (int, float)
        if letter in "dDiuUxXoOcC":
            kind = int
        if not isinstance(value, kind):
            _refuse(self._format, token.at, f"{token.text} does not stand for a {type(value).__name__}")
        if letter == "K":
            return KeyPath(str(value))
        return Literally(int(value) if isinstance(value, bool) else value)


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text[1:-1], flags=re.DOTALL)


def _number(text: str) -> int | float:
    if text[:2].lower() in ("0x", "0o", "0b"):
        return int(text, 0)
    return int(text) if text.isdigit() else float(text)
