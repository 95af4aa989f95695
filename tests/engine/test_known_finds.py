"""Finds that were asked before: the statement is remembered, the answer is not; what it rests on is looked at anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import parsekit
from parsekit import PFACL, ClassSchema, Field, Index, ParseError, PFObject, PFQuery, Principal, Schema

SCHEMA = Schema((
    ClassSchema.new("Company", {"industry": Field("String")}),
    ClassSchema.new(
        "Deal",
        {"stage": Field("String"), "amount": Field("Number"), "company": Field("Pointer", ("Company",))},
        indexes=(Index("board", (("stage", False), ("amount", False))),),
    ),
))  # fmt: skip
PEOPLE = (Principal.master(), Principal.user("ada"), Principal.user("bob"), Principal.anonymous())
STAGES = ("lead", "won", "lost")
INDUSTRIES = ("energy", "retail")

questions = st.fixed_dictionaries(
    {
        "who": st.sampled_from(PEOPLE),
        "form": st.sampled_from(("equal", "range", "list", "inner", "not inner", "inner of inner", "by id")),
        "stage": st.sampled_from(STAGES),
        "amount": st.integers(0, 12),
        "industry": st.sampled_from(INDUSTRIES),
        "descending": st.booleans(),
        "skip": st.integers(0, 2),
    }
)


def load() -> list[str]:
    """Companies and deals under several ACLs; the deals' ids."""
    acls: list[Any] = [
        None,
        {"*": {"read": True}},
        {"ada": {"read": True}},
        {"role:sales": {"read": True}},
        {},
    ]
    made: list[PFObject] = []
    for number in range(20):
        company = PFObject("Company", industry=INDUSTRIES[number % 2])
        deal = PFObject("Deal", stage=STAGES[number % 3], amount=number % 13, company=company)
        for obj, acl in ((company, acls[number % 4]), (deal, acls[number % 5])):
            if acl is not None:
                obj.acl = PFACL.from_json(acl)
        made.append(deal)
    PFObject.save_all(made)
    return [str(deal.object_id) for deal in made]


def query_of(asked: dict[str, Any], ids: list[str]) -> PFQuery[PFObject]:
    query: PFQuery[PFObject] = PFQuery("Deal")
    inner: PFQuery[PFObject] = PFQuery("Company")
    inner.where_key("industry", equal_to=asked["industry"])
    form = asked["form"]
    if form == "by id":
        return query.where_key("objectId", equal_to=ids[asked["amount"]])
    if form in ("equal", "inner"):
        query.where_key("stage", equal_to=asked["stage"])
    if form == "list":
        query.where_key("stage", contained_in=[asked["stage"], "won"])
    if form in ("range", "not inner"):
        query.where_key("amount", greater_than=asked["amount"])
    if form == "inner":
        query.where_key("company", matches_query=inner)
    if form == "not inner":
        query.where_key("company", does_not_match_query=inner)
    if form == "inner of inner":
        deals: PFQuery[PFObject] = PFQuery("Deal")
        deals.where_key("company", matches_query=inner).where_key("amount", less_than=asked["amount"])
        query.where_key("company", matches_query=inner)
        return PFQuery.and_(query, deals).order_by_ascending("amount")
    order = query.order_by_descending if asked["descending"] else query.order_by_ascending
    return order("amount").skip(asked["skip"])


def answers(engine: parsekit.ParseEngine, asked: list[dict[str, Any]], ids: list[str]) -> list[list[int]]:
    found = []
    for each in asked:
        with engine.acting_as(each["who"]):
            # the ids of two engines differ, so an object is told by its place
            found.append([ids.index(str(obj.object_id)) for obj in query_of(each, ids).find()])
    return found


@pytest.fixture(scope="module")
def engines() -> Iterator[tuple[Any, ...]]:
    with parsekit.open(schema=SCHEMA) as keeps, parsekit.open(schema=SCHEMA, plan_cache=False) as forgets:
        with keeps.acting_as_master():
            kept = load()
        with forgets.acting_as_master():
            fresh = load()
        yield keeps, kept, forgets, fresh


@settings(deadline=None, max_examples=60)
@given(asked=st.lists(questions, min_size=1, max_size=6))
def test_what_is_remembered_changes_no_answer(engines: tuple[Any, ...], asked: list[dict[str, Any]]) -> None:
    keeps, kept, forgets, fresh = engines
    expected = answers(forgets, asked, fresh)
    assert answers(keeps, asked, kept) == expected
    assert answers(keeps, asked, kept) == expected


def ask() -> int:
    inner: PFQuery[PFObject] = PFQuery("Company")
    inner.where_key_exists("industry")
    query: PFQuery[PFObject] = PFQuery("Deal")
    return len(query.where_key("company", matches_query=inner).find())


def test_what_changes_permissions_is_heard() -> None:
    sue = Principal.user("sue")
    with parsekit.open(schema=SCHEMA) as engine:
        with engine.acting_as_master():
            load()
        with engine.acting_as(sue):
            before = ask()
            assert ask() == before
        with engine.acting_as_master():
            role = parsekit.PFRole(name="sales")
            role.acl = PFACL.from_json({"*": {"read": True}})
            role.users.add_object(parsekit.PFUser.without_data("sue"))
            role.save()
        with engine.acting_as(sue):
            assert ask() > before
        closed = ClassSchema.new("Company", permissions={"find": {}})
        engine.schema_edits.apply(Schema((closed,)))
        with engine.acting_as(sue), pytest.raises(ParseError):
            ask()


def test_a_transaction_sees_what_it_did_and_nobody_remembers_it() -> None:
    with parsekit.open(schema=SCHEMA) as engine, engine.acting_as_master():
        load()
        before = ask()
        assert ask() == before
        with pytest.raises(RuntimeError), engine.transaction():
            PFObject("Deal", company=PFObject("Company", industry="energy", extra=1)).save()
            assert ask() == ask() == before + 1
            raise RuntimeError
        assert ask() == before
