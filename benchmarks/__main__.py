"""``python -m benchmarks [COMMAND]``: measure, and make tables and plots of what was measured.

``run``, also without a command, measures; ``small`` and ``full`` are what ``make bench`` and ``make bench-full`` run;
``report`` makes table and plot of kept results; ``readme`` puts them into README.md; ``gate`` fails when a ratio has
slipped; ``server`` measures requests a second next to Parse Server, ``local`` the local datastore, ``live`` live
queries, ``scale`` a million deals; ``generate`` writes the CRM as JSON Lines.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Final

from benchmarks import gate, generate, live, local, readme, report, running, scale, server

__all__ = ["main"]

_COMMANDS: Final[dict[str, Callable[[argparse.ArgumentParser], None]]] = {
    "run": running.add_run,
    "small": running.add_small,
    "full": running.add_full,
    "report": report.add_arguments,
    "readme": readme.add_arguments,
    "gate": gate.add_arguments,
    "server": server.add_arguments,
    "local": local.add_arguments,
    "live": live.add_arguments,
    "scale": scale.add_arguments,
    "generate": generate.add_arguments,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or (given[0] not in _COMMANDS and given[0] not in ("-h", "--help")):
        given.insert(0, "run")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, add in _COMMANDS.items():
        add(commands.add_parser(name))
    options = parser.parse_args(given)
    status: int = options.action(options)
    return status


if __name__ == "__main__":
    sys.exit(main())
