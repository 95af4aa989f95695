"""Importing: what is created, what is left alone, and what is refused with its place."""

import json
from functools import partial

import pytest

import parsekit
from parsekit import PFObject, PFQuery, PFUser, Principal, schema_from_json
from parsekit.errors import (
    EngineError,
    OperationForbiddenError,
    RefusedInputError,
    SchemaError,
)
from parsekit.interchange import (
    CsvColumn,
    CsvMapping,
    Record,
    form_of,
    import_file,
    import_objects,
    mapping_from_json,
)
from parsekit.schema import Field
from parsekit.storage import journal
from parsekit.values import date_from_ms

SCHEMA = schema_from_json(
    {
        "classes": [
            {
                "className": "Deal",
                "fields": {
                    "title": {"type": "String", "required": True},
                    "stage": {"type": "String", "enum": ["lead", "won"], "defaultValue": "lead"},
                    "amount": {"type": "Number"},
                    "closed": {"type": "Date"},
                    "owner": {"type": "Pointer", "targetClass": "_User"},
                    "tags": {"type": "Array"},
                },
                "indexes": {"title": {"title": 1, "$unique": True}},
            }
        ]
    }
)


@pytest.fixture
def engine():
    with parsekit.open(schema=SCHEMA) as engine, engine.acting_as_master():
        yield engine


def deals(count, start=0):
    return [Record("Deal", {"objectId": f"d{n}", "title": f"Deal {n}"}) for n in range(start, start + count)]


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def refused(engine, path, **options):
    """The problems of a file that must be refused, without its path; nothing may have been written."""
    with pytest.raises(RefusedInputError) as caught:
        import_file(engine, path, **options)
    assert all(problem.startswith(f"{path}") for problem in caught.value.problems)
    assert PFQuery("Deal").count() == 0
    return [problem.removeprefix(str(path)).lstrip(", ") for problem in caught.value.problems]


# --- what is created ---


def test_an_object_comes_as_it_was(engine):
    entry = {
        "objectId": "d1",
        "createdAt": "2017-03-01T12:00:00.000Z",
        "updatedAt": {"__type": "Date", "iso": "2017-03-02T12:00:00.000Z"},
        "ACL": {"u1": {"read": True}},
        "title": "One",
        "stage": "won",
        "amount": 12,
        "owner": {"__type": "Pointer", "className": "_User", "objectId": "u1"},
    }
    report = import_objects(engine, [Record("Deal", entry)])
    assert (report.created, report.present, report.total) == ({"Deal": 1}, {}, 1)
    stored = PFQuery("Deal").get("d1")
    assert stored.to_fields_json() == {**entry, "updatedAt": "2017-03-02T12:00:00.000Z"}


def test_what_an_object_does_not_say_is_drawn_or_defaulted(engine):
    import_objects(engine, [Record("Deal", {"title": "One"})])
    deal = PFQuery("Deal").first()
    assert len(deal.object_id) == 10
    assert deal["stage"] == "lead"
    assert deal.created_at == deal.updated_at
    assert deal.acl is None


def test_the_journal_has_what_a_save_would_have_written():
    with parsekit.open(schema=SCHEMA) as saved, saved.acting_as_master():
        deal = PFObject("Deal", title="One", amount=3, tags=[1])
        deal.object_id = "d1"
        deal.save()
        created = list(journal.entries(saved.store.database.writer, 0))
        row = deal.fetch().to_fields_json()
    later = created[0].at + 86_400_000
    clock = partial(date_from_ms, later)
    with parsekit.open(schema=SCHEMA, clock=clock) as imported, imported.acting_as_master():
        import_objects(imported, [Record("Deal", row)])
        import_objects(imported, deals(2, start=5))
        entries = list(journal.entries(imported.store.database.writer, 0))
    assert [entry.sequence for entry in entries] == [1, 2, 3]
    assert entries[0].kind == created[0].kind == "create"
    assert entries[0].after == created[0].after
    assert entries[0].object_id == created[0].object_id
    assert [entry.at for entry in entries] == [later] * 3  # when it came, whatever its own dates


def test_listeners_hear_of_each_object_after_its_batch(engine):
    heard = []
    engine.on_changes(lambda changes: heard.append([change.object_id for change in changes]))
    import_objects(engine, deals(5), batch_size=2)
    assert heard == [["d0", "d1"], ["d2", "d3"], ["d4"]]


def test_progress_counts_what_was_handled(engine):
    import_objects(engine, deals(2))
    counts = []
    report = import_objects(engine, deals(5), batch_size=2, progress=counts.append)
    assert counts == [2, 4, 5]
    assert (report.created, report.present) == ({"Deal": 3}, {"Deal": 2})


def test_a_second_import_changes_nothing(engine):
    import_objects(engine, deals(3))
    deal = PFQuery("Deal").get("d1")
    deal["stage"] = "won"
    deal.save()
    before = [deal.to_fields_json() for deal in PFQuery("Deal").find()]
    report = import_objects(engine, deals(3))
    assert (report.created, report.present) == ({"Deal": 0}, {"Deal": 3})
    assert [deal.to_fields_json() for deal in PFQuery("Deal").find()] == before


def test_the_first_objects_give_an_unknown_class_its_fields(engine):
    record = {"name": "x", "size": 2, "gone": None, "parts": [1]}
    import_objects(
        engine, [Record("New", record), Record("New", {"late": {"__type": "Date", "iso": "2017-03-01"}})]
    )
    fields = engine.schema.get("New").fields
    assert {key: fields[key].type for key in ("name", "size", "parts", "late")} == {
        "name": "String",
        "size": "Number",
        "parts": "Array",
        "late": "Date",
    }
    assert "gone" not in fields


def test_users_without_a_password_cannot_log_in_but_are_there(engine):
    import_objects(
        engine, [Record("_User", {"objectId": "u1", "username": "ada", "email": "ada@example.com"})]
    )
    user = PFQuery("_User").get("u1")
    assert user["username"] == "ada"
    assert "password" not in user
    for password in ("", "None", "x"):
        with pytest.raises(parsekit.ParseError):
            PFUser.log_in("ada", password=password)


def test_roles_have_their_members(engine):
    ada = {"__type": "Pointer", "className": "_User", "objectId": "u1"}
    role = {
        "objectId": "r1",
        "name": "sales",
        "ACL": {"*": {"read": True}},
        "users": {"__op": "AddRelation", "objects": [ada]},
    }
    import_objects(
        engine,
        [
            Record("_User", {"objectId": "u1", "username": "ada", "email": "ada@example.com"}),
            Record("_Role", role),
            Record("Deal", {"objectId": "d1", "title": "x", "ACL": {"role:sales": {"read": True}}}),
        ],
    )
    with engine.acting_as(Principal.user("u1")):
        assert PFQuery("Deal").count() == 1
    with engine.acting_as(Principal.anonymous()):
        assert PFQuery("Deal").count() == 0


# --- who may, and all or nothing ---


@pytest.mark.parametrize(
    "principal", [Principal.anonymous(), Principal.user("u1"), Principal.read_only_master()]
)
def test_only_a_master_imports(engine, principal):
    with engine.acting_as(principal), pytest.raises(OperationForbiddenError):
        import_objects(engine, deals(1))
    assert PFQuery("Deal").count() == 0


def test_batches_before_the_bad_one_stay(engine):
    records = [*deals(4), Record("Deal", {"objectId": "bad"}), *deals(4, start=10)]
    with pytest.raises(RefusedInputError, match="import, object 5: Deal: title is required"):
        import_objects(engine, records, batch_size=2)
    assert PFQuery("Deal").count() == 4


def test_inside_a_transaction_it_is_all_or_nothing(engine):
    records = [*deals(4), Record("Deal", {"objectId": "bad"})]
    with pytest.raises(RefusedInputError), engine.transaction():
        import_objects(engine, records, batch_size=2)
    assert PFQuery("Deal").count() == 0
    assert import_objects(engine, deals(4)).created == {"Deal": 4}


def test_a_value_that_must_be_unique_names_the_object_that_repeats_it(engine):
    records = [*deals(3), Record("Deal", {"objectId": "other", "title": "Deal 1"})]
    with pytest.raises(RefusedInputError, match=r"import, object 4: .*title must be unique"):
        import_objects(engine, records)
    assert PFQuery("Deal").count() == 0


def test_only_so_many_problems_are_told(engine):
    with pytest.raises(RefusedInputError) as caught:
        import_objects(engine, [Record("Deal", {})] * 1234)
    assert (len(caught.value.problems), caught.value.total) == (100, 1234)
    assert str(caught.value).endswith("and 1134 more")


# --- files that are wrong ---


def test_every_wrong_line_is_told_at_once(engine, tmp_path):
    lines = [
        {"className": "Deal", "objectId": "d1", "title": "fine"},
        {"className": "Deal", "objectId": "d2"},
        {"className": "Deal", "objectId": "d1", "title": "again"},
        {"className": "Deal", "objectId": "d3", "title": 5},
        {"className": "Deal", "objectId": "d4", "title": "x", "stage": "sold"},
        {"className": "Deal", "objectId": "d5", "title": "x", "closed": {"__type": "Date", "iso": "March"}},
        {"className": "Deal", "objectId": "", "title": "x"},
        {"className": "Deal", "title": "x", "amount": {"__op": "Increment", "amount": 1}},
        {"objectId": "d6", "title": "x"},
    ]
    text = "\n".join(map(json.dumps, lines)) + '\n{"className": "Deal", "tit\n[1]\n'
    path = write(tmp_path / "all.jsonl", text)
    problems = refused(engine, path)
    expected = [
        "line 2: Deal: title is required",
        'line 3: Deal: objectId "d1" is a duplicate of line 1; expected every id once. Fix: delete one',
        "line 4: Deal: schema mismatch for Deal.title; expected String but got Number",
        "line 5: Deal: stage must be one of: lead, won",
        "line 6: Deal: This is not a valid Date",
        "line 7: Deal: objectId: expected text that is not empty",
        "line 8: Deal: amount: Increment changes an object that exists; expected a value or AddRelation",
        'line 9: the object names no class; expected "className". Fix: add it, or name the class',
        "line 10: invalid JSON",
        "line 11: a list; expected an object in braces",
    ]
    assert len(problems) == len(expected)
    for problem, start in zip(problems, expected, strict=True):
        assert problem.startswith(start)


def test_a_torn_document_is_refused(engine, tmp_path):
    path = write(
        tmp_path / "Deal.json", '{"results": [\n{"objectId": "d1", "title": "x"},\n{"objectId": "d2", "ti'
    )
    assert refused(engine, path) == [
        "line 3: the file ends inside this object; it is torn. Fix: export the class again"
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: the file is no list of objects"),
        ('{"deals": []}', "line 1: the file is no list of objects"),
        ('[{"title": "x"}, 5]', "line 1: '5' inside the list; expected an object in braces"),
        ('[{"title": "x"}]\nmore', "line 1: there is text after the list"),
        ('[{"title": "x"}\n', "line 2: the end of the file inside the list"),
    ],
)
def test_a_document_of_another_kind_is_refused(engine, tmp_path, text, problem):
    (found,) = refused(engine, write(tmp_path / "Deal.json", text))
    assert found.startswith(problem)


def test_text_that_is_not_utf8_is_refused(engine, tmp_path):
    path = tmp_path / "Deal.csv"
    path.write_bytes("title\nSão Paulo\n".encode("latin-1"))
    assert refused(engine, path) == [": byte 0xE3 is not UTF-8. Fix: save the file as UTF-8"]


def test_a_file_that_is_not_there(engine, tmp_path):
    with pytest.raises(EngineError, match=r"Deal.json: cannot be read \(No such file or directory\)"):
        import_file(engine, tmp_path / "Deal.json")
    with pytest.raises(EngineError, match=r"the ending tells no form; expected .json, .jsonl, .ndjson, .csv"):
        import_file(engine, tmp_path / "Deal.txt")
    assert form_of("x.NDJSON") == "jsonl"


# --- CSV ---


def test_csv_cells_are_read_by_the_types_of_the_fields(engine, tmp_path):
    text = (
        "objectId,title,amount,closed,owner,tags\r\n"
        'd1,"a, ""b""",12.5,2017-03-01,u1,"[1,""x""]"\r\n'
        "d2,c,7,,,\r\n"
    )
    assert import_file(engine, write(tmp_path / "Deal.csv", text)).created == {"Deal": 2}
    one, two = PFQuery("Deal").order_by_ascending("objectId").find()
    assert one["title"] == 'a, "b"'
    assert one["amount"] == 12.5
    assert one["closed"].isoformat() == "2017-03-01T00:00:00+00:00"
    assert one["owner"].object_id == "u1"
    assert one["tags"] == [1, "x"]
    assert two.keys() == ["title", "stage", "amount"]


def test_csv_columns_are_mapped(engine, tmp_path):
    mapping = mapping_from_json(
        {
            "className": "Deal",
            "columns": {
                "id": "objectId",
                "name": "title",
                "close_date": {"key": "closed", "dateFormat": "%m/%d/%Y"},
                "score": {"key": "score", "type": "Number"},
                "ignored": None,
            },
        }
    )
    assert mapping == CsvMapping(
        {
            "id": CsvColumn("objectId"),
            "name": CsvColumn("title"),
            "close_date": CsvColumn("closed", None, "%m/%d/%Y"),
            "score": CsvColumn("score", Field("Number")),
            "ignored": None,
        },
        "Deal",
    )
    path = write(tmp_path / "pipeline.csv", "id,name,close_date,score,ignored\nd1,One,3/1/2017,5,x\n")
    assert import_file(engine, path, mapping=mapping).created == {"Deal": 1}
    deal = PFQuery("Deal").get("d1")
    assert (deal["title"], deal["score"]) == ("One", 5)
    assert deal["closed"].isoformat() == "2017-03-01T00:00:00+00:00"


def test_a_wrong_header_refuses_the_file(engine, tmp_path):
    mapping = CsvMapping({"id": CsvColumn("objectId"), "title": CsvColumn("title")}, "Deal")
    path = write(tmp_path / "x.csv", "id,titel\nd1,One\n")
    assert refused(engine, path, mapping=mapping) == [
        'line 1: wrong header: missing column "title", unexpected column "titel"; did you mean "title"?; '
        "expected id,title. Fix: correct the first line"
    ]
    assert refused(engine, write(tmp_path / "Deal.csv", "title,the title,title\nx,y,z\n")) == [
        'line 1: wrong header: column "title" stands there 2 times, "the title" is no key; '
        "expected the keys of the class. Fix: correct the first line"
    ]
    assert refused(engine, write(tmp_path / "Deal.csv", "")) == [
        "line 1: wrong header: there is none; expected the keys of the class. Fix: correct the first line"
    ]


def test_every_wrong_row_is_told_with_its_line(engine, tmp_path):
    text = (
        "objectId,title,amount,closed\n"
        "d1,fine,1,2017-03-01\n"
        "d2,torn\n"
        'd3,"two\nlines",1.2.3,yesterday\n'
        "d1,again,1,\n"
        'd4,"never closed,1,\n'
    )
    problems = refused(engine, write(tmp_path / "Deal.csv", text))
    assert (
        problems[0]
        == "line 3: the row has 2 cells; expected 4. Fix: complete it, or quote a cell with a comma"
    )
    assert problems[1].startswith(
        "line 4: amount: not a number; expected one such as 1054 or 1100.04; closed: not"
    )
    assert problems[2].startswith('line 6: Deal: objectId "d1" is a duplicate of line 2')
    assert problems[3].startswith("line 7: the line is not CSV")
    assert len(problems) == 4


def test_every_mistake_of_a_mapping_is_told_at_once():
    with pytest.raises(SchemaError) as caught:
        mapping_from_json(
            {
                "columns": {
                    "a": 5,
                    "b": {"key": "not a key"},
                    "c": {"key": "c", "typ": "String"},
                    "d": {"key": "d", "type": "Text"},
                    "e": {"key": "e", "type": "Pointer"},
                }
            }
        )
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "mapping.columns.a",
        "mapping.columns.b.key",
        "mapping.columns.c",
        "mapping.columns.d.type",
        "mapping.columns.e.targetClass",
    ]
    with pytest.raises(SchemaError, match="mapping: expected an object"):
        mapping_from_json([])


def test_a_password_that_is_given_is_hashed(engine):
    entry = {"objectId": "u1", "username": "ada", "email": "ada@example.com", "password": "correct horse"}
    import_objects(engine, [Record("_User", entry)])
    assert PFUser.log_in("ada", password="correct horse").object_id == "u1"
    assert "correct horse" not in repr(list(journal.entries(engine.store.database.writer, 0)))


@pytest.mark.parametrize("object_id", ["role:admins", "*"])
def test_a_user_cannot_bear_the_name_of_a_group(engine, object_id):
    entry = {"objectId": object_id, "username": "eve", "email": "eve@example.com"}
    with pytest.raises(RefusedInputError, match="Invalid object ID"):
        import_objects(engine, [Record("_User", entry)])
