"""Statements kept in the file: a second start answers the same without compiling anything (law L8)."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
import pytest

import parsekit
from parsekit import PFACL, ClassSchema, Field, Index, PFObject, PFQuery, Principal, Schema

DAY = datetime(2024, 5, 1, tzinfo=UTC)
SCHEMA = Schema((
    ClassSchema.new("Company", {"name": Field("String")}),
    ClassSchema.new(
        "Deal",
        {
            "title": Field("String"),
            "stage": Field("String"),
            "amount": Field("Number"),
            "won": Field("Boolean"),
            "due": Field("Date"),
            "company": Field("Pointer", ("Company",)),
            "about": Field("Pointer"),
            "tags": Field("Array"),
        },
        indexes=(Index("stage_due", (("stage", False), ("due", False))),),
    ),
))  # fmt: skip


def _fill(path: Path) -> None:
    with parsekit.open(path, schema=SCHEMA) as engine, engine.acting_as_master():
        companies = [PFObject("Company", name=f"c{number}") for number in range(3)]
        PFObject.save_all(companies)
        for number in range(12):
            company = companies[number % 3]
            deal = PFObject(
                "Deal",
                title=f"Solar {number}",
                stage="lead" if number % 2 else "won",
                amount=number * 10,
                won=number % 4 == 0,
                due=DAY.replace(day=number + 1),
                company=company,
                about=company,
                tags=["a", number],
            )
            if number % 3 == 0:
                deal.acl = PFACL.from_json({"ada": {"read": True, "write": True}})
            deal.save()


def _queries(company: PFObject) -> list[PFQuery[Any]]:
    """One query for each way of a value into a statement."""
    others = [PFObject.without_data("Company", name) for name in ("x", "y")]
    return [
        PFQuery("Deal").where_key("stage", equal_to="lead").order_by_ascending("due").limit(3),
        PFQuery("Deal")
        .where_key("due", greater_than=DAY.replace(day=5))
        .order_by_descending("amount")
        .skip(1),
        PFQuery("Deal").where_key("company", equal_to=company),
        PFQuery("Deal").where_key("about", equal_to=company).order_by_ascending("title"),
        PFQuery("Deal").where_key("company", contained_in=[company, *others]),
        PFQuery("Deal").where_key("about", not_contained_in=[company]),
        PFQuery("Deal").where_key("title", contained_in=[f"Solar {number}" for number in range(40)]),
        PFQuery("Deal").where_key("amount", contained_in=[10, 20.0, 30]),
        PFQuery("Deal").where_key("won", not_equal_to=True),
        PFQuery("Deal").where_key("title", has_prefix="Solar 1"),
        PFQuery("Deal").where_key("title", matches_regex="^Solar .*1$"),
        PFQuery("Deal").where_key("tags", equal_to=4),
        PFQuery("Deal").where_key_does_not_exist("company"),
        PFQuery("Deal").where_key("stage", equal_to="won").include_key("company"),
    ]


def _answers(path: Path, **options: Any) -> list[list[str | None]]:
    with parsekit.open(path, **options) as engine:
        answers: list[list[str | None]] = []
        with engine.acting_as_master():
            company = PFQuery("Company").order_by_ascending("name").first()
            assert company is not None
        for principal in (Principal.master(), Principal.user("ada"), Principal.anonymous()):
            with engine.acting_as(principal):
                for query in _queries(company):
                    answers.append([obj.object_id for obj in query.find()])
                    answers.append([str(query.count())])
        with engine.acting_as_master():
            group = {"$group": {"_id": "$stage", "n": {"$sum": 1}, "amount": {"$sum": "$amount"}}}
            answers.append([repr(PFQuery("Deal").aggregate([group]))])
        return answers


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "app.db"
    _fill(path)
    return path


def _kept(path: Path) -> dict[str, str]:
    connection = apsw.Connection(str(path))
    rows: Any = connection.execute("SELECT shape, plan FROM _pk_plan").fetchall()
    connection.close()
    return dict(rows)


def test_kept_statements_change_no_answer(path: Path):
    first = _answers(path)
    assert len(_kept(path)) > 30
    assert _answers(path) == first == _answers(path, plan_cache=False)
    assert any(len(answer) > 1 for answer in first)


def test_a_second_start_imports_no_compiler(path: Path):
    program = (
        "import sys, parsekit\n"
        "from parsekit import PFObject, PFQuery\n"
        "with parsekit.open(sys.argv[1]) as engine, engine.acting_as_master():\n"
        "    deal = PFQuery('Deal').where_key('stage', equal_to='won').include_key('company').first()\n"
        "    deal['stage'] = 'lead'\n"
        "    deal.save()\n"
        "    PFObject('Deal', title='new').save()\n"
        "    PFQuery('Deal').get(deal.object_id)\n"
        "print('sqlglot' in sys.modules)\n"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True, timeout=60
        ).stdout.strip()
        for _ in range(2)
    ]
    assert said == ["True", "False"]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE _pk_plan SET plan = 'nonsense'",
        "UPDATE _pk_plan SET plan = replace(plan, '=', '<>')",
        "UPDATE _pk_plan SET plan = substr(plan, 1, 40)",
        "UPDATE _pk_plan SET shape = shape || ' ', plan = plan",
        "UPDATE _pk_plan AS a SET plan = (SELECT plan FROM _pk_plan AS b WHERE b.shape > a.shape LIMIT 1) "
        "WHERE a.shape < (SELECT max(shape) FROM _pk_plan)",
    ],
)
def test_a_damaged_entry_counts_as_none(path: Path, damage: str):
    first = _answers(path)
    connection = apsw.Connection(str(path))
    connection.execute(damage)
    connection.close()
    assert _answers(path) == first


def test_another_schema_means_other_statements(path: Path):
    _answers(path)
    before = _kept(path)
    with parsekit.open(path) as engine, engine.acting_as_master():
        PFObject("Deal", fresh="a new field").save()
        found = PFQuery("Deal").where_key("fresh", equal_to="a new field").find()
        assert [deal["fresh"] for deal in found] == ["a new field"]
    after = _kept(path)
    assert after
    assert not before.items() & after.items()


def test_a_file_that_is_only_read_serves_and_stays(path: Path):
    first = _answers(path)
    path.chmod(0o444)
    before = path.read_bytes()
    assert _answers(path, read_only=True) == first
    assert path.read_bytes() == before


def test_a_close_while_somebody_writes_keeps_nothing_and_waits_for_nobody(path: Path):
    engine = parsekit.open(path)
    with engine.acting_as_master():
        assert PFQuery("Deal").where_key("stage", equal_to="lead").count() == 6
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    engine.close()
    other.execute("COMMIT")
    other.close()
    assert not [place for place in _kept(path) if "'count'" in place]
