"""``parsekit bench`` on a small CRM: a table for people, the run as JSON for programs, mistakes named."""

from __future__ import annotations

import json

import pytest

from parsekit.bench.result import Run
from parsekit.cli import main


def test_a_table_has_a_line_for_each_workload(capsys: pytest.CaptureFixture[str]):
    arguments = ["--deals", "200", "--rounds", "2", "--only", "w1", "--only", "w9", "--only", "w6"]
    assert main(["bench", *arguments]) == 0
    printed, noted = capsys.readouterr()
    lines = printed.splitlines()
    assert lines[0].startswith("200 deals, ")
    assert lines[1].split() == ["workload", "raw", "SQLite", "parsekit", "ratio", "95", "%", "interval"]
    assert [line.split()[0] for line in lines[2:]] == ["w1", "w6", "w9"]
    assert all(" to " in line for line in lines[2:])
    assert noted == "loading 200 deals, then 3 workloads ...\n"


def test_json_is_the_run(capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "--deals", "200", "--rounds", "1", "--only", "w2", "--json"]) == 0
    run = Run.from_json(json.loads(capsys.readouterr().out))
    assert list(run.figures["w2"]) == ["apsw", "parsekit"]
    assert run.deals == 200


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--deals", "5"], "--deals and --rounds: expected at least 100 and 1."),
        (["--only", "w99"], "--only: there is no workload 'w99'; there are w1, w2,"),
    ],
)
def test_a_mistake_is_named(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]):
    assert main(["bench", *arguments]) == 2
    assert said in capsys.readouterr().err
