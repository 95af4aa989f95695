"""Ten thousand deals pinned: what one more pin costs, and the stage query in order against the engine's own.

Times are the best of several, taken in turn, so that what else the machine does counts for little.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from time import perf_counter

import pytest

import crm_schema
import parsekit
from parsekit import PFObject, PFQuery
from parsekit.engine.core import ParseEngine

DEALS = 10_000
STAGES = ("lead", "qualified", "proposal", "negotiation", "won", "lost")


def _seconds(act: Callable[[], object]) -> float:
    began = perf_counter()
    act()
    return perf_counter() - began


@pytest.fixture(scope="module")
def engine() -> Iterator[ParseEngine]:
    lot = random.Random(1)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with (
        parsekit.open(schema=crm_schema.SCHEMA, local_datastore=":memory:") as opened,
        opened.acting_as_master(),
    ):
        companies = [PFObject("Company", name=f"c{number}") for number in range(200)]
        PFObject.save_all(companies)
        deals = [
            PFObject(
                "Deal",
                title=f"d{number}",
                stage=lot.choice(STAGES),
                amount=number,
                company=lot.choice(companies),
                expectedCloseDate=start + timedelta(days=lot.randrange(700)),
            )
            for number in range(DEALS)
        ]
        PFObject.save_all(deals)
        PFObject.pin_all(PFQuery("Deal").limit(DEALS).find())
        yield opened


@pytest.mark.slow
def test_pinning_and_unpinning_one_more_takes_less_than_a_millisecond(engine: ParseEngine) -> None:
    with engine.acting_as_master():
        more = [PFObject("Deal", title=f"more{number}", stage="lead") for number in range(50)]
        PFObject.save_all(more)
        company = PFQuery("Deal").where_key_exists("company").first()["company"]
        pins, unpins, changes = [], [], []
        for deal in more:
            deal["company"] = company
            deal.save()
            pins.append(_seconds(deal.pin))
            changes.append(_seconds(lambda deal=deal: deal.increment_key("amount")))  # type: ignore[misc]
            unpins.append(_seconds(deal.unpin))
        assert min(pins) < 0.001
        assert min(unpins) < 0.001
        assert min(changes) < 0.001


@pytest.mark.slow
def test_the_stage_query_in_order_takes_at_most_twice_the_engines(engine: ParseEngine) -> None:
    there = (
        PFQuery("Deal")
        .where_key("stage", equal_to="qualified")
        .order_by_ascending("expectedCloseDate")
        .limit(100)
    )
    here = there.copy().from_local_datastore()
    with engine.acting_as_master():
        assert [deal.object_id for deal in here.find()] == [deal.object_id for deal in there.find()]
        times = [(_seconds(there.find), _seconds(here.find)) for _ in range(200)]
    assert min(local for _, local in times) < 2 * min(own for own, _ in times)
