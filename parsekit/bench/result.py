"""A run as a value, and as the JSON that is kept."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self, final

from parsekit import attrs
from parsekit.bench.statistics import Ratio

__all__ = ["Figure", "Machine", "Run"]

_FORM: Final = 1


@final
@attrs.frozen
class Machine:
    """Where a run was made."""

    cpu: str
    cores: int
    system: str
    python: str

    @staticmethod
    def here() -> Machine:
        """This machine."""
        python = f"{platform.python_implementation()} {platform.python_version()}"
        return Machine(_cpu(), os.cpu_count() or 1, f"{platform.system()} {platform.machine()}", python)


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


@final
@attrs.frozen
class Figure:
    """What one peer took for one workload: median seconds of a call, and the ratio to the floor."""

    median_s: float
    ratio: Ratio
    calls: int


@final
@attrs.frozen
class Run:
    """One interleaved run: figures by workload and peer, and what was not measured, with the reason."""

    deals: int
    batch: int
    at: str
    machine: Machine
    versions: Mapping[str, str]
    figures: Mapping[str, Mapping[str, Figure]]
    missing: Mapping[str, Mapping[str, str]]
    """Workload -> peer -> why there is no figure."""
    walk_mb: Mapping[str, float] = attrs.field(factory=dict)
    """By how many megabytes a process grew while it walked over all deals."""

    @staticmethod
    def now() -> str:
        """The time of a run that starts now, to the second."""
        return datetime.now(UTC).isoformat(timespec="seconds")

    def figure(self, workload: str, peer: str) -> Figure | None:
        """The figure of a peer for a workload, if it was measured."""
        return self.figures.get(workload, {}).get(peer)

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {"form": _FORM, **attrs.asdict(self)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """From what ``to_json`` made.

        Raises:
            ValueError: it is of another form.
        """
        if document.get("form") != _FORM:
            raise ValueError(f"form {document.get('form')!r}: expected {_FORM}; run the benchmarks again")
        figures = {
            workload: {
                peer: Figure(kept["median_s"], Ratio(**kept["ratio"]), kept["calls"])
                for peer, kept in row.items()
            }
            for workload, row in document["figures"].items()
        }
        fields = {key: document[key] for key in ("deals", "batch", "at", "versions", "missing", "walk_mb")}
        return cls(machine=Machine(**document["machine"]), figures=figures, **fields)
