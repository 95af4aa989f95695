"""Table, plot, README and gate from a run whose figures are known."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest

from benchmarks import gate, readme, report
from benchmarks.__main__ import main
from parsekit.bench.result import Figure, Machine, Run
from parsekit.bench.statistics import Ratio

ROOT = Path(__file__).parents[2]


def figure(median_s: float, ratio: float, rounds: int = 9) -> Figure:
    return Figure(median_s, Ratio(ratio, ratio * 0.9, ratio * 1.1, rounds), 100)


RUN = Run(
    deals=100_000,
    batch=10_000,
    at="2026-11-22T20:00:00+00:00",
    machine=Machine("AMD EPYC", 2, "Linux x86_64", "CPython 3.11.7"),
    versions={"apsw": "apsw 3.54", "parsekit": "parsekit 0.1.0", "peewee": "peewee 4.5"},
    figures={
        "w1": {"apsw": figure(6e-6, 1), "parsekit": figure(8e-6, 1.42), "peewee": figure(2e-4, 31.4)},
        "w10": {
            "apsw": figure(0.3, 1),
            "parsekit": figure(0.75, 2.5),
            "peewee": figure(1.2, 1_234, rounds=1),
        },
        "w14": {"apsw": figure(0.03, 1), "parsekit": figure(0.1, 3.5)},
        "w12r": {"apsw": figure(0.1, 1), "parsekit": figure(0.002, 0.0213), "peewee": figure(0.2, 2.04)},
    },
    missing={"w1": {}, "w10": {}, "w12r": {}, "w14": {"peewee": "keeps nothing in a file"}},
    walk_mb={"apsw": 0.5, "parsekit": 1.25},
)


def test_a_table_says_ratios_intervals_goals_and_gaps():
    assert report.table(RUN).splitlines() == [
        "| workload | raw SQLite | parsekit (95 %) | goal | peewee |",
        "| --- | --: | --: | --: | --: |",
        "| w1 get by id | 6 µs | **1.42** (1.28 to 1.56) | 1.60 | 31 |",
        "| w10 create 10,000 at once | 300 ms | **2.5** (2.2 to 2.8) | 3.0 | ~1,200 |",
        "| w12r title matches a pattern | 100 ms | **0.021** (0.019 to 0.023) | 0.1 | 2.0 |",
        "| w14 cold start: import, open, get | 30 ms | **3.5** (3.1 to 3.9) | 4.0 | - |",
    ]


def test_remarks_name_machine_versions_and_reasons():
    said = report.remarks(RUN)
    assert "100,000 deals, 2026-11-22, AMD EPYC (2 cores), Linux x86_64, CPython 3.11.7." in said
    assert "Not measured, w14: peewee: keeps nothing in a file." in said
    assert "fewer than 3 rounds" in said
    assert "peewee 4.5" in said
    assert "walk over all deals (w15): apsw 0.5 MB, parsekit 1.2 MB." in said


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (0.0123, "0.012"),
        (0.5, "0.5"),
        (1.004, "1.00"),
        (1.994, "1.99"),
        (2.04, "2.0"),
        (12.4, "12"),
        (99.4, "99"),
        (1_234, "1,200"),
    ],
)
def test_a_ratio_has_the_digits_that_mean_something(ratio: float, text: str):
    assert report.ratio_text(ratio) == text


def test_a_report_has_table_and_plots(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    kept = tmp_path / "run.json"
    kept.write_text(json.dumps(RUN.to_json()), encoding="utf-8")
    assert main(["report", str(kept), "--output", str(tmp_path / "out")]) == 0
    assert "| w1 get by id |" in capsys.readouterr().out
    assert (tmp_path / "out" / "benchmarks.png").read_bytes().startswith(b"\x89PNG")
    svg = (tmp_path / "out" / "benchmarks.svg").read_text(encoding="utf-8")
    assert "<svg" in svg
    assert main(["report", str(kept), "--output", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "benchmarks.svg").read_text(encoding="utf-8") == svg
    text = (tmp_path / "out" / "benchmarks.md").read_text(encoding="utf-8")
    assert report.table(report.load(kept)) in text


def test_the_gate_lets_slack_pass_and_nothing_more():
    assert gate.slipped({"w1": 1.49, "w2": 1.51, "w3": 0.1}, {"w1": 1.0, "w2": 1.0, "w9": 2.0}, 1.5) == {
        "w2": "w2: 1.51 times the floor; recorded 1.00, allowed 1.50"
    }


def baseline(path: Path, ratio: float) -> Path:
    path.write_text(json.dumps({"deals": 300, "slack": 1.5, "ratios": {"w1": ratio}}), encoding="utf-8")
    return path


def test_the_gate_passes_and_fails_by_the_baseline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    quick = attrs.evolve(gate.PLAN, rounds=2, budget_s=0.02, only=frozenset({"w1"}))
    monkeypatch.setattr(gate, "PLAN", quick)
    monkeypatch.setattr(gate, "AGAIN", quick)
    assert main(["gate", "--baseline", str(baseline(tmp_path / "kind.json", 1_000.0))]) == 0
    assert capsys.readouterr().out == "benchmark gate: 1 passed, 0 failed\n"
    assert main(["gate", "--baseline", str(baseline(tmp_path / "strict.json", 0.0001))]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("measured again, with more rounds: w1\n" * 3 + "slower than recorded: w1: ")
    assert printed.endswith("benchmark gate: 0 passed, 1 failed\n")


def test_the_baseline_has_every_workload_of_a_run():
    document = json.loads(gate.BASELINE.read_text(encoding="utf-8"))
    assert document["slack"] == 1.5
    assert document["deals"] == 10_000
    names = "w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w12r w15"
    assert list(document["ratios"]) == names.split()


def test_readme_shows_the_kept_results():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = text.partition("<!-- benchmarks -->\n")[2].partition("<!-- /benchmarks -->")[0]
    assert shown == readme.section(readme.kept_runs(), readme.kept_server())
    assert readme.IMAGE.with_suffix(".png").exists()
    assert readme.IMAGE.with_suffix(".svg").exists()


def test_a_crm_is_written_as_json_lines(tmp_path: Path):
    file = tmp_path / "crm.jsonl"
    assert main(["generate", str(file), "--deals", "100"]) == 0
    objects = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(objects) == 10 + 20 + 100 + 200
    deal = next(each for each in objects if each["className"] == "Deal")
    assert deal["expectedCloseDate"]["__type"] == "Date"
    assert deal["company"]["className"] == "Company"
    assert set(deal["ACL"]) and objects[-1]["relatedTo"]["className"] == "Deal"
