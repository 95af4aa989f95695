"""Paired ratios: the weather of a round cancels out, the interval narrows with rounds and holds the truth."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsekit.bench.statistics import Ratio, paired_ratio


def test_a_drifting_machine_does_not_change_a_ratio():
    weather = [1.0, 3.0, 0.5, 7.0, 2.0]
    found = paired_ratio([2.5 * each for each in weather], weather)
    assert found == Ratio(2.5, 2.5, 2.5, 5)


@settings(deadline=None)
@given(st.lists(st.floats(0.001, 1_000), min_size=1, max_size=15))
def test_the_median_lies_in_its_interval(ratios: list[float]):
    found = paired_ratio(ratios, [1.0] * len(ratios))
    assert min(ratios) <= found.low <= found.median <= found.high <= max(ratios)
    assert found.rounds == len(ratios)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    source = random.Random(3)
    held = 0
    for number in range(200):
        floor = [source.lognormvariate(0, 0.1) for _ in range(15)]
        peer = [1.7 * source.lognormvariate(0, 0.1) for _ in range(15)]
        found = paired_ratio(peer, floor, seed=number)
        held += found.low <= 1.7 <= found.high
    assert held >= 178


def test_more_rounds_give_a_narrower_interval():
    source = random.Random(4)
    peer, floor = ([source.lognormvariate(0, 0.2) for _ in range(100)] for _ in range(2))
    few, many = paired_ratio(peer[:8], floor[:8]), paired_ratio(peer, floor)
    assert many.high - many.low < few.high - few.low


def test_the_same_times_give_the_same_interval():
    assert paired_ratio([1, 2, 3, 4], [2, 1, 4, 3]) == paired_ratio([1, 2, 3, 4], [2, 1, 4, 3])


@pytest.mark.parametrize(("peer", "floor"), [([], []), ([1.0], [1.0, 2.0])])
def test_times_that_are_no_pairs_are_refused(peer: list[float], floor: list[float]):
    with pytest.raises(ValueError, match="paired times"):
        paired_ratio(peer, floor)
