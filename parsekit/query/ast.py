"""The constraint tree: the only form of a query's conditions inside the engine.

A tree is made of ``Constraint`` leaves (one key, one operator, one argument) under ``And``, ``Or`` and
``Nor``. Nodes are frozen and compare by value. What a leaf means is said in ``query.matcher`` alone; this
module says only which argument belongs to which operator:

=====================================  ==========================================================
operator                               argument
=====================================  ==========================================================
``$eq $ne $lt $lte $gt $gte``          a value, or ``RelativeTime`` for the last four
``$in $nin $all $containedBy``         a tuple of values (``$all`` also of ``RegexPattern``)
``$exists``                            ``bool``
``$regex``                             ``RegexPattern``
``$text``                              ``TextSearch``
``$nearSphere``                        ``Near``
``$within``                            ``Box``
``$geoWithin``                         ``PolygonArea`` or ``Cap``
``$geoIntersects``                     ``PFGeoPoint``
``$inQuery $notInQuery``               ``QueryState`` (``query.state``)
``$select $dontSelect``                ``KeyOfQuery``
``$relatedTo``                         ``RelatedTo`` (its constraint has the empty key)
=====================================  ==========================================================

Permissions join the tree as ``AclTest`` nodes, so they are conjuncts like any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, final

from parsekit import attrs
from parsekit.errors import InvalidQueryError
from parsekit.values import PFGeoPoint, Pointer, Value

if TYPE_CHECKING:
    from parsekit.query.state import QueryState

__all__ = [
    "ALWAYS",
    "DEEPEST_JSON",
    "DEEPEST_TREE",
    "NEVER",
    "AclTest",
    "And",
    "Box",
    "Cap",
    "Constant",
    "Constraint",
    "KeyOfQuery",
    "Near",
    "Node",
    "Nor",
    "Op",
    "Or",
    "PolygonArea",
    "RegexPattern",
    "RelatedTo",
    "RelativeTime",
    "TextSearch",
    "check_depth",
    "constraints_of",
    "describe",
]

DEEPEST_TREE: Final = 100
"""How many groups and sub-queries may lie inside each other."""

DEEPEST_JSON: Final = 150
"""How many arrays and objects may, in the JSON of conditions and pipelines and in their arguments."""

Op: TypeAlias = Literal[
    "$eq", "$ne", "$lt", "$lte", "$gt", "$gte", "$in", "$nin", "$all", "$containedBy", "$exists", "$regex",
    "$text", "$nearSphere", "$within", "$geoWithin", "$geoIntersects", "$inQuery", "$notInQuery", "$select",
    "$dontSelect", "$relatedTo",
]  # fmt: skip


@final
@attrs.frozen(slots=True)
class RegexPattern:
    """A pattern and its options, a subset of ``imsxu``."""

    pattern: str
    options: str = ""


@final
@attrs.frozen(slots=True)
class RelativeTime:
    """An instant given as text, such as ``3 days ago``, which is resolved when the query runs."""

    text: str


@final
@attrs.frozen(slots=True)
class TextSearch:
    """A full-text search. ``None`` stands for an option that was not given."""

    term: str
    language: str | None = None
    case_sensitive: bool | None = None
    diacritic_sensitive: bool | None = None


@final
@attrs.frozen(slots=True)
class Near:
    """Nearness to ``point``, within ``max_distance_radians`` where given; sorts by distance."""

    point: PFGeoPoint
    max_distance_radians: float | None = None


@final
@attrs.frozen(slots=True)
class Box:
    """A box between its southwest and northeast corners."""

    southwest: PFGeoPoint
    northeast: PFGeoPoint


@final
@attrs.frozen(slots=True)
class PolygonArea:
    """The inside of a ring of points; an open ring is closed."""

    points: tuple[PFGeoPoint, ...]


@final
@attrs.frozen(slots=True)
class Cap:
    """All points within ``radius_radians`` of ``center``."""

    center: PFGeoPoint
    radius_radians: float


@final
@attrs.frozen(slots=True)
class KeyOfQuery:
    """The values of ``key`` in the results of ``query``."""

    query: QueryState
    key: str


@final
@attrs.frozen(slots=True)
class RelatedTo:
    """Membership in the relation ``key`` of ``owner``."""

    owner: Pointer
    key: str


@final
@attrs.frozen(slots=True)
class Constraint:
    """One condition: ``key`` ``op`` ``argument``. ``key`` may be a dotted path."""

    key: str
    op: Op
    argument: Value


@final
@attrs.frozen(slots=True)
class And:
    """Every child holds. Without children: always."""

    children: tuple[Node, ...]


@final
@attrs.frozen(slots=True)
class Or:
    """Some child holds. Without children: never."""

    children: tuple[Node, ...]


@final
@attrs.frozen(slots=True)
class Nor:
    """No child holds."""

    children: tuple[Node, ...]


@final
@attrs.frozen(slots=True)
class Constant:
    """Always or never."""

    value: bool


@final
@attrs.frozen(slots=True)
class AclTest:
    """The object's ACL grants ``access`` to the principal under whom the query runs."""

    access: Literal["read", "write"]


Node: TypeAlias = Constraint | And | Or | Nor | Constant | AclTest

ALWAYS: Final = Constant(True)
NEVER: Final = Constant(False)


def check_depth(node: Node) -> None:
    """Refuse conditions with more than ``DEEPEST_TREE`` groups and sub-queries inside each other.

    Raises:
        InvalidQueryError: 102.
    """
    stack: list[tuple[Node, int]] = [(node, DEEPEST_TREE)]
    while stack:
        found, left = stack.pop()
        if left < 0:
            raise InvalidQueryError(
                f"Query condition nesting depth exceeds maximum allowed depth of {DEEPEST_TREE}"
            )
        if isinstance(found, Constraint):
            inner = found.argument.query if isinstance(found.argument, KeyOfQuery) else found.argument
            where = getattr(inner, "where", None)  # a QueryState's
            if where is not None:
                stack.append((where, left - 1))
        elif isinstance(found, And | Or | Nor):
            stack += [(child, left - 1) for child in found.children]


def constraints_of(node: Node) -> Iterator[Constraint]:
    """Every leaf constraint of the tree, depth first, sub-queries not entered."""
    if isinstance(node, Constraint):
        yield node
    elif isinstance(node, And | Or | Nor):
        for child in node.children:
            yield from constraints_of(child)


def describe(node: Node) -> str:
    """The tree in one line for people: keys, operators and logic, without a single value."""
    if isinstance(node, Constraint):
        return f"{node.key} {node.op}" if node.key else node.op
    if isinstance(node, Constant):
        return "always" if node.value else "never"
    if isinstance(node, AclTest):
        return f"ACL grants {node.access}"
    parts = [describe(child) for child in node.children]
    if isinstance(node, Nor):
        return f"none of ({', '.join(parts)})"
    word = " and " if isinstance(node, And) else " or "
    return f"({word.join(parts)})" if parts else describe(Constant(isinstance(node, And)))
