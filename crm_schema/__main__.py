"""The command line of the package: `python -m crm_schema demo`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from crm_schema.sample.reader import SampleDataError
from parsekit import ParsekitError

MISSING_EXTRA: Final = 'crm_schema needs the "cli" extra. Install it with: pip install "parsekit[cli]".'


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code: 0 for success, 1 for an error, 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        from rich.console import Console
    except ModuleNotFoundError:
        print(MISSING_EXTRA, file=sys.stderr)
        return 1
    from crm_schema.demo import DemoError, run_demo

    try:
        run_demo(
            options.database,
            # Without a terminal nothing tells how wide a line may be, and a table must not lose its columns.
            Console(width=None if sys.stdout.isatty() else 120),
            data_directory=options.data,
            agent=options.agent,
            skip_refused=options.skip_refused,
        )
    except (DemoError, ParsekitError, SampleDataError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m crm_schema", description="A CRM in an embedded database."
    )
    commands = parser.add_subparsers(title="commands", required=True)
    demo = commands.add_parser("demo", help="import a real sales pipeline and show it")
    demo.add_argument(
        "--database", type=Path, default=Path("crm.db"), help="the database file (default: crm.db)"
    )
    demo.add_argument("--data", type=Path, help="a directory with the four CSV files instead of the sample's")
    demo.add_argument("--agent", default="moses-frase", help="the salesperson's username")
    demo.add_argument(
        "--skip-refused", action="store_true", help="import the other rows when some cannot be read"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
