"""The index finds every group whose predicate holds, and forgets what nobody asks for any more."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from parsekit.livequery.conditions import live_predicate, settled
from parsekit.livequery.diffs import diff_lists
from parsekit.livequery.groups import Group
from parsekit.livequery.registry import ClassIndex
from parsekit.query.ast import And, Constraint, Or
from parsekit.query.dialect import Dialect
from tests.strategies_queries import things, trees

NOW = datetime(2024, 1, 2, tzinfo=UTC)


numbers = st.one_of(st.integers(-3, 12), st.floats(-3, 12), st.sampled_from([1e300, -1e300, 5e-324]))
bounds = st.builds(Constraint, st.just("n"), st.sampled_from(["$lt", "$lte", "$gt", "$gte"]), numbers)
texts = st.builds(Constraint, st.just("s"), st.just("$eq"), st.sampled_from(["", "a", "b", "Acme"]))
ranges = bounds | st.builds(lambda a, b: And((a, b)), bounds, texts) | st.builds(
    lambda low, high, key: And((Constraint(key, "$gte", low), Constraint(key, "$lt", high))),
    numbers, numbers, st.sampled_from(["n", "a"]),
)  # fmt: skip


members = st.builds(
    Constraint, st.sampled_from(["n", "a"]), st.just("$in"), st.lists(st.integers(0, 3), min_size=1)
)
points = st.builds(Constraint, st.sampled_from(["n", "a"]), st.just("$eq"), st.integers(0, 3))
disjunctions = st.lists(ranges | members | points, min_size=2, max_size=4).map(lambda parts: Or(tuple(parts)))


def _group(index: ClassIndex, where: Any, rules: Dialect) -> Group:
    return index.group("Thing", where, rules)


def _holds(group: Group, image: dict[str, Any] | None) -> bool:
    return image is not None and live_predicate(group.where, group.rules)(image)


def _check(index: ClassIndex, groups: list[Group], before: Any, after: Any) -> None:
    """What holds for an image is found once, and what is said of it without a test is so."""
    found = [(group, sight) for part, sight in index.candidates(before, after) for group in part]
    assert len({group for group, _ in found}) == len(found)
    sights = dict(found)
    for group in groups:
        was, holds = _holds(group, before), _holds(group, after)
        sight = sights.get(group)
        if sight is None:
            assert not (was or holds)
        elif sight == "steady":
            assert was == holds
        elif sight != "unknown":
            assert (was, holds) == (sight in ("both", "before"), sight in ("both", "after"))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(trees, ranges, disjunctions), min_size=1, max_size=8),
    st.lists(things(), min_size=1, max_size=3),
    st.sampled_from([Dialect.SERVER, Dialect.LIVE_MATCHER]),
)
def test_candidates_contain_every_match(
    wheres: list[Any], objects: list[dict[str, Any]], rules: Dialect
) -> None:
    index = ClassIndex()
    groups = [_group(index, settled(where, NOW), rules) for where in wheres]
    images: list[dict[str, Any] | None] = [None]
    for number, fields in enumerate(objects):
        images.append({**fields, "objectId": f"x{number}", "createdAt": NOW, "updatedAt": NOW})
    for before in images:
        for after in images:
            _check(index, groups, before, after)
    for group in dict.fromkeys(groups):
        index.discard(group)
    assert len(index) == 0
    assert not any(index.candidates(None, fields) for fields in objects)
    assert not index.keys


@given(
    st.lists(st.integers(0, 9), unique=True, max_size=8), st.lists(st.integers(0, 9), unique=True, max_size=8)
)
def test_a_diff_leads_from_the_old_list_to_the_new_one(old: list[int], new: list[int]) -> None:
    diff = diff_lists(old, new, lambda before, after: False, 1)
    assert diff.apply(old) == new
    assert bool(diff) == (old != new)
    assert len(diff.removed) == len(set(old) - set(new))
    assert len(diff.inserted) == len(set(new) - set(old))


@given(
    st.permutations(range(6)),
    st.permutations(range(6)),
    st.sets(st.integers(0, 5)),
    st.sets(st.integers(0, 5)),
)
def test_no_diff_moves_fewer(one: list[int], other: list[int], gone: set[int], come: set[int]) -> None:
    """Of all choices of what stays where it is, the diff takes a largest one."""
    old = [item for item in one if item not in come]
    new = [item for item in other if item not in gone]
    both = [item for item in old if item in new]
    diff = diff_lists(old, new, lambda before, after: False, 1)
    fewest = next(
        count
        for count in range(len(both) + 1)
        for moved in combinations(both, count)
        if [item for item in both if item not in moved]
        == [item for item in new if item in both and item not in moved]
    )
    assert diff.apply(old) == new
    assert len(diff.moved) == fewest
