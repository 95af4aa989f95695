"""Packages from npm, installed by name into a folder of the build, and programs run by Node.

Each folder here has its packages and their versions in ``package.json``; nothing of them is in the repository.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

__all__ = ["installed", "run"]

_HERE = Path(__file__).parent
_BUILD = Path(__file__).parents[2] / "build" / "npm"


def installed(folder: Path) -> Path:
    """A folder with ``node_modules`` as ``folder/package.json`` asks for, made when it is not there yet."""
    text = (folder / "package.json").read_bytes()
    place = _BUILD / f"{folder.name}-{hashlib.sha256(text).hexdigest()[:12]}"
    if place.exists():
        return place
    _BUILD.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=_BUILD))
    (made / "package.json").write_bytes(text)
    _call(
        ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"],
        made,
        timeout_s=300,
    )
    try:
        made.rename(place)
    except OSError:  # another process was faster
        shutil.rmtree(made)
    return place


def run(test: str, environment: dict[str, str], *, timeout_s: float = 180) -> str:
    """The output of one file of ``node --test``, such as ``javascript/query.test.cjs``.

    Fails with the output when one of its tests fails.
    """
    source_folder, name = (_HERE / test).parent, (_HERE / test).name
    place = installed(source_folder)
    for source in source_folder.glob("*.cjs"):
        shutil.copy(source, place / source.name)
    command = ["node", "--test", "--test-timeout=150000", "--test-force-exit", name]
    return _call(command, place, environment=environment, timeout_s=timeout_s)


def _call(
    command: list[str], folder: Path, *, environment: dict[str, str] | None = None, timeout_s: float
) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout
