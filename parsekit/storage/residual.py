"""The matcher's predicate as an SQL function: what SQLite cannot say itself, and what an index only narrows down to.

Not said here: which constraints come this way (``operators``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import apsw
from sqlglot import exp

from parsekit.query.matcher import compile_test
from parsekit.query.plan import PlanLeaf
from parsekit.storage import nodes
from parsekit.storage.layout import NULLS_COLUMN, ClassLayout, Column
from parsekit.storage.plan_cache import NeedsResults
from parsekit.values import MISSING, Value

if TYPE_CHECKING:
    from parsekit.storage.compiler import Compiler

__all__ = ["holds_null", "residual"]


def holds_null(layout: ClassLayout, alias: str, column: Column) -> exp.Expression:
    """Whether a row holds an explicit null under a key that ever did."""
    if column.key not in layout.null_keys:
        return exp.Boolean(this=False)
    held = nodes.call("instr", nodes.column(NULLS_COLUMN, alias), nodes.text(f",{column.key},"))
    return exp.GT(this=held, expression=nodes.number(0))


def residual(
    compiler: Compiler,
    layout: ClassLayout,
    alias: str,
    column: Column | None,
    leaf: PlanLeaf,
    path: tuple[str, ...],
) -> exp.Expression:
    """The test of one constraint in Python; an explicit null is told from a missing key where the dialect does."""
    if leaf.parameter.kind == "query":
        raise NeedsResults
    names = () if column is None else column.names
    rules = compiler.rules
    decode = None if column is None else column.decode
    wide = len(names) == 2
    root = leaf.key.partition(".")[0]
    nullable = column is not None and not rules.null_equals_missing and column.key in layout.null_keys
    compiler.residual.append(f"{leaf.key} {leaf.op}")

    def predicate(argument: Value) -> Any:
        test = compile_test(leaf.op, argument, rules, path=path, key=root)
        stored = _stored_test(test, decode, wide)
        return apsw.pyobject(_nullable_test(test, stored) if nullable else stored)

    from parsekit.storage.binding import CONSTANT

    if leaf.parameter.kind == "flag":
        flag = leaf.parameter.detail
        test = compiler.bind(CONSTANT, lambda _nothing: predicate(flag))
    else:
        test = compiler.bind(leaf.parameter.index, predicate)
    cells = [nodes.column(name, alias) for name in names] or [exp.Null()]
    if nullable and column is not None:
        cells.append(holds_null(layout, alias, column))
    return nodes.call("pk_test", test, *cells)


def _nullable_test(test: Callable[[Value], bool], stored: Callable[..., bool]) -> Callable[..., bool]:
    """``stored``, told by a last cell whether the object holds an explicit null."""

    def on_nullable(*cells: Any) -> bool:
        return test(None) if cells[-1] else stored(*cells[:-1])

    return on_nullable


def _stored_test(
    test: Callable[[Value], bool], decode: Callable[[Any], Value] | None, wide: bool
) -> Callable[..., bool]:
    if wide:

        def on_pair(first: Any, second: Any) -> bool:
            return test(MISSING if first is None else decode((first, second)))  # type: ignore[misc]

        return on_pair
    if decode is None:

        def on_plain(stored: Any) -> bool:
            return test(MISSING if stored is None else stored)

        return on_plain

    def on_decoded(stored: Any) -> bool:
        return test(MISSING if stored is None else decode(stored))

    return on_decoded
