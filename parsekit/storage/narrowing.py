"""Constraints for which an index finds candidates and the matcher decides on each: places, words, dotted paths.

So such an index cannot have a meaning of its own (rule 1 of ARCHITECTURE.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from parsekit.query.plan import PlanLeaf
from parsekit.query.text import search_words
from parsekit.storage import ddl, nodes
from parsekit.storage.dotted import MARKER, dotted_expression
from parsekit.storage.functions import token_text
from parsekit.storage.geo_bounds import bounds_of
from parsekit.storage.layout import RID_COLUMN, ClassLayout, Column
from parsekit.storage.residual import residual
from parsekit.values import Value

if TYPE_CHECKING:
    from parsekit.storage.compiler import Compiler

__all__ = ["dotted_equal", "full_text", "in_area"]


def in_area(
    compiler: Compiler, layout: ClassLayout, alias: str, column: Column, leaf: PlanLeaf
) -> exp.Expression:
    """The R*Tree finds candidates, the matcher decides. Nearness without a distance has all points for candidates."""
    decided = residual(compiler, layout, alias, column, leaf, ())
    if leaf.op == "$nearSphere" and not leaf.parameter.detail:
        return decided
    if leaf.op == "$within" and compiler.rules.missing_is_origin:
        return decided  # objects that are in no R*Tree match a box around the origin
    tree = compiler.alias()

    def edge(position: int) -> exp.Expression:
        return compiler.bind(leaf.parameter.index, lambda area: bounds_of(area)[position])

    conditions: list[exp.Expression] = [
        exp.GTE(this=nodes.column("north", tree), expression=edge(0)),
        exp.LTE(this=nodes.column("south", tree), expression=edge(1)),
        exp.GTE(this=nodes.column("east", tree), expression=edge(2)),
        exp.LTE(this=nodes.column("west", tree), expression=edge(3)),
    ]
    source = nodes.table(ddl.geo_index_name(layout.table, column.key), tree)
    candidates = nodes.select([nodes.column("id", tree)], source, nodes.all_of(conditions))
    near = exp.In(this=nodes.column(RID_COLUMN, alias), query=exp.Subquery(this=candidates))
    return nodes.all_of([near, decided])


def full_text(
    compiler: Compiler, layout: ClassLayout, alias: str, column: Column, leaf: PlanLeaf
) -> exp.Expression:
    """A text index on the field finds rows with one of the words at least."""
    decided = residual(compiler, layout, alias, column, leaf, ())
    indexes = (index for index in layout.schema.indexes if index.kind == "text")
    index = next((index for index in indexes if index.keys == ((column.key, False),)), None)
    if index is None or column.field.type != "String" or leaf.parameter.detail != "words":
        return decided
    name = ddl.text_index_name(layout.table, index.name)
    found = compiler.alias()
    # a full-text table has a hidden column of its own name, on which = means MATCH
    match = exp.EQ(
        this=nodes.column(name, found), expression=compiler.bind(leaf.parameter.index, _match_text)
    )
    rows = nodes.select([nodes.column("rowid", found)], nodes.table(name, found), match)
    candidates = exp.In(this=nodes.column(RID_COLUMN, alias), query=exp.Subquery(this=rows))
    return nodes.all_of([candidates, decided])


def _match_text(search: Value) -> str:
    words = sorted(search_words(search) or ())
    return token_text(words, " OR ") if words else "nothing"


def dotted_equal(
    compiler: Compiler,
    layout: ClassLayout,
    alias: str,
    column: Column,
    leaf: PlanLeaf,
    decided: exp.Expression,
) -> exp.Expression:
    """A declared index on a dotted path finds rows that hold the value, or something nested, at the path."""
    declared = any(leaf.key == index.keys[0][0] for index in layout.schema.indexes if index.kind == "plain")
    if (
        not declared
        or column.field.type != "Object"
        or leaf.parameter.kind not in ("string", "number", "boolean")
    ):
        return decided
    path = leaf.key.partition(".")[2]
    # json_extract gives true as 1, so a boolean and its number are found together
    cell = dotted_expression(nodes.column(column.name, alias), path)
    looked_up = exp.In(this=cell, expressions=[compiler.bind(leaf.parameter.index), nodes.text(MARKER)])
    return nodes.all_of([looked_up, decided])
