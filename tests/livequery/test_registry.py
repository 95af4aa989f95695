"""The index finds every group whose predicate holds, and forgets what nobody asks for any more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from parsekit.livequery.conditions import settled
from parsekit.livequery.diffs import diff_lists
from parsekit.livequery.registry import ClassIndex
from tests.strategies_queries import things, trees

NOW = datetime(2024, 1, 2, tzinfo=UTC)


@settings(max_examples=150, deadline=None)
@given(st.lists(trees, min_size=1, max_size=8), st.lists(things(), min_size=1, max_size=3))
def test_candidates_contain_every_match(wheres: list[Any], objects: list[dict[str, Any]]) -> None:
    index = ClassIndex()
    groups = [index.group("Thing", settled(where, NOW)) for where in wheres]
    for number, fields in enumerate(objects):
        image = {**fields, "objectId": f"x{number}", "createdAt": NOW, "updatedAt": NOW}
        found = index.candidates(image)
        assert {id(group) for group in groups if group.predicate(image)} <= set(map(id, found))
    for group in dict.fromkeys(groups):
        index.discard(group)
    assert len(index) == 0
    assert not any(index.candidates(fields) for fields in objects)


@given(
    st.lists(st.integers(0, 9), unique=True, max_size=8), st.lists(st.integers(0, 9), unique=True, max_size=8)
)
def test_a_diff_leads_from_the_old_list_to_the_new_one(old: list[int], new: list[int]) -> None:
    diff = diff_lists(old, new, lambda before, after: False, 1)
    assert diff.apply(old) == new
    assert bool(diff) == (old != new)
    assert len(diff.removed) == len(set(old) - set(new))
    assert len(diff.inserted) == len(set(new) - set(old))
