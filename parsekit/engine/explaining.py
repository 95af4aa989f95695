"""``explain()``: every stage of a query as data that prints readably."""

from __future__ import annotations

from typing import Any, final

import attrs

from parsekit.codec.plain import to_plain
from parsekit.query.ast import Node, describe

__all__ = ["Explanation"]


@final
@attrs.frozen(slots=True)
class Explanation:
    """How a query runs.

    ``where`` is the constraint tree with the permissions of the principal among its conditions, ``shape`` the key under
    which the statement is cached, ``sql`` its text, ``bindings`` the kinds of what is bound, ``sqlite`` SQLite's plan,
    ``in_python`` the constraints that run as the matcher's predicate, ``first`` the sub-queries that run beforehand,
    ``advice`` indexes that would help. ``includes`` counts further statements, one per path and class at least.
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
            ("runs first", self.first),
            ("includes", self.includes),
            ("advice", self.advice),
        ):
            lines += [f"  {name:<11} {item}" for item in items]
        return "\n".join(lines)
