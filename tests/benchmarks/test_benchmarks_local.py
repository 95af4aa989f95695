"""The local datastore measured on a few deals; a query that misses a pinned deal is caught."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import local
from benchmarks.__main__ import main
from benchmarks.local import measured
from parsekit import PFObject
from parsekit.bench.data import Crm


def test_pins_and_queries_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["local", "--deals", "200", "--rounds", "2", "--output", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Local datastore, 200 pinned deals: pinning one more takes ")
    kept = json.loads((tmp_path / "local.json").read_text(encoding="utf-8"))
    assert kept["deals"] == 200
    assert 0 < kept["pin_s"] < 10
    assert kept["ratio"]["low"] <= kept["ratio"]["median"] <= kept["ratio"]["high"]


def test_a_deal_that_was_not_pinned_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Forgetful(PFObject):
        @staticmethod
        def pin_all(objects: Any, name: str | None = None) -> None:
            PFObject.pin_all(list(objects)[1:], name)

    monkeypatch.setattr(local, "PFObject", Forgetful)
    with pytest.raises(AssertionError, match="the pinned deals are not those of the engine"):
        measured(Crm(100), tmp_path, 1)
