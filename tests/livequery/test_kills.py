"""kill -9 of writers and of subscribers at random points: after resuming, no event is missing and none came twice."""

from __future__ import annotations

import queue
import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import parsekit
from parsekit import PFQuery
from parsekit.storage import journal

KILLS = [
    pytest.param(3, id="3"),
    pytest.param(40, id="40", marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
]


class Worker:
    """A process of ``kill_work``, whose lines are taken as they come, so that it never waits to write one."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "tests.livequery.kill_work", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put("")

    def line(self) -> str:
        line = self._lines.get(timeout=120)
        assert line, "the process ended by itself"
        return line

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reading.join()


def _journaled(path: str) -> list[tuple[str, ...]]:
    with parsekit.open(path) as engine:
        entries = journal.entries(engine.store.database.reader(), 0)
        return [(str(e.sequence), e.kind, e.object_id) for e in entries if e.class_name == "Deal"]


def _heard(log: Path) -> list[tuple[str, ...]]:
    return [tuple(line.split()[1:4]) for line in log.read_text(encoding="utf-8").splitlines()]


def _check(path: str, log: Path) -> None:
    """What was heard is the journal, and adds up to what is there."""
    heard = _heard(log)
    assert heard == _journaled(path)
    alive: dict[str, int] = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        _, _, kind, identity, number = line.split()
        alive[identity] = int(number)
        if kind == "delete":
            del alive[identity]
    with parsekit.open(path) as engine, engine.acting_as_master():
        found: list[Any] = PFQuery("Deal").limit(100_000).find()
        assert {deal.object_id: deal["n"] for deal in found} == alive
        assert engine.check() == []


@pytest.mark.parametrize("kills", KILLS)
def test_killed_writers_and_subscribers_lose_and_repeat_nothing(kills: int, tmp_path: Path) -> None:
    path, log, source = str(tmp_path / "deals.db"), tmp_path / "heard.txt", random.Random(kills)
    with parsekit.open(path):
        pass
    writer, follower = Worker("write", path, "0"), Worker("follow", path, str(log))
    for number in range(kills):
        assert follower.line() == "ready\n"
        for _ in range(source.randrange(40)):
            follower.line()
        if source.random() < 0.6:
            for _ in range(source.randrange(10)):
                writer.line()
            writer.kill()
            writer = Worker("write", path, str(number + 1))
            writer.line()
        if source.random() < 0.8:
            follower.kill()
            follower = Worker("follow", path, str(log))
        else:
            follower.kill()
            for _ in range(source.randrange(30)):
                writer.line()
            follower = Worker("follow", path, str(log))
    writer.kill()
    wanted = _journaled(path)[-1]
    assert follower.line() == "ready\n"
    while _heard(log)[-1:] != [wanted] and follower.line().split()[1] != wanted[0]:
        pass
    follower.kill()
    _check(path, log)


def test_a_subscriber_outlives_writers_that_are_killed(tmp_path: Path) -> None:
    path, source = str(tmp_path / "deals.db"), random.Random(7)
    with parsekit.open(path) as engine, engine.acting_as_master():
        events = PFQuery("Deal").subscribe(capacity=100_000)
        for number in range(2):
            writer = Worker("write", path, str(number))
            for _ in range(5 + source.randrange(30)):
                writer.line()
            writer.kill()
        wanted = _journaled(path)
        heard = []
        while len(heard) < len(wanted):
            event = events.next(30)
            assert event is not None
            heard.append((str(event.sequence), event.kind, event.object_id))
        assert heard == wanted
        assert events.next(0) is None
