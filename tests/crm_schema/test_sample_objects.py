"""The objects in Parse's REST form: ids, order, batches and what is absent."""

import datetime
import json
import re

import pytest

from crm_schema.sample import objects, reader
from crm_schema.sample.names import deal_title, email, manager_role, office_role, slug

ORDER = ["_User", "_Role", "Company", "Product", "Deal", "Activity"]


@pytest.fixture(scope="module")
def data():
    return reader.read_pipeline()


@pytest.fixture(scope="module")
def stream(data):
    return list(objects.object_stream(data))


def pointers(value):
    if isinstance(value, dict):
        if value.get("__type") == "Pointer":
            yield value["className"], value["objectId"]
        for inner in value.values():
            yield from pointers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from pointers(inner)


def test_the_ids_of_released_objects_never_change(stream):
    by_name = {(name, r.get("username") or r.get("name")): r["objectId"] for name, r in stream[:142]}
    assert by_name["_User", "moses-frase"] == objects.object_id("_User", "moses-frase") == "23Y6oHFuny"
    assert by_name["_Role", "office-Central"] == objects.object_id("_Role", "office-Central") == "kb84OS0QI2"
    assert by_name["Company", "Cancity"] == objects.object_id("Company", "Cancity") == "gMX9guND11"
    assert by_name["Product", "GTX Pro"] == objects.object_id("Product", "GTX Pro") == "YB9YGDr6gx"
    activity = next(record for name, record in stream if name == "Activity")
    assert activity["objectId"] == objects.object_id("Activity", "1C1I7A6R/engage") == "0BWwLLUxJs"


def test_ids_are_ten_characters_and_unique_within_their_class(stream):
    keys = [(name, record["objectId"]) for name, record in stream]
    assert len(set(keys)) == len(keys)
    for name, object_id in keys:
        assert re.fullmatch("[A-Z0-9]{8}" if name == "Deal" else "[A-Za-z0-9]{10}", object_id)


def test_a_second_run_gives_the_same_objects(stream):
    assert list(objects.object_stream(reader.read_pipeline())) == stream


def test_everything_comes_after_what_it_points_to(stream):
    seen = set()
    for name, record in stream:
        assert set(pointers(record)) <= seen
        seen.add((name, record["objectId"]))
    assert list(dict.fromkeys(name for name, _ in stream)) == ORDER


def test_the_objects_are_json_without_nulls(stream):
    text = json.dumps(stream, allow_nan=False)
    assert json.loads(text) == [[name, record] for name, record in stream]
    assert "null" not in text


def test_a_won_deal_in_full(stream):
    deal = next(record for name, record in stream if name == "Deal")
    assert deal == {
        "objectId": "1C1I7A6R",
        "title": "GTX Plus Basic for Cancity",
        "stage": "won",
        "amount": 1054,
        "company": {
            "__type": "Pointer",
            "className": "Company",
            "objectId": objects.object_id("Company", "Cancity"),
        },
        "product": {
            "__type": "Pointer",
            "className": "Product",
            "objectId": objects.object_id("Product", "GTX Plus Basic"),
        },
        "assignedTo": {
            "__type": "Pointer",
            "className": "_User",
            "objectId": objects.object_id("_User", "moses-frase"),
        },
        "expectedCloseDate": {"__type": "Date", "iso": "2017-03-01T00:00:00.000Z"},
        "engageDate": {"__type": "Date", "iso": "2016-10-20T00:00:00.000Z"},
        "ACL": {
            objects.object_id("_User", "moses-frase"): {"read": True, "write": True},
            "role:manager-dustin-brinkmann": {"read": True, "write": True},
        },
    }


def test_a_lead_without_a_company_in_full(stream):
    deal = [record for name, record in stream if name == "Deal"][-1]
    assert set(deal) == {"objectId", "title", "stage", "product", "assignedTo", "ACL"}
    assert (deal["title"], deal["stage"]) == ("MG Advanced", "lead")


def test_a_role_is_seen_by_its_members_alone(stream):
    roles = [record for name, record in stream if name == "_Role"]
    assert all(role["ACL"] == {f"role:{role['name']}": {"read": True}} for role in roles)
    assert all(re.fullmatch(r"[0-9a-zA-Z_\- ]+", role["name"]) for role in roles)


@pytest.mark.parametrize("size", [1, 50, 500, 100_000])
def test_batches_are_the_stream_cut_by_class(data, stream, size):
    batches = list(objects.object_batches(data, size))
    assert [(name, record) for name, batch in batches for record in batch] == stream
    assert all(0 < len(batch) <= size for _, batch in batches)
    sizes = [sum(1 for other, _ in batches if other == name) for name in ORDER]
    counts = objects.object_counts(data)
    assert sizes == [-(-counts[name] // size) for name in ORDER]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Moses Frase", "moses-frase"),
        ("Mei-Mei Johns", "mei-mei-johns"),
        ("  O'Brien,  José ", "o-brien-jose"),
        ("李明", ""),
    ],
)
def test_slugs(name, expected):
    assert slug(name) == expected


def test_names():
    assert email("moses-frase") == "moses-frase@example.com"
    assert manager_role("Dustin Brinkmann") == "manager-dustin-brinkmann"
    assert office_role("Central") == "office-Central"
    assert deal_title("GTX Pro", "Isdom") == "GTX Pro for Isdom"
    assert deal_title("GTX Pro", None) == "GTX Pro"


def test_days_are_midnight_utc():
    assert objects.midnight(datetime.date(2017, 3, 1)) == {
        "__type": "Date",
        "iso": "2017-03-01T00:00:00.000Z",
    }
