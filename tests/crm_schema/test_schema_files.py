"""The declarations as JSON: the template as published, and additions that fit it."""

import hashlib
import importlib.resources
import json

import pytest

from crm_schema.sample import objects, reader
from crm_schema.stages import ActivityType, Stage

DIRECTORY = importlib.resources.files("crm_schema") / "schema"
OPERATIONS = {"find", "get", "count", "create", "update", "delete"}
TYPES = {"String": (str,), "Number": (int, float)}


def classes(name):
    content = json.loads((DIRECTORY / name).read_text(encoding="utf-8"))
    assert set(content) == {"classes"}
    found = {declared["className"]: declared for declared in content["classes"]}
    assert len(found) == len(content["classes"])
    return found


TEMPLATE = classes("crm_template.json")
PACKAGE = classes("crm_package.json")
SAMPLE = classes("sample.json")


def fields(class_name, *layers):
    merged = {}
    for layer in layers:
        for key, field in layer.get(class_name, {"fields": {}})["fields"].items():
            merged[key] = merged.get(key, {}) | field
    return merged


def test_the_template_is_as_published():
    content = (DIRECTORY / "crm_template.json").read_bytes()
    pinned = "a3dd424d8e637ac0827e0e34a647b8849e6f0015232e30058f4b464ae3c087ab"
    assert hashlib.sha256(content).hexdigest() == pinned
    assert list(TEMPLATE) == ["Contact", "Company", "Deal", "Activity", "_User"]


def test_the_package_covers_the_template():
    assert set(PACKAGE) == set(TEMPLATE)
    for name, declared in PACKAGE.items():
        owned = set() if name == "_User" else {"ownership"}  # a user is their own owner, as Parse has it
        assert set(declared) == {"className", "fields", "classLevelPermissions", "indexes"} | owned


def test_deals_and_activities_belong_to_their_agent_and_the_managers():
    for class_name, owner in (("Deal", "assignedTo"), ("Activity", "createdBy")):
        entries = [f"{owner}|currentUser", "role:manager"]
        assert PACKAGE[class_name]["ownership"] == {"read": entries, "write": entries}
    for class_name in ("Company", "Contact"):
        stated = {"read": ["*"], "write": ["createdBy|currentUser", "role:manager"]}
        assert PACKAGE[class_name]["ownership"] == stated


@pytest.mark.parametrize("declared", [*PACKAGE.values(), SAMPLE["Product"]], ids=lambda d: d["className"])
def test_only_who_is_logged_in_gets_at_anything(declared):
    permissions = dict(declared["classLevelPermissions"])
    assert permissions.pop("addField") == {}
    assert set(permissions) == OPERATIONS
    if declared["className"] == "_User":
        # Signing up is creating a user, and who signs up is not logged in yet.
        assert permissions.pop("create") == {"*": True}
    assert all(entity == {"requiresAuthentication": True} for entity in permissions.values())


def test_enumerations_are_the_members_in_their_order():
    assert PACKAGE["Deal"]["fields"]["stage"]["enum"] == [stage.value for stage in Stage]
    assert PACKAGE["Activity"]["fields"]["type"]["enum"] == [kind.value for kind in ActivityType]


def test_an_activity_is_about_a_contact_or_a_deal():
    assert PACKAGE["Activity"]["fields"]["relatedTo"]["targetClasses"] == ["Contact", "Deal"]


@pytest.mark.parametrize("layer", [PACKAGE, SAMPLE], ids=["package", "sample"])
def test_additions_change_no_type_and_index_what_exists(layer):
    for class_name, declared in layer.items():
        known = fields(class_name, TEMPLATE, PACKAGE, SAMPLE)
        for key, field in fields(class_name, TEMPLATE).items():
            assert field["type"] == known[key]["type"]
        for name, index in declared["indexes"].items():
            assert name == "_".join(index)
            assert set(index) <= set(known)
            assert set(index.values()) <= {1, -1}


@pytest.mark.parametrize(
    ("layer", "class_name", "index"),
    [
        (PACKAGE, "Deal", {"stage": 1, "expectedCloseDate": 1}),
        (PACKAGE, "Deal", {"stage": 1, "updatedAt": 1}),
        (PACKAGE, "Deal", {"assignedTo": 1, "stage": 1, "expectedCloseDate": 1}),
        (PACKAGE, "Deal", {"company": 1}),
        (PACKAGE, "Deal", {"title": 1}),
        (PACKAGE, "Activity", {"relatedTo": 1, "dueDate": 1}),
        (PACKAGE, "Activity", {"createdBy": 1, "dueDate": 1}),
        (PACKAGE, "Contact", {"company": 1, "name": 1}),
        (PACKAGE, "Company", {"name": 1}),
        (SAMPLE, "Deal", {"assignedTo": 1, "engageDate": 1}),
    ],
)
def test_pipeline_queries_have_their_index(layer, class_name, index):
    # The order of the keys is part of an index.
    assert list(index.items()) in [list(i.items()) for i in layer[class_name]["indexes"].values()]


def test_the_sample_declares_every_key_of_its_objects():
    for class_name, record in objects.object_stream(reader.read_pipeline()):
        if class_name == "_Role":
            continue
        declared = fields(class_name, TEMPLATE, PACKAGE, SAMPLE)
        for key, value in record.items():
            if key != "ACL":
                check(declared[key], value)
        required = {key for key, field in declared.items() if field.get("required")}
        # The importer decides how a user without a usable password is stored.
        assert required - {"password"} <= set(record)


def check(field, value):
    if field["type"] == "Pointer":
        assert value["__type"] == "Pointer"
        assert value["className"] in (field.get("targetClasses") or [field["targetClass"]])
    elif field["type"] == "Date":
        assert value["__type"] == "Date"
    else:
        assert isinstance(value, TYPES[field["type"]])
        assert "enum" not in field or value in field["enum"]
