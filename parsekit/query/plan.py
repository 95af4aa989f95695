"""From a query to its *shape* and back to a *plan*: structure on one side, values on the other.

``shape_of`` walks a query once and splits it into a hashable shape (classes, keys, operators, kinds of values) and the
list of values in order of appearance. A plan is made from the shape alone, so it cannot depend on a value by accident,
and whoever has a plan for a shape can run every query of that shape: bind the values, done.

The shape of a node is a tuple that starts with its tag. Permissions are part of the shape: as
the conjunct of the class that is asked, or among the conditions of a query that was guarded part by part.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final, Literal, TypeAlias, final

from parsekit import attrs
from parsekit.query.ast import (
    AclTest,
    And,
    Constant,
    Constraint,
    KeyOfQuery,
    Near,
    Node,
    Nor,
    Op,
    Or,
    RegexPattern,
    RelatedTo,
    RelativeTime,
    TextSearch,
)
from parsekit.query.dialect import Dialect
from parsekit.query.state import OrderKey, QueryState
from parsekit.values import Pointer, RelationReference, Value, kind_of

__all__ = [
    "NotSimple",
    "Parameter",
    "PlanAcl",
    "PlanAll",
    "PlanAny",
    "PlanConstant",
    "PlanLeaf",
    "PlanNode",
    "PlanNone",
    "PlanQuery",
    "Shape",
    "Verb",
    "outline_of",
    "plan_of",
    "shape_of",
]

Shape: TypeAlias = tuple[Hashable, ...]
Verb: TypeAlias = Literal["find", "count", "ids"]
_Form: TypeAlias = Literal["plain", "outline", "guarded"]
"""What a query whose shape is taken may have: no sub-queries, unguarded ones, or guarded ones and anything else."""


class NotSimple(Exception):  # noqa: N818 - a signal, not an error that a caller sees
    """The query has sub-queries, relations or whole objects and arrays as arguments, which are checked and guarded
    one by one (``acl.guard``) before the query has a shape."""


_TAGS: Final[dict[type, str]] = {And: "&", Or: "|", Nor: "!"}
_PLAIN: Final[dict[type, str]] = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
}

_SCALARS: Final = frozenset({*_PLAIN, Pointer})


@final
@attrs.frozen(slots=True)
class Parameter:
    """The place of an argument's value: position in the values, and all that the shape says of it.

    ``kind`` is the kind of a single value, or ``list``, ``regex``, ``query`` and so on; ``detail`` depends on it:
    the class of a pointer, the set of kinds in a list, the form of a regex, the shape of a sub-query.
    """

    index: int
    kind: str
    detail: Any = None


@final
@attrs.frozen(slots=True)
class PlanLeaf:
    """A constraint whose argument is a parameter."""

    key: str
    op: Op
    parameter: Parameter


@final
@attrs.frozen(slots=True)
class PlanAll:
    """Conjunction."""

    children: tuple[PlanNode, ...]


@final
@attrs.frozen(slots=True)
class PlanAny:
    """Disjunction."""

    children: tuple[PlanNode, ...]


@final
@attrs.frozen(slots=True)
class PlanNone:
    """No child holds."""

    children: tuple[PlanNode, ...]


@final
@attrs.frozen(slots=True)
class PlanConstant:
    """Always or never."""

    value: bool


@final
@attrs.frozen(slots=True)
class PlanAcl:
    """The row's ACL grants ``access`` to the principal."""

    access: Literal["read", "write"]


PlanNode: TypeAlias = PlanLeaf | PlanAll | PlanAny | PlanNone | PlanConstant | PlanAcl


@final
@attrs.frozen(slots=True)
class PlanQuery:
    """The plan of a query before it becomes SQL: everything but the values.

    ``limit`` is the limit itself (SQLite plans a statement anew whenever a bound LIMIT changes), ``skip`` tells whether
    there is one; ``columns`` is ``None`` for all keys; ``rules`` is ``None`` for the dialect of the store.
    """

    class_name: str
    verb: Verb
    where: PlanNode
    order: tuple[OrderKey, ...] = ()
    limit: int | None = None
    skip: bool = False
    columns: frozenset[str] | None = None
    hidden: frozenset[str] = frozenset()
    rules: Dialect | None = None


def shape_of(
    state: QueryState,
    verb: Verb,
    conjunct: Node | None = None,
    *,
    guarded: bool = False,
    limit: int | None = None,
    columns: frozenset[str] | None = None,
    hidden: frozenset[str] = frozenset(),
    rules: Dialect | None = None,
) -> tuple[Shape, list[Value]]:
    """The shape of a query and its values. ``limit`` is the limit to apply, ``None`` for none.

    ``rules`` is the dialect, where it is another one than the store's: the same tree has another plan under it.

    ``conjunct`` joins the conditions: what the principal's permissions ask. A ``guarded`` query has its permissions,
    and those of its sub-queries, among its conditions already (``acl.guard``).

    Raises:
        NotSimple: guard the query first, then ask again.
    """
    values: list[Value] = []
    where = _node(state.where, "guarded" if guarded else "plain", values)
    if conjunct is not None:
        where = ("&", where, _node(conjunct, "guarded", values))
    order = tuple([(item.key, item.descending) for item in state.order]) if state.order else ()
    return (state.class_name, verb, where, order, limit, state.skip > 0, columns, hidden, rules), values


def outline_of(state: QueryState) -> tuple[Shape, list[Value]]:
    """What of a find of whole objects decides on its plan, whoever asks, and its values; sub-queries are part of it.

    The same principal asking the same outline again gets the same statement, with these values in their places.

    Raises:
        NotSimple: the query has to be looked at each time.
    """
    values: list[Value] = []
    where = _node(state.where, "outline", values)
    order = tuple([(item.key, item.descending) for item in state.order]) if state.order else ()
    return (state.class_name, where, order, state.limit, state.skip > 0), values


def _node(node: Node, form: _Form, values: list[Value]) -> Shape:
    if type(node) is Constraint:
        argument = node.argument
        kind = _PLAIN.get(type(argument))
        if kind is not None and node.op != "$exists":
            values.append(argument)
            return (node.op, node.key, kind)
        if type(argument) is Pointer:
            values.append(argument)
            return (node.op, node.key, ("pointer", argument.class_name))
        return (node.op, node.key, _argument(node, form, values))
    tag = _TAGS.get(type(node))
    if tag is not None:
        return (tag, *[_node(child, form, values) for child in node.children])  # type: ignore[union-attr]
    if type(node) is Constant:
        return ("=", node.value)
    assert type(node) is AclTest
    return ("acl", node.access)


def _kind(value: Value) -> Hashable:
    if isinstance(value, Pointer):
        return ("pointer", value.class_name)
    return _PLAIN.get(type(value)) or kind_of(value)


def _argument(node: Constraint, form: _Form, values: list[Value]) -> Hashable:
    argument = node.argument
    if node.op == "$exists":
        return ("flag", bool(argument))
    if form != "guarded" and _needs_guard(argument):
        if form == "outline" and type(argument) is QueryState and argument.redirect_key is None:
            return ("query", _subquery(argument, form, values), None)
        raise NotSimple
    if form == "outline" and type(argument) is TextSearch:
        raise NotSimple  # one in a language that is not offered is refused after what permissions refuse
    if isinstance(argument, QueryState):
        return ("query", _subquery(argument, form, values), None)
    if isinstance(argument, KeyOfQuery):
        return ("query", _subquery(argument.query, form, values), argument.key)
    if isinstance(argument, RelatedTo):
        values.append(argument.owner.object_id)
        return ("related", argument.owner.class_name, argument.key)
    values.append(argument)
    if isinstance(argument, tuple) and node.op in ("$in", "$nin", "$all", "$containedBy"):
        return _list_shape(argument)
    if isinstance(argument, RegexPattern):
        from parsekit.query.regex import literal_prefix

        prefix, whole = literal_prefix(argument)
        return ("regex", "prefix" if whole else "prefixed" if prefix else "free")
    if isinstance(argument, RelativeTime):
        return "relative"
    if isinstance(argument, Near):
        return ("near", argument.max_distance_radians is not None)
    if isinstance(argument, TextSearch):
        from parsekit.query.text import search_words

        return ("text", "exact" if search_words(argument) is None else "words")
    if node.op in ("$within", "$geoWithin", "$geoIntersects"):
        return type(argument).__name__
    return _kind(argument)


def _needs_guard(argument: Value) -> bool:
    if isinstance(argument, tuple):
        if _PLAIN.keys() >= set(map(type, argument)):
            return False
        return any(isinstance(item, dict | list | tuple | RelationReference) for item in argument)
    return isinstance(
        argument, QueryState | KeyOfQuery | RelatedTo | RelativeTime | RelationReference | dict | list
    )


def _list_shape(items: tuple[Value, ...]) -> Hashable:
    types = set(map(type, items))
    if _PLAIN.keys() >= types:
        kinds: frozenset[Hashable] = frozenset(map(_PLAIN.__getitem__, types))
    else:
        kinds = frozenset("regex" if isinstance(item, RegexPattern) else _kind(item) for item in items)
    size = len(items)
    return ("list", kinds, 1 << (size - 1).bit_length() if size > 1 else size)


def _subquery(state: QueryState, form: _Form, values: list[Value]) -> Shape:
    return (state.class_name, _node(state.where, form, values))


def plan_of(shape: Shape) -> PlanQuery:
    """The plan that a shape stands for."""
    class_name, verb, where, order, limit, skipped, columns, hidden, rules = shape
    root: Any = where
    return PlanQuery(
        class_name,  # type: ignore[arg-type]
        verb,  # type: ignore[arg-type]
        _Rebuild().node(root),
        tuple(OrderKey(key, descending) for key, descending in order),  # type: ignore[attr-defined]
        limit,  # type: ignore[arg-type]
        bool(skipped),
        columns,  # type: ignore[arg-type]
        hidden,  # type: ignore[arg-type]
        rules,  # type: ignore[arg-type]
    )


class _Rebuild:
    """Turns shapes into plan nodes, counting the values as ``shape_of`` appended them."""

    def __init__(self) -> None:
        self._next = 0

    def _take(self) -> int:
        self._next += 1
        return self._next - 1

    def node(self, shape: Any) -> PlanNode:
        tag = shape[0]
        if tag == "&":
            return PlanAll(tuple(self.node(child) for child in shape[1:]))
        if tag == "|":
            return PlanAny(tuple(self.node(child) for child in shape[1:]))
        if tag == "!":
            return PlanNone(tuple(self.node(child) for child in shape[1:]))
        if tag == "=":
            return PlanConstant(shape[1])
        if tag == "acl":
            return PlanAcl(shape[1])
        return PlanLeaf(shape[1], tag, self._parameter(shape[2]))

    def _parameter(self, shape: Any) -> Parameter:
        if isinstance(shape, str):
            return Parameter(self._take(), shape)
        tag = shape[0]
        if tag == "flag":
            return Parameter(-1, "flag", shape[1])
        if tag == "query":
            class_name, where = shape[1]
            return Parameter(-1, "query", (PlanQuery(class_name, "ids", self.node(where)), shape[2]))
        if tag == "related":
            return Parameter(self._take(), "related", (shape[1], shape[2]))
        if tag == "list":
            return Parameter(self._take(), "list", (shape[1], shape[2]))
        return Parameter(self._take(), tag, shape[1])
