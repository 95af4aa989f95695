"""The command line at work: what a golden transcript cannot show."""

import json
import os
import pty
import select
import subprocess
import sys

import pytest

import parsekit
from crm_schema import SCHEMA
from parsekit import PFObject, PFQuery
from parsekit.cli import main
from parsekit.cli.session import as_master

RUN = "import sys; from parsekit.cli import main; sys.exit(main())"


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "crm.db"
    with parsekit.open(path, schema=SCHEMA) as engine, engine.acting_as_master():
        company = PFObject("Company", name="Acme", notes="#" * 150)
        company.save()
        for number in range(120):
            PFObject("Deal", title=f"Deal {number}", stage="lead", company=company).save()
    return path


def run(*arguments, code=RUN, **options):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def on_terminal(*arguments, columns=80):
    """What a command prints on a terminal of that width."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "LINES": "50", "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(
        [sys.executable, "-c", RUN, *map(str, arguments)], stdout=follower, stderr=follower, env=environment
    ) as process:
        os.close(follower)
        printed = b""
        while select.select([leader], [], [], 60)[0]:
            try:
                piece = os.read(leader, 65536)
            except OSError:  # Linux's way to say that the other end is closed
                break
            printed += piece
    os.close(leader)
    assert process.returncode == 0
    return printed.decode().replace("\r\n", "\n")


# --- as a program among others ---


def test_without_a_terminal_there_is_no_color(database):
    found = run("find", database, "Deal", "--as-master", env={**os.environ, "FORCE_COLOR": ""})
    assert found.returncode == 0
    assert "\x1b" not in found.stdout
    assert found.stdout.endswith("100 objects\n")
    assert found.stderr == "the first 100 objects; --limit shows more\n"


def test_a_reader_that_has_enough_is_no_error(database):
    command = f'"{sys.executable}" -c "{RUN}" export "{database}" Deal | head -n 1'
    found = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert json.loads(found.stdout)["title"] == "Deal 0"
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize("missing", ["rich", "cyclopts"])
def test_a_missing_extra_is_one_sentence(missing):
    found = run(
        "--version", code=f"import sys; sys.modules[{missing!r}] = None; " + RUN.replace("import sys; ", "")
    )
    assert found.returncode == 1
    assert found.stdout == ""
    assert found.stderr == (
        'parsekit.cli needs the "cli" extra. Install it with: pip install "parsekit[cli]".\n'
    )


def test_help_names_every_command(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ("find", "count", "get", "explain", "schema", "import", "export"))
    assert main(["schema", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ("show", "diagram", "dictionary", "apply"))


# --- on a terminal ---


def test_a_table_that_fits_a_terminal_is_a_table(database):
    printed = on_terminal("find", database, "Deal", "--as-master", "--keys", "title,stage", "--limit", "2")
    assert "\x1b[1m" in printed
    plain = [line.split() for line in printed.splitlines() if "Deal" in line]
    assert [line[1:] for line in plain] == [["Deal", "0", "lead"], ["Deal", "1", "lead"]]


def test_a_table_that_does_not_fit_is_a_block_for_each_row(database):
    printed = on_terminal("find", database, "Company", "--as-master", columns=60)
    lines = printed.splitlines()
    assert [line.split()[0] for line in lines if line.startswith(("object", "name"))] == ["objectId", "name"]
    assert printed.count("#") == 150  # wrapped, not cut off


def test_a_dictionary_on_a_terminal_is_a_table(database):
    printed = on_terminal("schema", "dictionary", database, "Company", columns=120)
    assert "Company: 9 fields" in printed
    assert "| Field" not in printed


# --- commands ---


def test_explain_tells_the_index(database, capsys):
    where = '{"stage": "lead"}'
    arguments = [
        "explain",
        str(database),
        "Deal",
        "--as-master",
        "--where",
        where,
        "--order",
        "expectedCloseDate",
    ]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "SEARCH" in text
    assert "stage_expectedCloseDate" in text
    assert main([*arguments, "--json"]) == 0
    entry = json.loads(capsys.readouterr().out)
    assert entry["scans"] is entry["sorts"] is False
    assert "stage_expectedCloseDate" in entry["sqlite"][0]


@pytest.mark.parametrize("form", ["json", "jsonl", "csv"])
def test_export_and_import_carry_a_class_over(database, tmp_path, capsys, form):
    file, copy = tmp_path / f"Deal.{form}", tmp_path / "copy.db"
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(parsekit.schema_to_json(SCHEMA)))
    assert main(["export", str(database), "Deal", "-o", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"exported": {"Deal": 120}}
    assert main(["import", str(copy), str(file), "--schema", str(schema), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"created": {"Deal": 120}, "present": {}}
    assert main(["import", str(copy), str(file)]) == 0
    assert capsys.readouterr().out == "Class  Created  Already there\nDeal         0            120\n"
    rows = []
    for path in (database, copy):
        with parsekit.open(path) as engine, engine.acting_as_master():
            rows.append([deal.to_fields_json() for deal in PFQuery("Deal").each()])
    assert rows[0] == rows[1]


def test_export_without_classes_is_everything_but_sessions(database, tmp_path, capsys):
    file = tmp_path / "all.jsonl"
    assert main(["export", str(database), "-o", str(file)]) == 0
    assert capsys.readouterr().out.startswith("Class")
    classes = [json.loads(line)["className"] for line in file.read_text().splitlines()]
    assert (classes.count("Deal"), classes.count("Company")) == (120, 1)


def test_a_file_of_several_that_is_wrong_keeps_all_out(database, tmp_path, capsys):
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_text('{"className": "Deal", "title": "fine"}\n')
    bad.write_text('{"className": "Deal"}\n')
    assert main(["import", str(database), str(good), str(bad)]) == 1
    assert capsys.readouterr().err == f"error: {bad}, line 1: Deal: title is required\n"
    with parsekit.open(database) as engine, engine.acting_as_master():
        assert PFQuery("Deal").count() == 120


def test_an_import_that_fails_makes_no_database(tmp_path, capsys):
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"className": "Deal", "tit')
    assert main(["import", str(tmp_path / "new.db"), str(bad)]) == 1
    assert "line 1: invalid JSON" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [bad]


def test_csv_is_imported_by_a_mapping(database, tmp_path, capsys):
    mapping, file = tmp_path / "mapping.json", tmp_path / "pipeline.csv"
    columns = {
        "id": "objectId",
        "product": "title",
        "close": {"key": "expectedCloseDate", "dateFormat": "%m/%d/%Y"},
    }
    mapping.write_text(json.dumps({"className": "Deal", "columns": columns}))
    file.write_text("id,product,close\nd1,GTX,3/1/2017\n")
    assert main(["import", str(database), str(file), "--mapping", str(mapping)]) == 0
    capsys.readouterr()
    assert main(["get", str(database), "Deal", "d1", "--as-master", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["title"], row["expectedCloseDate"]["iso"]) == ("GTX", "2017-03-01T00:00:00.000Z")


def test_a_schema_is_applied_and_shown(tmp_path, capsys):
    schema, database = tmp_path / "schema.json", tmp_path / "new.db"
    schema.write_text(
        json.dumps({"className": "Note", "fields": {"text": {"type": "String", "required": True}}})
    )
    assert main(["schema", "apply", str(database), str(schema)]) == 0
    assert capsys.readouterr().out == f"{database} has the classes Note\n"
    assert main(["schema", "show", str(database), "Note", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert parsekit.schema_from_json(shown).get("Note").fields["text"].required
    assert main(["schema", "diagram", str(schema)]) == 0
    assert "Note {" in capsys.readouterr().out


def test_looking_at_a_database_does_not_make_one(tmp_path, capsys):
    for command in (["find", "x.db", "Deal"], ["schema", "show", "x.db"], ["export", "x.db"]):
        arguments = [command[0], *(str(tmp_path / part) if part == "x.db" else part for part in command[1:])]
        assert main(arguments) == 1
        assert "there is no such file" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_package_runs_as_a_module_with_the_same_commands_and_exit_codes(database):
    module = [sys.executable, "-m", "parsekit"]
    counted = subprocess.run(
        [*module, "count", str(database), "Deal", "--as-master"], capture_output=True, text=True, check=False
    )
    missing = subprocess.run(
        [*module, "count", "nowhere.db", "Deal"], capture_output=True, text=True, check=False
    )
    assert (counted.returncode, counted.stdout.strip()) == (0, "120")
    assert (missing.returncode, missing.stderr[:6]) == (1, "error:")


@pytest.mark.parametrize("written", [True, False])
def test_an_import_that_is_interrupted_keeps_what_is_written(tmp_path, written):
    path = tmp_path / "new.db"
    with pytest.raises(KeyboardInterrupt), as_master(path):
        if written:
            PFObject("Note", n=1).save()
        raise KeyboardInterrupt
    assert path.exists() is written
    if written:
        with parsekit.open(path) as engine, engine.acting_as_master():
            assert PFQuery("Note").count() == 1
