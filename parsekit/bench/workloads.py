"""The questions: w1 to w15 of the pipeline, what each is called with, and how its answer is compared.

w13, matching a change against many live queries, has no counterpart in a store that only answers; it is measured apart.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias, final

from parsekit import attrs
from parsekit.bench.data import INDUSTRIES, SCOPES, STAGES, SUBJECTS, Crm, deal_id
from parsekit.bench.peer import Peer

__all__ = ["COLD", "READS", "WORKLOADS", "WRITES", "Workload", "World", "named"]

Arguments: TypeAlias = tuple[Any, ...]
Plain: TypeAlias = Callable[[Peer, Any, Arguments], Any]


@final
class World:
    """What the arguments of calls are drawn from: the CRM, a seeded source, and which deals were made so far.

    ``place`` tells the worlds of one run apart, so that no two of them make the same deal.
    """

    def __init__(self, crm: Crm, place: int = 0, batch: int = 10_000) -> None:
        self.crm = crm
        self.batch = batch
        self.source = random.Random(crm.seed * 100 + place)
        self._made = place * 1_000_000

    def stage(self) -> str:
        """A stage."""
        return self.source.choice(STAGES)

    def user(self) -> int:
        """One of 20 users, so that what they may read can be known after a while, as in a running application."""
        return self.source.randrange(20)

    def deal(self) -> str:
        """The objectId of a deal."""
        return deal_id(self.source.randrange(self.crm.deals))

    def new_deals(self, count: int) -> list[dict[str, Any]]:
        """Deals that no peer has yet."""
        first, self._made = self._made, self._made + count
        return self.crm.new_deal_rows(self.source, first, count)


@final
@attrs.frozen
class Workload:
    """A question: ``method`` of a peer, called with what ``arguments`` draws, ``calls`` times a round by a fast peer.

    ``plain`` reads an answer outside the time, for comparison. ``goal`` is the ratio to the floor that parsekit sets
    itself at 100,000 deals.
    """

    name: str
    title: str
    method: str
    arguments: Callable[[World], Arguments]
    plain: Plain
    calls: int
    goal: float | None = None
    rounds: int | None = None
    """At most so many rounds, where a call is long."""


def _deal(peer: Peer, answer: Any, arguments: Arguments) -> Any:  # noqa: ARG001
    return peer.deal(answer)


def _deals(peer: Peer, answer: Any, arguments: Arguments) -> Any:  # noqa: ARG001
    return [peer.deal(each) for each in answer]


def _included(peer: Peer, answer: Any, arguments: Arguments) -> Any:  # noqa: ARG001
    return peer.included(answer)


def _activities(peer: Peer, answer: Any, arguments: Arguments) -> Any:  # noqa: ARG001
    return [peer.activity(each) for each in answer]


def _value(peer: Peer, answer: Any, arguments: Arguments) -> Any:  # noqa: ARG001
    return answer


def _any_of_amount(peer: Peer, answer: Any, arguments: Arguments) -> Any:
    """Which 1,000 deals come is free, so what is compared is that they are different ones that fit."""
    deals = [peer.deal(each) for each in answer]
    return len({cells[0] for cells in deals}), all(cells[3] >= arguments[0] for cells in deals)


def _unordered(peer: Peer, answer: Any, arguments: Arguments) -> Any:  # noqa: ARG001
    return sorted(peer.deal(each) for each in answer)


def _created(peer: Peer, answer: Any, arguments: Arguments) -> Any:  # noqa: ARG001
    return peer.deal(peer.get(arguments[0]["objectId"]))


def _created_many(peer: Peer, answer: Any, arguments: Arguments) -> Any:  # noqa: ARG001
    rows = arguments[0]
    return [peer.deal(peer.get(row["objectId"])) for row in (rows[0], rows[len(rows) // 2], rows[-1])]


def _page(world: World) -> Arguments:
    source = world.source
    stages = source.sample(STAGES, 3)
    return stages, source.randrange(20_000, 40_000), Crm.close_date(0.8), source.choice(INDUSTRIES)


def _title_start(world: World) -> Arguments:
    source = world.source
    return (f"{source.choice(SUBJECTS)} {source.choice(SCOPES)} {source.randrange(10, 100)}",)


def _title_pattern(world: World) -> Arguments:
    source = world.source
    scopes = "|".join(source.sample(SCOPES, 2))
    return (f"^{source.choice(SUBJECTS)} ({scopes}) [0-9]*{source.randrange(10)}1$",)


READS: Final[Sequence[Workload]] = (
    Workload("w1", "get by id", "get", lambda w: (w.deal(),), _deal, 200, 1.6),
    Workload("w2", "a stage's first 100 deals by date", "pipeline", lambda w: (w.stage(),), _deals, 60, 1.4),
    Workload(
        "w3",
        "the same, as a user with 3 roles",
        "pipeline_of",
        lambda w: (w.user(), w.stage()),
        _deals,
        60,
        1.3,
    ),
    Workload(
        "w4",
        "the same, with company and contact",
        "pipeline_with_includes",
        lambda w: (w.user(), w.stage()),
        _included,
        40,
        1.7,
    ),
    Workload("w5", "a deal's activities by date", "activities", lambda w: (w.deal(),), _activities, 100, 1.6),
    Workload("w6", "count and sum per stage", "board", lambda _: (), _value, 8, 1.3),
    Workload("w7", "compound filter, places 201 to 250", "page", _page, _deals, 8, 0.3),
    Workload("w8", "1,000 deals", "many", lambda _: (5_000,), _any_of_amount, 20, 1.4),
    Workload("w12", "title starts with", "titles", _title_start, _unordered, 50, 2.5),
    Workload("w12r", "title matches a pattern", "titles_like", _title_pattern, _unordered, 8, 0.1),
    Workload("w15", "walk over all deals", "walk", lambda _: (), _value, 1, 2.0, 9),
)
"""What changes nothing; these run first, so that every peer holds the same data."""

WRITES: Final[Sequence[Workload]] = (
    Workload("w11", "move to a stage, read back", "move", lambda w: (w.deal(), w.stage()), _value, 50, 2.0),
    Workload("w9", "create one", "create", lambda w: (w.new_deals(1)[0],), _created, 50, 2.2),
    Workload(
        "w10",
        "create many at once",
        "create_many",
        lambda w: (w.new_deals(w.batch),),
        _created_many,
        1,
        3.0,
        7,
    ),
)
"""What changes data; a slow peer that does fewer of them is not asked the reads again."""

COLD: Final = Workload(
    "w14", "cold start: import, open, get", "cold_program", lambda w: (w.deal(),), _value, 1, 4.0
)
"""Measured in processes of its own, see ``measure.cold_starts``."""


def _place(workload: Workload) -> tuple[int, str]:
    return int(workload.name[1:].rstrip("r")), workload.name


WORKLOADS: Final[Sequence[Workload]] = tuple(sorted((*READS, *WRITES, COLD), key=_place))
"""All of them in the order of their numbers."""


def named(name: str) -> Workload:
    """The workload of a name.

    Raises:
        KeyError: there is none.
    """
    for workload in WORKLOADS:
        if workload.name == name:
            return workload
    raise KeyError(f"there is no workload {name!r}; there are {', '.join(w.name for w in WORKLOADS)}")
