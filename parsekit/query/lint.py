"""What of a query the two dialects can answer differently, told without any data.

Conditions are tried on ``probes`` under both dialects, and each difference is owed to the rules that
``Trial`` finds responsible. Orders are tried on pairs of values in the same way. What an option alone
decides (no limit, a projection, an include) is said as it is.

``compare`` finds no difference where ``lint`` finds none, for objects that hold what their schema allows.
The other direction does not hold: a finding says what can happen, not that it does.

Not covered: who may see which object (``roles_grant``), which depends on ACLs and not on the query.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import product
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

from parsekit import attrs
from parsekit.query.ast import Constraint, KeyOfQuery, Node, RelatedTo, constraints_of
from parsekit.query.dialect import Dialect
from parsekit.query.dialect_rules import RULES, Trial, Verdict
from parsekit.query.keys import INCLUDE_ALL
from parsekit.query.order_trial import order_rules
from parsekit.query.ordering import near_constraint
from parsekit.query.probes import ALWAYS_PRESENT, described, order_values, probes_of
from parsekit.query.regex import literal_prefix
from parsekit.query.state import OrderKey, QueryState
from parsekit.values import Pointer, Value

if TYPE_CHECKING:
    from parsekit.schema import Schema

__all__ = ["Finding", "TypeOf", "lint", "types_of"]

TypeOf: TypeAlias = Callable[[str, str], str | None]
"""Class and key -> the type of the field (``"String"``, ...), ``None`` for an unknown one."""

_NOW: Final = datetime(2024, 3, 1, tzinfo=UTC)


@final
@attrs.frozen(slots=True)
class Finding:
    """One way in which the dialects can disagree about a query.

    ``rules`` names the attributes of ``Dialect`` responsible, ``place`` the constraint or option (``"amount
    $lt"``, ``"order by -amount"``), ``when`` what data it takes (empty: any), ``server`` and ``local`` what
    each does then.
    """

    rules: tuple[str, ...]
    place: str
    when: tuple[str, ...]
    server: str
    local: str

    @property
    def message(self) -> str:
        """The finding as a sentence."""
        condition = f", where {_either(self.when)}" if self.when else ""
        answers = f"server: {self.server}; iOS local datastore: {self.local}"
        return f"{self.place}{condition}: {answers} ({', '.join(self.rules)})"

    def __str__(self) -> str:
        return self.message


def _either(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def types_of(schema: Schema) -> TypeOf:
    """The field types of a schema for ``lint``."""

    def type_of(class_name: str, key: str) -> str | None:
        described = schema.get(class_name)
        field = None if described is None else described.fields.get(key)
        return None if field is None else field.type

    return type_of


def lint(state: QueryState, type_of: TypeOf | None = None) -> list[Finding]:
    """What of a query Parse Server and the iOS local datastore can answer differently.

    >>> from parsekit.query.state import QueryState
    >>> query = QueryState("Deal", Constraint("stage", "$exists", True), limit=10)
    >>> [finding.rules for finding in lint(query)]
    [('null_exists',)]
    """
    known = type_of or _unknown
    leaves = _leaves(state.where)
    found = [finding for leaf in leaves for finding in _lint_leaf(leaf, state.class_name, known)]
    return [*found, *_lint_order(state, known), *_lint_options(state)]


def _unknown(class_name: str, key: str) -> None:  # noqa: ARG001 - a TypeOf that knows nothing
    return None


def _leaves(where: Node) -> list[Constraint]:
    unique: list[Constraint] = []
    for leaf in constraints_of(where):
        if leaf not in unique:
            unique.append(leaf)
    return unique


# -- conditions ----------------------------------------------------------------------------------


@attrs.frozen(slots=True)
class _ProbeLookup:
    """Answers sub-queries with one object that the probes can point to, under every rule."""

    results: tuple[dict[str, Value], ...] = ()
    relation: str = ""

    def find(self, query: QueryState) -> Sequence[Mapping[str, Value]]:
        return [{"objectId": "probe", "className": query.class_name, **row} for row in self.results or ({},)]

    def related_ids(self, owner: Pointer, key: str) -> Collection[str]:  # noqa: ARG002
        return ("probe",)

    def owner_ids(self, key: str, members: Sequence[str]) -> Collection[str]:  # noqa: ARG002
        return ("probe",)

    def is_relation(self, key: str) -> bool:
        return bool(key) and key == self.relation

    def readable(self, acl: Mapping[str, Value] | None) -> bool:  # noqa: ARG002
        return True

    def writable(self, acl: Mapping[str, Value] | None) -> bool:  # noqa: ARG002
        return True

    def now(self) -> datetime:
        return _NOW


def _lint_leaf(leaf: Constraint, class_name: str, type_of: TypeOf) -> Iterator[Finding]:
    place = f"{leaf.key} {leaf.op}" if leaf.key else leaf.op
    argument = leaf.argument
    if isinstance(argument, RelatedTo):
        yield _plain_finding("known_objects", place)
        return
    inner = argument.query if isinstance(argument, KeyOfQuery) else argument
    if isinstance(inner, QueryState):
        if inner.limit is not None or inner.skip:
            yield _plain_finding("subquery_pages", place)
        for finding in lint(attrs.evolve(inner, order=(), limit=1, include=(), keys=None), type_of):
            yield attrs.evolve(finding, place=f"{place}, sub-query: {finding.place}")
    if leaf.op == "$regex" and not literal_prefix(argument)[1] and not _is_literal(argument):
        yield _plain_finding("regex_flavor", place)
    field_type = type_of(class_name, leaf.key.split(".")[0])
    if field_type == "Relation":
        yield _plain_finding("known_objects", place)
    yield from _grouped(place, _differences(leaf, field_type))


def _is_literal(pattern: Any) -> bool:
    text = pattern.pattern.removeprefix("^")
    return text.startswith("\\Q") and text.endswith("\\E") and "\\E" not in text[:-2] and not pattern.options


def _plain_finding(rule: str, place: str) -> Finding:
    text = RULES[rule]
    return Finding((rule,), place, (), text.server, text.local)


_Difference: TypeAlias = tuple[tuple[str, ...], str, Verdict, Verdict]


def _differences(leaf: Constraint, field_type: str | None) -> Iterator[_Difference]:
    lookup = _lookup_for(leaf, field_type)
    trial = Trial(leaf, lambda _: lookup)
    subject = _probe_argument(leaf)
    for words, row in probes_of(subject, field_type):
        candidate = {"objectId": "probe", "className": "Probe", **row}
        server, local = trial.verdicts(candidate)
        if server != local:
            yield trial.responsible(candidate), words, server, local


def _probe_argument(leaf: Constraint) -> Constraint:
    """The leaf with an argument that probes can be made from; a sub-query's are what it would give."""
    if isinstance(leaf.argument, QueryState):
        return attrs.evolve(leaf, op="$in", argument=(Pointer(leaf.argument.class_name, "probe"),))
    if isinstance(leaf.argument, KeyOfQuery):
        return attrs.evolve(leaf, op="$in", argument=("probe", 1, _NOW))
    return leaf


def _lookup_for(leaf: Constraint, field_type: str | None) -> _ProbeLookup:
    relation = leaf.key if field_type == "Relation" else ""
    if not isinstance(leaf.argument, KeyOfQuery):
        return _ProbeLookup(relation=relation)
    first, *rest = leaf.argument.key.split(".")
    results: list[dict[str, Value]] = [{}, {first: None}]
    for value in ("probe", 1, _NOW, ["probe", "a"], {"k": "probe"}, True):
        nested: Value = value
        for part in reversed(rest):
            nested = {part: nested}
        results.append({first: nested})
    return _ProbeLookup(tuple(results), relation)


def _grouped(place: str, differences: Iterable[_Difference]) -> Iterator[Finding]:
    groups: dict[tuple[tuple[str, ...], Verdict, Verdict], dict[str, None]] = {}
    for rules, words, server, local in differences:
        groups.setdefault((rules, server, local), {})[words] = None
    for (rules, server, local), when in groups.items():
        yield Finding(rules, place, tuple(when), str(server), str(local))


# -- order and options ---------------------------------------------------------------------------


def _lint_order(state: QueryState, type_of: TypeOf) -> Iterator[Finding]:
    if not state.order:
        return
    if near_constraint(state.where) is not None:
        yield _plain_finding("near_beats_order", "order")
    named: dict[tuple[str, ...], None] = {}
    for item in state.order:
        place = f"order by {'-' if item.descending else ''}{item.key}"
        for rules, when in _order_differences(state, item, type_of):
            if rules not in named:
                named[rules] = None
                text = RULES[rules[0]]
                yield Finding(rules, place, when, text.server, text.local)


def _order_differences(
    state: QueryState, item: OrderKey, type_of: TypeOf
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Pairs of objects that differ in one order key; for the first key also objects that tie in all."""
    key, order = item.key, state.order
    values = order_values(type_of(state.class_name, key)) if key != "objectId" else ["a", "b"]
    rows: list[dict[str, Value]] = [{key: value} for value in values]
    if item is order[0] and all(other.key != "objectId" for other in order):
        same: dict[str, Value] = {other.key: True for other in order}
        rules = order_rules([same, same], order)
        if rules:
            yield rules, ("objects tie",)
    if key not in ALWAYS_PRESENT:
        rows = [{}, {key: None}, *rows]
    for left, right in product(rows, rows):
        rules = order_rules([left, right], (item,))
        if rules and rules != ("ties_follow_order",):
            yield rules, tuple(dict.fromkeys(f"`{key}` is {described(row, key)}" for row in (left, right)))


def _lint_options(state: QueryState) -> Iterator[Finding]:
    if state.limit is None and Dialect.SERVER.default_limit != Dialect.IOS_LOCAL.default_limit:
        yield _plain_finding("default_limit", "no limit")
    if state.keys is not None or state.exclude_keys:
        yield _plain_finding("projects", "select_keys" if state.keys is not None else "exclude_keys")
    if "*" in state.include or INCLUDE_ALL in state.include:
        yield _plain_finding("include_all", "include_all")
    if any(path not in ("*", INCLUDE_ALL) for path in state.include):
        yield _plain_finding("include_may_fail", "include_key")
