"""Two small sizes of the CRM imported and asked; an engine that answers otherwise than the floor is caught."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import scale
from benchmarks.__main__ import main
from benchmarks.scale import measured
from parsekit.bench.engine import Engine
from parsekit.bench.measure import DisagreementError


def test_two_sizes_are_imported_and_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["scale", "--deals", "60", "120", "--rounds", "2", "--output", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "| objects imported | 210 | 390 |" in printed
    assert 'an index {"contact": 1, "amount": 1} would serve it' in printed
    kept = json.loads((tmp_path / "scale.json").read_text(encoding="utf-8"))
    assert kept["deals"] == [60, 120]
    assert set(kept["engine"]) == set(kept["floor"]) == set(scale.ASKED)
    assert all(each["peak_mb"] > 10 for each in kept["imports"])


def test_a_wrong_answer_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pipeline = Engine.pipeline

    def short(self: Engine, stage: str) -> Any:
        return pipeline(self, stage)[1:]

    monkeypatch.setattr(Engine, "pipeline", short)
    with pytest.raises(DisagreementError, match="w2 at 30 deals"):
        measured((30, 40), tmp_path, 1)
