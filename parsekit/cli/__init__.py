"""The ``parsekit`` command: ask a database, look at its schema, move objects in and out.

``main`` is the entry point. What the commands are is said in ``app``, one module holds each group of them.
Needs the extra ``cli``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

__all__ = ["main"]

_EXTRA: Final = frozenset({"cyclopts", "rich"})
_MISSING_EXTRA: Final = 'parsekit.cli needs the "cli" extra. Install it with: pip install "parsekit[cli]".'


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line, by default the one of this process.

    Returns the exit code: 0 for success, 1 for an error, which is one clear line on standard error, 2 for
        wrong usage.
    """
    try:
        from parsekit.cli.app import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        sys.stderr.write(f"{_MISSING_EXTRA}\n")
        return 1
    return run(sys.argv[1:] if arguments is None else arguments)
