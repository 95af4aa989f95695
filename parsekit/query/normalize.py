"""Normal form of a plan's conditions: an ordered tuple of functions, each from a tree to an equal tree.

Equal means: the same objects match. The functions look at structure only, never at a value, because the values are
not there (see ``query.plan``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from parsekit.query.plan import PlanAll, PlanAny, PlanConstant, PlanLeaf, PlanNode, PlanNone

__all__ = ["NORMALIZATIONS", "normalize"]


def flatten(node: PlanNode) -> PlanNode:
    """A conjunction in a conjunction and a disjunction in a disjunction become one."""
    if isinstance(node, PlanAll | PlanAny):
        kind = type(node)
        children: list[PlanNode] = []
        for child in map(flatten, node.children):
            if isinstance(child, PlanAll | PlanAny) and type(child) is kind:
                children.extend(child.children)
            else:
                children.append(child)
        return kind(tuple(children))
    if isinstance(node, PlanNone):
        return PlanNone(tuple(map(flatten, node.children)))
    return node


def fold_constants(node: PlanNode) -> PlanNode:
    """Always and never are absorbed; a group of one becomes its member; ``$in []`` is never, ``$nin []`` always.

    Nearness sorts a query, and ``$text`` weighs its results, where every result must meet it, and not where it is the
    only member of a disjunction (``ordering.near_constraint``): such a disjunction stays one.
    """
    if isinstance(node, PlanLeaf):
        return _fold_leaf(node)
    if isinstance(node, PlanNone):
        inner = fold_constants(PlanAny(node.children))
        if isinstance(inner, PlanConstant):
            return PlanConstant(not inner.value)
        return PlanNone(inner.children if isinstance(inner, PlanAny) else (inner,))
    if not isinstance(node, PlanAll | PlanAny):
        return node
    absorbing = isinstance(node, PlanAny)
    children: list[PlanNode] = []
    for child in map(fold_constants, node.children):
        if isinstance(child, PlanConstant):
            if child.value is absorbing:
                return child
        elif child not in children:
            children.append(child)
    if not children:
        return PlanConstant(not absorbing)
    if len(children) == 1 and not (absorbing and _arranges(children[0])):
        return children[0]
    return type(node)(tuple(children))


def _arranges(node: PlanNode) -> bool:
    if isinstance(node, PlanLeaf):
        return node.op in ("$nearSphere", "$text")
    return isinstance(node, PlanAll) and any(map(_arranges, node.children))


def _fold_leaf(leaf: PlanLeaf) -> PlanNode:
    parameter = leaf.parameter
    if parameter.kind == "list" and not parameter.detail[0] and leaf.op in ("$in", "$nin"):
        return PlanConstant(leaf.op == "$nin")
    return leaf


NORMALIZATIONS: Final[tuple[Callable[[PlanNode], PlanNode], ...]] = (flatten, fold_constants, flatten)


def normalize(node: PlanNode) -> PlanNode:
    """The node after every normalization in order."""
    for step in NORMALIZATIONS:
        node = step(node)
    return node
