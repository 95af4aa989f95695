"""A hundred thousand subscriptions, ten thousand changes: every event arrives once and in order, at a bounded cost."""

from __future__ import annotations

import time
from typing import Any

import pytest

import parsekit
from parsekit import PFObject, PFQuery, Principal
from parsekit.livequery.subscription import Subscription

STAGES = [f"s{number}" for number in range(10)]


def _query(number: int) -> PFQuery[Any]:
    query: PFQuery[Any] = PFQuery("Deal").where_key("owner", equal_to=f"o{number % 1000}")
    if number % 3:
        query.where_key("stage", equal_to=STAGES[number % 10])
    if number % 2:
        query.where_key("amount", greater_than=number % 977)
    return query


@pytest.mark.parametrize(
    ("subscribers", "changes"),
    [(2_000, 400), pytest.param(100_000, 10_000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])],
)
def test_load(subscribers: int, changes: int, capsys: pytest.CaptureFixture[str]) -> None:
    with parsekit.open(":memory:") as engine:
        followed: list[tuple[int, Subscription[Any]]] = []
        for number in range(subscribers):
            with engine.acting_as(Principal.user(f"u{number % 500}")):
                followed.append((number, _query(number).subscribe()))
        expected: dict[int, list[int]] = {number: [] for number, _ in followed}
        by_owner: dict[str, list[int]] = {}
        for number, _ in followed:
            by_owner.setdefault(f"o{number % 1000}", []).append(number)
        started = time.perf_counter()
        with engine.acting_as_master():
            for change in range(changes):
                owner, stage, amount = f"o{change % 1000}", STAGES[change % 7], change % 1009
                PFObject("Deal", owner=owner, stage=stage, amount=amount).save()
                for number in by_owner[owner]:
                    if number % 3 and STAGES[number % 10] != stage:
                        continue
                    if not number % 2 or amount > number % 977:
                        expected[number].append(change + 1)
        elapsed = time.perf_counter() - started
        for number, subscription in followed:
            assert [event.sequence for event in subscription.pending()] == expected[number]
        with capsys.disabled():
            print(f"\n{elapsed / changes * 1e6:.0f} us a change with {subscribers} subscriptions")
