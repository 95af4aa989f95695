"""The real pipeline in a database: the figures, a second import, and input that must not get in."""

import collections
import csv
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

import crm_schema
import parsekit
from crm_schema.sample import classes, reader
from crm_schema.sample.importer import check_complete, import_pipeline
from crm_schema.sample.objects import object_counts
from crm_schema.stages import Stage
from parsekit import PFQuery, Principal, StorageError
from parsekit.errors import RefusedInputError, SchemaError

COUNTS = {"_User": 41, "_Role": 9, "Company": 85, "Product": 7, "Deal": 8_800, "Activity": 15_011}


@pytest.fixture(scope="module")
def data():
    return reader.read_pipeline()


@pytest.fixture(scope="module")
def database(data, tmp_path_factory):
    """A file with the sample, not to be changed."""
    path = tmp_path_factory.mktemp("crm") / "crm.db"
    with opened(path) as engine:
        import_pipeline(engine, data)
    return path


@pytest.fixture
def crm(database):
    with opened(database, read_only=True) as engine, engine.acting_as_master():
        yield engine


def opened(path, **options):
    return parsekit.open(path, schema=crm_schema.SAMPLE_SCHEMA, classes=classes.CLASSES, **options)


def raw(name):
    text = (reader.bundled_directory() / f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


# --- the figures, against the files counted by plain csv ---


def test_every_object_is_there(crm):
    assert {name: PFQuery(name).count() for name in COUNTS} == COUNTS


def test_the_stages_are_those_of_the_files(crm):
    words = {"Won": "won", "Lost": "lost", "Engaging": "qualified", "Prospecting": "lead"}
    expected = collections.Counter(words[row["deal_stage"]] for row in raw("sales_pipeline"))
    found = {stage: PFQuery("Deal").where_key("stage", equal_to=stage).count() for stage in expected}
    assert found == expected == {"won": 4_238, "lost": 2_473, "qualified": 1_589, "lead": 500}


def test_the_won_deals_are_worth_what_the_files_say(crm):
    expected = sum(int(row["close_value"]) for row in raw("sales_pipeline") if row["deal_stage"] == "Won")
    won = PFQuery("Deal").where_key("stage", equal_to=Stage.WON).select_keys("amount")
    assert sum(deal["amount"] for deal in won.each()) == expected == 10_005_534


def test_deals_without_an_account_have_no_company(crm):
    expected = sum(1 for row in raw("sales_pipeline") if not row["account"])
    assert PFQuery("Deal").where_key_does_not_exist("company").count() == expected == 1_425


def test_a_deal_is_the_row_of_its_id(crm):
    row = next(row for row in raw("sales_pipeline") if row["opportunity_id"] == "1C1I7A6R")
    deal = PFQuery(classes.Deal).include_key("company", "product", "assignedTo").get("1C1I7A6R")
    assert deal.company.name == row["account"]
    assert deal.product.name == row["product"]
    assert deal.assigned_to.full_name == row["sales_agent"]
    assert deal.amount == int(row["close_value"])
    assert deal.title == "GTX Plus Basic for Cancity"
    assert f"{deal.engage_date:%-m/%-d/%Y}" == row["engage_date"]
    assert f"{deal.expected_close_date:%-m/%-d/%Y}" == row["close_date"]


def test_every_deal_has_its_activities(crm):
    rows = raw("sales_pipeline")
    for kind, column in (("meeting", "engage_date"), ("note", "close_date")):
        expected = sum(1 for row in rows if row[column])
        assert PFQuery("Activity").where_key("type", equal_to=kind).count() == expected
    deal = classes.Deal.without_data("1C1I7A6R")
    about = PFQuery("Activity").where_key("relatedTo", equal_to=deal).order_by_ascending("completedAt").find()
    assert [activity["type"] for activity in about] == ["meeting", "note"]


def test_subsidiaries_point_to_their_parents(crm):
    expected = {row["account"]: row["subsidiary_of"] for row in raw("accounts") if row["subsidiary_of"]}
    companies = PFQuery(classes.Company).where_key_exists("subsidiaryOf").include_key("subsidiaryOf").find()
    assert {company.name: company.subsidiary_of.name for company in companies} == expected


def test_roles_hold_the_managers_and_the_offices(crm):
    members = {}
    for role in PFQuery("_Role").find():
        users = PFQuery(classes.User).where_related_to(role, from_key="users").find()
        members[role["name"]] = {user.full_name for user in users}
    expected = collections.defaultdict(set)
    for row in raw("sales_teams"):
        expected[f"office-{row['regional_office']}"].add(row["sales_agent"])
        expected[f"manager-{row['manager'].lower().replace(' ', '-')}"].add(row["manager"])
    assert members == expected


# --- who sees and changes what ---


def test_an_agent_reads_colleagues_and_changes_nobody_else(data):
    with opened(":memory:") as engine:
        import_pipeline(engine, data)
        with engine.acting_as_master():
            moses, anna = (
                PFQuery(classes.User).where_key("username", equal_to=name).first()
                for name in ("moses-frase", "anna-snelling")
            )
        with engine.acting_as(moses):
            colleague = PFQuery(classes.User).get(anna.object_id)
            assert colleague.full_name == "Anna Snelling"
            colleague.full_name = "Somebody else"
            with pytest.raises(parsekit.ParseError):
                colleague.save()
            assert PFQuery("_Role").count() == 1  # the agent's own office
        with pytest.raises(parsekit.ParseError):
            PFQuery(classes.Deal).find()


def test_an_agent_sees_their_own_and_a_manager_the_teams(crm):
    teams = {row["sales_agent"]: row["manager"] for row in raw("sales_teams")}
    rows = raw("sales_pipeline")
    users = {user.full_name: user for user in PFQuery(classes.User).limit(100).find()}
    assert users.keys() == {*teams, *teams.values()}
    for name, user in users.items():
        theirs = {r["opportunity_id"] for r in rows if name in (r["sales_agent"], teams[r["sales_agent"]])}
        days = sum(
            bool(r[day])
            for r in rows
            if r["opportunity_id"] in theirs
            for day in ("engage_date", "close_date")
        )
        with crm.acting_as(user):
            deals = {deal.object_id for deal in PFQuery(classes.Deal).limit(10_000).find()}
            assert deals == theirs
            assert PFQuery("Activity").count() == days
            assert (PFQuery("Company").count(), PFQuery("Product").count()) == (85, 7)
    with crm.acting_as(Principal.user("somebody")):
        assert (PFQuery("Deal").count(), PFQuery("Activity").count()) == (0, 0)


def test_a_deal_that_is_handed_over_goes_with_its_rights(database, data, tmp_path):
    copy = tmp_path / "crm.db"
    shutil.copy(database, copy)
    with opened(copy) as engine:
        with engine.acting_as_master():
            users = {user.username: user for user in PFQuery(classes.User).limit(100).find()}
        moses, anna, dustin = users["moses-frase"], users["anna-snelling"], users["dustin-brinkmann"]
        with engine.acting_as(dustin):
            deal = PFQuery(classes.Deal).get("1C1I7A6R")
            deal.assigned_to = anna
            deal.save()
            assert PFQuery(classes.Deal).get("1C1I7A6R").assigned_to == anna
        with engine.acting_as(anna):
            PFQuery(classes.Deal).get("1C1I7A6R").save()
        with engine.acting_as(moses), pytest.raises(parsekit.ParseError):
            PFQuery(classes.Deal).get("1C1I7A6R")


# --- again, and fast ---


def test_a_second_import_adds_nothing(database, data, tmp_path):
    copy = tmp_path / "crm.db"
    shutil.copy(database, copy)
    with opened(copy) as engine:
        report = import_pipeline(engine, data)
        assert set(report.created.values()) == {0}
        assert report.present == COUNTS == object_counts(data)
        with engine.acting_as_master():
            assert {name: PFQuery(name).count() for name in COUNTS} == COUNTS


def test_the_import_makes_two_statements_an_object(data, tmp_path):
    """Quick by what it does, since times say more about the machine: the row, its journal entry, little besides."""
    with opened(tmp_path / "crm.db") as engine:
        seen = collections.Counter()

        def note(_cursor, sql, _bindings):
            seen[" ".join(sql.split(maxsplit=3)[:3])] += 1
            return True

        connections = engine.store.database.reader(), engine.store.database.writer
        for connection in connections:
            connection.exec_trace = note
        report = import_pipeline(engine, data)
        for connection in connections:
            connection.exec_trace = None
    objects = sum(report.created.values())
    assert seen["INSERT INTO _pk_journal"] == objects
    assert seen['INSERT INTO "Deal"'] == report.created["Deal"]
    assert sum(seen.values()) < 2 * objects + 1_500  # distinct ACLs, batches, roles
    assert seen["COMMIT"] <= 2


# --- input that must not get in; what was there stays ---


@pytest.fixture
def files(tmp_path):
    """The sample's files, to be spoiled."""
    target = tmp_path / "files"
    shutil.copytree(str(reader.bundled_directory()), target)
    return target


def spoil(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_wrong_header_is_told_for_every_file(files):
    spoil(files / "accounts.csv", "sector", "sektor")
    spoil(files / "products.csv", "product,", "product;")
    with pytest.raises(reader.SampleDataError) as caught:
        reader.read_pipeline(files)
    assert [problem.split(": ")[0] for problem in caught.value.problems] == [
        f"{files}/products.csv, line 1",
        f"{files}/accounts.csv, line 1",
    ]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("1C1I7A6R,Moses Frase,GTX Plus Basic", "1C1I7A6R,Moses", "line 2: the row has 7 cells; expected 8"),
        ("10/20/2016", "10/32/2016", "line 2: engage_date '10/32/2016' cannot be read"),
        ("Z063OYW0", "1C1I7A6R", "line 3: opportunity_id '1C1I7A6R' is a duplicate of line 2"),
    ],
)
def test_a_row_that_cannot_be_read_refuses_the_import(files, old, new, problem):
    spoil(files / "sales_pipeline.csv", old, new)
    data = reader.read_pipeline(files)
    with pytest.raises(reader.SampleDataError) as caught:
        check_complete(data)
    (found,) = caught.value.problems
    assert found.startswith(f"sales_pipeline.csv, {problem}")


def test_a_schema_file_with_several_mistakes_is_told_all_of_them():
    with pytest.raises(SchemaError) as caught:
        parsekit.schema_from_json(
            {
                "classes": [
                    {"className": "Deal", "fields": {"title": {"type": "Strng"}, "stage": {"typ": "String"}}},
                    {"className": "9Lives", "fields": {}},
                    {"className": "Task", "fields": {"deal": {"type": "Pointer", "targetClass": "Dael"}}},
                ]
            }
        )
    paths = [problem.partition(": ")[0] for problem in caught.value.problems]
    assert "schema.classes[0](Deal).fields.title.type" in paths
    assert "schema.classes[0](Deal).fields.stage.type" in paths
    assert "schema.classes[1].className" in paths
    assert "Task.deal" in paths


def test_a_file_that_is_no_database_is_left_alone(tmp_path):
    path = tmp_path / "crm.db"
    path.write_bytes(b"a letter to my grandmother, " * 100)
    before = path.read_bytes()
    with pytest.raises(StorageError, match="it is not a parsekit database; give the path of one"):
        opened(path)
    assert path.read_bytes() == before


def test_another_programs_database_is_left_alone(tmp_path):
    path = tmp_path / "other.db"
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE letters (text)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match="an SQLite database, but not one of parsekit's"):
        opened(path)
    assert path.read_bytes() == before


def test_a_newer_format_is_left_alone(database, tmp_path):
    path = tmp_path / "crm.db"
    shutil.copy(database, path)
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", 99)
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match=r"its format is version 99 .* upgrade parsekit"):
        opened(path)
    assert path.read_bytes() == before


def test_a_full_disk_leaves_the_database_as_it_was(data, tmp_path):
    path = tmp_path / "crm.db"
    with opened(path) as engine:
        with engine.acting_as_master():
            parsekit.PFObject("Company", name="Acme").save()
        writer = engine.store.database.writer
        writer.pragma("max_page_count", writer.pragma("page_count") + 100)
        with pytest.raises(StorageError, match="the disk is full and nothing of this operation was written"):
            import_pipeline(engine, data)
        with engine.acting_as_master():
            assert {name: PFQuery(name).count() for name in COUNTS} == dict.fromkeys(COUNTS, 0) | {
                "Company": 1
            }
        writer.pragma("max_page_count", 1_000_000)
        assert import_pipeline(engine, data).created == COUNTS


def test_a_read_only_file_is_left_alone(data):
    with unprivileged_folder() as folder:
        path = folder / "crm.db"
        opened(path).close()
        path.chmod(0o444)
        folder.chmod(0o555)
        with (
            unprivileged(),
            pytest.raises(StorageError, match="it is read-only; make the file and its folder"),
        ):
            opened(path)
        folder.chmod(0o755)


def test_users_of_the_same_name_refuse_the_import(data, tmp_path):
    with opened(tmp_path / "crm.db") as engine:
        with engine.acting_as_master():
            engine_user = {"username": "moses-frase", "email": "else@example.com", "password": "secret"}
            parsekit.PFObject("_User", **engine_user).save()
        with pytest.raises(RefusedInputError, match=r"_User.username must be unique"):
            import_pipeline(engine, data)
        with engine.acting_as_master():
            assert PFQuery("_User").count() == 1
            assert PFQuery("Company").count() == 0


@contextmanager
def unprivileged_folder():
    """A folder that everybody may enter, unlike pytest's."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


@contextmanager
def unprivileged():
    """Run a block as somebody to whom permissions of files apply."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
