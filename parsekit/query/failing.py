"""Whether testing or ordering objects can fail a query, told from the kinds of values that its keys can hold.

Under ``Dialect.IOS_LOCAL`` an object that cannot be tested fails the whole query. Where a condition can fail, every
object has to be tested, in insertion order, and an index that never looks at most of them would answer where iOS does
not. Where it cannot, the conditions are a set of objects and nothing else, however it is found.

The kinds are an explicit input (``KindsOf``): a store with a schema knows them from the schema, one without keeps a
census. ``divide`` splits conditions into those that may be looked up and those that must be matched in row order::

    stage $eq "won" and closed $lt <a date> and tags $all ["a"]
      ->  stage $eq, closed $lt  |  tags $all         (an object without tags fails the query)

The answer errs on one side only: what is said not to fail does not (``tests/query/test_failing.py``).

Not said here: what an operator does (``matcher`` and its families), the order itself (``ordering``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final, TypeAlias, final, get_args

from parsekit import attrs
from parsekit.query.ast import ALWAYS, And, Constraint, KeyOfQuery, Node, Nor, Or, RelatedTo, RelativeTime
from parsekit.query.comparison import COMPARISONS
from parsekit.query.dialect import Dialect
from parsekit.query.geo import box_refusal
from parsekit.query.ordering import is_simple_order_key
from parsekit.query.paths import real_key
from parsekit.query.state import OrderKey, QueryState
from parsekit.query.where.local import UnsupportedOperator
from parsekit.values import Kind, kind_of

__all__ = ["ANY_KIND", "Failures", "KindsOf"]

ANY_KIND: Final[frozenset[Kind]] = frozenset(get_args(Kind))
"""What a key holds of which nothing is known."""

KindsOf: TypeAlias = Callable[[str], Collection[Kind] | None]
"""The first component of a key -> the kinds of values that objects hold there, ``missing`` where an object can lack the
key; ``None`` for a key that the store cannot look up at all."""

_ABSENT: Final = frozenset({"null", "missing"})
_COMPARABLE: Final = frozenset({"string", "number", "boolean", "date"})
_NUMERIC: Final = frozenset({"number", "boolean"})
_NEVER_FAIL: Final = frozenset({"$eq", "$ne", "$in", "$nin", "$exists", "$inQuery", "$notInQuery"})


def _any_query_fails(_: QueryState) -> bool:
    return True


def _no_relation_fails(_: RelatedTo) -> bool:
    return False


@final
@attrs.frozen(slots=True)
class Failures:
    """What can fail, under the rules of one dialect, for objects of one class.

    ``sub_query_fails`` says whether a sub-query itself can; by default every one can. ``relation_fails`` says it of the
    owner of a relation; by default none can.
    """

    rules: Dialect
    kinds: KindsOf
    sub_query_fails: Callable[[QueryState], bool] = _any_query_fails
    relation_fails: Callable[[RelatedTo], bool] = _no_relation_fails

    def divide(self, where: Node) -> tuple[Node, Node | None]:
        """The conditions that are tested before the first one that can fail, and the rest (``None``: nothing).

        Both hold for an object exactly if ``where`` does. The first part fails for no object; the rest is to be
        tested in insertion order, on the objects that the first part lets pass.
        """
        conjuncts = list(_conjuncts(where))
        sure = 0
        while sure < len(conjuncts) and not self.condition(conjuncts[sure]):
            sure += 1
        if sure == len(conjuncts):
            return where, None
        return _together(conjuncts[:sure]), _together(conjuncts[sure:])

    def condition(self, node: Node) -> bool:
        """Whether testing some object can fail."""
        if isinstance(node, And | Or | Nor):
            return any(map(self.condition, node.children))
        return isinstance(node, Constraint) and self._leaf(node)

    def order(self, order: Collection[OrderKey]) -> bool:
        """Whether ordering some objects can fail."""
        if self.rules.simple_order_keys and not all(map(is_simple_order_key, order)):
            return True
        return any(map(self._order_key, order))

    def _order_key(self, item: OrderKey) -> bool:
        found = self.kinds(real_key(item.key).partition(".")[0])
        if found is None:
            return True
        if not self.rules.unordered_values_raise:
            return False
        held = frozenset(found) - {"missing"}
        return not any(held <= one_kind for one_kind in (_NUMERIC, {"string"}, {"date"}))

    def _leaf(self, leaf: Constraint) -> bool:
        if leaf.op in self.rules.unsupported_operators or isinstance(leaf.argument, UnsupportedOperator):
            return True
        if leaf.op == "$relatedTo":
            return self.relation_fails(leaf.argument)
        inner = leaf.argument.query if isinstance(leaf.argument, KeyOfQuery) else leaf.argument
        if isinstance(inner, QueryState) and self.sub_query_fails(inner):
            return True
        root, dot, rest = leaf.key.partition(".")
        found = self.kinds(real_key(root))
        if found is None or (dot and not rest):  # a path that ends in a dot is no key
            return True
        held = frozenset(found)
        if not rest:
            return self._test(
                leaf, held - {"relation"}
            )  # a relation is asked by its members, which cannot fail
        if self.rules.paths == "dictionaries" and ("." in rest or not held <= {"object", "missing"}):
            return True
        return self._test(leaf, ANY_KIND)

    def _test(self, leaf: Constraint, held: frozenset[str]) -> bool:
        rules, op, argument = self.rules, leaf.op, leaf.argument
        if op in _NEVER_FAIL:
            return False
        if op in COMPARISONS:
            return rules.mismatch_raises and not held - _ABSENT <= self._compared_with(argument)
        match op:
            case "$all":
                return rules.all_needs_array and not held <= {"array"}
            case "$containedBy":
                return rules.contained_by_needs_array and not held <= {"array", "object", "missing"}
            case "$regex":
                fits = held - _ABSENT <= {"string"} and set(argument.options) <= set(rules.regex_options)
                return rules.mismatch_raises and not fits
            case "$nearSphere":
                limited = rules.near_tests_type or argument.max_distance_radians is not None
                return rules.mismatch_raises and limited and not held - _ABSENT <= {"geopoint"}
            case "$within":
                return self._box(leaf, held)
            case "$select" | "$dontSelect":
                return rules.paths == "dictionaries" and "." in argument.key
        return rules.mismatch_raises

    def _compared_with(self, argument: object) -> frozenset[str]:
        """The kinds that a range operator can compare with its argument."""
        kind = "date" if isinstance(argument, RelativeTime) else kind_of(argument)
        if self.rules.bool_is_number and kind in _NUMERIC:
            return _NUMERIC
        return frozenset({kind}) & _COMPARABLE

    def _box(self, leaf: Constraint, held: frozenset[str]) -> bool:
        if self.rules.box_rule == "checked" and box_refusal(leaf.argument) is not None:
            return True
        tested = {"geopoint", "missing"} if self.rules.missing_is_origin else {"geopoint"}
        return self.rules.mismatch_raises and not held <= tested


def _conjuncts(node: Node) -> Iterator[Node]:
    if isinstance(node, And):
        for child in node.children:
            yield from _conjuncts(child)
    else:
        yield node


def _together(nodes: list[Node]) -> Node:
    if not nodes:
        return ALWAYS
    return nodes[0] if len(nodes) == 1 else And(tuple(nodes))
