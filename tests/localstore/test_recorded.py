"""ios_offline.jsonl through pins: its objects are pinned, its queries asked of the local datastore."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import attrs
import pytest

from parsekit import PFObject, PFQuery, Principal
from parsekit.codec import decode_value
from parsekit.errors import ParseError
from parsekit.localstore import LocalDatastore
from parsekit.operations import AddRelation
from parsekit.query.dialect import Dialect
from parsekit.query.state import QueryState
from tests.query.replay import LocalStore, recorded_local_answer, records


@cache
def _by_family() -> dict[str, list[dict[str, Any]]]:
    families: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in records("ios_offline.jsonl"):
        if record["kind"] == "query":
            families[record["family"]].append(record)
    return families


def _is_relation(value: Any) -> bool:
    return isinstance(value, dict) and value.get("__type") == "Relation"


def _object(source: Mapping[str, Any]) -> PFObject:
    """An object of a record as a device would hold it."""
    values = {key: value for key, value in source.items() if key not in ("className", "__complete")}
    relations = {key: value for key, value in values.items() if _is_relation(value)}
    plain = {key: value for key, value in values.items() if key not in relations}
    if "objectId" not in source:
        obj = PFObject(source["className"])
        for key, value in plain.items():
            obj[key] = decode_value(value)
    elif source.get("__complete") is False:  # known by its id, with keys set but never fetched
        obj = PFObject.without_data(source["className"], source["objectId"])
        for key, value in plain.items():
            if key != "objectId":
                obj[key] = decode_value(value)
    else:
        obj = PFObject.from_json({"className": source["className"], **plain})
    for key, value in relations.items():
        members = [decode_value({"__type": "Pointer", **member}) for member in _members(value)]
        obj.perform(key, AddRelation(members))
    return obj


def _members(relation: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"className": member["className"], "objectId": member["objectId"]} for member in relation["objects"]
    ]


def _or_code(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except ParseError as error:
        crash = error.hint is not None and error.hint.startswith("on iOS this crashes")
        return {"crash": True} if crash else {"error": error.code}


def _answer(datastore: LocalDatastore, record: Mapping[str, Any], pin: str) -> dict[str, Any]:
    objects = [_object(source) for source in record["objects"]]
    datastore.pin_all(objects, pin)
    state = attrs.evolve(
        LocalStore(record).state(record), from_local=True, ignore_acls=record.get("ignoreACLs", False)
    )
    places = {id(obj.local_state): place for place, obj in enumerate(objects)}

    def find(query: QueryState) -> list[int]:
        found = PFQuery.from_state(query).find()
        return [places[id(obj.local_state)] for obj in found]

    return {
        "find": _or_code(lambda: find(state)),
        "count": _or_code(PFQuery.from_state(state).count),
    }


@pytest.mark.parametrize("family", sorted(_by_family()))
def test_recorded_queries(family: str) -> None:
    with LocalDatastore() as datastore:
        for record in _by_family()[family]:
            user = record.get("user")
            principal = Principal.anonymous() if user is None else Principal.user(user)
            with datastore.acting_as(principal):
                answer = _answer(datastore, record, record["id"])
            expected = recorded_local_answer(record)
            wanted = {"find": expected["find"], "count": expected["count"]}
            assert answer == wanted, json.dumps(record, ensure_ascii=False)
            datastore.clear()


def test_every_dialect_rule_is_the_recorded_one() -> None:
    with LocalDatastore() as datastore:
        assert datastore.dialect == Dialect.IOS_LOCAL
