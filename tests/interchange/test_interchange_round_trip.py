"""What is exported imports into an equal database, in every form."""

import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

import parsekit
from parsekit import PFACL, PFGeoPoint, PFObject, PFPolygon, PFQuery, schema_from_json
from parsekit.interchange import Record, Unreadable, export_file, import_file, import_objects
from parsekit.interchange.json_forms import read_document, write_document

SCHEMA = schema_from_json(
    {
        "classes": [
            {"className": "Shelf", "fields": {"name": {"type": "String"}}},
            {
                "className": "Thing",
                "fields": {
                    "text": {"type": "String"},
                    "number": {"type": "Number"},
                    "flag": {"type": "Boolean"},
                    "day": {"type": "Date"},
                    "place": {"type": "GeoPoint"},
                    "area": {"type": "Polygon"},
                    "raw": {"type": "Bytes"},
                    "items": {"type": "Array"},
                    "inner": {"type": "Object"},
                    "shelf": {"type": "Pointer", "targetClass": "Shelf"},
                    "about": {"type": "Pointer", "targetClasses": ["Shelf", "Thing"]},
                    "anything": {"type": "Pointer"},
                    "friends": {"type": "Relation", "targetClass": "Thing"},
                },
            },
        ]
    }
)


@pytest.fixture
def full():
    """A database with an object that holds a value of every type, and one that holds none."""
    with parsekit.open(schema=SCHEMA) as engine, engine.acting_as_master():
        shelf = PFObject("Shelf", name='quoted "name", with a comma\nand a line')
        thing = PFObject(
            "Thing",
            text="Ångström 🙂",
            number=12.5,
            flag=False,
            day=datetime(2017, 3, 1, 12, 30, 15, 123000, tzinfo=UTC),
            place=PFGeoPoint(10.5, -20.25),
            area=PFPolygon([(0, 0), (0, 1), (1, 1)]),
            raw=b"\x00\xff",
            items=[1, "two", [3], {"four": 4}, None],
            inner={"key": {"deep": [True]}},
            shelf=shelf,
        )
        thing.acl = PFACL.from_json({"*": {"read": True}})
        thing.save()
        thing["about"] = thing
        thing["anything"] = shelf
        thing.save()
        bare = PFObject("Thing")
        bare.save()
        import_objects(engine, [Record("Thing", {"objectId": "owner", "friends": relation(thing, bare)})])
        yield engine


def relation(*members):
    pointers = [{"__type": "Pointer", "className": "Thing", "objectId": m.object_id} for m in members]
    return {"__op": "AddRelation", "objects": pointers}


def content(class_name):
    """Every object of a class as REST shows it, with the members of its relation."""
    rows = []
    for obj in PFQuery(class_name).each():
        row = obj.to_fields_json()
        if class_name == "Thing":
            members = PFQuery("Thing").where_related_to(obj, from_key="friends").find()
            row["friends"] = sorted(member.object_id for member in members)
        rows.append(row)
    return rows


@pytest.mark.parametrize("form", ["json", "jsonl", "csv"])
def test_what_is_exported_imports_into_an_equal_database(full, form, tmp_path):
    before = {name: content(name) for name in ("Shelf", "Thing")}
    paths = [tmp_path / f"{name}.{form}" for name in before]
    for name, path in zip(before, paths, strict=True):
        assert export_file(full, path, [PFQuery(name)]) == {name: len(before[name])}
    with parsekit.open(schema=SCHEMA) as engine, engine.acting_as_master():
        for name, path in zip(before, paths, strict=True):
            assert import_file(engine, path).created == {name: len(before[name])}
        assert {name: content(name) for name in before} == before


def test_json_lines_hold_several_classes(full, tmp_path):
    path = tmp_path / "all.jsonl"
    assert export_file(full, path, [PFQuery("Shelf"), PFQuery("Thing")]) == {"Shelf": 1, "Thing": 3}
    with parsekit.open() as engine, engine.acting_as_master():
        assert import_file(engine, path).created == {"Shelf": 1, "Thing": 3}
        # Without a schema the first objects give their class its fields, as with Parse.
        assert engine.schema.get("Thing").fields["shelf"].target == "Shelf"
        assert engine.schema.get("Thing").fields["friends"].target == "Thing"


def test_an_explicit_null_is_kept_where_the_form_has_one(tmp_path):
    with parsekit.open(schema=SCHEMA) as engine, engine.acting_as_master():
        thing = PFObject("Thing", text="")
        thing["number"] = None
        thing.save()
        export_file(engine, tmp_path / "Thing.json", [PFQuery("Thing")])
    with parsekit.open(schema=SCHEMA) as engine, engine.acting_as_master():
        import_file(engine, tmp_path / "Thing.json")
        copy = PFQuery("Thing").first()
        assert copy["text"] == ""
        assert copy["number"] is None
        assert "flag" not in copy
        assert PFQuery("Thing").where_key("number", equal_to=None).count() == 1


def test_an_export_under_a_user_has_what_the_user_may_see(full, tmp_path):
    full_count = PFQuery("Thing").count()
    with full.acting_as(parsekit.Principal.anonymous()):
        secret = PFObject("Thing", text="mine")
        secret.acl = PFACL()
    with full.acting_as_master():
        secret.save()
    with full.acting_as(parsekit.Principal.anonymous()):
        assert export_file(full, tmp_path / "Thing.json", [PFQuery("Thing")]) == {"Thing": full_count}


def test_a_failed_export_leaves_the_old_file_alone(full, tmp_path):
    path = tmp_path / "Thing.json"
    path.write_text("precious")
    with pytest.raises(parsekit.ParseError):
        export_file(full, path, [PFQuery("Thing").where_key("flag", matches_regex="(")])
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


def test_one_document_holds_one_class(full, tmp_path):
    with pytest.raises(parsekit.EngineError, match="json holds one class and 2 are asked for"):
        export_file(full, tmp_path / "x.json", [PFQuery("Shelf"), PFQuery("Thing")])


# --- a document is cut into its objects, however it is laid out and in whatever pieces it comes ---

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ROWS = st.lists(st.dictionaries(st.text(), JSON_VALUES, max_size=3), max_size=5)


class InPieces(io.StringIO):
    """A stream that gives a few characters at a time."""

    def __init__(self, text, size):
        super().__init__(text)
        self.size = size

    def read(self, size=-1):
        return super().read(self.size)


@given(ROWS, st.sampled_from([None, 1, 4]), st.integers(20, 60), st.booleans())
def test_a_document_is_cut_into_its_objects(rows, indent, size, bare):
    for row in rows:
        row.pop("className", None)
    text = json.dumps(rows if bare else {"results": rows, "count": len(rows)}, indent=indent)
    found = list(read_document(InPieces(text, size), "Thing"))
    assert [record.entry for record in found] == json.loads(json.dumps(rows))
    lines = text.split("\n")
    assert all(lines[record.line - 1].lstrip(" ,[").startswith(("{", '"results')) for record in found)


@given(ROWS.filter(bool), st.integers(20, 60), st.data())
def test_a_torn_document_has_a_line_that_says_so(rows, size, data):
    stream = io.StringIO()
    write_document(stream, rows)
    text = stream.getvalue().rstrip()
    cut = data.draw(st.integers(0, len(text) - 3))
    found = list(read_document(InPieces(text[:cut], size), "Thing"))
    assert isinstance(found[-1], Unreadable)
    assert 1 <= found[-1].line <= text.count("\n") + 1
    assert not any(isinstance(record, Unreadable) for record in found[:-1])
