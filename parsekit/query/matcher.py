"""The meaning of a query's conditions. Nothing else in parsekit says what an operator means.

``compile_test`` gives the test of one stored value: the callable that is registered as an SQL function for
what SQL cannot express. ``compile_predicate`` gives the test of a whole object, as generated code::

    And(stage $eq "won", amount $gt 5)
      ->  lambda o: (v == c0 if (v := o.get('stage', M)).__class__ is str else v is not M and c1(v)) and (...)

The common scalar cases stand in the generated source; everything else calls the operator family's test
(``c1``), so that source and families cannot mean different things: the inline part covers values of exactly
the argument's type. The source holds structure and keys, never a value: values are bound by calling the
factory, which is kept per shape.

Law L1: ``compile_predicate(where)(object)`` holds exactly for the objects that SQL returns.

Families: ``comparison``, ``regex``, ``geo``, ``text``, ``subquery``. Not said here: order (``ordering``),
page (``evaluate``), who may see what (``acl.policy`` puts an ``AclTest`` into the tree).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final, TypeAlias, cast

from parsekit.codec import format_date
from parsekit.errors import EngineError, InvalidQueryError, NotOfferedError
from parsekit.query.ast import (
    AclTest,
    And,
    Constant,
    Constraint,
    Node,
    Nor,
    Op,
    Or,
    PolygonArea,
    RelativeTime,
)
from parsekit.query.comparison import (
    COMPARISONS,
    all_test,
    comparison_test,
    contained_by_test,
    equal_test,
    exists_test,
    in_test,
    negate,
    not_equal_test,
)
from parsekit.query.dialect import Dialect
from parsekit.query.geo import box_test, cap_test, near_test, polygon_contains_test, polygon_test
from parsekit.query.paths import Test, real_key
from parsekit.query.regex import regex_test
from parsekit.query.relative_time import resolve_relative_time
from parsekit.query.subquery import (
    Lookup,
    in_query_test,
    related_test,
    relation_field_test,
    select_test,
)
from parsekit.query.text import text_test
from parsekit.query.where.local import UnsupportedOperator
from parsekit.values import MISSING, Missing, Pointer, RelationReference, Value

__all__ = ["Lookup", "Predicate", "Test", "compile_predicate", "compile_test"]

Predicate: TypeAlias = Callable[[Mapping[str, Value]], bool]
_Path: TypeAlias = tuple[str, ...]

_NEEDS_LOOKUP: Final = frozenset({"$inQuery", "$notInQuery", "$select", "$dontSelect", "$relatedTo"})
_INFIX: Final = {"$eq": "==", "$ne": "!=", "$lt": "<", "$lte": "<=", "$gt": ">", "$gte": ">="}
_WIDEST: Final = 48
"""Conjunctions and disjunctions with more members than this are loops over predicates, not one expression."""
_LARGEST: Final = 256
"""Expressions with more constants than this are continued in predicates of their own."""
_DEEPEST: Final = 16
"""Trees below this depth are predicates of their own (Python's parser limits nesting)."""


def _geo_within(argument: Value, rules: Dialect, path: _Path, key: str) -> Test:
    area = polygon_test if isinstance(argument, PolygonArea) else cap_test
    return area(argument, rules, path, key)


_TESTS: Final[dict[str, Callable[[Value, Dialect, _Path, str], Test]]] = {
    "$eq": lambda a, rules, path, key: equal_test(a, rules, path, key, bare_ids=False),
    "$ne": not_equal_test,
    "$in": in_test,
    "$nin": lambda a, rules, path, key: negate(in_test(a, rules, path, key)),
    "$all": all_test,
    "$containedBy": contained_by_test,
    "$exists": exists_test,
    "$regex": regex_test,
    "$text": lambda a, _rules, path, _key: text_test(a, path),
    "$nearSphere": near_test,
    "$within": box_test,
    "$geoWithin": _geo_within,
    "$geoIntersects": lambda a, _rules, path, _key: polygon_contains_test(a, path),
}


def compile_test(op: Op, argument: Value, rules: Dialect, *, path: _Path = (), key: str = "") -> Test:
    """The test of a value stored under the first component of a key, ``MISSING`` when the object lacks it.

    ``path`` is the rest of a dotted key, ``key`` its first component (for messages only). The test keeps no
    reference to anything but its arguments and may be called from any thread.

    Raises:
        EngineError: the operator needs other objects (``$inQuery`` and the like), or the time of the query
            (``RelativeTime`` must be resolved first).
        ParseError: what the operator's family raises for its argument (a pattern that does not compile, ...).
        The
            test itself raises ``InvalidQueryError`` (102) where the dialect refuses a value.
    """
    if op in rules.unsupported_operators or isinstance(argument, UnsupportedOperator):
        return _unsupported(op, rules)
    if op in COMPARISONS:
        if isinstance(argument, RelativeTime):
            raise EngineError(f"{op}: a relative time must be resolved before it is tested")
        return comparison_test(op, argument, rules, path, key)
    make = _TESTS.get(op)
    if make is not None:
        return make(argument, rules, path, key)
    if op in _NEEDS_LOOKUP:
        raise EngineError(f"{op}: it needs other objects; compile the whole predicate with a lookup")
    raise NotOfferedError(f"{op}: there is no such operator")


def _of_date_text(test: Test) -> Test:
    return lambda value: test(format_date(value) if isinstance(value, datetime) else value)


def _unsupported(op: str, rules: Dialect) -> Test:
    if not rules.unsupported_raises:
        return lambda _: False

    def test(_: Value | Missing) -> bool:
        raise InvalidQueryError(f"Local Datastore does not yet support {op} operator.")

    return test


def compile_predicate(node: Node, rules: Dialect, lookup: Lookup | None = None) -> Predicate:
    """The test of whole objects: a mapping from key to value in which an absent key is missing.

    ``objectId``, ``createdAt``, ``updatedAt``, ``className`` and ``ACL`` (its JSON form) are ordinary keys.
    Conjunctions and disjunctions are evaluated in order and stop early, which decides whether a refusal (102)
    of a later condition surfaces.

    Raises:
        EngineError: the tree needs a ``lookup`` and none was given.
        ParseError: as ``compile_test``; from the predicate also what a sub-query raises.
    """
    return _compiled(node, rules, lookup, under_nor=False)


def _compiled(node: Node, rules: Dialect, lookup: Lookup | None, *, under_nor: bool) -> Predicate:
    builder = _Builder(rules, lookup, under_nor=under_nor)
    expression = builder.expression(node, 0)
    return _factory(expression, len(builder.bound))(*builder.bound)


@lru_cache(maxsize=1024)
def _factory(expression: str, count: int) -> Callable[..., Predicate]:
    """The factory of a shape: called with the constants it gives the predicate."""
    names = ", ".join(f"c{i}" for i in range(count))
    source = (
        f"def factory({names}):\n def predicate(o):\n  g = o.get\n  return {expression}\n return predicate\n"
    )
    scope: dict[str, object] = {"M": MISSING, "D": datetime, "P": Pointer, "R": RelationReference}
    # SAFETY: the source holds operators and keys (quoted by repr), never a value.
    exec(compile(source, "<parsekit predicate>", "exec"), scope)
    return cast(Callable[..., Predicate], scope["factory"])


class _Builder:
    """Writes the expression of a tree and collects the constants it names ``c0``, ``c1``, ..."""

    def __init__(self, rules: Dialect, lookup: Lookup | None, *, under_nor: bool) -> None:
        self._rules = rules
        self._lookup = lookup
        self._under_nor = under_nor
        self.bound: list[object] = []

    def bind(self, constant: object) -> str:
        self.bound.append(constant)
        return f"c{len(self.bound) - 1}"

    def lookup(self, what: str) -> Lookup:
        if self._lookup is None:
            raise EngineError(
                f"{what}: it needs other objects or the principal; compile the predicate with a lookup"
            )
        return self._lookup

    def expression(self, node: Node, depth: int) -> str:
        match node:
            case Constraint():
                return self._constraint(node)
            case And():
                return self._group(node.children, "and", "all", depth)
            case Or():
                return self._group(node.children, "or", "any", depth)
            case Nor():
                outside, self._under_nor = self._under_nor, True
                text = f"(not {self._group(node.children, 'or', 'any', depth)})"
                self._under_nor = outside
                return text
            case Constant():
                return repr(node.value)
            case AclTest():
                lookup = self.lookup("AclTest")
                permits = lookup.readable if node.access == "read" else lookup.writable
                return f"{self.bind(permits)}(g('ACL'))"

    def _group(self, children: tuple[Node, ...], word: str, quantifier: str, depth: int) -> str:
        if not children:
            return repr(word == "and")
        if len(children) <= _WIDEST and depth < _DEEPEST and len(self.bound) < _LARGEST:
            parts = [self.expression(child, depth + 1) for child in children]
            return parts[0] if len(parts) == 1 else f"({f' {word} '.join(parts)})"
        predicates = tuple(
            _compiled(child, self._rules, self._lookup, under_nor=self._under_nor) for child in children
        )
        return f"{quantifier}(p(o) for p in {self.bind(predicates)})"

    def _constraint(self, leaf: Constraint) -> str:
        if leaf.op in self._rules.unsupported_operators and not self._rules.unsupported_raises:
            return "False"
        if leaf.op == "$relatedTo":
            return f"{self.bind(related_test(leaf.argument, self.lookup(leaf.op)))}(o)"
        first, *rest = leaf.key.split(".")
        first = real_key(first)
        argument = leaf.argument
        if isinstance(argument, RelativeTime):
            argument = resolve_relative_time(argument, self.lookup("$relativeTime").now())
        test = self._test(leaf, argument, tuple(rest), first)
        if self._lookup is not None and not rest and self._lookup.is_relation(first):
            if self._under_nor and self._rules.typed_fields_as_stored:
                return f"{self.bind(test)}(M)"  # Parse Server looks for relations under $or and $and only
            return f"{self.bind(relation_field_test(leaf, self._lookup, test, self._rules))}(o)"
        if self._rules.row_dates_are_text and first in ("createdAt", "updatedAt"):
            return f"{self.bind(_of_date_text(test))}(g({first!r}, M))"
        if first == "className":  # the class of an object is not one of its fields
            return f"{self.bind(test)}(M)"
        if rest or leaf.op in self._rules.unsupported_operators:
            return f"{self.bind(test)}(g({first!r}, M))"
        return self._inline(leaf.op, argument, first, test) or f"{self.bind(test)}(g({first!r}, M))"

    def _test(self, leaf: Constraint, argument: Value, path: _Path, key: str) -> Test:
        match leaf.op:
            case "$inQuery" | "$notInQuery":
                negated = leaf.op == "$notInQuery"
                return in_query_test(argument, self.lookup(leaf.op), self._rules, path, key, negated=negated)
            case "$select" | "$dontSelect":
                negated = leaf.op == "$dontSelect"
                return select_test(argument, self.lookup(leaf.op), self._rules, path, key, negated=negated)
        return compile_test(leaf.op, argument, self._rules, path=path, key=key)

    def _inline(self, op: str, argument: Value, key: str, test: Test) -> str | None:
        """The leaf with the case of the argument's own type written out; ``None`` when it is not worth it.

        ``rest`` is what happens to values of other types: the family's test, unless it is sure to fail for
        want of a value.
        """
        value = f"(v := g({key!r}, M))"
        if op == "$exists":
            return self._inline_exists(argument, value)
        absent = "v is M or " if op in ("$ne", "$nin") else "v is not M and "
        if op in _INFIX and self._compares_natively(op, argument):
            return self._inline_scalar(op, argument, value, f"{absent}{self.bind(test)}(v)")
        if op in ("$eq", "$ne") and type(argument) is Pointer:
            id_name, class_name = self.bind(argument.object_id), self.bind(argument.class_name)
            same = f"v.object_id == {id_name} and v.class_name == {class_name}"
            same = same if op == "$eq" else f"not ({same})"
            return f"({same} if {value}.__class__ is P else {absent}{self.bind(test)}(v))"
        if op in ("$in", "$nin") and argument and all(type(member) is str for member in argument):
            found = f"v {'in' if op == '$in' else 'not in'} {self.bind(frozenset(argument))}"
            return f"({found} if {value}.__class__ is str else {absent}{self.bind(test)}(v))"
        return None

    def _compares_natively(self, op: str, argument: Value) -> bool:
        kind = type(argument)
        if self._rules.ranges == "javascript" and op not in ("$eq", "$ne"):
            return False  # missing values pass
        if kind is str:
            return op in ("$eq", "$ne") or self._rules.string_order == "code-point"
        return kind in (int, float, bool, datetime)

    def _inline_scalar(self, op: str, argument: Value, value: str, rest: str) -> str:
        kind, name = type(argument), self.bind(argument)
        if kind in (int, float):
            own_type = f"(k := {value}.__class__) is int or k is float"
        else:
            own_type = f"{value}.__class__ is { {str: 'str', bool: 'bool', datetime: 'D'}[kind] }"
        if kind is str and (
            op == "$eq" or (op == "$ne" and not self._rules.ne_is_whole)
        ):  # a text equals elements that are texts, and nothing else
            rest = f"{name} {'in' if op == '$eq' else 'not in'} v if v.__class__ is list else {rest}"
        return f"(v {_INFIX[op]} {name} if {own_type} else {rest})"

    def _inline_exists(self, wanted: bool, value: str) -> str:
        if self._rules.null_exists:
            present = f"({value} is not M and v.__class__ is not R)"
        else:
            present = f"({value} is not M and v is not None)"
        return present if wanted else f"(not {present})"
