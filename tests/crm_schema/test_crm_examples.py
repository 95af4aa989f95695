"""The examples run as they are, and their functions do what the template's do."""

import runpy
from pathlib import Path

import pytest

import crm_schema
import parsekit
from parsekit import PFObject, PFQuery, PFUser
from parsekit.errors import ObjectNotFoundError

EXAMPLES = Path(__file__).parents[2] / "examples"


def functions(name):
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


@pytest.fixture
def ada():
    with parsekit.open(schema=crm_schema.SCHEMA):
        yield PFUser.sign_up("ada", email="ada@example.com", password="correct horse")


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("query_contacts_and_deals", "2025-03-10 Upgrade\n2025-03-20 Renewal\nGrace\n"),
        ("create_a_contact_or_deal", "Renewal: lead, 1200\nGrace: grace@example.com\n"),
        ("update_deal_stage", "qualified\n0 deals\n"),
        (
            "offline_first",
            "2025-03-10 Upgrade\n2025-03-20 Renewal\n2 after unpinning the pin Deal: _default\n"
            "0 after unpinning the default pin\n",
        ),
        ("full_data_model", "Renewal: 1200, closes 2025-03-01\nTrue None None\n['Renewal']\n"),
    ],
)
def test_an_example_runs_as_it_is(name, printed, capsys):
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert capsys.readouterr().out == printed


def test_every_example_is_run_and_listed():
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    embedding = {
        "threaded_web_app",
        "asyncio_service",
        "desktop_pipeline",
        "pipeline_store",
    }  # tests/examples
    assert names - embedding == {
        "query_contacts_and_deals",
        "create_a_contact_or_deal",
        "update_deal_stage",
        "offline_first",
        "full_data_model",
    }
    index = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"({name}.py)" in index for name in names)


def test_deals_are_queried_by_stage(ada):
    get_deals = functions("query_contacts_and_deals")["get_deals"]
    PFObject("Deal", title="One", stage="won").save()
    PFObject("Deal", title="Two", stage="qualified").save()
    assert [deal["title"] for deal in get_deals()] == ["Two"]
    assert [deal["title"] for deal in get_deals("won")] == ["One"]


def test_what_is_not_given_is_not_set(ada):
    create = functions("create_a_contact_or_deal")
    assert create["create_deal"]("One").fetch().keys() == ["title", "stage", "ACL"]
    assert create["create_deal"]("One", "won", 5.5)["amount"] == 5.5
    assert create["create_contact"]("Grace", phone="1").fetch().keys() == ["name", "phone", "ACL"]


def test_deals_move_and_go(ada):
    update = functions("update_deal_stage")
    deal = PFObject("Deal", title="One", stage="lead")
    deal.save()
    update["update_deal_stage"](deal.object_id, "won")
    assert PFQuery("Deal").get(deal.object_id)["stage"] == "won"
    update["delete_deal"](deal.object_id)
    with pytest.raises(ObjectNotFoundError):
        update["delete_deal"](deal.object_id)


def test_a_deal_is_typed(ada):
    obj = PFObject("Deal", title="One", stage="won", assignedTo=ada)
    obj.save()
    deal = functions("full_data_model")["to_deal"](obj)
    assert isinstance(deal, crm_schema.Deal)
    assert (deal.object_id, deal.title, deal.stage) == (obj.object_id, "One", crm_schema.Stage.WON)
    assert (deal.amount, deal.contact, deal.assigned_to) == (None, None, ada)
    assert (deal.created_at, deal.updated_at) == (obj.created_at, obj.updated_at)
