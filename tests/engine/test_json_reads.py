"""Answers that are written without objects say what the objects say: every type, includes, projections, permissions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import parsekit
from parsekit import PFACL, ClassSchema, Field, PFObject, PFQuery, PFUser, Principal, Schema
from parsekit.codec import loads
from parsekit.engine.json_reads import JsonReads
from parsekit.engine.row_json import add_urls
from parsekit.errors import ObjectNotFoundError, ParseError
from parsekit.query.state import QueryState
from parsekit.values import FileReference, Pointer
from tests import strategies as given_values

SCHEMA = Schema((
    ClassSchema.new("Company", {"name": Field("String"), "parent": Field("Pointer", ("Company",))}),
    ClassSchema.new("Tag", {"name": Field("String"), "score": Field("Number")}),
    ClassSchema.new(
        "Row",
        {
            "text": Field("String"),
            "number": Field("Number"),
            "flag": Field("Boolean"),
            "at": Field("Date"),
            "company": Field("Pointer", ("Company",)),
            "other": Field("Pointer", ("Company",)),
            "owner": Field("Pointer", ("_User",)),
            "any": Field("Pointer", ("Company", "Tag")),
            "place": Field("GeoPoint"),
            "area": Field("Polygon"),
            "bytes": Field("Bytes"),
            "file": Field("File"),
            "map": Field("Object"),
            "list": Field("Array"),
            "score": Field("Number"),
            "tags": Field("Relation", ("Tag",)),
        },
    ),
))  # fmt: skip
_companies = st.sampled_from([Pointer("Company", "c0"), Pointer("Company", "c1"), Pointer("Company", "gone")])
_tags = st.sampled_from([Pointer("Tag", "t0"), Pointer("Tag", "secret"), Pointer("Tag", "gone")])
_users = st.sampled_from([Pointer("_User", "ada"), Pointer("_User", "bob")])
_values = st.recursive(
    st.one_of(
        given_values.json_scalars, given_values.dates, given_values.pointers, _companies, given_values.geo_points,
        given_values.polygons, given_values.files,
    ),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(given_values.names, inner, max_size=2),
    max_leaves=5,
)  # fmt: skip
_fields = st.fixed_dictionaries(
    {},
    optional={
        "text": given_values.texts,
        "number": given_values.numbers,
        "flag": st.booleans(),
        "at": given_values.dates,
        "company": _companies,
        "other": _companies,
        "owner": _users,
        "any": st.one_of(_companies, _tags),
        "place": given_values.geo_points,
        "area": given_values.polygons,
        "bytes": st.binary(max_size=12),
        "file": given_values.files,
        "map": st.dictionaries(given_values.names, _values, max_size=2),
        "list": st.lists(st.one_of(_values, _tags), max_size=3),
        "score": given_values.numbers,
    },
)
_rows = st.tuples(
    _fields,
    st.sets(st.sampled_from(["text", "number", "place", "company", "any", "map", "at"]), max_size=3),
    st.sampled_from([None, {"*": {"read": True}}, {"ada": {"read": True, "write": True}}, {}]),
)
_paths = st.lists(
    st.sampled_from(
        ["company", "other", "owner", "any", "list", "map", "company.parent", "company.parent.parent", "any.parent",
         "owner.boss", "tags", "text", "nothing", "*", "map.company"]
    ),
    max_size=3,
)  # fmt: skip
_names = st.lists(
    st.sampled_from(["text", "company", "any", "company.name", "any.name", "list", "owner.name", "score", "ACL"]),
    max_size=3,
)  # fmt: skip
_queries = st.builds(
    lambda include, keys, excluded, limit: QueryState(
        "Row", include=tuple(include), keys=tuple(keys) or None, exclude_keys=tuple(excluded), limit=limit
    ),
    _paths,
    _names,
    _names,
    st.sampled_from([None, 1, 3]),
)


def url_of(name: str) -> str:
    return f"https://here/{name}"


@pytest.fixture(scope="module")
def engine() -> Iterator[parsekit.ParseEngine]:
    with parsekit.open(":memory:", schema=SCHEMA, allow_custom_object_id=True) as opened:
        with opened.acting_as_master():
            top = _made("Company", "c0", name='top "quoted" é\n', createdBy=Pointer("_User", "ada"))
            _made("Company", "c1", name="below", parent=top)
            _made("Tag", "t0", name="seen", score=1.0)
            _made("Tag", "secret", name="hidden").acl = None
            secret = PFQuery("Tag").get("secret")
            secret.acl = PFACL.from_json({})
            secret.save()
            for name in ("ada", "bob"):
                user = PFUser(username=name, password="p", email=f"{name}@x.test")
                user.object_id = name
                user.save()
        yield opened


def _made(class_name: str, object_id: str, **fields: Any) -> PFObject:
    obj = PFObject(class_name, **fields)
    obj.object_id = object_id
    obj.save()
    return obj


def _outcome(call: Any) -> Any:
    try:
        return call()
    except ParseError as error:
        return error.code, str(error)


def _shown(obj: PFObject) -> Any:
    entry = obj.to_fields_json()
    add_urls(entry, url_of)
    return entry


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(_rows, min_size=1, max_size=3), queries=st.lists(_queries, min_size=1, max_size=3))
def test_texts_say_what_objects_say(engine: parsekit.ParseEngine, rows: Any, queries: Any) -> None:
    reads = JsonReads(engine, url_of)
    made = []
    with engine.acting_as_master():
        for fields, nulls, acl in rows:
            obj = PFObject("Row", **fields)
            obj.acl = None if acl is None else PFACL.from_json(acl)
            try:
                obj.save()
                for key in nulls:
                    obj[key] = None
                obj.save()
            except ParseError:
                continue
            made.append(obj)
    for principal in (Principal.master(), Principal.user("ada")):
        for state in queries:
            objects = _outcome(lambda: engine.find_objects(state, principal))  # noqa: B023
            texts = _outcome(lambda: reads.find(state, principal))  # noqa: B023
            if texts is not None:
                assert isinstance(texts, tuple) or list(map(loads, texts)) == list(map(_shown, objects))
                assert not isinstance(texts, tuple) or texts == objects
            for obj in made[:2]:
                for asked in (state, None):
                    one = _outcome(lambda: engine.get_object("Row", obj.object_id, principal, None, asked))  # noqa: B023
                    text = _outcome(lambda: reads.get("Row", obj.object_id, principal, asked))  # noqa: B023
                    if text is not None:
                        assert (loads(text) == _shown(one)) if isinstance(text, str) else text == one
    with engine.acting_as_master():
        PFObject.delete_all(made)


def test_the_texts_are_written_without_objects_where_that_is_possible(engine: parsekit.ParseEngine) -> None:
    reads = JsonReads(engine, url_of)
    state = QueryState("Row", include=("company.parent", "any", "other", "owner"))
    assert reads.find(state, Principal.master()) is not None
    assert reads.find(QueryState("Row"), Principal.user("ada")) is not None
    # of users not all show the same: each sees more of their own
    assert reads.find(QueryState("_User"), Principal.user("ada")) is None


def test_hooks_around_finds_see_objects() -> None:
    with parsekit.open(":memory:", schema=SCHEMA) as engine:
        reads = JsonReads(engine, url_of)
        engine.cloud.before_save("Row")(lambda request: None)
        assert reads.find(QueryState("Row"), Principal.master()) == []
        engine.cloud.after_find("Company")(lambda request: request.objects)
        assert reads.find(QueryState("Row"), Principal.master()) is None
        assert reads.get("Row", "nobody", Principal.master(), None) is None


def test_pointers_inside_of_arrays_are_included_by_way_of_objects(engine: parsekit.ParseEngine) -> None:
    reads = JsonReads(engine, url_of)
    with engine.acting_as_master():
        plain = PFObject("Row", list=[1, "x"])
        plain.save()
        assert reads.find(QueryState("Row", include=("list",)), Principal.master()) is not None
        deep = PFObject("Row", list=[Pointer("Company", "c0")])
        deep.save()
        assert reads.find(QueryState("Row", include=("list",)), Principal.master()) is None
        PFObject.delete_all([plain, deep])


def test_a_file_gets_its_url_at_any_place_that_shows_it(engine: parsekit.ParseEngine) -> None:
    reads = JsonReads(engine, url_of)
    with engine.acting_as_master():
        file = FileReference("a.txt")
        row = PFObject("Row", file=file, list=[file], map={"in": file})
        row.save()
        text = reads.get("Row", str(row.object_id), Principal.master(), None)
        assert text is not None
        assert loads(text) == _shown(row.fetch())
        assert text.count("https://here/a.txt") == 2  # as Parse Server: not inside of an Object
        row.delete()


def test_what_is_not_to_be_seen_is_not_found(engine: parsekit.ParseEngine) -> None:
    reads = JsonReads(engine, url_of)
    for _ in range(2):
        with pytest.raises(ObjectNotFoundError):
            reads.get("Tag", "secret", Principal.user("ada"), None)


def test_a_new_field_shows_in_what_was_asked_before(engine: parsekit.ParseEngine) -> None:
    reads = JsonReads(engine, url_of)
    with engine.acting_as_master():
        row = PFObject("Fresh", a=1)
        row.save()
        master = Principal.master()
        for number in range(3):
            assert loads(reads.get("Fresh", str(row.object_id), master, None) or "")["a"] == 1
            row[f"later{number}"] = number
            row.save()
            assert (
                loads(reads.get("Fresh", str(row.object_id), master, None) or "")[f"later{number}"] == number
            )
