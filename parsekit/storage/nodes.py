"""Short constructors for sqlglot nodes: the SQL that parsekit writes, built directly, never parsed.

The fluent builder of sqlglot costs some 350 us a query, these nodes a tenth. Values never appear here: a value is a
placeholder ``:bN`` that ``compiler`` hands out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlglot import exp

__all__ = [
    "all_of",
    "any_of",
    "call",
    "column",
    "not_true",
    "number",
    "render",
    "select",
    "table",
    "text",
]


def column(name: str, alias: str | None = None) -> exp.Expression:
    """A column, qualified by a table alias."""
    qualifier = exp.Identifier(this=alias, quoted=True) if alias else None
    return exp.Column(this=exp.Identifier(this=name, quoted=True), table=qualifier)


def table(name: str, alias: str | None = None) -> exp.Expression:
    """A table, under an alias."""
    label = exp.TableAlias(this=exp.Identifier(this=alias, quoted=True)) if alias else None
    return exp.Table(this=exp.Identifier(this=name, quoted=True), alias=label)


def number(value: int) -> exp.Expression:
    """A constant of the compiler's own (an offset, a length), never a caller's value."""
    return exp.Literal.number(value)


def text(value: str) -> exp.Expression:
    """A constant string of the compiler's own: a class name that passed the schema, a JSON path."""
    return exp.Literal.string(value)


def call(name: str, *arguments: exp.Expression) -> exp.Expression:
    """A function call."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def all_of(parts: Sequence[exp.Expression]) -> exp.Expression:
    """Conjunction; parts are parenthesized where needed."""
    return _chain(exp.And, parts)


def any_of(parts: Sequence[exp.Expression]) -> exp.Expression:
    """Disjunction."""
    return exp.Paren(this=_chain(exp.Or, parts)) if len(parts) > 1 else parts[0]


def _chain(kind: type[exp.Expression], parts: Sequence[exp.Expression]) -> exp.Expression:
    result = parts[0]
    for part in parts[1:]:
        result = kind(this=result, expression=part)
    return result


def not_true(part: exp.Expression) -> exp.Expression:
    """Whether ``part`` is false or unknown: Parse's negation, which SQL's NOT is not."""
    return exp.Paren(this=exp.Not(this=exp.Is(this=exp.Paren(this=part), expression=exp.Boolean(this=True))))


def select(
    columns: Iterable[exp.Expression],
    source: exp.Expression,
    where: exp.Expression | None = None,
    *,
    order: Sequence[exp.Expression] = (),
    limit: exp.Expression | None = None,
    offset: exp.Expression | None = None,
) -> exp.Expression:
    """A SELECT."""
    return exp.Select(
        expressions=list(columns),
        from_=exp.From(this=source),
        where=exp.Where(this=where) if where is not None else None,
        order=exp.Order(expressions=list(order)) if order else None,
        limit=exp.Limit(expression=limit) if limit is not None else None,
        offset=exp.Offset(expression=offset) if offset is not None else None,
    )


def render(node: exp.Expression) -> str:
    """The SQL text."""
    return node.sql(dialect="sqlite", comments=False)
