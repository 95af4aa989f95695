"""kill -9 in the middle of writing: every acknowledged write is there afterwards, and nothing half done."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

import parsekit
from parsekit import PFObject, PFQuery

WRITER = textwrap.dedent(
    """
    import sys
    import parsekit
    from parsekit import PFObject

    with parsekit.open(sys.argv[1]) as engine:
        start = int(sys.argv[2])
        hub = PFObject("Hub", start=start)
        hub.save()
        for number in range(start, start + 100_000):
            with engine.transaction():
                item = PFObject("Item", number=number, tags=["x"] * (number % 50))
                item.save()
                PFObject("Twin", number=number, item=item).save()
                hub.relation("items").add_object(item)
                hub.increment_key("count")
                hub.save()
            print(number, flush=True)
    """
)


@pytest.mark.slow
def test_acknowledged_writes_survive_kill_9(tmp_path: Path) -> None:
    path, acknowledged = tmp_path / "crash.db", []
    dice = random.Random(7)
    for turn in range(25):
        acknowledged += _write_and_die(path, turn * 100_000, dice.uniform(0.05, 0.4))
        with parsekit.open(path) as engine:
            items = {obj["number"]: obj for obj in PFQuery("Item").each()}
            twins = {obj["number"]: obj["item"] for obj in PFQuery("Twin").each()}
            assert set(acknowledged) <= set(items)
            assert {number: item.object_id for number, item in twins.items()} == {
                number: item.object_id for number, item in items.items()
            }
            for hub in PFQuery("Hub").each():
                members = hub.relation("items").query().count()
                assert members == hub.get("count", 0)
            assert engine.store.database.reader().pragma("integrity_check") == "ok"


def _write_and_die(path: Path, start: int, lifetime_s: float) -> list[int]:
    """Start a writer, kill it after its first acknowledgements, and give the numbers it acknowledged."""
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(start)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    first = child.stdout.readline()
    time.sleep(lifetime_s)
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read()
    child.wait()
    child.stdout.close()
    lines = (first + rest).split("\n")[:-1]  # what follows the last line break was cut off
    return [int(line) for line in lines if line]


def test_an_object_saved_before_an_error_is_not_there_after_it(tmp_path: Path) -> None:
    with parsekit.open(tmp_path / "a.db") as engine:
        with pytest.raises(RuntimeError), engine.transaction():
            PFObject("Item", number=1).save()
            raise RuntimeError
        assert PFQuery("Item").count() == 0
        assert "Item" not in engine.schema.classes
