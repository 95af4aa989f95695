"""kill -9 while pinning: after reopening, each pin is whole or absent."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import parsekit
from parsekit import PFQuery
from tests.localstore.pin_work import PARTS


def _said_before_death(path: Path, lines: int) -> set[int]:
    """Runs the process until it has said so much, kills it; the numbers that it acknowledged and did not unpin."""
    command = [sys.executable, "-m", "tests.localstore.pin_work", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pinned: set[int] = set()
    for place, line in enumerate(process.stdout):
        number = int(line)
        if line.startswith("-"):
            pinned.discard(-number)
        else:
            pinned.add(number)
        if place + 1 == lines:
            process.send_signal(signal.SIGKILL)
    process.stdout.close()
    process.wait()
    return pinned


@pytest.mark.parametrize("seed", range(3))
def test_each_pin_is_whole_or_absent(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "device.db"
    acknowledged = _said_before_death(path, random.Random(seed).randrange(3, 60))
    with parsekit.open_local_datastore(path) as local:
        deals = {deal["of"]: deal for deal in PFQuery("Deal").from_local_datastore().find()}
        contacts = PFQuery("Contact").from_local_datastore()
        # one more may be pinned, or unpinned, than could be said
        assert len(acknowledged ^ deals.keys()) <= 1
        for number, deal in deals.items():
            assert deal["company"]["of"] == number
            assert contacts.copy().where_key("of", equal_to=number).count() == PARTS
        assert PFQuery("Company").from_local_datastore().count() == len(deals)
        assert contacts.count() == len(deals) * PARTS
        assert sum(pin.roots for pin in local.pins()) == len(deals)
        local.clear()
        assert PFQuery("Contact").from_local_datastore().count() == 0
