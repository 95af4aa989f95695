"""Queries whose result depends on other objects: sub-queries, ``$select``, relations.

Whether an object is in such a result cannot be told from its images alone, so a ``Dependent`` keeps the objectIds of
its result. It belongs to one principal, under whom its sub-queries run. What they found stays with the predicate until
one of the classes changes that it depends on.
"""

from __future__ import annotations

from typing import final

from parsekit.livequery.groups import Audience
from parsekit.livequery.rights import Rights
from parsekit.query.ast import Node
from parsekit.query.dialect import Dialect
from parsekit.query.matcher import Lookup, Predicate, compile_predicate
from parsekit.query.state import QueryState

__all__ = ["Dependent"]


@final
class Dependent:
    """One principal's query with conditions on other objects. ``members`` are the objectIds of its result."""

    __slots__ = ("audience", "class_name", "depends", "members", "predicate", "state", "text", "where")

    predicate: Predicate

    def __init__(
        self, text: str, class_name: str, where: Node, depends: frozenset[str], rights: Rights
    ) -> None:
        self.text = text
        self.class_name = class_name
        self.where = where
        self.state = QueryState(class_name, where)
        self.depends = depends
        self.audience = Audience(rights, self)
        self.members: set[str] = set()

    def compile(self, lookup: Lookup) -> None:
        """Forget what the sub-queries found."""
        self.predicate = compile_predicate(self.where, Dialect.SERVER, lookup)
