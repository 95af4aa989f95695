"""Single constraints as SQL: the native translation of each operator on each type of field.

Only translations that agree with the matcher on every value are here, under the rules of the compiler's dialect; any
other combination of operator, field type and argument goes to ``residual``, which calls the matcher's predicate as an
SQL function. Conditions that can fail a query on an object (``query.failing``) do not come here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlglot import exp

from parsekit.query.plan import Parameter, PlanLeaf, PlanQuery
from parsekit.storage import nodes
from parsekit.storage.binding import (
    ListText,
    Picked,
    Picker,
    ascii_prefix,
    object_id,
    pointer_id,
    prefix_high,
    prefix_low,
    qualified_id,
    truth,
)
from parsekit.storage.layout import ClassLayout, Column, join_table
from parsekit.storage.narrowing import dotted_equal, full_text, in_area
from parsekit.storage.plan_cache import NeedsResults
from parsekit.storage.residual import holds_null, residual
from parsekit.values import Value, date_to_ms

if TYPE_CHECKING:
    from parsekit.query.dialect import Dialect
    from parsekit.storage.compiler import Compiler

__all__ = ["leaf_expression"]

_KIND_OF_TYPE: Final[dict[str, str]] = {
    "String": "string",
    "Number": "number",
    "Boolean": "boolean",
    "Date": "date",
    "Pointer": "pointer",
}
_COMPARISONS: Final[dict[str, type[exp.Expression]]] = {
    "$lt": exp.LT,
    "$lte": exp.LTE,
    "$gt": exp.GT,
    "$gte": exp.GTE,
}
_SCALARS: Final = frozenset({"string", "number", "boolean", "date", "pointer"})
_NUMERIC: Final = frozenset({"number", "boolean"})
_AREAS: Final = frozenset({"$nearSphere", "$within", "$geoWithin"})
_INLINE_LIST: Final = 16

_Translate: TypeAlias = "Callable[[Compiler, ClassLayout, str, Column, PlanLeaf], exp.Expression | None]"


def leaf_expression(compiler: Compiler, layout: ClassLayout, alias: str, leaf: PlanLeaf) -> exp.Expression:
    """The SQL of one constraint on the rows of ``layout`` under ``alias``."""
    if leaf.op == "$relatedTo":
        return _related_to(compiler, alias, leaf)
    root, _, rest = leaf.key.partition(".")
    column = layout.columns.get(root)
    if column is not None and column.field.type == "Relation" and not rest:
        if compiler.under_none and compiler.rules.typed_fields_as_stored:
            # Parse Server looks for relations under $or and $and only; elsewhere no document has such a key
            return residual(compiler, layout, alias, None, leaf, ())
        return _relation_field(compiler, layout, alias, leaf)
    if column is not None and not rest and column.field.type in _KIND_OF_TYPE:
        translate = _NATIVE.get(leaf.op)
        native = None if translate is None else translate(compiler, layout, alias, column, leaf)
        if native is not None:
            return native
    if column is not None and not rest and leaf.op == "$exists":
        return _exists(compiler, layout, alias, column, leaf)
    if column is not None and not rest and column.field.type == "GeoPoint" and leaf.op in _AREAS:
        return in_area(compiler, layout, alias, column, leaf)
    if column is not None and not rest and leaf.op == "$text":
        return full_text(compiler, layout, alias, column, leaf)
    decided = residual(compiler, layout, alias, column, leaf, tuple(rest.split(".")) if rest else ())
    if column is not None and rest and leaf.op == "$eq":
        return dotted_equal(compiler, layout, alias, column, leaf, decided)
    return decided


# -- native translations: None means "not here" ------------------------------------------------------


def _kind_fits(rules: Dialect, column: Column, kind: Any) -> bool:
    """Whether a value of a kind can equal, or be compared with, one of the column's."""
    own = _KIND_OF_TYPE[column.field.type]
    return bool(kind == own or (rules.bool_is_number and kind in _NUMERIC and own in _NUMERIC))


def _converter(
    rules: Dialect, column: Column, parameter: Parameter
) -> tuple[bool, Callable[[Value], Any] | None]:
    """Whether a single argument can equal a value of the column, and how it is stored."""
    kind = parameter.kind
    if not _kind_fits(rules, column, kind):
        return False, None
    if kind == "date":
        return True, date_to_ms
    if kind == "pointer":
        return _pointer_converter(column, parameter.detail)
    return True, None


def _bare_id(rules: Dialect, column: Column, kind: Any) -> bool:
    """Whether a pointer is compared with a plain string, which only the matcher knows how to do."""
    return rules.typed_fields_as_stored and column.field.type == "Pointer" and bool(kind == "string")


def _pointer_converter(column: Column, class_name: str) -> tuple[bool, Callable[[Value], Any] | None]:
    target = column.field.target
    if target is None:
        return True, qualified_id
    return target == class_name, object_id


def _is_null(node: exp.Expression) -> exp.Expression:
    return exp.Is(this=node, expression=exp.Null())


def _is_not_null(node: exp.Expression) -> exp.Expression:
    return exp.Not(this=_is_null(node))


def _equal(
    compiler: Compiler, layout: ClassLayout, alias: str, column: Column, leaf: PlanLeaf
) -> exp.Expression | None:
    cell = nodes.column(column.name, alias)
    negative = leaf.op == "$ne"
    kind, rules = leaf.parameter.kind, compiler.rules
    if kind == "null":
        if rules.null_equals_missing:
            return _is_not_null(cell) if negative else _is_null(cell)
        null = holds_null(layout, alias, column)
        return nodes.not_true(null) if negative else null
    if kind not in _SCALARS or _bare_id(rules, column, kind):
        return None
    possible, convert = _converter(rules, column, leaf.parameter)
    if not possible:
        return exp.Boolean(this=negative)
    bound = compiler.bind(leaf.parameter.index, convert)
    return exp.NullSafeNEQ(this=cell, expression=bound) if negative else exp.EQ(this=cell, expression=bound)


def _compare(
    compiler: Compiler, layout: ClassLayout, alias: str, column: Column, leaf: PlanLeaf
) -> exp.Expression | None:
    kind, rules = leaf.parameter.kind, compiler.rules
    if kind not in _SCALARS or _bare_id(rules, column, kind):
        return None
    possible, convert = _converter(rules, column, leaf.parameter)
    if not possible and kind == "pointer" and rules.typed_fields_as_stored:
        return _compare_with_text_of_pointer(compiler, alias, column, leaf)
    if not possible:
        return None if rules.mismatch_raises else exp.Boolean(this=False)
    if kind == "string" and rules.string_order != "code-point":
        return _compare_text(compiler, layout, alias, column, leaf)
    cell = nodes.column(column.name, alias)
    return _COMPARISONS[leaf.op](this=cell, expression=compiler.bind(leaf.parameter.index, convert))


def _compare_with_text_of_pointer(
    compiler: Compiler, alias: str, column: Column, leaf: PlanLeaf
) -> exp.Expression:
    """A pointer of another class than the field's, or to a field of texts: ``Class$id`` is compared as a text."""
    cell = nodes.column(column.name, alias)
    target = column.field.target
    if column.field.type == "String":
        return _COMPARISONS[leaf.op](this=cell, expression=compiler.bind(leaf.parameter.index, qualified_id))
    if column.field.type != "Pointer" or target is None:
        return exp.Boolean(this=False)
    # the classes decide: one text is not the beginning of the other
    before = f"{target}$" < f"{leaf.parameter.detail}$"
    holds = before == (leaf.op in ("$lt", "$lte"))
    return _is_not_null(cell) if holds else exp.Boolean(this=False)


def _compare_text(
    compiler: Compiler, layout: ClassLayout, alias: str, column: Column, leaf: PlanLeaf
) -> exp.Expression:
    """Texts in another order than SQLite's: an index narrows from below, the matcher decides.

    Every order keeps ASCII where it is, so what comes before the bound's ASCII prefix in one comes before it in all.
    """
    decided = residual(compiler, layout, alias, column, leaf, ())
    if leaf.op not in ("$gt", "$gte"):
        return decided
    low = compiler.bind(leaf.parameter.index, ascii_prefix)
    return nodes.all_of([exp.GTE(this=nodes.column(column.name, alias), expression=low), decided])


def _in_list(
    compiler: Compiler, layout: ClassLayout, alias: str, column: Column, leaf: PlanLeaf
) -> exp.Expression | None:
    kinds, arity = leaf.parameter.detail
    rules = compiler.rules
    fitting = [kind for kind in kinds if _list_kind_fits(rules, column, kind)]
    if "array" in kinds or "regex" in kinds or any(_bare_id(rules, column, kind) for kind in kinds):
        return None  # MongoTransform flattens nested lists: the matcher's affair
    long = arity > _INLINE_LIST
    if long and column.field.type not in ("String", "Pointer", "Date"):
        return None  # a number's text in JSON is not its value to the last bit
    cell = nodes.column(column.name, alias)
    parts: list[exp.Expression] = []
    if "null" in kinds:
        parts.append(_equals_null(rules, layout, alias, column))
    if fitting:
        pick = Picker(column.field.type, column.field.target, rules.bool_is_number)
        if long:
            parts.append(exp.In(this=cell, query=exp.Subquery(this=_bound_list(compiler, leaf, pick))))
        else:
            bound = [compiler.bind(leaf.parameter.index, Picked(pick, position)) for position in range(arity)]
            parts.append(exp.In(this=cell, expressions=bound))
    if not parts:
        return exp.Boolean(this=leaf.op == "$nin")
    found = nodes.any_of(parts)
    return nodes.not_true(found) if leaf.op == "$nin" else found


def _bound_list(compiler: Compiler, leaf: PlanLeaf, pick: Callable[[Value], Any]) -> exp.Expression:
    """A whole list bound as one JSON text."""

    alias = compiler.alias()
    rows = nodes.call("json_each", compiler.bind(leaf.parameter.index, ListText(pick)))
    source = exp.Table(this=rows, alias=exp.TableAlias(this=exp.Identifier(this=alias, quoted=True)))
    return nodes.select([nodes.column("value", alias)], source)


def _list_kind_fits(rules: Dialect, column: Column, kind: Any) -> bool:
    if isinstance(kind, tuple):
        return column.field.type == "Pointer" and column.field.target in (None, kind[1])
    return bool(kind != "pointer" and _kind_fits(rules, column, kind))


def _regex(
    compiler: Compiler, layout: ClassLayout, alias: str, column: Column, leaf: PlanLeaf
) -> exp.Expression | None:
    if column.field.type != "String" or leaf.parameter.detail == "free":
        return None
    cell = nodes.column(column.name, alias)
    index = leaf.parameter.index
    low = exp.GTE(this=cell, expression=compiler.bind(index, prefix_low))
    high = exp.LT(this=cell.copy(), expression=compiler.bind(index, prefix_high))
    parts: list[exp.Expression] = [low, high]
    if leaf.parameter.detail != "prefix":
        parts.append(residual(compiler, layout, alias, column, leaf, ()))
    return nodes.all_of(parts)


def _in_query(
    compiler: Compiler, _layout: ClassLayout, alias: str, column: Column, leaf: PlanLeaf
) -> exp.Expression | None:
    plan, key = leaf.parameter.detail
    assert isinstance(plan, PlanQuery)
    if column.field.type != "Pointer" or key is not None or column.field.target is None:
        return None
    negative = leaf.op == "$notInQuery"
    inner = compiler.ids(plan) if plan.class_name == column.field.target else None
    if inner is None:
        return exp.Boolean(this=negative)
    found = exp.In(this=nodes.column(column.name, alias), query=exp.Subquery(this=inner))
    return nodes.not_true(found) if negative else found


_NATIVE: Final[dict[str, _Translate]] = {
    "$eq": _equal,
    "$ne": _equal,
    "$lt": _compare,
    "$lte": _compare,
    "$gt": _compare,
    "$gte": _compare,
    "$in": _in_list,
    "$nin": _in_list,
    "$regex": _regex,
    "$inQuery": _in_query,
    "$notInQuery": _in_query,
}


# -- presence and relations --------------------------------------------------------------------------


def _exists(
    compiler: Compiler, layout: ClassLayout, alias: str, column: Column, leaf: PlanLeaf
) -> exp.Expression:
    if not column.names:
        return exp.Boolean(this=bool(leaf.parameter.detail))
    present = _is_not_null(nodes.column(column.name, alias))
    if compiler.rules.null_exists and column.key in layout.null_keys:
        present = nodes.any_of([present, holds_null(layout, alias, column)])
    return present if leaf.parameter.detail else nodes.not_true(present)


def _equals_null(rules: Dialect, layout: ClassLayout, alias: str, column: Column) -> exp.Expression:
    if rules.null_equals_missing:
        return _is_null(nodes.column(column.name, alias))
    return holds_null(layout, alias, column)


def _member_ids(
    compiler: Compiler, table: str, wanted: str, given: str, bound: exp.Expression | list[exp.Expression]
) -> exp.Expression:
    alias = compiler.alias()
    cell = nodes.column(given, alias)
    where: exp.Expression = (
        exp.In(this=cell, expressions=bound)
        if isinstance(bound, list)
        else exp.EQ(this=cell, expression=bound)
    )
    return nodes.select([nodes.column(wanted, alias)], nodes.table(table, alias), where)


def _related_to(compiler: Compiler, alias: str, leaf: PlanLeaf) -> exp.Expression:
    class_name, key = leaf.parameter.detail
    owner = compiler.layout(class_name)
    column = None if owner is None else owner.columns.get(key)
    if column is None or column.field.type != "Relation":
        return exp.Boolean(this=False)
    bound = compiler.bind(leaf.parameter.index)
    ids = _member_ids(compiler, join_table(class_name, key), "relatedId", "owningId", bound)
    return exp.In(this=nodes.column("objectId", alias), query=exp.Subquery(this=ids))


def _relation_field(compiler: Compiler, layout: ClassLayout, alias: str, leaf: PlanLeaf) -> exp.Expression:
    """A relation used as a constraint: rows whose relation holds the pointer (parse_server.md Q17)."""
    parameter = leaf.parameter
    if parameter.kind == "query":
        raise NeedsResults
    index = parameter.index
    bound: exp.Expression | list[exp.Expression]
    if leaf.op in ("$eq", "$ne") and parameter.kind == "pointer":
        bound = compiler.bind(index, object_id)
    elif leaf.op in ("$in", "$nin") and parameter.kind == "list":
        arity = parameter.detail[1]
        bound = [compiler.bind(index, Picked(pointer_id, position)) for position in range(arity)]
    elif leaf.op == "$ne" and parameter.kind in ("string", "number", "boolean"):
        return compiler.bind(index, truth)  # reduceInRelation tells operators by the truth of their arguments
    else:
        return exp.Boolean(this=leaf.op == "$ne" and parameter.kind != "null")
    ids = _member_ids(compiler, join_table(layout.class_name, leaf.key), "owningId", "relatedId", bound)
    found = exp.In(this=nodes.column("objectId", alias), query=exp.Subquery(this=ids))
    return nodes.not_true(found) if leaf.op in ("$ne", "$nin") else found
