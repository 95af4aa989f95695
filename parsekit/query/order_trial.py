"""Which rules the two dialects' orders of the same objects are owed to.

Order cannot be tried rule by rule as conditions are: each dialect sorts in its own way. So the objects are
changed instead: without the objects that lack an order key the difference cannot come from where missing
values go, with an insertion number as the last order key not from ties, and so on. The smallest change
after which both sort alike names the rules.

Not said here: how a dialect sorts (``ordering``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Final

from parsekit.errors import ParseError
from parsekit.query.ast import ALWAYS, Node
from parsekit.query.dialect import Dialect
from parsekit.query.ordering import sort_objects
from parsekit.query.state import OrderKey
from parsekit.values import MISSING, Value

__all__ = ["order_rules"]

_NUMBER: Final = "parsekitInsertionNumber"
_CAUSES: Final = ("near_beats_order", "missing_first", "ties_follow_order")

Row = Mapping[str, Value]


def order_rules(
    rows: Sequence[Row],
    order: Sequence[OrderKey],
    where: Node = ALWAYS,
    server: Dialect = Dialect.SERVER,
    local: Dialect = Dialect.IOS_LOCAL,
) -> tuple[str, ...]:
    """The rules by which ``rows``, given in insertion order, come in different orders; empty for none."""
    numbered = [{**row, _NUMBER: number} for number, row in enumerate(rows)]
    there = _sorted(numbered, order, where, server)
    here = _sorted(numbered, order, where, local)
    if isinstance(here, ParseError) or isinstance(there, ParseError):
        plain = all(key.key.isidentifier() for key in order)
        return ("unordered_values_raise",) if plain else ("simple_order_keys",)
    if there == here:
        return ()
    for size in range(1, len(_CAUSES) + 1):
        for causes in combinations(_CAUSES, size):
            if _agree_without(causes, numbered, order, where, (server, local)):
                return causes
    return ("string_order",)


def _agree_without(
    causes: Sequence[str],
    rows: list[dict[str, Value]],
    order: Sequence[OrderKey],
    where: Node,
    dialects: tuple[Dialect, Dialect],
) -> bool:
    if "near_beats_order" in causes:
        where = ALWAYS
    if "missing_first" in causes:
        rows = [row for row in rows if all(row.get(key.key, MISSING) is not MISSING for key in order)]
    if "ties_follow_order" in causes:
        order = (*order, OrderKey(_NUMBER))
    there, here = (_sorted(rows, order, where, rules) for rules in dialects)
    return not isinstance(there, ParseError) and there == here


def _sorted(
    rows: Sequence[Row], order: Sequence[OrderKey], where: Node, rules: Dialect
) -> list[Value] | ParseError:
    try:
        return [row[_NUMBER] for row in sort_objects(rows, order, where, rules)]
    except ParseError as error:
        return error
