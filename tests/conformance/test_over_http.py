"""Law L9 over a socket: what is recorded is answered over HTTP as it is in process, by a server of its own.

``make test`` takes a sample; all of it is marked slow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.known_gaps import QUERY_GAPS, SCENARIO_GAPS
from tests.conformance.over_http import Oracle, oracle
from tests.conformance.replay import load_scenarios, played
from tests.conformance.test_queries import COUNTING, check

SCENARIOS = load_scenarios()
_EVERY_SCENARIO, _EVERY_QUERY = 6, 25


@pytest.fixture(scope="module")
def server() -> Iterator[Oracle]:
    with oracle() as found:
        yield found


def _wrong(server: Oracle, scenario: dict[str, Any]) -> list[str]:
    server.configure(scenario.get("options", {}))
    return [
        f"{scenario['id']} #{step.number} {step.request}: {step.problem}"
        for step in played(scenario, server.handle)
        if (step.problem is not None) != ((scenario["id"], step.number) in SCENARIO_GAPS)
    ]


def _asked(server: Oracle, cases: list[dict[str, Any]]) -> list[str]:
    wrong = []
    for case in cases:
        try:
            check(case, server.ask(case))
        except AssertionError as error:
            if case["id"] not in QUERY_GAPS:
                wrong.append(f"{case['id']}: {error}")
    return wrong


def test_a_sample_of_the_scenarios(server: Oracle) -> None:
    assert [line for scenario in SCENARIOS[::_EVERY_SCENARIO] for line in _wrong(server, scenario)] == []


def test_a_sample_of_the_queries(server: Oracle) -> None:
    server.load()
    assert _asked(server, COUNTING[::_EVERY_QUERY]) == []


@pytest.mark.slow
def test_every_scenario(server: Oracle) -> None:
    assert [line for scenario in SCENARIOS for line in _wrong(server, scenario)] == []


@pytest.mark.slow
def test_every_query(server: Oracle) -> None:
    server.load()
    assert _asked(server, COUNTING) == []
