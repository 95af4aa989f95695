"""The codec: law L7, dates as JavaScript reads them, typed values as Parse Server takes them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsekit.codec import (
    check_interior,
    close_polygon,
    decode_interior,
    decode_operation,
    decode_value,
    dumps,
    encode_interior,
    encode_operation,
    encode_value,
    format_date,
    loads,
    parse_date,
    well_formed,
)
from parsekit.errors import InternalServerError, InvalidJsonError, ParseError
from parsekit.operations import Add, RelationChange, RelationMembers, Sequence, Set
from parsekit.values import FileReference, PFGeoPoint, PFPolygon, Pointer, RelationReference, equal
from tests import strategies


def identical(a, b):
    """Deep equality that also tells ints from floats, and -0.0 from 0.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(identical(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(identical, a, b))
    return repr(a) == repr(b) if isinstance(a, float) else a == b


@given(strategies.values)
def test_wire_json_round_trips(value):
    assert equal(decode_value(encode_value(value)), value)


@given(strategies.values)
def test_wire_text_round_trips(value):
    assert equal(decode_value(loads(dumps(encode_value(value)))), value)


@given(strategies.values)
def test_interior_text_round_trips_with_the_types_of_numbers(value):
    assert identical(decode_interior(encode_interior(value)), value)


@given(st.recursive(strategies.json_scalars, strategies._containers, max_leaves=10))
def test_values_that_are_plain_json_are_their_own_json(value):
    assert equal(encode_value(value), value)


@pytest.mark.parametrize(
    ("value", "wire", "interior"),
    [
        (5.0, "5", "5.0"),
        (-0.0, "0", "-0.0"),
        (1e20, "1" + "0" * 20, "1e+20"),
        (1e21, "1e+21", "1e+21"),
        (0.5, "0.5", "0.5"),
    ],
)
def test_whole_floats_lose_their_fraction_on_the_wire_only(value, wire, interior):
    assert dumps(encode_value(value)) == wire
    assert encode_interior(value) == interior


def test_nested_typed_values_are_decoded_at_any_depth():
    pointer = {"__type": "Pointer", "className": "Deal", "objectId": "d1"}
    date = {"__type": "Date", "iso": "2024-01-31T12:00:00.000Z"}
    decoded = decode_value({"a": [pointer, {"when": date}]})
    assert decoded == {"a": [Pointer("Deal", "d1"), {"when": datetime(2024, 1, 31, 12, tzinfo=UTC)}]}


@pytest.mark.parametrize("kind", ["Pointer", "Date", "GeoPoint", "Bytes", "File", "Polygon", "Relation"])
def test_a_typed_value_without_its_parts_is_refused_as_a_field_and_kept_inside_one(kind):
    with pytest.raises(ParseError, match=f"This is not a valid {kind}") as caught:
        decode_value({"__type": kind})
    assert caught.value.code == 111
    assert decode_value([{"__type": kind}]) == [{"__type": kind}]
    assert decode_interior(encode_interior([{"__type": kind}])) == [{"__type": kind}]


@pytest.mark.parametrize("kind", ["Nope", "Object", None, 5, ""])
def test_an_unknown_type_stays_a_dict(kind):
    value = {"__type": kind, "className": "A", "objectId": "x"}
    assert decode_value(value) == value
    assert decode_interior(encode_interior({"in": value})) == {"in": value}


def test_a_typed_value_with_further_keys_inside_an_array_is_the_users_own():
    point = {"__type": "GeoPoint", "latitude": 1, "longitude": 2, "label": "home"}
    assert decode_value([point]) == [point]
    assert decode_value(point) == PFGeoPoint(1, 2)


def test_a_pointer_without_an_id_is_kept_as_parse_keeps_it():
    assert decode_value({"__type": "Pointer", "className": "A"}) == Pointer("A", "undefined")


def test_a_date_may_be_given_in_milliseconds():
    assert decode_value({"__type": "Date", "iso": 5}) == datetime(1970, 1, 1, 0, 0, 0, 5000, tzinfo=UTC)
    for iso in (0, True, 10**20):
        with pytest.raises(ParseError):
            decode_value({"__type": "Date", "iso": iso})


def test_stored_points_may_lie_out_of_range():
    point = decode_value({"__type": "GeoPoint", "latitude": 100, "longitude": 0})
    assert (point.latitude, point.longitude) == (100, 0)
    assert encode_value(point) == {"__type": "GeoPoint", "latitude": 100, "longitude": 0}


@pytest.mark.parametrize("corners", [[[0, 0], [1, 1]], [[0, 0], [0, 0], [0, 0]], [[0, 0]]])
def test_a_polygon_needs_three_different_corners(corners):
    with pytest.raises(ParseError) as caught:
        decode_value({"__type": "Polygon", "coordinates": corners})
    assert caught.value.code == 1


def test_polygons_are_closed_once():
    triangle = PFPolygon([(0, 0), (0, 1), (1, 0)])
    assert close_polygon(triangle).coordinates == ((0, 0), (0, 1), (1, 0), (0, 0))
    assert close_polygon(close_polygon(triangle)) == close_polygon(triangle)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("AAEC", b"\0\1\2"),
        ("_-8", b"\xff\xef"),
        ("/+8=", b"\xff\xef"),
        ("A A!EC", b"\0\1\2"),
        ("", b""),
        ("A", b""),
    ],
)
def test_base64_is_read_as_node_reads_it(text, data):
    assert decode_value({"__type": "Bytes", "base64": text}) == data


def test_files_and_relations_keep_what_they_name():
    file = {"__type": "File", "name": "a.txt", "url": "https://x/a.txt"}
    assert encode_value(decode_value(file)) == file
    assert decode_value({"__type": "File", "name": "a.txt"}) == FileReference("a.txt")
    assert decode_value({"__type": "Relation", "className": "C"}) == RelationReference("C")


class Saved:
    def __parse_pointer__(self):
        return Pointer("Deal", "d1")


class Stand:
    def __parse_value__(self):
        return {"*": {"read": True}}


def test_objects_say_themselves_what_they_are_written_as():
    pointer = {"__type": "Pointer", "className": "Deal", "objectId": "d1"}
    assert encode_value([Saved(), Stand()]) == [pointer, {"*": {"read": True}}]
    assert json.loads(encode_interior([Saved(), Stand()])) == [pointer, {"*": {"read": True}}]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [-float("inf")], {"a": 10**400}])
def test_numbers_beyond_a_double_are_refused(value):
    with pytest.raises(InvalidJsonError):
        encode_value(value)
    if not isinstance(value, dict):
        with pytest.raises(InvalidJsonError):
            encode_interior(value)


@pytest.mark.parametrize("value", [object(), {1: 2}, {"a": {3}}])
def test_what_parse_cannot_hold_is_a_type_error(value):
    with pytest.raises(TypeError):
        encode_value(value)
    with pytest.raises(TypeError):
        check_interior(value)


@pytest.mark.parametrize(
    "text", ["NaN", "[Infinity]", "1e999", "[1e400]", "9" * 400, "{bad", "", "[1,]", '"\x01"']
)
def test_texts_that_are_no_json_are_refused(text):
    with pytest.raises(InvalidJsonError):
        loads(text)


def test_deep_nesting_is_refused_and_not_a_crash():
    with pytest.raises(InvalidJsonError):
        loads("[" * 100_000 + "]" * 100_000)
    deep = []
    for _ in range(5_000):
        deep = [deep]
    with pytest.raises(InternalServerError):
        decode_value(deep)


@given(st.integers(-(2**70), 2**70))
def test_integers_beyond_64_bits_become_floats(number):
    decoded = loads(f"[{number}]")[0]
    assert decoded == (number if -(2**63) <= number < 2**63 else float(number))
    assert type(decoded) is (int if -(2**63) <= number < 2**63 else float)


@given(st.text(st.characters(), max_size=6))
def test_lone_surrogates_are_replaced(text):
    clean = well_formed(text)
    clean.encode()
    assert loads(json.dumps(text)) == clean
    assert loads(json.dumps({text: [text]}, ensure_ascii=False)) == {clean: [clean]}
    assert decode_interior(encode_interior([text])) == [clean]


def test_the_last_of_duplicate_keys_counts():
    assert loads('{"a": 1, "a": 2}') == {"a": 2}


# What Node 20 answers for the same texts under TZ=UTC.
@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2024-02-30", "2024-03-01T00:00:00.000Z"),
        ("2024-1-5", "2024-01-05T00:00:00.000Z"),
        ("2024-01-05T24:00:00Z", "2024-01-06T00:00:00.000Z"),
        ("2024-01-05T10:00", "2024-01-05T10:00:00.000Z"),
        ("2024", "2024-01-01T00:00:00.000Z"),
        ("2024-01-05 10:00", "2024-01-05T10:00:00.000Z"),
        ("2024-01-05T10:00:00.123456Z", "2024-01-05T10:00:00.123Z"),
        ("2024-01-05T10:00:00.5Z", "2024-01-05T10:00:00.500Z"),
        ("2024-01-05T10:00:00+05:30", "2024-01-05T04:30:00.000Z"),
        ("2024-01-05T10:00:00+0530", "2024-01-05T04:30:00.000Z"),
        ("2024-01-05t10:00:00z", "2024-01-05T10:00:00.000Z"),
        ("2024-01-05T10:00:00.000-00:30", "2024-01-05T10:30:00.000Z"),
        ("2023-02-29T00:00:00.000Z", "2023-03-01T00:00:00.000Z"),
    ],
)
def test_dates_are_read_as_javascript_reads_them(text, iso):
    assert format_date(parse_date(text)) == iso


@pytest.mark.parametrize(
    "text",
    ["abc", "", "2024-13-01", "2024-01-05T10:00:60Z", "2024-01-05T10:00:00,5Z", "2024-01-05T25:00Z",
     "2024-01-05T24:00:01Z", "2024-01-32", "+012024-01-01", "2024-01-05T10:00:00.000Zx", "٢٠٢٤-01-01"],
)  # fmt: skip
def test_what_is_no_date_is_refused(text):
    with pytest.raises(InvalidJsonError):
        parse_date(text)


@given(strategies.dates)
def test_dates_round_trip_with_three_decimals(moment):
    text = format_date(moment)
    assert len(text) == 24
    assert text.endswith("Z")
    assert parse_date(text) == moment
    assert parse_date(text).tzinfo is UTC


def test_dates_are_written_in_utc_and_cut_to_milliseconds():
    moment = datetime(2024, 1, 1, 1, 0, 0, 1999, tzinfo=timezone(timedelta(hours=2)))
    assert format_date(moment) == "2023-12-31T23:00:00.001Z"
    with pytest.raises(ValueError, match="no time zone"):
        format_date(datetime(2024, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize("value", [{"a": {"$x": 1}}, [{"a.b": 1}], {"a": [{"b": {"c$": 1}}]}])
def test_nested_keys_with_dollars_or_dots_are_refused(value):
    with pytest.raises(ParseError) as caught:
        check_interior(value)
    assert caught.value.code == 121


@given(strategies.operations)
def test_operations_round_trip(operation):
    assert decode_operation(encode_operation(operation)) == operation


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"__op": "Increment", "amount": "1"}, 107),
        ({"__op": "Increment", "amount": True}, 107),
        ({"__op": "Increment"}, 107),
        ({"__op": "Add", "objects": 5}, 107),
        ({"__op": "AddUnique"}, 107),
        ({"__op": "Remove", "objects": {}}, 107),
        ({"__op": "AddRelation", "objects": []}, 107),
        ({"__op": "AddRelation", "objects": [5]}, 107),
        ({"__op": "Batch", "ops": []}, 107),
        ({"__op": "Batch", "ops": [{"__op": "Increment", "amount": 1}]}, 108),
        ({"__op": "Multiply", "amount": 2}, 108),
        ({"__op": 5}, 108),
    ],
)
def test_malformed_operations_are_refused(body, code):
    with pytest.raises(ParseError) as caught:
        decode_operation(body)
    assert caught.value.code == code


def test_a_batch_is_one_change_in_which_the_later_part_wins():
    a, b = ({"__type": "Pointer", "className": "C", "objectId": name} for name in "ab")
    batch = {
        "__op": "Batch",
        "ops": [{"__op": "AddRelation", "objects": [a, b]}, {"__op": "RemoveRelation", "objects": [b]}],
    }
    assert decode_operation(batch) == RelationChange([Pointer("C", "a")], [Pointer("C", "b")])


def test_a_value_without_an_operator_is_set():
    assert decode_operation({"__op": None, "a": 1}) == Set({"__op": None, "a": 1})
    assert decode_operation([1]) == Set([1])
    assert decode_operation(None) == Set(None)


def test_a_sequence_has_no_json():
    with pytest.raises(TypeError):
        encode_operation(Sequence((Add([1]), Set(2))))


def test_relation_members_are_no_wire_value():
    with pytest.raises(TypeError):
        encode_value(RelationMembers("C"))
