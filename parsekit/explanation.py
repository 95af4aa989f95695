"""``explain()``: every stage of a query as data that prints readably."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, final

from parsekit import attrs
from parsekit.codec.plain import to_plain
from parsekit.errors import ClassNameError, did_you_mean
from parsekit.query.ast import And, Node, describe
from parsekit.query.dialect import Dialect
from parsekit.query.keys import include_paths

if TYPE_CHECKING:
    from collections.abc import Iterable

    from parsekit.acl.principal import Principal
    from parsekit.query.plan import Shape
    from parsekit.query.state import QueryState
    from parsekit.storage.binding import Compiled
    from parsekit.storage.explain import StatementPlan

__all__ = ["Explanation", "explained", "nothing_to_explain"]

Explained: TypeAlias = "tuple[Compiled, tuple[Any, ...], StatementPlan, bool]"
"""What ``Store.explain`` tells of a statement."""


@final
@attrs.frozen(slots=True)
class Explanation:
    """How a query runs.

    ``where`` is the constraint tree with the permissions of the principal among its conditions, ``shape`` the key under
    which the statement is cached, ``sql`` its text, ``bindings`` the kinds of what is bound, ``sqlite`` SQLite's plan,
    ``in_python`` the constraints that run as the matcher's predicate, ``in_row_order`` what of another dialect's query
    can fail on an object and is therefore tested or sorted object by object after the statement, ``first`` the
    sub-queries that run beforehand, ``advice`` indexes that would help. ``includes`` counts further statements, one per
    path and class at least.
    """

    class_name: str
    dialect: str
    principal: str
    where: Node = attrs.field(metadata={"plain": False})
    shape: tuple[Any, ...] = attrs.field(metadata={"plain": False})
    cached: bool
    sql: str
    bindings: tuple[str, ...]
    sqlite: tuple[str, ...]
    scans: bool
    sorts: bool
    in_python: tuple[str, ...] = ()
    in_row_order: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The explanation as JSON; ``where`` is described, ``shape`` left out."""
        return {**to_plain(self), "where": describe(self.where)}

    def __str__(self) -> str:
        lines = [
            f"{self.class_name} under {self.principal}, dialect {self.dialect}",
            f"  conditions  {describe(self.where)}",
            f"  statement   {self.sql}",
            f"  bound       {', '.join(self.bindings) or 'nothing'}{'  (plan was cached)' if self.cached else ''}",
        ]
        lines += [f"  sqlite      {step}" for step in self.sqlite]
        for name, items in (
            ("in Python", self.in_python),
            ("row by row", self.in_row_order),
            ("runs first", self.first),
            ("includes", self.includes),
            ("advice", self.advice),
        ):
            lines += [f"  {name:<11} {item}" for item in items]
        return "\n".join(lines)


def explained(
    state: QueryState,
    principal: Principal,
    conjunct: Node | None,
    shape: Shape,
    found: Explained,
    *,
    first: tuple[str, ...] = (),
    in_row_order: tuple[str, ...] = (),
) -> Explanation:
    """The explanation of a query whose statement is known; ``conjunct`` is what permissions add to its conditions."""
    compiled, bindings, statement, cached = found
    return Explanation(
        class_name=state.class_name,
        dialect=(state.dialect or Dialect.SERVER).name,
        principal=principal.kind if principal.user_id is None else f"user {principal.user_id}",
        where=state.where if conjunct is None else And((state.where, conjunct)),
        shape=shape,
        cached=cached,
        sql=compiled.sql,
        bindings=tuple(type(item).__name__ for item in bindings),
        sqlite=statement.steps,
        scans=statement.scans,
        sorts=statement.sorts,
        in_python=(*compiled.residual, *compiled.notes),
        in_row_order=in_row_order,
        first=first,
        includes=include_paths(state),
        advice=statement.advice,
    )


def nothing_to_explain(class_name: str, known: Iterable[str]) -> ClassNameError:
    """103 for a class that does not exist."""
    return ClassNameError(
        f"Class {class_name} does not exist.",
        hint=f"there is nothing to explain{did_you_mean(class_name, known)}",
    )
