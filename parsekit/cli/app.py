"""The commands as one application, and what becomes of errors.

A new group of commands is a module with a function ``register``, listed in ``_GROUPS``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Final

from cyclopts import App, CycloptsError

import parsekit
from parsekit import ParsekitError
from parsekit.cli import bench, permissions, queries, schemas, serve, transfer, upkeep
from parsekit.cli.session import UsageError, describe

__all__ = ["build", "run"]

_GROUPS: Final[tuple[ModuleType, ...]] = (queries, schemas, permissions, transfer, upkeep, serve, bench)
_SUCCESS: Final = 0
_ERROR: Final = 1
_USAGE: Final = 2
_INTERRUPTED: Final = 130


def build() -> App:
    """The application with all its commands."""
    app = App(
        name="parsekit",
        help="Ask a parsekit database, look at its schema, and move objects in and out.",
        version=parsekit.__version__,
        suppress_keyboard_interrupt=False,
        result_action="return_value",
    )
    for group in _GROUPS:
        group.register(app)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run a command line; its exit code."""
    try:
        build()(list(arguments), exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except (CycloptsError, UsageError) as error:
        sys.stderr.write(f"error: {error} See: parsekit --help\n")
        return _USAGE
    except ParsekitError as error:
        sys.stderr.write(f"{describe(error)}\n")
        return _ERROR
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return _INTERRUPTED
    except BrokenPipeError:  # whoever reads us, such as head, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _SUCCESS
