"""Compiled statements by the shape of their query.

A shape names its dialect, where it is another one than the store's. A hit does no sqlglot work at all; that module is
imported on the first miss. The cache belongs to one catalog snapshot: when the schema changes, it starts anew. Turning
it off changes no answer (law L8).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from parsekit.query.plan import Shape, plan_of

if TYPE_CHECKING:
    from parsekit.query.dialect import Dialect
    from parsekit.storage.binding import Compiled
    from parsekit.storage.catalog import Catalog
    from parsekit.storage.grouping import Grouping
    from parsekit.storage.kept_plans import KeptPlans

__all__ = ["NeedsResults", "PlanCache"]

_CAPACITY: Final = 2000
_UNKNOWN: Final = object()


class NeedsResults(Exception):  # noqa: N818 - a signal, not an error that a caller sees
    """A sub-query of the plan has no native form: run it first and put its results in its place."""


class PlanCache:
    """The statements of one catalog snapshot, least recently compiled out first."""

    def __init__(
        self, catalog: Catalog, rules: Dialect, *, enabled: bool = True, kept: KeptPlans | None = None
    ) -> None:
        self.catalog = catalog
        self.kept = kept
        """What the file keeps of these statements, ``None`` for a catalog that is not committed."""
        self._rules = rules
        self._enabled = enabled
        self._statements: OrderedDict[Shape, Compiled | None] = OrderedDict()
        self.misses = 0

    @property
    def is_enabled(self) -> bool:
        """Whether statements are kept at all."""
        return self._enabled

    def for_same_layouts(self, catalog: Catalog) -> PlanCache:
        """A cache with the same statements for a catalog that differs in its generation only."""
        twin = PlanCache(catalog, self._rules, enabled=self._enabled, kept=self.kept)
        twin._statements = self._statements
        return twin

    def statement(self, shape: Shape) -> Compiled:
        """The statement for a shape, compiled when it is new."""
        found = self._statements.get(shape, _UNKNOWN)
        if found is _UNKNOWN:
            return self._compile(shape)
        if found is None:
            raise NeedsResults
        return found  # type: ignore[return-value]

    def grouped(self, shape: Shape, grouping: Grouping) -> Compiled:
        """The statement of a grouping over what ``shape`` finds, compiled when it is new."""
        place: Shape = ("group", grouping, shape)
        found = self._statements.get(place)
        if found is None:
            self.misses += 1
            found = self._kept(place) or self._compile_grouping(place, shape, grouping)
            if self._enabled:
                self._statements[place] = found
        return found

    def _compile_grouping(self, place: Shape, shape: Shape, grouping: Grouping) -> Compiled:
        from parsekit.storage.compiler import Compiler

        plan = plan_of(shape)
        compiler = Compiler(self.catalog.layout, plan.rules or self._rules)
        compiled = compiler.compile_grouping(plan, grouping)
        if self.kept is not None:
            self.kept.keep(place, compiled)
        return compiled

    def _kept(self, shape: Shape) -> Compiled | None:
        return None if self.kept is None else self.kept.statement(shape, self.catalog.generation)

    def _compile(self, shape: Shape) -> Compiled:
        self.misses += 1
        compiled = self._kept(shape)
        if compiled is None:
            from parsekit.storage.compiler import Compiler

            try:
                plan = plan_of(shape)
                compiled = Compiler(self.catalog.layout, plan.rules or self._rules).compile(plan)
            except NeedsResults:
                self._statements[shape] = None
                raise
            if self.kept is not None:
                self.kept.keep(shape, compiled)
        if self._enabled:
            self._statements[shape] = compiled
            if len(self._statements) > _CAPACITY:
                self._statements.popitem(last=False)
        return compiled
