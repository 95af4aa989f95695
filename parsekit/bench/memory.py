"""What walking over all deals (w15) takes in memory: the most that a process of its own grew while it walked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

__all__ = ["walk_growth_mb"]

_STATUS: Final = Path("/proc/self/status")
_WATCH: Final = """
import sys
def held():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
def watched(objects):
    before = most = None
    for count, _ in enumerate(objects):
        if before is None:
            before = most = held()
        elif count % 1_000 == 0:
            most = max(most, held())
    print(max(most, held()) - before)
"""
_FLOOR: Final = """
import apsw
keys = "objectId, createdAt, updatedAt, title, stage, amount, company, contact, assignedTo, expectedCloseDate, acl"
watched(apsw.Connection(sys.argv[1]).execute(f"SELECT {keys} FROM Deal"))
"""
_ENGINE: Final = """
import parsekit
with parsekit.open(sys.argv[1]) as engine, engine.acting_as_master():
    watched(parsekit.PFQuery("Deal").each())
"""


def walk_growth_mb(floor: Path, engine: Path) -> dict[str, float]:
    """Megabytes from the first object to the peak, for either file; nothing where there is no /proc."""
    if not _STATUS.exists():
        return {}
    return {"apsw": _growth_mb(_FLOOR, floor), "parsekit": _growth_mb(_ENGINE, engine)}


def _growth_mb(program: str, file: Path) -> float:
    command = [sys.executable, "-c", _WATCH + program, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    return round(int(done.stdout) / 1024, 1)
