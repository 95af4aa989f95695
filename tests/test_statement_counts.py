"""How many statements each operation makes: exact, so that a statement more is a decision and no accident."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import parsekit
from parsekit import PFACL, ClassSchema, Field, Index, PFObject, PFQuery, Principal, Schema

SCHEMA = Schema((
    ClassSchema.new("Company", {"name": Field("String"), "parent": Field("Pointer", ("Company",))}),
    ClassSchema.new(
        "Deal",
        {
            "stage": Field("String"),
            "amount": Field("Number"),
            "company": Field("Pointer", ("Company",)),
            "contact": Field("Pointer", ("Contact",)),
        },
        indexes=(Index("board", (("stage", False),), kind="totals"),),
    ),
    ClassSchema.new("Contact", {"name": Field("String")}),
))  # fmt: skip


class Counting:
    """The statements of this thread's two connections."""

    def __init__(self, engine: parsekit.ParseEngine) -> None:
        self._connections = (engine.store.database.reader(), engine.store.database.writer)
        self.seen: list[str] = []

    def of(self, operation: Callable[[], Any]) -> list[str]:
        """The first words of the statements of an operation that was done before."""
        operation()
        self.seen = []

        def note(_cursor: Any, sql: str, _bindings: Any) -> bool:
            self.seen.append(sql.split(maxsplit=1)[0])
            return True

        for connection in self._connections:
            connection.exec_trace = note
        try:
            operation()
        finally:
            for connection in self._connections:
                connection.exec_trace = None
        return self.seen


@pytest.fixture
def engine() -> Iterator[parsekit.ParseEngine]:
    with parsekit.open(schema=SCHEMA) as engine, engine.acting_as_master():
        top = PFObject("Company", name="top")
        company = PFObject("Company", name="Acme", parent=top)
        for number in range(5):
            contact = PFObject("Contact", name=f"c{number}")
            deal = PFObject("Deal", stage="lead", amount=number, company=company, contact=contact)
            deal.acl = PFACL.from_json({"ada": {"read": True, "write": True}})
            deal.save()
        yield engine


@pytest.mark.parametrize("principal", [Principal.master(), Principal.user("ada")], ids=["master", "user"])
def test_reads(engine: parsekit.ParseEngine, principal: Principal):
    query: PFQuery[PFObject] = PFQuery("Deal")
    found = PFQuery("Deal").first()
    assert found is not None
    counting = Counting(engine)
    with engine.acting_as(principal):
        assert counting.of(query.find) == ["SELECT"]
        assert counting.of(query.count) == ["SELECT"]
        assert counting.of(lambda: PFQuery("Deal").get(found.object_id)) == ["SELECT"]
        assert counting.of(PFQuery("Deal").where_key("stage", equal_to="lead").count) == ["SELECT"]


@pytest.mark.parametrize(
    ("keys", "levels"),
    [
        (("company",), 1),
        (("company", "contact"), 2),
        (("company.parent",), 2),
        (("company.parent", "contact"), 3),
    ],
)
def test_a_find_with_includes_is_one_statement_and_one_for_each_path(
    engine: parsekit.ParseEngine, keys: tuple[str, ...], levels: int
):
    query: PFQuery[PFObject] = PFQuery("Deal").include_key(*keys)
    statements = Counting(engine).of(query.find)
    assert statements == ["BEGIN", *["SELECT"] * (1 + levels), "COMMIT"]


def test_a_create_is_one_transaction_of_two_statements(engine: parsekit.ParseEngine):
    counting = Counting(engine)
    company = PFObject.without_data("Company", "x")
    assert counting.of(lambda: PFObject("Deal", stage="won", company=company).save()) == [
        "BEGIN",
        "INSERT",
        "INSERT",
        "COMMIT",
    ]


def test_an_update_is_one_transaction_of_three_statements(engine: parsekit.ParseEngine):
    deal = PFQuery("Deal").first()
    assert deal is not None

    def move() -> None:
        deal["stage"] = "won" if deal["stage"] == "lead" else "lead"
        deal.save()

    assert Counting(engine).of(move) == ["BEGIN", "SELECT", "UPDATE", "INSERT", "COMMIT"]


def test_many_creates_are_one_transaction_with_a_row_and_an_entry_each(engine: parsekit.ParseEngine):
    def create() -> None:
        PFObject.save_all([PFObject("Deal", stage="won", amount=number) for number in range(10)])

    statements = Counting(engine).of(create)
    assert statements.count("INSERT") == 20
    assert [word for word in statements if word != "INSERT"] == [
        "BEGIN",
        "SAVEPOINT",
        "SELECT",
        "RELEASE",
        "COMMIT",
    ]


def test_a_delete_is_one_transaction(engine: parsekit.ParseEngine):
    deals = PFQuery("Deal").find()
    counting = Counting(engine)
    assert counting.of(lambda: deals.pop().delete()) == [
        "BEGIN",
        "SAVEPOINT",
        "SELECT",
        "DELETE",
        "INSERT",
        "RELEASE",
        "COMMIT",
    ]
