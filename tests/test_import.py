"""What importing parsekit costs, and what it, opening a file and asking do not drag in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import parsekit
from parsekit import ClassSchema, Field, PFObject, PFQuery, Schema

HEAVY = ("sqlglot", "cattrs", "regex", "rich", "cyclopts", "argon2", "starlette")
SLOW = {
    "asyncio", "ast", "attr", "attrs", "base64", "copy", "dataclasses", "difflib", "email", "hashlib", "hmac",
    "http", "inspect", "ipaddress", "logging", "pathlib", "platform", "random", "secrets", "shutil", "socket", "ssl",
    "tempfile", "traceback", "urllib", "uuid", "_hashlib", *HEAVY,
}  # fmt: skip
"""Libraries that take a process a millisecond or more, each of which something in parsekit needs at some time."""
MOST_MODULES = 75
"""Of parsekit itself, for a program that opens a file and gets an object."""


def imported(statement: str, *arguments: str, whole: bool = False, bytecode: Path | None = None) -> set[str]:
    """The modules that a fresh interpreter has after ``statement``, packages of the top alone unless ``whole``.

    ``bytecode`` is a folder where modules are kept compiled, for a start like that of an installed package.
    """
    environment = dict(os.environ)
    if bytecode is not None:
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment["PYTHONPYCACHEPREFIX"] = str(bytecode)
    name = "name" if whole else "name.split('.')[0]"
    shown = f"print(*sorted({{{name} for name in set(sys.modules) - before}}))"
    program = f"import sys\nbefore = set(sys.modules)\n{statement}\n{shown}"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return set(done.stdout.splitlines()[-1].split())


def test_importing_the_package_imports_nothing_else() -> None:
    assert imported("import parsekit").isdisjoint({*SLOW, "apsw", "json", "datetime", "threading"})
    assert imported("import parsekit", whole=True) & {"parsekit.errors", "parsekit.attrs"} == set()


def test_using_the_public_names_imports_no_heavy_library() -> None:
    assert imported("from parsekit import PFObject, PFQuery, PFUser, open").isdisjoint(HEAVY)


def test_every_public_name_can_be_imported() -> None:
    imported(
        "from parsekit import *\nimport parsekit\n[getattr(parsekit, name) for name in parsekit.__all__]"
    )


GET = """
import parsekit
with parsekit.open(sys.argv[1]) as engine, engine.acting_as_master():
    assert parsekit.PFQuery("Deal").get(sys.argv[2])["title"] == "one"
"""
NO_COMPILE = """
import builtins
def refuse(*_arguments, **_keywords):
    raise SystemError("compiled")
builtins.compile = refuse
"""
FIND = """
import parsekit
with parsekit.open(sys.argv[1]) as engine, engine.acting_as_master():
    found = parsekit.PFQuery("Deal").where_key("title", equal_to="one").order_by_ascending("amount").find()
    assert [deal["amount"] for deal in found] == [1]
"""


@pytest.mark.parametrize("program", [GET, FIND], ids=["get", "find"])
def test_a_second_start_imports_what_it_uses(tmp_path: Path, program: str) -> None:
    schema = Schema([ClassSchema.new("Deal", {"title": Field("String"), "amount": Field("Number")})])
    file = str(tmp_path / "deals.db")
    with parsekit.open(file, schema=schema) as engine, engine.acting_as_master():
        deal = PFObject("Deal", title="one", amount=1)
        deal.save()
        query: PFQuery[PFObject] = PFQuery("Deal")
        query.where_key("title", equal_to="one").order_by_ascending("amount").find()
        PFQuery[PFObject]("Deal").get(str(deal.object_id))
    modules = imported(program, file, str(deal.object_id), whole=True)
    assert {name.split(".")[0] for name in modules}.isdisjoint(SLOW)
    ours = {name for name in modules if name.startswith("parsekit")}
    assert len(ours) <= MOST_MODULES, sorted(ours)
    packages = {".".join(name.split(".")[:2]) for name in ours}
    others = {
        f"parsekit.{name}" for name in ("auth", "user", "file", "livequery", "localstore", "server", "aio")
    }
    assert packages.isdisjoint(others)


def test_nothing_is_compiled_on_a_second_start(tmp_path: Path) -> None:
    """The first call of ``compile`` costs as much as opening the file."""
    file = str(tmp_path / "deals.db")
    with parsekit.open(file) as engine, engine.acting_as_master():
        deal = PFObject("Deal", title="one")
        deal.save()
        PFQuery[PFObject]("Deal").get(str(deal.object_id))
    imported(GET, file, str(deal.object_id), bytecode=tmp_path / "bytecode")
    imported(NO_COMPILE + GET, file, str(deal.object_id), bytecode=tmp_path / "bytecode")
