"""What commands print, as files ``golden/<name>.txt``: a command line, its output, errors and exit code.

``PARSEKIT_UPDATE_GOLDEN=1 pytest tests/cli/test_cli_golden.py`` rewrites them; read the difference.
"""

import itertools
import os
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import parsekit
from crm_schema import SCHEMA, Activity, ActivityType, Company, Contact, Deal, Stage, User
from parsekit.cli import main
from parsekit.interchange import Record, import_objects

GOLDEN = Path(__file__).parent / "golden"
COMMANDS = sorted(GOLDEN.glob("*.txt"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a small database and files for the commands; nothing in it depends on the day."""
    path = tmp_path_factory.mktemp("golden")
    moments = (datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=n) for n in itertools.count())
    numbers = itertools.count(1)
    with (
        parsekit.open(
            path / "crm.db",
            schema=SCHEMA,
            clock=lambda: next(moments),
            new_id=lambda: f"id{next(numbers):08}",
        ) as engine,
        engine.acting_as_master(),
    ):
        ada = Record("_User", {"objectId": "ada0000001", "username": "ada", "email": "ada@example.com"})
        import_objects(engine, [ada])
        fill(User.without_data("ada0000001"))
    (path / "deals.csv").write_text("objectId,title,amount\nnew1,One,1.5\nnew2,Two,\n")
    (path / "torn.csv").write_text("objectId,title,amount\nnew1,One,x\nnew2\n")
    (path / "wrong.json").write_text(
        '{"classes": [{"className": "A", "fields": {"x": {"type": "Txt"}, "y": 1}}]}'
    )
    return path


def fill(ada):
    acme = Company(name="Acme", industry="retail")
    grace = Contact(name="Grace", company=acme)
    day = datetime(2024, 3, 1, tzinfo=UTC)
    for title, stage, amount in (("Renewal", Stage.WON, 1200), ("Upgrade | more", Stage.LEAD, 99.5)):
        deal = Deal(title=title, stage=stage, amount=amount, company=acme, contact=grace, assigned_to=ada)
        deal.expected_close_date = day
        deal.save()
        Activity(type=ActivityType.CALL, related_to=deal, created_by=ada, completed_at=day).save()
    secret = Deal(title="Secret")
    secret.acl = parsekit.PFACL.from_json({"ada0000001": {"read": True}})
    secret.save()


def transcript(arguments, capsys):
    code = main(arguments)
    out, err = capsys.readouterr()
    text = out
    if err:
        text += f"--- standard error\n{err}"
    if code:
        text += f"--- exit code {code}\n"
    return text


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.stem)
def test_a_command_prints_what_it_should(folder, path, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "100")
    command, _, expected = path.read_text(encoding="utf-8").partition("\n")
    found = transcript(shlex.split(command.removeprefix("$ parsekit ")), capsys)
    if os.environ.get("PARSEKIT_UPDATE_GOLDEN"):
        path.write_text(f"{command}\n{found}", encoding="utf-8")
        return
    assert found == expected


def test_every_command_has_its_transcript():
    commands = {path.read_text(encoding="utf-8").split()[2] for path in COMMANDS}
    assert {"find", "count", "get", "schema", "import", "export", "--version"} <= commands
