"""NSPredicate -> constraint tree, by the steps of ``+[PFQuery queryWithClassName:predicate:]``.

The steps are those of PFQueryUtilities.m and PFQuery.m (ios_sdk.md section 2), in their order, because the
order decides which refusal a predicate with several mistakes meets:

1. modifiers (ANY, ALL) are refused;
2. BETWEEN becomes two comparisons;
3. ``5 < k`` becomes ``k > 5``;
4. NOT is pushed into the comparisons;
5. AND is distributed over OR;
6. what all alternatives share is hoisted;
7. each comparison becomes a constraint.

One thing differs on purpose: conditions on the same key and operator are and-ed. The SDK keeps only the
last one (``k > 3 AND k > 5``), and loses the other without a word.

Not said here: the format language (``predicate_syntax``), the checks of values (``selectors``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import Any, Final, Literal, NoReturn, TypeAlias

from parsekit import attrs
from parsekit.query.ast import And, Constraint, Node, Op, Or
from parsekit.query.predicate_syntax import parse_format
from parsekit.query.predicate_tree import (
    Aggregate,
    Comparison,
    Compound,
    Expression,
    KeyPath,
    Literally,
    Myself,
    Operator,
    Predicate,
    Truth,
    print_predicate,
)
from parsekit.query.refusals import PredicateRefusedError
from parsekit.query.selectors import list_constraint, prefix_constraint, value_constraint

__all__ = ["normalize_predicate", "parse_predicate"]

_MOST_ALTERNATIVES: Final = 4
_MOST_BRANCHES: Final = 4096
"""Where distribution stops; without a bound thirty ORs in an AND exhaust the memory."""
_MODIFIER_NUMBERS: Final = {"ALL": 1, "ANY": 2}
_REVERSED: Final[dict[Operator, Operator]] = {
    "==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<=", "IN": "==",
}  # fmt: skip
_NEGATED: Final[dict[Operator, Operator]] = {
    "==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<", "IN": "NOT IN",
}  # fmt: skip
_VALUE_OPS: Final[dict[Operator, Op]] = {
    "==": "$eq", "!=": "$ne", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte",
}  # fmt: skip

_Branch: TypeAlias = tuple[Predicate, ...]


def parse_predicate(format_string: str, *arguments: Any) -> Node:
    """The constraint tree of an NSPredicate format string, as ``PFQuery`` on iOS would build it.

    >>> from parsekit.query.where import encode_where
    >>> encode_where(parse_predicate("stage = %@ AND amount > %d", "won", 100))
    {'stage': 'won', 'amount': {'$gt': 100}}

    Raises:
        PredicateRefusedError: it does not parse, or the SDK cannot make a query of it; with the SDK's words.
        ArgumentRefusedError: a value that the SDK's selectors do not take.
    """
    return _built(normalize_predicate(parse_format(format_string, arguments)))


def normalize_predicate(tree: Predicate) -> Predicate:
    """The predicate as an OR of ANDs, what they share hoisted in front: steps 1 to 6.

    Raises:
        PredicateRefusedError: as ``parse_predicate``.
    """
    _check_modifiers(tree)
    tree = _without_negation(_mapped(_mapped(tree, _without_between), _forwards))
    return _hoisted(_or_of_ands(tree)) if isinstance(tree, Compound) else tree


def _refuse(message: str, hint: str | None = None) -> NoReturn:
    raise PredicateRefusedError(message, hint=hint)


# -- steps 1 to 3 --------------------------------------------------------------------------------


def _mapped(tree: Predicate, change: Callable[[Comparison], Predicate]) -> Predicate:
    if isinstance(tree, Compound):
        return attrs.evolve(tree, children=tuple(_mapped(child, change) for child in tree.children))
    return change(tree) if isinstance(tree, Comparison) else tree


def _check_modifiers(tree: Predicate) -> None:
    if isinstance(tree, Compound):
        for child in tree.children:
            _check_modifiers(child)
    elif isinstance(tree, Truth):
        _refuse("NSExpression predicates are not supported.", "leave TRUEPREDICATE and FALSEPREDICATE out")
    elif tree.modifier:
        _refuse(
            f"Unsupported comparison predicate modifier {_MODIFIER_NUMBERS[tree.modifier]}.",
            "leave ANY out: Parse compares with each element of an array by itself",
        )


def _without_between(leaf: Comparison) -> Predicate:
    """Step 2: ``k BETWEEN {a, b}`` is ``k >= a AND k <= b``."""
    if leaf.operator != "BETWEEN":
        return leaf
    right = leaf.right
    if not isinstance(right, Literally | Aggregate):
        _refuse("The right-hand side of a BETWEEN operation must be a value or literal.")
    items: tuple[Expression, ...]
    if isinstance(right, Aggregate):
        items = right.items
    elif isinstance(right.value, list | tuple):
        items = tuple(map(Literally, right.value))
    else:
        _refuse("The right-hand side of a BETWEEN operation must be an array.")
    if len(items) != 2:
        _refuse("The right-hand side of a BETWEEN operation must have 2 items.")
    low, high = items
    return Compound(
        "AND",
        (attrs.evolve(leaf, operator=">=", right=low), attrs.evolve(leaf, operator="<=", right=high)),
    )


def _forwards(leaf: Comparison) -> Comparison:
    """Step 3: the key to the left. ``c IN k`` asks an array for an element, which Parse writes ``k = c``."""
    if isinstance(leaf.left, Literally) and isinstance(leaf.right, KeyPath) and leaf.operator in _REVERSED:
        return attrs.evolve(leaf, left=leaf.right, operator=_REVERSED[leaf.operator], right=leaf.left)
    return leaf


# -- step 4 --------------------------------------------------------------------------------------


def _without_negation(tree: Predicate) -> Predicate:
    if not isinstance(tree, Compound):
        return tree
    children = tuple(map(_without_negation, tree.children))
    return _negated(children[0]) if tree.kind == "NOT" else Compound(tree.kind, children)


def _negated(tree: Predicate) -> Predicate:
    if isinstance(tree, Compound):
        kind: Literal["AND", "OR"] = "OR" if tree.kind == "AND" else "AND"
        return Compound(kind, tuple(map(_negated, tree.children)))
    assert isinstance(tree, Comparison)
    opposite = _NEGATED.get(tree.operator)
    if opposite is None:
        # A negated IN is such a comparison too, so NOT NOT k IN ... is refused (PFQueryUtilities).
        _refuse(
            f"This comparison predicate cannot be negated. ({print_predicate(tree, values=False)})",
            "PFQuery negates =, !=, <, <=, >, >= and IN",
        )
    return attrs.evolve(tree, operator=opposite)


# -- steps 5 and 6 -------------------------------------------------------------------------------


def _or_of_ands(tree: Compound) -> Predicate:
    """Step 5. An AND inside an alternative stays nested, as in ``asOrOfAnds:``; step 7 refuses those."""
    children = [_or_of_ands(child) if isinstance(child, Compound) else child for child in tree.children]
    if tree.kind == "OR":
        flat: list[Predicate] = []
        for child in children:
            flat += child.children if isinstance(child, Compound) and child.kind == "OR" else (child,)
        return flat[0] if len(flat) == 1 else Compound("OR", tuple(flat))
    branches: list[_Branch] = [()]
    for child in children:
        parts = child.children if isinstance(child, Compound) else (child,)
        if isinstance(child, Compound) and child.kind == "OR":
            branches = [(*branch, part) for branch in branches for part in parts]
        else:
            branches = [(*branch, *parts) for branch in branches]
        if len(branches) > _MOST_BRANCHES:
            _too_complex()
    ands: list[Predicate] = [b[0] if len(b) == 1 else Compound("AND", b) for b in branches]
    return ands[0] if len(ands) == 1 else Compound("OR", tuple(ands))


def _too_complex() -> NoReturn:
    _refuse(
        "This query is too complex. It had an OR with >4 subpredicates after normalization.",
        "use IN for several values of one key, or PFQuery.or_",
    )


def _members(branch: Predicate) -> list[Predicate]:
    members = branch.children if isinstance(branch, Compound) else (branch,)
    unique: list[Predicate] = []
    for member in members:
        if member not in unique:
            unique.append(member)
    return unique


def _hoisted(tree: Predicate) -> Predicate:
    """Step 6: ``(A AND B) OR (A AND C)`` is ``(B OR C) AND A``; an alternative with nothing left ends it."""
    if not isinstance(tree, Compound) or tree.kind != "OR":
        return tree
    branches = [_members(branch) for branch in tree.children]
    common = [member for member in branches[0] if all(member in branch for branch in branches)]
    if not common:
        return tree
    rests: list[Predicate] = []
    for branch in branches:
        rest = tuple(member for member in branch if member not in common)
        if not rest:
            return Compound("AND", tuple(common))
        rests.append(rest[0] if len(rest) == 1 else Compound("AND", rest))
    return Compound("AND", (Compound("OR", tuple(rests)), *common))


# -- step 7 --------------------------------------------------------------------------------------


def _built(tree: Predicate) -> Node:
    if isinstance(tree, Comparison):
        return _constraint(tree)
    assert isinstance(tree, Compound)
    if tree.kind == "OR":
        if len(tree.children) > _MOST_ALTERNATIVES:
            _too_complex()
        return Or(tuple(map(_built, tree.children)))
    nodes: list[Node] = []
    alternatives: list[Node] = []
    for child in tree.children:
        if isinstance(child, Compound) and child.kind == "OR":
            alternatives.append(_built(child))
        elif isinstance(child, Compound):
            _refuse(
                "A predicate had a non-comparison predicate inside an AND after normalization. "
                + print_predicate(tree, values=False),
                "the SDK does not flatten an AND inside an OR inside an AND; write the alternatives out",
            )
        else:
            nodes.append(_built(child))
    # Two ORs in one AND do not outlive step 5.
    found = (*alternatives, *nodes)
    return found[0] if len(found) == 1 else And(found)


def _constraint(leaf: Comparison) -> Node:
    match leaf.operator:
        case "IN" | "NOT IN":
            return _membership(leaf)
        case "BEGINSWITH":
            return prefix_constraint(*_key_and_constant(leaf))
        case "CONTAINS" | "ENDSWITH" | "MATCHES":
            _refuse(
                "Regex queries are not supported with [PFQuery queryWithClassName:predicate:]. Please try to "
                "structure your data so that you can use an equalTo or containedIn query.",
                "where_key(k, contains_string=, has_suffix=, matches_regex=); for an array write 'x' IN key",
            )
        case "LIKE":
            _refuse("LIKE is not supported by PFQuery.", "where_key(k, matches_regex=...) takes a pattern")
    key, value = _key_and_constant(leaf)
    return value_constraint(key, _VALUE_OPS[leaf.operator], value)


def _key_and_constant(leaf: Comparison) -> tuple[str, Any]:
    if not isinstance(leaf.left, KeyPath) or not isinstance(leaf.right, Literally):
        hint = "one side is a key, the other a value; keys cannot be compared with each other"
        _refuse(
            f"This predicate must have a key path and a constant. {print_predicate(leaf, values=False)}", hint
        )
    return _checked(leaf.left.path), leaf.right.value


def _checked(path: str) -> str:
    if "@" in path:
        _refuse(f"Invalid key name: {path}", "collection operators such as @count are not stored keys")
    return path


def _membership(leaf: Comparison) -> Constraint:
    """``k IN`` an array, a set, a literal, a query or SELF."""
    negated = leaf.operator == "NOT IN"
    left, right = leaf.left, leaf.right
    if isinstance(left, KeyPath) and isinstance(right, Myself):
        return Constraint(_checked(left.path), "$exists", not negated)
    if not isinstance(left, KeyPath) or not isinstance(right, Literally | Aggregate):
        _refuse(
            "A NOT IN predicate must have a key path and a constant array."
            if negated
            else "An IN predicate must have a key path and a constant."
        )
    key = _checked(left.path)
    if isinstance(right, Literally) and callable(getattr(right.value, "state", None)):
        return Constraint(key, "$notInQuery" if negated else "$inQuery", right.value.state())
    return list_constraint(key, "$nin" if negated else "$in", _items(right))


def _items(right: Literally | Aggregate) -> Any:
    if isinstance(right, Literally):
        value = right.value
        return sorted(value, key=repr) if isinstance(value, Set) and not isinstance(value, Mapping) else value
    for item in right.items:
        if not isinstance(item, Literally):
            _refuse(
                "An IN predicate must have a key path and a constant.",
                "the list may hold values only, no keys",
            )
    return [item.value for item in right.items if isinstance(item, Literally)]
