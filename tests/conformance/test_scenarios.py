"""Every recorded scenario, in process through the REST dispatcher: statuses, codes, bodies, side effects."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.known_gaps import SCENARIO_GAPS
from tests.conformance.replay import load_scenarios, replay

SCENARIOS = load_scenarios()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[f"{s['id']}-{s['topic']}" for s in SCENARIOS])
def test_the_scenario_is_answered_as_recorded(scenario: dict[str, Any]) -> None:
    wrong = [step for step in replay(scenario) if step.problem is not None]
    gaps = {number for name, number in SCENARIO_GAPS if name == scenario["id"]}
    closed = gaps - {step.number for step in wrong}
    assert not closed, f"known gaps that are closed, take them out of known_gaps.py: {sorted(closed)}"
    unexpected = [step for step in wrong if step.number not in gaps]
    assert not unexpected, "\n".join(f"#{s.number} {s.request}: {s.problem}" for s in unexpected)


def test_known_gaps_name_recorded_steps() -> None:
    steps = {(s["id"], number) for s in SCENARIOS for number in range(len(s["steps"]))}
    assert set(SCENARIO_GAPS) <= steps
