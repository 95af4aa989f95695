"""Running one query under both dialects over the same objects, and saying where and why the answers differ.

Three things can differ: which objects match (each disagreement is owed to rules by ``Trial``), their order
(``order_rules``), and how many come back (the default limit). An object that fails the query on iOS fails
it for all objects, so the comparison goes on past it and says what every object alone would have done.

Objects are given in insertion order, as plain mappings. The engine's glue is ``engine.comparing``, the one
for tests ``parsekit.testing``. ``lint`` says the same without data, for all data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar, final

from parsekit import attrs
from parsekit.errors import ParseError
from parsekit.query.ast import Constraint, Node, constraints_of
from parsekit.query.dialect import Dialect
from parsekit.query.dialect_rules import RULES, LookupOf, Trial, Verdict
from parsekit.query.evaluate import find_objects
from parsekit.query.lint import Finding, lint
from parsekit.query.matcher import Lookup
from parsekit.query.order_trial import order_rules
from parsekit.query.state import QueryState
from parsekit.query.where import NO_LIMIT
from parsekit.values import MISSING, Value

__all__ = [
    "Answer",
    "DialectComparison",
    "Difference",
    "Disagreement",
    "Finding",
    "compare",
    "lint",
    "sub_results",
]

Row = TypeVar("Row", bound=Mapping[str, Value])


@final
@attrs.frozen(slots=True)
class Answer:
    """What one dialect answers: the objectIds in order, or the error that the whole find ends with."""

    object_ids: tuple[str, ...]
    error: ParseError | None = None

    def __str__(self) -> str:
        return (
            f"{len(self.object_ids)} found"
            if self.error is None
            else f"error {self.error.code}: {self.error}"
        )


@final
@attrs.frozen(slots=True)
class Disagreement:
    """One object about which the dialects disagree, and why.

    ``constraints`` are the leaves (``"stage $ne"``) that alone come out differently; empty when only
    together.
    """

    object_id: str
    server: Verdict
    local: Verdict
    rules: tuple[str, ...]
    constraints: tuple[str, ...]


@final
@attrs.frozen(slots=True)
class Difference:
    """One reason for which the answers differ, with the objects concerned."""

    rules: tuple[str, ...]
    message: str
    object_ids: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.message} ({', '.join(self.rules)})"


@final
@attrs.frozen(slots=True)
class DialectComparison:
    """How Parse Server and the iOS local datastore answer one query. ``print()`` it."""

    class_name: str
    server: Answer
    local: Answer
    disagreements: tuple[Disagreement, ...]
    differences: tuple[Difference, ...]
    counted: int

    @property
    def same(self) -> bool:
        """Whether both give the same objects in the same order, and no object by itself is in dispute."""
        return not self.differences and self.server.object_ids == self.local.object_ids

    def __str__(self) -> str:
        lines = [
            f"{_objects(self.class_name, self.counted)} compared",
            f"  server               {self.server}",
            f"  iOS local datastore  {self.local}",
        ]
        lines += [f"  {difference}" for difference in self.differences]
        return "\n".join(lines if self.differences else [*lines, "  no difference"])


def compare(
    objects: Iterable[Row],
    state: QueryState,
    lookup_of: LookupOf = lambda _: None,
    *,
    server: Dialect = Dialect.SERVER,
    local: Dialect = Dialect.IOS_LOCAL,
) -> DialectComparison:
    """Evaluate ``state`` over ``objects`` under both dialects.

    Args:
        objects: all objects of the class, in insertion order; ``objectId`` names them in the answer.
        state: the query. Projections and includes do not count; ``lint`` speaks of them.
        lookup_of: what sub-queries, relations and ACL tests need, made for given rules.
        server: the server's rules, for instance with another default limit.
        local: the local datastore's rules.
    """
    rows = list(objects)
    trial = Trial(state.where, lookup_of, server, local)
    leaves = [(leaf, Trial(leaf, lookup_of, server, local)) for leaf in _leaves(state.where)]
    disagreements: list[Disagreement] = []
    common: list[Row] = []
    for place, row in enumerate(rows):
        there, here = trial.verdicts(row)
        if there != here:
            rules = trial.responsible(row)
            disagreements.append(Disagreement(_name(row, place), there, here, rules, _decisive(row, leaves)))
        elif there.matches:
            common.append(row)
    differences = (
        *_membership(state, disagreements),
        *_order(state, common, server, local),
        *_page(state, common, server, local),
    )
    return DialectComparison(
        state.class_name,
        _answer(rows, state, lookup_of, server),
        _answer(rows, state, lookup_of, local),
        tuple(disagreements),
        differences,
        len(rows),
    )


def sub_results(rows: Iterable[Row], query: QueryState, rules: Dialect, lookup: Lookup | None) -> list[Row]:
    """The results of a sub-query under given rules, for a ``Lookup``; no default limit applies."""
    if not rules.subquery_pages:
        query = attrs.evolve(query, order=(), skip=0, limit=None)
    limit = NO_LIMIT if query.limit is None else query.limit
    return find_objects(rows, attrs.evolve(query, dialect=rules, limit=limit), lookup)


def _leaves(where: Node) -> Iterator[Constraint]:
    seen: list[Constraint] = []
    for leaf in constraints_of(where):
        if leaf not in seen:
            seen.append(leaf)
            yield leaf


def _name(row: Mapping[str, Value], place: int) -> str:
    name = row.get("objectId")
    return name if isinstance(name, str) else f"#{place}"


def _decisive(row: Mapping[str, Value], leaves: Sequence[tuple[Constraint, Trial]]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for leaf, trial in leaves:
        there, here = trial.verdicts(row)
        if there != here:
            found[f"{leaf.key} {leaf.op}".strip()] = None
    return tuple(found)


def _answer(rows: Sequence[Row], state: QueryState, lookup_of: LookupOf, rules: Dialect) -> Answer:
    try:
        numbered = list(enumerate(rows))
        places = {id(row): place for place, row in numbered}
        found = find_objects(rows, attrs.evolve(state, dialect=rules), lookup_of(rules))
    except ParseError as error:
        return Answer((), error)
    return Answer(tuple(_name(row, places[id(row)]) for row in found))


# -- reasons -------------------------------------------------------------------------------------


def _objects(class_name: str, count: int) -> str:
    """``"3 deals"``: a count of objects in words."""
    noun = class_name.lstrip("_").lower()
    if count != 1:
        if noun.endswith("y") and noun[-2:-1] not in "aeiou":
            noun = f"{noun[:-1]}ies"
        else:
            noun += "es" if noun.endswith(("s", "x", "z", "ch", "sh")) else "s"
    return f"{count} {noun}"


def _membership(state: QueryState, disagreements: Sequence[Disagreement]) -> Iterator[Difference]:
    groups: dict[tuple[tuple[str, ...], tuple[str, ...], Verdict, Verdict], list[str]] = {}
    for item in disagreements:
        groups.setdefault((item.constraints, item.rules, item.server, item.local), []).append(item.object_id)
    for (constraints, rules, there, here), names in groups.items():
        if rules == ("roles_grant",) and not constraints:
            text = f"{_objects(state.class_name, len(names))} readable through a role only"
            yield Difference(
                rules, f"{text}: the server {there}, the iOS local datastore {here}", tuple(names)
            )
            continue
        place = " with ".join(f"`{name}`" for name in constraints) or "the whole query"
        words = "; ".join(f"on the server {RULES[rule].server}, on iOS {RULES[rule].local}" for rule in rules)
        yield Difference(
            rules,
            f"{place} on {_objects(state.class_name, len(names))}: "
            f"the server {there}, the iOS local datastore {here}: {words}",
            tuple(names),
        )


def _order(state: QueryState, common: Sequence[Row], server: Dialect, local: Dialect) -> Iterator[Difference]:
    """The order of the objects that match in both dialects."""
    if not common:
        return
    for rule in order_rules(common, state.order, state.where, server, local):
        if rule == "missing_first":
            yield from _missing(state, common, server)
        else:
            keys = ", ".join(f"`{'-' if item.descending else ''}{item.key}`" for item in state.order)
            text = RULES[rule]
            yield Difference((rule,), f"order by {keys}: on the server {text.server}; on iOS {text.local}")


def _missing(state: QueryState, common: Sequence[Row], server: Dialect) -> Iterator[Difference]:
    for item in state.order:
        names = [_name(row, n) for n, row in enumerate(common) if row.get(item.key, MISSING) is MISSING]
        if names:
            them = "it" if len(names) == 1 else "them"
            there, here = ("first", "last") if server.missing_first != item.descending else ("last", "first")
            yield Difference(
                ("missing_first",),
                f"`{item.key}` is missing on {_objects(state.class_name, len(names))}: "
                f"the server sorts {them} {there}, the iOS local datastore {here}",
                tuple(names),
            )


def _page(state: QueryState, common: Sequence[Row], server: Dialect, local: Dialect) -> Iterator[Difference]:
    limits = [rules.default_limit if state.limit is None else state.limit for rules in (server, local)]
    sizes = [max(0, len(common) - state.skip) if limit is None else limit for limit in limits]
    if state.limit is None and min(sizes) < len(common) - state.skip and sizes[0] != sizes[1]:
        yield Difference(
            ("default_limit",),
            f"{_objects(state.class_name, len(common))} match and the query has no limit: "
            f"the server returns {min(sizes[0], len(common))}, the iOS local datastore {sizes[1]}",
        )
