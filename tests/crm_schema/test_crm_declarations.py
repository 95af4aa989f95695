"""The schemas that the package exports, and the typed classes that describe the same."""

import subprocess
import sys

import attrs
import pytest

import crm_schema
import parsekit
from crm_schema import classes as crm
from crm_schema.sample import classes as sample
from crm_schema.stages import Stage
from parsekit import PFObject, PFQuery, Principal
from parsekit.errors import ValidationError

CRM = (crm.User, crm.Company, crm.Contact, crm.Deal, crm.Activity)


def stated(item):
    """The fields of a class without their descriptions, which the typed form does not carry.

    What every user has is PFUser's to say.
    """
    given = {"username", "email", "password"} if item.name == "_User" else set()
    return {k: attrs.evolve(f, description="") for k, f in item.own_fields.items() if k not in given}


@pytest.mark.parametrize("kind", CRM, ids=lambda kind: kind.__name__)
def test_a_typed_class_describes_its_class_of_the_schema(kind):
    assert stated(kind.parse_schema) == stated(crm_schema.SCHEMA.get(kind.parse_class_name))


@pytest.mark.parametrize("kind", sample.CLASSES, ids=lambda kind: kind.__name__)
def test_a_typed_class_describes_its_class_of_the_sample(kind):
    assert stated(kind.parse_schema) == stated(crm_schema.SAMPLE_SCHEMA.get(kind.parse_class_name))


def test_the_typed_classes_cover_the_schemas():
    assert {kind.parse_class_name for kind in CRM} == set(crm_schema.SCHEMA.classes)
    assert {kind.parse_class_name for kind in sample.CLASSES} == set(crm_schema.SAMPLE_SCHEMA.classes)


def test_every_field_is_described():
    for item in crm_schema.SAMPLE_SCHEMA:
        described = {key: field for key, field in item.own_fields.items() if not field.description}
        assert not described


def test_the_sample_extends_the_schema():
    assert crm_schema.SCHEMA.extended_with(crm_schema.SAMPLE_SCHEMA) == crm_schema.SAMPLE_SCHEMA


def test_the_names_of_the_package_are_those_it_lists():
    assert set(crm_schema.__all__) <= set(dir(crm_schema))
    assert all(getattr(crm_schema, name) is getattr(crm_schema, name) for name in crm_schema.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Dael'"):
        _ = crm_schema.Dael


def test_importing_the_package_loads_nothing():
    code = "import sys, crm_schema; print([m for m in ('parsekit', 'attrs', 'json') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


# --- what the schema says holds in an engine ---


@pytest.fixture
def engine():
    with parsekit.open(schema=crm_schema.SCHEMA, classes=CRM) as engine:
        yield engine


def test_only_who_is_logged_in_works_with_the_crm(engine):
    with pytest.raises(parsekit.ParseError):
        PFQuery(crm.Deal).find()
    with engine.acting_as(Principal.user("somebody")):
        crm.Deal(title="One", stage=Stage.LEAD).save()
        assert PFQuery(crm.Deal).first().stage is Stage.LEAD


def test_an_agent_sees_their_own_and_managers_everybodys(engine):
    with engine.acting_as_master():
        ada, bob, meg = (
            crm.User(username=name, email=f"{name}@x.com", password="pw") for name in ("ada", "bob", "meg")
        )
        PFObject.save_all([ada, bob, meg])
        managers = parsekit.PFRole("manager", acl=parsekit.PFACL())
        managers.users.add_object(meg)
        managers.save()

    def seen(user, kind):
        with engine.acting_as(user):
            return PFQuery(kind).count()

    with engine.acting_as(ada):
        acme = crm.Company(name="Acme")
        mine = crm.Deal(title="Mine", company=acme, assigned_to=ada)
        for_bob = crm.Deal(title="For Bob", company=acme, assigned_to=bob)
        nobodys = crm.Deal(title="Nobody's", company=acme)
        PFObject.save_all([mine, for_bob, nobodys])
        crm.Activity(subject="Call", related_to=mine, created_by=ada).save()
    assert [seen(user, crm.Deal) for user in (ada, bob, meg)] == [2, 1, 3]
    assert [seen(user, crm.Activity) for user in (ada, bob, meg)] == [1, 0, 1]
    assert [seen(user, crm.Company) for user in (ada, bob, meg)] == [1, 1, 1]
    with engine.acting_as(bob), pytest.raises(parsekit.ParseError):
        acme.notes = "not mine"
        acme.save()
    with engine.acting_as(meg):
        deal = PFQuery(crm.Deal).get(mine.object_id)
        deal.assigned_to = bob
        deal.save()
    assert [seen(user, crm.Deal) for user in (ada, bob, meg)] == [1, 2, 3]
    assert seen(Principal.user("nobody"), crm.Deal) == 0


def test_a_stage_is_one_of_the_stages(engine):
    with engine.acting_as_master(), pytest.raises(ValidationError, match="stage must be one of: lead, qual"):
        PFObject("Deal", title="One", stage="sold").save()


def test_an_activity_is_about_a_contact_or_a_deal(engine):
    with engine.acting_as_master():
        contact = crm.Contact(name="Ada")
        deal = crm.Deal(title="One", contact=contact)
        for target in (contact, deal):
            crm.Activity(type=crm_schema.ActivityType.CALL, related_to=target).save()
        about = PFQuery(crm.Activity).where_key("relatedTo", equal_to=deal).include_key("relatedTo").first()
        assert isinstance(about.related_to, crm.Deal)
        assert about.related_to.title == "One"
        company = crm.Company(name="Acme")
        company.save()
        with pytest.raises(parsekit.ParseError, match=r"schema mismatch for Activity.relatedTo"):
            PFObject("Activity", relatedTo=company).save()


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (
            PFQuery("Deal").where_key("stage", equal_to="won").order_by_ascending("expectedCloseDate"),
            "stage_exp",
        ),
        (PFQuery("Deal").where_key("stage", equal_to="won").order_by_descending("updatedAt"), "stage_upd"),
        (
            PFQuery("Deal")
            .where_key("assignedTo", equal_to=PFObject.without_data("_User", "u"))
            .where_key("stage", equal_to="won")
            .order_by_ascending("expectedCloseDate"),
            "assignedTo_stage_exp",
        ),
        (
            PFQuery("Activity")
            .where_key("relatedTo", equal_to=PFObject.without_data("Deal", "d"))
            .order_by_ascending("dueDate"),
            "relatedTo_due",
        ),
    ],
)
def test_pipeline_queries_are_served_by_their_index(engine, query, index):
    with engine.acting_as(Principal.user("somebody")):
        explanation = query.explain()
    assert any(f".{index}" in step for step in explanation.sqlite)
    assert not explanation.sorts
