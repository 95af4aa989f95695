"""Why an object was found or not: the constraints that decided, each evaluated by itself.

The sentences show what objects hold and what constraints ask for; the objects are those of a test.

Not said here: what a constraint means (``query.matcher``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Final

from parsekit.errors import ParseError
from parsekit.query.ast import And, Constraint, KeyOfQuery, Node, Nor, Or
from parsekit.query.dialect import Dialect
from parsekit.query.matcher import compile_predicate
from parsekit.query.state import QueryState
from parsekit.testing.given import Given
from parsekit.values import MISSING, Value

__all__ = ["cut", "failure", "identity", "misplaced", "reason"]

_SHOWN: Final = 10


def identity(row: Mapping[str, Value]) -> str:
    """The objectId of a row, or words for having none."""
    name = row.get("objectId")
    return name if isinstance(name, str) else "(no objectId)"


def cut(lines: list[str]) -> list[str]:
    """The first lines, and how many there are more."""
    more = len(lines) - _SHOWN
    return lines if more <= 0 else [*lines[:_SHOWN], f"and {more} more"]


def _shown(row: Mapping[str, Value], key: str) -> str:
    value: Value = row
    for part in key.split("."):
        value = value.get(part, MISSING) if isinstance(value, Mapping) else MISSING
    return "no value" if value is MISSING else repr(value)


def misplaced(
    state: QueryState, rules: Dialect, rows: Sequence[Mapping[str, Value]], wanted: Sequence[str]
) -> str:
    """The message for a wrong order: the first place that differs, and what the order keys hold there."""
    found = [identity(row) for row in rows]
    pairs = zip_longest(range(len(found)), found, wanted)
    place, here, there = next((n, a, b) for n, a, b in pairs if a != b)
    lines = [
        f"position {place}: found {here} where {there} should be ({rules.name})",
        f"found:    {', '.join(found)}",
        f"expected: {', '.join(wanted)}",
    ]
    by_name = dict(zip(found, rows, strict=True))
    for item in state.order:
        held = [f"{name} has {_shown(by_name[name], item.key)}" for name in (here, there) if name in by_name]
        lines.append(f"order key {'-' if item.descending else ''}{item.key}: {' and '.join(held)}")
    return "\n  ".join(lines)


def failure(given: Given, state: QueryState, rules: Dialect, error: ParseError) -> str:
    """The message for a query that fails: on which object, by which constraint."""
    lines = [f"the whole query fails under {rules.name} with {error.code}: {error}"]
    predicate = _tester(given, state, rules, state.where)
    for row in given.of(state.class_name):
        if isinstance(predicate(row), ParseError):
            lines.append(f"{state.class_name} {identity(row)}: {reason(given, state, rules, row)}")
    return "\n  ".join(cut(lines))


def _tester(
    given: Given, state: QueryState, rules: Dialect, node: Node
) -> Callable[[Mapping[str, Value]], bool | ParseError]:
    try:
        predicate = compile_predicate(node, rules, given.lookup(state.class_name, rules))
    except ParseError as error:
        refused = error
        return lambda _: refused

    def test(row: Mapping[str, Value]) -> bool | ParseError:
        try:
            return predicate(row)
        except ParseError as error:
            return error

    return test


def reason(given: Given, state: QueryState, rules: Dialect, row: Mapping[str, Value]) -> str:
    """Which constraints decided about an object, each evaluated by itself."""
    verdict = _tester(given, state, rules, state.where)(row)
    decisive = list(_decisive(given, state, rules, state.where, row))
    if verdict is not True:
        return "; ".join(decisive) or "no constraint holds"
    if decisive:
        return "; ".join(decisive) + (
            "" if state.limit is None and not state.skip else " (it may be cut by the page)"
        )
    return "the query has no conditions; it may be cut by limit and skip"


def _decisive(
    given: Given, state: QueryState, rules: Dialect, node: Node, row: Mapping[str, Value]
) -> Iterator[str]:
    verdict = _tester(given, state, rules, node)(row)
    if isinstance(node, Constraint):
        yield _sentence(node, row, verdict)
    elif isinstance(node, And | Or | Nor):
        for child in node.children:
            part = _tester(given, state, rules, child)(row)
            said = verdict is not True if isinstance(node, Nor) else verdict
            # What a group says is owed to the children that say the same, or fail as it does.
            if part is said or (isinstance(part, ParseError) and isinstance(verdict, ParseError)):
                yield from _decisive(given, state, rules, child, row)


def _sentence(leaf: Constraint, row: Mapping[str, Value], verdict: bool | ParseError) -> str:
    argument = leaf.argument
    if isinstance(argument, QueryState | KeyOfQuery):
        inner = argument if isinstance(argument, QueryState) else argument.query
        what = f"{leaf.key} {leaf.op} a query of {inner.class_name}"
    else:
        what = f"{leaf.key} {leaf.op} {argument!r}".strip()
    held = f"{leaf.key} has {_shown(row, leaf.key)}" if leaf.key else "the relation"
    if isinstance(verdict, ParseError):
        return f"`{what}` fails ({held}): {verdict}"
    return f"`{what}` {'holds' if verdict else 'does not hold'} ({held})"
