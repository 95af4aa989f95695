"""A query whose conditions run in Python ends at the time limit."""

from __future__ import annotations

import pytest

import parsekit
from parsekit import PFObject, PFQuery
from parsekit.errors import TimeoutExceededError


def test_a_query_that_takes_too_long_ends_with_124_and_the_next_one_works() -> None:
    with parsekit.open(":memory:", query_time_limit_s=0.0) as engine, engine.acting_as_master():
        with engine.transaction():
            for number in range(500):
                PFObject("Note", text=f"note {number}", stars=number).save()
        with pytest.raises(TimeoutExceededError) as caught:
            PFQuery("Note").where_key("text", matches_regex="(note|x) 4.*9$").find()
        assert caught.value.code == 124
        assert "query_time_limit_s" in str(caught.value)
        assert PFQuery("Note").where_key("stars", less_than=3).count() == 3


def test_a_query_within_the_limit_is_not_disturbed() -> None:
    with parsekit.open(":memory:") as engine, engine.acting_as_master():
        for number in range(20):
            PFObject("Note", text=f"note {number}").save()
        assert PFQuery("Note").where_key("text", matches_regex="(note|x) 1.*9$").count() == 1


def test_a_hostile_pattern_ends() -> None:
    with parsekit.open(":memory:") as engine, engine.acting_as_master():
        PFObject("Note", text="a" * 40 + "!").save()
        with pytest.raises(TimeoutExceededError):
            PFQuery("Note").where_key("text", matches_regex="^(a|aa)+$").find()
