"""What is nested too deeply is refused with Parse's errors, however much of Python's stack is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any

import pytest

import parsekit
from parsekit import ParseError, PFObject, PFQuery
from parsekit.codec import decode_value


@pytest.fixture
def engine() -> Iterator[parsekit.ParseEngine]:
    with parsekit.open(":memory:") as opened:
        yield opened


def arrays(levels: int) -> Any:
    return reduce(lambda inner, _: [inner], range(levels), 1)


def objects(levels: int) -> Any:
    return reduce(lambda inner, _: {"k": inner}, range(levels), 1)


def code_of(action: Callable[[], object]) -> int | None:
    try:
        action()
    except ParseError as error:
        return error.code
    return None


@pytest.mark.parametrize("made", [arrays, objects])
def test_a_value_may_be_a_hundred_levels_deep(
    engine: parsekit.ParseEngine, made: Callable[[int], Any]
) -> None:
    fits = PFObject("Note", v=made(100))
    fits.save()
    assert fits.fetch()["v"] == made(100)
    fits["v"] = made(101)
    with pytest.raises(ParseError) as caught:
        fits.save()
    assert (caught.value.code, caught.value.message) == (1, "Internal server error.")
    assert "100 levels" in str(caught.value)
    assert engine.check() == []


def test_operations_count_from_where_they_write(engine: parsekit.ParseEngine) -> None:
    note = PFObject("Note", a=[], o={})
    note.save()
    for key, levels in (("a", 99), ("o.x", 99), ("o.y.z", 98)):
        if "." in key:
            note[key] = arrays(levels)
        else:
            note.add_object(arrays(levels), for_key=key)
        note.save()
    for key, levels in (("a", 100), ("o.x", 100), ("o.y.z", 99)):
        twin = PFObject.without_data("Note", str(note.object_id))
        if "." in key:
            twin[key] = arrays(levels)
        else:
            twin.add_object(arrays(levels), for_key=key)
        assert code_of(twin.save) == 1
    deep = PFObject.without_data("Note", str(note.object_id))
    deep[".".join(["o", *["k"] * 101])] = 1
    assert code_of(deep.save) == 1


def test_the_bound_is_an_option() -> None:
    with parsekit.open(":memory:", max_nesting=2):
        PFObject("Note", v=[[1]]).save()
        assert code_of(PFObject("Note", v=[[[1]]]).save) == 1
        assert code_of(lambda: PFObject.save_all([PFObject("Note", v=[[[1]]]) for _ in range(3)])) is not None
    with pytest.raises(ValueError, match="max_nesting"):
        parsekit.open(":memory:", max_nesting=1000)


def test_nothing_overflows_the_stack(engine: parsekit.ParseEngine) -> None:
    itself: list[Any] = []
    itself += [itself, itself]
    for endless in (itself, arrays(5000), objects(5000)):
        assert code_of(lambda value=endless: PFObject("Note", v=value)) == 1  # type: ignore[misc]
        assert code_of(lambda value=endless: decode_value(value)) == 1  # type: ignore[misc]
        assert code_of(lambda value=endless: PFQuery("Note").where_key("v", contained_in=[value])) == 102  # type: ignore[misc]
        with engine.acting_as_master():
            stage = {"$project": {"x": endless}}
            assert code_of(lambda stage=stage: PFQuery("Note").aggregate([stage])) == 102  # type: ignore[misc]


def test_queries_inside_queries_are_bounded(engine: parsekit.ParseEngine) -> None:
    either = joined = PFQuery("Note").where_key("n", equal_to=1)
    for number in range(100):
        either = PFQuery.or_(either, PFQuery("Note").where_key("n", equal_to=number))
        joined = PFQuery("Note").where_key("next", matches_query=joined)
    assert either.find() == joined.find() == []
    assert code_of(lambda: PFQuery.or_(either, either)) == 102
    assert code_of(lambda: PFQuery.and_(either)) == 102
    assert code_of(lambda: PFQuery("Note").where_key("next", does_not_match_query=joined)) == 102
    assert code_of(lambda: PFQuery("Note").where_key("n", matches_key="n", in_query=joined)) == 102
