"""The matcher against the recorded answers: queries.jsonl, matcher.jsonl and ios_offline.jsonl."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import pytest

from parsekit.livequery.conditions import matches_live
from tests.query.replay import (
    Store,
    local_answer,
    matcher_verdict,
    recorded_local_answer,
    records,
    server_answer,
    server_store,
)

_ELSEWHERE: Final = {
    "q-2103": "recorded on PostgreSQL, which orders missing values last",
    "q-4690": "the include of a class that anonymous callers may not find is refused (acl.policy)",
    "q-4954": "the include of a class that anonymous callers may not find is refused (acl.policy)",
}
"""Answers that are not the matcher's to give."""

REFUSED_ON_READING: Final = {
    "x-04371", "x-04376", "x-04378", "x-04379", "x-04381", "x-04409", "x-04411",
}  # fmt: skip
"""Malformed queries that decode_where refuses and the recorded matcher shrugged off."""


@cache
def _store() -> Store:
    return server_store()


@cache
def _by_family(name: str) -> dict[str, list[dict[str, Any]]]:
    families: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in records(name):
        if record.get("kind", "query") == "query":
            families[record["family"]].append(record)
    return families


def _single_plain_word(record: Mapping[str, Any]) -> bool:
    searches = [c["$text"]["$search"] for c in record["params"]["where"].values() if "$text" in c]
    return all(set(search) == {"$term"} and search["$term"].isalpha() for search in searches)


def _counts(record: Mapping[str, Any]) -> bool:
    """Whether a record is a rule (conformance README); of PostgreSQL's own answers few are."""
    if record["basis"] != "pg" or record["family"] == "geo-intersects":
        return True
    return record["family"] == "text" and _single_plain_word(record)


def _agrees(record: Mapping[str, Any], answer: Mapping[str, Any]) -> bool:
    expected = record[record["prefer"]] if record["basis"] == "split" else record["expect"]
    if "code" in expected:
        return answer.get("code") == expected["code"] or (expected["code"] == 1 and "code" in answer)
    if "ids" not in answer or ("count" in expected and answer.get("count") != expected["count"]):
        return False
    ids = expected["ids"] if "ids" in expected else [o["objectId"] for o in expected["objects"]]
    return sorted(answer["ids"]) == sorted(ids) if expected.get("unordered") else answer["ids"] == ids


@pytest.mark.parametrize("family", sorted(set(_by_family("queries.jsonl")) - {"bad-class-name"}))
def test_queries(family: str) -> None:
    cases = [r for r in _by_family("queries.jsonl")[family] if _counts(r)]
    wrong = [r["id"] for r in cases if not _agrees(r, server_answer(_store(), r))]
    assert wrong == [case["id"] for case in cases if case["id"] in _ELSEWHERE]


@pytest.mark.parametrize("family", sorted(_by_family("matcher.jsonl")))
def test_rows_of_the_live_query_matcher(family: str) -> None:
    cases = _by_family("matcher.jsonl")[family]
    wrong = {r["id"] for r in cases if matcher_verdict(_store(), r) != r["db"]}
    assert wrong == {r["id"] for r in cases} & REFUSED_ON_READING


@pytest.mark.parametrize("family", sorted(_by_family("matcher.jsonl")))
def test_rows_under_the_live_matchers_own_rules(family: str) -> None:
    """Where the recorded matcher itself failed (``raises``), it must not match."""
    for record in _by_family("matcher.jsonl")[family]:
        matched = matches_live(record["object"], record["where"])
        assert matched == record.get("match", False), json.dumps(record, ensure_ascii=False)


@pytest.mark.parametrize("family", sorted(_by_family("ios_offline.jsonl")))
def test_local_datastore(family: str) -> None:
    for record in _by_family("ios_offline.jsonl")[family]:
        assert local_answer(record) == recorded_local_answer(record), json.dumps(record, ensure_ascii=False)
