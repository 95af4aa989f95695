"""`python -m crm_schema demo`, as somebody runs it who has just cloned the project."""

import os
import re
import shutil
import subprocess
import sys

import parsekit
from crm_schema.demo import open_deals, pipeline_board, won_deals
from crm_schema.sample import reader
from crm_schema.sample.classes import CLASSES, User
from parsekit import PFQuery, Principal

BOARD = """\
Stage        Deals      Amount
Lead           500           0
Qualified    1,589           0
Proposal         0           0
Negotiation      0           0
Won          4,238  10,005,534
Lost         2,473           0
All          8,800  10,005,534
"""
TEAM = """\
The pipeline, as Melvin Marxen (manager, Central) sees it: the team's deals
Stage        Deals     Amount
Lead           296          0
Qualified      215          0
Proposal         0          0
Negotiation      0          0
Won            882  2,251,930
Lost           536          0
All          1,929  2,251,930
"""


def demo(folder, *arguments, code="import runpy; runpy.run_module('crm_schema', run_name='__main__')"):
    environment = {**os.environ, "COLUMNS": "40"}
    environment.pop("FORCE_COLOR", None)
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_demo_runs_and_runs_again(tmp_path):
    first = demo(tmp_path, "demo")
    assert (first.returncode, first.stderr) == (0, "")
    assert "\x1b" not in first.stdout
    assert BOARD in first.stdout
    assert "sales_pipeline.csv: 8800 rows read, 8800 kept, 0 refused\n" in first.stdout
    assert "repaired 1480 times: sales_pipeline.csv" in first.stdout
    assert re.search(r"was told: enter \w{8}\n", first.stdout)
    assert re.search(r"was told: leave \w{8}\n", first.stdout)
    assert re.search(
        r"Activity\s+15,011\s+0\n23,953 objects created in \d+\.\d\d s, in one transaction\n", first.stdout
    )
    assert "Moses Frase: 129 won deals, by expectedCloseDate" in first.stdout
    assert "Moses Frase: 65 open deals, by engageDate" in first.stdout
    assert "The board has 1,588 qualified, 1 in proposal" in first.stdout
    assert len(re.findall(r"\d+\.\d ms\n", first.stdout)) == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["crm.db"]

    second = demo(tmp_path, "demo", "--agent", "darcel-schlecht")
    assert (second.returncode, second.stderr) == (0, "")
    assert BOARD in second.stdout
    assert "nothing imported: all 23,953 objects were there already\n" in second.stdout
    assert TEAM in second.stdout

    with parsekit.open(tmp_path / "crm.db", classes=CLASSES, read_only=True) as engine:
        check_queries(engine)


def check_queries(engine):
    with engine.acting_as_master():
        moses = PFQuery(User).where_key("username", equal_to="moses-frase").first()
    with engine.acting_as(moses):
        won, still_open = won_deals(moses).find(), open_deals(moses).find()
    assert (len(won), len(still_open)) == (129, 65)
    assert won == sorted(won, key=lambda deal: deal.expected_close_date)
    assert all(deal.company is not None and deal.company.name and deal.product.name for deal in won)
    engaged = [deal.engage_date for deal in still_open]
    assert engaged == sorted(engaged, key=lambda day: (day is not None, day))
    with engine.acting_as(Principal.user("nobody")):
        assert all((row.count, row.amount) == (0, 0) for row in pipeline_board())
    with engine.acting_as_master():
        board = {row.stage.value: (row.count, row.amount) for row in pipeline_board()}
    assert board["won"] == (4_238, 10_005_534)


def test_an_agent_that_is_not_there(tmp_path):
    found = demo(tmp_path, "demo", "--agent", "moses")
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.startswith(
        'error: agent "moses": there is no such salesperson; expected one of anna-s'
    )
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database(tmp_path):
    path = tmp_path / "letter.db"
    path.write_text("Dear grandmother, " * 100)
    found = demo(tmp_path, "demo", "--database", path)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.startswith(f'error: database "{path}": it is not a parsekit database')
    assert found.stderr.count("\n") == 1
    assert path.read_text() == "Dear grandmother, " * 100


def test_rows_that_cannot_be_read(tmp_path):
    files = tmp_path / "files"
    shutil.copytree(str(reader.bundled_directory()), files)
    pipeline = files / "sales_pipeline.csv"
    pipeline.write_text(pipeline.read_text().replace("10/20/2016", "10/32/2016", 1))
    found = demo(tmp_path, "demo", "--data", files)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.startswith(
        "error: sales_pipeline.csv, line 2: engage_date '10/32/2016' cannot be read"
    )
    assert not (tmp_path / "crm.db").exists()

    found = demo(tmp_path, "demo", "--data", files, "--skip-refused")
    assert (found.returncode, found.stderr) == (0, "")
    assert "sales_pipeline.csv: 8800 rows read, 8799 kept, 1 refused\n" in found.stdout
    assert "refused: sales_pipeline.csv, line 2: engage_date" in found.stdout
    assert re.search(r"Deal\s+8,799\s+0\n", found.stdout)


def test_a_wrong_command_line_is_told_apart(tmp_path):
    assert demo(tmp_path, "dmo").returncode == 2
    assert demo(tmp_path).returncode == 2


def test_a_missing_extra_is_one_sentence(tmp_path):
    code = (
        "import sys, runpy; sys.modules['rich'] = None; runpy.run_module('crm_schema', run_name='__main__')"
    )
    found = demo(tmp_path, "demo", code=code)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == 'crm_schema needs the "cli" extra. Install it with: pip install "parsekit[cli]".\n'
