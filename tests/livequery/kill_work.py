"""What the processes of ``test_kills`` and ``test_processes`` do: write, follow, beat, idle."""

from __future__ import annotations

import os
import random
import resource
import sys
import threading
import time
from pathlib import Path
from typing import Any

import parsekit
from parsekit import PFObject, PFQuery

STAGES = ["lead", "won", "lost"]


class RolledBack(Exception):
    """Ends a transaction without a commit."""


def write(path: str, seed: str) -> None:
    """Create, change and delete deals for ever, in transactions too; a line for each commit."""
    source, pause = random.Random(seed), threading.Event()
    with parsekit.open(path) as engine, engine.acting_as_master():
        deals = PFQuery("Deal").limit(1_000).find()
        for number in range(10**9):
            _one(engine, source, deals, number)
            print(number, flush=True)
            pause.wait(0.003)  # so that whoever follows can keep up


def _one(engine: parsekit.ParseEngine, source: random.Random, deals: list[Any], number: int) -> None:
    what = source.random()
    if what < 0.15 and len(deals) > 5:
        deals.pop(source.randrange(len(deals))).delete()
    elif what < 0.5 and deals:
        deal = source.choice(deals)
        deal["n"], deal["stage"] = number, source.choice(STAGES)
        deal.save()
    elif what < 0.7:
        made = [PFObject("Deal", n=number, stage=source.choice(STAGES)) for _ in range(3)]
        try:
            with engine.transaction():
                PFObject.save_all(made)
                if what < 0.55:
                    raise RolledBack
            deals += made
        except RolledBack:
            pass
    else:
        deal = PFObject("Deal", n=number, stage=source.choice(STAGES))
        deal.save()
        deals.append(deal)


def follow(path: str, log: str) -> None:
    """Append each event to a log, whose last line says where to go on after a crash."""
    known = Path(log).read_text(encoding="utf-8").splitlines() if Path(log).exists() else []
    resume_from = int(known[-1].split()[0]) if known else 0
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with (
        parsekit.open(path) as engine,
        engine.acting_as_master(),
        PFQuery("Deal").subscribe(resume_from=resume_from, capacity=100_000) as events,
    ):
        assert events.resume_gap is None, events.resume_gap
        print("ready", flush=True)
        for event in events:
            line = (
                f"{event.resume_from} {event.sequence} {event.kind} {event.object_id} {event.object['n']}\n"
            )
            os.write(file, line.encode())
            print(line, end="", flush=True)


def beat(path: str, count: str) -> None:
    """Save deals with the time of their saving, some milliseconds apart."""
    pause = threading.Event()
    with parsekit.open(path) as engine, engine.acting_as_master():
        for _ in range(int(count)):
            PFObject("Deal", at=time.monotonic_ns() / 1e6).save()
            pause.wait(0.01)


def idle(path: str, seconds: str) -> None:
    """Follow a class in which nothing happens; the CPU seconds that this took."""
    with parsekit.open(path) as engine, engine.acting_as_master(), PFQuery("Deal").subscribe() as events:
        before = resource.getrusage(resource.RUSAGE_SELF)
        assert events.next(float(seconds)) is None
        after = resource.getrusage(resource.RUSAGE_SELF)
        print(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


if __name__ == "__main__":
    {"write": write, "follow": follow, "beat": beat, "idle": idle}[sys.argv[1]](*sys.argv[2:])
