"""Golden SQL: what each operator compiles to, as pair files ``golden/<name>.json`` (query) and ``.sql`` (statement).

``PARSEKIT_UPDATE_GOLDEN=1 pytest tests/storage/test_golden_sql.py`` rewrites the statements; read the difference.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import parsekit
from parsekit import Dialect, PFObject, PFQuery, Principal
from tests.strategies_queries import SCHEMA

GOLDEN = Path(__file__).parent / "golden"
QUERIES = sorted(GOLDEN.glob("*.json"))
PRINCIPALS = {
    "master": Principal.master(),
    "anonymous": Principal.anonymous(),
    "user": Principal.user("someUserId"),
}


@pytest.fixture(scope="module")
def engine() -> Iterator[parsekit.ParseEngine]:
    with parsekit.open(":memory:", schema=SCHEMA) as opened:
        with opened.acting_as_master():
            PFObject("Note", stars=5).save()
            PFObject("Note", stars=None).save()  # a key that has held an explicit null
            owner = PFObject("Thing")  # of a relation
            owner.object_id = "x0"
            owner.save()
        yield opened


def statement(engine: parsekit.ParseEngine, query: dict[str, object]) -> str:
    """The statement of a query with its binds, SQLite's plan and what runs in Python, a clause a line."""
    principal = PRINCIPALS[str(query.get("as", "master"))]
    asked = PFQuery.from_json(str(query.get("className", "Thing")), query["params"])  # type: ignore[arg-type]
    if query.get("dialect") == "IOS_LOCAL":
        asked.under(Dialect.IOS_LOCAL)
    found = engine.explain_query(asked.state(), principal)
    text = found.sql
    for word in (" FROM ", " WHERE ", " ORDER BY ", " LIMIT ", " OFFSET "):
        text = text.replace(word, f"\n{word.strip()} ")
    lines = [text, f"-- bound: {', '.join(found.bindings)}"]
    lines += [f"-- sqlite: {step}" for step in found.sqlite]
    lines += [f"-- in Python: {item}" for item in found.in_python]
    lines += [f"-- runs first: {item}" for item in found.first]
    lines += [f"-- row by row: {item}" for item in found.in_row_order]
    # a constant that is no printable text shows as its escape
    return "".join(f"{line}\n" for line in lines).replace("\x01", "\\x01")


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_statement_is_the_golden_one(engine: parsekit.ParseEngine, path: Path) -> None:
    got = statement(engine, json.loads(path.read_text(encoding="utf-8")))
    golden = path.with_suffix(".sql")
    if os.environ.get("PARSEKIT_UPDATE_GOLDEN"):
        golden.write_text(got, encoding="utf-8")
    assert got == golden.read_text(encoding="utf-8")


def test_every_operator_has_a_golden_statement() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in QUERIES)
    operators = (
        "$ne $lt $lte $gt $gte $in $nin $all $containedBy $exists $regex $select $dontSelect $inQuery $notInQuery "
        "$relatedTo $or $and $nor $nearSphere $within $geoWithin $geoIntersects $text $relativeTime"
    )
    missing = [operator for operator in operators.split() if f'"{operator}"' not in text]
    assert missing == []


def test_no_value_is_ever_in_a_statement() -> None:
    for path in QUERIES:
        sql = path.with_suffix(".sql").read_text(encoding="utf-8").split("-- bound")[0]
        assert "SECRET" not in sql
