"""A run on 1,000 deals: equal answers pass, a wrong one is caught by name, a slow peer keeps to its budget."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from parsekit.bench.data import Crm
from parsekit.bench.engine import Engine
from parsekit.bench.floor import Floor
from parsekit.bench.measure import DisagreementError, Plan, run
from parsekit.bench.memory import walk_growth_mb
from parsekit.bench.result import Run
from parsekit.bench.workloads import READS, WORKLOADS, WRITES, named

CRM = Crm(1_000)
QUICK = Plan(rounds=3, budget_s=0.05, batch=50, cold_starts=1)
NAMES = [workload.name for workload in WORKLOADS]


def untold(_: str) -> None:
    return


@pytest.fixture
def floors(tmp_path: Path) -> Iterator[Callable[[type[Floor]], Floor]]:
    made: list[Floor] = []

    def make(kind: type[Floor]) -> Floor:
        floor = kind(tmp_path / f"{len(made)}.db")
        floor.load(CRM)
        made.append(floor)
        return floor

    yield make
    for floor in made:
        floor.close()


def test_floor_and_engine_agree_on_every_workload(tmp_path: Path, floors: Callable[..., Floor]):
    engine = Engine(tmp_path / "engine.db")
    try:
        engine.load(CRM)
        lines: list[str] = []
        floor = floors(Floor)
        found = run([floor, engine], CRM, QUICK, lines.append)
        grown = walk_growth_mb(floor.path, engine.path)
    finally:
        engine.close()
    assert sorted(found.figures) == sorted(NAMES)
    assert [line.partition(":")[0] for line in lines] == [each.name for each in (*READS, *WRITES)] + ["w14"]
    assert sorted(grown) == ["apsw", "parsekit"]
    assert all(0 <= mb < 100 for mb in grown.values())
    for name, row in found.figures.items():
        assert row["apsw"].ratio.median == 1
        assert 0 < row["parsekit"].ratio.low <= row["parsekit"].ratio.high, name
        assert row["parsekit"].ratio.rounds == (1 if name == "w14" else 3)


def test_a_run_survives_json(floors: Callable[..., Floor]):
    found = run([floors(Floor)], CRM, attrs.evolve(QUICK, only=frozenset({"w1", "w2"})), untold)
    again = Run.from_json(json.loads(json.dumps(found.to_json())))
    assert again == found
    assert sorted(again.figures) == ["w1", "w2"]
    assert again.figure("w3", "apsw") is None
    with pytest.raises(ValueError, match="form"):
        Run.from_json({**found.to_json(), "form": 99})


class Wrong(Floor):
    name = "wrong"

    def pipeline(self, stage: str) -> Any:
        return super().pipeline(stage)[:99]

    def get(self, object_id: str) -> Any:
        return (*super().get(object_id)[:4], "somewhere", *super().get(object_id)[5:])

    def many(self, least: int) -> Any:
        return [super().get("d00000001")] * 1_000

    def create(self, row: Any) -> Any:
        super().create({**row, "amount": row["amount"] + 1})

    def move(self, object_id: str, stage: str) -> str:
        return "lost" if stage == "lead" else stage

    def titles(self, start: str) -> Any:
        return self._rows("SELECT * FROM Deal WHERE 0")


@pytest.mark.parametrize("workload", ["w1", "w2", "w8", "w9", "w11", "w12"])
def test_a_wrong_answer_is_caught(workload: str, floors: Callable[..., Floor]):
    plan = attrs.evolve(QUICK, only=frozenset({workload}))
    with pytest.raises(DisagreementError, match=rf"^{workload} .*wrong answered"):
        run([floors(Floor), floors(Wrong)], CRM, plan, untold)


class Slow(Floor):
    name = "slow"
    called = 0

    def pipeline(self, stage: str) -> Any:
        type(self).called += 1
        until = time.perf_counter() + 0.03
        while time.perf_counter() < until:
            pass
        return super().pipeline(stage)


def test_a_slow_peer_keeps_to_its_budget_and_the_result_says_so(floors: Callable[..., Floor]):
    plan = attrs.evolve(QUICK, rounds=6, only=frozenset({"w2"}))
    found = run([floors(Floor), floors(Slow)], CRM, plan, untold)
    figures = found.figures["w2"]
    assert figures["apsw"].ratio.rounds == 6
    assert figures["slow"].ratio.rounds == Slow.called == 1
    assert figures["slow"].median_s >= 0.03


class Lacking(Floor):
    name = "lacking"
    lacks = {"board": "it cannot group"}  # noqa: RUF012


def test_what_a_peer_lacks_is_said_with_the_reason(floors: Callable[..., Floor]):
    plan = attrs.evolve(QUICK, only=frozenset({"w1", "w6"}))
    found = run([floors(Floor), floors(Lacking)], CRM, plan, untold)
    assert found.missing == {"w1": {}, "w6": {"lacking": "it cannot group"}}
    assert found.figure("w6", "lacking") is None
    assert found.figure("w1", "lacking") is not None


def test_workloads_have_the_names_of_their_numbers():
    assert NAMES == [
        "w1",
        "w2",
        "w3",
        "w4",
        "w5",
        "w6",
        "w7",
        "w8",
        "w9",
        "w10",
        "w11",
        "w12",
        "w12r",
        "w14",
        "w15",
    ]
    assert named("w12r").goal == 0.1
    with pytest.raises(KeyError, match="no workload 'w13'"):
        named("w13")
