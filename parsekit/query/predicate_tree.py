"""The tree of an NSPredicate, before any of it is translated, and its text.

Comparisons of two expressions under AND, OR and NOT, as Foundation's classes have them. Trees are frozen and
compare by value, which is how the SDK finds what alternatives share.

Not said here: how text becomes a tree (``predicate_syntax``), what ``PFQuery`` makes of one (``predicate``).
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias, final

from parsekit import attrs

__all__ = [
    "RESERVED",
    "Aggregate",
    "Comparison",
    "Compound",
    "Expression",
    "Function",
    "KeyPath",
    "Literally",
    "Modifier",
    "Myself",
    "Operator",
    "Predicate",
    "Truth",
    "Variable",
    "print_predicate",
]

Operator: TypeAlias = Literal[
    "==", "!=", "<", "<=", ">", ">=", "BETWEEN", "IN", "CONTAINS", "BEGINSWITH", "ENDSWITH", "LIKE",
    "MATCHES", "NOT IN",
]  # fmt: skip
"""``NOT IN`` is what the SDK's custom selector ``notContainedIn:`` means; no format writes it."""
Modifier: TypeAlias = Literal["", "ANY", "ALL"]


@final
@attrs.frozen(slots=True)
class KeyPath:
    """A key, dotted or not."""

    path: str


@final
@attrs.frozen(slots=True)
class Literally:
    """A constant value."""

    value: Any


@final
@attrs.frozen(slots=True)
class Aggregate:
    """``{a, b, ...}``: expressions, not values yet."""

    items: tuple[Expression, ...]


@final
@attrs.frozen(slots=True)
class Variable:
    """``$name``."""

    name: str


@final
@attrs.frozen(slots=True)
class Myself:
    """``SELF``."""


@final
@attrs.frozen(slots=True)
class Function:
    """A function, arithmetic, an index or a SUBQUERY: its text, since nothing evaluates it."""

    text: str


Expression: TypeAlias = KeyPath | Literally | Aggregate | Variable | Myself | Function


@final
@attrs.frozen(slots=True)
class Comparison:
    """``left operator right``; ``options`` are the letters in brackets."""

    left: Expression
    operator: Operator
    right: Expression
    modifier: Modifier = ""
    options: str = ""


@final
@attrs.frozen(slots=True)
class Compound:
    """AND, OR (two children or more) or NOT (one child)."""

    kind: Literal["AND", "OR", "NOT"]
    children: tuple[Predicate, ...]


@final
@attrs.frozen(slots=True)
class Truth:
    """``TRUEPREDICATE`` or ``FALSEPREDICATE``."""

    value: bool


Predicate: TypeAlias = Comparison | Compound | Truth

_WORDS: Final = """
    = == != <> < <= =< > >= => BETWEEN IN CONTAINS BEGINSWITH ENDSWITH LIKE MATCHES ANY SOME ALL NONE NIL
    NULL TRUE YES FALSE NO AND OR NOT SELF TRUEPREDICATE FALSEPREDICATE FIRST LAST SIZE ANYKEY SUBQUERY CAST
    FUNCTION TERNARY
"""
RESERVED: Final = frozenset(_WORDS.split())
"""Words, in upper case, that are no keys unless a ``#`` stands before them."""

_RANK: Final = {"OR": 0, "AND": 1, "NOT": 2}


def print_predicate(tree: Predicate, *, values: bool = True) -> str:
    """The tree as a format string; without ``values`` every constant is shown as ``?``.

    ``parse_format(print_predicate(tree)) == tree`` for trees whose constants are texts, numbers, booleans
    and nil.

    >>> less = Comparison(KeyPath("in"), "<", Literally(1))
    >>> both = Compound("AND", (less, Comparison(KeyPath("a"), "==", Myself())))
    >>> print_predicate(both)
    '#in < 1 AND a == SELF'
    """
    if isinstance(tree, Truth):
        return "TRUEPREDICATE" if tree.value else "FALSEPREDICATE"
    if isinstance(tree, Comparison):
        flags = f"[{tree.options}]" if tree.options else ""
        modifier = f"{tree.modifier} " if tree.modifier else ""
        left, right = _printed(tree.left, values), _printed(tree.right, values)
        return f"{modifier}{left} {tree.operator}{flags} {right}"
    parts = []
    for child in tree.children:
        text = print_predicate(child, values=values)
        nested = isinstance(child, Compound) and _RANK[child.kind] <= _RANK[tree.kind] != 2
        grouped = nested or (tree.kind == "NOT" and isinstance(child, Compound) and child.kind != "NOT")
        parts.append(f"({text})" if grouped else text)
    return f"NOT {parts[0]}" if tree.kind == "NOT" else f" {tree.kind} ".join(parts)


def _printed(expression: Expression, values: bool) -> str:
    match expression:
        case KeyPath(path):
            return ".".join(f"#{part}" if part.upper() in RESERVED else part for part in path.split("."))
        case Aggregate(items):
            return "{" + ", ".join(_printed(item, values) for item in items) + "}"
        case Variable(name):
            return f"${name}"
        case Myself():
            return "SELF"
        case Function(text):
            return text if values else "f()"
    return _constant(expression.value) if values else "?"


def _constant(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "nil", True: "YES", False: "NO"}[value]
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return "'" + escaped + "'"
    return f"<{type(value).__name__}>"
