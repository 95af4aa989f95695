"""mypy catches a misspelt operator and a wrong argument, because the keywords are a ``TypedDict``.

It runs in a process of its own: in this one it would raise the recursion limit for all tests after it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

GOOD = """\
from parsekit import PFObject, PFQuery

class Deal(PFObject, class_name="Deal"):
    title: str

def titles() -> list[str]:
    query = PFQuery(Deal).where_key("amount", greater_than=10, less_than=20).order_by_ascending("title")
    return [deal.title for deal in query.find()]
"""
BAD = """\
from parsekit import PFQuery

PFQuery("Deal").where_key("amount", greater_then=10)
PFQuery("Deal").where_key("title", has_prefix=5)
PFQuery("Deal").limit("10")
"""


def checked(tmp_path: Path, source: str) -> list[str]:
    file = tmp_path / "sample.py"
    file.write_text(source, encoding="utf-8")
    root = str(Path(__file__).parents[2])
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--no-error-summary",
         "--hide-error-context", "--cache-dir", str(tmp_path / "cache"), "--config-file",
         f"{root}/pyproject.toml", str(file)],
        capture_output=True, text=True, check=False, cwd=root,
    )  # fmt: skip
    assert not ran.stderr
    return [line for line in ran.stdout.splitlines() if "sample.py" in line]


def test_a_misspelt_operator_is_caught(tmp_path):
    lines = checked(tmp_path, BAD)
    assert any('Unexpected keyword argument "greater_then"' in line for line in lines), lines
    assert any('"has_prefix"' in line and 'incompatible type "int"' in line for line in lines), lines
    assert any('"limit" of' in line and 'incompatible type "str"' in line for line in lines), lines
    assert len({line.split(":")[1] for line in lines}) == 3


def test_a_typed_query_gives_typed_objects(tmp_path):
    assert checked(tmp_path, GOOD) == []
