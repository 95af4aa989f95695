"""The pipeline queries of the CRM run on an index and sort nothing, whoever asks; as far as its order allows, also
under the rules of the iOS local datastore."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

import crm_schema
import parsekit
from parsekit import Dialect, PFQuery, Pointer, Principal

AGENT = Pointer("_User", "agentAgent")
DEAL = Pointer("Deal", "dealDealDe")
COMPANY = Pointer("Company", "compCompCo")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def deals() -> PFQuery[parsekit.PFObject]:
    return PFQuery("Deal")


QUERIES = {
    "the pipeline": deals().where_key("stage", equal_to="won").order_by_ascending("expectedCloseDate"),
    "the pipeline, latest first": deals()
    .where_key("stage", equal_to="won")
    .order_by_descending("expectedCloseDate"),
    "lately changed": deals().where_key("stage", equal_to="lead").order_by_descending("updatedAt"),
    "of one agent": deals()
    .where_key("assignedTo", equal_to=AGENT)
    .where_key("stage", equal_to="won")
    .order_by_ascending("expectedCloseDate"),
    "due soon": deals()
    .where_key("stage", equal_to="proposal")
    .where_key("expectedCloseDate", less_than=NOW)
    .order_by_ascending("expectedCloseDate"),
    "deals by the start of their title": deals().where_key("title", has_prefix="Acme re"),
    "of one company": deals().where_key("company", equal_to=COMPANY),
    "activities of a deal": PFQuery("Activity")
    .where_key("relatedTo", equal_to=DEAL)
    .order_by_ascending("dueDate"),
    "activities of an agent": PFQuery("Activity")
    .where_key("createdBy", equal_to=AGENT)
    .order_by_descending("dueDate"),
    "contacts of a company": PFQuery("Contact")
    .where_key("company", equal_to=COMPANY)
    .order_by_ascending("name"),
    "companies by the start of their name": PFQuery("Company").where_key("name", has_prefix="Ac"),
}


@pytest.fixture(scope="module")
def engine() -> Iterator[parsekit.ParseEngine]:
    with parsekit.open(":memory:", schema=crm_schema.SCHEMA) as opened:
        yield opened


@pytest.mark.parametrize(
    "principal", [Principal.master(), Principal.user("agentAgent")], ids=["master", "agent"]
)
@pytest.mark.parametrize("name", QUERIES)
def test_pipeline_query_uses_an_index_and_sorts_nothing(
    engine: parsekit.ParseEngine, name: str, principal: Principal
) -> None:
    plan = engine.explain_query(QUERIES[name].state(), principal)
    assert not plan.scans, plan
    assert not plan.sorts, plan
    assert plan.advice == ()
    assert plan.in_python == ()
    assert any("USING INDEX" in step or "USING COVERING INDEX" in step for step in plan.sqlite), plan


_SORTED_ON_IOS = {
    # the local datastore gives objects in the order of their insertion, and texts in an order that no index has
    "companies by the start of their name",
    "deals by the start of their title",
    "contacts of a company",
}


@pytest.mark.parametrize("name", QUERIES)
def test_pipeline_query_uses_an_index_under_the_rules_of_ios(engine: parsekit.ParseEngine, name: str) -> None:
    query = QUERIES[name].copy().under(Dialect.IOS_LOCAL)
    plan = engine.explain_query(query.state(), Principal.user("agentAgent"))
    assert plan.dialect == "IOS_LOCAL"
    assert not plan.scans, plan
    assert plan.sorts == (name in _SORTED_ON_IOS), plan
    assert plan.advice == ()
    assert plan.in_row_order == ()
    assert any("USING INDEX" in step for step in plan.sqlite), plan


def test_a_query_without_an_index_is_told_which_one_it_lacks(engine: parsekit.ParseEngine) -> None:
    query = deals().where_key("notes", equal_to="x").order_by_ascending("amount")
    plan = engine.explain_query(query.state(), Principal.master())
    assert plan.scans
    assert plan.advice == (
        'Deal: the query reads every row; an index {"notes": 1, "amount": 1} would serve it',
    )
