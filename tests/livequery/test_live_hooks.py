"""``beforeSubscribe`` and ``afterEvent``: cloud code around live queries (parse_server.md C8)."""

from __future__ import annotations

from typing import Any

import pytest

import parsekit
from parsekit import ParseError, PFObject, PFQuery
from parsekit.errors import ScriptError


def test_before_subscribe_changes_or_refuses_the_query() -> None:
    with parsekit.open(":memory:") as engine:
        asked: list[tuple[str, int]] = []

        @engine.cloud.before_subscribe("Deal")
        def only_won(request: Any) -> None:
            asked.append((request.trigger_name, request.subscriptions))
            request.query.where_key("stage", equal_to="won")

        @engine.cloud.before_subscribe("Secret")
        def refuse(request: Any) -> None:
            raise ParseError("not here", code=119)

        first, second = PFQuery("Deal").subscribe(), PFQuery("Deal").subscribe()
        PFObject("Deal", stage="lead").save()
        PFObject("Deal", stage="won").save()
        assert [event.object["stage"] for event in first.pending()] == ["won"]
        assert len(second.pending()) == 1
        assert asked == [("beforeSubscribe", 0), ("beforeSubscribe", 1)]
        with pytest.raises(ParseError, match="not here") as caught:
            PFQuery("Secret").subscribe()
        assert caught.value.code == 119


def test_after_event_changes_drops_or_fails_an_event() -> None:
    with parsekit.open(":memory:") as engine:

        @engine.cloud.after_live_query_event("Deal")
        def change(request: Any) -> None:
            if request.object["stage"] == "hidden":
                request.send_event = False
            elif request.object["stage"] == "broken":
                raise ValueError("no")
            request.object["note"] = f"{request.event} under {request.caller.principal.kind}"

        subscription = PFQuery("Deal").subscribe()
        for stage in ("hidden", "won", "broken", "lead"):
            PFObject("Deal", stage=stage).save()
        event = subscription.next(0)
        assert event is not None
        assert (event.sequence, event.object["note"]) == (2, "create under anonymous")
        with pytest.raises(ScriptError):
            subscription.next(0)
        last = subscription.next(0)
        assert last is not None
        assert last.object["stage"] == "lead"
        assert subscription.pending() == []
        assert not PFQuery("Deal").where_key_exists("note").find()


def test_handlers_hear_what_the_hook_lets_through_and_of_its_failures() -> None:
    with parsekit.open(":memory:") as engine:
        heard: list[str] = []
        errors: list[Exception] = []

        @engine.cloud.after_live_query_event("Deal")
        def change(request: Any) -> None:
            if request.object["stage"] == "broken":
                raise ParseError("no", code=141)
            request.send_event = request.object["stage"] != "hidden"

        subscription = PFQuery("Deal").subscribe()
        subscription.on_error(errors.append)
        subscription.on_create(lambda event: heard.append(event.object["stage"]))
        for stage in ("hidden", "broken", "won"):
            PFObject("Deal", stage=stage).save()
        assert subscription.join(10)
        assert heard == ["won"]
        assert [type(error) for error in errors] == [ParseError]
