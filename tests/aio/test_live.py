"""Live queries of the asynchronous engine: events, lag, resume, observed lists and totals."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import parsekit
import parsekit.aio
from parsekit import PFObject, PFQuery, Principal
from parsekit.errors import EngineError, SubscriptionLagged
from tests.aio.test_engine import run

DEALS: PFQuery[Any] = PFQuery("Deal")


def test_events_arrive_with_async_for_under_the_subscribers_principal() -> None:
    async def act(engine: parsekit.aio.AsyncParseEngine) -> None:
        company = await engine.save(PFObject("Company", name="Acme"))
        seen: list[Any] = []
        begun = asyncio.Event()

        async def follow() -> None:
            async with engine.subscribe(PFQuery("Deal").include_key("company")) as events:
                begun.set()
                async for event in events:
                    seen.append((event.kind, event.object["company"]["name"]))
                    if event.kind == "delete":
                        return

        task = asyncio.create_task(follow())
        await begun.wait()
        deal = await engine.save(PFObject("Deal", company=company, stage="lead"))
        deal["stage"] = "won"
        await engine.save(deal)
        await engine.delete(deal)
        await task
        assert seen == [("create", "Acme"), ("update", "Acme"), ("delete", "Acme")]

    run(act)


def test_a_subscriber_hears_what_its_principal_may_see() -> None:
    async def act(engine: parsekit.aio.AsyncParseEngine) -> None:
        with engine.acting_as(Principal.user("ann")):
            events = await engine.subscribe(DEALS).__aenter__()
        with engine.acting_as_master():
            hidden = PFObject("Deal", title="hidden")
            hidden.acl = parsekit.PFACL()
            await engine.save_all([hidden, PFObject("Deal", title="public")])
            event = await events.next()
            assert event is not None
            assert event.object["title"] == "public"
            assert not (await events.explain(hidden)).arrives
            assert await events.next(0) is None
            assert await events.next(0.01) is None
        await events.close()
        assert [event async for event in events] == []

    run(act)


def test_overflow_and_resume() -> None:
    async def act(engine: parsekit.aio.AsyncParseEngine) -> None:
        async with engine.subscribe(DEALS, capacity=2) as events:
            for number in range(4):
                await engine.save(PFObject("Deal", n=number))
            got = [await events.next(), await events.next()]
            with pytest.raises(SubscriptionLagged) as lagged:
                await events.next()
            assert [event.object["n"] for event in got if event is not None] == [0, 1]
        async with engine.subscribe(DEALS, resume_from=lagged.value.last_sequence) as events:
            assert events.followed.resume_gap is None
            again = [await events.next(), await events.next()]
            assert [event.object["n"] for event in again if event is not None] == [2, 3]

    run(act)


def test_cancelling_a_subscriber_loses_no_event() -> None:
    async def act(engine: parsekit.aio.AsyncParseEngine) -> None:
        async with engine.subscribe(DEALS) as events:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await events.next()
            await engine.save_all([PFObject("Deal", n=n) for n in range(3)])
            got = [await events.next() for _ in range(3)]
            assert [event.object["n"] for event in got if event is not None] == [0, 1, 2]

    run(act)


def test_a_subscription_says_that_it_has_not_begun() -> None:
    async def act(engine: parsekit.aio.AsyncParseEngine) -> None:
        with pytest.raises(EngineError, match="not begun"):
            await engine.subscribe(DEALS).explain(PFObject("Deal"))
        with pytest.raises(parsekit.ParseError) as caught:
            await engine.subscribe(PFQuery("_User").where_key("email", equal_to="a@b.example")).next()
        assert caught.value.code == 119

    run(act)


def test_observed_lists_and_totals() -> None:
    async def act(engine: parsekit.aio.AsyncParseEngine) -> None:
        first_two = PFQuery("Deal").order_by_descending("amount").limit(2)
        async with (
            engine.observe(first_two) as board,
            engine.observe_aggregate(DEALS, group_by="stage", sum_of="amount") as totals,
        ):
            await engine.save_all([PFObject("Deal", stage="lead", amount=amount) for amount in (1, 3, 2)])
            diff = await board.next()
            assert diff is not None
            assert [placed.object["amount"] for placed in diff.inserted] == [3, 2]
            assert [deal["amount"] for deal in board.followed.objects] == [3, 2]
            step = await totals.next()
            assert step is not None
            assert step["lead"].sum == totals.followed.groups["lead"].sum == 6
            assert await board.next(0.01) is None
        assert [step async for step in board] == []

    run(act)
