"""What importing parsekit costs, and what it does not drag in."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("sqlglot", "cattrs", "regex", "rich", "cyclopts", "argon2", "starlette")


def imported(statement: str) -> set[str]:
    """The modules that a fresh interpreter has after ``statement``."""
    program = f"import sys\n{statement}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_imports_nothing_else() -> None:
    assert imported("import parsekit").isdisjoint({*HEAVY, "attrs", "attr", "apsw"})


def test_using_the_public_names_imports_no_heavy_library() -> None:
    assert imported("from parsekit import PFObject, PFQuery, PFUser, open").isdisjoint(HEAVY)


def test_every_public_name_can_be_imported() -> None:
    imported(
        "from parsekit import *\nimport parsekit\n[getattr(parsekit, name) for name in parsekit.__all__]"
    )
