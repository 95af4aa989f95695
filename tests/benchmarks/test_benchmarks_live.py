"""The benchmark of live queries on a few subscriptions: it runs, counts right, and says what it measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main


def test_subscriptions_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["live", "--subscriptions", "3000", "--rounds", "2", "--output", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("Live queries, 3,000 subscriptions: subscribing takes ")
    kept = json.loads((tmp_path / "live.json").read_text(encoding="utf-8"))
    assert [step["change"] for step in kept["steps"]] == ["title", "amount", "stage"]
    assert all(0 < step["events"] <= step["groups"] * 10 for step in kept["steps"])
