"""Hypothesis strategies for whole worlds: a class with every field type, its objects, and queries on them.

Values come from small pools, so that equality, order and membership meet often.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from parsekit.query.ast import (
    And,
    Box,
    Cap,
    Constraint,
    KeyOfQuery,
    Near,
    Node,
    Nor,
    Or,
    PolygonArea,
    RegexPattern,
    RelatedTo,
    TextSearch,
)
from parsekit.query.state import OrderKey, QueryState
from parsekit.schema import ClassSchema, Field, Index, Schema
from parsekit.values import FileReference, PFGeoPoint, PFPolygon, Pointer

SCHEMA = Schema(
    [
        ClassSchema.new("Maker", {"name": Field("String"), "rank": Field("Number")}),
        ClassSchema.new(
            "Thing",
            {
                "s": Field("String"),
                "t": Field("String"),
                "n": Field("Number"),
                "b": Field("Boolean"),
                "d": Field("Date"),
                "o": Field("Object"),
                "a": Field("Array"),
                "g": Field("GeoPoint"),
                "poly": Field("Polygon"),
                "y": Field("Bytes"),
                "f": Field("File"),
                "p": Field("Pointer", ("Maker",)),
                "q": Field("Pointer", ("Maker", "Thing")),
                "r": Field("Relation", ("Maker",)),
            },
            indexes=[
                Index("sn", (("s", False), ("n", False))),
                Index("nd", (("n", False), ("d", True))),
                Index("ps", (("p", False), ("s", False))),
                Index("words", (("t", False),), kind="text"),
                Index("ok", (("o.k", False),)),
            ],
        ),
    ]
)

_EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
MAKERS = ["m0", "m1", "m2", "m3"]

strings = st.sampled_from(
    ["", "a", "A", "ab", "abc", "b", "é", "z\u0301", "日", "a.b", "it's", "%", "\U0001f600"]
)
texts = st.sampled_from(
    ["The quick foxes", "fox", "Running café", "quick-fox it's", "the", "FOX run cafe", "x\x00y"]
)
numbers = st.sampled_from([0, 1, 1.0, -1, 2.5, 0.1, 10, 2**53, -(2**63), 1e300, -0.0, 5e-324])
dates = st.integers(-3, 3).map(lambda days: _EPOCH + timedelta(days=days, milliseconds=days))
points = st.builds(
    PFGeoPoint, st.sampled_from([0.0, 1.0, 10.5, -45.0, 89.0]), st.sampled_from([0.0, 1.0, -120.0, 179.0])
)
maker_pointers = st.sampled_from(MAKERS).map(lambda identity: Pointer("Maker", identity))
thing_pointers = st.sampled_from(["x0", "x1", "gone"]).map(lambda identity: Pointer("Thing", identity))
polygons = st.sampled_from(
    [
        PFPolygon([(0, 0), (0, 2), (2, 2), (2, 0), (0, 0)]),
        PFPolygon([(-50, -130), (-40, -130), (-45, -110), (-50, -130)]),
    ]
)
scalars = st.one_of(st.none(), strings, numbers, st.booleans(), dates, maker_pointers)
items = st.one_of(
    scalars, st.lists(scalars, max_size=2), st.dictionaries(st.sampled_from("kj"), scalars, max_size=2)
)
arrays = st.lists(items, max_size=3)
objects = st.dictionaries(st.sampled_from(["k", "j", "deep"]), st.one_of(items, arrays), max_size=3)

FIELD_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "s": strings,
    "t": st.one_of(strings, texts),
    "n": numbers,
    "b": st.booleans(),
    "d": dates,
    "o": objects,
    "a": arrays,
    "g": points,
    "poly": polygons,
    "y": st.sampled_from([b"", b"a", b"\x00\xff"]),
    "f": st.sampled_from(["a.txt", "b.txt"]).map(FileReference),
    "p": maker_pointers,
    "q": st.one_of(maker_pointers, thing_pointers),
}

NULLABLE = tuple(key for key in FIELD_VALUES if key not in ("p", "q", "poly"))


@st.composite
def things(draw: st.DrawFn, *, nullable: tuple[str, ...] = NULLABLE) -> dict[str, Any]:
    """One object of ``Thing``: each key missing, null where it may be, or a value."""
    fields: dict[str, Any] = {}
    for key, values in FIELD_VALUES.items():
        choice = draw(st.integers(0, 5))
        if choice == 0 and key in nullable:
            fields[key] = None
        elif choice > 1:
            fields[key] = draw(values)
    return fields


makers = st.fixed_dictionaries({}, optional={"name": strings, "rank": numbers})

_keys = st.sampled_from(
    [*FIELD_VALUES, "objectId", "createdAt", "nope", "o.k", "o.j.k", "a.0", "a.k", "p.x", "n.x"]
)
_arguments = st.one_of(
    scalars, thing_pointers, points, st.sampled_from([b"a"]), st.sampled_from(["a.txt"]).map(FileReference)
)
_patterns = st.builds(
    RegexPattern,
    st.sampled_from(
        ["^a", "^\\Qa.b\\E", "b", "^ab?", "(a|b)c?$", "", "^\\Q\\E", "a.b", "^é", "\\Qit's\\E", "^A"]
    ),
    st.sampled_from(["", "i", "m", "s"]),
)


@st.composite
def constraints(draw: st.DrawFn) -> Constraint:
    """A leaf on any key with any operator."""
    key = draw(_keys)
    op = draw(
        st.sampled_from(
            [
                "$eq",
                "$ne",
                "$lt",
                "$lte",
                "$gt",
                "$gte",
                "$in",
                "$nin",
                "$all",
                "$containedBy",
                "$exists",
                "$regex",
            ]
        )
    )
    if op in ("$in", "$nin", "$all", "$containedBy"):
        plain = FIELD_VALUES.get(key, scalars)
        return Constraint(key, op, tuple(draw(st.lists(st.one_of(plain, scalars), max_size=4))))
    if op == "$exists":
        return Constraint(key, op, draw(st.booleans()))
    if op == "$regex":
        return Constraint(draw(st.sampled_from(["s", "t", "a", "o.k", "n"])), op, draw(_patterns))
    own = FIELD_VALUES.get(key)
    atoms = _arguments if own is None or key in ("o", "a", "poly") else st.one_of(own, _arguments)
    return Constraint(key, op, draw(atoms))


@st.composite
def geo_constraints(draw: st.DrawFn) -> Constraint:
    """A leaf with a geometric operator or a full-text search."""
    kind = draw(st.integers(0, 4))
    if kind == 4:
        term = draw(
            st.sampled_from(["fox", "foxes run", '"quick fox"', "-fox quick", "the", "café", "CAFE", ""])
        )
        sensitive = draw(st.sampled_from([None, False, True]))
        return Constraint(draw(st.sampled_from("ts")), "$text", TextSearch(term, None, sensitive, sensitive))
    if kind == 0:
        southwest, northeast = draw(points), draw(points)
        return Constraint("g", "$within", Box(southwest, northeast))
    if kind == 1:
        return Constraint("g", "$geoWithin", Cap(draw(points), draw(st.sampled_from([0.0, 0.1, 1.0, 4.0]))))
    if kind == 2:
        ring = (PFGeoPoint(-1, -1), PFGeoPoint(-1, 5), PFGeoPoint(20, 5), PFGeoPoint(20, -1))
        return Constraint("g", "$geoWithin", PolygonArea(ring))
    return Constraint("poly", "$geoIntersects", draw(points))


_maker_queries = st.builds(
    lambda key, op, value: QueryState("Maker", Constraint(key, op, value)),
    st.just("name"),
    st.sampled_from(["$eq", "$ne", "$gt"]),
    strings,
)


@st.composite
def sub_constraints(draw: st.DrawFn) -> Constraint:
    """A leaf with a sub-query, a relation, or a relation field."""
    kind = draw(st.integers(0, 3))
    if kind == 0:
        op = draw(st.sampled_from(["$inQuery", "$notInQuery"]))
        return Constraint(draw(st.sampled_from(["p", "q", "a", "r"])), op, draw(_maker_queries))
    if kind == 1:
        op = draw(st.sampled_from(["$select", "$dontSelect"]))
        return Constraint(
            draw(st.sampled_from(["s", "a", "n"])), op, KeyOfQuery(draw(_maker_queries), "name")
        )
    if kind == 2:
        return Constraint(
            "", "$relatedTo", RelatedTo(Pointer("Thing", draw(st.sampled_from(["x0", "x1"]))), "r")
        )
    if draw(st.booleans()):
        return Constraint("r", draw(st.sampled_from(["$eq", "$ne"])), draw(maker_pointers))
    op = draw(st.sampled_from(["$eq", "$ne", "$in", "$nin", "$exists", "$gt", "$all"]))
    if op == "$exists":
        return Constraint("r", op, draw(st.booleans()))
    if op in ("$in", "$nin", "$all"):
        return Constraint("r", op, tuple(draw(st.lists(st.one_of(maker_pointers, numbers), max_size=3))))
    return Constraint("r", op, draw(st.one_of(scalars, points)))


leaves = st.one_of(constraints(), constraints(), constraints(), geo_constraints())


def _groups(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    parts = st.lists(children, min_size=1, max_size=3).map(tuple)
    return st.one_of(st.builds(And, parts), st.builds(Or, parts), st.builds(Nor, parts))


trees: st.SearchStrategy[Node] = st.recursive(leaves, _groups, max_leaves=5)
orders = st.lists(
    st.builds(
        OrderKey, st.sampled_from([*FIELD_VALUES, "createdAt", "objectId", "nope", "o.k"]), st.booleans()
    ),
    max_size=3,
    unique_by=lambda item: item.key,
).map(tuple)
queries = st.builds(
    QueryState,
    st.just("Thing"),
    trees,
    orders,
    st.one_of(st.none(), st.integers(0, 6)),
    st.integers(0, 4),
)

# -- queries that nothing in a typed key can fail under IOS_LOCAL ------------------------------------

_FITTING = {
    "s": strings,
    "t": strings,
    "n": st.one_of(numbers, st.booleans()),
    "b": st.one_of(st.booleans(), numbers),
    "d": dates,
    "objectId": st.sampled_from(["x0", "x3", "x9"]),
}


@st.composite
def fitting_constraints(draw: st.DrawFn) -> Constraint:
    """A leaf whose argument the key's values can be compared with, under the local datastore's rules too."""
    kind = draw(st.integers(0, 6))
    if kind == 0:
        return Constraint(draw(st.sampled_from("st")), "$regex", draw(_patterns))
    if kind == 1:
        return Constraint("a", "$containedBy", tuple(draw(st.lists(scalars, max_size=6))))
    if kind == 2:
        return draw(_fitting_places())
    key = draw(st.sampled_from(list(_FITTING)))
    op = draw(st.sampled_from(["$eq", "$ne", "$lt", "$lte", "$gt", "$gte", "$in", "$nin"]))
    if op in ("$in", "$nin"):
        members = st.lists(st.one_of(_FITTING[key], scalars), max_size=20)
        return Constraint(key, op, tuple(draw(members)))
    return Constraint(key, op, draw(_FITTING[key]))


@st.composite
def _fitting_places(draw: st.DrawFn) -> Constraint:
    if draw(st.booleans()):
        return Constraint(
            "g", "$nearSphere", Near(draw(points), draw(st.sampled_from([None, 0.0, 0.3, 2.0])))
        )
    south, north = sorted(draw(st.tuples(*[st.sampled_from([-50.0, -1.0, 0.0, 10.5, 89.0])] * 2)))
    west, east = sorted(draw(st.tuples(*[st.sampled_from([-120.0, -5.0, 0.0, 1.0])] * 2)))
    return Constraint("g", "$within", Box(PFGeoPoint(south, west), PFGeoPoint(north, east)))


_key_leaves = st.builds(
    Constraint,
    st.sampled_from([*FIELD_VALUES, "o.k", "nope"]),
    st.sampled_from(["$eq", "$ne"]),
    st.one_of(scalars, maker_pointers),
)
_exists = st.builds(
    Constraint, st.sampled_from([*FIELD_VALUES, "o.k", "nope"]), st.just("$exists"), st.booleans()
)
fitting_trees: st.SearchStrategy[Node] = st.recursive(
    st.one_of(fitting_constraints(), fitting_constraints(), _key_leaves, _exists), _groups, max_leaves=5
)
fitting_queries = st.builds(
    QueryState,
    st.just("Thing"),
    st.one_of(fitting_trees, st.lists(fitting_trees, max_size=3).map(lambda parts: And(tuple(parts)))),
    st.lists(
        st.builds(OrderKey, st.sampled_from([*_FITTING, "createdAt", "nope"]), st.booleans()),
        max_size=3,
        unique_by=lambda item: item.key,
    ).map(tuple),
    st.one_of(st.none(), st.integers(0, 6)),
    st.integers(0, 4),
)
