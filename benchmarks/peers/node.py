"""Where the Node peers' packages are: ``benchmarks/node/install`` puts them there."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Final

from benchmarks.peers.registry import NotThereError

__all__ = ["packages", "version_of"]

_VARIABLE: Final = "PARSEKIT_BENCH_NODE"
_FOLDER: Final = Path(__file__).resolve().parents[2] / "build" / "node"
_INSTALL: Final = "Install: benchmarks/node/install"


def packages(package: str) -> Path:
    """The folder that has ``package`` among its ``node_modules``.

    Raises:
        NotThereError: Node or the package is missing.
    """
    if shutil.which("node") is None:
        raise NotThereError(f"{package}: there is no node on this machine. {_INSTALL}")
    folder = Path(os.environ.get(_VARIABLE, _FOLDER)) / package
    if not (folder / "node_modules" / package / "package.json").exists():
        raise NotThereError(f"{package}: it is not installed. {_INSTALL}")
    return folder


def version_of(folder: Path, package: str) -> str:
    """The version that is installed."""
    text = (folder / "node_modules" / package / "package.json").read_text(encoding="utf-8")
    return str(json.loads(text)["version"])
