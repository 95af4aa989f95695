"""The stages and types: their words, order and kinds."""

import doctest
import json

import pytest

from crm_schema import stages
from crm_schema.sample import names
from crm_schema.stages import BOARD, CLOSED_STAGES, OPEN_STAGES, ActivityType, Stage


def test_the_board_from_left_to_right():
    assert [stage.label for stage in BOARD] == ["Lead", "Qualified", "Proposal", "Negotiation", "Won", "Lost"]
    assert [stage.position for stage in BOARD] == [0, 1, 2, 3, 4, 5]


def test_a_stage_is_open_or_closed():
    assert (*OPEN_STAGES, *CLOSED_STAGES) == BOARD
    assert [stage.is_open for stage in BOARD] == [True, True, True, True, False, False]


def test_the_types_of_an_activity():
    assert {kind.value: kind.label for kind in ActivityType} == {
        "call": "Call",
        "email": "Email",
        "meeting": "Meeting",
        "note": "Note",
    }


def test_members_are_the_strings_that_objects_hold():
    assert json.dumps({"stage": Stage.WON, "type": ActivityType.NOTE}) == '{"stage": "won", "type": "note"}'
    assert {"won": 1}[Stage.WON] == 1


@pytest.mark.parametrize("module", [stages, names], ids=lambda module: module.__name__)
def test_examples(module):
    result = doctest.testmod(module)
    assert (result.failed, result.attempted > 0) == (0, True)
