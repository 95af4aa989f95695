"""The relevance of a ``$text`` among the keys of its results (parse_server.md Q25: the key ``$score``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import parsekit
from parsekit import PFObject, PFQuery

FOX = {"t": {"$text": {"$search": {"$term": "fox"}}}}


@pytest.fixture
def engine() -> Iterator[parsekit.ParseEngine]:
    with parsekit.open(":memory:") as opened:
        PFObject.save_all(
            [PFObject("Tale", t=text, n=n) for n, text in enumerate(["a fox", "fox fox fox", "a cat"])]
        )
        yield opened


def found(**query: Any) -> list[dict[str, Any]]:
    return [tale.to_json() for tale in PFQuery.from_json("Tale", query).find()]


def test_the_score_comes_when_it_is_asked_for(engine: parsekit.ParseEngine) -> None:
    best, second = found(where=FOX, order="$score", keys="$score,n")
    assert (best["n"], second["n"]) == (1, 0)
    assert best["score"] > second["score"] > 0
    assert "t" not in best


@pytest.mark.parametrize("query", [{"where": FOX}, {"where": FOX, "keys": "n"}, {"keys": "$score"}], ids=str)
def test_otherwise_there_is_none(engine: parsekit.ParseEngine, query: dict[str, Any]) -> None:
    assert not any("score" in tale for tale in found(**query))


def test_a_page_read_by_rowid_has_the_score_too(engine: parsekit.ParseEngine) -> None:
    (second,) = found(where=FOX, order="-n", keys="$score", skip=1)
    assert second["score"] == found(where=FOX, order="$score", keys="$score")[1]["score"]


def test_the_score_stands_for_a_field_of_its_name(engine: parsekit.ParseEngine) -> None:
    PFObject("Tale", t="fox", score="a field").save()
    assert all(isinstance(tale["score"], float | int) for tale in found(where=FOX, keys="$score,score"))
