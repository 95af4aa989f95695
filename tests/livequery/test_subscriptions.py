"""Subscriptions as their users meet them: handlers, iterating, overflow, transactions, other processes."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import parsekit
from parsekit import PFACL, PFObject, PFQuery, Principal
from parsekit._context import current_binding
from parsekit.errors import EngineError, OperationForbiddenError, SubscriptionLagged
from parsekit.livequery.events import Event


def _won() -> PFQuery[Any]:
    return PFQuery("Deal").where_key("stage", equal_to="won")


def _kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events]


def test_events_carry_object_original_and_sequence() -> None:
    with parsekit.open(":memory:"), _won().subscribe() as subscription:
        deal = PFObject("Deal", stage="won", amount=1)
        deal.save()
        deal["amount"] = 2
        deal.save()
        deal["stage"] = "lost"
        deal.save()
        deal.delete()
        events = subscription.pending()
        assert _kinds(events) == ["create", "update", "leave"]
        assert [event.object["amount"] for event in events] == [1, 2, 2]
        assert [event.original and event.original["amount"] for event in events] == [None, 1, 2]
        assert [event.sequence for event in events] == [1, 2, 3]


def test_a_transaction_arrives_together_and_a_rolled_back_one_not_at_all() -> None:
    with parsekit.open(":memory:") as engine, _won().subscribe() as subscription:
        with engine.transaction():
            PFObject("Deal", stage="won").save()
            PFObject("Deal", stage="won").save()
            assert subscription.pending() == []
        assert len(subscription.pending()) == 2
        with pytest.raises(ZeroDivisionError), engine.transaction():
            PFObject("Deal", stage="won").save()
            raise ZeroDivisionError
        assert subscription.pending() == []


def test_handlers_run_as_their_subscriber_and_harm_nobody() -> None:
    with parsekit.open(":memory:") as engine:
        seen: list[tuple[str, str]] = []
        errors: list[Exception] = []
        with engine.acting_as_master():
            failing, quiet = _won().subscribe(), _won().subscribe()
        failing.on_error(errors.append)

        @failing.on_create
        def fail(event: Event) -> None:
            raise ZeroDivisionError

        @quiet.on_event
        def note(event: Event) -> None:
            seen.append((event.kind, current_binding().principal.kind))

        PFObject("Deal", stage="won").save()
        PFObject("Deal", stage="won").save()
        assert failing.join(10)
        assert quiet.join(10)
        assert [type(error) for error in errors] == [ZeroDivisionError] * 2
        assert seen == [("create", "master")] * 2
        with pytest.raises(EngineError, match="handlers"):
            quiet.next(0)


def test_a_blocking_iterator_ends_when_the_subscription_is_closed() -> None:
    with parsekit.open(":memory:"):
        subscription = _won().subscribe()
        got: list[str] = []
        ready = threading.Event()

        def follow() -> None:
            for event in subscription:
                got.append(event.kind)
                ready.set()

        thread = threading.Thread(target=follow)
        thread.start()
        PFObject("Deal", stage="won").save()
        assert ready.wait(10)
        subscription.close()
        thread.join(10)
        assert got == ["create"]
        assert not thread.is_alive()


def test_overflow_closes_with_the_number_to_resume_from() -> None:
    with parsekit.open(":memory:"):
        subscription = _won().subscribe(capacity=2)
        for _ in range(4):
            PFObject("Deal", stage="won").save()
        assert subscription.is_closed
        events = [subscription.next(0), subscription.next(0)]
        with pytest.raises(SubscriptionLagged) as lagged:
            subscription.next(0)
        assert lagged.value.last_sequence == events[-1].resume_from == 2  # type: ignore[union-attr]
        resumed = _won().subscribe(resume_from=lagged.value.last_sequence)
        assert [event.sequence for event in resumed.pending()] == [3, 4]


def test_losing_the_right_to_see_is_a_leave_without_anything_newer() -> None:
    with parsekit.open(":memory:") as engine:
        with engine.acting_as(Principal.user("u1")):
            subscription = PFQuery("Deal").subscribe()
        with engine.acting_as_master():
            deal = PFObject("Deal", amount=1)
            deal.save()
            deal["amount"] = 2
            deal.acl = PFACL()
            deal.save()
            deal["amount"] = 3
            deal.save()
        created, left = subscription.pending()
        assert (created.kind, left.kind) == ("create", "leave")
        assert left.object["amount"] == 1


def test_one_leave_is_not_shown_to_who_may_not_see_it() -> None:
    """Both hear a leave of the same change: one still sees the object, the other no longer does."""
    with parsekit.open(":memory:") as engine:
        subscriptions = []
        for user in ("u1", "u2"):
            with engine.acting_as(Principal.user(user)):
                subscriptions.append(_won().subscribe())
        with engine.acting_as_master():
            deal = PFObject("Deal", stage="won", amount=1)
            deal.save()
            deal["stage"], deal["amount"] = "lost", 2
            acl = PFACL()
            acl.set_read_access(True, for_user_id="u1")
            deal.acl = acl
            deal.save()
        first, second = ([event.object["amount"] for event in item.pending()] for item in subscriptions)
        assert first == [1, 2]
        assert second == [1, 1]


def test_watch_and_keys() -> None:
    with parsekit.open(":memory:"):
        subscription = PFQuery("Deal").select_keys("stage").subscribe(watch=["stage"])
        deal = PFObject("Deal", stage="lead", amount=1)
        deal.save()
        deal["amount"] = 2
        deal.save()
        deal["stage"] = "won"
        deal.save()
        events = subscription.pending()
        assert _kinds(events) == ["create", "update"]
        assert not events[0].object.is_data_available_for_key("amount")


def test_explain_says_why_an_object_does_not_arrive() -> None:
    with parsekit.open(":memory:") as engine:
        subscription = _won().where_key("amount", greater_than=5).subscribe()
        with engine.acting_as_master():
            deal = PFObject("Deal", stage="won", amount=1)
            deal.acl = PFACL()
            deal.save()
            reasons = subscription.explain(deal).reasons
        assert reasons == (
            "the condition amount $gt does not hold",
            "its ACL or the pointer permissions of the class do not let anonymous read it",
        )


def test_hidden_fields_can_neither_be_asked_for_nor_watched() -> None:
    with parsekit.open(":memory:"):
        with pytest.raises(OperationForbiddenError):
            PFQuery("_User").where_key("email", equal_to="a@example.com").subscribe()
        with pytest.raises(OperationForbiddenError):
            PFQuery("_User").subscribe(watch=["email"])


def test_a_transaction_or_no_journal_is_no_place_to_subscribe() -> None:
    with (
        parsekit.open(":memory:") as engine,
        engine.transaction(),
        pytest.raises(EngineError, match="transaction"),
    ):
        PFQuery("Deal").subscribe()
    with parsekit.open(":memory:", journal=False), pytest.raises(EngineError, match="journal"):
        PFQuery("Deal").subscribe()


def test_closing_inside_a_transaction_is_refused_and_closes_nothing() -> None:
    with parsekit.open(":memory:") as engine, _won().subscribe() as subscription:
        with engine.transaction():
            PFObject("Deal", stage="won").save()
            with pytest.raises(EngineError, match="inside a transaction"):
                engine.close()
        assert not subscription.is_closed
        assert _kinds(subscription.pending()) == ["create"]


WRITER = """
import sys, parsekit
from parsekit import PFObject
with parsekit.open(sys.argv[1]):
    for number in range(20):
        deal = PFObject("Deal", stage="won", number=number)
        deal.save()
        deal["number"] = -number
        deal.save()
"""


def test_commits_of_another_process_arrive_in_order_and_once(tmp_path: Path) -> None:
    path = str(tmp_path / "shared.db")
    with parsekit.open(path), _won().subscribe() as subscription:
        PFObject("Deal", stage="won", number=100).save()
        subprocess.run([sys.executable, "-c", WRITER, path], check=True, timeout=60)
        events = [subscription.next(10) for _ in range(41)]
        sequences = [event.sequence for event in events if event is not None]
        assert sequences == list(range(1, 42))
        assert subscription.next(0.1) is None
        numbers = [event.object["number"] for event in events if event is not None]
        assert numbers[0] == 100
        assert numbers[1:] == [sign * number for number in range(20) for sign in (1, -1)]


def test_following_begins_at_one_moment_however_fast_others_commit(tmp_path: Path) -> None:
    """What the result was then and the events since are the result, for queries that ask several classes, too."""
    path = str(tmp_path / "shared.db")
    stopping = threading.Event()
    with parsekit.open(path) as engine, engine.acting_as_master():
        company = PFObject("Company", size=1)
        PFObject("Deal", company=company, n=0).save()

        def write() -> None:
            with parsekit.open(path) as other, other.acting_as_master():
                there = PFQuery("Company").get(str(company.object_id))
                number = 0
                while not stopping.is_set():
                    number += 1
                    with other.transaction():
                        PFObject("Deal", company=there, n=number).save()
                        there["size"] = number % 2
                        there.save()

        thread = threading.Thread(target=write)
        thread.start()
        try:
            large = PFQuery("Company").where_key("size", equal_to=1)
            asked = PFQuery("Deal").where_key("company", matches_query=large).limit(10_000)
            followed = [
                (
                    asked.subscribe(capacity=100_000),
                    asked.observe(),
                    asked.observe_aggregate(group_by="company"),
                )
                for _ in range(5)
            ]
        finally:
            stopping.set()
            thread.join()
        wanted = {deal.object_id for deal in asked.find()}
        asked.observe().close()  # all that was committed is matched by now
        for subscription, observed, groups in followed:
            observed.pending()
            assert {deal.object_id for deal in observed.objects} == wanted
            assert sum(total.count for total in groups.groups.values()) == len(wanted)
            known = _past(engine, asked, subscription.start)
            for event in subscription.pending():
                if event.kind in ("create", "enter"):
                    assert event.object_id not in known
                    known.add(event.object_id)
                elif event.kind in ("leave", "delete"):
                    known.remove(event.object_id)
            assert known == wanted


def _past(engine: parsekit.ParseEngine, asked: PFQuery[Any], position: int) -> set[str]:
    return {str(deal.object_id) for deal in engine.as_of(position).find(asked)}


def test_a_list_is_not_taken_from_a_transaction_that_may_be_rolled_back() -> None:
    with parsekit.open(":memory:") as engine, _won().observe() as observed:
        with engine.transaction():
            PFObject("Deal", stage="won").save()
            assert observed.pending() is None
        with engine.transaction(), pytest.raises(EngineError, match="inside a transaction"):
            observed.pending()
        step = observed.pending()
        assert step is not None
        assert [placed.index for placed in step.inserted] == [0]
