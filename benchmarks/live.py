"""``live``: what live queries cost with 100,000 subscriptions, step by step.

Subscriptions ask by equality on stage or assignedTo, by ranges of amount, and by compounds of these, for 1,000 users; a
deal's ACL lets some of the users read it. A change of its title, amount or stage is taken through the three steps: the
groups it touches are found, enter, leave and update are decided, and every subscriber who may read the deal has it.
Times are CPU seconds of the thread, so that a busy machine shows less; answers are counted against the obvious way.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, final

import attrs

import parsekit
from benchmarks.running import OUTPUT, tell
from parsekit import Dialect, PFQuery, Pointer, Principal
from parsekit.livequery.conditions import live_predicate
from parsekit.livequery.images import Transition
from parsekit.livequery.subscription import Subscription

__all__ = ["LiveRun", "Step", "add_arguments", "measured"]

STAGES: Final = [f"stage{number}" for number in range(10)]
USERS: Final = 1_000
_AMOUNTS: Final = 100_000

Fields = dict[str, Any]


@final
@attrs.frozen
class Step:
    """What one kind of change costs: medians of CPU seconds, the groups that matched, the events delivered."""

    change: str
    find_s: float
    deliver_s: float
    groups: int
    events: int


@final
@attrs.frozen
class LiveRun:
    """A measurement: CPU seconds of one subscription, and of each kind of change."""

    subscriptions: int
    subscribe_s: float
    steps: list[Step]


def query(number: int, source: random.Random) -> PFQuery[Any]:
    """One of the queries that the subscribers ask, each kind in its share."""
    asked: PFQuery[Any] = PFQuery("Deal")
    kind = number % 10
    stage, owner = source.choice(STAGES), Pointer("_User", f"user{source.randrange(USERS)}")
    low = source.randrange(_AMOUNTS)
    if kind < 4:
        return asked.where_key("assignedTo", equal_to=owner)
    if kind < 7:
        return asked.where_key("stage", equal_to=stage).where_key("assignedTo", equal_to=owner)
    if kind == 7:
        return asked.where_key("amount", greater_than_or_equal_to=low, less_than=low + 2_000)
    if kind == 8:
        return asked.where_key("stage", equal_to=stage).where_key("amount", greater_than=low)
    return asked.where_key("stage", equal_to=stage)


def _followed(engine: parsekit.ParseEngine, count: int, seed: int) -> tuple[list[Subscription[Any]], float]:
    """The subscriptions, and the CPU seconds of each."""
    source = random.Random(seed)
    queries = [query(number, source) for number in range(count)]
    made: list[Subscription[Any]] = []
    taken = 0.0
    for user in range(USERS):
        with engine.acting_as(Principal.user(f"user{user}")):
            begin = time.thread_time()
            made += [asked.subscribe(capacity=1_000_000) for asked in queries[user::USERS]]
            taken += time.thread_time() - begin
    return made, taken / count


def _deal() -> Fields:
    readers = {f"user{number}": {"read": True} for number in range(0, USERS, 6)}
    return {
        "objectId": "deal", "title": "Renewal", "stage": STAGES[3], "amount": 50_000,
        "assignedTo": Pointer("_User", "user6"), "ACL": readers,
    }  # fmt: skip


def _changes() -> dict[str, tuple[Fields, Fields]]:
    before = _deal()
    return {
        "title": (before, {**before, "title": "Upgrade"}),
        "amount": (before, {**before, "amount": 50_003}),
        "stage": (before, {**before, "stage": STAGES[4]}),
    }


def _median(times: int, call: Callable[[], Any]) -> float:
    taken = []
    for _ in range(times):
        begin = time.thread_time()
        call()
        taken.append(time.thread_time() - begin)
    return statistics.median(taken)


def measured(subscriptions: int, rounds: int, seed: int = 1) -> LiveRun:
    """Measure, and check that who should hear of each change does.

    Raises ``AssertionError`` when an event is missing, doubled, or delivered to somebody else.
    """
    with parsekit.open(":memory:") as engine:
        followed, subscribe_s = _followed(engine, subscriptions, seed)
        tell(f"{subscriptions:,} subscriptions")
        dispatcher = engine.live.dispatcher
        index = dispatcher.index_of("Deal")
        steps = []
        for name, (before, after) in _changes().items():
            change = [Transition(1, "Deal", "deal", before, after)]
            find_s = _median(rounds, partial(index.candidates, before, after))
            groups = sum(len(part) for part, _ in index.candidates(before, after))
            deliver_s = _median(rounds, partial(dispatcher.process, change, 1, rights_stale=False))
            events = _check(followed, before, after, rounds)
            steps.append(Step(name, find_s, deliver_s, groups, events))
    return LiveRun(subscriptions, subscribe_s, steps)


def _check(followed: list[Subscription[Any]], before: Fields, after: Fields, rounds: int) -> int:
    """Take the events; each subscriber whom the change concerns has one a round. How many subscribers that are."""
    concerned = 0
    for subscription in followed:
        group = subscription.state.where
        tested = live_predicate(group, Dialect.SERVER)
        hears = (tested(before) or tested(after)) and str(subscription.principal.user_id) in after["ACL"]
        if subscription.waiting != (rounds if hears else 0):
            raise AssertionError(f"{subscription.waiting} events in {rounds} rounds, concerned: {hears}")
        subscription.pending()
        concerned += hears
    return concerned


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``python -m benchmarks live``."""
    parser.description = __doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--subscriptions", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=20, help="how often each change is made")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where live.json goes")
    parser.set_defaults(action=_run)


def _run(options: argparse.Namespace) -> int:
    run = measured(options.subscriptions, options.rounds)
    sys.stdout.write(text_of(run))
    options.output.mkdir(parents=True, exist_ok=True)
    kept = json.dumps(attrs.asdict(run), indent=1)
    (options.output / "live.json").write_text(kept + "\n", encoding="utf-8")
    return 0


def text_of(run: LiveRun) -> str:
    """The run as lines for people."""
    each = run.subscribe_s * 1e6
    lines = [f"Live queries, {run.subscriptions:,} subscriptions: subscribing takes {each:.0f} us each."]
    lines += [
        f"A change of {step.change}: {step.groups:,} groups found in {step.find_s * 1e6:.0f} us; "
        f"{step.events:,} subscribers have it after {step.deliver_s * 1e6:.0f} us."
        for step in run.steps
    ]
    return "\n".join(lines) + "\n"
