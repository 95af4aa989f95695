"""Every recorded query, through the engine's SQL path: ids in order, projections, counts, error codes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import parsekit
from parsekit import ParseError, Principal
from parsekit.query.keys import CLIENT_KEYS, MASTER_KEYS
from parsekit.query.where import decode_query
from tests.conformance.dataset import load_cases, open_dataset
from tests.conformance.known_gaps import QUERY_GAPS

CASES = load_cases("queries.jsonl")


def expected_answer(case: dict[str, Any]) -> dict[str, Any] | None:
    """The answer that counts, ``None`` for a case that is information only (the corpus README says which)."""
    if case["basis"] in ("both", "mongo"):
        return case["expect"]
    if case["basis"] == "split":
        return case[case["prefer"]]
    if case["family"] == "geo-intersects":
        return case["expect"]
    if case["family"] == "text" and _is_plain_word(_search_of(case["params"]["where"])):
        return case["expect"]
    return None


def _search_of(tree: Any) -> Any:
    if isinstance(tree, dict):
        if "$search" in tree:
            return tree["$search"]
        tree = list(tree.values())
    if isinstance(tree, list):
        return next((found for found in map(_search_of, tree) if found is not None), None)
    return None


def _is_plain_word(search: Any) -> bool:
    if not isinstance(search, dict) or set(search) - {"$term"} or not isinstance(search.get("$term"), str):
        return False
    return len(search["$term"].split()) == 1


COUNTING = [case for case in CASES if expected_answer(case) is not None]


@pytest.fixture(scope="module")
def dataset() -> Iterator[tuple[parsekit.ParseEngine, dict[str, str]]]:
    engine, users = open_dataset()
    yield engine, users
    engine.close()


def normalized(value: Any) -> Any:
    """Without nulls, and with the URL that a file server would add."""
    if isinstance(value, list):
        return [normalized(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("__type") == "File":
        value = {**value, "url": "{files}/" + value["name"]}
    return {key: normalized(item) for key, item in value.items() if item is not None}


def answer(engine: parsekit.ParseEngine, principal: Principal, case: dict[str, Any]) -> dict[str, Any]:
    """What the engine answers, in the form of the corpus."""
    keys = MASTER_KEYS if case["as"] == "master" else CLIENT_KEYS
    try:
        request = decode_query(case["className"], case["params"], special_keys=keys)
        objects = engine.find_objects(request.state, principal)
        found: dict[str, Any] = {
            "status": 200,
            "ids": [obj.object_id for obj in objects],
            "objects": [normalized(obj.to_fields_json()) for obj in objects],
        }
        if request.count:
            found["count"] = engine.count_objects(request.state, principal)
    except ParseError as error:
        return {"status": 400, "code": error.code}
    return found


def check(case: dict[str, Any], got: dict[str, Any]) -> None:
    """Compare with the recorded answer."""
    expect = expected_answer(case)
    assert expect is not None
    if expect["status"] != 200:
        assert got["status"] != 200
        if expect["status"] != 500:  # a fault of Parse Server on malformed input: any refusal will do
            assert got["code"] == expect["code"]
        return
    assert got["status"] == 200, got
    for key in ("ids", "objects"):
        if key in expect:
            mine, theirs = got[key], normalized(expect[key])
            if expect.get("unordered"):
                order = str if key == "ids" else _object_id
                mine, theirs = sorted(mine, key=order), sorted(theirs, key=order)
            assert mine == theirs
    if "count" in expect:
        assert got["count"] == expect["count"]


def _object_id(entry: dict[str, Any]) -> str:
    return str(entry["objectId"])


def _parameters() -> list[Any]:
    return [pytest.param(case, id=case["id"], marks=_gap(case["id"])) for case in COUNTING]


def _gap(identity: str) -> tuple[pytest.MarkDecorator, ...]:
    reason = QUERY_GAPS.get(identity)
    return () if reason is None else (pytest.mark.xfail(reason=reason, strict=True),)


@pytest.mark.parametrize("case", _parameters())
def test_recorded_query(case: dict[str, Any], dataset: tuple[parsekit.ParseEngine, dict[str, str]]) -> None:
    engine, users = dataset
    principals = {"master": Principal.master(), "anonymous": Principal.anonymous()}
    principal = principals.get(case["as"]) or Principal.user(users[case["as"]])
    check(case, answer(engine, principal, case))


def test_known_gaps_are_few() -> None:
    assert len(QUERY_GAPS) <= len(COUNTING) * 0.005
    assert set(QUERY_GAPS) <= {case["id"] for case in COUNTING}
