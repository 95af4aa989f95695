"""What is closed is gone: nothing of a subscription, observed list or totals stays behind."""

from __future__ import annotations

import gc
from typing import Any

import parsekit
from parsekit import PFObject, PFQuery, Principal
from parsekit.livequery.observed import ObservedGroups, ObservedList
from parsekit.livequery.subscription import Subscription

ROUNDS = 10_000


def _queries() -> list[PFQuery[Any]]:
    deals: PFQuery[Any] = PFQuery("Deal")
    large = PFQuery("Company").where_key("size", greater_than=10)
    return [
        deals.copy(),
        deals.copy().where_key("stage", equal_to="won"),
        deals.copy().where_key("amount", greater_than=1, less_than=5),
        deals.copy().where_key("stage", contained_in=["won", "lost"]),
        PFQuery.or_(
            deals.copy().where_key("amount", greater_than=1, less_than=5),
            deals.copy().where_key("amount", contained_in=[1, 2]),
            deals.copy().where_key("amount", equal_to=2),
            deals.copy().where_key("amount", greater_than=2, less_than=9),
        ),
        deals.copy().where_key("title", matches_regex="^a"),
        deals.copy().where_key("company", matches_query=large),
    ]


def _sizes(engine: parsekit.ParseEngine) -> dict[str, int]:
    """How much each container of the dispatcher and of its indexes holds, all levels down."""

    def held(value: object) -> int:
        if isinstance(value, dict):
            return sum(1 + held(inner) for inner in value.values())
        return len(value) if isinstance(value, list | set) else 0

    dispatcher = engine.live.dispatcher
    sizes = {name: held(value) for name, value in vars(dispatcher).items() if name != "_indexes"}
    for index in vars(dispatcher)["_indexes"].values():
        sizes |= {name: held(value) for name, value in vars(index).items()}
    return {name: size for name, size in sizes.items() if size}


def _objects() -> int:
    gc.collect()
    return len(gc.get_objects())


def test_ten_thousand_subscriptions_leave_nothing_behind() -> None:
    with parsekit.open(":memory:") as engine:
        PFObject("Company", size=1).save()
        deal = PFObject("Deal", stage="won", amount=2, title="a")
        deal.save()
        users = [Principal.user(f"u{number}") for number in range(7)]

        def cycle(count: int) -> None:
            asked = _queries()
            for number in range(count):
                with engine.acting_as(users[number % len(users)]):
                    subscription = asked[number % len(asked)].subscribe(watch=["title"] if number % 3 else ())
                if number % 500 == 0:
                    deal["amount"] = number % 7
                    deal.save()
                subscription.close()

        cycle(300)
        before = _objects()
        cycle(ROUNDS)
        assert _objects() - before < ROUNDS / 20
        assert len(engine.live.dispatcher) == 0
        left = _sizes(engine)
        assert set(left) <= {"_viewers", "_dependents", "_depending"}, left
        assert all(size < 10 for size in left.values()), left


def test_what_was_closed_is_collected() -> None:
    with parsekit.open(":memory:"):
        PFObject("Deal", stage="won", amount=2).save()
        asked = _queries()
        followed: list[Any] = [query.subscribe() for query in asked]
        followed += [query.observe() for query in asked]
        followed += [query.observe_aggregate(group_by="stage", sum_of="amount") for query in asked]
        handled = PFQuery("Deal").subscribe()
        seen: list[str] = []
        handled.on_event(lambda event: seen.append(event.kind))
        followed.append(handled)
        PFObject("Deal", stage="won", amount=2).save()
        assert handled.join(10)
        assert seen == ["create"]
        for item in followed:
            item.close()
        del item, handled
        followed.clear()
        gc.collect()
        kinds = (Subscription, ObservedList, ObservedGroups)
        assert [item for item in gc.get_objects() if isinstance(item, kinds)] == []
