"""The rules on which the two dialects differ, in words, and which of them a difference is owed to.

A rule is an attribute of ``Dialect``. Whom to blame is found by trial, not by knowledge: the same
conditions are evaluated with the server's rules and one rule of the local datastore put in its place; the
rule that turns the server's verdict into the local one is responsible. Where no single rule does, the
smallest set that cannot lose a member is.

Not said here: what a rule does (the matcher's families say that), what to evaluate (``lint``, ``compare``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias, final

from parsekit import attrs
from parsekit.errors import ParseError
from parsekit.query.ast import Node
from parsekit.query.dialect import Dialect
from parsekit.query.matcher import Lookup, Predicate, compile_predicate
from parsekit.values import Value

__all__ = ["RULES", "LookupOf", "RuleText", "Trial", "Verdict", "differing_rules", "with_rules"]

LookupOf: TypeAlias = Callable[[Dialect], Lookup | None]
"""The lookup of a query under given rules: sub-queries run under the rules of the query around them."""


class RuleText(NamedTuple):
    """A rule in words: what the server does, what the local datastore does, where that is written down."""

    server: str
    local: str
    source: str


RULES: Final[dict[str, RuleText]] = {
    "null_equals_missing": RuleText("a missing key equals null", "a missing key equals nothing", "D1-D3"),
    "null_exists": RuleText("a stored null exists", "a stored null does not exist", "D4"),
    "bool_is_number": RuleText("booleans are no numbers", "true is 1 and false is 0", "D5"),
    "mismatch_raises": RuleText(
        "a value of another type does not match",
        "a value of another type fails the whole query (102)",
        "D6-D8",
    ),
    "key_order_matters": RuleText("the order of an object's keys counts", "it does not count", "D44"),
    "array_matches_whole": RuleText(
        "an array is tested as a whole and by its elements", "only its elements are tested", "D43"
    ),
    "in_flattens": RuleText("arrays inside $in and $nin are flattened", "they are compared whole", "D43"),
    "all_needs_array": RuleText(
        "a scalar counts as an array of one", "anything but an array fails the whole query (102)", "D11, D12"
    ),
    "empty_all_matches": RuleText("an empty $all matches nothing", "it matches every array", "D13"),
    "contained_by_needs_array": RuleText(
        "null and scalars match $containedBy", "they fail the whole query (102)", "D14"
    ),
    "paths": RuleText(
        "dotted keys walk through arrays",
        "they walk through dictionaries, all else fails the query (102)",
        "D15-D17",
    ),
    "typed_fields_as_stored": RuleText(
        "typed fields are compared as MongoDB stores them", "they are compared as they are", "MongoTransform"
    ),
    "regex_flavor": RuleText("patterns are PCRE", "patterns are ICU", "D10"),
    "regex_options": RuleText("the options are i, m, x, s and u", "the options are i, m, x and s", "D10"),
    "invalid_regex_raises": RuleText("a bad pattern fails the query", "a bad pattern matches nothing", "D9"),
    "empty_regex_matches": RuleText("the empty pattern matches every text", "it matches nothing", "D9"),
    "string_order": RuleText("texts order by code point", "by canonical equivalence and UTF-16 units", "D42"),
    "box_rule": RuleText(
        "a box with swapped corners is put right", "it fails the query, as do boxes over the dateline", "D19"
    ),
    "missing_is_origin": RuleText("a missing point is in no box", "a missing point lies at (0, 0)", "D18"),
    "near_tests_type": RuleText("only points are near", "without a distance any value but null is", "D20"),
    "unsupported_operators": RuleText("the operator works", "it fails the query (102)", "D21"),
    "missing_first": RuleText(
        "missing values come first in ascending order", "they come last in ascending order", "D23"
    ),
    "unordered_values_raise": RuleText(
        "values of all kinds have an order", "null, mixed types, arrays and objects end the app", "D24, D25"
    ),
    "ties_follow_order": RuleText(
        "ties fall in the direction of the first order key", "ties fall in insertion order", "law L2"
    ),
    "simple_order_keys": RuleText("dotted order keys work", "they end the app", "D26"),
    "near_beats_order": RuleText(
        "an explicit order replaces the order by distance", "distance comes first", "D20"
    ),
    "default_limit": RuleText("a query without a limit returns 100 objects", "it returns all", "D27"),
    "subquery_pages": RuleText(
        "order, skip and limit of a sub-query do not count", "they do, and so may change what matches", "D37"
    ),
    "select_reads_wire": RuleText(
        "a key that a result lacks counts as null, an array by its elements",
        "such values match nothing",
        "D38",
    ),
    "roles_grant": RuleText("roles in an ACL count", "roles are not evaluated", "D33"),
    "projects": RuleText("select and exclude take effect", "whole objects come back", "D30"),
    "include_may_fail": RuleText(
        "an include that leads nowhere drops the key", "it fails the whole find (120)", "D32"
    ),
    "include_all": RuleText("include_all includes every pointer", "it does nothing", "D31"),
    "known_objects": RuleText(
        "a relation's members are the stored ones", "only those added or fetched on this device count", "D40"
    ),
}
"""Rule -> its words. The last two are properties of the stores, not attributes of ``Dialect``."""

_NO_RULES: Final = frozenset({"name", "regex_time_limit_s"})


def differing_rules(server: Dialect, local: Dialect) -> tuple[str, ...]:
    """The rules on which two dialects differ."""
    names = (field.name for field in attrs.fields(Dialect) if field.name not in _NO_RULES)
    return tuple(name for name in names if getattr(server, name) != getattr(local, name))


def with_rules(server: Dialect, local: Dialect, names: Iterable[str]) -> Dialect:
    """``server`` with the rules ``names`` as in ``local``."""
    return attrs.evolve(server, **{name: getattr(local, name) for name in names})


class Verdict(NamedTuple):
    """What conditions say about one object. A failure is a failure whatever its words."""

    matches: bool
    fails: bool

    def __str__(self) -> str:
        return "fails the query" if self.fails else "matches" if self.matches else "does not match"


@final
class Trial:
    """Conditions, tried on objects under any mixture of two dialects' rules."""

    def __init__(
        self,
        where: Node,
        lookup_of: LookupOf,
        server: Dialect = Dialect.SERVER,
        local: Dialect = Dialect.IOS_LOCAL,
    ) -> None:
        self._where = where
        self._lookup_of = lookup_of
        self._server = server
        self._local = local
        self._rules = differing_rules(server, local)
        self._predicates: dict[frozenset[str], Predicate | ParseError] = {}
        self._all = frozenset(self._rules)

    def _predicate(self, names: frozenset[str]) -> Predicate | ParseError:
        found = self._predicates.get(names)
        if found is None:
            rules = with_rules(self._server, self._local, names)
            try:
                found = compile_predicate(self._where, rules, self._lookup_of(rules))
            except ParseError as error:
                found = error
            self._predicates[names] = found
        return found

    def _verdict(self, candidate: Mapping[str, Value], names: frozenset[str]) -> Verdict:
        predicate = self._predicate(names)
        if isinstance(predicate, ParseError):
            return Verdict(False, True)
        try:
            return Verdict(predicate(candidate), False)
        except ParseError:
            return Verdict(False, True)

    def verdicts(self, candidate: Mapping[str, Value]) -> tuple[Verdict, Verdict]:
        """What the server and what the local datastore says about an object."""
        return self._verdict(candidate, frozenset()), self._verdict(candidate, self._all)

    def responsible(self, candidate: Mapping[str, Value]) -> tuple[str, ...]:
        """The rules to which the difference about an object is owed; empty when there is none."""
        server, local = self.verdicts(candidate)
        if server == local:
            return ()
        single = [name for name in self._rules if self._verdict(candidate, frozenset({name})) == local]
        if single:
            return tuple(single)
        needed = set(self._rules)
        for name in self._rules:
            if self._verdict(candidate, frozenset(needed - {name})) == local:
                needed.discard(name)
        return tuple(name for name in self._rules if name in needed)
