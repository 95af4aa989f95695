"""All hypothesis strategies of the test suite: values and operations."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from parsekit.operations import (
    Add,
    AddRelation,
    AddUnique,
    Delete,
    Increment,
    Operation,
    RelationChange,
    RelationMembers,
    Remove,
    RemoveRelation,
    Set,
    SetOnInsert,
)
from parsekit.values import (
    FileReference,
    PFGeoPoint,
    PFPolygon,
    Pointer,
    RelationReference,
    date_from_ms,
    date_to_ms,
)

TYPE_NAMES = ("Pointer", "Date", "Bytes", "GeoPoint", "Polygon", "File", "Relation")

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
names = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,7}", fullmatch=True)
object_ids = st.from_regex(r"[A-Za-z0-9]{1,10}", fullmatch=True)
integers = st.one_of(st.integers(-10, 10), st.integers(-(2**63), 2**63 - 1))
floats = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(-5, 5).map(float), st.just(-0.0)
)
numbers = st.one_of(integers, floats)
dates = st.integers(
    date_to_ms(datetime(1, 1, 1, tzinfo=UTC)), date_to_ms(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
).map(date_from_ms)
pointers = st.builds(Pointer, names, object_ids)
latitudes = st.one_of(st.integers(-90, 90), st.floats(-90, 90))
longitudes = st.one_of(st.integers(-180, 180), st.floats(-180, 180))
geo_points = st.builds(PFGeoPoint, latitudes, longitudes)
polygons = st.lists(
    st.tuples(latitudes, longitudes), min_size=3, max_size=6, unique_by=lambda pair: (pair[0], pair[1])
).map(PFPolygon)
files = st.builds(FileReference, names, st.one_of(st.none(), st.just("https://files.example.com/a")))
relations = st.builds(RelationReference, names)

json_scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
typed_values = st.one_of(dates, pointers, geo_points, polygons, st.binary(max_size=12), files, relations)
# A dict may have a key "__type", as long as it does not spell one of Parse's types.
dict_keys = st.one_of(names, texts, st.just("__type"))


def _spells_no_type(value: dict[str, Any]) -> bool:
    return value.get("__type") not in TYPE_NAMES


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(dict_keys, inner, max_size=4).filter(_spells_no_type)
    )


values = st.recursive(st.one_of(json_scalars, typed_values), _containers, max_leaves=12)
"""Every kind of Parse value, nested."""

# Small pools, so that operations meet equal elements, and numbers whose sums are exact.
_exact = st.one_of(st.integers(-1000, 1000), st.integers(-1000, 1000).map(lambda n: n / 4))
_pool_pointers = st.builds(Pointer, st.just("Tag"), st.sampled_from("abc"))
elements = st.one_of(
    st.sampled_from([None, True, 0, 1, 1.0, 2.5, "", "a", [1], [1, [2]], {"k": 1}, {"k": 1, "j": 2}]),
    _pool_pointers,
)
_element_lists = st.lists(elements, max_size=4)
_members = st.lists(_pool_pointers, min_size=1, max_size=3)

operands = st.one_of(
    _exact,
    _element_lists,
    st.builds(RelationMembers, st.just("Tag"), st.frozensets(_pool_pointers)),
    elements,
)
"""Values that operations find."""

operations: st.SearchStrategy[Operation] = st.one_of(
    st.builds(Set, st.one_of(_exact, _element_lists, elements)),
    st.just(Delete()),
    st.builds(Increment, _exact),
    st.builds(Add, _element_lists),
    st.builds(AddUnique, _element_lists),
    st.builds(Remove, _element_lists),
    st.builds(AddRelation, _members),
    st.builds(RemoveRelation, _members),
    st.permutations([Pointer("Tag", name) for name in "abc"]).map(lambda p: RelationChange(p[:1], p[1:2])),
    st.builds(SetOnInsert, elements),
)
"""Every kind of single operation."""
