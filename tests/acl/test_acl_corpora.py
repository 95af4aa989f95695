"""Recorded answers of Parse Server 9.10, replayed with nothing but the policy to say who may see and do
what."""

import json
from pathlib import Path

import pytest
from acl_evaluation import holds
from acl_replay import PERMISSION_CODES, NotReplayedError, Replay

from parsekit.acl.policy import authorize, visible
from parsekit.acl.principal import Principal
from parsekit.acl.roles import Role, RoleGraph
from parsekit.errors import ParseError
from parsekit.query.ast import ALWAYS, Constraint
from parsekit.schema import ClassSchema
from parsekit.schema_json import class_from_json

DATA = Path(__file__).parent.parent / "conformance" / "data"
TOPICS = {"acl", "clp", "users", "roles", "crm", "schemas"}
ENTIRELY = {"acl", "clp", "roles"}
SCENARIOS = [
    scenario
    for scenario in json.loads((DATA / "scenarios.json").read_text("utf-8"))["scenarios"]
    if scenario["topic"] in TOPICS
]
DATASET = json.loads((DATA / "queries.dataset.json").read_text("utf-8"))
SKIPPED_KEYS = {"createdAt", "updatedAt", "sessionToken", "__type", "className", "users", "roles"}


def expected_of(step):
    mongo = step.get("mongo")
    return (mongo["status"], mongo["response"]) if mongo else (step["status"], step["response"])


def is_relation(value):
    return isinstance(value, dict) and value.get("__type") == "Relation"


def is_object(value):
    return isinstance(value, dict) and "objectId" in value and value.get("__type") != "Pointer"


def nested(shown):
    """Which keys each object has, included objects too; scalars and pointers are leaves."""
    return {
        key: nested(value) if is_object(value) else None
        for key, value in shown.items()
        if key not in SKIPPED_KEYS and not is_relation(value)
    }  # fmt: skip


def compare(answer, response):
    if "classLevelPermissions" in response:
        assert answer["classLevelPermissions"] == response["classLevelPermissions"]
    if "count" in response:
        assert answer["count"] == (response["count"] or 0)
    if "results" in response and "results" in answer:
        found = {row["objectId"]: nested(row) for row in answer["results"]}
        recorded = {row["objectId"]: nested(row) for row in response["results"]}
        assert found == recorded
        acls = {row["objectId"]: row.get("ACL") for row in response["results"]}
        assert {row["objectId"]: row.get("ACL") for row in answer["results"]} == acls
    elif "objectId" in response and "objectId" in answer:
        assert nested(answer) == nested(response)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: f"{scenario['id']}-{scenario['name']}")
def test_a_scenario_answers_as_recorded(scenario):
    replay = Replay()
    replayed = 0
    for step in scenario["steps"]:
        status, response = expected_of(step)
        if step.get("unstable") or step["as"] not in replay.principals or "sessionToken" in step:
            continue
        if status >= 400 and response.get("code") not in PERMISSION_CODES:
            continue
        if response.get("code") == 111 and not step["path"].startswith("/roles"):
            continue  # a type mismatch
        try:
            answer = replay.step(step)
        except NotReplayedError:
            continue
        except ParseError as error:
            assert (status, error.code) == (404 if error.code == 101 else 400, response["code"]), step
            assert response["error"] in (error.message, error.message.replace(".", " for delete.")), step
        else:
            assert status < 400, step
            compare(answer, response)
        replayed += 1
    if scenario["topic"] in ENTIRELY:
        assert replayed >= len(scenario["steps"]) - 2


# --- the query corpus: every unconditional query, under every principal ---


def unconditional_cases():
    with (DATA / "queries.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            case = json.loads(line)
            params = case["params"]
            whole = params.get("limit") == 1000 or case["className"] in ("_User", "_Role")
            if case["basis"] == "both" and whole and params.keys() <= {"order", "limit"}:
                yield case


USERS = {user["username"]: user["objectId"] for user in DATASET["users"]}
ROLE_IDS = {role["name"]: role["objectId"] for role in DATASET["roles"]}
GRAPH = RoleGraph(
    Role(
        role["objectId"],
        role["name"],
        [USERS[name] for name in role["users"]],
        [ROLE_IDS[name] for name in role["roles"]],
    )
    for role in DATASET["roles"]
)
SCHEMAS = {
    entry["className"]: class_from_json({key: entry[key] for key in entry if key != "indexes"}, "", [])
    for entry in DATASET["schemas"]
}
ROWS = {**DATASET["objects"], "_User": DATASET["users"], "_Role": DATASET["roles"]}


def principal_of(name):
    if name == "master":
        return Principal.master()
    return Principal.anonymous() if name == "anonymous" else Principal.user(USERS[name])


def answer_of(class_name, name, where=ALWAYS):
    principal = principal_of(name)
    names = GRAPH.names_of(principal.user_id) if principal.user_id else frozenset()
    schema = SCHEMAS.get(class_name) or ClassSchema.new(class_name)
    access = authorize(schema, class_name, "find", principal, names)
    return [
        visible(row, access, principal)
        for row in ROWS[class_name]
        if holds(access.constrain(where), row, principal, names)
    ]


CASES = {
    (case["className"], case["as"]): case
    for case in unconditional_cases()
    if case["expect"]["status"] >= 400 or not case["params"].get("limit") or case["params"]["limit"] == 1000
}


def test_the_corpus_has_cases_for_every_principal():
    assert {name for _, name in CASES} == {"master", "anonymous", *USERS}
    assert len(CASES) > 20


@pytest.mark.parametrize(("class_name", "name"), sorted(CASES))
def test_everything_a_principal_can_find(class_name, name):
    expect = CASES[class_name, name]["expect"]
    if expect["status"] >= 400:
        with pytest.raises(ParseError) as caught:
            answer_of(class_name, name)
        assert (caught.value.code, caught.value.message) == (expect["code"], expect["error"])
        return
    found = {row["objectId"]: row for row in answer_of(class_name, name)}
    if "ids" in expect:
        assert found.keys() == set(expect["ids"])
        return
    assert {key: nested(row) for key, row in found.items()} == {
        row["objectId"]: nested(row) for row in expect["objects"]
    }


@pytest.mark.parametrize("name", sorted(USERS))
def test_each_user_finds_itself_by_email_only_through_its_objectid(name):
    """Families ``users``: a query for an email is refused, to the user it belongs to as well."""
    principal = principal_of(name)
    rows = answer_of("_User", name, Constraint("objectId", "$eq", principal.user_id))
    assert [row["email"] for row in rows] == [f"{name}@example.com"]
