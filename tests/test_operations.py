"""Operations: law L3 under the server's rules, and what the SDK answered (``op`` of ios_offline.jsonl)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsekit.codec import decode_value, encode_value
from parsekit.errors import ParseError, TypeMismatchError
from parsekit.operations import (
    SDK_RULES,
    Add,
    AddRelation,
    AddUnique,
    Delete,
    Increment,
    ObjectiveCError,
    Operation,
    OperationSet,
    RelationChange,
    RelationMembers,
    Remove,
    RemoveRelation,
    Sequence,
    Set,
    SetOnInsert,
    apply,
    apply_path,
    merge,
    relation_change,
    value_on_create,
)
from parsekit.values import MISSING, Pointer, RelationReference, equal
from tests import strategies

DATA = Path(__file__).parent / "conformance" / "data" / "ios_offline.jsonl"
# Not splitlines(), which also splits at the line separators inside strings.
RECORDS = [
    record
    for record in map(json.loads, DATA.read_text(encoding="utf-8").strip("\n").split("\n"))
    if record["kind"] == "op"
]
KINDS = {kind.__name__: kind for kind in (Add, AddUnique, Remove, AddRelation, RemoveRelation)}


def sdk_value(json_value: Any) -> Any:
    if isinstance(json_value, dict) and json_value.get("__type") == "Relation":
        return RelationMembers(json_value["className"], map(decode_value, json_value["objects"]))
    return decode_value(json_value)


def sdk_operation(record: dict[str, Any]) -> Operation:
    match record["op"]:
        case "Set":
            return Set(sdk_value(record["value"]))
        case "Delete":
            return Delete()
        case "Increment":
            # The amount's type is its Objective-C type, which decides how the SDK adds.
            return Increment((float if record["amountType"] == "double" else int)(record["amount"]))
        case name:
            return KINDS[name](map(decode_value, record["objects"]))


def value_record(value: Any) -> Any:
    if value is MISSING:
        return {"__missing": 1}
    if isinstance(value, RelationMembers):
        ids = sorted(pointer.object_id for pointer in value.members)
        return {"__type": "Relation", "className": value.class_name, "objects": ids}
    return encode_value(value)


def operation_record(operation: Operation) -> Any:
    match operation:
        case Set():
            return {"op": "Set", "value": value_record(operation.value)}
        case Delete():
            return {"op": "Delete"}
        case Increment():
            return {"op": "Increment", "amount": operation.amount}
        case Add() | AddUnique() | Remove():
            return {"op": type(operation).__name__, "objects": encode_value(operation.objects)}
        case _:
            change = relation_change(operation)
            return {
                "op": "Relation",
                "className": (change.added or change.removed)[0].class_name,
                "add": sorted(pointer.object_id for pointer in change.added),
                "remove": sorted(pointer.object_id for pointer in change.removed),
            }


def raised(error: ObjectiveCError) -> dict[str, str]:
    return {"raises": error.exception, "message": error.message}


def as_multiset(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "objects": sorted(json.dumps(o, sort_keys=True) for o in record.get("objects", ()))}


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["id"])
def test_the_sdk_applies_as_recorded(record):
    value = sdk_value(record["old"]) if "old" in record else MISSING
    try:
        for operation in map(sdk_operation, record["ops"]):
            value = apply(operation, value, SDK_RULES)
        answer = value_record(value)
    except ObjectiveCError as error:
        answer = raised(error)
    assert answer == record["expect"]["value"]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["id"])
def test_the_sdk_merges_as_recorded(record):
    merged = None
    try:
        for operation in map(sdk_operation, record["ops"]):
            merged = merge(merged, operation, SDK_RULES)
        answer = operation_record(merged)
    except ObjectiveCError as error:
        answer = raised(error)
    expected = record["expect"]["merged"]
    if "unordered_objects" in record.get("flags", ()):
        answer, expected = as_multiset(answer), as_multiset(expected)
    assert answer == expected


def outcome(*steps: Operation, old: Any) -> Any:
    """The value after ``steps``, or the error. What is overwritten leaves no trace, not even an error."""
    last = max((i for i, step in enumerate(steps) if isinstance(step, Set | Delete)), default=0)
    try:
        for step in steps[last:]:
            old = apply(step, old)
    except TypeMismatchError:
        return TypeMismatchError
    return old


def agree(a: Any, b: Any) -> bool:
    if isinstance(a, RelationMembers) or a is TypeMismatchError or b is TypeMismatchError:
        return bool(a == b)
    return equal(a, b)


olds = st.one_of(st.just(MISSING), st.none(), strategies.operands)


@given(strategies.operations, strategies.operations, olds)
def test_merging_changes_nothing(first, second, old):
    """Law L3."""
    merged = merge(first, second)
    assert agree(outcome(merged, old=old), outcome(first, second, old=old))


@given(st.lists(strategies.operations, min_size=1, max_size=6), olds)
def test_merging_any_number_changes_nothing(operations, old):
    merged = None
    for operation in operations:
        merged = merge(merged, operation)
    assert agree(outcome(merged, old=old), outcome(*operations, old=old))


@given(
    st.lists(strategies.operations, max_size=4), st.lists(strategies.operations, min_size=1, max_size=4), olds
)
def test_merging_is_associative_in_effect(left, right, old):
    one = None
    for operation in (*left, *right):
        one = merge(one, operation)
    a = b = None
    for operation in left:
        a = merge(a, operation)
    for operation in right:
        b = merge(b, operation)
    assert agree(outcome(merge(a, b), old=old), outcome(one, old=old))


@given(strategies.operations, olds)
def test_applying_leaves_the_old_value_as_it_was(operation, old):
    before = json.dumps(old, default=repr)
    outcome(operation, old=old)
    assert json.dumps(old, default=repr) == before


@pytest.mark.parametrize(
    ("operation", "old", "expected"),
    [
        (Increment(2), MISSING, 2),
        (Increment(0.5), 2, 2.5),
        (Increment(1), 2**63 - 1, float(2**63)),
        (Add([3, 3]), [1, 2], [1, 2, 3, 3]),
        (Add(["x"]), MISSING, ["x"]),
        (AddUnique([2, 3]), [1, 2], [1, 2, 3]),
        (AddUnique(["x", "x"]), MISSING, ["x"]),
        (AddUnique([1.0, True]), [1], [1, True]),
        (AddUnique([Pointer("E", "1")]), [Pointer("D", "1")], [Pointer("D", "1"), Pointer("E", "1")]),
        (Remove([1]), [1, 2, 1, "x", {"k": 1}], [2, "x", {"k": 1}]),
        (Remove([{"k": 1}, "x"]), [2, "x", {"k": 1}], [2]),
        (Remove([{"a": 1, "b": 2}]), [{"b": 2, "a": 1}], [{"b": 2, "a": 1}]),
        (Remove([1]), MISSING, MISSING),
        (Delete(), MISSING, MISSING),
        (SetOnInsert(1), MISSING, MISSING),
        (SetOnInsert(1), 5, 5),
        (AddRelation([Pointer("C", "1")]), MISSING, RelationReference("C")),
        (RemoveRelation([Pointer("C", "1")]), RelationReference("C"), RelationReference("C")),
    ],
)
def test_the_server_applies_as_mongodb_does(operation, old, expected):
    assert agree(apply(operation, old), expected)


@pytest.mark.parametrize(
    ("operation", "old"),
    [
        (Increment(1), "x"), (Increment(1), None), (Increment(1), True), (Add([1]), "x"), (Add([1]), None),
        (AddUnique([1]), {}), (Remove([1]), 5), (AddRelation([Pointer("C", "1")]), 5),
        (AddRelation([Pointer("C", "1")]), RelationReference("D")),
        (AddRelation([Pointer("C", "1"), Pointer("D", "1")]), MISSING),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_111(operation, old):
    with pytest.raises(ParseError) as caught:
        apply(operation, old)
    assert caught.value.code == 111


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (Set(None), None),
        (Delete(), MISSING),
        (Increment(7), 7),
        (Add([1, 1]), [1, 1]),
        (AddUnique([1, 1]), [1, 1]),
        (Remove([1]), []),
        (SetOnInsert("x"), "x"),
        (Sequence((Add([1]), Remove([1]))), []),
        (Sequence((Set(1), SetOnInsert(2))), 2),
        (AddRelation([Pointer("C", "1")]), RelationReference("C")),
    ],
)
def test_creation_flattens_operations(operation, expected):
    assert agree(value_on_create(operation), expected)


def test_pairs_that_no_operation_expresses_stay_a_sequence():
    merged = merge(Add([1]), Remove([2]))
    assert merged == Sequence((Add([1]), Remove([2])))
    assert merge(merged, Remove([3])) == Sequence((Add([1]), Remove([2, 3])))
    assert merge(merged, Delete()) == Delete()


def test_a_later_removal_cancels_a_pending_addition():
    a, b = Pointer("C", "a"), Pointer("C", "b")
    assert merge(AddRelation([a, b]), RemoveRelation([a])) == RelationChange([b], [a])
    assert merge(RemoveRelation([a]), AddRelation([a])) == AddRelation([a])


# Recorded in scenario s-015, and the rest after MongoDB's documentation.
@pytest.mark.parametrize(
    ("operation", "old", "path", "expected"),
    [
        (Set(5), {"a": 1, "b": {"c": 2}}, "a", {"a": 5, "b": {"c": 2}}),
        (Set(9), {"a": 1, "b": {"c": 2}}, "b.c", {"a": 1, "b": {"c": 9}}),
        (Set("new"), {"a": 1}, "n", {"a": 1, "n": "new"}),
        (Increment(2), {"a": 5}, "a", {"a": 7}),
        (Delete(), {"keep": 1, "a": 2}, "keep", {"a": 2}),
        (Delete(), {"a": 2}, "b.c", {"a": 2}),
        (Delete(), MISSING, "b", MISSING),
        (Set(1), MISSING, "q", {"q": 1}),
        (Set(1), MISSING, "q.r.s", {"q": {"r": {"s": 1}}}),
        (Set("x"), ["a", "b"], "0", ["x", "b"]),
        (Set("x"), ["a"], "3", ["a", None, None, "x"]),
        (Set(1), [{"x": 0}], "0.x", [{"x": 1}]),
        (Delete(), ["a", "b"], "0", [None, "b"]),
        (Delete(), ["a"], "4", ["a"]),
        (Add([2]), {"list": [1]}, "list", {"list": [1, 2]}),
        (Remove([2]), {}, "list", {}),
    ],
)
def test_dotted_paths(operation, old, path, expected):
    assert agree(apply_path(operation, old, path.split(".")), expected)


@pytest.mark.parametrize(
    ("old", "path"), [(5, "a"), (None, "a"), ("x", "0"), ([1], "a"), ({"a": 1}, "a.b"), ([], "9999999")]
)
def test_a_path_through_something_else_is_refused(old, path):
    with pytest.raises(TypeMismatchError):
        apply_path(Set(1), old, path.split("."))


def test_an_operation_set_merges_per_key_and_keeps_the_order_of_keys():
    pending = OperationSet()
    assert not pending
    pending.perform("b", Increment(1))
    pending.perform("a", Set("x"))
    pending.perform("b", Increment(2))
    assert list(pending) == ["b", "a"]
    assert dict(pending.items()) == {"b": Increment(3), "a": Set("x")}
    assert pending["a"] == Set("x")
    assert pending.get("c") is None
    assert len(pending) == 2
    pending.discard("b")
    assert "b" not in pending


def test_what_came_after_a_snapshot_survives_the_save():
    pending = OperationSet()
    pending.perform("n", Increment(1))
    pending.perform("s", Set("x"))
    sent = pending.snapshot()
    pending.perform("n", Increment(5))
    pending.perform("t", Set("y"))
    assert pending["n"] == Increment(6)
    assert sent["n"] == Increment(1)
    assert pending.has_newer("n", sent)
    assert not pending.has_newer("s", sent)
    pending.remove_saved(sent)
    assert dict(pending.items()) == {"n": Increment(5), "t": Set("y")}


def test_a_failed_save_leaves_everything_pending():
    pending = OperationSet()
    pending.perform("n", Increment(1))
    pending.snapshot()
    pending.perform("n", Increment(5))
    assert dict(pending.items()) == {"n": Increment(6)}


def test_sets_merge_older_first():
    older, newer = OperationSet(), OperationSet()
    older.perform("n", Increment(1))
    older.perform("s", Set("x"))
    newer.perform("n", Increment(2))
    newer.perform("s", Delete())
    merged = older.merge_with(newer)
    assert dict(merged.items()) == {"n": Increment(3), "s": Delete()}
    assert older["n"] == Increment(1)


def test_a_pair_that_the_sdk_refuses_leaves_the_set_as_it_was():
    pending = OperationSet(SDK_RULES)
    pending.perform("a", Add([1]))
    with pytest.raises(ObjectiveCError) as caught:
        pending.perform("a", Remove([1]))
    assert caught.value.exception == "NSInternalInconsistencyException"
    assert pending["a"] == Add([1])


@pytest.mark.parametrize(
    ("amount", "error"), [(True, TypeError), ("1", TypeError), (float("nan"), ValueError)]
)
def test_an_increment_is_by_a_number(amount, error):
    with pytest.raises(error):
        Increment(amount)
