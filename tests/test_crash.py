"""kill -9 at random points: every acknowledged write is there, nothing is torn, ``check()`` is clean."""

import os
import random
import signal
import subprocess
import sys

import pytest

import parsekit
from tests.crash_work import found, imagine

KILLS = [
    pytest.param(5, id="5"),
    pytest.param(200, id="200", marks=[pytest.mark.slow, pytest.mark.timeout(3000)]),
]


def _members_alive(model):
    """Parse keeps members of a relation that were deleted; a query does not find them."""
    return {
        name: (fields, {member for member in members if member in model})
        for name, (fields, members) in model.items()
    }


class Nursery:
    """A process that makes processes to kill."""

    def __init__(self):
        command = [sys.executable, "-m", "tests.crash_work"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def one_life(self, path, seed, lines):
        """What a process announced and acknowledged that was killed after so many lines, or a little later."""
        self.process.stdin.write(f"{path} {seed}\n")
        self.process.stdin.flush()
        said, child = [], None
        while (line := self.process.stdout.readline().rstrip("\n")) != ". gone":
            assert line, "the nursery died"
            if line.startswith(". "):
                child = int(line[2:])
            else:
                said.append(line)
            if child is not None and len(said) >= lines:
                os.kill(child, signal.SIGKILL)
                lines = sys.maxsize
        return said

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


@pytest.fixture
def nursery():
    made = Nursery()
    yield made
    made.close()


@pytest.mark.parametrize("kills", KILLS)
def test_acknowledged_writes_survive_kill(tmp_path, nursery, kills):
    import json

    path, lot = tmp_path / "a.db", random.Random(kills)
    model, acknowledged, in_flight = {}, 0, 0
    for round_number in range(kills):
        said = nursery.one_life(path, round_number, lot.randrange(1, 120))
        pending = None
        for line in said:
            if line == "<":
                model, pending = imagine(model, pending), None
                acknowledged += 1
            else:
                pending = json.loads(line[2:])
        with parsekit.open(path) as engine:
            assert engine.check() == []
            there = found(engine)
        expected = _members_alive(model)
        if there != expected and pending is not None:  # committed, and killed before it could say so
            model = imagine(model, pending)
            expected = _members_alive(model)
            in_flight += 1
        assert there == expected
    assert acknowledged > kills
    print(f"{kills} kills, {acknowledged} acknowledged writes, {in_flight} committed without a word")
