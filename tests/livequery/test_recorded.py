"""Every recorded live query sequence, replayed through a real engine and real subscriptions.

Rules of comparison: the corpora's README. Subscriptions marked ``quirk`` contradict the query's own answer and are
skipped; arrays that Add, AddUnique or Remove touched compare as sets, and an empty array equals an absent key.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

import parsekit
from parsekit import ParseError, Principal
from parsekit._context import Binding
from parsekit.codec import decode_operation, decode_value, encode_value
from parsekit.livequery.protocol import SubscribedQuery, state_of
from parsekit.livequery.subscription import Subscription
from parsekit.operations import AddRelation, OperationSet, Set
from parsekit.query.dialect import Dialect
from parsekit.schema_json import schema_from_json
from tests.conformance.dataset import load_json

SEQUENCES = load_json("livequery.json")["sequences"]
LEFT_OUT = {"objectId", "createdAt", "updatedAt", "className"}
ARRAY_OPERATIONS = {"Add", "AddUnique", "Remove"}
EMPTIED_ON_POSTGRESQL = {("l-001", 2), ("l-007", 10), ("l-085", 5)}
"""Steps whose Remove names no element: PostgreSQL answers with an empty array, MongoDB with all of it."""


def _put(engine: parsekit.ParseEngine, class_name: str, object_id: str, values: dict[str, Any]) -> None:
    operations = OperationSet()
    for key, value in values.items():
        operations.perform(key, value if isinstance(value, AddRelation) else Set(value))
    engine.direct.create(class_name, operations, Principal.maintenance(), object_id=object_id)


def _opened(sequence: dict[str, Any]) -> parsekit.ParseEngine:
    classes = list(sequence["schemas"])
    known = {item["className"] for item in classes} | {"_User"}
    targets = {field.get("targetClass") for item in classes for field in item["fields"].values()}
    classes += [{"className": name, "fields": {}} for name in sorted(targets - known - {None})]
    engine = parsekit.open(":memory:", schema=schema_from_json({"classes": classes}))
    for alias, identity in sequence["users"].items():
        _put(engine, "_User", identity, {"username": alias})
    for number, (name, members) in enumerate(sequence["roles"].items()):
        pointers = tuple(parsekit.Pointer("_User", sequence["users"][member]) for member in members)
        values = {"name": name, "ACL": {"*": {"read": True}}, "users": AddRelation(pointers)}
        _put(engine, "_Role", f"role{number}", values)
    return engine


def _principal(sequence: dict[str, Any], alias: str) -> Principal:
    if alias == "master":
        return Principal.master()
    return Principal.anonymous() if alias == "anonymous" else Principal.user(sequence["users"][alias])


def _subscribe(
    engine: parsekit.ParseEngine, sequence: dict[str, Any], item: dict[str, Any], dialect: Dialect
) -> Subscription[Any]:
    keys = tuple(item["keys"]) if "keys" in item else None
    asked = SubscribedQuery(class_name=item["className"], where=item["where"], keys=keys)
    binding = Binding(engine, _principal(sequence, item["as"]))
    return engine.live.subscribe(state_of(asked, dialect), binding, watch=item.get("watch", ()))


def _written(engine: parsekit.ParseEngine, sequence: dict[str, Any], step: dict[str, Any]) -> int | None:
    """The error code of the write, ``None`` when it succeeded."""
    _, _, class_name, *rest = step["path"].split("/")
    body = dict(step.get("body", {}))
    principal = _principal(sequence, step["as"])
    try:
        if step["method"] == "DELETE":
            engine.direct.delete(class_name, rest[0], principal)
            return None
        object_id = body.pop("objectId", None)
        operations = OperationSet()
        for key, entry in body.items():
            operations.perform(key, Set(entry) if key == "ACL" else decode_operation(entry))
        if step["method"] == "POST":
            engine.direct.create(class_name, operations, principal, object_id=object_id)
        else:
            engine.direct.update(class_name, rest[0], operations, principal)
    except ParseError as error:
        return error.code
    return None


def touched_arrays(step: dict[str, Any]) -> set[str]:
    return {
        key
        for key, entry in step.get("body", {}).items()
        if isinstance(entry, dict) and entry.get("__op") in ARRAY_OPERATIONS
    }


def comparable(fields: dict[str, Any], as_sets: set[str], left_out: Collection[str] = ()) -> dict[str, Any]:
    result = {}
    for key, value in fields.items():
        if key in LEFT_OUT or key in left_out or value is None or value == []:
            continue
        in_order = not (key in as_sets and isinstance(value, list))
        result[key] = value if in_order else sorted(value, key=repr)
    return result


def _shown(obj: Any) -> dict[str, Any]:
    fields = {key: encode_value(obj.raw(key)) for key in obj if key != "ACL"}
    if obj.acl is not None:
        fields["ACL"] = obj.acl.to_json()
    return fields


@pytest.mark.parametrize("dialect", [Dialect.SERVER, Dialect.LIVE_MATCHER], ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("sequence", SEQUENCES, ids=[item["id"] for item in SEQUENCES])
def test_recorded_sequence(sequence: dict[str, Any], dialect: Dialect) -> None:
    """Under Parse's own matcher the subscriptions that contradict the query's answer are held to their events, too."""
    with _opened(sequence) as engine:
        subscriptions: dict[str, Subscription[Any]] = {}
        quirks = {item["id"] for item in sequence["subscriptions"] if item.get("quirk")}
        skipped = quirks if dialect == Dialect.SERVER else set()
        for item in sequence["subscriptions"]:
            if item["answer"] == "subscribed":
                subscriptions[item["id"]] = _subscribe(engine, sequence, item, dialect)
            else:
                with pytest.raises(ParseError) as caught:
                    _subscribe(engine, sequence, item, dialect)
                assert caught.value.code == item["answer"]["error"]
        arrays: set[str] = set()
        for number, step in enumerate(sequence["steps"]):
            arrays |= touched_arrays(step)
            assert _written(engine, sequence, step) == step.get("code"), (number, step)
            left_out = touched_arrays(step) if (sequence["id"], number) in EMPTIED_ON_POSTGRESQL else ()
            got = [
                (name, event.kind, event.object_id, comparable(_shown(event.object), arrays, left_out))
                for name, subscription in sorted(subscriptions.items())
                for event in subscription.pending()
                if name not in skipped
            ]
            wanted = [
                (item["sub"], item["op"], item["objectId"], comparable(item["object"], arrays, left_out))
                for item in step["events"]
                if item["sub"] not in skipped
            ]
            assert got == wanted, (number, step)


def test_decoding_is_of_this_corpus() -> None:
    """The corpus has every kind of event, so that a replay of nothing cannot pass."""
    kinds = {event["op"] for item in SEQUENCES for step in item["steps"] for event in step["events"]}
    assert kinds == {"create", "enter", "update", "leave", "delete"}
    assert decode_value({"__type": "Pointer", "className": "A", "objectId": "b"}) == parsekit.Pointer(
        "A", "b"
    )
