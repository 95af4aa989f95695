"""Objects, keys and constraint trees from small pools, so that equality, order and paths meet often."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st

from parsekit.query.ast import And, Constraint, Node, Nor, Or
from parsekit.values import Pointer

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-1, 0, 1, 2, 2**53, 2**53 + 1, 0.5, 1.0, -0.0]),
    st.sampled_from(["", "a", "b", "ab", "é", "\x00", "\U0001f600", "\uffff"]),
    st.sampled_from([datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)]),
)
nested = st.recursive(
    st.one_of(scalars, st.sampled_from([Pointer("C", "a"), Pointer("C", "b")])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["a", "b", "0"]), inner, max_size=2),
    ),
    max_leaves=5,
)
field_values = st.one_of(
    scalars,
    st.lists(nested, max_size=3),
    st.dictionaries(st.sampled_from(["a", "b", "0"]), nested, max_size=3),
)
objects = st.dictionaries(st.sampled_from(["x", "y"]), field_values, max_size=2)
keys = st.sampled_from(["x", "y", "x.a", "x.0", "x.a.b", "x.b.0", "y.a"])
arguments = nested
member_lists = st.lists(nested, max_size=3).map(tuple)


def _leaf(op: str) -> st.SearchStrategy[Constraint]:
    if op == "$exists":
        argument: st.SearchStrategy[object] = st.booleans()
    elif op in ("$in", "$nin", "$all"):
        argument = member_lists
    else:
        argument = arguments
    return st.builds(Constraint, keys, st.just(op), argument)


leaves = st.sampled_from(
    ["$eq", "$ne", "$lt", "$lte", "$gt", "$gte", "$in", "$nin", "$all", "$exists"]
).flatmap(_leaf)
trees: st.SearchStrategy[Node] = st.recursive(
    leaves,
    lambda inner: st.builds(
        lambda kind, children: kind(tuple(children)),
        st.sampled_from([And, Or, Nor]),
        st.lists(inner, max_size=3),
    ),
    max_leaves=6,
)
