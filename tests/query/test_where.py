"""``query.where``: the recorded queries are refused, or not, as recorded; trees and their JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import pytest

from parsekit.errors import ParseError
from parsekit.query.ast import (
    ALWAYS,
    NEVER,
    AclTest,
    And,
    Box,
    Cap,
    Constant,
    Constraint,
    KeyOfQuery,
    Near,
    Node,
    Nor,
    Or,
    PolygonArea,
    RegexPattern,
    RelatedTo,
    RelativeTime,
    TextSearch,
)
from parsekit.query.keys import CLIENT_KEYS, INCLUDE_ALL, MASTER_KEYS, include_paths
from parsekit.query.relative_time import resolve_relative_time
from parsekit.query.state import OrderKey, QueryState
from parsekit.query.where import (
    NO_LIMIT,
    QueryLimits,
    UnsupportedOperator,
    check_against_schema,
    decode_local_where,
    decode_query,
    decode_url_parameters,
    decode_where,
    encode_query,
    encode_where,
)
from parsekit.values import PFGeoPoint, PFPolygon, Pointer

DATA = Path(__file__).parents[1] / "conformance" / "data"


def lines(name: str) -> list[dict[str, Any]]:
    # Not splitlines(), which also splits at the line separators inside strings.
    return list(map(json.loads, (DATA / name).read_text(encoding="utf-8").strip("\n").split("\n")))


QUERIES = [case for case in lines("queries.jsonl") if case["basis"] != "pg"]


@cache
def field_types() -> dict[str, dict[str, str]]:
    schemas = json.loads((DATA / "queries.dataset.json").read_text(encoding="utf-8"))["schemas"]
    return {
        schema["className"]: {key: f["type"] for key, f in schema["fields"].items()} for schema in schemas
    }


def recorded_code(case: dict[str, Any]) -> int | None:
    return (case["mongo"] if case["basis"] == "split" else case["expect"]).get("code")


def code_of(case: dict[str, Any]) -> int | None:
    """The code with which a case's parameters are refused, or None."""
    types = {"createdAt": "Date", "updatedAt": "Date", **field_types().get(case["className"], {})}
    special_keys = MASTER_KEYS if case["as"] == "master" else CLIENT_KEYS
    try:
        request = decode_query(case["className"], case["params"], special_keys=special_keys)
        check_against_schema(request.state.where, types.get)
    except ParseError as error:
        return error.code
    return None


# Refused for another reason than the query's form: a pattern that does not compile, a reserved class.
ELSEWHERE = {"q-5269", "q-5360", "q-5361"}


def is_decided_by_form(case: dict[str, Any]) -> bool:
    return recorded_code(case) not in (101, 119) and case["id"] not in ELSEWHERE


def test_every_recorded_query_is_refused_or_taken_as_recorded():
    wrong = []
    for case in filter(is_decided_by_form, QUERIES):
        expected, answer = recorded_code(case), code_of(case)
        # 1 is a fault of Parse Server on malformed input: any refusal will do.
        if answer != expected and not (expected == 1 and answer is not None):
            wrong.append((case["id"], expected, answer))
    assert wrong == []


def test_queries_refused_for_other_reasons_are_well_formed():
    assert [
        case["id"] for case in QUERIES if not is_decided_by_form(case) and code_of(case) is not None
    ] == []


def flattened(node: Node) -> Node:
    """The tree with conjunctions flat and in one order, which JSON does not always keep."""
    if isinstance(node, And):
        children: list[Node] = []
        for child in map(flattened, node.children):
            children.extend(child.children if isinstance(child, And) else (child,))
        return children[0] if len(children) == 1 else And(tuple(sorted(children, key=repr)))
    if isinstance(node, Or | Nor):
        return type(node)(tuple(map(flattened, node.children)))
    return node


def same_query(one: QueryState, other: QueryState) -> bool:
    return attrs.evolve(one, where=flattened(one.where)) == attrs.evolve(other, where=flattened(other.where))


def test_recorded_queries_round_trip():
    wrong = []
    for case in QUERIES:
        if code_of(case) is None:
            state = decode_query(case["className"], case["params"], special_keys=MASTER_KEYS).state
            again = decode_query(case["className"], encode_query(state), special_keys=MASTER_KEYS).state
            if not same_query(state, again):
                wrong.append(case["id"])
    assert wrong == []


def test_recorded_local_wheres_are_all_taken():
    for case in lines("ios_offline.jsonl"):
        if case["kind"] == "query":
            decode_local_where(case["where"])


POINT = {"__type": "GeoPoint", "latitude": 10, "longitude": 20}
DEAL = {"__type": "Pointer", "className": "Deal", "objectId": "d1"}
REFUSED = [
    ({"$or": {"a": 1}}, 102, "Bad $or format - use an array value."),
    ({"$and": 5}, 102, "Bad $and format - use an array value."),
    ({"$or": [None]}, 102, "Bad $or format - use an array value."),
    ({"$or": ["a"]}, 105, "Invalid key name: 0"),
    ({"$nor": []}, 102, "Bad $nor format - use an array of at least 1 value."),
    ({"$or": [{"ACL": {"a": 1}}]}, 102, "Cannot query on ACL."),
    ({"$or": [{"bad-key": 1}]}, 105, "Invalid key name: bad-key"),
    ({"$where": "1"}, 105, "Invalid key name: $where"),
    ({"_hashed_password": "x"}, 105, "Invalid key name: _hashed_password"),
    ({"_tombstone": 1}, 105, "Invalid key name: _tombstone"),
    ({"naïve": 1}, 105, "Invalid key name: naïve"),
    ({"a\n": 1}, 105, "Invalid key name: a\n"),
    ({"$or": [{"a": 1}], "$relatedTo": {"object": DEAL, "key": "k"}}, 105, "Invalid key name: $relatedTo"),
    ({"$relatedTo": None}, 105, "Invalid key name: $relatedTo"),
    ({"a": {"$foo": 1}}, 107, "bad constraint: $foo"),
    ({"a": {"$in": 5}}, 107, "bad $in value"),
    ({"a": {"$nin": "x"}}, 107, "bad $nin value"),
    ({"a": {"$all": {}}}, 107, "bad $all value"),
    ({"a": {"$containedBy": 5}}, 107, "bad $containedBy: should be an array"),
    ({"a": [1, None]}, 107, "You cannot use 1, as a query parameter."),
    ({"a": {"$regex": "a", "$options": 5}}, 102, "$options value must be a string"),
    ({"a": {"$regex": "a", "$options": ""}}, 102, "Bad $options value for query: "),
    ({"a": {"$regex": "a", "$options": "g"}}, 102, "Bad $options value for query: g"),
    ({"a": {"$options": "i"}}, 1, "An internal server error occurred"),
    ({"a": {"$maxDistance": 1}}, 1, "An internal server error occurred"),
    (
        {"a": {"$all": [{"$regex": "^a"}]}},
        107,
        "All $all values must be of regex type or none: [object Object]",
    ),
    (
        {"a": {"$all": [{"$regex": "^\\Qa\\E"}, 1]}},
        107,
        "All $all values must be of regex type or none: [object Object],1",
    ),
    ({"a": {"$text": {"$search": {"$term": ""}}}}, 107, "bad $text: $term, should be string"),
    ({"a": {"$text": None}}, 107, "bad $text: $search, should be object"),
    (
        {"a": {"$text": {"$search": {"$term": "x", "$diacriticSensitive": 1}}}},
        107,
        "bad $text: $diacriticSensitive, should be boolean",
    ),
    ({"a": {"$nearSphere": 5}}, 107, "bad $nearSphere value; it should be GeoPoint"),
    (
        {"a": {"$nearSphere": POINT, "$maxDistance": "x"}},
        107,
        "bad $maxDistance value; it should be a number of at least 0",
    ),
    ({"a": {"$within": None}}, 107, "malformatted $within arg"),
    (
        {"a": {"$geoWithin": {"$polygon": 5}}},
        107,
        "bad $geoWithin value; $polygon should be Polygon object or Array of Parse.GeoPoint's",
    ),
    (
        {"a": {"$geoWithin": {"$polygon": {"__type": "Polygon", "coordinates": []}}}},
        107,
        "bad $geoWithin value; Polygon.coordinates should contain at least 3 lon/lat pairs",
    ),
    (
        {"a": {"$geoWithin": {"$centerSphere": [1]}}},
        107,
        "bad $geoWithin value; $centerSphere should be an array of Parse.GeoPoint and distance",
    ),
    (
        {"a": {"$geoIntersects": {"$point": [1, 2]}}},
        107,
        "bad $geoIntersect value; $point should be GeoPoint",
    ),
    (
        {"a": {"$eq": {"$relativeTime": "now"}}},
        107,
        "$relativeTime can only be used with the $lt, $lte, $gt, and $gte operators",
    ),
    (
        {"a": {"$gt": {"$relativeTime": "later"}}},
        107,
        "bad $relativeTime ($gt) value. Time should either start with 'in' or end with 'ago'",
    ),
    (
        {"a": {"$gt": {"$relativeTime": "in 1 day ago"}}},
        107,
        "bad $relativeTime ($gt) value. Time cannot have both 'in' and 'ago'",
    ),
    (
        {"a": {"$gt": {"$relativeTime": "1 ago"}}},
        107,
        "bad $relativeTime ($gt) value. Invalid time string. Dangling unit or number.",
    ),
    (
        {"a": {"$lt": {"$relativeTime": "1.5 days ago"}}},
        107,
        "bad $relativeTime ($lt) value. '1.5' is not an integer.",
    ),
    (
        {"a": {"$lt": {"$relativeTime": "2 moons ago"}}},
        107,
        "bad $relativeTime ($lt) value. Invalid interval: 'moons'",
    ),
    ({"a": {"$inQuery": {"className": "C"}}}, 102, "improper usage of $inQuery"),
    ({"a": {"$inQuery": {"where": {}}}}, 102, "improper usage of $inQuery"),
    ({"a": {"$notInQuery": "C"}}, 102, "improper usage of $notInQuery"),
    ({"a": {"$inQuery": None}}, 107, "bad constraint: $inQuery"),
    ({"a": {"$select": None}}, 108, "the $select constraint is not supported yet"),
    ({"a": {"$select": {"query": {"className": "C"}}}}, 102, "improper usage of $select"),
    ({"bad-key": {"$dontSelect": 5}}, 102, "improper usage of $dontSelect"),
    ({"a": {"$inQuery": {"className": "C", "where": {"b": {"$foo": 1}}}}}, 107, "bad constraint: $foo"),
    ("{bad", 107, "where parameter is not valid JSON"),
    ('"str"', 107, "where parameter is not valid JSON"),
    ([], 107, "where parameter is not valid JSON"),
]


@pytest.mark.parametrize(("where", "code", "message"), REFUSED)
def test_malformed_conditions_are_refused_in_parses_words(where, code, message):
    with pytest.raises(ParseError) as caught:
        decode_where(where)
    assert (caught.value.code, caught.value.message) == (code, message)


GEO = PFGeoPoint(10, 20)
CASES = [
    ({}, ALWAYS),
    ({"a": 1}, Constraint("a", "$eq", 1)),
    ({"a": None}, Constraint("a", "$eq", None)),
    ({"a": {}}, Constraint("a", "$eq", {})),
    ({"a": {"$eq": {"b": 1}}}, Constraint("a", "$eq", {"b": 1})),
    ({"a.b": {"$eq": [1]}}, Constraint("a.b", "$eq", [1])),
    ({"p": DEAL}, Constraint("p", "$eq", Pointer("Deal", "d1"))),
    (
        {"a": 1, "b": {"$gt": 2, "$lt": 3}},
        And((Constraint("a", "$eq", 1), Constraint("b", "$gt", 2), Constraint("b", "$lt", 3))),
    ),
    (
        {"p": {**DEAL, "$exists": True}},
        And((Constraint("p", "$eq", Pointer("Deal", "d1")), Constraint("p", "$exists", True))),
    ),
    ({"a": {"$in": [1, [2]]}}, Constraint("a", "$in", (1, [2]))),
    ({"a": {"$regex": "^x", "$options": "im"}}, Constraint("a", "$regex", RegexPattern("^x", "im"))),
    ({"a": {"$all": [{"$regex": "^\\Qa\\E"}]}}, Constraint("a", "$all", (RegexPattern("^\\Qa\\E"),))),
    ({"a": {"$gt": {"$relativeTime": "in 2 wks"}}}, Constraint("a", "$gt", RelativeTime("in 2 wks"))),
    (
        {"a": {"$text": {"$search": {"$term": "x", "$language": "fr", "$caseSensitive": True}}}},
        Constraint("a", "$text", TextSearch("x", "fr", True)),
    ),
    ({"g": {"$nearSphere": POINT}}, Constraint("g", "$nearSphere", Near(GEO))),
    ({"g": {"$nearSphere": POINT, "$maxDistance": 0.5}}, Constraint("g", "$nearSphere", Near(GEO, 0.5))),
    ({"g": {"$within": {"$box": [POINT, POINT]}}}, Constraint("g", "$within", Box(GEO, GEO))),
    (
        {"g": {"$geoWithin": {"$polygon": [POINT] * 3}}},
        Constraint("g", "$geoWithin", PolygonArea((GEO,) * 3)),
    ),
    ({"g": {"$geoWithin": {"$centerSphere": [POINT, 0.1]}}}, Constraint("g", "$geoWithin", Cap(GEO, 0.1))),
    ({"g": {"$geoIntersects": {"$point": POINT}}}, Constraint("g", "$geoIntersects", GEO)),
    (
        {"$relatedTo": {"object": DEAL, "key": "k"}},
        Constraint("", "$relatedTo", RelatedTo(Pointer("Deal", "d1"), "k")),
    ),
    ({"$nor": [{"a": 1}]}, Nor((Constraint("a", "$eq", 1),))),
    ({"a": {"$inQuery": {"className": "C", "where": {}}}}, Constraint("a", "$inQuery", QueryState("C"))),
    (
        {
            "a": {
                "$select": {
                    "query": {"className": "C", "where": {"x": 1}, "order": "-y", "limit": 3, "skip": 1},
                    "key": "k",
                }
            }
        },
        Constraint(
            "a",
            "$select",
            KeyOfQuery(QueryState("C", Constraint("x", "$eq", 1), (OrderKey("y", True),), 3, 1), "k"),
        ),
    ),
    ({"objectId": {"$in": []}}, Constraint("objectId", "$in", ())),
    ({"$or": [5, {"a": 1}]}, Or((ALWAYS, Constraint("a", "$eq", 1)))),
]


@pytest.mark.parametrize(("where", "node"), CASES)
def test_conditions_and_their_trees(where, node):
    assert decode_where(where) == node
    assert decode_where(json.dumps(where)) == node
    assert decode_where(encode_where(node)) == node


@pytest.mark.parametrize(
    ("where", "node"),
    [
        ({"g": {"$nearSphere": POINT, "$maxDistanceInMiles": 3959}}, Near(GEO, 1.0)),
        ({"g": {"$nearSphere": POINT, "$maxDistanceInKilometers": 6371}}, Near(GEO, 1.0)),
        ({"g": {"$nearSphere": POINT, "$maxDistanceInRadians": 0.25}}, Near(GEO, 0.25)),
        ({"g": {"$nearSphere": POINT, "$maxDistanceInMiles": 1, "$maxDistance": 2}}, Near(GEO, 2)),
        ({"g": {"$geoWithin": {"$polygon": [[20, 10]] * 3}}}, PolygonArea((GEO,) * 3)),
        (
            {"g": {"$geoWithin": {"$polygon": {"__type": "Polygon", "coordinates": [[20, 10]] * 3}}}},
            PolygonArea((GEO,) * 3),
        ),
        ({"g": {"$geoWithin": {"$centerSphere": [[20, 10], 1]}}}, Cap(GEO, 1)),
        ({"g": {"$geoWithin": {}}}, {}),
        ({"a": []}, {}),
        ({"createdAt": "2024-01-31"}, datetime(2024, 1, 31, tzinfo=UTC)),
        ({"createdAt": "soon"}, "soon"),
        ({"createdAt": {"$gt": "2024-01-31"}}, "2024-01-31"),
        ({"a": {"__type": "Pointer"}}, Pointer("undefined", "undefined")),
        ({"a": {"__type": "Pointer", "objectId": "x"}}, Pointer("undefined", "x")),
        ({"a": {"__type": "Date"}}, {"__type": "Date"}),
        (
            {"a": {"__type": "Polygon", "coordinates": [[0, 0], [0, 1], [1, 0]]}},
            PFPolygon([(0, 0), (0, 1), (1, 0)]),
        ),
        ({"a": {"$exists": 0}}, False),
        ({"a": {"$exists": None}}, False),
        ({"a": {"$exists": ""}}, True),
        ({"objectId": ["a"]}, ["a"]),
    ],
)
def test_arguments(where, node):
    assert decode_where(where).argument == node


def test_lists_and_subqueries_in_one_constraint_are_united():
    where = {"p": {"$in": [DEAL], "$inQuery": {"className": "C", "where": {}}, "$ne": None}}
    united = Or(
        (Constraint("p", "$in", (Pointer("Deal", "d1"),)), Constraint("p", "$inQuery", QueryState("C")))
    )
    assert decode_where(where) == And((united, Constraint("p", "$ne", None)))
    intersected = And(united.children)
    assert decode_where(encode_where(intersected)) == intersected


def test_a_direct_value_beside_operators_counts_below_the_top_only():
    mixed = {"p": {**DEAL, "$exists": False}}
    assert decode_where({"$or": [mixed]}) == Or((Constraint("p", "$eq", Pointer("Deal", "d1")),))


def test_acl_may_be_null_which_no_stored_field_contradicts():
    assert decode_where({"ACL": None}) == Constant(True)
    assert decode_where({"ACL": False}) == Constant(False)


def test_internal_keys_depend_on_who_asks():
    assert decode_where({"_rperm": "x"}) == Constraint("_rperm", "$eq", "x")
    assert decode_where({"_tombstone": 1}, special_keys=MASTER_KEYS) == Constraint("_tombstone", "$eq", 1)


@pytest.mark.parametrize(
    ("where", "limits"),
    [
        ({"$or": [{"$and": [{"a": 1}]}]}, QueryLimits(query_depth=1)),
        (
            {
                "p": {
                    "$inQuery": {
                        "className": "C",
                        "where": {"p": {"$inQuery": {"className": "C", "where": {}}}},
                    }
                }
            },
            QueryLimits(subquery_depth=1),
        ),
        ({"a": {"$in": [1, 2, 3]}}, QueryLimits(list_items=2)),
        ({"a": {"$eq": {"b": {"c": {"d": {}}}}}}, QueryLimits(json_depth=3)),
        ({"a": {"$regex": "x"}}, QueryLimits(allow_regex=False)),
    ],
)
def test_limits(where, limits):
    decode_where(where)
    with pytest.raises(ParseError) as caught:
        decode_where(where, limits=limits)
    assert caught.value.code == 102


def test_deep_nesting_is_refused_and_not_a_crash():
    where: dict[str, Any] = {"a": 1}
    for _ in range(5000):
        where = {"$or": [where]}
    with pytest.raises(ParseError) as caught:
        decode_where(where)
    assert caught.value.code == 102


@pytest.mark.parametrize(
    ("where", "kind", "code"),
    [
        ({"f": {"x": 1}}, "Object", 107),
        ({"f": {"x": 1}}, "Array", None),
        ({"f": {"x": 1}}, None, 107),
        ({"f.g": {"x": 1}}, None, None),
        ({"f": {"$ne": [1]}}, "String", 107),
        ({"f": {"$ne": [1]}}, "Array", None),
        ({"f": {"$in": [[1]]}}, "String", None),
        ({"f": {"$in": [[[1]]]}}, "String", 107),
        ({"f": {"$containedBy": [[1]]}}, "String", 107),
        ({"f": {}}, "String", None),
        ({"f": {"$gt": {}}}, "String", 107),
        ({"f": {"__type": "Date"}}, "Date", None),
        ({"f": {"__type": "Relation", "className": "C"}}, "Relation", None),
        ({"f": {"x": 1}}, "Relation", None),
        ({"f": {"$gt": {"$relativeTime": "now"}}}, "Number", 107),
        ({"f": {"$gt": {"$relativeTime": "now"}}}, "Date", None),
        ({"f": {"$gt": {"$relativeTime": "now"}}}, None, None),
        ({"$or": [{"f": {"x": 1}}]}, "String", 107),
        ({"f": {"$inQuery": {"className": "C", "where": {"f": {"x": 1}}}}}, "String", None),
        ({"objectId": {"x": 1}}, "String", None),
    ],
)
def test_refusals_that_need_the_fields_type(where, kind, code):
    node = decode_where(where)
    try:
        check_against_schema(node, lambda key: kind)
    except ParseError as error:
        assert error.code == code
    else:
        assert code is None


def test_refusals_quote_the_value_as_parse_does():
    node = And((Constraint("f", "$eq", {"x": 1}),))
    with pytest.raises(ParseError, match=r"You cannot use \[object Object\] as a query parameter\."):
        check_against_schema(node, lambda key: None)
    with pytest.raises(ParseError, match=r'bad atom: \{"x":1\}'):
        check_against_schema(Constraint("f", "$ne", {"x": 1}), lambda key: None)


def test_permission_tests_and_constants():
    with pytest.raises(TypeError):
        encode_where(AclTest("read"))
    assert encode_where(ALWAYS) == {}
    assert encode_where(NEVER) == {"objectId": {"$in": []}}
    assert encode_where(Or(())) == encode_where(NEVER)
    assert encode_where(Nor(())) == {}


def test_conditions_that_cannot_share_an_object_go_apart():
    twice = And((Constraint("a", "$gt", 1), Constraint("a", "$gt", 2), Constraint("b", "$eq", 3)))
    assert encode_where(twice) == {"$and": [{"a": {"$gt": 1}, "b": 3}, {"a": {"$gt": 2}}]}
    related = Constraint("", "$relatedTo", RelatedTo(Pointer("D", "1"), "k"))
    either = Or((Constraint("a", "$eq", 1), Constraint("a", "$eq", 2)))
    for pair in (
        And((related, either)),
        And((Constraint("a", "$containedBy", (1,)), Constraint("a", "$ne", 2))),
    ):
        assert flattened(decode_where(encode_where(pair))) == flattened(pair)
        assert "$and" in encode_where(pair)


def parameters(**given: Any) -> QueryState:
    return decode_query("C", given).state


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (5, 5),
        ("5", 5),
        (0, 0),
        ("0", 0),
        (-1, 1),
        (1.5, 1),
        (True, 1),
        (False, None),
        (None, None),
        ("", None),
        ("abc", NO_LIMIT),
        (0.5, NO_LIMIT),
        (10**30, NO_LIMIT),
        ([7], 7),
        ({}, NO_LIMIT),
        ("0x10", 16),
        (" 3 ", 3),
    ],
)
def test_limit(limit, expected):
    assert parameters(limit=limit).limit == expected


@pytest.mark.parametrize(
    ("skip", "expected"), [(3, 3), ("3", 3), (0, 0), (None, 0), ("x", 0), (2.9, 2), (True, 1)]
)
def test_skip(skip, expected):
    assert parameters(skip=skip).skip == expected


def test_a_negative_skip_is_refused():
    with pytest.raises(ParseError) as caught:
        parameters(skip=-1)
    assert caught.value.code == 1


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("a,-b", [("a", False), ("b", True)]),
        (" a , - b".replace("- b", "-b"), [("a", False), ("b", True)]),
        ("a,b,-a", [("a", True), ("b", False)]),
        ("-$score,a", [("$score", False), ("a", False)]),
        ("_created_at,a", [("a", False), ("createdAt", False)]),
        ("createdAt,a,-_created_at", [("createdAt", True), ("a", False)]),
        ("a.b,-a.0", [("a.b", False), ("a.0", True)]),
        (["a", "-b"], [("a", False), ("b", True)]),
        ("", []),
    ],
)
def test_order(order, expected):
    state = parameters(order=order)
    assert [(key.key, key.descending) for key in state.order] == expected
    assert parameters(**encode_query(state)) == state


@pytest.mark.parametrize(
    "order", ["a,", "-", "+a", "_id", "$bad", "a b", "--a", "className", "length.x", "authData.fb.id"]
)
def test_names_that_cannot_order(order):
    with pytest.raises(ParseError) as caught:
        parameters(order=order)
    assert caught.value.code == 105


def test_projections_and_includes():
    state = parameters(keys="a,,b.c", excludeKeys=["x", "ACL", "y.z"], include="p.q,,r.,.s")
    assert (state.keys, state.exclude_keys, state.include) == (("a", "b.c"), ("x", "y.z"), ("p.q", "r"))
    assert include_paths(state) == ("p", "r", "b", "y", "p.q")
    assert parameters(keys="").keys == ()
    assert parameters().keys is None
    assert parameters(include="a,*").include == ("*",)
    assert parameters(include="a", includeAll=True).include == ("a", INCLUDE_ALL)
    assert parameters(include=5).include == ("5",)


def test_the_other_parameters():
    request = decode_query(
        "C",
        {
            "count": 1,
            "explain": "queryPlanner",
            "hint": {"a": 1},
            "comment": "why",
            "readPreference": "NEAREST",
            "redirectClassNameForKey": "rel",
            "where": '{"a": 1}',
        },
    )
    assert request.count
    assert request.explain == "queryPlanner"
    state = QueryState("C", Constraint("a", "$eq", 1), hint='{"a":1}', comment="why", redirect_key="rel")
    assert request.state == state
    plain = decode_query("C", {"count": 0, "explain": False, "hint": 5, "comment": 5})
    assert plain.state == QueryState("C")
    assert not plain.count
    assert plain.explain is None


def test_unknown_parameters_are_refused():
    with pytest.raises(ParseError) as caught:
        decode_query("C", {"foo": 1})
    assert (caught.value.code, caught.value.message) == (102, "Invalid parameter for query: foo")


def test_the_parameters_of_a_url_are_json_where_they_can_be():
    given = decode_url_parameters({"limit": "5", "order": "name", "where": '{"a":1}', "count": "true"})
    assert given == {"limit": 5, "order": "name", "where": {"a": 1}, "count": True}


@pytest.mark.parametrize(
    ("text", "delta"),
    [
        ("now", timedelta()),
        ("3 days ago", timedelta(days=-3)),
        (
            "in 1 year 2 wks 3 d 4 hrs 5 min 6 secs",
            timedelta(days=365 + 14 + 3, hours=4, minutes=5, seconds=6),
        ),
        ("IN  1   Day", timedelta(days=1)),
        ("-1 day ago", timedelta(days=1)),
    ],
)
def test_relative_times(text, delta):
    now = datetime(2024, 1, 31, tzinfo=UTC)
    assert resolve_relative_time(RelativeTime(text), now) == now + delta


def test_relative_times_stay_within_what_dates_can_be():
    now = datetime(2024, 1, 31, tzinfo=UTC)
    assert resolve_relative_time(RelativeTime("99999999999999 years ago"), now).year == 1
    assert resolve_relative_time(RelativeTime("in 9999 years"), now).year == 9999


def test_the_local_datastore_takes_any_operator_and_complains_later():
    assert decode_local_where({"x": {"$eq": 1}}) == Constraint("x", "$eq", UnsupportedOperator("$eq"))
    assert decode_local_where({"x": {"foo": 1}}) == Constraint("x", "foo", UnsupportedOperator("foo"))
    assert decode_local_where({"x": {"$maxDistance": 1}}) == ALWAYS
    assert decode_local_where({"a-b": None, "x": {"$in": [[1]]}}) == And(
        (Constraint("a-b", "$eq", None), Constraint("x", "$in", ([1],)))
    )
